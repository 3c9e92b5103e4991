//! Whether a lake keeps its law: facts read from the tables and their logs, judged by
//! `claviger_core::lake::ConservationCheck`.
//!
//! Positions may differ between tables after a crash; that is no breach, the next start reads the difference again.
//! So a stream is judged below the lowest position, and rows between it and their own table's are only counted.
//! Positions and rows are read from the same version of each table, so that a lake in use can be judged, too; gaps
//! from a version after them, since a gap is declared before positions pass it.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use claviger_core::lake::{Account, Breach, ConservationCheck, TableName, assert_rows_kept};
use claviger_core::offsets::{Offset, Stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::Value;

use super::Lake;
use super::error::LakeError;
use super::log;
use super::read::{select, session_over};
use super::table::Table;

/// The figures of a lake.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LakeReport {
    pub tables: Vec<TableReport>,
    pub streams: Vec<StreamReport>,
    /// Compactions in the logs whose rows were counted on both sides.
    pub compactions_checked: u64,
    /// Compactions whose inputs the log no longer describes.
    pub compactions_unverifiable: u64,
    /// Tables whose rows a compaction changed, with the counts.
    pub compaction_breaches: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    pub table: &'static str,
    pub version: u64,
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct StreamReport {
    pub cluster: String,
    pub topic: String,
    pub partition: i32,
    /// The lowest position of the tables: what is judged.
    pub position: i64,
    /// Rows above it that are stored in one table and not yet due in all.
    pub pending_rows: u64,
    pub offsets: u64,
    pub rows: u64,
    pub gap_offsets: u64,
    pub hole_offsets: u64,
    pub breaches_total: u64,
    pub breaches: Vec<String>,
}

impl LakeReport {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.compaction_breaches.is_empty() && self.streams.iter().all(|stream| stream.breaches_total == 0)
    }
}

/// Reads every coordinate of the lake, and judges. `dense` says that no Kafka stream has holes of its own
/// (neither transactions nor compaction), so that a hole is a loss.
///
/// # Errors
/// When the lake cannot be read. A broken law is an answer, not an error.
pub async fn audit(lake: &Lake, dense: bool) -> Result<LakeReport, LakeError> {
    let mut report = LakeReport::default();
    let tables = lake.tables().await?;
    for table in &tables {
        report.tables.push(describe(table)?);
        check_compactions(table, &mut report).await?;
    }
    let session = session_over(&tables).await?;
    let mut ledgers = streams(&tables, dense);
    add_gaps(&session, &mut ledgers).await?;
    judge_rows(&session, &mut ledgers).await?;
    report.streams = ledgers.into_iter().map(|((topic, partition), ledger)| ledger.report(topic, partition)).collect();
    Ok(report)
}

fn describe(table: &Table) -> Result<TableReport, LakeError> {
    let name = table.name();
    let snapshot = table.handle().snapshot().map_err(|source| LakeError::Unreadable { table: name, source })?;
    let mut report = TableReport { table: name.name(), version: table.version(), files: 0, rows: 0, bytes: 0 };
    for file in snapshot.log_data().iter() {
        report.files += 1;
        report.rows += file.num_records().unwrap_or(0) as u64;
        report.bytes += u64::try_from(file.size()).unwrap_or(0);
    }
    Ok(report)
}

/// Every compaction in the log must have put in as many rows as it took out.
async fn check_compactions(table: &Table, report: &mut LakeReport) -> Result<(), LakeError> {
    let name = table.name();
    let store = table.handle().log_store().object_store(None);
    let mut rows_of: HashMap<String, u64> = HashMap::new();
    for version in 0..=table.version() {
        let Some(actions) = log::commit_actions(name, store.as_ref(), version).await? else { continue };
        let mut added = 0;
        for add in actions.iter().map(|action| &action["add"]).filter(|add| add.is_object()) {
            let rows = add["stats"].as_str().and_then(|stats| serde_json::from_str::<Value>(stats).ok());
            let rows = rows.and_then(|stats| stats["numRecords"].as_u64());
            if let (Some(path), Some(rows)) = (add["path"].as_str(), rows) {
                rows_of.insert(path.to_owned(), rows);
                added += rows;
            }
        }
        if !actions.iter().any(|action| action["commitInfo"]["operation"] == "OPTIMIZE") {
            continue;
        }
        let removed = actions.iter().filter_map(|action| action["remove"]["path"].as_str());
        match removed.map(|path| rows_of.get(path).copied()).sum::<Option<u64>>() {
            None => report.compactions_unverifiable += 1,
            Some(removed) => {
                report.compactions_checked += 1;
                if let Err(changed) = assert_rows_kept(removed, added) {
                    report.compaction_breaches.push(format!("{name} version {version}: {changed}"));
                }
            }
        }
    }
    Ok(())
}

/// One stream's books while its rows pass by.
struct Ledger {
    cluster: String,
    dense: bool,
    events_position: i64,
    rejects_position: i64,
    gaps: Vec<(i64, i64)>,
    check: Option<ConservationCheck>,
    pending_rows: u64,
    /// Rows at or above their own table's position.
    ahead: Account,
}

impl Ledger {
    /// Of a stream that no table remembers, until a position is set.
    fn of(cluster: &str, dense: bool) -> Self {
        Self {
            cluster: cluster.to_owned(),
            dense: dense || cluster == Stream::FILES,
            events_position: i64::MIN,
            rejects_position: i64::MIN,
            gaps: Vec::new(),
            check: None,
            pending_rows: 0,
            ahead: Account::default(),
        }
    }

    fn position(&self) -> i64 {
        self.events_position.min(self.rejects_position)
    }

    fn row(&mut self, rejected: bool, offset: i64, part: i32) {
        let own = if rejected { self.rejects_position } else { self.events_position };
        if offset >= own {
            self.ahead.note(Breach::Ahead { offset });
        } else if offset >= self.position() {
            self.pending_rows += 1;
        } else {
            let position = Offset(self.position());
            let (dense, gaps) = (self.dense, &self.gaps);
            let first_gap = gaps.iter().map(|(begin, _)| *begin).min().unwrap_or(offset);
            let begin = if self.cluster == Stream::FILES { 0 } else { offset.min(first_gap) };
            self.check
                .get_or_insert_with(|| ConservationCheck::new(Offset(begin), position, dense, gaps.clone()))
                .row(offset, part);
        }
    }

    fn report(self, topic: String, partition: i32) -> StreamReport {
        let position = self.position();
        let mut account = match self.check {
            Some(check) => check.finish(),
            None if self.cluster == Stream::FILES => {
                ConservationCheck::new(Offset(0), Offset(position), true, self.gaps).finish()
            }
            // Nothing is stored, so nobody knows where reading began.
            None => Account::default(),
        };
        account.breaches_total += self.ahead.breaches_total;
        account.breaches.extend(self.ahead.breaches);
        StreamReport {
            cluster: self.cluster,
            topic,
            partition,
            position,
            pending_rows: self.pending_rows,
            offsets: account.offsets,
            rows: account.rows,
            gap_offsets: account.gap_offsets,
            hole_offsets: account.hole_offsets,
            breaches_total: account.breaches_total,
            breaches: account.breaches.iter().map(ToString::to_string).collect(),
        }
    }
}

type Ledgers = BTreeMap<(String, i32), Ledger>;

/// The streams that the tables remember, with their positions.
fn streams(tables: &[Table], dense: bool) -> Ledgers {
    let mut ledgers = Ledgers::new();
    for table in tables.iter().filter(|table| [TableName::Events, TableName::Rejects].contains(&table.name())) {
        for (app_id, &next) in table.transactions() {
            let Some((cluster, topic, partition)) = parse_app_id(app_id) else { continue };
            let ledger = ledgers.entry((topic.to_owned(), partition)).or_insert_with(|| Ledger::of(cluster, dense));
            let position = match table.name() {
                TableName::Rejects => &mut ledger.rejects_position,
                _ => &mut ledger.events_position,
            };
            *position = next.max(*position);
        }
    }
    ledgers
}

async fn add_gaps(session: &SessionContext, ledgers: &mut Ledgers) -> Result<(), LakeError> {
    let mut rows = select(session, r#"select topic, "partition", "begin", "end" from gaps"#).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|source| LakeError::Query { source })?;
        let (topics, partitions) = (texts(batch.column(0))?, batch.column(1).as_primitive::<Int32Type>());
        let (begins, ends) = (batch.column(2).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let key = (topics.as_string::<i32>().value(row).to_owned(), partitions.value(row));
            if let Some(ledger) = ledgers.get_mut(&key) {
                ledger.gaps.push((begins.value(row), ends.value(row)));
            }
        }
    }
    Ok(())
}

/// `claviger/<pipeline>/<cluster>/<topic>/<partition>`; a topic that is a file name may hold slashes.
fn parse_app_id(app_id: &str) -> Option<(&str, &str, i32)> {
    let mut parts = app_id.strip_prefix("claviger/")?.splitn(3, '/');
    let (_pipeline, cluster, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (topic, partition) = rest.rsplit_once('/')?;
    Some((cluster, topic, partition.parse().ok()?))
}

async fn judge_rows(session: &SessionContext, ledgers: &mut Ledgers) -> Result<(), LakeError> {
    let sql = r#"select topic, "partition", "offset", part, rejected from (
            select topic, "partition", "offset", part, false as rejected from events
            union all select topic, "partition", "offset", part, true as rejected from rejects
        ) order by 1, 2, 3, 4"#;
    let mut rows = select(session, sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|source| LakeError::Query { source })?;
        judge_batch(&batch, ledgers)?;
    }
    Ok(())
}

fn judge_batch(batch: &RecordBatch, ledgers: &mut Ledgers) -> Result<(), LakeError> {
    let topics = texts(batch.column(0))?;
    let topics = topics.as_string::<i32>();
    let partitions = batch.column(1).as_primitive::<Int32Type>();
    let offsets = batch.column(2).as_primitive::<Int64Type>();
    let parts = batch.column(3).as_primitive::<Int32Type>();
    let rejected = batch.column(4).as_boolean();
    let mut row = 0;
    while row < batch.num_rows() {
        let key = (topics.value(row).to_owned(), partitions.value(row));
        let end = (row..batch.num_rows())
            .find(|next| partitions.value(*next) != key.1 || topics.value(*next) != key.0)
            .unwrap_or(batch.num_rows());
        // Rows of a stream that no table remembers were never committed with a position.
        let ledger = ledgers.entry(key).or_insert_with(|| Ledger::of("", false));
        for row in row..end {
            ledger.row(rejected.value(row), offsets.value(row), parts.value(row));
        }
        row = end;
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<ArrayRef, LakeError> {
    cast(array, &DataType::Utf8).map_err(|source| LakeError::Unarrangeable { table: TableName::Events, source })
}
