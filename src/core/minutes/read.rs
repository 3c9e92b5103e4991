//! Partials read back, row by row: from a batch just made, or from the lake after a restart.

use std::hash::BuildHasher as _;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int32Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use foldhash::fast::FixedState;

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
    pub marks: Marks,
    packed: &'a [i64],
}

/// Hashes of the names of a row, made once a distinct name: equal marks stand for equal names within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub entity: u64,
    pub tenant: u64,
    pub principal: u64,
}

impl Marks {
    /// The mark of a name.
    #[must_use]
    pub fn of(name: &str) -> u64 {
        FixedState::default().hash_one(name)
    }
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
        // Names become values once a distinct name, not once a row.
        let text = |at: usize| Named::of(self.0.column(at));
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
            let ((entity, of_entity), (tenant, of_tenant)) = (entities.get(row), tenants.get(row));
            let (principal, of_principal) = principals.get(row);
            Some(Partial {
                minute_us: minutes[row],
                kind: kinds.get(row)?,
                entity,
                tenant,
                principal,
                cause: causes.get(row),
                sums: row_sums,
                marks: Marks { entity: of_entity, tenant: of_tenant, principal: of_principal },
                packed: packed.get(from..to)?,
            })
        })
    }
}

/// A dictionary column of names, and the marks of its values.
struct Named<'a> {
    codes: &'a Int32Array,
    values: &'a StringArray,
    marks: Vec<u64>,
    /// Of the empty name.
    none: u64,
}

impl<'a> Named<'a> {
    fn of(column: &'a ArrayRef) -> Self {
        let column = column.as_dictionary::<Int32Type>();
        let values = column.values().as_string::<i32>();
        let marks = values.iter().map(|name| Marks::of(name.unwrap_or(""))).collect();
        Self { codes: column.keys(), values, marks, none: Marks::of("") }
    }

    fn get(&self, row: usize) -> (&'a str, u64) {
        let code = self.codes.is_valid(row).then(|| usize::try_from(self.codes.value(row)).ok()).flatten();
        code.map_or(("", self.none), |code| (self.values.value(code), self.marks[code]))
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
