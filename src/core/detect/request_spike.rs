//! Does this entity send far more requests than its own past explains?
//!
//! Served requests of a window against the negative binomial that the entity's [`Baseline`](super::Baseline) predicts.
//! Refused and failing requests are left out: a client that retries what fails is no spike, and what is refused is the
//! business of the guessing and failure detectors. The open window is tested at every minute against what is expected
//! of the whole window: a count only grows, so this raises the same alarms as a test at its end, only sooner. The hour is
//! that of the last 60 minutes, so that a spike is not halved by the clock.
//!
//! What the whole tenant does at once (a deployment, a launch) is expected of each of its keys.
//!
//! 40 bytes.

use super::baseline::Test;
use super::finding::beside_the_past;
use super::told::{DAY_US, HOUR_US, day_of};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity, Window};
use crate::minutes::{Distinct, EntityKind};
use crate::stats::real;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Until then only a worse severity is told again.
    quiet_until_us: i64,
    /// The same of the 24 hours, which go on to hold what was told of one of them.
    day_quiet_until_us: i64,
    severity: Option<Severity>,
    /// Hours in a row that were part of a spike.
    hours: u16,
    spiked: bool,
    /// Days that had a spike, each at most three after the one before, and the last of them.
    days: u8,
    last_day: u16,
}

/// How far above its expectation the rest of the tenant is at the moment, at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peers(pub f64);

/// An hour that slides by ten minutes is about two tests instead of one.
const SLIDING: f64 = 0.3;

impl State {
    /// After this, a new level is a new normal.
    const FROZEN_HOURS_MAX: u16 = 72;
    /// What comes back day after day is one as well, however short.
    const FROZEN_DAYS_MAX: u8 = 3;
    const DAYS_APART_MAX: u16 = 3;

    /// Tests the windows that `minute` is in.
    pub fn observe(
        &mut self,
        minute: &Minute,
        tests: &[Test],
        peers: impl Fn(&Test) -> Peers,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let best = tests.iter().filter_map(|test| judged(test, &peers, &minute.entity, context));
        let (test, score) = best.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        self.tell(&minute.entity, &test, score, minute.to_us(), Some(minute), context)
    }

    /// Tests the 24 hours that end now; `told` unless they are high for one of their hours, which was judged by itself.
    pub fn close_hour(
        &mut self,
        entity: &Entity,
        day: &Test,
        told: bool,
        peers: impl Fn(&Test) -> Peers,
        context: &Context<'_>,
    ) -> Option<Finding> {
        self.hours = if self.spiked { self.hours.saturating_add(1) } else { 0 };
        self.spiked = false;
        let (test, score) = judged(day, peers, entity, context)?;
        if !told {
            self.spiked = true;
            self.count_day(day_of(day.to_us));
            return None;
        }
        self.tell(entity, &test, score, day.to_us, None, context)
    }

    /// Whether the hour that ends is part of a spike and must not teach the baseline.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.spiked && self.hours < Self::FROZEN_HOURS_MAX && self.days <= Self::FROZEN_DAYS_MAX
    }

    fn tell(
        &mut self,
        entity: &Entity,
        test: &Test,
        score: f64,
        at_us: i64,
        minute: Option<&Minute>,
        context: &Context<'_>,
    ) -> Option<Finding> {
        self.spiked = true;
        self.count_day(day_of(at_us));
        let severity = severity_of(entity, test, score, context);
        let quiet_until_us = if test.window == Window::Day { self.day_quiet_until_us } else { self.quiet_until_us };
        if at_us < quiet_until_us && self.severity >= Some(severity) {
            return None;
        }
        (self.quiet_until_us, self.severity) = (at_us + HOUR_US, Some(severity));
        self.day_quiet_until_us = at_us + DAY_US;
        Some(finding(entity, test, score, minute, context))
    }

    fn count_day(&mut self, day: u16) {
        if day != self.last_day {
            let again = day.saturating_sub(self.last_day) <= Self::DAYS_APART_MAX;
            self.days = if again { self.days.saturating_add(1) } else { 1 };
            self.last_day = day;
        }
    }
}

/// The test against what the peers explain too, with its score, when it is an alarm.
fn judged(test: &Test, peers: impl Fn(&Test) -> Peers, entity: &Entity, context: &Context<'_>) -> Option<(Test, f64)> {
    // The day is there for what is low and slow.
    let ratio = match test.window {
        Window::Minute | Window::TenMinutes | Window::Hour => context.options.ratio_min,
        Window::Day => 1.0 + (context.options.ratio_min - 1.0) / 2.0,
    };
    let far = |test: &Test| {
        let over = test.seen - test.expected;
        test.seen >= ratio * test.expected && over >= context.options.difference_min && test.is_high(3.0)
    };
    if !far(test) {
        return None;
    }
    let test = Test { expected: test.expected * peers(test).0, ..*test };
    if !far(&test) {
        return None;
    }
    let looks = if test.slides() && test.window == Window::Hour { SLIDING } else { 0.0 };
    let score = context.population.recalibrated(&entity.tenant, test.upper_score()) - looks;
    (score >= context.levels.of(test.window)).then_some((test, score))
}

fn severity_of(entity: &Entity, test: &Test, score: f64, context: &Context<'_>) -> Severity {
    let level = context.levels.of(test.window);
    let ratio = test.seen / test.expected.max(1e-9);
    match entity.kind {
        _ if score < level => Severity::Info,
        EntityKind::Key if score >= level + 4.0 && ratio >= 5.0 => Severity::High,
        EntityKind::Key => Severity::Medium,
        // What a whole tenant does is a launch or a deployment: kept, and expected of its keys.
        EntityKind::Source | EntityKind::Tenant | EntityKind::Route | EntityKind::Gateway | EntityKind::Principal => {
            Severity::Info
        }
    }
}

/// The claim about one test; also used for the list of suspicions.
pub(super) fn finding(
    entity: &Entity,
    test: &Test,
    score: f64,
    minute: Option<&Minute>,
    context: &Context<'_>,
) -> Finding {
    let level = context.levels.of(test.window);
    let varies = if test.phi >= 0.5 { ", although this one varies a lot" } else { "" };
    Finding {
        detector: Detector::RequestSpike,
        entity: entity.clone(),
        from_us: test.from_us,
        to_us: test.to_us,
        severity: severity_of(entity, test, score, context),
        score,
        expected: test.expected,
        seen: test.seen,
        unit: "served requests",
        cause: None,
        drivers: minute.map_or_else(Vec::new, |minute| sole_drivers(minute, context)),
        summary: format!(
            "{entity} had {:.0} requests served within one {}, {}{varies}",
            test.seen,
            test.window.words(),
            beside_the_past(test.seen, test.expected, &format!("{:.1}", test.expected)),
        ),
        quiet: format!(
            "fewer than {:.0} requests in that {}, or the same rise on the tenant's other keys",
            test.threshold(level).max(test.expected + context.options.difference_min),
            test.window.words(),
        ),
    }
}

/// Values that all requests of the minute share, weightiest kinds first.
pub(super) fn sole_drivers(minute: &Minute, context: &Context<'_>) -> Vec<Driver> {
    let kinds = [
        (Distinct::Network, "network"),
        (Distinct::Agent, "agent"),
        (Distinct::Route, "route"),
        (Distinct::Region, "region"),
        (Distinct::Key, "key"),
    ];
    let sole = kinds.into_iter().filter(|(kind, _)| minute.count(*kind) == 1);
    let drivers = sole.filter_map(|(kind, dimension)| {
        minute.of(kind).next().map(|hash| Driver { dimension, value: context.names.resolve(hash), share: 1.0 })
    });
    drivers.collect()
}

/// The factor by which the rest of a tenant is above its expectation, from the counts so far in a window of which
/// `elapsed` (0 to 1) has passed. 1 when there is hardly a rest.
#[must_use]
pub fn peers_factor(tenant: (f64, f64), key: (f64, f64), elapsed: f64) -> Peers {
    let (seen, expected) = (tenant.0 - key.0, (tenant.1 - key.1) * elapsed);
    let enough = expected >= 10.0 && tenant.1 - key.1 >= 0.1 * tenant.1;
    Peers(if enough { (seen / expected).max(1.0) } else { 1.0 })
}

/// The part of a window that has passed at the end of a minute.
#[must_use]
pub fn elapsed(test: &Test, at_us: i64) -> f64 {
    (real(at_us - test.from_us) / real(test.to_us - test.from_us)).clamp(0.0, 1.0)
}
