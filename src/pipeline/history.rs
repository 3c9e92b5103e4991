//! Changes of identity go to the lake beside the requests they explain.

use std::sync::Arc;

use claviger_core::identity::{Directory, history_rows};
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

/// Stores what `current` knows that `previous` did not; what the lake holds already adds nothing.
///
/// # Errors
/// The lake cannot be written.
pub async fn record(lake: &Lake, previous: &Arc<Directory>, current: &Arc<Directory>) -> Result<(), AnyFault> {
    let (before, after) = (Arc::clone(previous), Arc::clone(current));
    let rows = tokio::task::spawn_blocking(move || history_rows(&before, &after)).await.map_err(|_| any(Panicked))?;
    if rows.num_rows() == 0 {
        return Ok(());
    }
    // Boxed: the library's futures are large, and compile slowly where they are inlined.
    let stored: Result<bool, LakeError> = Box::pin(lake.record_identity(current.noticed_at(), rows)).await;
    stored.map(drop).map_err(any)
}
