//! What every process with an API puts on record: the log of accesses, and the exports that people ask for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_core::config::{Config, Millis};
use tokio::task::JoinSet;

use super::Failure;
use crate::audit::{AuditError, AuditLog, AuditOptions};
use crate::export::Exports;
use crate::lake::Lake;
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
        let signer = Arc::new(signer(config)?);
        let (audit, task) =
            Box::pin(AuditLog::open(lake.clone(), Arc::clone(&signer), AuditOptions::default())).await?;
        let mut work = JoinSet::new();
        work.spawn(task.run());
        Ok(Self { audit, exports: exports(config, lake, signer)?, work })
    }

    /// The end of the log is on record, too, and a last digest covers it.
    pub(super) async fn finish(mut self, limit: Millis) -> Result<(), Failure> {
        self.audit.finish().await;
        match tokio::time::timeout(limit.duration(), self.work.join_next()).await {
            Ok(Some(Ok(ended))) => Ok(ended?),
            // A panic is in the log; what waited too long is told by the next start, whose records have no end before them.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The key that signs in the deployment's name.
fn signer(config: &Config) -> Result<Signer, Failure> {
    let path = match config.secrets.signing_key_file.as_str() {
        "" => Signer::beside(&config.lake.uri)?,
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
fn exports(config: &Config, lake: &Lake, signer: Arc<Signer>) -> Result<Option<Exports>, Failure> {
    if config.lake.uri.contains("://") {
        return Ok(None);
    }
    let folder = format!("{}.exports", config.lake.uri.trim_end_matches('/'));
    Ok(Some(Exports::open(Path::new(&folder), lake.clone(), signer)?))
}
