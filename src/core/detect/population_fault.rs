//! Population failure where events are at hand: which tenant, gateway, route and program explain it, in one request.
//!
//! Requests of known tenants that failed, of all of them, in ten minutes and in an hour, by the way in which they failed;
//! beta-binomial against decayed counts, half-life 3 days, as in [`failure_shift`](super::failure_shift). A rise is told
//! when the [`Breakdown`] of the hour names values that explain most of it and mostly fail; what fails for a reason that
//! lies with the caller needs three keys, or it is one caller's. Errors of the servers behind are low: clients see them
//! anyway, and no key is at fault. Told again when more failures name other values.
//!
//! 150 bytes.

use super::breakdown::{Breakdown, Explained, Failing, failed};
use super::told::{HOUR_US, start_of};
use super::window::Closed;
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity, Window};
use crate::cause::RootCause;
use crate::minutes::{EntityKind, MINUTE_US, Sum};
use crate::stats::{Ratio, real};

const TEN_US: i64 = 10 * MINUTE_US;

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    kinds: [OfKind; Failing::ALL.len()],
}

#[derive(Clone, Debug, Default)]
struct OfKind {
    ten: Span,
    hour: Span,
    /// Causes of the open hour and their requests.
    causes: Vec<(RootCause, f64)>,
    told: Vec<(&'static str, u32)>,
    told_failed: f64,
    quiet_until_us: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from_us: i64,
    failed: f64,
    requests: f64,
    rate: Ratio,
    closed: u32,
}

impl State {
    pub(super) fn observe(
        &mut self,
        closed: &Closed,
        breakdown: &Breakdown,
        context: &Context<'_>,
        found: &mut Vec<Finding>,
    ) {
        let minute_us = closed.minute_us;
        let is_tenant = |minute: &&Minute| minute.entity.kind == EntityKind::Tenant;
        let tenants: Vec<&Minute> = closed.iter().map(|(_, minute)| minute).filter(is_tenant).collect();
        let tenants = || tenants.iter().copied();
        let requests: i64 = tenants().map(|minute| minute.total[Sum::Requests]).sum();
        for (failing, kind) in Failing::ALL.into_iter().zip(&mut self.kinds) {
            let failed = tenants().map(|minute| failed(minute, failing)).sum();
            kind.add(minute_us, failed, real(requests));
            tenants().for_each(|minute| kind.count_causes(minute, failing));
            if failed > 0.0 && minute_us + MINUTE_US >= kind.quiet_until_us {
                kind.told.clear();
            }
            if failed > 0.0 {
                found.extend(kind.judge(failing, minute_us, breakdown, context));
            }
        }
    }
}

impl OfKind {
    const REQUESTS_MIN: f64 = 30.0;
    const FAILED_MIN: f64 = 5.0;
    const WINDOWS_MIN: [u32; 2] = [48, 24];
    /// Half-life 3 days.
    const KEEP: [f64; 2] = [0.998_397, 0.990_418];
    /// What an explanation must explain of the rise, how much of it must fail, and how many keys it needs.
    const POWER_MIN: f64 = 0.6;
    const SHARE_MIN: f64 = 0.15;
    const KEYS_MIN: usize = 3;
    /// Failures, times those at the last word, that are worth another.
    const GROWTH: f64 = 1.5;
    const CAUSE_SHARE: f64 = 0.67;

    fn add(&mut self, minute_us: i64, failed: f64, requests: f64) {
        if self.hour.from_us != start_of(minute_us, HOUR_US) {
            self.causes.clear();
        }
        for ((span, length_us), keep) in
            [(&mut self.ten, TEN_US), (&mut self.hour, HOUR_US)].into_iter().zip(Self::KEEP)
        {
            let from_us = start_of(minute_us, length_us);
            if from_us != span.from_us {
                if span.requests > 0.0 {
                    span.rate.update(span.failed, span.requests, keep);
                    span.closed = span.closed.saturating_add(1);
                }
                (span.from_us, span.failed, span.requests) = (from_us, 0.0, 0.0);
            }
            span.failed += failed;
            span.requests += requests;
        }
    }

    fn count_causes(&mut self, minute: &Minute, failing: Failing) {
        for (cause, sums) in &minute.causes {
            let Some(cause) = cause.filter(|cause| Failing::of(*cause) == Some(failing)) else { continue };
            let requests = real(sums[Sum::Requests]);
            match self.causes.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, count)) => *count += requests,
                None => self.causes.push((cause, requests)),
            }
        }
    }

    fn judge(
        &mut self,
        failing: Failing,
        minute_us: i64,
        breakdown: &Breakdown,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let spans = [(&self.ten, Window::Minute), (&self.hour, Window::Hour)];
        let risen = spans.into_iter().zip(Self::WINDOWS_MIN).filter_map(|((span, window), windows_min)| {
            let score = span.score(windows_min)?;
            (score >= context.levels.of(window)).then_some((*span, score))
        });
        let (span, score) = risen.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let keys_min = if failing == Failing::Caller { Self::KEYS_MIN } else { 0 };
        let rate = self.hour.rate.rate();
        let enough = |explained: &Explained| {
            explained.power >= Self::POWER_MIN
                && explained.share >= Self::SHARE_MIN
                && explained.failed >= Self::FAILED_MIN
        };
        // All of the hour says most; where it was sound for most of it, the end of it.
        let whole = start_of(minute_us, HOUR_US)..minute_us + MINUTE_US;
        let end = start_of(minute_us, TEN_US) - TEN_US..minute_us + MINUTE_US;
        let mut spans = [whole, end].into_iter().filter_map(|span| breakdown.explain(&span, failing, rate, keys_min));
        let explained = spans.find(enough)?;
        let says_more = explained.values != self.told && explained.failed >= Self::GROWTH * self.told_failed;
        if !(self.told.is_empty() || says_more) {
            return None;
        }
        self.told.clone_from(&explained.values);
        self.told_failed = explained.failed;
        self.quiet_until_us = minute_us + HOUR_US;
        Some(self.claim(failing, minute_us, &span, score, &explained, context))
    }

    fn claim(
        &self,
        failing: Failing,
        minute_us: i64,
        span: &Span,
        score: f64,
        explained: &Explained,
        context: &Context<'_>,
    ) -> Finding {
        let named: Vec<(&'static str, String)> =
            explained.values.iter().map(|&(dimension, hash)| (dimension, context.names.resolve(hash))).collect();
        let what: Vec<String> =
            named.iter().take(explained.depth).map(|(dimension, value)| format!("{dimension} {value}")).collect();
        let drivers = named.iter().take(Finding::DRIVERS_MAX).map(|(dimension, value)| Driver {
            dimension,
            value: value.clone(),
            share: explained.power,
        });
        let all: f64 = self.causes.iter().map(|(_, count)| count).sum();
        let cause = self.causes.iter().find(|(_, count)| *count >= Self::CAUSE_SHARE * all).map(|(cause, _)| *cause);
        let words = cause.map_or("errors of the servers behind", RootCause::name);
        let rate = span.rate.rate();
        Finding {
            detector: Detector::PopulationFailure,
            entity: entity_of(&named, explained.depth),
            // Claims of the same hour that name other values have ids of their own.
            from_us: start_of(minute_us, MINUTE_US),
            to_us: minute_us + MINUTE_US,
            severity: if failing == Failing::Errors { Severity::Low } else { Severity::Medium },
            score,
            expected: rate * span.requests,
            seen: span.failed,
            unit: "failed requests",
            cause,
            drivers: drivers.collect(),
            summary: format!(
                "{:.0} of all {:.0} requests failed with {words}, where {:.2} % used to: {} explains {:.0} % of it, and \
                 {:.0} % of its requests fail",
                span.failed,
                span.requests,
                100.0 * rate,
                what.join(", "),
                100.0 * explained.power,
                100.0 * explained.share
            ),
            quiet: format!(
                "a share of failed requests below {:.1} %, or failures that nothing has in common",
                100.0 * (rate + Span::POINTS_MIN).max(Span::RATIO_MIN * rate)
            ),
        }
    }
}

impl Span {
    const POINTS_MIN: f64 = 0.015;
    const RATIO_MIN: f64 = 1.5;

    /// The score of the open window, when it is far from what was usual.
    fn score(&self, windows_min: u32) -> Option<f64> {
        let (x, n, rate) = (self.failed, self.requests, self.rate.rate());
        let share = x / n.max(1.0);
        let far = share - rate >= Self::POINTS_MIN && share >= Self::RATIO_MIN * rate;
        let known = self.closed >= windows_min && n >= OfKind::REQUESTS_MIN && x >= OfKind::FAILED_MIN;
        (far && known).then(|| self.rate.predictive().upper_score(x, n))
    }
}

/// The narrowest of what explains; a program is no entity.
fn entity_of(named: &[(&'static str, String)], depth: usize) -> Entity {
    let kinds = [EntityKind::Route, EntityKind::Tenant, EntityKind::Gateway];
    let explains = |kind: EntityKind| {
        let value = named.iter().take(depth).find(|(dimension, _)| *dimension == kind.name());
        value.map(|(_, value)| (kind, value.clone()))
    };
    let (kind, name) = kinds.into_iter().find_map(explains).unwrap_or((EntityKind::Gateway, "all".to_owned()));
    let tenant = if kind == EntityKind::Tenant { name.clone() } else { String::new() };
    Entity { kind, name, tenant }
}
