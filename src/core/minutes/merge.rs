//! Partials of one entity, minute and cause to one row, when nothing is lost by it.
//!
//! A batch is a fraction of a second, so an entity has many partials a minute; the lake needs one. Sums are added up
//! and distinct values united, as any reader would. A row that would hold more distinct values of a kind
//! than [`DISTINCT_MAX`] is left by itself: its values would have to be cut.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;

use super::{DISTINCT_MAX, MINUTE_SCHEMA, Sum, Sums, distinct_item};

/// Columns before the sums.
const NAMES: usize = 6;
/// Of those, the ones that rows of one entity and minute may differ in: tenant, principal, cause.
const TOLD_APART_BY: [usize; 3] = [3, 4, 5];

/// The rows at `order` (batch, row), merged. They come in groups: those of `groups[0]` first, and each group is of one
/// entity and minute.
///
/// # Errors
/// When the batches are not of [`MINUTE_SCHEMA`].
pub fn merge(
    batches: &[RecordBatch],
    order: &[(usize, usize)],
    groups: impl Iterator<Item = usize>,
) -> Result<RecordBatch, ArrowError> {
    let sources = batches.iter().map(Source::of).collect::<Option<Vec<_>>>();
    let sources = sources.ok_or_else(|| ArrowError::SchemaError("these are no entity minutes".to_owned()))?;
    let mut merged = Merged::with_capacity(order.len());
    let mut rest = order;
    for len in groups {
        let (group, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = later;
        merged.add_group(&sources, group);
    }
    merged.finish(batches)
}

/// One batch's columns.
struct Source<'a> {
    apart: [Texts<'a>; TOLD_APART_BY.len()],
    sums: Vec<&'a [i64]>,
    offsets: &'a [i32],
    values: &'a [i64],
}

impl<'a> Source<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        if batch.num_columns() != MINUTE_SCHEMA.fields().len() {
            return None;
        }
        let [tenant, principal, cause] = TOLD_APART_BY.map(|at| Texts::of(batch.column(at)));
        let sums = (0..Sum::COUNT).map(|sum| {
            batch.column(NAMES + sum).as_primitive_opt::<Int64Type>().map(|column| column.values().as_ref())
        });
        let lists = batch.column(NAMES + Sum::COUNT).as_list_opt::<i32>()?;
        Some(Self {
            apart: [tenant?, principal?, cause?],
            sums: sums.collect::<Option<_>>()?,
            offsets: lists.value_offsets(),
            values: lists.values().as_primitive_opt::<Int64Type>()?.values(),
        })
    }

    fn names(&self, row: usize) -> [Option<&'a str>; TOLD_APART_BY.len()] {
        [0, 1, 2].map(|at| self.apart[at].get(row))
    }

    fn add_sums(&self, row: usize, to: &mut Sums) {
        for (sum, values) in to.0.iter_mut().zip(&self.sums) {
            *sum = sum.saturating_add(values[row]);
        }
    }

    fn distinct(&self, row: usize) -> &'a [i64] {
        let at = |place: usize| usize::try_from(self.offsets[place]).unwrap_or(0);
        self.values.get(at(row)..at(row + 1)).unwrap_or(&[])
    }
}

struct Texts<'a> {
    codes: &'a Int32Array,
    values: &'a StringArray,
}

impl<'a> Texts<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        let column = column.as_dictionary_opt::<Int32Type>()?;
        Some(Self { codes: column.keys(), values: column.values().as_string_opt::<i32>()? })
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        let code = self.codes.is_valid(row).then(|| self.codes.value(row))?;
        usize::try_from(code).ok().map(|code| self.values.value(code))
    }
}

/// Rows in the making.
struct Merged {
    /// The row that lends a merged one its names.
    named_by: Vec<(usize, usize)>,
    sums: [Vec<i64>; Sum::COUNT],
    distinct: Vec<i64>,
    distinct_len: Vec<usize>,
}

impl Merged {
    fn with_capacity(rows: usize) -> Self {
        Self {
            named_by: Vec::with_capacity(rows),
            sums: std::array::from_fn(|_| Vec::with_capacity(rows)),
            distinct: Vec::new(),
            distinct_len: Vec::with_capacity(rows),
        }
    }

    fn add_group(&mut self, sources: &[Source<'_>], group: &[(usize, usize)]) {
        if let &[(batch, row)] = group {
            let source = &sources[batch];
            let mut sums = Sums::ZERO;
            source.add_sums(row, &mut sums);
            self.push((batch, row), &sums, source.distinct(row));
            return;
        }
        let mut open: Vec<Open<'_>> = Vec::new();
        for &(batch, row) in group {
            let source = &sources[batch];
            let names = source.names(row);
            let mut distinct = source.distinct(row).to_vec();
            distinct.sort_unstable();
            let united = open.iter_mut().filter(|open| open.names == names).find_map(|open| {
                let union = united(&open.distinct, &distinct)?;
                Some((open, union))
            });
            if let Some((open, union)) = united {
                open.distinct = union;
                source.add_sums(row, &mut open.sums);
            } else {
                let mut sums = Sums::ZERO;
                source.add_sums(row, &mut sums);
                open.push(Open { names, first: (batch, row), sums, distinct });
            }
        }
        for open in open {
            self.push(open.first, &open.sums, &open.distinct);
        }
    }

    fn push(&mut self, named_by: (usize, usize), sums: &Sums, distinct: &[i64]) {
        self.named_by.push(named_by);
        self.sums.iter_mut().zip(sums.0).for_each(|(column, sum)| column.push(sum));
        self.distinct.extend(distinct);
        self.distinct_len.push(distinct.len());
    }

    fn finish(self, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let names = (0..NAMES).map(|at| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
            interleave(&arrays, &self.named_by)
        });
        let mut columns = names.collect::<Result<Vec<ArrayRef>, _>>()?;
        columns.extend(self.sums.into_iter().map(|sums| Arc::new(Int64Array::from(sums)) as ArrayRef));
        let values = Int64Array::new(ScalarBuffer::from(self.distinct), None);
        let offsets = OffsetBuffer::from_lengths(self.distinct_len);
        columns.push(Arc::new(ListArray::new(distinct_item(), offsets, Arc::new(values), None)));
        RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns)
    }
}

/// A row that others of its group may still be added to.
struct Open<'a> {
    names: [Option<&'a str>; TOLD_APART_BY.len()],
    first: (usize, usize),
    sums: Sums,
    /// Ascending, and so by kind.
    distinct: Vec<i64>,
}

/// The union of two ascending lists of packed values; `None` when it holds more than [`DISTINCT_MAX`] of a kind.
fn united(one: &[i64], other: &[i64]) -> Option<Vec<i64>> {
    let mut union = Vec::with_capacity(one.len() + other.len());
    let (mut left, mut right) = (one, other);
    let (mut kind, mut of_kind) = (i64::MIN, 0);
    while let Some(value) = match (left, right) {
        ([a, ..], [b, ..]) => Some(*a.min(b)),
        ([a, ..], []) => Some(*a),
        ([], [b, ..]) => Some(*b),
        ([], []) => None,
    } {
        let skip = |list: &mut &[i64]| {
            if let [first, rest @ ..] = *list
                && *first == value
            {
                *list = rest;
            }
        };
        skip(&mut left);
        skip(&mut right);
        of_kind = if value >> 32 == kind { of_kind + 1 } else { 1 };
        kind = value >> 32;
        if of_kind > DISTINCT_MAX {
            return None;
        }
        union.push(value);
    }
    Some(union)
}

#[cfg(test)]
mod tests {
    use super::super::Distinct;
    use super::*;

    #[test]
    fn a_union_holds_every_value_once_or_is_none() {
        let network = |n: u32| Distinct::Network.packed(n);
        let agent = |n: u32| Distinct::Agent.packed(n);
        let one = [network(1), network(5), agent(2)];
        assert_eq!(united(&one, &[network(5), network(9)]), Some(vec![network(1), network(5), network(9), agent(2)]));
        assert_eq!(united(&[], &one).as_deref(), Some(one.as_slice()));
        let many: Vec<i64> = (0..16).map(network).collect();
        assert_eq!(united(&many, &[network(3), agent(1)]).map(|union| union.len()), Some(17));
        assert_eq!(united(&many, &[network(16)]), None, "one would have to go");
    }
}
