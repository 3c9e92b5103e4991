//! Everything that is watched about one key.

use super::super::baseline::{Baseline, Test};
use super::super::season::Season;
use super::super::told::HOUR_US;
use super::super::{
    Context, Entity, Finding, Minute, brute_force, dead_key_tried, dormant_key, exfiltration, forbidden_probing,
    honey_key, impossible_travel, mix_shift, new_origin, object_enumeration, off_hours, path_scanning, request_silence,
    request_spike, shared_key, token_spike, zombie_access,
};
use crate::minutes::{Distinct, Sum, Sums};

/// State of one key, in the order in which it is asked. Sets and what few keys need lie on the heap.
#[derive(Clone, Debug)]
pub(super) struct KeyWatch {
    pub(super) baseline: Baseline,
    pub(super) silence: request_silence::State,
    spike: request_spike::State,
    exfiltration: exfiltration::State,
    tokens: Option<Box<token_spike::State>>,
    mix: Option<Box<mix_shift::State>>,
    off_hours: off_hours::State,
    dormant: dormant_key::State,
    honey: honey_key::State,
    zombie: zombie_access::State,
    /// What only keys that are refused, probed or looked at from several places need.
    probes: Probes,
}

#[derive(Clone, Debug, Default)]
struct Probes {
    origin: new_origin::State,
    shared: shared_key::State,
    dead: dead_key_tried::State,
    travel: Option<Box<impossible_travel::State>>,
    brute: Option<Box<brute_force::State>>,
    scanning: Option<Box<path_scanning::State>>,
    forbidden: Option<Box<forbidden_probing::State>>,
    objects: Option<Box<object_enumeration::State>>,
}

/// What a key's hour says to the list of suspicions and to the shared corrections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pub(super) test: Test,
    /// Score of the hour, unless it was plainly low.
    pub(super) score: Option<f64>,
    /// G/df of the mix of routes, when it was compared.
    pub(super) mix: Option<f64>,
}

impl KeyWatch {
    pub(super) fn new(season: Season) -> Self {
        Self {
            baseline: Baseline::borrowing(season),
            silence: request_silence::State::default(),
            spike: request_spike::State::default(),
            exfiltration: exfiltration::State::default(),
            tokens: None,
            mix: None,
            off_hours: off_hours::State::default(),
            dormant: dormant_key::State::default(),
            honey: honey_key::State::default(),
            zombie: zombie_access::State::default(),
            probes: Probes::default(),
        }
    }

    pub(super) fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        self.honey.observe(minute, context, found);
        self.zombie.observe(minute, context, found);
        found.extend(self.dormant.observe(minute, context));

        let tests = self.baseline.add(minute.minute_us, minute.total[Sum::Served]);
        if !self.baseline.is_young() {
            let peers = |test: &Test| context.population.pace_beside(&minute.entity.tenant, test, minute.to_us());
            let [minutely, ten, hour] = tests;
            let sliding = [minutely, ten, self.baseline.trailing_hour(minute.minute_us)];
            let allowing = sliding.map(|test| self.baseline.allowing_for_calendar(test));
            found.extend(self.spike.observe(minute, &allowing, peers, context));
            found.extend(self.off_hours.observe(minute, &hour, &self.baseline, context));
        }
        found.extend(self.exfiltration.observe(minute, &self.baseline, context));
        if token_spike::State::concerns(minute) || self.tokens.is_some() {
            let tokens = self.tokens.get_or_insert_default();
            found.extend(tokens.observe(minute, &self.baseline, context));
        }
        if minute.count(Distinct::Route) > 1 || self.mix.is_some() {
            self.mix.get_or_insert_default().observe(minute);
        }
        self.probes.observe(minute, self.baseline.hours(), context, found);
    }

    /// What can judge a minute that is not over.
    pub(super) fn glance(&self) -> KeyGlance {
        KeyGlance {
            dormant: self.dormant,
            probes: self.probes.clone(),
            exfiltration: self.exfiltration,
            tokens: self.tokens.clone(),
            baseline: self.baseline.clone(),
        }
    }

    /// Whether the answers of a row are far larger than the key's.
    pub(super) fn is_heavy(&self, sums: &Sums) -> bool {
        self.exfiltration.is_heavy(sums) || self.tokens.as_ref().is_some_and(|tokens| tokens.is_heavy(sums))
    }

    /// Whether the key was served to this network before.
    pub(super) fn knows_network(&self, network: u32) -> bool {
        self.probes.origin.knows_network(network)
    }

    pub(super) fn close_hour(
        &mut self,
        entity: &Entity,
        hour_us: i64,
        context: &Context<'_>,
        found: &mut Vec<Finding>,
    ) -> Option<Suspicion> {
        let test = self.baseline.hour(hour_us);
        let young = self.baseline.is_young();
        let mut mix = None;
        if let Some(state) = &mut self.mix {
            let (finding, ratio) = state.close_hour(entity, hour_us + HOUR_US, context);
            found.extend(finding);
            mix = ratio;
        }
        self.off_hours.close_hour(&test, &self.baseline);
        let day = self.baseline.close_hour(hour_us, self.spike.is_frozen());
        if self.baseline.knows_days() {
            let is_spread = self.baseline.is_spread(&day);
            let day = self.baseline.allowing_for_months_end(day);
            let peers = |test: &Test| context.population.pace_beside(&entity.tenant, test, test.to_us);
            found.extend(self.spike.close_hour(entity, &day, is_spread, peers, context));
        }
        let score = test.is_high(2.0).then(|| test.upper_score());
        (!young).then_some(Suspicion { test, score, mix })
    }

    /// Gives up what an idle key does not need to be recognised when it wakes.
    pub(super) fn shrink(&mut self) {
        self.mix = None;
        self.tokens = None;
        self.probes.shrink();
    }

    pub(super) fn bytes(&self) -> usize {
        let tokens = self.tokens.as_ref().map_or(0, |_| size_of::<token_spike::State>());
        let mix = self.mix.as_ref().map_or(0, |_| size_of::<mix_shift::State>());
        size_of::<Self>() + self.probes.bytes() + tokens + mix
    }
}

/// Who uses the key, what is tried with it and how much it is given, for minutes that are not over.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyGlance {
    dormant: dormant_key::State,
    probes: Probes,
    exfiltration: exfiltration::State,
    tokens: Option<Box<token_spike::State>>,
    baseline: Baseline,
}

impl KeyGlance {
    pub(super) fn look(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        found.extend(self.dormant.observe(minute, context));
        self.probes.observe(minute, self.baseline.hours(), context, found);
        found.extend(self.exfiltration.observe(minute, &self.baseline, context));
        if let Some(tokens) = &mut self.tokens {
            found.extend(tokens.observe(minute, &self.baseline, context));
        }
    }
}

impl Probes {
    /// `hours`: how long the key is watched; a state that is made today knows of the days without need of it.
    fn observe(&mut self, minute: &Minute, hours: u32, context: &Context<'_>, found: &mut Vec<Finding>) {
        self.shared.observe(minute, context, found);
        let is_foreign = self.origin.is_foreign(minute);
        self.origin.observe(minute, context, found);
        self.dead.observe(minute, context, found);
        if self.travel.is_some() || impossible_travel::State::concerns(minute) {
            self.travel.get_or_insert_default().observe(minute, context, found);
        }
        if self.brute.is_some() || brute_force::State::concerns(minute) {
            let brute = self.brute.get_or_insert_with(|| Box::new(brute_force::State::of_age(hours)));
            brute.observe(minute, is_foreign, context, found);
        }
        if self.scanning.is_some() || path_scanning::State::concerns(minute) {
            self.scanning.get_or_insert_default().observe(minute, context, found);
        }
        if self.forbidden.is_some() || forbidden_probing::State::concerns(minute) {
            let forbidden = self.forbidden.get_or_insert_with(|| Box::new(forbidden_probing::State::of_age(hours)));
            forbidden.observe(minute, context, found);
        }
        if self.objects.is_some() || object_enumeration::State::concerns(minute) {
            self.objects.get_or_insert_default().observe(minute, context, found);
        }
    }

    /// An idle key keeps what it has shown and what it was told about.
    fn shrink(&mut self) {
        self.origin.shrink();
        self.shared.shrink();
        if let Some(objects) = &mut self.objects {
            objects.shrink();
        }
    }

    /// Heap bytes held.
    fn bytes(&self) -> usize {
        self.origin.bytes()
            + self.shared.bytes()
            + self.travel.as_ref().map_or(0, |_| size_of::<impossible_travel::State>())
            + self.brute.as_ref().map_or(0, |_| size_of::<brute_force::State>())
            + self.scanning.as_ref().map_or(0, |_| size_of::<path_scanning::State>())
            + self.forbidden.as_ref().map_or(0, |_| size_of::<forbidden_probing::State>())
            + self.objects.as_ref().map_or(0, |objects| size_of::<object_enumeration::State>() + objects.bytes())
    }
}
