//! Does somebody try many keys that do not exist?
//!
//! By source: a sequential test (TRW, [`crate::stats::Sequential`]) over keys it presents for the first time. One that
//! nobody knows is a failure and counts double, one that is known a success; 20 unknown ones within an hour need no test.
//! By gateway: unknown keys an hour against the gateway's own habit, for guessers who use a new address each time. While
//! that goes on, a source with two of them is one of the guesser's.
//!
//! Guards: five unknown keys of a source (two while a gateway's are guessed); 10 an hour and three times the habit of a gateway, after a day of it.
//! One claim per source or gateway and day. 170 bytes, and at most 130 beside them.
//! Cannot see: guesses behind a gateway that logs no credential.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::{Bloom64, Habit, Odds, Sequential, Spread, real};

/// An unknown key weighs as much as two other failures.
const WEIGHT: f64 = 2.0;
const HALF_LIFE_MINUTES: f32 = 1_440.0;
const SCORE_MIN: f64 = 5.0;
const SOURCE_MIN: f64 = 5.0;
/// … while keys are guessed from many addresses.
const ACCOMPLICE_MIN: f64 = 2.0;
pub(super) const CERTAIN: f64 = 20.0;
const GATEWAY_MIN: f64 = 10.0;
const GATEWAY_HOURS_MIN: f64 = 24.0;
const PHI: f64 = 0.3;

#[derive(Clone, Debug, Default)]
pub struct State {
    seen: Bloom64,
    test: Sequential,
    day_us: i64,
    unknown_today: Spread,
    hour_us: i64,
    unknown: Spread,
    habit: Habit,
    told: Told,
}

impl State {
    /// Whether a minute is worth a state: until an unknown key comes, a source needs none.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.count(Distinct::UnknownKey) > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        let is_gateway = minute.entity.kind == EntityKind::Gateway;
        if !is_gateway && minute.entity.kind != EntityKind::Source {
            return;
        }
        self.turn(minute.minute_us);
        let new = minute.of(Distinct::UnknownKey).filter(|hash| self.seen.insert(*hash)).count();
        for hash in minute.of(Distinct::UnknownKey) {
            self.unknown.insert(hash);
            self.unknown_today.insert(hash);
        }
        if is_gateway {
            self.judge_gateway(minute, context, found);
        } else {
            self.judge_source(minute, context, new, found);
        }
    }

    fn turn(&mut self, at_us: i64) {
        let (hour_us, day_us) = (start_of(at_us, HOUR_US), start_of(at_us, DAY_US));
        if hour_us != self.hour_us {
            if self.hour_us != 0 {
                let empty = real((hour_us - self.hour_us) / HOUR_US - 1).max(0.0);
                self.habit.learn(self.unknown.count(), empty, 0.996, PHI);
            }
            self.hour_us = hour_us;
            self.unknown.clear();
        }
        if day_us != self.day_us {
            self.day_us = day_us;
            self.unknown_today.clear();
        }
    }

    fn judge_source(&mut self, minute: &Minute, context: &Context<'_>, new: usize, found: &mut Vec<Finding>) {
        let known = minute.of(Distinct::Key).filter(|hash| self.seen.insert(*hash)).count();
        // Passwords are no keys; what was refused of them is a contact all the same.
        let served = if minute.total[Sum::Served] > 0 { count(known) } else { 0.0 };
        let odds = Odds::of(context.population.success_rate(""));
        let failures = WEIGHT * count(new);
        let score = self.test.observe(minute.minute_us, HALF_LIFE_MINUTES, &odds, failures, served);
        let (in_hour, today) = (self.unknown.count(), self.unknown_today.count().round());
        let (score, severity) = if in_hour >= CERTAIN {
            (Finding::DETERMINISTIC, Severity::High)
        } else if today >= SOURCE_MIN && score >= context.levels.of(Window::Day).max(SCORE_MIN) {
            (score, Severity::Medium)
        } else if today >= ACCOMPLICE_MIN && minute.minute_us < context.population.guessed_until_us {
            (score, Severity::Low)
        } else {
            return;
        };
        if new > 0 && self.told.is_due(self.day_us, severity, today) {
            let quiet = format!("fewer than {SOURCE_MIN} keys that nobody knows, or more that somebody does");
            found.push(claim(minute, context, severity, score, 1.0, today, quiet));
        }
    }

    fn judge_gateway(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if !self.is_guessed(minute.minute_us, context) {
            return;
        }
        let (seen, usual) = (self.unknown.count().round(), self.habit.mean());
        let score = self.habit.surprise(seen, PHI);
        if self.told.is_due(self.day_us, Severity::Medium, seen) {
            let quiet = format!("fewer than {:.0} keys an hour that nobody knows", GATEWAY_MIN.max(3.0 * usual));
            found.push(claim(minute, context, Severity::Medium, score, usual, seen, quiet));
        }
    }

    /// Whether the hour of an instant holds far more unknown keys than the gateway's hours do.
    #[must_use]
    pub fn is_guessed(&self, at_us: i64, context: &Context<'_>) -> bool {
        let (seen, usual) = (self.unknown.count().round(), self.habit.mean());
        self.hour_us == start_of(at_us, HOUR_US)
            && self.habit.spans() >= GATEWAY_HOURS_MIN
            && seen >= GATEWAY_MIN.max(3.0 * usual)
            && self.habit.surprise(seen, PHI) >= context.levels.of(Window::Hour)
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.unknown.bytes() + self.unknown_today.bytes()
    }
}

fn count(values: usize) -> f64 {
    f64::from(u16::try_from(values).unwrap_or(u16::MAX))
}

fn claim(
    minute: &Minute,
    context: &Context<'_>,
    severity: Severity,
    score: f64,
    expected: f64,
    seen: f64,
    quiet: String,
) -> Finding {
    let agents = minute.of(Distinct::Agent).take(2).map(|hash| driver("agent", context.names.resolve(hash), 1.0));
    let routes = minute.of(Distinct::Route).take(4).map(|hash| driver("route", context.names.resolve(hash), 1.0));
    Finding {
        detector: Detector::KeyGuessing,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity,
        score,
        expected,
        seen,
        unit: "unknown keys",
        cause: Some(crate::cause::RootCause::UnknownKey),
        drivers: agents.chain(routes).collect(),
        summary: format!("{} presented {seen} keys that nobody knows", minute.entity),
        quiet,
    }
}
