//! Keeps the chains: numbers what comes, commits it, and writes digests when they are due.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_core::audit::{Access, Numbering, audit_rows};
use claviger_core::prove::decoded;

use super::digests::{Clock, Digests};
use super::{AuditError, AuditOptions};
use crate::lake::{Appended, Lake};
use crate::signals;
use crate::signing::Signer;

/// How often records are numbered anew because another writer was faster.
const RENUMBER_TRIES: u32 = 16;

pub(super) struct Keeper {
    lake: Lake,
    digests: Digests,
    numbering: Numbering,
    clock: Clock,
    digest_every_us: i64,
    digest_records_max: u64,
    /// The next full period of wall-clock time, UTC microseconds.
    due_us: i64,
    /// Records since the last digest.
    uncovered: u64,
}

impl Keeper {
    pub(super) async fn open(lake: Lake, signer: Arc<Signer>, options: &AuditOptions) -> Result<Self, AuditError> {
        let now_us = (options.clock)();
        let digests = Digests::open(lake.clone(), signer, options.origin.clone(), now_us).await?;
        let places = lake.audit_places(now_us).await.map_err(AuditError::Lake)?;
        let digest_every_us = i64::try_from(options.digest_every.as_micros()).unwrap_or(i64::MAX).max(1);
        Ok(Self {
            lake,
            digests,
            numbering: Numbering::new(places),
            clock: Arc::clone(&options.clock),
            digest_every_us,
            digest_records_max: options.digest_records_max,
            due_us: next_period(now_us, digest_every_us),
            uncovered: 0,
        })
    }

    /// Stores accesses, whole or not at all.
    pub(super) async fn commit(&mut self, accesses: Vec<Access>) -> Result<(), AuditError> {
        for _ in 0..RENUMBER_TRIES {
            let now_us = (self.clock)();
            let mut numbering = self.numbering.clone();
            let records = numbering.number(accesses.iter().cloned(), now_us);
            let (before, after) = (self.numbering.chains(), numbering.chains());
            let appended = self.lake.append_audit(before, after, audit_rows(&records)).await;
            match appended {
                Ok(Appended::Stored) => {
                    self.numbering = numbering;
                    self.uncovered += records.len() as u64;
                    signals::AccessesRecorded { records: records.len() as u64 }.emit();
                    return Ok(());
                }
                Ok(Appended::Moved) => self.look_again(now_us).await?,
                Err(error) => {
                    // It may be in the table all the same: the next numbers are read there.
                    self.look_again(now_us).await?;
                    return Err(AuditError::Unrecorded { source: Some(error) });
                }
            }
        }
        Err(AuditError::Unrecorded { source: None })
    }

    pub(super) async fn digest_if_due(&mut self) {
        let now_us = (self.clock)();
        if now_us < self.due_us && self.uncovered < self.digest_records_max {
            return;
        }
        match self.digest().await {
            Ok(()) => self.due_us = next_period(now_us, self.digest_every_us),
            // Tried again at the next tick; `claviger verify` tells meanwhile that records wait.
            Err(error) => signals::AuditFailed { error: &error }.emit(),
        }
    }

    /// Writes a digest for every chain. A chain that is not sound does not keep the others from theirs.
    pub(super) async fn digest(&mut self) -> Result<(), AuditError> {
        let now_us = (self.clock)();
        let places = self.lake.audit_places(now_us).await.map_err(AuditError::Lake)?;
        let mut tenants: BTreeSet<String> = places.keys().cloned().collect();
        tenants.extend(self.digests.chains().await?.iter().filter_map(|name| decoded(name)));
        // The operator's chain shows by its digests that the log was alive, records or not.
        tenants.insert(String::new());
        let mut outcome = Ok(());
        for tenant in &tenants {
            let place = places.get(tenant).copied().unwrap_or_default();
            if let Err(error) = self.digests.extend(tenant, place, now_us).await {
                signals::AuditFailed { error: &error }.emit();
                outcome = Err(error);
            }
        }
        self.uncovered = 0;
        outcome
    }

    async fn look_again(&mut self, now_us: i64) -> Result<(), AuditError> {
        let mut places = self.lake.audit_places(now_us).await.map_err(AuditError::Lake)?;
        for (tenant, known) in self.numbering.chains() {
            let place = places.entry(tenant.clone()).or_default();
            place.at_us = place.at_us.max(known.at_us);
        }
        places.retain(|_, place| place.last > 0);
        self.numbering = Numbering::new(places);
        Ok(())
    }
}

const fn next_period(now_us: i64, every_us: i64) -> i64 {
    (now_us.div_euclid(every_us) + 1).saturating_mul(every_us)
}
