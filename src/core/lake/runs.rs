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
use crate::minutes::merge;

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
    runs(table, batches, |_day, indices| gather(batches, indices))
}

/// As [`ordered_runs`] for entity minutes, whose partials of one entity, minute and cause become one row: see
/// [`crate::minutes::merge`].
///
/// # Errors
/// When the batches are no entity minutes.
pub fn merged_minute_runs(batches: &[RecordBatch]) -> Result<Vec<Run>, ArrowError> {
    runs(TableName::EntityMinutes, batches, |day, indices| {
        merge(batches, indices, day.chunk_by(|a, b| a.keys == b.keys).map(<[Row]>::len))
    })
}

fn runs(
    table: TableName,
    batches: &[RecordBatch],
    rows_of: impl Fn(&[Row], &[(usize, usize)]) -> Result<RecordBatch, ArrowError>,
) -> Result<Vec<Run>, ArrowError> {
    let rows = ordered_rows(table, batches);
    let days = rows.chunk_by(|a, b| a.day == b.day);
    days.map(|day| {
        let indices: Vec<(usize, usize)> = day.iter().map(|row| (row.batch as usize, row.row as usize)).collect();
        Ok(Run { date: partition_date(day[0].day * MICROSECONDS_A_DAY), rows: rows_of(day, &indices)? })
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
    let ranks = ranks(&arrays);
    let mut rows = rows.iter_mut();
    for (array, ranks) in arrays.into_iter().zip(&ranks) {
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
            DataType::Dictionary(..) => {
                let codes = array.as_dictionary::<Int32Type>().keys().values().iter();
                let rank = |code: &i32| usize::try_from(*code).ok().and_then(|code| ranks.get(code)).copied();
                let values: Vec<i64> = codes.map(|code| rank(code).unwrap_or(NULL_KEY)).collect();
                fill_from(rows, array, &values, &mut set);
            }
            _ => fill_from(rows, array, ranks, &mut set),
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

/// The rank of each text among those of all arrays: for a dictionary one a code, for plain text one a row, for anything
/// else none. Most names begin alike and differ soon after, so that comparing sixteen bytes as a number mostly decides.
fn ranks(arrays: &[&ArrayRef]) -> Vec<Vec<i64>> {
    struct Place<'a> {
        beginning: u128,
        text: &'a str,
        array: u32,
        at: u32,
    }
    let mut places = Vec::new();
    let mut ranks = Vec::with_capacity(arrays.len());
    for (array, values) in (0..).zip(arrays) {
        let texts = texts(values).into_iter().flatten();
        let before = places.len();
        places.extend((0..).zip(texts).map(|(at, text)| {
            let text = text.unwrap_or_default();
            Place { beginning: beginning(text), text, array, at }
        }));
        ranks.push(vec![0; places.len() - before]);
    }
    let order = |a: &Place<'_>, b: &Place<'_>| a.beginning.cmp(&b.beginning).then_with(|| a.text.cmp(b.text));
    places.sort_unstable_by(order);
    for (rank, same) in (0..).zip(places.chunk_by(|a, b| order(a, b).is_eq())) {
        same.iter().for_each(|place| ranks[place.array as usize][place.at as usize] = rank);
    }
    ranks
}

/// The first bytes of a text as a number that orders as they do.
fn beginning(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let len = text.len().min(bytes.len());
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    u128::from_be_bytes(bytes)
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
