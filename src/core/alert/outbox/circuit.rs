//! Leaves a destination alone that does not answer, and tries it with one notice now and then.

use super::messages::Patience;

#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    /// Times it opened since it last closed.
    opened: u32,
    open_until_us: Option<i64>,
}

impl Circuit {
    /// How many tries may be under way.
    pub(super) fn allows(&self, patience: &Patience, now_us: i64) -> usize {
        match self.open_until_us {
            None => patience.in_flight_max,
            Some(until_us) if now_us < until_us => 0,
            // Half open: one try decides.
            Some(_) => 1,
        }
    }

    pub(super) const fn open_until_us(&self) -> Option<i64> {
        self.open_until_us
    }

    /// Whether that closed it.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = self.open_until_us.is_some();
        *self = Self::default();
        was_open
    }

    /// Until when it is open now, if that opened it.
    pub(super) fn failed(&mut self, patience: &Patience, now_us: i64) -> Option<i64> {
        self.failures = self.failures.saturating_add(1);
        let is_probe = self.open_until_us.is_some();
        if !is_probe && self.failures < patience.circuit_failures {
            return None;
        }
        // Tries that left before it opened come home one by one, and must not prolong it.
        if self.open_until_us.is_some_and(|until_us| now_us < until_us) {
            return None;
        }
        let doubled = patience.circuit_us.saturating_mul(1 << self.opened.min(20));
        let until_us = now_us.saturating_add(doubled.min(patience.backoff_limit_us));
        self.opened = self.opened.saturating_add(1);
        self.open_until_us = Some(until_us);
        Some(until_us)
    }
}
