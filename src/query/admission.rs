//! Who may start now, who waits, and who is told to come back.
//!
//! Our own reports and everybody's own SQL queue apart, so that neither keeps the other out. One tenant never holds
//! more than all the running places, waiting included: the rest of the queue is for others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::access::TenantScope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::error::QueryError;

/// The places of one kind of question.
#[derive(Debug)]
pub(super) struct Lane {
    places: Arc<Semaphore>,
    limits: Limits,
    waiting: AtomicUsize,
    by_tenant: Mutex<HashMap<String, usize>>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

/// What one tenant has in the lane.
#[derive(Debug)]
struct Share {
    lane: Arc<Lane>,
    tenant: Option<String>,
}

/// Counts one who waits for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Lane {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(limits.concurrent)),
            limits,
            waiting: AtomicUsize::new(0),
            by_tenant: Mutex::new(HashMap::new()),
        })
    }

    /// A place, at once or after a while.
    pub(super) async fn enter(self: &Arc<Self>, scope: &TenantScope) -> Result<Ticket, QueryError> {
        let share = self.share(scope)?;
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.wait().await?,
        };
        Ok(Ticket { _place: place, _share: share })
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Waiting(&self.waiting);
        if before >= self.limits.waiting {
            return Err(self.busy());
        }
        match tokio::time::timeout(self.limits.wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.busy()),
        }
    }

    fn share(self: &Arc<Self>, scope: &TenantScope) -> Result<Share, QueryError> {
        let tenant = match scope {
            TenantScope::All => None,
            TenantScope::One(tenant) => {
                let mut by_tenant = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
                let held = by_tenant.entry(tenant.clone()).or_default();
                if *held >= self.limits.concurrent {
                    return Err(self.busy());
                }
                *held += 1;
                Some(tenant.clone())
            }
        };
        Ok(Share { lane: Arc::clone(self), tenant })
    }

    fn busy(&self) -> QueryError {
        QueryError::Busy {
            running: self.limits.concurrent - self.places.available_permits().min(self.limits.concurrent),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(tenant) = &self.tenant else { return };
        let mut by_tenant = self.lane.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = by_tenant.get_mut(tenant) {
            *held -= 1;
            if *held == 0 {
                by_tenant.remove(tenant);
            }
        }
    }
}
