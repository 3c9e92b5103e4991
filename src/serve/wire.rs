//! The door of the PostgreSQL port: the same tokens, rates and log of accesses as over HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::access::Caller;
use claviger_core::audit::Access as OnRecord;
use claviger_core::fault::{Blame, Fault as _};

use super::gate::Gate;
use super::limits::Limiter;
use crate::access::{Access, PasswordRefusal};
use crate::audit::AuditLog;
use crate::postgres::{Door, Turned, Unwelcome, Welcome};

/// Asks whom the gate of the HTTP port would ask.
pub(super) struct WireDoor {
    /// `None` where nobody can prove anything.
    access: Option<Arc<Access>>,
    asks_for_proof: bool,
    limiter: Limiter,
    audit: Option<AuditLog>,
}

impl WireDoor {
    pub(super) fn of(gate: &dyn Gate, limiter: Limiter, audit: Option<AuditLog>) -> Self {
        let access = gate.admission().map(|admission| Arc::clone(&admission.access));
        Self { access, asks_for_proof: gate.asks_for_proof(), limiter, audit }
    }
}

#[async_trait]
impl Door for WireDoor {
    fn anybody(&self) -> Option<Caller> {
        (!self.asks_for_proof).then(Caller::local)
    }

    async fn authenticate(&self, user: &str, password: &str, from: IpAddr) -> Result<Welcome, Unwelcome> {
        let Some(access) = &self.access else { return Err(Unwelcome::Wrong) };
        match access.authenticate_password(user, password, from).await {
            Ok(known) => Ok(Welcome { caller: known.caller.clone(), known: Some(known) }),
            Err(PasswordRefusal::Wrong) => Err(Unwelcome::Wrong),
            Err(PasswordRefusal::TooOften { wait_s }) => Err(Unwelcome::TooOften { wait: Duration::from_secs(wait_s) }),
            Err(PasswordRefusal::Unknowable) => Err(Unwelcome::Unknowable),
        }
    }

    async fn admit(&self, guest: &Welcome) -> Result<(), Turned> {
        if let (Some(access), Some(known)) = (&self.access, &guest.known) {
            access.still_holds(known).await.map_err(|error| match error.blame() {
                Blame::Operator => Turned::Ended,
                Blame::Environment | Blame::Data | Blame::Bug => Turned::Unknowable,
            })?;
        }
        self.limiter.admit(&guest.caller).map_err(|wait| Turned::TooOften { wait })
    }

    fn record(&self, access: OnRecord) {
        if let Some(log) = &self.audit {
            log.record(access);
        }
    }
}
