//! Everything that is watched about one tenant.

use super::super::baseline::{Baseline, Test};
use super::super::request_spike::Peers;
use super::super::told::HOUR_US;
use super::super::{Entity, Finding, Minute, budget_burn, failure_shift, feed_silence, request_spike};
use super::Surroundings;
use crate::minutes::Sum;

#[derive(Clone, Debug, Default)]
pub(super) struct TenantWatch {
    /// Served requests: what its keys are compared with.
    served: Baseline,
    /// All requests: what silence is told by.
    pub(super) traffic: Baseline,
    pub(super) silence: feed_silence::State,
    spike: request_spike::State,
    failures: failure_shift::State,
    surge: Surge,
    budget: Option<Box<budget_burn::State>>,
}

/// Requests beyond twice the expected, of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Surge {
    last_us: i64,
    excess: f32,
}

impl Surge {
    fn note(&mut self, at_us: i64, tests: &[Test]) {
        let excess = tests.iter().filter(|test| test.seen >= 2.0 * test.expected).map(|test| test.seen - test.expected);
        if let Some(excess) = excess.max_by(f64::total_cmp) {
            #[expect(clippy::cast_possible_truncation, reason = "a count needs no more than seven digits")]
            let excess = excess as f32;
            *self = Self { last_us: at_us, excess };
        }
    }

    /// Requests of the hour up to an instant that nobody expected; 0 when the tenant is as busy as ever.
    pub(super) fn excess_at(self, at_us: i64) -> f64 {
        if at_us - self.last_us <= HOUR_US { f64::from(self.excess) } else { 0.0 }
    }
}

/// The tenant's failures, for minutes that are not over.
#[derive(Clone, Debug, Default)]
pub(super) struct TenantGlance {
    failures: failure_shift::State,
    surge: Surge,
}

impl TenantGlance {
    pub(super) fn look(&mut self, minute: &Minute, surroundings: &Surroundings, found: &mut Vec<Finding>) {
        let mut shifts = Vec::new();
        self.failures.observe(minute, &surroundings.context(), &mut shifts);
        found.extend(surroundings.without_single_keys(shifts, self.surge));
    }
}

impl TenantWatch {
    pub(super) fn observe(&mut self, minute: &Minute, surroundings: &mut Surroundings, found: &mut Vec<Finding>) {
        let [minutely, ten, hour] = self.served.add(minute.minute_us, minute.total[Sum::Served]);
        // Of its keys some are judged by the hour, and some by the 60 minutes up to now.
        let tests = [minutely, ten, hour, self.served.trailing_hour(minute.minute_us)];
        let busy = self.traffic.add(minute.minute_us, minute.total[Sum::Requests]);
        self.surge.note(minute.to_us(), &busy);
        let pace = if self.served.is_young() { &[][..] } else { &tests[..] };
        surroundings.population.note_pace(&minute.entity.name, minute.to_us(), pace);
        let context = surroundings.context();
        if !self.served.is_young() {
            found.extend(self.spike.observe(minute, &tests, |_| Peers(1.0), &context));
        }
        let mut shifts = Vec::new();
        self.failures.observe(minute, &context, &mut shifts);
        found.extend(surroundings.without_single_keys(shifts, self.surge));
        let context = surroundings.context();
        if let Some(&budget) = context.options.budgets.get(&minute.entity.name) {
            found.extend(self.budget.get_or_insert_default().observe(minute, budget));
        }
    }

    pub(super) fn close_hour(
        &mut self,
        entity: &Entity,
        hour_us: i64,
        surroundings: &mut Surroundings,
        found: &mut Vec<Finding>,
    ) {
        self.traffic.close_hour(hour_us, false);
        let day = self.served.close_hour(hour_us, self.spike.is_frozen());
        if self.served.knows_days() {
            surroundings.population.note_pace(&entity.name, 0, &[day]);
            found.extend(self.spike.close_hour(entity, &day, true, |_| Peers(1.0), &surroundings.context()));
        }
        let mut shifts = Vec::new();
        self.failures.close(day.to_us, entity, &surroundings.context(), &mut shifts);
        found.extend(surroundings.without_single_keys(shifts, self.surge));
    }

    /// What can judge a minute that is not over.
    pub(super) fn glance(&self) -> TenantGlance {
        TenantGlance { failures: self.failures.clone(), surge: self.surge }
    }

    pub(super) const fn served(&self) -> &Baseline {
        &self.served
    }

    pub(super) fn bytes(&self) -> usize {
        let budget = self.budget.as_ref().map_or(0, |_| size_of::<budget_burn::State>());
        size_of::<Self>() + self.failures.bytes() + budget
    }
}
