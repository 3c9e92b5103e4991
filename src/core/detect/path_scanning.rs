//! Does somebody look for paths that may exist?
//!
//! A sequential test (TRW, [`crate::stats::Sequential`]) over first contacts of a source or key: a path that is not found
//! is a failure, a route seen for the first time a success. Ids are left out of paths and each path counts once, so that
//! one broken link, or a thousand deleted objects, is one failure. What a success is worth comes from the population's
//! own success rate.
//!
//! A key that scans is medium, high from 15 paths on. A source without a key is low: the Internet scans every gateway
//! all day. One claim per source or key and day. 112 bytes.

use super::told::{DAY_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Distinct, EntityKind};
use crate::stats::{Bloom64, Odds, Sequential};

const SCORE_MIN: f64 = 5.0;
const SOURCE_HALF_LIFE_MINUTES: f32 = 1_440.0;
/// A key is one client: what it did last week is still its doing.
const KEY_HALF_LIFE_MINUTES: f32 = 7.0 * 1_440.0;
const MANY: u16 = 15;
/// Fewer new missing paths in a day are slips, and strangers who pass by.
const KEY_MIN: u16 = 4;
const SOURCE_MIN: u16 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    seen: Bloom64,
    test: Sequential,
    day_us: i64,
    missing_today: u16,
    told: Told,
}

impl State {
    /// Whether a minute is worth a state: until something is missing, an entity needs none.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.count(Distinct::Path) > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        let (half_life, missing_min) = match minute.entity.kind {
            EntityKind::Source => (SOURCE_HALF_LIFE_MINUTES, SOURCE_MIN),
            EntityKind::Key => (KEY_HALF_LIFE_MINUTES, KEY_MIN),
            EntityKind::Tenant | EntityKind::Route | EntityKind::Gateway | EntityKind::Principal => return,
        };
        let day_us = start_of(minute.minute_us, DAY_US);
        if day_us != self.day_us {
            (self.day_us, self.missing_today) = (day_us, 0);
        }
        let missing = first_contacts(&mut self.seen, minute, Distinct::Path);
        let served = first_contacts(&mut self.seen, minute, Distinct::Route);
        if missing == 0 && served == 0 {
            return;
        }
        self.missing_today = self.missing_today.saturating_add(missing);
        let odds = Odds::of(context.population.success_rate(&minute.entity.tenant));
        let score = self.test.observe(minute.minute_us, half_life, &odds, f64::from(missing), f64::from(served));
        if missing == 0 || self.missing_today < missing_min || score < context.levels.of(Window::Day).max(SCORE_MIN) {
            return;
        }
        let severity = match (minute.entity.kind == EntityKind::Key, self.missing_today >= MANY) {
            (true, true) => Severity::High,
            (true, false) => Severity::Medium,
            (false, _) => Severity::Low,
        };
        if self.told.is_due(day_us, severity, f64::from(self.missing_today)) {
            found.push(self.claim(minute, context, &odds, severity, score));
        }
    }

    fn claim(&self, minute: &Minute, context: &Context<'_>, odds: &Odds, severity: Severity, score: f64) -> Finding {
        let named = |kind, dimension| {
            minute.of(kind).take(3).map(move |hash| driver(dimension, context.names.resolve(hash), 1.0))
        };
        Finding {
            detector: Detector::PathScanning,
            entity: minute.entity.clone(),
            from_us: self.day_us,
            to_us: minute.to_us(),
            severity,
            score,
            expected: 1.0,
            seen: f64::from(self.missing_today),
            unit: "missing paths",
            cause: None,
            drivers: named(Distinct::Path, "path")
                .chain(named(Distinct::Agent, "agent").take(2))
                .chain(named(Distinct::Network, "network"))
                .collect(),
            summary: format!("{} asked for {} paths that do not exist", minute.entity, self.missing_today),
            quiet: format!("fewer than {:.0} new missing paths in a row", odds.failures_for(SCORE_MIN)),
        }
    }
}

/// Values of a kind that the entity meets for the first time.
pub(super) fn first_contacts(seen: &mut Bloom64, minute: &Minute, kind: Distinct) -> u16 {
    u16::try_from(minute.of(kind).filter(|hash| seen.insert(*hash)).count()).unwrap_or(u16::MAX)
}
