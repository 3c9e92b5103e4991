//! Which tenant, key, route, cause or network explains a rise of failures?
//!
//! Refusals of everybody (limits aside) of all requests in ten minutes, as in [`failure_shift`](super::failure_shift);
//! looked at every minute. When they rise, every entity and cause that had refusals is a candidate: explanatory power
//! EP = (a - f)/(A - F), where a and A were seen and f and F expected (Adtributor, Bhagwan et al., NSDI 2014: a candidate
//! needs 10 %, the explanation 67 %), pruned to candidates that are themselves far from their past (negative binomial,
//! score 3). Of those that explain nearly as much as the best, the most particular is named: a key before its tenant.
//!
//! Partials say with which cause an entity was refused, not which pairs of entities met; pairs and triples are found
//! from events, by [`attribute`](super::attribute).
//!
//! Bounded: 65 536 candidates are remembered; the rest of a window counts in the totals only.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::told::HOUR_US;
use super::window::{Closed, EntityHash};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity, Window};
use crate::cause::RootCause;
use crate::minutes::{EntityKind, MINUTE_US, Sum};
use crate::stats::{Ratio, real, upper_score};

const TEN_US: i64 = 10 * MINUTE_US;
const CANDIDATES_MAX: usize = 1 << 16;
/// Half-life 3 days of ten-minute windows.
const KEEP: f64 = 0.998_397;

#[derive(Clone, Debug, Default)]
pub struct State {
    rate: Ratio,
    windows: u32,
    open_from_us: i64,
    requests: i64,
    refused: i64,
    entities: HashMap<EntityHash, OfEntity, FixedState>,
    causes: HashMap<RootCause, Counts, FixedState>,
    quiet_until_us: i64,
}

/// Refusals in the open window, and the decayed mean of a window.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    open: f32,
    usual: f32,
}

#[derive(Clone, Debug)]
struct OfEntity {
    entity: Entity,
    counts: Counts,
}

/// A value that may explain the rise.
struct Candidate {
    dimension: &'static str,
    value: String,
    entity: Option<Entity>,
    cause: Option<RootCause>,
    power: f64,
}

impl State {
    const REQUESTS_MIN: i64 = 200;
    const WINDOWS_MIN: u32 = 48;
    const POWER_MIN: f64 = 0.1;
    const POWER_WANTED: f64 = 0.67;
    /// Candidates that explain so much less than the best are as good.
    const POWER_SLACK: f64 = 0.1;
    /// Of an entity's usual refusals, the weight of a new window.
    const LEARN: f32 = 0.02;

    pub fn observe(&mut self, closed: &Closed, context: &Context<'_>, found: &mut Vec<Finding>) {
        let minute_us = closed.minute_us;
        let from_us = minute_us - minute_us.rem_euclid(TEN_US);
        if from_us != self.open_from_us {
            self.close(from_us);
        }
        let (mut by_gateway, mut by_tenant) = ((0, 0), (0, 0));
        for (hash, minute) in closed.iter() {
            let refused: i64 = minute.causes.iter().map(|(cause, sums)| counted(*cause, sums[Sum::Requests])).sum();
            match minute.entity.kind {
                EntityKind::Gateway => {
                    by_gateway = (by_gateway.0 + minute.total[Sum::Requests], by_gateway.1 + refused);
                }
                EntityKind::Tenant => {
                    by_tenant = (by_tenant.0 + minute.total[Sum::Requests], by_tenant.1 + refused);
                    self.count_causes(minute);
                }
                EntityKind::Key | EntityKind::Source | EntityKind::Route | EntityKind::Principal => {}
            }
            if refused > 0 {
                self.count(hash, &minute.entity, refused);
            }
        }
        let (requests, refused) = by_gateway.max(by_tenant);
        self.requests += requests;
        self.refused += refused;
        found.extend(self.judge(minute_us + MINUTE_US, context));
    }

    fn count_causes(&mut self, minute: &Minute) {
        for (cause, sums) in &minute.causes {
            if let Some(cause) = cause.filter(|cause| counted(Some(*cause), 1) > 0) {
                self.causes.entry(cause).or_default().open += single(real(sums[Sum::Requests]));
            }
        }
    }

    fn count(&mut self, hash: EntityHash, entity: &Entity, refused: i64) {
        let room = self.entities.len() < CANDIDATES_MAX;
        if let Some(known) = self.entities.get_mut(&hash) {
            known.counts.open += single(real(refused));
        } else if room {
            let counts = Counts { open: single(real(refused)), usual: 0.0 };
            self.entities.insert(hash, OfEntity { entity: entity.clone(), counts });
        }
    }

    /// Ends the open window, and those without anything before `from_us`.
    fn close(&mut self, from_us: i64) {
        if self.requests > 0 {
            self.rate.update(real(self.refused), real(self.requests), KEEP);
            self.windows = self.windows.saturating_add(1);
        }
        self.entities.retain(|_, known| known.counts.close() > 0.005);
        self.causes.retain(|_, counts| counts.close() > 0.005);
        (self.open_from_us, self.requests, self.refused) = (from_us, 0, 0);
    }

    fn judge(&mut self, at_us: i64, context: &Context<'_>) -> Option<Finding> {
        let (x, n, rate) = (real(self.refused), real(self.requests), self.rate.rate());
        let far = x / n.max(1.0) - rate >= 0.02 && x >= 1.5 * rate * n;
        if !far || self.requests < Self::REQUESTS_MIN || self.windows < Self::WINDOWS_MIN || at_us < self.quiet_until_us
        {
            return None;
        }
        let score = self.rate.predictive().upper_score(x, n);
        if score < context.levels.of(Window::Minute) {
            return None;
        }
        self.quiet_until_us = self.open_from_us + HOUR_US;
        Some(self.claim(at_us, (x, n, rate), score))
    }

    /// Candidates, those that explain most first.
    fn candidates(&self, total: f64, usual: f64) -> Vec<Candidate> {
        let power = |counts: &Counts| {
            let (open, usual_here) = (f64::from(counts.open), f64::from(counts.usual));
            let power = (open - usual_here) / (total - usual).max(1.0);
            let far = upper_score(open, usual_here.max(0.5), 5.0) >= 3.0;
            (power >= Self::POWER_MIN && far).then_some(power)
        };
        let of_entities = self.entities.values().filter_map(|known| {
            let entity = known.entity.clone();
            let (dimension, value) = (entity.kind.name(), entity.name.clone());
            power(&known.counts).map(|power| Candidate { dimension, value, entity: Some(entity), cause: None, power })
        });
        let of_causes = self.causes.iter().filter_map(|(&cause, counts)| {
            let value = cause.name().to_owned();
            power(counts).map(|power| Candidate { dimension: "cause", value, entity: None, cause: Some(cause), power })
        });
        let mut candidates: Vec<Candidate> = of_entities.chain(of_causes).collect();
        candidates.sort_by(|one, other| {
            other
                .power
                .total_cmp(&one.power)
                .then_with(|| (one.dimension, &one.value).cmp(&(other.dimension, &other.value)))
        });
        candidates
    }

    fn claim(&self, at_us: i64, (x, n, rate): (f64, f64, f64), score: f64) -> Finding {
        let candidates = self.candidates(x, rate * n);
        let most =
            candidates.iter().filter(|candidate| candidate.entity.is_some()).map(|c| c.power).fold(0.0, f64::max);
        let explains = |candidate: &&Candidate| {
            candidate.power >= Self::POWER_WANTED && candidate.power >= most - Self::POWER_SLACK
        };
        let best = candidates.iter().filter(explains).filter_map(|candidate| candidate.entity.as_ref());
        let best = best.min_by_key(|entity| (breadth(entity.kind), entity.name.clone()));
        let cause =
            candidates.iter().find(|candidate| candidate.cause.is_some() && candidate.power >= Self::POWER_WANTED);
        let severity = match best.map(|entity| entity.kind) {
            Some(EntityKind::Key | EntityKind::Source) => Severity::Low,
            Some(EntityKind::Tenant | EntityKind::Principal) => Severity::Medium,
            Some(EntityKind::Route | EntityKind::Gateway) | None => Severity::High,
        };
        let everybody = || Entity { kind: EntityKind::Gateway, name: "all".to_owned(), tenant: String::new() };
        let entity = best.cloned().unwrap_or_else(everybody);
        let what = cause.map_or_else(String::new, |cause| format!(" with {}", cause.value));
        let whom = best.map_or_else(
            || "no single entity explains it".to_owned(),
            |best| {
                let power = candidates.iter().find(|c| c.entity.as_ref() == Some(best)).map_or(0.0, |c| c.power);
                format!("{best} explains {:.0} % of the rise", 100.0 * power)
            },
        );
        let drivers = candidates.iter().take(Finding::DRIVERS_MAX).map(|candidate| Driver {
            dimension: candidate.dimension,
            value: candidate.value.clone(),
            share: candidate.power.clamp(0.0, 1.0),
        });
        Finding {
            detector: Detector::PopulationFailure,
            entity,
            from_us: self.open_from_us,
            to_us: at_us,
            severity,
            score,
            expected: rate * n,
            seen: x,
            unit: "refused requests",
            cause: cause.and_then(|cause| cause.cause),
            drivers: drivers.collect(),
            summary: format!(
                "{x:.0} of all {n:.0} requests were refused{what} ({:.1} %, {:.2} % used to be): {whom}",
                100.0 * x / n,
                100.0 * rate
            ),
            quiet: format!("a share of refused requests below {:.1} %", 100.0 * (rate + 0.02).max(1.5 * rate)),
        }
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entities.allocation_size() + self.causes.allocation_size()
    }
}

impl Counts {
    /// Ends the window; the usual count that is left.
    fn close(&mut self) -> f32 {
        // A window of an incident teaches little: at most three times the usual and ten.
        let open = self.open.min(3.0 * self.usual + 10.0);
        self.usual += State::LEARN * (open - self.usual);
        self.open = 0.0;
        self.usual
    }
}

/// Requests that count as refused here: limits are the platform's answer to load.
const fn counted(cause: Option<RootCause>, requests: i64) -> i64 {
    match cause {
        None | Some(RootCause::RateLimited | RootCause::QuotaExhausted) => 0,
        Some(_) => requests,
    }
}

/// How much belongs to an entity of a kind: the least is named.
const fn breadth(kind: EntityKind) -> u8 {
    match kind {
        EntityKind::Key => 0,
        EntityKind::Source => 1,
        EntityKind::Principal => 2,
        EntityKind::Route => 3,
        EntityKind::Tenant => 4,
        EntityKind::Gateway => 5,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "states are kept in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}
