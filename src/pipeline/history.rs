//! Changes of identity go to the lake beside the requests they explain, and so does what the directory holds.

use std::sync::Arc;

use claviger_core::identity::{Directory, KeyListing, history_rows, route_rows};
use claviger_core::lake::TableName;
use tokio::sync::watch;

use super::Panicked;
use crate::lake::{Lake, LakeError};
use crate::pipeline::{AnyFault, any};
use crate::signals;

/// Stores what every directory published from now on knew more than the one before, until nothing is published any
/// more. A lake that cannot be written costs history, never the service: the next change tries again from the last
/// directory that was stored.
///
/// # Errors
/// Never: only so that it can stand among the stages.
pub async fn record_history(lake: Lake, mut directory: watch::Receiver<Arc<Directory>>) -> Result<(), AnyFault> {
    let mut stored = Arc::new(Directory::empty());
    loop {
        let current = Arc::clone(&directory.borrow_and_update());
        match record(&lake, &stored, &current).await {
            Ok(()) => stored = current,
            Err(error) => signals::HistoryNotStored { error: error.as_ref() }.emit(),
        }
        if directory.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Stores what `current` knows that `previous` did not, changes and keys as they are now; what the lake holds already
/// adds nothing.
///
/// # Errors
/// The lake cannot be written.
pub async fn record(lake: &Lake, previous: &Arc<Directory>, current: &Arc<Directory>) -> Result<(), AnyFault> {
    let (before, after) = (Arc::clone(previous), Arc::clone(current));
    let rows = tokio::task::spawn_blocking(move || history_rows(&before, &after)).await.map_err(|_| any(Panicked))?;
    if rows.num_rows() > 0 {
        // Boxed: the library's futures are large, and compile slowly where they are inlined.
        let stored: Result<bool, LakeError> = Box::pin(lake.record_identity(current.noticed_at(), rows)).await;
        stored.map_err(any)?;
    }
    Box::pin(list_keys(lake, previous, current)).await?;
    Box::pin(list_routes(lake, previous, current)).await
}

/// Stores the keys that differ, a part at a time: a million of them must not stand in memory twice.
async fn list_keys(lake: &Lake, previous: &Arc<Directory>, current: &Arc<Directory>) -> Result<(), AnyFault> {
    let Some(mut stored) = lake.list_directory(TableName::DirectoryKeys, current.noticed_at()).await.map_err(any)?
    else {
        return Ok(());
    };
    let (before, after) = (Arc::clone(previous), Arc::clone(current));
    let listing = tokio::task::spawn_blocking(move || Arc::new(KeyListing::between(&before, after)));
    let listing = listing.await.map_err(|_| any(Panicked))?;
    for part in 0..listing.parts() {
        let listing = Arc::clone(&listing);
        let rows = tokio::task::spawn_blocking(move || listing.rows(part)).await.map_err(|_| any(Panicked))?;
        stored.add(rows).await.map_err(any)?;
    }
    stored.commit().await.map_err(any)
}

async fn list_routes(lake: &Lake, previous: &Directory, current: &Directory) -> Result<(), AnyFault> {
    let Some(rows) = route_rows(previous, current) else { return Ok(()) };
    let stored = lake.list_directory(TableName::DirectoryRoutes, current.noticed_at()).await.map_err(any)?;
    let Some(mut stored) = stored else { return Ok(()) };
    stored.add(rows).await.map_err(any)?;
    stored.commit().await.map_err(any)
}
