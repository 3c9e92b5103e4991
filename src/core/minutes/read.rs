//! Partials read back, row by row: from a batch just made, or from the lake after a restart.

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int32Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::{Distinct, EntityKind, MINUTE_SCHEMA, Sum, Sums};
use crate::cause::RootCause;

/// One row of `entity_minutes`. Absent texts are empty.
#[derive(Clone, Debug)]
pub struct Partial<'a> {
    /// Start of the minute, UTC microseconds.
    pub minute_us: i64,
    pub kind: EntityKind,
    pub entity: &'a str,
    pub tenant: &'a str,
    pub principal: &'a str,
    /// `None` when the requests were not refused.
    pub cause: Option<RootCause>,
    pub sums: Sums,
    packed: &'a [i64],
}

impl Partial<'_> {
    /// Distinct values by kind, in no order.
    pub fn distinct(&self) -> impl Iterator<Item = (Distinct, u32)> + '_ {
        self.packed.iter().filter_map(|&value| Distinct::unpacked(value))
    }
}

/// The rows of a batch.
#[derive(Clone, Debug)]
pub struct Partials(RecordBatch);

impl Partials {
    /// # Errors
    /// When a column of [`MINUTE_SCHEMA`] is missing or of a type that cannot become the schema's.
    pub fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let columns = MINUTE_SCHEMA.fields().iter().map(|field| {
            let column = batch.column_by_name(field.name());
            let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column `{}`", field.name())))?;
            if column.data_type() == field.data_type() {
                Ok(std::sync::Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(std::sync::Arc::clone(&MINUTE_SCHEMA), columns).map(Self)
    }

    /// Rows of a kind that this version does not know are left out.
    pub fn iter(&self) -> impl Iterator<Item = Partial<'_>> + '_ {
        let text = |at: usize| {
            let column = self.0.column(at).as_dictionary::<Int32Type>();
            let values = column.values().as_string::<i32>();
            move |row: usize| column.key(row).map_or("", |code| values.value(code))
        };
        // Names become values once a distinct name, not once a row.
        let kinds = Decoded::of(self.0.column(1), EntityKind::named);
        let causes = Decoded::of(self.0.column(5), RootCause::from_name);
        let minutes = self.0.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let (entities, tenants, principals) = (text(2), text(3), text(4));
        let sums = Sum::ALL.iter().map(|&sum| {
            let values = self.0.column(FIRST_SUM + sum as usize).as_primitive::<Int64Type>().values();
            (sum, values.as_ref())
        });
        let sums: Vec<(Sum, &[i64])> = sums.collect();
        let lists = self.0.column(FIRST_SUM + Sum::COUNT).as_list::<i32>();
        let (offsets, packed) = (lists.value_offsets(), lists.values().as_primitive::<Int64Type>().values().as_ref());
        (0..self.0.num_rows()).filter_map(move |row| {
            let mut row_sums = Sums::default();
            sums.iter().for_each(|(sum, values)| row_sums[*sum] = values[row]);
            let (from, to) = (usize::try_from(offsets[row]).ok()?, usize::try_from(offsets[row + 1]).ok()?);
            Some(Partial {
                minute_us: minutes[row],
                kind: kinds.get(row)?,
                entity: entities(row),
                tenant: tenants(row),
                principal: principals(row),
                cause: causes.get(row),
                sums: row_sums,
                packed: packed.get(from..to)?,
            })
        })
    }
}

/// A dictionary column whose values stand for something else.
struct Decoded<'a, T> {
    codes: &'a Int32Array,
    values: Vec<Option<T>>,
}

impl<'a, T: Copy> Decoded<'a, T> {
    fn of(column: &'a ArrayRef, value_of: impl Fn(&str) -> Option<T>) -> Self {
        let column = column.as_dictionary::<Int32Type>();
        let values = column.values().as_string::<i32>().iter().map(|name| value_of(name?)).collect();
        Self { codes: column.keys(), values }
    }

    fn get(&self, row: usize) -> Option<T> {
        let code = self.codes.is_valid(row).then(|| self.codes.value(row))?;
        self.values.get(usize::try_from(code).ok()?).copied().flatten()
    }
}

/// Columns before the sums.
const FIRST_SUM: usize = 6;
