//! Delta's statistics of a data file: row count, and least and greatest values of the columns readers skip by.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use claviger_core::lake::TableName;
use serde_json::{Map, Value, json};

use super::layout::log_statistics;

/// Longer texts are left out: cutting a greatest value would make it too small.
const TEXT_BYTES_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scalar {
    Number(i64),
    /// UTC microseconds.
    Instant(i64),
    Text(String),
}

#[derive(Clone, Debug, Default)]
struct ColumnStats {
    range: Option<(Scalar, Scalar)>,
    nulls: u64,
    unbounded: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Stats {
    table: TableName,
    rows: u64,
    columns: BTreeMap<&'static str, ColumnStats>,
}

impl Stats {
    pub(super) const fn new(table: TableName) -> Self {
        Self { table, rows: 0, columns: BTreeMap::new() }
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for name in log_statistics(self.table) {
            let Some(array) = batch.column_by_name(name) else { continue };
            let column = self.columns.entry(name).or_default();
            column.nulls += array.null_count() as u64;
            let Some((least, greatest)) = range(array) else { continue };
            column.unbounded |= [&least, &greatest]
                .into_iter()
                .any(|value| matches!(value, Scalar::Text(text) if text.len() > TEXT_BYTES_MAX));
            column.range = Some(match column.range.take() {
                Some((low, high)) => (low.min(least), high.max(greatest)),
                None => (least, greatest),
            });
        }
    }

    pub(super) fn to_json(&self) -> String {
        let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, column) in &self.columns {
            nulls.insert((*name).to_owned(), json!(column.nulls));
            if let Some((low, high)) = column.range.as_ref().filter(|_| !column.unbounded) {
                least.insert((*name).to_owned(), low.to_json());
                greatest.insert((*name).to_owned(), high.to_json());
            }
        }
        json!({ "numRecords": self.rows, "minValues": least, "maxValues": greatest, "nullCount": nulls }).to_string()
    }
}

impl Scalar {
    fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Instant(at) => chrono::DateTime::from_timestamp_micros(*at)
                .map_or(Value::Null, |at| json!(at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())),
            Self::Text(text) => json!(text),
        }
    }
}

fn range(array: &ArrayRef) -> Option<(Scalar, Scalar)> {
    macro_rules! numbers {
        ($type:ty, $wrap:expr) => {{
            let array = array.as_primitive::<$type>();
            Some(($wrap(compute::min(array)?.into()), $wrap(compute::max(array)?.into())))
        }};
    }
    match array.data_type() {
        DataType::Int16 => numbers!(Int16Type, Scalar::Number),
        DataType::Int32 => numbers!(Int32Type, Scalar::Number),
        DataType::Int64 => numbers!(Int64Type, Scalar::Number),
        DataType::Timestamp(..) => numbers!(TimestampMicrosecondType, Scalar::Instant),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Some((text(compute::min_string(array)?), text(compute::max_string(array)?)))
        }
        DataType::Dictionary(..) => dictionary_range(array),
        _ => None,
    }
}

/// Looks at each distinct text that occurs once, not at each row.
fn dictionary_range(array: &ArrayRef) -> Option<(Scalar, Scalar)> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let values = dictionary.values().as_string_opt::<i32>()?;
    let occurs = dictionary.occupancy();
    let present = || (0..values.len()).filter(|code| occurs.value(*code)).map(|code| values.value(code));
    Some((text(present().min()?), text(present().max()?)))
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}
