//! The three forms of JSON.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::StructMode;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, Writer, WriterBuilder};
use claviger_core::catalog::type_name;
use serde_json::json;

use super::{Encoder, End, Unwritable, Words};

/// Flat objects: every row has every column, for readers that take the first row's for all.
pub(super) struct Rows<F: JsonFormat>(Writer<Vec<u8>, F>);

pub(super) type Lines = Rows<LineDelimited>;

impl Rows<JsonArray> {
    pub(super) fn array() -> Self {
        Self(WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()))
    }
}

impl Lines {
    pub(super) fn new() -> Self {
        Self(WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()))
    }
}

impl<F: JsonFormat + Send> Encoder for Rows<F> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Unwritable> {
        Ok(self.0.write(rows)?)
    }

    fn finish(&mut self, _: &End) -> Result<(), Unwritable> {
        Ok(self.0.finish()?)
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.0.get_mut())
    }
}

/// Columns and how the answer ended, with rows as lists between. 64-bit integers are texts, since a browser's numbers
/// round them.
pub(super) struct Described {
    rows: Writer<Vec<u8>, JsonArray>,
    schema: SchemaRef,
}

impl Described {
    pub(super) fn new(schema: &SchemaRef, words: &[Words]) -> Self {
        let columns = schema.fields().iter().enumerate().map(|(at, field)| {
            let words = words.get(at).cloned().unwrap_or_default();
            json!({
                "name": field.name(), "type": type_name(field.data_type()), "unit": words.unit, "meaning": words.meaning,
            })
        });
        let head = format!("{{\"columns\":{},\"rows\":", serde_json::Value::from_iter(columns)).into_bytes();
        let rows = WriterBuilder::new().with_struct_mode(StructMode::ListOnly).with_explicit_nulls(true).build(head);
        let fields =
            schema.fields().iter().map(|field| Field::new(field.name(), exact(field.data_type()), field.is_nullable()));
        Self { rows, schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) }
    }
}

/// A type whose JSON says all digits.
fn exact(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..) | DataType::Decimal256(..) => DataType::Utf8,
        DataType::List(item) => {
            DataType::List(Arc::new(Field::new(item.name(), exact(item.data_type()), item.is_nullable())))
        }
        other => other.clone(),
    }
}

impl Encoder for Described {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Unwritable> {
        let columns = rows.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(self.rows.write(&rows)?)
    }

    fn finish(&mut self, end: &End) -> Result<(), Unwritable> {
        self.rows.finish()?;
        let End { rows, cut, elapsed_ms, bytes_read } = end;
        let foot =
            format!(",\"row_count\":{rows},\"cut\":{cut},\"elapsed_ms\":{elapsed_ms},\"bytes_read\":{bytes_read}}}");
        self.rows.get_mut().extend_from_slice(foot.as_bytes());
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.rows.get_mut())
    }
}
