//! Cells of a batch by column name, whatever way a reader has encoded them.

use std::borrow::Cow;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::Line;
use crate::lake::PARTITION_COLUMN;
use crate::time::exact;

/// The rows of a batch, its columns in ascending order of their names.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<(String, Cells)>,
    len: usize,
}

#[derive(Debug)]
enum Cells {
    Text(StringArray),
    Integer(Int64Array),
    /// UTC microseconds.
    Time(Int64Array),
    /// Shown as decimal text.
    Decimal(StringArray),
    Texts(ListArray),
}

impl Rows {
    /// Column that numbers the records of an export, unless the table has it itself.
    const SEQUENCE: &str = "seq";

    /// # Errors
    /// When a column is of a type that no table of the lake has.
    pub fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let schema = batch.schema();
        // The partition column repeats the date of an instant that is there.
        let named = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| field.name() != PARTITION_COLUMN);
        let columns = named.map(|(field, array)| Ok((field.name().clone(), Cells::of(array)?)));
        let mut columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        columns.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { columns, len: batch.num_rows() })
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The text of a cell; empty for none, and for a column that is not there.
    #[must_use]
    pub fn text(&self, column: &str, row: usize) -> &str {
        match self.cells(column) {
            Some(Cells::Text(texts) | Cells::Decimal(texts)) if texts.is_valid(row) => texts.value(row),
            _ => "",
        }
    }

    /// The number, or the instant in UTC microseconds, of a cell.
    #[must_use]
    pub fn integer(&self, column: &str, row: usize) -> Option<i64> {
        match self.cells(column)? {
            Cells::Integer(numbers) | Cells::Time(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
            Cells::Text(_) | Cells::Decimal(_) | Cells::Texts(_) => None,
        }
    }

    fn cells(&self, column: &str) -> Option<&Cells> {
        let found = self.columns.binary_search_by(|(name, _)| name.as_str().cmp(column)).ok()?;
        self.columns.get(found).map(|(_, cells)| cells)
    }

    /// The columns' names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The cells of a row as texts, in the order of [`Rows::names`]: empty for none, lists with spaces between.
    pub fn texts(&self, row: usize) -> impl Iterator<Item = Cow<'_, str>> {
        self.columns.iter().map(move |(_, cells)| match cells {
            Cells::Text(texts) | Cells::Decimal(texts) if texts.is_valid(row) => Cow::Borrowed(texts.value(row)),
            Cells::Integer(numbers) if numbers.is_valid(row) => Cow::Owned(numbers.value(row).to_string()),
            Cells::Time(times) if times.is_valid(row) => Cow::Owned(exact(times.value(row))),
            Cells::Texts(lists) if lists.is_valid(row) => {
                let texts = lists.value(row);
                let texts: Vec<&str> = texts.as_string::<i32>().iter().flatten().collect();
                Cow::Owned(texts.join(" "))
            }
            Cells::Text(_) | Cells::Decimal(_) | Cells::Integer(_) | Cells::Time(_) | Cells::Texts(_) => {
                Cow::Borrowed("")
            }
        })
    }

    pub(super) fn write_line(&self, row: usize, sequence: Option<u64>, text: &mut String) {
        let mut sequence = sequence.and_then(|sequence| i64::try_from(sequence).ok());
        let mut line = Line::begin(text);
        for (name, cells) in &self.columns {
            if name.as_str() > Self::SEQUENCE {
                line.integer(Self::SEQUENCE, sequence.take());
            }
            match cells {
                _ if sequence.is_some() && name == Self::SEQUENCE => {}
                Cells::Text(texts) | Cells::Decimal(texts) if texts.is_valid(row) => line.text(name, texts.value(row)),
                Cells::Integer(numbers) if numbers.is_valid(row) => line.integer(name, Some(numbers.value(row))),
                Cells::Time(times) if times.is_valid(row) => line.text(name, &exact(times.value(row))),
                Cells::Texts(lists) if lists.is_valid(row) => {
                    let texts = lists.value(row);
                    line.texts(name, texts.as_string::<i32>().iter().flatten());
                }
                Cells::Text(_) | Cells::Decimal(_) | Cells::Integer(_) | Cells::Time(_) | Cells::Texts(_) => {}
            }
        }
        line.integer(Self::SEQUENCE, sequence);
        line.end();
    }
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let texts = |array: &ArrayRef| cast(array, &DataType::Utf8).map(|texts| texts.as_string::<i32>().clone());
        let integers =
            |array: &ArrayRef| cast(array, &DataType::Int64).map(|cells| cells.as_primitive::<Int64Type>().clone());
        let kind = if let DataType::Dictionary(_, value) = array.data_type() { value } else { array.data_type() };
        if kind.is_integer() || *kind == DataType::Boolean {
            return integers(array).map(Self::Integer);
        }
        if kind.is_floating() {
            let numbers = cast(array, &DataType::Float64)?;
            // `{}` prints the shortest digits that read back as the same number, never an exponent.
            let shown = numbers.as_primitive::<Float64Type>().iter().map(|number| number.map(|n| n.to_string()));
            return Ok(Self::Decimal(shown.collect()));
        }
        if kind.is_temporal() {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            return Ok(Self::Time(micros.iter().collect()));
        }
        if kind.is_nested() {
            let item = Field::new_list_field(DataType::Utf8, true);
            return cast(array, &DataType::List(item.into())).map(|lists| Self::Texts(lists.as_list().clone()));
        }
        texts(array).map(Self::Text)
    }
}
