//! Does a tenant fail for a cause more often than before?
//!
//! Requests that ended with one cause, of all requests of the tenant in a window (10 min, 1 h), as beta-binomial: rate
//! and its own variation from decayed counts, half-life 3 days ([`Ratio`]). Guards: 10 requests, five failures, two points and half as
//! much again. Once a minute the open windows are looked at too, at the stricter level of a shorter one, so that an outage is
//! told before its window ends.
//!
//! Limits are the platform's answer to load and never an attack; errors of the servers behind are no refusals: both are
//! kept as information only.
//!
//! 64 bytes a cause that a tenant ever had.

use super::told::HOUR_US;
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity, Window};
use crate::cause::RootCause;
use crate::minutes::{Distinct, MINUTE_US, Sum};
use crate::stats::{Ratio, real};

const TEN_US: i64 = 10 * MINUTE_US;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    causes: Vec<(Option<RootCause>, OfCause)>,
    /// Requests in the open ten minutes and hour, and their starts.
    ten: Open,
    hour: Open,
    windows_seen: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Open {
    from_us: i64,
    requests: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct OfCause {
    ten: Ratio,
    hour: Ratio,
    ten_count: i64,
    hour_count: i64,
    quiet_until_us: i64,
    severity: Option<Severity>,
}

impl State {
    /// Requests that a window needs.
    const REQUESTS_MIN: i64 = 10;
    /// Failures that a claim needs.
    const FAILURES_MIN: i64 = 5;
    /// … and one of severity high.
    const MANY: i64 = 20;
    /// What must have been learned before anything is told: requests, and ten minutes of traffic.
    const TRIALS_MIN: f64 = 200.0;
    const WINDOWS_MIN: u32 = 48;
    /// Half-life 3 days.
    const TEN_KEEP: f64 = 0.998_397;
    const HOUR_KEEP: f64 = 0.990_418;

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.causes.capacity() * size_of::<(Option<RootCause>, OfCause)>()
    }

    /// Closes windows that ended before `minute`, adds it, and looks at what is open.
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, findings: &mut Vec<Finding>) {
        self.close(minute.minute_us, &minute.entity, context, findings);
        let starts = [TEN_US, HOUR_US].map(|span| minute.minute_us - minute.minute_us.rem_euclid(span));
        for (open, from_us) in [&mut self.ten, &mut self.hour].into_iter().zip(starts) {
            open.from_us = from_us;
            open.requests += minute.total[Sum::Requests];
        }
        for (cause, sums) in &minute.causes {
            let count = if cause.is_some() { sums[Sum::Requests] } else { sums[Sum::ServerErrors] };
            if count == 0 {
                continue;
            }
            let at = match self.causes.binary_search_by_key(cause, |(other, _)| *other) {
                Ok(at) => at,
                Err(at) => {
                    self.causes.insert(at, (*cause, OfCause::unseen(self.windows_seen)));
                    at
                }
            };
            let of_cause = &mut self.causes[at].1;
            of_cause.ten_count += count;
            of_cause.hour_count += count;
        }
        let (ten, hour, ready) = (self.ten, self.hour, self.windows_seen >= Self::WINDOWS_MIN);
        for (cause, of_cause) in self.causes.iter_mut().filter(|_| ready) {
            let (x, n) = (of_cause.ten_count, ten.requests);
            let seen = Seen { span: Span::Ten, level: Window::Minute, from_us: ten.from_us, x, n };
            let found = of_cause.judge(*cause, &seen, &minute.entity, minute.to_us(), Some(minute), context);
            let (x, n) = (of_cause.hour_count, hour.requests);
            let seen = Seen { span: Span::Hour, level: Window::TenMinutes, from_us: hour.from_us, x, n };
            findings.extend(
                found.or_else(|| of_cause.judge(*cause, &seen, &minute.entity, minute.to_us(), Some(minute), context)),
            );
        }
    }

    /// Ends the windows that are over at `at_us`.
    pub fn close(&mut self, at_us: i64, entity: &Entity, context: &Context<'_>, findings: &mut Vec<Finding>) {
        let ready = self.windows_seen >= Self::WINDOWS_MIN;
        if self.ten.requests > 0 && at_us >= self.ten.from_us + TEN_US {
            let Open { from_us, requests } = std::mem::take(&mut self.ten);
            for (cause, of_cause) in &mut self.causes {
                let x = std::mem::take(&mut of_cause.ten_count);
                let seen = Seen { span: Span::Ten, level: Window::TenMinutes, from_us, x, n: requests };
                if ready {
                    findings.extend(of_cause.judge(*cause, &seen, entity, from_us + TEN_US, None, context));
                }
                of_cause.ten.update(real(x), real(requests), Self::TEN_KEEP);
            }
            self.windows_seen = self.windows_seen.saturating_add(1);
        }
        if self.hour.requests > 0 && at_us >= self.hour.from_us + HOUR_US {
            let Open { from_us, requests } = std::mem::take(&mut self.hour);
            for (cause, of_cause) in &mut self.causes {
                let x = std::mem::take(&mut of_cause.hour_count);
                let seen = Seen { span: Span::Hour, level: Window::Hour, from_us, x, n: requests };
                if ready {
                    findings.extend(of_cause.judge(*cause, &seen, entity, from_us + HOUR_US, None, context));
                }
                of_cause.hour.update(real(x), real(requests), Self::HOUR_KEEP);
            }
        }
    }
}

/// What is counted over.
#[derive(Clone, Copy, Debug)]
enum Span {
    Ten,
    Hour,
}

/// Failures `x` of `n` requests in a span that began at `from_us`, and the window whose level they must reach: a stricter
/// one while the span is open, which is looked at every minute.
struct Seen {
    span: Span,
    level: Window,
    from_us: i64,
    x: i64,
    n: i64,
}

impl OfCause {
    /// A cause that never came up in `windows` windows: it is known to be rare.
    fn unseen(windows: u32) -> Self {
        let mut of_cause = Self::default();
        for _ in 0..windows.min(6) {
            of_cause.ten.update(0.0, 100.0, 1.0);
            of_cause.hour.update(0.0, 100.0, 1.0);
        }
        of_cause
    }

    fn judge(
        &mut self,
        cause: Option<RootCause>,
        seen: &Seen,
        entity: &Entity,
        at_us: i64,
        minute: Option<&Minute>,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let known = match seen.span {
            Span::Ten => &self.ten,
            Span::Hour => &self.hour,
        };
        let (x, n, rate) = (real(seen.x), real(seen.n), known.rate());
        let share = x / n.max(1.0);
        let far = share - rate >= 0.02 && share >= 1.5 * rate;
        if seen.n < State::REQUESTS_MIN || seen.x < State::FAILURES_MIN || known.trials() < State::TRIALS_MIN || !far {
            return None;
        }
        let score = known.predictive().upper_score(x, n);
        let level = context.levels.of(seen.level);
        if score < level {
            return None;
        }
        let finding = finding(cause, seen, rate, score, level, entity, at_us, minute, context);
        if at_us < self.quiet_until_us && self.severity >= Some(finding.severity) {
            return None;
        }
        (self.quiet_until_us, self.severity) = (at_us + HOUR_US, Some(finding.severity));
        Some(finding)
    }
}

#[expect(clippy::too_many_arguments, reason = "all of it is told")]
fn finding(
    cause: Option<RootCause>,
    seen: &Seen,
    rate: f64,
    score: f64,
    level: f64,
    entity: &Entity,
    at_us: i64,
    minute: Option<&Minute>,
    context: &Context<'_>,
) -> Finding {
    let (x, n) = (real(seen.x), real(seen.n));
    let share = x / n;
    let severity = match cause {
        None | Some(RootCause::RateLimited | RootCause::QuotaExhausted) => Severity::Info,
        Some(_) if share - rate >= 0.1 && score >= level + 3.0 && seen.x >= State::MANY => Severity::High,
        Some(_) => Severity::Medium,
    };
    let words = cause.map_or("errors of the servers behind", RootCause::name);
    let mut drivers = vec![Driver { dimension: "cause", value: words.to_owned(), share: 1.0 }];
    if let Some(minute) = minute {
        let sole = [(Distinct::Key, "key"), (Distinct::Network, "network"), (Distinct::Route, "route")];
        drivers.extend(sole.into_iter().filter(|(kind, _)| minute.count(*kind) == 1).filter_map(
            |(kind, dimension)| {
                minute.of(kind).next().map(|hash| Driver { dimension, value: context.names.resolve(hash), share: 1.0 })
            },
        ));
    }
    Finding {
        detector: Detector::FailureShift,
        entity: entity.clone(),
        from_us: seen.from_us,
        to_us: at_us,
        severity,
        score,
        expected: rate * n,
        seen: x,
        unit: "failures",
        cause,
        drivers,
        summary: format!(
            "{x:.0} of {n:.0} requests of {entity} ended with {words} ({:.1} %), where {:.2} % used to",
            100.0 * share,
            100.0 * rate
        ),
        quiet: format!(
            "a share below {:.1} %, or fewer than {} failures",
            100.0 * (rate + 0.02).max(1.5 * rate),
            State::FAILURES_MIN
        ),
    }
}
