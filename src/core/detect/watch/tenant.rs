//! Everything that is watched about one tenant.

use super::super::baseline::Baseline;
use super::super::request_spike::Peers;
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
    budget: Option<Box<budget_burn::State>>,
}

impl TenantWatch {
    pub(super) fn observe(&mut self, minute: &Minute, surroundings: &mut Surroundings, found: &mut Vec<Finding>) {
        let tests = self.served.add(minute.minute_us, minute.total[Sum::Served]);
        self.traffic.add(minute.minute_us, minute.total[Sum::Requests]);
        let pace = if self.served.is_young() { &[][..] } else { &tests[..] };
        surroundings.population.note_pace(&minute.entity.name, minute.to_us(), pace);
        let context = surroundings.context();
        if !self.served.is_young() {
            found.extend(self.spike.observe(minute, &tests, |_| Peers(1.0), &context));
        }
        let mut shifts = Vec::new();
        self.failures.observe(minute, &context, &mut shifts);
        found.extend(surroundings.without_single_keys(shifts));
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
            found.extend(self.spike.close_hour(entity, &day, |_| Peers(1.0), &surroundings.context()));
        }
        let mut shifts = Vec::new();
        self.failures.close(day.to_us, entity, &surroundings.context(), &mut shifts);
        found.extend(surroundings.without_single_keys(shifts));
    }

    pub(super) const fn served(&self) -> &Baseline {
        &self.served
    }

    pub(super) fn bytes(&self) -> usize {
        let budget = self.budget.as_ref().map_or(0, |_| size_of::<budget_burn::State>());
        size_of::<Self>() + self.failures.bytes() + budget
    }
}
