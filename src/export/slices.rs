//! The rows of a kind, counted by the minute and read in slices of time.
//!
//! The count and the rows come from two queries: what one of them leaves out, the other does not agree to.

use claviger_core::lake::PARTITION_COLUMN;
use claviger_core::prove::Scope;
use claviger_core::time::date;
use claviger_core::trail::Kind;
use datafusion::common::ScalarValue;

use super::error::ExportError;
use crate::lake::Pinned;

/// Rows that are sorted at once; a busier minute is sorted alone, and spills to disk. A row group holds about as many rows
/// of neighbouring times, so that each is read for one slice or two; 200 000 rows took 500 MB (2026-11).
pub(super) const SLICE_ROWS: u64 = 60_000;

const MINUTE_US: i64 = 60_000_000;

/// A part `[from, to)` of the period, UTC microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    pub(super) rows: u64,
}

/// Knows how to ask for the rows of a kind within a scope.
pub(super) struct Slicer {
    kind: Kind,
    scope: Scope,
    count_sql: String,
    rows_sql: String,
    /// Bound by name, but for the period.
    filters: Vec<(&'static str, ScalarValue)>,
}

impl Slicer {
    pub(super) fn new(kind: Kind, scope: &Scope) -> Self {
        let mut filters = Vec::new();
        let mut conditions: Vec<String> = Vec::new();
        let asked = [("tenant", &scope.tenant), ("principal", &scope.principal), ("key", &scope.key)];
        for (name, value) in asked.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            conditions.push(condition(kind, name).to_owned());
            filters.push((name, ScalarValue::from(value.as_str())));
        }
        let time = kind.time_column();
        conditions.push(format!("{time} >= $from and {time} < $to"));
        if kind == Kind::Requests {
            // The partitions that the period touches.
            conditions.push(format!("{PARTITION_COLUMN} >= $from_date and {PARTITION_COLUMN} <= $to_date"));
        }
        let (table, conditions) = (kind.table().name(), conditions.join(" and "));
        let schema = kind.table().schema();
        let columns: Vec<String> = schema.fields().iter().map(|field| quoted(field.name())).collect();
        let order: Vec<String> = kind.order().iter().map(|column| quoted(column)).collect();
        Self {
            kind,
            scope: scope.clone(),
            count_sql: format!(
                "select cast({time} as bigint) / {MINUTE_US}, count(*) from {table} where {conditions} group by 1 order by 1"
            ),
            rows_sql: format!(
                "select {} from {table} where {conditions} order by {}",
                columns.join(", "),
                order.join(", ")
            ),
            filters,
        }
    }

    /// How many rows the lake holds, in slices.
    pub(super) async fn count(&self, pinned: &Pinned) -> Result<Vec<Slice>, ExportError> {
        let whole = Slice { from_us: self.scope.from_us, to_us: self.scope.to_us, rows: 0 };
        let values = self.values_of(&whole);
        let minutes = pinned.pairs(&self.count_sql, &values).await.map_err(ExportError::Lake)?;
        Ok(slices(&whole, &minutes))
    }

    pub(super) fn rows_sql(&self) -> &str {
        &self.rows_sql
    }

    pub(super) fn values_of(&self, slice: &Slice) -> Vec<(&'static str, ScalarValue)> {
        let instant = |at| ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()));
        let mut values = self.filters.clone();
        values.push(("from", instant(slice.from_us)));
        values.push(("to", instant(slice.to_us)));
        if self.kind == Kind::Requests {
            values.push(("from_date", ScalarValue::from(date(slice.from_us))));
            values.push(("to_date", ScalarValue::from(date(slice.to_us))));
        }
        values
    }
}

/// The condition that a filter puts on the rows of a kind.
fn condition(kind: Kind, filter: &str) -> &'static str {
    match (kind, filter) {
        (Kind::Requests | Kind::Findings, "tenant") => "tenant_id = $tenant",
        (Kind::Requests, "principal") => "principal_id = $principal",
        (Kind::Requests, _) => "key_id = $key",
        // No detector speaks of principals.
        (Kind::Findings, "principal") => "entity_kind = 'principal' and entity = $principal",
        (Kind::Findings, _) => "entity_kind = 'key' and entity = $key",
        (Kind::Changes, "tenant") => "kind = 'tenant' and id = $tenant",
        (Kind::Changes, "principal") => "kind = 'principal' and id = $principal",
        (Kind::Changes, _) => "kind = 'key' and id = $key",
    }
}

fn quoted(column: &str) -> String {
    format!("\"{column}\"")
}

/// Neighbouring minutes together, up to [`SLICE_ROWS`]. The slices cover the period from its first row on.
fn slices(whole: &Slice, minutes: &[(i64, i64)]) -> Vec<Slice> {
    let mut slices: Vec<Slice> = Vec::new();
    for (minute, rows) in minutes {
        let (from_us, rows) = ((minute * MINUTE_US).max(whole.from_us), rows.unsigned_abs());
        let to_us = ((minute + 1) * MINUTE_US).min(whole.to_us);
        match slices.last_mut().filter(|slice| slice.rows + rows <= SLICE_ROWS) {
            Some(slice) => *slice = Slice { to_us, rows: slice.rows + rows, ..*slice },
            None => slices.push(Slice { from_us, to_us, rows }),
        }
    }
    slices
}
