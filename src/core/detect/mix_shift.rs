//! Does a key call other routes than it used to?
//!
//! The unit is a minute in which a route was called: how often within the minute is no evidence of its own. The 16 routes
//! that a key called first most often, and all others in one cell, are compared with a reference of half-life 14 days:
//! G = 2 sum O ln(O/E), cells with E < 5 pooled, divided by c = max(1, median of G/df over keys), chi-squared with
//! cells - 1 degrees of freedom (Sokal & Rohlf; the division is the usual quasi-likelihood correction). Also wanted: a
//! Jensen-Shannon divergence of 0.1 bit, or a busy key alarms for a change of one part in a hundred.
//!
//! Kept as information: deployments change what a key calls. It is evidence where something else says theft.
//!
//! 208 bytes, from the first day of a key that calls two routes on.

use super::told::{DAY_US, HOUR_US};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity, Window};
use crate::minutes::Distinct;
use crate::stats::chi_squared_score;

const CELLS: usize = 17;
const OTHER: usize = CELLS - 1;

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Hash of the route of a cell; 0 is free.
    routes: [u32; OTHER],
    reference: [f32; CELLS],
    open: [u16; CELLS],
    open_from_us: i64,
    quiet_until_us: i64,
}

impl Default for State {
    fn default() -> Self {
        Self { routes: [0; OTHER], reference: [0.0; CELLS], open: [0; CELLS], open_from_us: 0, quiet_until_us: 0 }
    }
}

impl State {
    /// Route-minutes that a comparison needs, and that the reference needs.
    const OPEN_MIN: u32 = 100;
    const REFERENCE_MIN: f32 = 300.0;
    const DIVERGENCE_MIN: f64 = 0.1;
    /// Half-life 14 days.
    const HOUR_KEEP: f64 = 0.997_939;

    pub fn observe(&mut self, minute: &Minute) {
        if self.open_from_us == 0 {
            self.open_from_us = minute.minute_us;
        }
        for route in minute.of(Distinct::Route) {
            let at = self.cell(route);
            self.open[at] = self.open[at].saturating_add(1);
        }
    }

    fn cell(&mut self, route: u32) -> usize {
        if let Some(at) = self.routes.iter().position(|&known| known == route) {
            return at;
        }
        // Cells are given away while the reference is young: later a new route is "other", which is what is looked for.
        let young = self.reference.iter().sum::<f32>() < Self::REFERENCE_MIN;
        match self.routes.iter().position(|&known| known == 0).filter(|_| young) {
            Some(at) => {
                self.routes[at] = route;
                at
            }
            None => OTHER,
        }
    }

    /// Compares, when enough has come together; the second value is G/df, for the correction over all keys.
    pub fn close_hour(&mut self, entity: &Entity, at_us: i64, context: &Context<'_>) -> (Option<Finding>, Option<f64>) {
        let seen: u32 = self.open.iter().map(|&count| u32::from(count)).sum();
        let old = at_us - self.open_from_us >= DAY_US;
        if seen < Self::OPEN_MIN && !old || seen == 0 {
            return (None, None);
        }
        let known: f32 = self.reference.iter().sum();
        let compared = (known >= Self::REFERENCE_MIN && seen >= Self::OPEN_MIN).then(|| self.compare(f64::from(seen)));
        let span = (self.open_from_us, at_us);
        let finding = compared.as_ref().and_then(|shift| self.judge(entity, span, shift, context));
        if finding.is_none() {
            let hours = f64::from(u16::try_from((at_us - self.open_from_us) / HOUR_US).unwrap_or(u16::MAX));
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
            let keep = Self::HOUR_KEEP.powf(hours) as f32;
            for (reference, open) in self.reference.iter_mut().zip(self.open) {
                *reference = *reference * keep + f32::from(open);
            }
        }
        self.open = [0; CELLS];
        self.open_from_us = at_us;
        (finding, compared.map(|shift| shift.g / shift.degrees))
    }

    fn compare(&self, seen: f64) -> Shift {
        let known: f64 = self.reference.iter().map(|&count| f64::from(count)).sum::<f64>() + 0.5;
        let mut shift = Shift { g: 0.0, degrees: -1.0, divergence: 0.0, raised: OTHER, raised_share: 0.0 };
        let (mut pooled_seen, mut pooled_expected, mut most) = (0.0, 0.0, 0.0);
        let mut add = |observed: f64, expected: f64| {
            if observed > 0.0 {
                shift.g += 2.0 * observed * (observed / expected).ln();
            }
            shift.degrees += 1.0;
        };
        let mut divergence = 0.0;
        for (at, (&open, &reference)) in self.open.iter().zip(&self.reference).enumerate() {
            let observed = f64::from(open);
            let prior = if at == OTHER { 0.5 } else { 0.0 };
            let expected = (f64::from(reference) + prior) / known * seen;
            let (p, q) = (expected / seen, observed / seen);
            divergence += half_term(p, q) + half_term(q, p);
            if observed - expected > most {
                (most, shift.raised, shift.raised_share) = (observed - expected, at, q);
            }
            if expected < 5.0 {
                pooled_seen += observed;
                pooled_expected += expected;
            } else {
                add(observed, expected);
            }
        }
        if pooled_seen > 0.0 || pooled_expected > 0.5 {
            add(pooled_seen, pooled_expected.max(0.5));
        }
        shift.divergence = divergence;
        shift.g = shift.g.max(0.0);
        shift.degrees = shift.degrees.max(1.0);
        shift
    }

    fn judge(&mut self, entity: &Entity, span: (i64, i64), shift: &Shift, context: &Context<'_>) -> Option<Finding> {
        let score = chi_squared_score(shift.g / context.population.mix_correction(), shift.degrees);
        let level = context.levels.of(Window::Hour);
        if score < level || shift.divergence < Self::DIVERGENCE_MIN || span.1 < self.quiet_until_us {
            return None;
        }
        self.quiet_until_us = span.1 + DAY_US;
        let route = self
            .routes
            .get(shift.raised)
            .map_or_else(|| "other routes".to_owned(), |&hash| context.names.resolve(hash));
        let before = self.reference[shift.raised] / self.reference.iter().sum::<f32>().max(1.0);
        Some(Finding {
            detector: Detector::MixShift,
            entity: entity.clone(),
            from_us: span.0,
            to_us: span.1,
            severity: Severity::Info,
            score,
            expected: f64::from(before) * 100.0,
            seen: shift.raised_share * 100.0,
            unit: "% of route-minutes",
            cause: None,
            drivers: vec![Driver { dimension: "route", value: route.clone(), share: shift.raised_share }],
            summary: format!(
                "{entity} calls other routes than it used to: {route} went from {:.0} % to {:.0} % of its route-minutes",
                100.0 * before,
                100.0 * shift.raised_share
            ),
            quiet: format!("a divergence below {} bit from the routes of the last weeks", Self::DIVERGENCE_MIN),
        })
    }
}

/// How far the open window is from the reference.
struct Shift {
    g: f64,
    degrees: f64,
    /// Jensen-Shannon, bits.
    divergence: f64,
    /// The cell that gained most, and its share now.
    raised: usize,
    raised_share: f64,
}

/// Half of p log2(p / mean).
fn half_term(p: f64, q: f64) -> f64 {
    if p > 0.0 { 0.5 * p * (2.0 * p / (p + q)).log2() } else { 0.0 }
}
