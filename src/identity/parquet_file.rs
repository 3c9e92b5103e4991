//! Parquet: each batch is written out as NDJSON and read as such, so that lists, maps, dictionaries and
//! numbers mean the same in both. Timestamps are UTC, whatever zone the file names for showing them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use claviger_core::identity::{DirectoryBuilder, Place, Table};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::IdentityError;

/// Rows that are turned into text at a time.
const BATCH_ROWS: usize = 1024;

pub(super) fn read(path: &Path, name: &str, table: Table, builder: &mut DirectoryBuilder) -> Result<(), IdentityError> {
    let file = File::open(path).map_err(|source| IdentityError::Unreadable { path: path.to_owned(), source })?;
    let bad_file = |source| IdentityError::BadParquet { path: path.to_owned(), source };
    let bad_batch = |source| IdentityError::BadBatch { path: path.to_owned(), source };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(bad_file)?;
    let batches = reader.with_batch_size(BATCH_ROWS).build().map_err(bad_file)?;
    let mut line = 0;
    for batch in batches {
        let batch = without_zones(&batch.map_err(bad_batch)?).map_err(bad_batch)?;
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(&batch).map_err(bad_batch)?;
        writer.finish().map_err(bad_batch)?;
        let text = writer.into_inner();
        // Line feeds within values are escaped, so every row is one line.
        for row in text.split(|&byte| byte == b'\n').filter(|row| !row.is_empty()) {
            line += 1;
            builder.push_json(table, Place { file: name, line }, row);
        }
    }
    Ok(())
}

/// The same instants without the zone they would be shown in, which the JSON writer would look up by name.
fn without_zones(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let bare = |array: &ArrayRef| -> ArrayRef {
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, Some(_)) => {
                Arc::new(array.as_primitive::<TimestampSecondType>().clone().with_timezone_opt(None::<Arc<str>>))
            }
            DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
                Arc::new(array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<Arc<str>>))
            }
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => {
                Arc::new(array.as_primitive::<TimestampNanosecondType>().clone().with_timezone_opt(None::<Arc<str>>))
            }
            _ => Arc::clone(array),
        }
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(bare).collect();
    let fields = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), field.is_nullable()))
        .collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
