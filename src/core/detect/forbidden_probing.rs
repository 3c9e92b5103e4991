//! Does a key try routes that it has no right to?
//!
//! A sequential test (TRW, [`crate::stats::Sequential`]) over first contacts: a path refused for want of a right is a
//! failure, a new route that is served a success. Paths that the key used before, and rights that it had and lost, are
//! no probing. The same refusals in a day, of three paths or more, against the key's own habit (negative binomial,
//! [`crate::stats::Habit`]) find those that go slowly. Beside it a plain count: 15 such refusals in ten minutes and more than half of the requests, which may
//! also be a client that does not take no for an answer, and is therefore low.
//!
//! One claim per key and day. 160 bytes a key. Cannot see: applications that answer 200 and say no in the body.

use super::path_scanning::first_contacts;
use super::told::{DAY_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Blamed, Distinct, EntityKind, MINUTE_US, Sum};
use crate::stats::{Bloom64, Habit, Odds, Sequential, real};

const SCORE_MIN: f64 = 5.0;
const HALF_LIFE_MINUTES: f32 = 7.0 * 1_440.0;
const BURST_US: i64 = 10 * MINUTE_US;
/// Source: the count at which Panther's rules speak of reconnaissance.
const BURST_MIN: i64 = 15;
const MANY: u16 = 15;
/// Different paths of a day that are more than one broken call.
const PATHS_MIN: usize = 3;
const PHI: f64 = 0.5;
/// Half-life: 30 days.
const KEEP: f64 = 0.977;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    seen: Bloom64,
    test: Sequential,
    day_us: i64,
    paths_today: u16,
    /// Different paths that were forbidden today, known ones included; the first few.
    today: [u32; 4],
    refused_today: f32,
    habit: Habit,
    burst_us: i64,
    refused: i64,
    requests: i64,
    told: Told,
}

impl State {
    /// Of a key that was never refused for want of a right in so many hours.
    #[must_use]
    pub fn of_age(hours: u32) -> Self {
        Self { habit: Habit::of_silence(f64::from(hours / 24), KEEP), ..Self::default() }
    }

    /// Whether a minute is worth a state: until something is forbidden, a key needs none.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.count(Distinct::Forbidden) > 0 || refused(minute) > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key {
            return;
        }
        self.turn(minute.minute_us);
        let refused = refused(minute);
        self.refused += refused;
        self.note_today(minute, right_missing(minute));
        self.requests += minute.total[Sum::Requests];
        let paths = first_contacts(&mut self.seen, minute, Distinct::Forbidden);
        let routes = first_contacts(&mut self.seen, minute, Distinct::Route);
        self.paths_today = self.paths_today.saturating_add(paths);
        if refused == 0 && routes == 0 {
            return;
        }
        // A new route that is refused is in both sets.
        let served = f64::from(routes.saturating_sub(paths));
        let odds = Odds::of(context.population.success_rate(&minute.entity.tenant));
        let score = self.test.observe(minute.minute_us, HALF_LIFE_MINUTES, &odds, f64::from(paths), served);
        if refused == 0 {
            return;
        }
        let slowly = self.surprise_of_day();
        let probes = score >= context.levels.of(Window::Day).max(SCORE_MIN) || slowly >= context.levels.of(Window::Day);
        let score = score.max(slowly);
        let insists = self.refused >= BURST_MIN && 2 * self.refused > self.requests;
        let severity = match (probes, insists) {
            (true, _) if self.paths_today >= MANY => Severity::High,
            (true, _) => Severity::Medium,
            (false, true) => Severity::Low,
            (false, false) => return,
        };
        if self.told.is_due(self.day_us, severity, f64::from(self.paths_today.max(1))) {
            found.push(self.claim(minute, context, &odds, severity, score));
        }
    }

    fn turn(&mut self, at_us: i64) {
        let (day_us, burst_us) = (start_of(at_us, DAY_US), start_of(at_us, BURST_US));
        if day_us != self.day_us {
            if self.day_us != 0 {
                let empty = real((day_us - self.day_us) / DAY_US - 1).max(0.0);
                self.habit.learn(f64::from(self.refused_today), empty, KEEP, PHI);
            }
            (self.day_us, self.paths_today, self.today, self.refused_today) = (day_us, 0, [0; 4], 0.0);
        }
        if burst_us != self.burst_us {
            (self.burst_us, self.refused, self.requests) = (burst_us, 0, 0);
        }
    }

    fn note_today(&mut self, minute: &Minute, refused: i64) {
        #[expect(clippy::cast_possible_truncation, reason = "counts of a day need no more than seven digits")]
        {
            self.refused_today += real(refused) as f32;
        }
        // What applications refuse without a word may be a fault of theirs.
        for path in minute.of(Distinct::Forbidden).filter(|_| refused > 0 && refused == self::refused(minute)) {
            if let Some(free) = self.today.iter().position(|known| *known == path || *known == 0) {
                self.today[free] = path;
            }
        }
    }

    /// 0 for a key that tries the same again.
    fn surprise_of_day(&self) -> f64 {
        let paths = self.today.iter().filter(|path| **path != 0).count();
        let refused = f64::from(self.refused_today);
        if paths < PATHS_MIN || refused < 2.0 * self.habit.mean() { 0.0 } else { self.habit.surprise(refused, PHI) }
    }

    fn claim(&self, minute: &Minute, context: &Context<'_>, odds: &Odds, severity: Severity, score: f64) -> Finding {
        let named = |kind, dimension| {
            minute.of(kind).take(3).map(move |hash| driver(dimension, context.names.resolve(hash), 1.0))
        };
        let what = if severity == Severity::Low {
            format!("insisted {} times within ten minutes on what it has no right to", self.refused)
        } else {
            let known = self.today.iter().filter(|path| **path != 0).count();
            format!("tried {} paths that it has no right to", usize::from(self.paths_today).max(known))
        };
        Finding {
            detector: Detector::ForbiddenProbing,
            entity: minute.entity.clone(),
            from_us: self.day_us,
            to_us: minute.to_us(),
            severity,
            score,
            expected: 1.0,
            seen: if severity == Severity::Low { real(self.refused) } else { f64::from(self.paths_today) },
            unit: if severity == Severity::Low { "refused requests" } else { "forbidden paths" },
            cause: None,
            drivers: named(Distinct::Forbidden, "path")
                .chain(named(Distinct::Route, "route"))
                .chain(named(Distinct::Network, "network").take(2))
                .collect(),
            summary: format!("{} {what}", minute.entity),
            quiet: format!(
                "fewer than {:.0} new forbidden paths in a row, and fewer than {BURST_MIN} such refusals in ten minutes",
                odds.failures_for(SCORE_MIN)
            ),
        }
    }
}

/// Requests that were refused and are known to want a right.
fn right_missing(minute: &Minute) -> i64 {
    let rights =
        minute.causes.iter().filter(|(cause, _)| cause.is_some_and(|cause| Blamed::of(cause) == Blamed::Right));
    rights.map(|(_, sums)| sums[Sum::Requests]).sum()
}

/// Requests that were refused for want of a right.
fn refused(minute: &Minute) -> i64 {
    let counted = minute.causes.iter().filter_map(|(cause, sums)| match Blamed::of((*cause)?) {
        Blamed::Right => Some(sums[Sum::Requests]),
        Blamed::Unsaid => Some(sums[Sum::Requests] - sums[Sum::Unauthorized] - sums[Sum::NotFound]),
        Blamed::Nothing | Blamed::Credential => None,
    });
    counted.sum()
}
