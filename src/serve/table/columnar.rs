//! Arrow streams and Parquet files: exact in every type, and quick to read.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{Encoder, End, Unwritable};

/// A group of rows is held in memory until it is written.
const GROUP_ROWS_MAX: usize = 128 * 1024;
const GROUP_BYTES_MAX: usize = 16 << 20;

pub(super) struct Arrow(StreamWriter<Vec<u8>>);

impl Arrow {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        Ok(Self(StreamWriter::try_new(Vec::new(), schema)?))
    }
}

impl Encoder for Arrow {
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

/// The file's metadata says whether rows were left out.
pub(super) struct Parquet(ArrowWriter<Vec<u8>>);

impl Parquet {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Unwritable> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        Ok(Self(ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))?))
    }
}

impl Encoder for Parquet {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Unwritable> {
        self.0.write(rows)?;
        if self.0.in_progress_size() >= GROUP_BYTES_MAX {
            self.0.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Unwritable> {
        self.0.append_key_value_metadata(KeyValue::new("claviger.cut".to_owned(), end.cut.to_string()));
        self.0.finish()?;
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        // The writer counts what it has written itself, and never looks back.
        std::mem::take(self.0.inner_mut())
    }
}
