//! Did an entity that always sends stop sending?
//!
//! The chance of no request at all since the last one, as the entity's [`Baseline`](super::Baseline) predicts: P(0) of
//! a negative binomial with the count expected of the gap, hour by hour with its season. Told once a gap. A key is not
//! told about when its whole tenant is silent, nor a tenant when nobody sends: then the feed is what stopped.
//!
//! Kept as information: keys are rotated, retired and revoked every day, and a stopped one harms nobody but its owner.
//!
//! 8 bytes.

use super::baseline::Baseline;
use super::told::HOUR_US;
use super::{Context, Detector, Entity, Finding, Severity, Window};
use crate::stats::real;
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Start of the gap that was told.
    told_us: i64,
}

impl State {
    /// Fewer expected requests are no silence worth telling.
    const EXPECTED_MIN: f64 = 30.0;
    /// No hour is expected to bring more than so many times the mean of all hours.
    const SEASON_MAX: f64 = 24.0;

    /// Looks at the gap between `last_us`, the end of the last minute with requests, and `at_us`.
    pub fn tick(
        &mut self,
        entity: &Entity,
        baseline: &Baseline,
        last_us: i64,
        at_us: i64,
        context: &Context<'_>,
    ) -> Option<Finding> {
        if baseline.is_young() || self.told_us == last_us || at_us <= last_us {
            return None;
        }
        // Far from it at any hour: most keys at most ticks.
        let hours = real(at_us - last_us) / real(HOUR_US);
        if baseline.level() * hours * Self::SEASON_MAX < Self::EXPECTED_MIN {
            return None;
        }
        let expected = baseline.between(last_us, at_us);
        if expected < Self::EXPECTED_MIN {
            return None;
        }
        let score = baseline.silence_score(expected, baseline.phi(Window::Hour));
        if score < context.levels.of(Window::Hour) {
            return None;
        }
        self.told_us = last_us;
        Some(Finding {
            detector: Detector::RequestSilence,
            entity: entity.clone(),
            from_us: last_us,
            to_us: at_us,
            severity: Severity::Info,
            score,
            expected,
            seen: 0.0,
            unit: "requests",
            cause: None,
            drivers: Vec::new(),
            summary: format!(
                "{entity} has sent nothing since {}, although {expected:.0} requests were due by now",
                time::format(last_us)
            ),
            quiet: format!("one request of {}, or a tenant that is silent as a whole", entity.name),
        })
    }
}
