//! What the library does not say about a table's log: whether its newest commit is whole, and which
//! application transactions it holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use claviger_core::lake::TableName;
use deltalake::DeltaTable;
use deltalake::logstore::LogStoreRef;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::error::LakeError;

const LOG_FOLDER: &str = "_delta_log";

/// The newest commit file of a table, if it has one.
pub(super) async fn newest_commit(table: TableName, store: &dyn ObjectStore) -> Result<Option<(u64, Path)>, LakeError> {
    let folder = Path::from(LOG_FOLDER);
    let listed = store.list(Some(&folder)).try_fold(None, async |newest: Option<(u64, Path)>, entry| {
        let version = commit_version(&entry.location);
        Ok(match version {
            Some(version) if newest.as_ref().is_none_or(|(newest, _)| version > *newest) => {
                Some((version, entry.location))
            }
            Some(_) | None => newest,
        })
    });
    listed.await.map_err(|source| LakeError::UnreadableLog { table, source })
}

/// A machine that stops while it writes can leave an empty newest commit, which the library loads as a valid commit
/// without rows: their offsets would be lost in silence. So the newest commit must end in a whole line of JSON.
pub(super) async fn check_newest_commit(table: TableName, store: &dyn ObjectStore) -> Result<(), LakeError> {
    let Some((version, path)) = newest_commit(table, store).await? else { return Ok(()) };
    let unreadable = |source| LakeError::UnreadableLog { table, source };
    let bytes = store.get(&path).await.map_err(unreadable)?.bytes().await.map_err(unreadable)?;
    let torn = |state| Err(LakeError::TornCommit { table, version, state });
    if bytes.trim_ascii().is_empty() {
        return torn("empty");
    }
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    if lines.all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|line| line.is_object())) {
        Ok(())
    } else {
        torn("torn")
    }
}

fn commit_version(path: &Path) -> Option<u64> {
    let name = path.filename()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// The text of one commit file, if it is there.
pub(super) async fn commit_text(
    table: TableName,
    store: &dyn ObjectStore,
    version: u64,
) -> Result<Option<Bytes>, LakeError> {
    let unreadable = |source| LakeError::UnreadableLog { table, source };
    match store.get(&commit_path(version)).await {
        Ok(found) => found.bytes().await.map(Some).map_err(unreadable),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(unreadable(source)),
    }
}

/// Versions from `from` on that the log has, in no order.
pub(super) async fn versions_from(table: TableName, store: &dyn ObjectStore, from: u64) -> Result<Vec<u64>, LakeError> {
    // A version without its ending comes before that version's file in the alphabet.
    let before = Path::from_iter([LOG_FOLDER.to_owned(), format!("{from:020}")]);
    let listed = store.list_with_offset(Some(&Path::from(LOG_FOLDER)), &before);
    let versions = listed.try_filter_map(async |entry| Ok(commit_version(&entry.location)));
    versions.try_collect().await.map_err(|source| LakeError::UnreadableLog { table, source })
}

fn commit_path(version: u64) -> Path {
    Path::from_iter([LOG_FOLDER.to_owned(), format!("{version:020}.json")])
}

/// The actions of one commit file, as JSON.
pub(super) async fn commit_actions(
    table: TableName,
    store: &dyn ObjectStore,
    version: u64,
) -> Result<Option<Vec<serde_json::Value>>, LakeError> {
    let Some(bytes) = commit_text(table, store, version).await? else { return Ok(None) };
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    Ok(Some(lines.collect()))
}

/// All application transactions of a loaded table: the newest checkpoint, and the commits after it.
pub(super) async fn transactions(table: TableName, loaded: &DeltaTable) -> Result<BTreeMap<String, i64>, LakeError> {
    let store: LogStoreRef = loaded.log_store();
    let store = store.object_store(None);
    let version = loaded.version().unwrap_or(0);
    let mut found = BTreeMap::new();
    let mut next = 0;
    if let Some(checkpoint) = newest_checkpoint(table, store.as_ref(), version).await? {
        found = checkpoint_transactions(table, store.as_ref(), checkpoint).await?;
        next = checkpoint + 1;
    }
    for version in next..=version {
        let Some(actions) = commit_actions(table, store.as_ref(), version).await? else {
            return Err(LakeError::TornCommit { table, version, state: "missing" });
        };
        collect_transactions(&actions, &mut found);
    }
    Ok(found)
}

/// Adds the application transactions of one commit.
pub(super) fn collect_transactions(actions: &[serde_json::Value], found: &mut BTreeMap<String, i64>) {
    for action in actions {
        if let (Some(id), Some(version)) = (action["txn"]["appId"].as_str(), action["txn"]["version"].as_i64()) {
            found.insert(id.to_owned(), version);
        }
    }
}

pub(super) async fn newest_checkpoint(
    table: TableName,
    store: &dyn ObjectStore,
    upto: u64,
) -> Result<Option<u64>, LakeError> {
    let folder = Path::from(LOG_FOLDER);
    let entries: Vec<_> =
        store.list(Some(&folder)).try_collect().await.map_err(|source| LakeError::UnreadableLog { table, source })?;
    let versions = entries.iter().filter_map(|entry| {
        let name = entry.location.filename()?.strip_suffix(".checkpoint.parquet")?;
        name.parse().ok().filter(|version| *version <= upto)
    });
    Ok(versions.max())
}

async fn checkpoint_transactions(
    table: TableName,
    store: &dyn ObjectStore,
    version: u64,
) -> Result<BTreeMap<String, i64>, LakeError> {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ProjectionMask;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let path = Path::from_iter([LOG_FOLDER.to_owned(), format!("{version:020}.checkpoint.parquet")]);
    let unreadable = |source| LakeError::UnreadableLog { table, source };
    let bytes = store.get(&path).await.map_err(unreadable)?.bytes().await.map_err(unreadable)?;
    let damaged = |source| LakeError::Unencodable { table, source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(damaged)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["txn.appId", "txn.version"]);
    let mut found = BTreeMap::new();
    for batch in builder.with_projection(mask).build().map_err(damaged)? {
        let batch = batch.map_err(|source| LakeError::Unarrangeable { table, source })?;
        let Some(txn) = batch.column_by_name("txn").and_then(|txn| txn.as_struct_opt()) else { continue };
        let (Some(ids), Some(versions)) = (
            txn.column_by_name("appId").and_then(|ids| ids.as_string_opt::<i32>()),
            txn.column_by_name("version").and_then(|versions| versions.as_primitive_opt::<Int64Type>()),
        ) else {
            continue;
        };
        for row in (0..txn.len()).filter(|row| txn.is_valid(*row) && ids.is_valid(*row)) {
            found.insert(ids.value(row).to_owned(), versions.value(row));
        }
    }
    Ok(found)
}
