//! Does somebody try one key or account again and again?
//!
//! About keys: answers of 401 whose cause is the credential itself (a wrong signature, a near miss, nothing that the
//! directory explains) are counted by hour and day and tested against the key's own habit (negative binomial,
//! [`crate::stats::Habit`]). Whether one address tries or forty does not matter. When the key's owner goes on being
//! served meanwhile, somebody else is trying; when nothing is served any more, the owner's own client is the likelier
//! one, and the claim is low. Tries from networks that only ever were the owner's are the owner's: they are told, low,
//! when two in three of its requests fail.
//!
//! Guards: 10 tries an hour or 15 a day, and three times the habit. One claim per key and day. 80 bytes a key.
//! Cannot see: tries that name no key which the directory knows; those are `key_guessing` and `credential_stuffing`.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Blamed, Distinct, EntityKind, Sum};
use crate::stats::{Habit, real};

const PHI: f64 = 0.5;
/// Of the habit, a span.
const KEEP: f64 = 0.99;
const RATIO_MIN: f64 = 3.0;
/// In an hour, and in a day.
const TRIES_MIN: [f64; 2] = [10.0, 15.0];

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    hour: Span,
    day: Span,
    told: Told,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from_us: i64,
    tries: f32,
    served: f32,
    /// A try came in a minute with a foreign network.
    foreign: bool,
    /// Minutes with served requests since the first try.
    served_minutes: u16,
    habit: Habit,
}

impl State {
    /// Of a key that nobody tried in so many hours.
    #[must_use]
    pub fn of_age(hours: u32) -> Self {
        let of = |spans: u32| Span { habit: Habit::of_silence(f64::from(spans), KEEP), ..Span::default() };
        Self { hour: of(hours), day: of(hours / 24), told: Told::default() }
    }

    /// Whether a minute is worth a state: until somebody tries, a key needs none.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        wrong(minute) > 0
    }

    /// `is_foreign`: the minute shows a network that the key was never served to.
    pub fn observe(&mut self, minute: &Minute, is_foreign: bool, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key {
            return;
        }
        let (tries, served) = (real(wrong(minute)), real(minute.total[Sum::Served]));
        let spans =
            [(&mut self.hour, HOUR_US, TRIES_MIN[0], Window::Hour), (&mut self.day, DAY_US, TRIES_MIN[1], Window::Day)];
        let mut worst: Option<(f64, Span)> = None;
        for (span, length_us, tries_min, window) in spans {
            span.add(start_of(minute.minute_us, length_us), length_us, tries, served);
            span.foreign |= tries > 0.0 && is_foreign;
            let seen = f64::from(span.tries);
            if tries == 0.0 || seen < tries_min || seen < RATIO_MIN * span.habit.mean() {
                continue;
            }
            let score = span.habit.surprise(seen, PHI);
            if score >= context.levels.of(window) && worst.is_none_or(|(other, _)| score > other) {
                worst = Some((score, *span));
            }
        }
        let Some((score, span)) = worst else { return };
        let severity = match (span.owner_is_served(), span.foreign) {
            (true, true) => Severity::High,
            (true, false) if span.tries < 2.0 * span.served => return,
            (true | false, _) => Severity::Low,
        };
        if self.told.is_due(start_of(minute.minute_us, DAY_US), severity, f64::from(span.tries)) {
            found.push(claim(minute, context, &span, severity, score));
        }
    }
}

/// Requests that failed because of what was presented.
fn wrong(minute: &Minute) -> i64 {
    let blamed = |(cause, sums): &(Option<crate::cause::RootCause>, crate::minutes::Sums)| match cause.map(Blamed::of) {
        None | Some(Blamed::Credential | Blamed::Unsaid) => sums[Sum::Unauthorized],
        Some(Blamed::Nothing | Blamed::Right) => 0,
    };
    minute.causes.iter().map(blamed).sum()
}

impl Span {
    fn add(&mut self, from_us: i64, length_us: i64, tries: f64, served: f64) {
        if from_us != self.from_us {
            if self.from_us != 0 {
                let empty = real((from_us - self.from_us) / length_us - 1).max(0.0);
                self.habit.learn(f64::from(self.tries), empty, KEEP, PHI);
            }
            *self = Self { from_us, habit: self.habit, ..Self::default() };
        }
        #[expect(clippy::cast_possible_truncation, reason = "counts of a day need no more than seven digits")]
        {
            self.tries += tries as f32;
            self.served += served as f32;
        }
        if self.tries > 0.0 {
            self.served_minutes = self.served_minutes.saturating_add(u16::from(served > 0.0));
        }
    }

    /// One minute may be the one in which the owner's client broke.
    fn owner_is_served(&self) -> bool {
        self.served_minutes > 1
    }
}

fn claim(minute: &Minute, context: &Context<'_>, span: &Span, severity: Severity, score: f64) -> Finding {
    let networks = minute.of(Distinct::Network).take(Finding::DRIVERS_MAX);
    let meanwhile = if span.owner_is_served() {
        "while its owner went on being served"
    } else {
        "and nothing was served since: its own client may be broken"
    };
    Finding {
        detector: Detector::BruteForce,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity,
        score,
        expected: span.habit.mean(),
        seen: f64::from(span.tries),
        unit: "wrong credentials",
        cause: None,
        drivers: networks.map(|hash| driver("network", context.names.resolve(hash), 1.0)).collect(),
        summary: format!("{} was tried {} times with a wrong credential, {meanwhile}", minute.entity, span.tries),
        quiet: format!("fewer than {:.0} wrong credentials", (RATIO_MIN * span.habit.mean()).max(TRIES_MIN[0])),
    }
}
