//! One statement on record: who asked what from where, how it ended, and how much was answered.
//!
//! Written when the answer was read to its end, when it failed, or when its reader has gone: once in any case. The text
//! of the statement is kept without what looks like a key; values that were bound to it are not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use claviger_core::audit::{Access, Action, Outcome, statement};

use super::refusal::Refusal;
use super::{Door, Welcome};
use crate::query::Cost;

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) guest: Welcome,
    pub(super) from: IpAddr,
}

/// The record of a statement that is being answered.
pub(super) struct Written {
    door: Arc<dyn Door>,
    access: Access,
    began: Instant,
    cost: Option<Arc<Cost>>,
    bytes: u64,
}

impl Written {
    pub(super) fn begin(door: &Arc<dyn Door>, asker: &Asker, sql: &str) -> Self {
        let access = Access {
            address: asker.from.to_canonical().to_string(),
            outcome: Outcome::Left,
            ..Access::by(&asker.guest.caller, Action::Query, statement(sql))
        };
        Self { door: Arc::clone(door), access, began: Instant::now(), cost: None, bytes: 0 }
    }

    /// The answer has begun.
    pub(super) fn answered(&mut self, cost: &Arc<Cost>) {
        self.cost = Some(Arc::clone(cost));
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(super) fn done(&mut self) {
        self.access.outcome = Outcome::Done;
    }

    /// Hands the refusal on, which is how it ended.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Refusal {
        self.access.outcome = refusal.outcome();
        refusal
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut access = self.access.clone();
        if let Some(cost) = &self.cost {
            access.tables = cost.tables().iter().map(|(table, _)| table.name().to_owned()).collect();
            access.rows = Some(cost.rows());
        }
        access.bytes = Some(self.bytes);
        access.took_us = i64::try_from(self.began.elapsed().as_micros()).ok();
        self.door.record(access);
    }
}
