//! Keeping tables small and quick to open: compaction, checkpoints, log cleanup, vacuum.
//!
//! Compaction is ours and fenced: its commit carries an application transaction, so that of two compactors at once
//! the second is refused, where the library's own would double every row. No other tool may
//! compact the same tables at the same time.

use std::time::Duration;

use claviger_core::lake::{CompactionLimits, CompactionPlan, StoredFile, TableName, assert_rows_kept, plan_compaction};
use deltalake::checkpoints;
use deltalake::kernel::{Action, Remove, Transaction};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::DeltaOperation;
use futures::FutureExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::encode::{Encoder, FileLimits};
use super::error::LakeError;
use super::table::Table;
use super::{Lake, writer};

/// When to do what.
#[derive(Clone, Copy, Debug)]
pub struct Maintenance {
    pub interval: Duration,
    pub compaction: CompactionLimits,
    /// Commits since the newest checkpoint after which another is written.
    pub checkpoint_every: u64,
    /// Unlisted files older than this are deleted; at least a week, so that no query or upload loses one.
    pub vacuum_after: Duration,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            compaction: CompactionLimits::default(),
            checkpoint_every: 50,
            vacuum_after: VACUUM_AFTER_MIN,
        }
    }
}

const VACUUM_AFTER_MIN: Duration = Duration::from_secs(7 * 24 * 3600);
const VACUUM_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Runs until it is dropped. A failure is logged and the work tried again at the next turn.
pub async fn maintain(lake: Lake, options: Maintenance) {
    let mut turns = tokio::time::interval(options.interval);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first turn comes at once, when a start has better things to do.
    turns.tick().await;
    // A process that starts every day still looks for old files every day.
    let mut vacuumed_at: Option<tokio::time::Instant> = None;
    loop {
        turns.tick().await;
        let vacuum = vacuumed_at.is_none_or(|at| at.elapsed() >= VACUUM_INTERVAL);
        if vacuum {
            vacuumed_at = Some(tokio::time::Instant::now());
        }
        for table in TableName::ALL {
            if let Err(error) = turn(&lake, *table, &options, vacuum).await {
                tracing::warn!(%table, error = %error, "maintenance will be tried again");
            }
        }
    }
}

async fn turn(lake: &Lake, name: TableName, options: &Maintenance, with_vacuum: bool) -> Result<(), LakeError> {
    compact(lake, name, &options.compaction).await?;
    tidy(lake, name, options.checkpoint_every).await?;
    if with_vacuum {
        vacuum(lake, name, options.vacuum_after).await?;
    }
    Ok(())
}

/// Deletes files that the table does not list and that are older than `after`, which is raised to a week: those that
/// compaction replaced, and those of writers that died before their commit. Returns how many.
///
/// # Errors
/// When the storage refuses.
pub async fn vacuum(lake: &Lake, table: TableName, after: Duration) -> Result<usize, LakeError> {
    let retention = chrono::Duration::from_std(after.max(VACUUM_AFTER_MIN)).unwrap_or(chrono::Duration::days(7));
    let loaded = lake.table(table).await?;
    // The default mode never finds the files of crashed writers.
    let vacuum = loaded.handle().clone().vacuum().with_mode(VacuumMode::Full).with_retention_period(retention);
    let done = vacuum.into_future().boxed().await;
    let (_table, deleted) = done.map_err(|source| LakeError::Unwritable { table, source })?;
    Ok(deleted.files_deleted.len())
}

/// Writes a checkpoint when enough commits have come since the last one, and forgets commits that are past the table's
/// log retention. Returns whether it did.
///
/// # Errors
/// When the storage refuses.
pub async fn tidy(lake: &Lake, table: TableName, checkpoint_every: u64) -> Result<bool, LakeError> {
    let loaded = lake.table(table).await?;
    let log_store = lake.log_store(table)?;
    let newest = super::log::newest_checkpoint(table, log_store.object_store(None).as_ref(), u64::MAX).await?;
    if loaded.version() < newest.unwrap_or(0) + checkpoint_every.max(1) {
        return Ok(false);
    }
    let unwritable = |source| LakeError::Unwritable { table, source };
    checkpoints::create_checkpoint(loaded.handle(), None).boxed().await.map_err(unwritable)?;
    checkpoints::cleanup_metadata(loaded.handle(), None).boxed().await.map_err(unwritable)?;
    Ok(true)
}

/// Joins small files as `claviger_core::lake::plan_compaction` says. Returns how many files were replaced.
///
/// # Errors
/// When a file cannot be read or stored, or the rows would change. A commit that loses against another writer is no
/// error: the plan is made anew at the next turn.
pub async fn compact(lake: &Lake, name: TableName, limits: &CompactionLimits) -> Result<usize, LakeError> {
    let mut table = lake.table(name).await?;
    let plans = plan_compaction(&stored_files(&table)?, limits);
    let mut replaced = 0;
    for plan in plans {
        if !join(lake, &mut table, &plan).await? {
            break;
        }
        replaced += plan.paths.len();
        table.reopen().await?;
    }
    Ok(replaced)
}

fn stored_files(table: &Table) -> Result<Vec<StoredFile>, LakeError> {
    let snapshot = table.handle().snapshot().map_err(|source| LakeError::Unreadable { table: table.name(), source })?;
    let stored = snapshot.log_data();
    let files = stored.iter().filter_map(|file| {
        let date = file.partition_values_map().remove(claviger_core::lake::PARTITION_COLUMN).flatten()?;
        // A file without a row count, or with rows deleted from it, is not ours to judge.
        if file.deletion_vector_descriptor().is_some() {
            return None;
        }
        Some(StoredFile {
            path: file.path().into_owned(),
            date,
            bytes: u64::try_from(file.size()).ok()?,
            rows: file.num_records()? as u64,
            modified_at: file.modification_time().saturating_mul(1_000),
        })
    });
    Ok(files.collect())
}

/// Replaces the plan's files by one. `false` when another writer was first.
async fn join(lake: &Lake, table: &mut Table, plan: &CompactionPlan) -> Result<bool, LakeError> {
    let name = table.name();
    let log_store = lake.log_store(name)?;
    let store = log_store.object_store(None);
    let mut encoder = Encoder::new(name, FileLimits { file_bytes: usize::MAX, ..FileLimits::default() });
    for path in &plan.paths {
        let unreadable = |source| LakeError::Unstorable { table: name, source };
        let location = Path::parse(path).map_err(|source| unreadable(source.into()))?;
        let bytes = store.get(&location).await.map_err(unreadable)?;
        let bytes = bytes.bytes().await.map_err(unreadable)?;
        encoder = blocking(move || {
            reencode(name, &mut encoder, bytes)?;
            Ok(encoder)
        })
        .await?;
    }
    let files = blocking(move || encoder.seal()).await?;
    let added = files.iter().map(|file| file.rows).sum();
    assert_rows_kept(plan.rows, added).map_err(|source| LakeError::RowsChanged { table: name, source })?;

    let mut actions = Vec::new();
    let now_ms = writer::now_ms();
    for path in &plan.paths {
        actions.push(Action::Remove(Remove {
            path: path.clone(),
            data_change: false,
            deletion_timestamp: Some(now_ms),
            extended_file_metadata: Some(true),
            partition_values: Some(
                [(claviger_core::lake::PARTITION_COLUMN.to_owned(), Some(plan.date.clone()))].into(),
            ),
            ..Remove::default()
        }));
    }
    for file in files {
        let mut add = Table::store(name, &log_store, file, now_ms).await?;
        add.data_change = false;
        actions.push(Action::Add(add));
    }
    let app_id = format!("compact/{name}");
    let turn = table.transaction(&app_id).unwrap_or(0) + 1;
    let operation = DeltaOperation::Optimize { predicate: None, target_size: 0 };
    match table.commit(actions, vec![Transaction::new(&app_id, turn)], operation).await {
        Ok(()) => Ok(true),
        // Refused, or committed with its answer lost: the next plan is made from what the table then holds.
        Err(LakeError::Unwritable { source, .. }) => {
            tracing::info!(table = %name, reason = %source, "compaction gave way to another writer");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn reencode(table: TableName, encoder: &mut Encoder, bytes: bytes::Bytes) -> Result<(), LakeError> {
    let damaged = |source| LakeError::Unencodable { table, source };
    let options = ArrowReaderOptions::new().with_schema(table.schema());
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .and_then(|builder| builder.with_batch_size(READ_ROWS).build())
        .map_err(damaged)?;
    for rows in reader {
        encoder.push(rows.map_err(|source| LakeError::Unarrangeable { table, source })?)?;
    }
    Ok(())
}

const READ_ROWS: usize = 16 * 1024;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_ended| LakeError::WorkerEnded)?
}
