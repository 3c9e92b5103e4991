//! Runs: the rows of one row group, in order of date and then of the table's sort columns.
//!
//! Text is replaced by its rank among the distinct texts of the run, found once a dictionary value instead of once a
//! row, so that ordering compares small integers only. Columns without any value, of which every gateway leaves
//! many, are not looked at.

use arrow::array::{Array, ArrayIter, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::{TableName, partition_date};

/// Rows of one date, in order.
#[derive(Clone, Debug)]
pub struct Run {
    /// The partition value.
    pub date: String,
    pub rows: RecordBatch,
}

/// Cuts batches of a table into one ordered run a date, earliest first. No batches make no runs.
///
/// # Errors
/// When the batches do not share a schema.
pub fn ordered_runs(table: TableName, batches: &[RecordBatch]) -> Result<Vec<Run>, ArrowError> {
    let rows = ordered_rows(table, batches);
    let days = rows.chunk_by(|a, b| a.day == b.day);
    days.map(|day| {
        let indices: Vec<(usize, usize)> = day.iter().map(|row| (row.batch as usize, row.row as usize)).collect();
        let date = partition_date(day[0].day * MICROSECONDS_A_DAY);
        Ok(Run { date, rows: gather(batches, &indices)? })
    })
    .collect()
}

/// The rows at `indices` (batch, row), in that order.
fn gather(batches: &[RecordBatch], indices: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
    let schema = batches[0].schema();
    let columns = (0..schema.fields().len()).map(|at| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
        if arrays.iter().all(|array| array.null_count() == array.len()) {
            return Ok(new_null_array(schema.field(at).data_type(), indices.len()));
        }
        interleave(&arrays, indices)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, columns)
}

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// One row's sort key and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    day: i64,
    keys: [i64; SORT_COLUMNS_MAX],
    batch: u32,
    row: u32,
}

const SORT_COLUMNS_MAX: usize = 3;
/// Nulls come first.
const NULL_KEY: i64 = i64::MIN;

/// Where every row goes; input that is in order already, as a log mostly is, costs a single pass.
fn ordered_rows(table: TableName, batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (number, batch) in (0..).zip(batches) {
        let count = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        rows.extend((0..count).map(|row| Row { day: 0, keys: [NULL_KEY; SORT_COLUMNS_MAX], batch: number, row }));
    }
    fill(batches, table.time_column(), &mut rows, |row, at| row.day = at.div_euclid(MICROSECONDS_A_DAY));
    for (place, column) in table.sort_columns().iter().take(SORT_COLUMNS_MAX).enumerate() {
        fill(batches, column, &mut rows, |row, key| row.keys[place] = key);
    }
    rows.sort();
    rows
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is the library's: the rest is text")]
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
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is the library's: nothing else is text")]
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
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is the library's: nothing else is text")]
fn texts(array: &ArrayRef) -> Option<ArrayIter<&StringArray>> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            array.as_dictionary_opt::<Int32Type>().and_then(|d| d.values().as_string_opt::<i32>()).map(|v| v.iter())
        }
        DataType::Utf8 => array.as_string_opt::<i32>().map(|v| v.iter()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DictColumn, IntColumn, LongColumn, TimeColumn};

    const DAY: i64 = MICROSECONDS_A_DAY;

    /// Gaps, because they have few columns: (topic, begin, declared at).
    fn gaps(rows: &[(&str, i64, i64)]) -> RecordBatch {
        let (mut topic, mut reason) = (DictColumn::default(), DictColumn::default());
        let (mut begin, mut end) = (LongColumn::default(), LongColumn::default());
        let (mut partition, mut at) = (IntColumn::default(), TimeColumn::default());
        for (name, from, declared_at) in rows {
            topic.push(name);
            partition.push(Some(0));
            begin.push(Some(*from));
            end.push(Some(from + 1));
            reason.push("retention");
            at.push(Some(*declared_at));
        }
        let columns =
            vec![topic.finish(), partition.finish(), begin.finish(), end.finish(), reason.finish(), at.finish()];
        RecordBatch::try_new(TableName::Gaps.schema(), columns).unwrap()
    }

    #[test]
    fn rows_of_several_batches_are_cut_by_date_and_ordered_by_text_and_number() {
        let batches = [gaps(&[("b", 2, DAY), ("a", 9, DAY + 1), ("b", 1, 0)]), gaps(&[("a", 3, DAY), ("c", 0, -1)])];
        let runs = ordered_runs(TableName::Gaps, &batches).unwrap();
        let read: Vec<(String, Vec<(String, i64)>)> = runs
            .into_iter()
            .map(|run| {
                let topics = arrow::compute::cast(run.rows.column(0), &DataType::Utf8).unwrap();
                let begins = run.rows.column(2).as_primitive::<Int64Type>();
                let topics = topics.as_string::<i32>().iter().flatten().map(ToOwned::to_owned);
                (run.date, topics.zip(begins.values().iter().copied()).collect())
            })
            .collect();
        let row = |topic: &str, begin| (topic.to_owned(), begin);
        assert_eq!(
            read,
            [
                ("1969-12-31".to_owned(), vec![row("c", 0)]),
                ("1970-01-01".to_owned(), vec![row("b", 1)]),
                ("1970-01-02".to_owned(), vec![row("a", 3), row("a", 9), row("b", 2)]),
            ]
        );
    }
}
