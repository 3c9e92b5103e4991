//! Records into files of one format, cut at a size.

use std::io::{self, Write as _};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::{BatchCoalescer, cast};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use claviger_core::trail::{Kind, Rows, Spelling, write_lines};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::error::ExportError;
use super::files::{Folder, Hashing};

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Ndjson,
    Csv,
    Parquet,
    Ocsf,
}

impl Output {
    pub const ALL: [Self; 4] = [Self::Ndjson, Self::Csv, Self::Parquet, Self::Ocsf];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Ocsf => "ocsf",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|output| output.name() == name)
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Ocsf => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Rows that are written at once, and of a row group: fixed, so that bytes do not depend on how rows arrive.
const BATCH_ROWS: usize = 8 * 1024;
/// Texts are looked at for their size more often.
const LINES: usize = 256;
const GROUP_ROWS: usize = 64 * 1024;

/// The files of one kind.
pub(super) struct Files {
    kind: Kind,
    output: Output,
    file_bytes: u64,
    number: u32,
    /// Records of all files so far.
    records: u64,
    even: Option<BatchCoalescer>,
    open: Option<Open>,
    text: String,
}

struct Open {
    target: Target,
    /// Records before this file.
    before: u64,
}

enum Target {
    Lines(Hashing),
    Csv(Box<csv::Writer<Hashing>>),
    Parquet(Box<ArrowWriter<Hashing>>),
}

impl Files {
    pub(super) fn new(kind: Kind, output: Output, file_bytes: u64) -> Self {
        Self { kind, output, file_bytes, number: 0, records: 0, even: None, open: None, text: String::new() }
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn write(&mut self, batch: &RecordBatch, folder: &mut Folder) -> Result<(), ExportError> {
        let kind = self.kind;
        let unspeakable = |source| ExportError::Unspeakable { kind, source };
        let batch = plain(batch).map_err(unspeakable)?;
        let even = self.even.get_or_insert_with(|| BatchCoalescer::new(batch.schema(), BATCH_ROWS));
        even.push_batch(batch).map_err(unspeakable)?;
        self.write_even(folder)
    }

    /// Closes the last file. Returns the number of records.
    pub(super) fn finish(mut self, folder: &mut Folder) -> Result<u64, ExportError> {
        if let Some(even) = &mut self.even {
            even.finish_buffered_batch().map_err(|source| ExportError::Unspeakable { kind: self.kind, source })?;
        }
        self.write_even(folder)?;
        self.close(folder)?;
        Ok(self.records)
    }

    fn write_even(&mut self, folder: &mut Folder) -> Result<(), ExportError> {
        while let Some(batch) = self.even.as_mut().and_then(BatchCoalescer::next_completed_batch) {
            let step = if self.output == Output::Parquet { BATCH_ROWS } else { LINES };
            for first in (0..batch.num_rows()).step_by(step) {
                self.write_batch(&batch.slice(first, step.min(batch.num_rows() - first)), folder)?;
            }
        }
        Ok(())
    }

    fn write_batch(&mut self, batch: &RecordBatch, folder: &mut Folder) -> Result<(), ExportError> {
        let kind = self.kind;
        let unspeakable = |source| ExportError::Unspeakable { kind, source };
        let unwritable = |source| folder.unwritable(kind.name(), source);
        let first = self.records + 1;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_file(batch, folder)?,
        };
        let full = match &mut open.target {
            Target::Lines(file) => {
                let spelling = if self.output == Output::Ocsf { Spelling::Ocsf } else { Spelling::Own };
                self.text.clear();
                let rows = Rows::of(batch).map_err(unspeakable)?;
                write_lines(kind, spelling, &rows, first, &mut self.text).map_err(unspeakable)?;
                file.write_all(self.text.as_bytes()).map_err(unwritable)?;
                file.bytes() >= self.file_bytes
            }
            Target::Csv(writer) => {
                let rows = Rows::of(batch).map_err(unspeakable)?;
                write_cells(writer, &rows, first).map_err(unwritable)?;
                writer.get_ref().bytes() >= self.file_bytes
            }
            Target::Parquet(writer) => {
                let batch = numbered(batch, first).map_err(unspeakable)?;
                writer.write(&batch).map_err(|source| ExportError::Unencodable { kind, source })?;
                writer.bytes_written() as u64 >= self.file_bytes
            }
        };
        self.records += batch.num_rows() as u64;
        self.open = Some(open);
        if full { self.close(folder) } else { Ok(()) }
    }

    fn open_file(&mut self, batch: &RecordBatch, folder: &Folder) -> Result<Open, ExportError> {
        let kind = self.kind;
        self.number += 1;
        let file = folder.create(format!("{}/{:06}.{}", kind.name(), self.number, self.output.extension()))?;
        let target = match self.output {
            Output::Ndjson | Output::Ocsf => Target::Lines(file),
            Output::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                let rows = Rows::of(batch).map_err(|source| ExportError::Unspeakable { kind, source })?;
                let header = std::iter::once(SEQUENCE).chain(rows.names());
                writer.write_record(header).map_err(|error| folder.unwritable(kind.name(), error.into()))?;
                Target::Csv(Box::new(writer))
            }
            Output::Parquet => {
                let writer = ArrowWriter::try_new(file, numbered_schema(&batch.schema()), Some(properties()));
                Target::Parquet(Box::new(writer.map_err(|source| ExportError::Unencodable { kind, source })?))
            }
        };
        Ok(Open { target, before: self.records })
    }

    fn close(&mut self, folder: &mut Folder) -> Result<(), ExportError> {
        let kind = self.kind;
        let Some(Open { target, before }) = self.open.take() else { return Ok(()) };
        let file = match target {
            Target::Lines(file) => file,
            Target::Csv(writer) => {
                let written = writer.into_inner().map_err(|error| io::Error::other(error.to_string()));
                written.map_err(|source| folder.unwritable(kind.name(), source))?
            }
            Target::Parquet(writer) => {
                writer.into_inner().map_err(|source| ExportError::Unencodable { kind, source })?
            }
        };
        folder.close(file, Some(self.records - before))
    }
}

/// The column that numbers the records of a kind, from 1.
const SEQUENCE: &str = "seq";

fn write_cells(writer: &mut csv::Writer<Hashing>, rows: &Rows, first: u64) -> io::Result<()> {
    for row in 0..rows.len() {
        writer.write_field((first + row as u64).to_string())?;
        for cell in rows.texts(row) {
            if is_formula(&cell) {
                writer.write_field(format!("'{cell}"))?;
            } else {
                writer.write_field(cell.as_bytes())?;
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// What a spreadsheet would run instead of show; such cells get a quote before them.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<i64>().is_err()
}

/// Columns as themselves: what dictionaries and views hold beside the rows must not reach a file.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match column.data_type() {
            DataType::Dictionary(..) | DataType::Utf8View | DataType::LargeUtf8 => cast(column, &DataType::Utf8)?,
            DataType::List(_) | DataType::LargeList(_) | DataType::ListView(_) => {
                cast(column, &DataType::List(Field::new_list_field(DataType::Utf8, true).into()))?
            }
            _ => Arc::clone(column),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn numbered_schema(schema: &SchemaRef) -> SchemaRef {
    let sequence = Arc::new(Field::new(SEQUENCE, DataType::Int64, false));
    Arc::new(Schema::new(std::iter::once(sequence).chain(schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

fn numbered(batch: &RecordBatch, first: u64) -> Result<RecordBatch, ArrowError> {
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
    let sequence: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
    let columns = std::iter::once(sequence).chain(batch.columns().iter().cloned()).collect();
    RecordBatch::try_new(numbered_schema(&batch.schema()), columns)
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build()
}
