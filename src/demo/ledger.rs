//! What the demo has learned so far: verdicts by cause, with whom they hit most, and their marks.
//!
//! Filled by whoever hands batches to the lake ([`Verdicts::taken_in`]), read by the summary once a second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::cause::RootCause;
use claviger_core::event::{Column, Events};

use super::company::{Company, Instant};
use super::truth::{Score, Seal, Truth};

/// A handle to the ledger, for each thread that writes or reads it.
#[derive(Clone, Debug)]
pub struct Verdicts(Arc<Mutex<Ledger>>);

#[derive(Debug)]
pub struct Ledger {
    /// Requests sent to the broker.
    pub sent: u64,
    /// Events read back with their verdict.
    pub events: u64,
    /// Events that were refused.
    pub refused: u64,
    pub causes: BTreeMap<RootCause, CauseTally>,
    pub score: Score,
    seal: Seal,
    /// Principal id to the name and tenant that people use.
    names: HashMap<String, String>,
}

/// One cause so far.
#[derive(Clone, Debug)]
pub struct CauseTally {
    pub requests: u64,
    pub first_at: Instant,
    pub last_at: Instant,
    /// Requests by whom they are about: a principal, else a network.
    who: HashMap<String, u64>,
}

impl Verdicts {
    #[must_use]
    pub fn new(company: &Company, seal: Seal) -> Self {
        let called = |principal: &super::company::Principal| {
            (principal.principal_id.clone(), format!("{} ({})", principal.name, principal.tenant_id))
        };
        Self(Arc::new(Mutex::new(Ledger {
            sent: 0,
            events: 0,
            refused: 0,
            causes: BTreeMap::new(),
            score: Score::default(),
            seal,
            names: company.principals.iter().map(called).collect(),
        })))
    }

    /// Notes that a request was sent.
    pub fn sent(&self, truth: Truth) {
        let mut ledger = self.ledger();
        ledger.sent += 1;
        ledger.score.scripted(truth);
    }

    /// Counts classified events. To be called once for each event that the lake has taken in.
    ///
    /// # Panics
    /// When the events have not been classified.
    pub fn taken_in(&self, events: &Events) {
        self.ledger().take(events);
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic while counting leaves counts that are at worst too small.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn take(&mut self, events: &Events) {
        let (ids, causes) = (events.text(Column::RequestId), events.dict(Column::Cause));
        let at = events.time(Column::EventAt);
        let principals = events.dict(Column::PrincipalId);
        let networks = events.dict(Column::ClientNetwork);
        let denied_by = events.dict(Column::DeniedBy);
        self.events += events.len() as u64;
        for row in 0..events.len() {
            self.refused += u64::from(denied_by.code(row).is_some());
            let Some(cause) = RootCause::from_name(causes.get(row)) else { continue };
            let who = if principals.code(row).is_some() { principals.get(row) } else { networks.get(row) };
            self.causes.entry(cause).or_insert_with(CauseTally::empty).add(at.value(row), who);
        }
        let rows = (0..events.len()).map(|row| (ids.value(row), causes.get(row)));
        let seal = self.seal;
        self.score.mark(&seal, rows);
    }

    /// Whom a cause hits most, as people call it.
    #[must_use]
    pub fn who<'a>(&'a self, tally: &'a CauseTally) -> &'a str {
        let most = tally.who.iter().max_by_key(|(who, requests)| (**requests, std::cmp::Reverse(who.as_str())));
        let Some((who, _)) = most else { return "" };
        self.names.get(who).unwrap_or(who)
    }

    /// Share of the marked scripted failures that were named right, 0 to 1: without those still on their way.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn right_so_far(&self) -> Option<f64> {
        let wrong: u64 = self.score.incidents.values().flat_map(|mark| mark.named_wrong.values()).sum();
        let right = self.score.named_right();
        (right + wrong > 0).then(|| right as f64 / (right + wrong) as f64)
    }
}

impl CauseTally {
    fn empty() -> Self {
        Self { requests: 0, first_at: Instant::MAX, last_at: Instant::MIN, who: HashMap::new() }
    }

    fn add(&mut self, at: Instant, who: &str) {
        self.requests += 1;
        self.first_at = self.first_at.min(at);
        self.last_at = self.last_at.max(at);
        if let Some(requests) = self.who.get_mut(who) {
            *requests += 1;
        } else if self.who.len() < WHO_MAX {
            self.who.insert(who.to_owned(), 1);
        }
    }
}

/// Principals and networks counted per cause.
const WHO_MAX: usize = 1_000;
