//! Are many accounts tried a few times each? Lists of names and passwords from elsewhere are tried like that.
//!
//! By source: at least ten accounts within an hour, refused in more than four of five requests, and no more than three
//! tries an account. By route, for lists that are tried from a new address each time: accounts that failed in an hour and in
//! a day against the route's own habit (negative binomial, [`crate::stats::Habit`]), and the share of requests that were
//! refused in the hour against the route's own share (beta-binomial), which busy hours do not hide it in.
//!
//! One claim per source or route and day, and one more when an hour stands out of a day that was told. 150 bytes, and at most 130 beside them.
//! Cannot see: accounts in the body of a request; gateways log names and passwords only where they check them.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::{Habit, Ratio, Spread, real};

const SOURCE_MIN: f64 = 10.0;
const FAILED_SHARE_MIN: f64 = 0.8;
const TRIES_PER_ACCOUNT_MAX: f64 = 3.0;
const ROUTE_MIN: f64 = 20.0;
/// The share counts from so many accounts beyond those that the share of other hours explains, and threefold.
const SHARE_MIN: f64 = 10.0;
const SHARE_RATIO_MIN: f64 = 3.0;
/// Requests to a route from which its share is known.
const KNOWN_MIN: f64 = 200.0;
/// Of the share, an hour with requests: half-life 7 days.
const SHARE_KEEP: f64 = 0.996;
/// As people read them.
const HOUR: &str = "an hour";
const DAY: &str = "a day";
const SPANS_MIN: [f64; 2] = [24.0, 3.0];
const PHI: f64 = 0.3;

#[derive(Clone, Debug, Default)]
pub struct State {
    hour: Span,
    day: Span,
    refused: Ratio,
    /// Of an hour, and of a day: a flood is news while a trickle goes on.
    told: [Told; 2],
}

#[derive(Clone, Debug, Default)]
struct Span {
    from_us: i64,
    accounts: Spread,
    tries: f32,
    requests: f32,
    habit: Habit,
}

impl State {
    /// Whether a minute is worth a state: until an account fails, nobody needs one.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.count(Distinct::FailedAccount) > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        let by_route = minute.entity.kind == EntityKind::Route;
        if !by_route && minute.entity.kind != EntityKind::Source {
            return;
        }
        if by_route && start_of(minute.minute_us, HOUR_US) != self.hour.from_us {
            self.refused.update(f64::from(self.hour.tries), f64::from(self.hour.requests), SHARE_KEEP);
        }
        self.hour.add(minute, HOUR_US);
        self.day.add(minute, DAY_US);
        if minute.count(Distinct::FailedAccount) == 0 {
            return;
        }
        let judged = if by_route { self.judge_route(context) } else { self.judge_source() };
        let Some((severity, score, expected, seen, span)) = judged else { return };
        if self.told[usize::from(span == DAY)].is_due(start_of(minute.minute_us, DAY_US), severity, seen) {
            found.push(claim(minute, context, severity, score, expected, seen, span));
        }
    }

    fn judge_source(&self) -> Option<(Severity, f64, f64, f64, &'static str)> {
        let seen = self.hour.accounts.count().round();
        let failed = f64::from(self.hour.tries) > FAILED_SHARE_MIN * f64::from(self.hour.requests);
        if seen < SOURCE_MIN || !failed || !self.hour.tries_are_few() {
            return None;
        }
        let severity = if seen >= 5.0 * SOURCE_MIN { Severity::High } else { Severity::Medium };
        Some((severity, Finding::DETERMINISTIC, 1.0, seen, HOUR))
    }

    fn judge_route(&self, context: &Context<'_>) -> Option<(Severity, f64, f64, f64, &'static str)> {
        let spans = [(&self.hour, Window::Hour, HOUR), (&self.day, Window::Day, DAY)];
        let counted = spans.into_iter().zip(SPANS_MIN).find_map(|((span, window, name), spans_min)| {
            let (seen, usual) = (span.accounts.count().round(), span.habit.mean());
            if span.habit.spans() < spans_min || seen < ROUTE_MIN.max(3.0 * usual) || !span.tries_are_few() {
                return None;
            }
            let score = span.habit.surprise(seen, PHI);
            (score >= context.levels.of(window)).then_some((Severity::High, score, usual, seen, name))
        });
        counted.or_else(|| self.judge_share(context))
    }

    fn judge_share(&self, context: &Context<'_>) -> Option<(Severity, f64, f64, f64, &'static str)> {
        let (tries, requests) = (f64::from(self.hour.tries), f64::from(self.hour.requests));
        let (seen, usual) = (self.hour.accounts.count().round(), self.refused.rate() * requests);
        let many = seen >= (SHARE_RATIO_MIN * usual).max(usual + SHARE_MIN);
        if !many || self.refused.trials() < KNOWN_MIN || !self.hour.tries_are_few() {
            return None;
        }
        // The open hour is looked at every minute.
        let score = self.refused.predictive().upper_score(tries, requests);
        (score >= context.levels.of(Window::TenMinutes)).then_some((Severity::High, score, usual, seen, HOUR))
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.hour.accounts.bytes() + self.day.accounts.bytes()
    }
}

impl Span {
    fn add(&mut self, minute: &Minute, length_us: i64) {
        let from_us = start_of(minute.minute_us, length_us);
        if from_us != self.from_us {
            if self.from_us != 0 {
                let empty = real((from_us - self.from_us) / length_us - 1).max(0.0);
                self.habit.learn(self.accounts.count(), empty, 0.996, PHI);
            }
            *self = Self { from_us, habit: self.habit, ..Self::default() };
        }
        minute.of(Distinct::FailedAccount).for_each(|hash| self.accounts.insert(hash));
        #[expect(clippy::cast_possible_truncation, reason = "counts of a day need no more than seven digits")]
        {
            self.tries += real(minute.total[Sum::Unauthorized]) as f32;
            self.requests += real(minute.total[Sum::Requests]) as f32;
        }
    }

    fn tries_are_few(&self) -> bool {
        f64::from(self.tries) <= TRIES_PER_ACCOUNT_MAX * self.accounts.count().max(1.0)
    }
}

fn claim(
    minute: &Minute,
    context: &Context<'_>,
    severity: Severity,
    score: f64,
    expected: f64,
    seen: f64,
    span: &'static str,
) -> Finding {
    let networks = minute.of(Distinct::Network).take(4).map(|hash| driver("network", context.names.resolve(hash), 1.0));
    let agents = minute.of(Distinct::Agent).take(2).map(|hash| driver("agent", context.names.resolve(hash), 1.0));
    let least = if minute.entity.kind == EntityKind::Route { ROUTE_MIN.max(3.0 * expected) } else { SOURCE_MIN };
    Finding {
        detector: Detector::CredentialStuffing,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity,
        score,
        expected,
        seen,
        unit: "accounts",
        cause: None,
        drivers: networks.chain(agents).collect(),
        summary: format!("{}: {seen} accounts were tried within {span}, each a few times, and refused", minute.entity),
        quiet: format!("fewer than {least:.0} failing accounts {span}, or more tries for each"),
    }
}
