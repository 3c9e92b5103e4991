//! What all detectors share, and what is found by looking at everybody at once.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::super::baseline::Test;
use super::super::breakdown::{Breakdown, Failing};
use super::super::told::{DAY_US, HOUR_US, start_of};
use super::super::window::{Closed, EntityHash};
use super::super::{
    Context, DetectOptions, Entity, Finding, Levels, Minute, Names, Population, Severity, population_failure,
    population_fault,
};
use super::tenant::Surge;
use super::{Role, Watched};
use crate::minutes::EntityKind;

#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) options: DetectOptions,
    pub(super) levels: Levels,
    pub(super) population: Population,
    pub(super) names: Names,
    /// Gateways and tenants, in a fixed order.
    pub(super) feeds: BTreeSet<EntityHash>,
    pub(super) breakdown: Breakdown,
    failures: population_failure::State,
    faults: population_fault::State,
    active: bool,
}

impl Surroundings {
    pub(super) fn new(options: DetectOptions) -> Self {
        let levels = Levels::of_budget(options.false_alerts_per_day, 0);
        Self {
            options,
            levels,
            population: Population::default(),
            names: Names::default(),
            feeds: BTreeSet::new(),
            breakdown: Breakdown::default(),
            failures: population_failure::State::default(),
            faults: population_fault::State::default(),
            active: false,
        }
    }

    pub(super) const fn context(&self) -> Context<'_> {
        Context { options: &self.options, levels: &self.levels, population: &self.population, names: &self.names }
    }

    /// Learns from a minute before its entity is judged.
    pub(super) fn learn(&mut self, minute: &Minute) {
        self.active = true;
        self.population.learn(minute);
        match minute.entity.kind {
            EntityKind::Gateway | EntityKind::Tenant => {
                self.feeds.insert(EntityHash::of(minute.entity.kind, &minute.entity.name));
            }
            EntityKind::Source => self.names.learn(&minute.entity.name),
            EntityKind::Route => {
                let name = &minute.entity.name;
                self.names.learn(name.split_once(' ').map_or(name.as_str(), |(_, route)| route));
            }
            EntityKind::Key | EntityKind::Principal => {}
        }
    }

    pub(super) fn close_minute(&mut self, closed: &Closed, found: &mut Vec<Finding>) {
        let context =
            Context { options: &self.options, levels: &self.levels, population: &self.population, names: &self.names };
        self.faults.observe(closed, &self.breakdown, &context, found);
        // Minutes alone cannot tell what one key does from what happens to all: asked only where events are not seen.
        if !self.breakdown.knows(closed.minute_us) {
            self.failures.observe(closed, &context, found);
        }
    }

    /// A rise of failures that one key makes is that key's trouble, and what was served is no failure: kept as
    /// information.
    pub(super) fn without_single_keys(&self, mut shifts: Vec<Finding>, surge: Surge) -> Vec<Finding> {
        for shift in &mut shifts {
            let Some(cause) = shift.cause else { continue };
            let is_of_all = Failing::of(cause).is_some_and(|failing| {
                let excess = surge.excess_at(shift.to_us);
                let span = start_of(shift.from_us, HOUR_US)..shift.to_us;
                !self.breakdown.is_of_one_key(&shift.entity.name, &span, cause, failing, excess)
            });
            if !is_of_all {
                shift.severity = Severity::Info;
            }
        }
        shifts
    }

    /// Whether anybody was seen since the last call.
    pub(super) const fn take_activity(&mut self) -> bool {
        std::mem::replace(&mut self.active, false)
    }

    /// Notes the scores of an hour by tenant, and the mixes that were compared.
    pub(super) fn note_hour(
        &mut self,
        scored: &[(f64, Entity, Test)],
        tests: &HashMap<String, usize, FixedState>,
        mixes: &mut [f64],
    ) {
        let mut scores: HashMap<&str, Vec<f64>, FixedState> = HashMap::default();
        for (score, entity, _) in scored {
            scores.entry(entity.tenant.as_str()).or_default().push(*score);
        }
        for (tenant, &tests) in tests {
            let scores = scores.get(tenant.as_str()).map_or(&[][..], Vec::as_slice);
            self.population.note_scores(tenant, scores, tests.saturating_sub(scores.len()));
        }
        self.population.note_mixes(mixes);
    }

    pub(super) fn close_hour(&mut self, at_us: i64, grown: usize, entities: &HashMap<EntityHash, Watched, FixedState>) {
        self.levels = Levels::of_budget(self.options.false_alerts_per_day, grown);
        self.population.decay_scores();
        self.feeds.retain(|hash| entities.contains_key(hash));
        if at_us.rem_euclid(DAY_US) == 0 {
            self.population.decay();
            for watched in self.feeds.iter().filter_map(|hash| entities.get(hash)) {
                if let Role::Tenant(tenant) = &watched.role {
                    self.population.note_season(&watched.entity.name, *tenant.served().season());
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.population.bytes() + self.names.bytes() + self.failures.bytes() + self.breakdown.bytes()
    }
}
