//! Tables read as they grow: their commits one after the other, the files of each, and how they were at a version.

use std::sync::Arc;

use bytes::Bytes;
use claviger_core::lake::{LogCommit, NewFile, Place, StreamTable, TableName, Tail};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::Lake;
use super::encode::SharedStore;
use super::error::LakeError;
use super::log;
use super::read::{select, session_over};
use super::table::Table;

/// Rows decoded at a time.
const READ_ROWS: usize = 16 * 1024;

/// The log of one table, followed from some version on.
pub struct LogTail {
    tail: Tail,
    store: SharedStore,
}

impl Lake {
    /// Follows a table from version `next` on.
    ///
    /// # Errors
    /// When the table has no place.
    pub fn log_tail(&self, table: TableName, next: u64) -> Result<LogTail, LakeError> {
        Ok(LogTail { tail: Tail::from(table, next), store: self.log_store(table)?.object_store(None) })
    }

    /// The place after everything that the lake holds now.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn newest_place(&self) -> Result<Place, LakeError> {
        let events = self.table(TableName::Events).await?.version() + 1;
        let minutes = self.table(TableName::EntityMinutes).await?.version() + 1;
        Ok(Place { events, minutes, closed_us: 0 })
    }

    /// What `events` and `entity_minutes` held at a place.
    ///
    /// # Errors
    /// When those versions can no longer be read.
    pub async fn past(&self, place: Place) -> Result<Past, LakeError> {
        let mut tables = Vec::new();
        for (table, next) in [(TableName::Events, place.events), (TableName::EntityMinutes, place.minutes)] {
            tables.push(Table::load_at(table, self.log_store(table)?, next.saturating_sub(1)).await?);
        }
        let positions = |at: usize, table: StreamTable| {
            let of_table = tables[at].transactions().iter();
            of_table.map(|(stream, next)| (table, stream.clone(), *next)).collect::<Vec<_>>()
        };
        let positions = [positions(0, StreamTable::Events), positions(1, StreamTable::EntityMinutes)].concat();
        Ok(Past { session: session_over(&tables).await?, positions })
    }
}

/// Two tables at the versions of a place.
pub struct Past {
    session: SessionContext,
    positions: Vec<(StreamTable, String, i64)>,
}

impl Past {
    /// Application transactions of both tables.
    #[must_use]
    pub fn positions(&self) -> &[(StreamTable, String, i64)] {
        &self.positions
    }

    /// Runs one SELECT of ours.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn select<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<SendableRecordBatchStream, LakeError>> {
        select(&self.session, sql)
    }
}

impl LogTail {
    /// The next commit, once there is one. It is taken by [`LogTail::take`].
    ///
    /// # Errors
    /// The log cannot be read, or the commit is torn.
    pub fn peek(&self) -> BoxFuture<'_, Result<Option<LogCommit>, LakeError>> {
        async move {
            let (table, next) = (self.tail.table(), self.tail.next());
            let Some(text) = log::commit_text(table, self.store.as_ref(), next).await? else { return Ok(None) };
            LogCommit::read(table, next, &text).map(Some).map_err(|source| LakeError::Unfollowable { source })
        }
        .boxed()
    }

    /// Goes past a commit that was peeked at. What it returns names the files that were never shown.
    ///
    /// # Errors
    /// It is not the next one.
    pub fn take(&mut self, commit: LogCommit) -> Result<LogCommit, LakeError> {
        self.tail.take(commit).map_err(|source| LakeError::Unfollowable { source })
    }

    /// How many commits wait.
    ///
    /// # Errors
    /// Commits that come next are gone, or the log cannot be listed.
    pub async fn behind(&self) -> Result<u64, LakeError> {
        let listed = log::versions_from(self.tail.table(), self.store.as_ref(), self.tail.next()).await?;
        self.tail.check(listed).map_err(|source| LakeError::Unfollowable { source })
    }

    #[must_use]
    pub const fn next(&self) -> u64 {
        self.tail.next()
    }

    /// When the last commit that was taken was made, UTC microseconds; 0 before the first.
    #[must_use]
    pub const fn at_us(&self) -> i64 {
        self.tail.at_us()
    }

    /// The bytes of a file, whole: so that what fails on the way is asked for again before a row of it was shown. Files of
    /// ingestion are below 64 MB, and those of compaction are never asked for.
    ///
    /// # Errors
    /// The file is gone, or the storage refuses.
    pub async fn fetch(&self, file: &NewFile) -> Result<Bytes, LakeError> {
        let table = self.tail.table();
        let unreadable = |source| LakeError::Unstorable { table, source };
        let path = Path::from_url_path(&file.path).map_err(|source| unreadable(source.into()))?;
        match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(unreadable),
            Err(object_store::Error::NotFound { .. }) => Err(LakeError::FileGone { table, path: file.path.clone() }),
            Err(source) => Err(unreadable(source)),
        }
    }
}

impl std::fmt::Debug for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogTail").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Past").field("streams", &self.positions.len()).finish_non_exhaustive()
    }
}

/// Rows of a file, a part at a time, and of its columns those that are named: in the types of the table's schema.
///
/// # Errors
/// The bytes are no file of this table.
pub fn stored_rows(table: TableName, bytes: Bytes, columns: &[&str]) -> Result<ParquetRecordBatchReader, LakeError> {
    let damaged = |source| LakeError::Unencodable { table, source };
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&table.schema()));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(damaged)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    builder.with_projection(mask).with_batch_size(READ_ROWS).build().map_err(damaged)
}
