//! What every process with an API puts on record: the log of accesses, and the exports that people ask for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_core::config::{Config, Millis};
use tokio::task::JoinSet;

use super::Failure;
use crate::audit::{AuditError, AuditLog, AuditOptions};
use crate::export::Exports;
use crate::lake::Lake;
use crate::serve::Server;
use crate::signing::Signer;

/// The log at work, and the room that makes exports.
pub(super) struct Recording {
    pub(super) audit: AuditLog,
    /// `None` where exports have no folder to lie in.
    pub(super) exports: Option<Exports>,
    work: JoinSet<Result<(), AuditError>>,
}

impl Recording {
    pub(super) async fn begin(config: &Config, lake: &Lake) -> Result<Self, Failure> {
        Self::of(&config.lake.uri, &config.secrets.signing_key_file, lake).await
    }

    /// For a lake at `uri`. The key that signs lies beside it unless a file is named.
    pub(super) async fn of(uri: &str, signing_key_file: &str, lake: &Lake) -> Result<Self, Failure> {
        let signer = Arc::new(signer(uri, signing_key_file)?);
        let (audit, task) =
            Box::pin(AuditLog::open(lake.clone(), Arc::clone(&signer), AuditOptions::default())).await?;
        let mut work = JoinSet::new();
        work.spawn(task.run());
        Ok(Self { audit, exports: exports(uri, lake, signer)?, work })
    }

    /// Closes what listens, so that all that was answered is on record, and then the record.
    pub(super) async fn close(self, server: Server, limit: Millis) -> Result<(), Failure> {
        // It waits for answers under way. A panic there is in the log, and closes the server as well.
        _ = tokio::task::spawn_blocking(move || drop(server)).await;
        self.finish(limit).await
    }

    /// The end of the log is on record, too, and a last digest covers it.
    async fn finish(mut self, limit: Millis) -> Result<(), Failure> {
        self.audit.finish().await;
        match tokio::time::timeout(limit.duration(), self.work.join_next()).await {
            Ok(Some(Ok(ended))) => Ok(ended?),
            // A panic is in the log; what waited too long is told by the next start, whose records have no end before them.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The key that signs in the deployment's name.
fn signer(uri: &str, signing_key_file: &str) -> Result<Signer, Failure> {
    let path = match signing_key_file {
        "" => Signer::beside(uri)?,
        named => PathBuf::from(named),
    };
    let (signer, made) = Signer::read_or_make(&path)?;
    if made {
        let (file, key) = (path.display(), signer.public().id());
        tracing::info!(%file, %key, "a signing key was made: publish its id, keep the file safe and apart from the lake");
    }
    Ok(signer)
}

/// Exports lie beside a lake in a folder; for other lakes the command writes them where it is told.
fn exports(uri: &str, lake: &Lake, signer: Arc<Signer>) -> Result<Option<Exports>, Failure> {
    if uri.contains("://") {
        return Ok(None);
    }
    let folder = format!("{}.exports", uri.trim_end_matches('/'));
    Ok(Some(Exports::open(Path::new(&folder), lake.clone(), signer)?))
}
