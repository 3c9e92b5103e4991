//! Do several clients use one key at the same time?
//!
//! Counts the networks beyond the first within ten minutes and within an hour, and tests both against the key's own
//! habit (negative binomial, [`crate::stats::Habit`]): a fleet of phones has many, a server none. Two countries that take
//! turns in at least five of ten minutes are a second sign. A key that many share from one network is not seen, and
//! many keys behind one network (NAT) are none of this.
//!
//! A busier span is expected to show more networks: the habit grows with its requests, up to six times.
//!
//! Guards: at least two networks beyond the first, or one and two countries in turns; twice the habit; a habit of at
//! least six hours of use. One claim per key and day. 128 bytes a key, and at most
//! 130 beside them.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Distinct, EntityKind, MINUTE_US, Sum};
use crate::stats::{Habit, Spread, real};

const SHORT_US: i64 = 10 * MINUTE_US;
/// Over-dispersion of the number of networks: clients come and go together.
const PHI: f64 = 0.5;
const SPANS_MIN: [f64; 2] = [36.0, 6.0];
/// Half-life: about seven days of use.
const KEEP: [f64; 2] = [0.9993, 0.996];
const TURNS_MIN: u8 = 5;

#[derive(Clone, Debug, Default)]
pub struct State {
    short: Span,
    long: Span,
    told: Told,
}

#[derive(Clone, Debug, Default)]
struct Span {
    from_us: i64,
    networks: Spread,
    habit: Habit,
    requests: f32,
    /// Requests of an ordinary span, decayed mean.
    usual_requests: f32,
    /// Minutes with requests from two countries.
    turns: u8,
}

impl State {
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key || minute.total[Sum::Served] == 0 {
            return;
        }
        let lengths = [(SHORT_US, Window::TenMinutes), (HOUR_US, Window::Hour)];
        for (at, (span, (length_us, window))) in [&mut self.short, &mut self.long].into_iter().zip(lengths).enumerate()
        {
            let from_us = start_of(minute.minute_us, length_us);
            if from_us != span.from_us {
                span.close(KEEP[at]);
                span.from_us = from_us;
            }
            minute.of(Distinct::Network).for_each(|hash| span.networks.insert(hash));
            span.count_requests(minute);
            span.turns = span.turns.saturating_add(u8::from(minute.count(Distinct::Country) > 1));

            let extra = span.extra();
            let takes_turns = span.turns >= TURNS_MIN;
            let plausible = extra >= 2.0 || (extra >= 1.0 && takes_turns);
            if !plausible || span.habit.spans() < SPANS_MIN[at] || extra < 2.0 * span.expected() {
                continue;
            }
            let score = span.habit.surprise(extra / span.busier(), PHI);
            if score < context.levels.of(window) {
                continue;
            }
            let severity = if takes_turns || extra >= 7.0 { Severity::High } else { Severity::Medium };
            if self.told.is_due(start_of(minute.minute_us, DAY_US), severity, extra) {
                found.push(claim(minute, context, span, severity, score));
            }
        }
    }

    /// For a key that has fallen silent.
    pub fn shrink(&mut self) {
        self.short.networks.clear();
        self.long.networks.clear();
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.short.networks.bytes() + self.long.networks.bytes()
    }
}

impl Span {
    /// Networks beyond the first.
    fn extra(&self) -> f64 {
        (self.networks.count() - 1.0).max(0.0).round()
    }

    fn count_requests(&mut self, minute: &Minute) {
        #[expect(clippy::cast_possible_truncation, reason = "counts of an hour need no more than seven digits")]
        {
            self.requests += real(minute.total[Sum::Served]) as f32;
        }
    }

    /// How many times busier than usual the span is, 1 to 6.
    fn busier(&self) -> f64 {
        (f64::from(self.requests) / f64::from(self.usual_requests).max(1.0)).clamp(1.0, 6.0)
    }

    /// Networks beyond the first that are expected.
    fn expected(&self) -> f64 {
        self.habit.mean() * self.busier()
    }

    /// Takes the span into the habit. Spans without use teach nothing.
    fn close(&mut self, keep: f64) {
        if self.from_us != 0 {
            self.habit.learn(self.extra(), 0.0, keep, PHI);
            self.usual_requests += 0.05 * (self.requests - self.usual_requests);
        }
        self.networks.clear();
        (self.turns, self.requests) = (0, 0.0);
    }
}

fn claim(minute: &Minute, context: &Context<'_>, span: &Span, severity: Severity, score: f64) -> Finding {
    let named =
        |kind, dimension| minute.of(kind).take(3).map(move |hash| driver(dimension, context.names.resolve(hash), 1.0));
    let networks = span.extra() + 1.0;
    let usual = span.expected() + 1.0;
    let minutes = real(minute.to_us() - span.from_us) / real(MINUTE_US);
    Finding {
        detector: Detector::SharedKey,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity,
        score,
        expected: usual,
        seen: networks,
        unit: "networks",
        cause: None,
        drivers: named(Distinct::Network, "network")
            .chain(named(Distinct::Country, "country"))
            .chain(named(Distinct::Agent, "agent").take(2))
            .collect(),
        summary: format!(
            "{} was used from {networks} networks within {minutes} min; it usually comes from {}",
            minute.entity,
            (usual * 10.0).round() / 10.0
        ),
        quiet: format!("fewer than {:.0} networks at a time", (2.0 * usual).max(3.0)),
    }
}
