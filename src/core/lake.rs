//! The lake's decisions: which tables there are, what may be committed, what to compact, and whether the
//! stored rows account for every offset.
//!
//! Promise: with [`plan_commit`] before rows are buffered and [`Standing`] before and after every commit,
//! each offset reaches each table once, whatever crashes in between. Nothing here opens a file; the shell
//! room of the same name reads facts, asks, and carries out the answer.
//!
//! Decision (2026-11): declared gaps (offsets that retention deleted before they were read) are rows of a table of
//! their own, `gaps`, instead of commit metadata: log cleanup forgets commits, any SQL reader can see a table,
//! and `rejects` stays a list of frames that were read.

mod compaction;
mod conservation;
mod level;
mod runs;
mod tail;
mod turn;

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::access::rows::TOKEN_SCHEMA;
use crate::alert::{FINDING_SCHEMA, INCIDENT_SCHEMA};
use crate::audit::AUDIT_SCHEMA;
use crate::event::{ColumnKind, Events};
use crate::identity::{DIRECTORY_KEY_SCHEMA, DIRECTORY_ROUTE_SCHEMA, IDENTITY_HISTORY_SCHEMA};
use crate::minutes::MINUTE_SCHEMA;
use crate::offsets::{Offset, OffsetSpan, Stream};
use crate::reject::REJECT_SCHEMA;
use crate::saved::SAVED_QUERY_SCHEMA;

pub use compaction::{CompactionLimits, CompactionPlan, RowsChanged, StoredFile, assert_rows_kept, plan_compaction};
pub use conservation::{Account, Breach, ConservationCheck};
pub use level::Levels;
pub use runs::{Run, merged_minute_runs, ordered_runs};
pub use tail::{LogCommit, NewFile, Place, Tail, TailError};
pub use turn::{Mark, Turn, Waiting};

/// Every table of the lake. The name is its folder under the lake's root, and its name in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    Events,
    Rejects,
    EntityMinutes,
    IdentityHistory,
    DirectoryKeys,
    DirectoryRoutes,
    Findings,
    Incidents,
    Gaps,
    SavedQueries,
    Tokens,
    Audit,
}

/// The text column by which every table is partitioned: a UTC date, `YYYY-MM-DD`. Text, because engines
/// write the partition values of timestamps differently; never empty, because an empty value reads back as null.
pub const PARTITION_COLUMN: &str = "date";

impl TableName {
    pub const ALL: &'static [Self] = &[
        Self::Events,
        Self::Rejects,
        Self::EntityMinutes,
        Self::IdentityHistory,
        Self::DirectoryKeys,
        Self::DirectoryRoutes,
        Self::Findings,
        Self::Incidents,
        Self::Gaps,
        Self::SavedQueries,
        Self::Tokens,
        Self::Audit,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Rejects => "rejects",
            Self::EntityMinutes => "entity_minutes",
            Self::IdentityHistory => "identity_history",
            Self::DirectoryKeys => "directory_keys",
            Self::DirectoryRoutes => "directory_routes",
            Self::Findings => "findings",
            Self::Incidents => "incidents",
            Self::Gaps => "gaps",
            Self::SavedQueries => "saved_queries",
            Self::Tokens => "tokens",
            Self::Audit => "audit",
        }
    }

    /// Whether no SQL sees it, whoever asks: it says who may ask.
    #[must_use]
    pub const fn is_hidden(self) -> bool {
        matches!(self, Self::Tokens)
    }

    /// Columns of the rows as the rooms above make them, without [`PARTITION_COLUMN`].
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Events => Events::schema(),
            Self::Rejects => Arc::clone(&REJECT_SCHEMA),
            Self::EntityMinutes => Arc::clone(&MINUTE_SCHEMA),
            Self::IdentityHistory => Arc::clone(&IDENTITY_HISTORY_SCHEMA),
            Self::DirectoryKeys => Arc::clone(&DIRECTORY_KEY_SCHEMA),
            Self::DirectoryRoutes => Arc::clone(&DIRECTORY_ROUTE_SCHEMA),
            Self::Findings => Arc::clone(&FINDING_SCHEMA),
            Self::Incidents => Arc::clone(&INCIDENT_SCHEMA),
            Self::Gaps => Arc::clone(&GAP_SCHEMA),
            Self::SavedQueries => Arc::clone(&SAVED_QUERY_SCHEMA),
            Self::Tokens => Arc::clone(&TOKEN_SCHEMA),
            Self::Audit => Arc::clone(&AUDIT_SCHEMA),
        }
    }

    /// The instant whose UTC date is a row's partition.
    #[must_use]
    pub const fn time_column(self) -> &'static str {
        match self {
            Self::Events => "event_at",
            Self::Rejects => "ingested_at",
            Self::EntityMinutes => "minute",
            Self::IdentityHistory => "noticed_as_of",
            Self::DirectoryKeys | Self::DirectoryRoutes => "as_of",
            Self::Findings => "from_at",
            Self::Incidents | Self::SavedQueries | Self::Tokens | Self::Audit => "at",
            Self::Gaps => "declared_at",
        }
    }

    /// Row order within a file.
    #[must_use]
    pub const fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Self::Events => &["tenant_id", "event_at"],
            Self::Rejects => &["ingested_at"],
            Self::EntityMinutes => &["entity_kind", "entity", "minute"],
            Self::IdentityHistory => &["kind", "id", "at"],
            Self::DirectoryKeys => &["tenant_id", "key_id", "as_of"],
            Self::DirectoryRoutes => &["template", "method"],
            Self::Findings => &["detector", "entity", "from_at"],
            Self::Incidents => &["incident_id", "sequence"],
            Self::Gaps => &["topic", "partition", "begin"],
            Self::SavedQueries => &["name", "at"],
            Self::Tokens => &["token_id", "at"],
            Self::Audit => &["tenant_id", "seq"],
        }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Offsets `begin..end` that will never be read, and why.
pub static GAP_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = ColumnKind::Dict.arrow_type();
    Arc::new(Schema::new(vec![
        Field::new("topic", dict.clone(), false),
        Field::new("partition", DataType::Int32, false),
        Field::new("begin", DataType::Int64, false),
        Field::new("end", DataType::Int64, false),
        Field::new("reason", dict, false),
        Field::new("declared_at", ColumnKind::Time.arrow_type(), false),
    ]))
});

/// What a column of `gaps` means; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_gap_column(name: &str) -> &'static str {
    match name {
        "topic" => "Kafka topic",
        "partition" => "Kafka partition",
        "begin" => "first offset that was not read",
        "end" => "first offset after the gap",
        "reason" => "why the offsets could not be read",
        "declared_at" => "when the gap was declared, UTC",
        _ => "",
    }
}

/// The tables that ingestion fills. Each remembers its own next offset of every stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamTable {
    Events,
    Rejects,
    EntityMinutes,
}

impl StreamTable {
    pub const ALL: [Self; 3] = [Self::Events, Self::Rejects, Self::EntityMinutes];

    #[must_use]
    pub const fn table(self) -> TableName {
        match self {
            Self::Events => TableName::Events,
            Self::Rejects => TableName::Rejects,
            Self::EntityMinutes => TableName::EntityMinutes,
        }
    }
}

/// One value for each [`StreamTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerTable<T>([T; 3]);

impl<T> PerTable<T> {
    pub fn of(mut value: impl FnMut(StreamTable) -> T) -> Self {
        Self(StreamTable::ALL.map(&mut value))
    }

    pub fn iter(&self) -> impl Iterator<Item = (StreamTable, &T)> {
        StreamTable::ALL.into_iter().zip(&self.0)
    }
}

impl<T> std::ops::Index<StreamTable> for PerTable<T> {
    type Output = T;

    fn index(&self, table: StreamTable) -> &T {
        &self.0[table as usize]
    }
}

impl<T> std::ops::IndexMut<StreamTable> for PerTable<T> {
    fn index_mut(&mut self, table: StreamTable) -> &mut T {
        &mut self.0[table as usize]
    }
}

/// What to do with a span of rows, given the next offset that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPlan {
    /// Append, and record `end` in the same table commit.
    Append { end: Offset },
    /// A crash came after the commit and before the acknowledgement: nothing to write.
    AlreadyStored,
    /// The span begins inside what is stored: leave out the rows below `from`.
    Trim { from: Offset },
    /// Offsets were never offered. Writing on would hide the hole: report it first.
    Gap { expected: Offset, offered: Offset },
}

/// Compares a span with the next offset that is expected. An empty span is stored by definition.
#[must_use]
pub fn plan_commit(expected: Offset, span: &OffsetSpan) -> CommitPlan {
    match expected.cmp(&span.begin) {
        Ordering::Less => CommitPlan::Gap { expected, offered: span.begin },
        Ordering::Equal if span.is_empty() => CommitPlan::AlreadyStored,
        Ordering::Equal => CommitPlan::Append { end: span.end },
        Ordering::Greater if expected < span.end => CommitPlan::Trim { from: expected },
        Ordering::Greater => CommitPlan::AlreadyStored,
    }
}

/// One stream's part of a table commit: the position that the rows were made for, and the one they reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    pub stream: Stream,
    /// What the table held when the rows were read; `None` when it had never heard of the stream.
    pub stored: Option<Offset>,
    pub end: Offset,
}

/// Where a commit stands, judged by the table's positions alone.
///
/// The same question is asked before a commit (the compare of compare-and-set) and after one whose outcome is
/// unknown: an error does not mean "not committed", and the table does not check versions for order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every position is where the rows begin: commit, or commit the same files again.
    Pending,
    /// Every position is where the rows end: the commit is in the table.
    Committed,
    /// Another writer moved a position: these rows must never be committed.
    Fenced,
}

impl Standing {
    /// `positions` answers for each stream what the table holds now.
    pub fn of(advances: &[Advance], positions: impl Fn(&Stream) -> Option<Offset>) -> Self {
        let all = |wanted: fn(&Advance) -> Option<Offset>| {
            advances.iter().all(|advance| positions(&advance.stream) == wanted(advance))
        };
        if all(|advance| Some(advance.end)) {
            Self::Committed
        } else if all(|advance| advance.stored) {
            Self::Pending
        } else {
            Self::Fenced
        }
    }
}

/// The UTC date of an instant in microseconds, as a partition value.
#[must_use]
pub fn partition_date(at_us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(at_us)
        .map_or_else(|| "1970-01-01".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(partition: i32) -> Stream {
        Stream::new("c", "t", partition)
    }

    #[test]
    fn a_span_is_planned_by_where_the_table_stands() {
        let check = |expected: i64, begin, end, plan| {
            assert_eq!(plan_commit(Offset(expected), &OffsetSpan::new(stream(0), begin, end)), plan);
        };
        check(5, 5, 9, CommitPlan::Append { end: Offset(9) });
        check(9, 5, 9, CommitPlan::AlreadyStored);
        check(12, 5, 9, CommitPlan::AlreadyStored);
        check(7, 5, 9, CommitPlan::Trim { from: Offset(7) });
        check(3, 5, 9, CommitPlan::Gap { expected: Offset(3), offered: Offset(5) });
        check(0, 0, 0, CommitPlan::AlreadyStored);
    }

    #[test]
    fn a_commit_stands_by_all_its_positions_together() {
        let advances = [
            Advance { stream: stream(0), stored: Some(Offset(5)), end: Offset(9) },
            Advance { stream: stream(1), stored: None, end: Offset(4) },
        ];
        let check = |first: Option<i64>, second: Option<i64>, standing| {
            let stored = |stream: &Stream| if stream.partition == 0 { first } else { second }.map(Offset);
            assert_eq!(Standing::of(&advances, stored), standing, "{first:?} {second:?}");
        };
        check(Some(5), None, Standing::Pending);
        check(Some(9), Some(4), Standing::Committed);
        check(Some(9), None, Standing::Fenced);
        check(Some(7), None, Standing::Fenced);
        check(Some(5), Some(0), Standing::Fenced);
        check(None, None, Standing::Fenced);
    }

    #[test]
    fn every_table_has_the_columns_it_is_sorted_and_partitioned_by() {
        for table in TableName::ALL {
            let schema = table.schema();
            for column in table.sort_columns().iter().chain([&table.time_column()]) {
                assert!(schema.column_with_name(column).is_some(), "{table}.{column}");
            }
            assert!(schema.column_with_name(PARTITION_COLUMN).is_none(), "{table} already has a date");
        }
    }

    #[test]
    fn dates_are_utc_and_before_1970_too() {
        assert_eq!(partition_date(0), "1970-01-01");
        assert_eq!(partition_date(-1), "1969-12-31");
        assert_eq!(partition_date(1_795_500_000_000_000), "2026-11-24");
    }
}
