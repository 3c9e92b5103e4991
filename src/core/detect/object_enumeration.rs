//! Does a key walk through the ids of other people's objects?
//!
//! Four signs, judged over an hour and a day of a key: more distinct objects than its habit (negative binomial); ids that
//! follow each other by one or by a steady step (binomial, against the key's own share of such steps and at least 2 %);
//! objects that are refused or missing (binomial, likewise). Two signs at S >= 4, or one at 8, make a claim; how many
//! objects is no crime by itself, so the count alone stays low.
//!
//! Guards: 20 distinct objects, and a habit of 24 hours or 3 days of use for the count. One claim per key and day. 144
//! bytes a key, and at most 130 beside them. Cannot see: ids in query or body, and steps between requests that lie in different batches of a minute.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::{BetaBinomial, Habit, Spread, real};

const TWO_SIGNS: f64 = 4.0;
const ONE_SIGN: f64 = 8.0;
const OBJECTS_MIN: f64 = 20.0;
const SPANS_MIN: [f64; 2] = [24.0, 3.0];
const SHARE_FLOOR: f64 = 0.02;
/// How firmly a share is believed: as if so many requests had been seen at it.
const PRECISION: f64 = 100.0;
const PHI: f64 = 0.3;

#[derive(Clone, Debug, Default)]
pub struct State {
    hour: Span,
    day: Span,
    told: Told,
}

#[derive(Clone, Debug, Default)]
struct Span {
    from_us: i64,
    objects: Spread,
    asked: f32,
    steps: f32,
    denied: f32,
    habit: Habit,
    /// Decayed sums of past spans.
    past: [f32; 3],
}

/// The scores of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signs {
    count: f64,
    steps: f64,
    denied: f64,
    /// There is a habit to compare with.
    knows_itself: bool,
}

impl State {
    /// Whether a minute is worth a state: many keys never ask for one object.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.total[Sum::Objects] > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key || minute.total[Sum::Objects] == 0 {
            return;
        }
        let day_us = start_of(minute.minute_us, DAY_US);
        for (at, (span, length_us)) in [(&mut self.hour, HOUR_US), (&mut self.day, DAY_US)].into_iter().enumerate() {
            span.add(minute, length_us);
            let objects = span.objects.count().round();
            if objects < OBJECTS_MIN {
                continue;
            }
            let signs = span.signs(SPANS_MIN[at]);
            if let Some((severity, score)) = signs.judge()
                && self.told.is_due(day_us, severity, objects)
            {
                found.push(claim(minute, context, span, signs, severity, score));
            }
        }
    }

    /// For a key that has fallen silent.
    pub fn shrink(&mut self) {
        self.hour.objects.clear();
        self.day.objects.clear();
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.hour.objects.bytes() + self.day.objects.bytes()
    }
}

impl Signs {
    fn judge(self) -> Option<(Severity, f64)> {
        let Self { count, steps, denied, .. } = self;
        let worst = count.max(steps).max(denied);
        let signs = [count, steps, denied].iter().filter(|score| **score >= TWO_SIGNS).count();
        let severity = match signs {
            3 => Severity::High,
            2 if denied >= TWO_SIGNS => Severity::High,
            2 => Severity::Medium,
            1 if worst < ONE_SIGN => return None,
            // What fails is a fault or a broken client, unless more is asked for, or in order.
            1 if denied >= ONE_SIGN => Severity::Info,
            // A new key that walks in order may have been made for it: exports do.
            1 if !self.knows_itself => Severity::Info,
            1 => Severity::Low,
            _ => return None,
        };
        Some((severity, worst))
    }
}

impl Span {
    fn add(&mut self, minute: &Minute, length_us: i64) {
        let from_us = start_of(minute.minute_us, length_us);
        if from_us != self.from_us {
            if self.from_us != 0 {
                // Hours without any object are nights: they say nothing about how many a working hour takes.
                self.habit.learn(self.objects.count(), 0.0, 0.99, PHI);
                for (past, now) in self.past.iter_mut().zip([self.asked, self.steps, self.denied]) {
                    *past = *past * 0.99 + now;
                }
            }
            *self = Self { from_us, habit: self.habit, past: self.past, ..Self::default() };
        }
        minute.of(Distinct::Object).for_each(|hash| self.objects.insert(hash));
        let sums = [Sum::Objects, Sum::ObjectSteps, Sum::ObjectsDenied].map(|sum| minute.total[sum]);
        #[expect(clippy::cast_possible_truncation, reason = "counts of a day need no more than seven digits")]
        for (span, sum) in [&mut self.asked, &mut self.steps, &mut self.denied].into_iter().zip(sums) {
            *span += real(sum) as f32;
        }
    }

    fn signs(&self, spans_min: f64) -> Signs {
        let objects = self.objects.count().round();
        let usual = self.habit.mean();
        let knows_itself = self.habit.spans() >= spans_min;
        let more = knows_itself && objects >= 2.0 * usual && objects - usual >= OBJECTS_MIN;
        let share = |sum: f32, past: f32| {
            let rate = (f64::from(past) / f64::from(self.past[0]).max(1.0)).clamp(SHARE_FLOOR, 0.98);
            let (hits, asked) = (f64::from(sum), f64::from(self.asked));
            if hits <= 2.0 * rate * asked { 0.0 } else { BetaBinomial::new(rate, PRECISION).upper_score(hits, asked) }
        };
        Signs {
            count: if more { self.habit.surprise(objects, PHI) } else { 0.0 },
            steps: share(self.steps, self.past[1]),
            denied: share(self.denied, self.past[2]),
            knows_itself,
        }
    }
}

fn claim(minute: &Minute, context: &Context<'_>, span: &Span, signs: Signs, severity: Severity, score: f64) -> Finding {
    let objects = span.objects.count().round();
    let share = |part: f32| f64::from(part) / f64::from(span.asked).max(1.0);
    let mut how = Vec::new();
    if signs.steps >= TWO_SIGNS {
        how.push(format!("{:.0} % of them one after the other", 100.0 * share(span.steps)));
    }
    if signs.denied >= TWO_SIGNS {
        how.push(format!("{:.0} % refused or missing", 100.0 * share(span.denied)));
    }
    if signs.count >= TWO_SIGNS {
        how.push(format!("where {:.0} are usual", span.habit.mean()));
    }
    let routes = minute.of(Distinct::Route).take(4).map(|hash| driver("route", context.names.resolve(hash), 1.0));
    let networks = minute.of(Distinct::Network).take(2).map(|hash| driver("network", context.names.resolve(hash), 1.0));
    Finding {
        detector: Detector::ObjectEnumeration,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity,
        score,
        expected: span.habit.mean(),
        seen: objects,
        unit: "objects",
        cause: None,
        drivers: routes.chain(networks).collect(),
        summary: format!("{} asked for {objects} different objects, {}", minute.entity, how.join(", ")),
        quiet: format!("fewer than {OBJECTS_MIN} objects, or only one weak sign of a walk"),
    }
}
