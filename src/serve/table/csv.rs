//! CSV as spreadsheets open it: text that they would take for a formula is marked as text, numbers are never touched.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Encoder, End, Unwritable};

pub(super) struct Csv {
    ready: Vec<u8>,
}

impl Csv {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        let mut csv = Self { ready: Vec::new() };
        csv.append(|writer| writer.write_record(schema.fields().iter().map(|field| guarded(field.name().clone()))))?;
        Ok(csv)
    }

    fn append(
        &mut self,
        write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error>,
    ) -> Result<(), Unwritable> {
        let mut writer = csv::Writer::from_writer(std::mem::take(&mut self.ready));
        write(&mut writer)?;
        self.ready = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(())
    }
}

impl Encoder for Csv {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Unwritable> {
        let options = FormatOptions::new().with_null("");
        let columns = rows.columns().iter().map(|column| {
            let is_text = matches!(column.data_type(), DataType::Utf8) || column.data_type().is_nested();
            ArrayFormatter::try_new(column, &options).map(|cells| (cells, is_text))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        self.append(|writer| {
            for row in 0..rows.num_rows() {
                for (cells, is_text) in &columns {
                    let cell = cells.value(row).to_string();
                    if *is_text { writer.write_field(guarded(cell))? } else { writer.write_field(cell)? }
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Ok(())
        })
    }

    fn finish(&mut self, _: &End) -> Result<(), Unwritable> {
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }
}

/// A cell that begins like a formula gets an apostrophe before it, by which spreadsheets know a text.
fn guarded(mut cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell.insert(0, '\'');
    }
    cell
}
