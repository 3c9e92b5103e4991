//! The lake: Delta tables under one root, written exactly once, kept small, and read by any engine.
//!
//! Promise: a row is visible together with the position that says it was read, or not at all. What may be
//! committed is decided in `claviger_core::lake` and `claviger_core::ingest`; here it is carried out.
//!
//! What it does not do: never lets the library compact (two of its runs at once double every row), never checkpoints
//! in the commit path, and never deletes a file that is younger than a week.

mod audit;
mod chain;
mod durable;
mod encode;
mod error;
mod incidents;
mod layout;
mod log;
mod maintain;
mod proofs;
mod read;
mod saved;
mod schema;
mod seat;
mod stats;
mod table;
mod tail;
mod tokens;
mod trail;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use claviger_core::ingest::Positions;
use claviger_core::lake::{PARTITION_COLUMN, PerTable, StreamTable, TableName};
use claviger_core::offsets::{Offset, OffsetSpan, Stream};
use deltalake::kernel::{Action, Transaction};
use deltalake::logstore::{LogStoreRef, StorageConfig, logstore_with, store_for};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use url::Url;

pub use audit::{LakeReport, StreamReport, audit};
pub use chain::Appended;
pub use durable::{DurableFiles, Sync};
pub use encode::{EncodedFile, Encoder, FileLimits};
pub use error::LakeError;
pub use incidents::IncidentTable;
pub use maintain::{Maintenance, compact, maintain, tidy, vacuum};
pub use proofs::Proofs;
pub use seat::{Seat, Tenure};
pub use table::Table;
pub use tail::{LogTail, Past, stored_rows};
pub use tokens::TokenTable;
pub use trail::Pinned;
pub(crate) use writer::trimmed;
pub use writer::{Signal, Writer, WriterOptions};

use encode::SharedStore;

/// Would make the table forget positions.
const FORBIDDEN_PROPERTY: &str = "delta.setTransactionRetentionDuration";

/// How often an append that stands alone is tried before its error is passed on.
const APPEND_TRIES: u32 = 5;

/// An opened lake: where its tables are and how to reach them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Url,
    store: SharedStore,
    /// Names the writer in the tables' application transactions; two pipelines on one lake need two names.
    pipeline: Arc<str>,
}

impl Lake {
    pub const DEFAULT_PIPELINE: &'static str = "main";

    /// Creates what is missing of the lake at a folder or URL, and checks what is there.
    ///
    /// # Errors
    /// When the place cannot be used, or a table in it must not be written to.
    pub async fn open(location: &str, pipeline: &str, storage: &HashMap<String, String>) -> Result<Self, LakeError> {
        let (store, root) = locate(location, storage, true)?;
        Self::open_on(store, root, pipeline).await
    }

    /// For reading: creates nothing.
    ///
    /// # Errors
    /// When there is no lake.
    pub async fn open_existing(
        location: &str,
        pipeline: &str,
        storage: &HashMap<String, String>,
    ) -> Result<Self, LakeError> {
        let missing = || LakeError::Missing { location: location.to_owned() };
        let (store, root) = locate(location, storage, false)?;
        let lake = Self { root, store, pipeline: pipeline.into() };
        let log_store = lake.log_store(TableName::Events)?;
        let events = log_store.object_store(None);
        log::newest_commit(TableName::Events, events.as_ref()).await?.ok_or_else(missing)?;
        lake.check().await?;
        Ok(lake)
    }

    /// As [`Lake::open`], over a store of the caller's making whose root is the root of `root`'s URL.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_on(store: SharedStore, root: Url, pipeline: &str) -> Result<Self, LakeError> {
        let lake = Self { root, store, pipeline: pipeline.into() };
        lake.check().await?;
        for table in TableName::ALL {
            lake.create_if_missing(*table).await?;
        }
        Ok(lake)
    }

    #[must_use]
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    #[must_use]
    pub const fn root(&self) -> &Url {
        &self.root
    }

    async fn check(&self) -> Result<(), LakeError> {
        for table in TableName::ALL {
            let log_store = self.log_store(*table)?;
            log::check_newest_commit(*table, log_store.object_store(None).as_ref()).await?;
        }
        Ok(())
    }

    pub(crate) fn log_store(&self, table: TableName) -> Result<LogStoreRef, LakeError> {
        let location = self
            .root
            .join(&format!("{}/", table.name()))
            .map_err(|source| LakeError::BadLocation { location: self.root.to_string(), source: source.into() })?;
        logstore_with(Arc::clone(&self.store), &location, StorageConfig::default())
            .map_err(|source| LakeError::Unreadable { table, source })
    }

    async fn create_if_missing(&self, name: TableName) -> Result<(), LakeError> {
        let log_store = self.log_store(name)?;
        let objects = log_store.object_store(None);
        if log::newest_commit(name, objects.as_ref()).await?.is_none() {
            let created = CreateBuilder::new()
                .with_log_store(Arc::clone(&log_store))
                .with_table_name(name.name())
                .with_columns(schema::delta_fields(name))
                .with_partition_columns([PARTITION_COLUMN])
                .with_save_mode(SaveMode::Ignore)
                .await;
            if let Err(source) = created
                // Two processes that start together both create; the second finds the first one's table.
                && log::newest_commit(name, objects.as_ref()).await?.is_none()
            {
                return Err(LakeError::Unwritable { table: name, source });
            }
        }
        self.table(name).await.map(drop)
    }

    /// Loads a table.
    ///
    /// # Errors
    /// When it cannot be read, or is not what this version writes.
    pub async fn table(&self, name: TableName) -> Result<Table, LakeError> {
        let table = Table::load(name, self.log_store(name)?).await?;
        let snapshot = table.handle().snapshot().map_err(|source| LakeError::Unreadable { table: name, source })?;
        if snapshot.metadata().configuration().contains_key(FORBIDDEN_PROPERTY) {
            return Err(LakeError::ForgetsPositions { table: name });
        }
        match schema::first_difference(name, &snapshot.schema()) {
            Some(column) => Err(LakeError::OtherSchema { table: name, column }),
            None => Ok(table),
        }
    }

    /// What every table holds of these streams, read afresh. `start` is for streams the lake has never seen.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn positions(
        &self,
        streams: &[Stream],
        start: impl Fn(&Stream) -> Offset,
    ) -> Result<Vec<(Stream, Positions)>, LakeError> {
        let mut found: Vec<(Stream, Positions)> = streams
            .iter()
            .map(|stream| (stream.clone(), Positions { stored: PerTable::default(), start: start(stream) }))
            .collect();
        for table in StreamTable::ALL {
            let loaded = Table::load(table.table(), self.log_store(table.table())?).await?;
            for (stream, positions) in &mut found {
                positions.stored[table] = loaded.position(stream, &self.pipeline);
            }
        }
        Ok(found)
    }

    /// Declares that the offsets of `gap` will never be read. Only then may its stream be read past it. Declaring a gap
    /// twice stores it once.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn declare_gap(&self, gap: &OffsetSpan, reason: &str, declared_at: i64) -> Result<(), LakeError> {
        let rows = gap_rows(gap, reason, declared_at);
        self.append_once(TableName::Gaps, &gap.stream.app_id(&self.pipeline), gap.end.0, rows).await.map(drop)
    }

    /// Stores the changes that led to a version of the identity directory, in the schema of
    /// `claviger_core::identity::IDENTITY_HISTORY_SCHEMA`. A version that is stored already, or older, adds nothing.
    ///
    /// Returns whether rows were added.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_identity(&self, version: i64, rows: RecordBatch) -> Result<bool, LakeError> {
        let app_id = format!("claviger/{}/identity", self.pipeline);
        self.append_once(TableName::IdentityHistory, &app_id, version, rows).await
    }

    /// What `record_identity` keeps of changes, this keeps of what is: begins to store rows of a version of the directory in
    /// `table`. `None` when they are stored already.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list_directory(&self, table: TableName, version: i64) -> Result<Option<Listing>, LakeError> {
        let app_id = format!("claviger/{}/{table}", self.pipeline);
        if Table::load(table, self.log_store(table)?)
            .await?
            .transaction(&app_id)
            .is_some_and(|stored| stored >= version)
        {
            return Ok(None);
        }
        Ok(Some(Listing { lake: self.clone(), table, app_id, version, adds: Vec::new() }))
    }

    /// Stores entity minutes that no stream brought, once for each `version`: the past of a demonstration.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_past(&self, version: i64, rows: RecordBatch) -> Result<bool, LakeError> {
        let app_id = format!("claviger/{}/past", self.pipeline);
        self.append_once(TableName::EntityMinutes, &app_id, version, rows).await
    }

    /// An append of its own, once for each version of `app_id`, whatever the storage answers.
    async fn append_once(
        &self,
        name: TableName,
        app_id: &str,
        version: i64,
        rows: RecordBatch,
    ) -> Result<bool, LakeError> {
        let adds = self.store_rows(name, rows).await?;
        self.commit_once(name, app_id, version, adds).await
    }

    /// Files of these rows, visible to nobody until they are committed.
    async fn store_rows(&self, name: TableName, rows: RecordBatch) -> Result<Vec<Action>, LakeError> {
        let log_store = self.log_store(name)?;
        let mut adds = Vec::new();
        for file in encode::encode_all(name, rows)? {
            adds.push(Action::Add(Table::store(name, &log_store, file, writer::now_ms()).await?));
        }
        Ok(adds)
    }

    async fn commit_once(
        &self,
        name: TableName,
        app_id: &str,
        version: i64,
        adds: Vec<Action>,
    ) -> Result<bool, LakeError> {
        let mut tries = 0;
        loop {
            let mut table = Table::load(name, self.log_store(name)?).await?;
            if table.transaction(app_id).is_some_and(|stored| stored >= version) {
                // Committed by another, or by the try whose answer was lost.
                return Ok(tries > 0);
            }
            let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
            match table.commit(adds.clone(), vec![Transaction::new(app_id, version)], operation).await {
                Ok(()) => return Ok(true),
                Err(_) if tries < APPEND_TRIES => {
                    tries += 1;
                    writer::back_off(tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Rows of one version of the identity directory on their way into a table: a part at a time, visible together.
#[derive(Debug)]
pub struct Listing {
    lake: Lake,
    table: TableName,
    app_id: String,
    version: i64,
    adds: Vec<Action>,
}

impl Listing {
    /// # Errors
    /// When the storage refuses.
    pub async fn add(&mut self, rows: RecordBatch) -> Result<(), LakeError> {
        self.adds.append(&mut self.lake.store_rows(self.table, rows).await?);
        Ok(())
    }

    /// # Errors
    /// When the table cannot be written.
    pub async fn commit(self) -> Result<(), LakeError> {
        if self.adds.is_empty() {
            return Ok(());
        }
        self.lake.commit_once(self.table, &self.app_id, self.version, self.adds).await.map(drop)
    }
}

/// A place's object store and URL. Local folders get the store that syncs.
fn locate(location: &str, storage: &HashMap<String, String>, create: bool) -> Result<(SharedStore, Url), LakeError> {
    let bad = |source: Box<dyn std::error::Error + Send + std::marker::Sync>| LakeError::BadLocation {
        location: location.to_owned(),
        source,
    };
    match Url::parse(location) {
        // A one-letter scheme is a Windows drive.
        Ok(mut url) if url.scheme().len() > 1 && url.scheme() != "file" => {
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            let store = store_for(&url, storage).map_err(|source| bad(source.into()))?;
            Ok((store, url))
        }
        parsed => {
            let folder = match parsed.ok().filter(|url| url.scheme() == "file").map(|url| url.to_file_path()) {
                Some(Ok(folder)) => folder,
                Some(Err(())) => return Err(bad("not a local path".into())),
                None => std::path::PathBuf::from(location),
            };
            if create {
                std::fs::create_dir_all(&folder).map_err(|source| bad(source.into()))?;
            }
            let folder = match std::fs::canonicalize(&folder) {
                Ok(folder) => folder,
                Err(_) if !create => return Err(LakeError::Missing { location: location.to_owned() }),
                Err(source) => return Err(bad(source.into())),
            };
            let url = Url::from_directory_path(&folder).map_err(|()| bad("not an absolute path".into()))?;
            Ok((Arc::new(DurableFiles::new()), url))
        }
    }
}

fn gap_rows(gap: &OffsetSpan, reason: &str, declared_at: i64) -> RecordBatch {
    use claviger_core::event::{DictColumn, IntColumn, LongColumn, TimeColumn};
    let (mut topic, mut why) = (DictColumn::default(), DictColumn::default());
    let (mut begin, mut end) = (LongColumn::default(), LongColumn::default());
    let (mut partition, mut at) = (IntColumn::default(), TimeColumn::default());
    topic.push(&gap.stream.topic);
    partition.push(Some(gap.stream.partition));
    begin.push(Some(gap.begin.0));
    end.push(Some(gap.end.0));
    why.push(reason);
    at.push(Some(declared_at));
    let columns = vec![topic.finish(), partition.finish(), begin.finish(), end.finish(), why.finish(), at.finish()];
    RecordBatch::try_new(TableName::Gaps.schema(), columns).expect("builders make the types that the schema names")
}
