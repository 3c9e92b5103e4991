//! What operators see of identity: a struct an occurrence, whose `emit` writes the log line and the metrics.

use claviger_core::fault::Fault as _;
use claviger_core::identity::Directory;
use metrics::{counter, gauge};

use super::IdentityError;

/// A directory was read and is in use from now on.
pub(super) struct DirectoryLoaded<'a> {
    pub(super) directory: &'a Directory,
    pub(super) errors: u64,
}

impl DirectoryLoaded<'_> {
    pub(super) fn emit(&self) {
        let (keys, bytes) = (self.directory.key_count(), self.directory.heap_bytes());
        counter!("claviger_identity_loaded_directories_total").increment(1);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point; 2^53 is beyond any of these")]
        {
            gauge!("claviger_identity_keys").set(keys as f64);
            gauge!("claviger_identity_memory_bytes").set(bytes as f64);
            gauge!("claviger_identity_as_of_seconds").set(self.directory.as_of() as f64 / 1e6);
        }
        let (version, errors) = (self.directory.version(), self.errors);
        if errors > 0 {
            tracing::warn!(
                version,
                keys,
                bytes,
                errors,
                "identity directory loaded with errors: see `claviger identity check`"
            );
        } else {
            tracing::info!(version, keys, bytes, "identity directory loaded");
        }
    }
}

/// What earlier snapshots told could not be read or written.
pub(super) struct MemoryLost<'a> {
    pub(super) error: &'a IdentityError,
}

impl MemoryLost<'_> {
    pub(super) fn emit(&self) {
        counter!("claviger_identity_memory_errors_total").increment(1);
        let (error, hint) = (self.error, self.error.hint());
        let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%error, reason, hint, "identity history not kept: a restart may take deleted users for unknown ones");
    }
}

/// A changed snapshot could not be used.
pub(super) struct DirectoryKept<'a> {
    pub(super) error: &'a IdentityError,
}

impl DirectoryKept<'_> {
    pub(super) fn emit(&self) {
        counter!("claviger_identity_refused_directories_total").increment(1);
        let (error, hint) = (self.error, self.error.hint());
        let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%error, reason, hint, "identity snapshot not usable: the directory in use stays");
    }
}
