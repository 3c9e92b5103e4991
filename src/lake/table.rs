//! One Delta table: its positions, and commits that only happen where they were planned.
//!
//! The handle is opened afresh every [`COMMITS_A_HANDLE`] commits, because one handle grows slower and fatter with
//! each. Application transactions are read once at open and then followed commit by commit, so that
//! asking for a position costs a look-up, and always speaks of the very snapshot the next commit builds on.

use std::collections::BTreeMap;

use bytes::Bytes;
use claviger_core::lake::{Advance, Standing, TableName};
use claviger_core::offsets::{Offset, Stream};
use deltalake::DeltaTable;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, Transaction};
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::DeltaOperation;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::encode::EncodedFile;
use super::error::LakeError;
use super::log;

const COMMITS_A_HANDLE: u32 = 32;

/// A loaded table.
pub struct Table {
    name: TableName,
    handle: DeltaTable,
    /// Of the handle's version.
    transactions: BTreeMap<String, i64>,
    commits: u32,
}

impl Table {
    /// Boxed, as every call that enters the library here: a future that is not makes each crate that awaits it compile
    /// the library's log reading again.
    pub(super) fn load(name: TableName, log_store: LogStoreRef) -> BoxFuture<'static, Result<Self, LakeError>> {
        async move {
            let mut handle = DeltaTable::new(log_store);
            handle.load().await.map_err(|source| LakeError::Unreadable { table: name, source })?;
            let transactions = log::transactions(name, &handle).await?;
            Ok(Self { name, handle, transactions, commits: 0 })
        }
        .boxed()
    }

    /// As [`Table::load`], at a version that was.
    pub(super) fn load_at(
        name: TableName,
        log_store: LogStoreRef,
        version: u64,
    ) -> BoxFuture<'static, Result<Self, LakeError>> {
        async move {
            let mut handle = DeltaTable::new(log_store);
            handle.load_version(version).await.map_err(|source| LakeError::Unreadable { table: name, source })?;
            let transactions = log::transactions(name, &handle).await?;
            Ok(Self { name, handle, transactions, commits: 0 })
        }
        .boxed()
    }

    #[must_use]
    pub const fn name(&self) -> TableName {
        self.name
    }

    #[must_use]
    pub const fn handle(&self) -> &DeltaTable {
        &self.handle
    }

    #[must_use]
    pub fn version(&self) -> u64 {
        self.handle.version().unwrap_or(0)
    }

    /// The version that the table's last commit under `app_id` recorded, as of the last [`Table::refresh`].
    #[must_use]
    pub fn transaction(&self, app_id: &str) -> Option<i64> {
        self.transactions.get(app_id).copied()
    }

    /// All application transactions, as of the last refresh.
    #[must_use]
    pub const fn transactions(&self) -> &BTreeMap<String, i64> {
        &self.transactions
    }

    #[must_use]
    pub fn position(&self, stream: &Stream, pipeline: &str) -> Option<Offset> {
        self.transaction(&stream.app_id(pipeline)).map(Offset)
    }

    /// Moves to the table's newest version.
    ///
    /// # Errors
    /// When the table cannot be read; the handle then still speaks of the version before.
    pub async fn refresh(&mut self) -> Result<(), LakeError> {
        if self.commits >= COMMITS_A_HANDLE {
            return self.reopen().await;
        }
        let table = self.name;
        let before = self.handle.version();
        self.handle.update_state().boxed().await.map_err(|source| LakeError::Unreadable { table, source })?;
        let log_store = self.handle.log_store();
        let store = log_store.object_store(None);
        for version in before.map_or(0, |before| before + 1)..=self.version() {
            match log::commit_actions(table, store.as_ref(), version).await {
                Ok(Some(actions)) => log::collect_transactions(&actions, &mut self.transactions),
                // Cleaned up already, or unreadable now: never carry on with half the positions.
                Ok(None) | Err(_) => return self.reopen().await,
            }
        }
        Ok(())
    }

    /// Loads the table from scratch, as after any commit without a clear answer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn reopen(&mut self) -> Result<(), LakeError> {
        *self = Self::load(self.name, self.handle.log_store()).await?;
        Ok(())
    }

    /// Stores a file's bytes; visible to nobody until its [`Add`] is committed.
    ///
    /// # Errors
    /// When the storage refuses.
    pub(super) async fn store(
        name: TableName,
        log_store: &LogStoreRef,
        file: EncodedFile,
        now_ms: i64,
    ) -> Result<Add, LakeError> {
        let EncodedFile { path, date, bytes, stats, .. } = file;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        put(name, log_store, &path, bytes).await?;
        Ok(Add {
            path,
            partition_values: [(claviger_core::lake::PARTITION_COLUMN.to_owned(), Some(date))].into(),
            size,
            modification_time: now_ms,
            data_change: true,
            stats: Some(stats),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    /// Commits rows with the positions they reach, if and only if the snapshot at hand stands where the rows begin.
    ///
    /// # Errors
    /// `Fenced` when a position differs. After any other error the rows may be in the table or not: re-open and look
    /// at the positions.
    pub async fn append(&mut self, adds: &[Add], advances: &[Advance], pipeline: &str) -> Result<(), LakeError> {
        let standing = Standing::of(advances, |stream| self.position(stream, pipeline));
        if standing != Standing::Pending {
            let stream = advances.first().map(|advance| advance.stream.to_string()).unwrap_or_default();
            return Err(LakeError::Fenced { table: self.name, stream });
        }
        let transactions =
            advances.iter().map(|advance| Transaction::new(advance.stream.app_id(pipeline), advance.end.0)).collect();
        let operation = DeltaOperation::StreamingUpdate {
            output_mode: deltalake::protocol::OutputMode::Append,
            query_id: pipeline.to_owned(),
            epoch_id: 0,
        };
        self.commit(adds.iter().cloned().map(Action::Add).collect(), transactions, operation).await
    }

    /// One commit against the snapshot at hand.
    ///
    /// # Errors
    /// As for [`Table::append`].
    pub(super) async fn commit(
        &mut self,
        actions: Vec<Action>,
        transactions: Vec<Transaction>,
        operation: DeltaOperation,
    ) -> Result<(), LakeError> {
        let table = self.name;
        self.commits += 1;
        // Checkpoints and log cleanup are the maintenance task's: here they would list the log at every commit,
        // and a checkpoint that fails would look like a commit that failed.
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let snapshot = self.handle.snapshot().map_err(|source| LakeError::Unreadable { table, source })?;
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot), self.handle.log_store(), operation)
            .await
            .map_err(|source| LakeError::Unwritable { table, source })?;
        Ok(())
    }
}

async fn put(table: TableName, log_store: &LogStoreRef, path: &str, bytes: Bytes) -> Result<(), LakeError> {
    let unstorable = |source| LakeError::Unstorable { table, source };
    let path = Path::parse(path).map_err(|source| unstorable(source.into()))?;
    log_store.object_store(None).put(&path, bytes.into()).await.map_err(unstorable)?;
    Ok(())
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("version", &self.handle.version())
            .finish_non_exhaustive()
    }
}
