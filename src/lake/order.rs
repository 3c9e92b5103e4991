//! The order of rows within a row group: date first, then the table's sort columns, as plain integers.
//!
//! Text is replaced by its rank among the distinct texts of the run, found once a dictionary value instead of
//! once a row, so that ordering a run compares small integers only.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use claviger_core::lake::TableName;

use super::encode::MICROSECONDS_A_DAY;

/// One row's sort key and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    day: i64,
    keys: [i64; SORT_COLUMNS_MAX],
    batch: u32,
    row: u32,
}

const SORT_COLUMNS_MAX: usize = 3;
/// Nulls come first.
const NULL_KEY: i64 = i64::MIN;

impl Row {
    pub(super) const fn day(&self) -> i64 {
        self.day
    }

    pub(super) const fn at(&self) -> (usize, usize) {
        (self.batch as usize, self.row as usize)
    }
}

pub(super) struct Keys(Vec<Row>);

impl Keys {
    pub(super) fn of(table: TableName, batches: &[RecordBatch]) -> Self {
        let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
        for (number, batch) in (0..).zip(batches) {
            let count = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
            rows.extend((0..count).map(|row| Row { day: 0, keys: [NULL_KEY; SORT_COLUMNS_MAX], batch: number, row }));
        }
        fill(batches, table.time_column(), &mut rows, |row, at| row.day = at.div_euclid(MICROSECONDS_A_DAY));
        for (place, column) in table.sort_columns().iter().take(SORT_COLUMNS_MAX).enumerate() {
            fill(batches, column, &mut rows, |row, key| row.keys[place] = key);
        }
        Self(rows)
    }
}

/// Rows in order; input that is in order already, as a log mostly is, costs a single pass.
pub(super) fn order(keys: Keys) -> Vec<Row> {
    let Keys(mut rows) = keys;
    rows.sort();
    rows
}

fn fill(batches: &[RecordBatch], column: &str, rows: &mut [Row], mut set: impl FnMut(&mut Row, i64)) {
    let arrays: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.column_by_name(column)).collect();
    if arrays.len() != batches.len() {
        return;
    }
    let ranks = Ranks::of(&arrays);
    let mut rows = rows.iter_mut();
    for array in arrays {
        let rows = rows.by_ref().take(array.len());
        match array.data_type() {
            DataType::Int64 => fill_from(rows, array, array.as_primitive::<Int64Type>().values(), &mut set),
            DataType::Timestamp(..) => {
                fill_from(rows, array, array.as_primitive::<TimestampMicrosecondType>().values(), &mut set);
            }
            DataType::Int32 => {
                let values: Vec<i64> =
                    array.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)).collect();
                fill_from(rows, array, &values, &mut set);
            }
            _ => fill_from(rows, array, &ranks.of_rows(array), &mut set),
        }
    }
}

fn fill_from<'a>(
    rows: impl Iterator<Item = &'a mut Row>,
    array: &ArrayRef,
    values: &[i64],
    set: &mut impl FnMut(&mut Row, i64),
) {
    let nulls = array.nulls();
    for ((place, row), value) in rows.enumerate().zip(values) {
        if nulls.is_none_or(|nulls| nulls.is_valid(place)) {
            set(row, *value);
        }
    }
}

/// The rank of every text of a column over all batches of a run.
struct Ranks<'a> {
    sorted: Vec<&'a str>,
}

impl<'a> Ranks<'a> {
    fn of(arrays: &[&'a ArrayRef]) -> Self {
        let mut sorted: Vec<&str> = arrays.iter().filter_map(|array| texts(array)).flatten().flatten().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { sorted }
    }

    fn rank(&self, text: &str) -> i64 {
        i64::try_from(self.sorted.partition_point(|known| *known < text)).unwrap_or(i64::MAX)
    }

    /// The rank of each row of one batch.
    fn of_rows(&self, array: &ArrayRef) -> Vec<i64> {
        match array.data_type() {
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let by_code: Vec<i64> = texts(array)
                    .map(|texts| texts.map(|text| self.rank(text.unwrap_or_default())).collect())
                    .unwrap_or_default();
                let codes = dictionary.keys().values().iter();
                codes
                    .map(|code| usize::try_from(*code).ok().and_then(|code| by_code.get(code)).copied().unwrap_or(0))
                    .collect()
            }
            DataType::Utf8 => array.as_string::<i32>().iter().map(|text| self.rank(text.unwrap_or_default())).collect(),
            _ => vec![0; array.len()],
        }
    }
}

/// The distinct texts of a dictionary, or the texts of a plain column.
fn texts(array: &ArrayRef) -> Option<arrow::array::ArrayIter<&arrow::array::StringArray>> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            array.as_dictionary_opt::<Int32Type>().and_then(|d| d.values().as_string_opt::<i32>()).map(|v| v.iter())
        }
        DataType::Utf8 => array.as_string_opt::<i32>().map(|v| v.iter()),
        _ => None,
    }
}
