//! Rows to Parquet files, on whatever thread calls: no I/O here, only CPU and bounded memory.
//!
//! Rows wait until a run of [`FileLimits::run_rows`] is full; the run is ordered by date and the table's sort columns
//! and becomes one row group of its date's file. A file therefore is sorted within each row group, not
//! from end to end: sorting whole files would hold seconds of traffic in memory, and a reader prunes by row group
//! and page anyway. Memory is a run of rows, plus [`FILES_OPEN_MAX`] files of at most [`FileLimits::file_bytes`].
//!
//! The library's own writer is not used: it copies every batch and knows neither bloom filters nor encodings a column.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use claviger_core::lake::{Run, StreamTable, TableName, merged_minute_runs, ordered_runs};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use super::error::LakeError;
use super::layout::writer_properties;
use super::stats::Stats;

/// How rows are cut into row groups and files.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    pub run_rows: usize,
    /// A file is closed once it has grown to this.
    pub file_bytes: usize,
}

/// Runs of 64 k rows: twice as long ones pack 2 % better and cost a third more memory (620 instead of 470 MB at the peak
/// of a replay, 2026-11).
impl Default for FileLimits {
    fn default() -> Self {
        Self { run_rows: 64 * 1024, file_bytes: 64 << 20 }
    }
}

/// Input that spans many dates closes files early rather than holding one open a date.
const FILES_OPEN_MAX: usize = 4;

/// A finished file, not stored yet.
#[derive(Clone, Debug)]
pub struct EncodedFile {
    /// Relative to the table.
    pub path: String,
    pub date: String,
    pub rows: u64,
    pub bytes: Bytes,
    /// Delta's statistics of the file, as JSON.
    pub stats: String,
}

struct OpenFile {
    date: String,
    writer: ArrowWriter<Vec<u8>>,
    stats: Stats,
}

/// Collects the rows of one table into files.
pub struct Encoder {
    table: TableName,
    limits: FileLimits,
    /// Orders the rows of a run.
    arrange: fn(TableName, &[RecordBatch]) -> Result<Vec<Run>, ArrowError>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    open: Vec<OpenFile>,
    closed: Vec<EncodedFile>,
}

impl Encoder {
    #[must_use]
    pub fn new(table: TableName, limits: FileLimits) -> Self {
        let (pending, open, closed) = (Vec::new(), Vec::new(), Vec::new());
        Self { table, limits, arrange: ordered_runs, pending, pending_rows: 0, open, closed }
    }

    /// An encoder of rows that come fresh from refinement, whose entity minutes are still in many parts.
    #[must_use]
    pub fn of_stream(table: StreamTable, limits: FileLimits) -> Self {
        let encoder = Self::new(table.table(), limits);
        match table {
            StreamTable::Events | StreamTable::Rejects => encoder,
            StreamTable::EntityMinutes => Self { arrange: |_, batches| merged_minute_runs(batches), ..encoder },
        }
    }

    /// Takes rows in, in the table's schema ([`TableName::schema`]).
    ///
    /// # Errors
    /// When they cannot be encoded; the encoder must then be [reset](Encoder::reset).
    pub fn push(&mut self, rows: RecordBatch) -> Result<(), LakeError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.pending_rows += rows.num_rows();
        self.pending.push(rows);
        if self.pending_rows >= self.limits.run_rows {
            self.write_run()?;
        }
        Ok(())
    }

    /// Files that have been closed since this was asked last: they can be stored before the seal.
    pub fn take_closed(&mut self) -> Vec<EncodedFile> {
        std::mem::take(&mut self.closed)
    }

    /// Closes everything; the encoder is empty and ready again.
    ///
    /// # Errors
    /// As for [`Encoder::push`].
    pub fn seal(&mut self) -> Result<Vec<EncodedFile>, LakeError> {
        self.write_run()?;
        for file in std::mem::take(&mut self.open) {
            self.close(file)?;
        }
        Ok(self.take_closed())
    }

    /// Forgets all rows.
    pub fn reset(&mut self) {
        *self = Self { arrange: self.arrange, ..Self::new(self.table, self.limits) };
    }

    fn write_run(&mut self) -> Result<(), LakeError> {
        let batches = std::mem::take(&mut self.pending);
        self.pending_rows = 0;
        if batches.is_empty() {
            return Ok(());
        }
        let runs = (self.arrange)(self.table, &batches)
            .map_err(|source| LakeError::Unarrangeable { table: self.table, source })?;
        for run in runs {
            self.write_row_group(&run.date, &run.rows)?;
        }
        Ok(())
    }

    fn write_row_group(&mut self, date: &str, run: &RecordBatch) -> Result<(), LakeError> {
        let table = self.table;
        let at = match self.open.iter().position(|file| file.date == date) {
            Some(at) => at,
            None => {
                if self.open.len() >= FILES_OPEN_MAX {
                    let oldest = self.open.remove(0);
                    self.close(oldest)?;
                }
                self.open.push(OpenFile::create(table, date, run)?);
                self.open.len() - 1
            }
        };
        let file = &mut self.open[at];
        file.stats.add(run);
        file.writer
            .write(run)
            .and_then(|()| file.writer.flush())
            .map_err(|source| LakeError::Unencodable { table, source })?;
        if file.writer.bytes_written() >= self.limits.file_bytes {
            let full = self.open.remove(at);
            self.close(full)?;
        }
        Ok(())
    }

    fn close(&mut self, file: OpenFile) -> Result<(), LakeError> {
        let table = self.table;
        let OpenFile { date, writer, stats } = file;
        let bytes = writer.into_inner().map_err(|source| LakeError::Unencodable { table, source })?;
        self.closed.push(EncodedFile {
            path: format!(
                "{}={date}/part-{}.zstd.parquet",
                claviger_core::lake::PARTITION_COLUMN,
                uuid::Uuid::new_v4()
            ),
            date,
            rows: stats.rows(),
            bytes: bytes.into(),
            stats: stats.to_json(),
        });
        Ok(())
    }
}

impl OpenFile {
    fn create(table: TableName, date: &str, run: &RecordBatch) -> Result<Self, LakeError> {
        let options = ArrowWriterOptions::new()
            .with_properties(writer_properties(table))
            // The file's schema is then the Delta schema: text, whatever it was in memory.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), run.schema(), options)
            .map_err(|source| LakeError::Unencodable { table, source })?;
        Ok(Self { date: date.to_owned(), writer, stats: Stats::new(table) })
    }
}

/// Encodes rows that are few: a whole table append at once.
pub(super) fn encode_all(table: TableName, rows: RecordBatch) -> Result<Vec<EncodedFile>, LakeError> {
    let mut encoder = Encoder::new(table, FileLimits::default());
    encoder.push(rows)?;
    encoder.seal()
}

/// Rows of `batch` for which `keep` holds.
pub(super) fn filter(
    table: TableName,
    batch: &RecordBatch,
    keep: impl Fn(usize) -> bool,
) -> Result<RecordBatch, LakeError> {
    let mask: arrow::array::BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(row))).collect();
    arrow::compute::filter_record_batch(batch, &mask).map_err(|source| LakeError::Unarrangeable { table, source })
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("table", &self.table)
            .field("pending_rows", &self.pending_rows)
            .field("open_files", &self.open.len())
            .finish_non_exhaustive()
    }
}

/// Shared by everything that only passes files on.
pub(super) type SharedStore = Arc<dyn object_store::ObjectStore>;
