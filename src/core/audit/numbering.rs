//! Gives records their numbers and instants, chain by chain.

use std::collections::BTreeMap;

use super::{Access, Action, Record};

/// A clock is slewed by less than this all the time; only what is more is worth a record.
const CLOCK_SLACK_US: i64 = 1_000_000;

/// How far a chain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Sequence of the last record; 0 before the first.
    pub last: u64,
    /// Its instant, UTC microseconds.
    pub at_us: i64,
}

/// Every chain's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    chains: BTreeMap<String, Place>,
}

impl Numbering {
    #[must_use]
    pub const fn new(chains: BTreeMap<String, Place>) -> Self {
        Self { chains }
    }

    /// The place of each chain that has records, by tenant.
    #[must_use]
    pub const fn chains(&self) -> &BTreeMap<String, Place> {
        &self.chains
    }

    /// Numbers accesses in the order in which they are given. Instants are `now`, or the chain's last one where the
    /// clock lies before it; a clock that was set back by more than it is slewed adds a record that says so.
    pub fn number(&mut self, accesses: impl IntoIterator<Item = Access>, now_us: i64) -> Vec<Record> {
        let newest = self.chains.values().map(|place| place.at_us).max().unwrap_or(now_us);
        let back = newest.saturating_sub(now_us);
        let told = (back > CLOCK_SLACK_US).then(|| {
            Access::of_log(Action::SetClockBack, format!("by {back} microseconds, to {}", crate::time::exact(now_us)))
        });
        let accesses = told.into_iter().chain(accesses);
        accesses.map(|access| self.number_one(access, now_us)).collect()
    }

    fn number_one(&mut self, access: Access, now_us: i64) -> Record {
        let place = self.chains.entry(access.tenant.clone()).or_default();
        *place = Place { last: place.last + 1, at_us: place.at_us.max(now_us) };
        Record { sequence: place.last, at_us: place.at_us, access }
    }
}
