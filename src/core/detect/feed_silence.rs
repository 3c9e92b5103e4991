//! Did a gateway or a tenant stop sending logs?
//!
//! The test of [`request_silence`](super::request_silence) on gateways and tenants, that is on everything that arrives
//! from them, refused or not. Told once a gap, after at least [`State::GAP_MIN_US`]: a log shipper that hiccups for a
//! few minutes is no outage. A tenant is not told about when its gateways are silent too.
//!
//! It needs somebody else's rows to know that time goes on: when every feed stops, the reader of the feeds has to say
//! so by the clock. A partition without rows holds nothing back either; its gateways are what is missed.
//!
//! 8 bytes.

use super::baseline::Baseline;
use super::{Context, Detector, Entity, Finding, Severity, Window};
use crate::minutes::{EntityKind, MINUTE_US};
use crate::stats::lower_score;
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    told_us: i64,
}

impl State {
    pub const GAP_MIN_US: i64 = 5 * MINUTE_US;
    const EXPECTED_MIN: f64 = 50.0;

    pub fn tick(
        &mut self,
        entity: &Entity,
        baseline: &Baseline,
        last_us: i64,
        at_us: i64,
        context: &Context<'_>,
    ) -> Option<Finding> {
        if baseline.is_young() || self.told_us == last_us || at_us - last_us < Self::GAP_MIN_US {
            return None;
        }
        let expected = baseline.between(last_us, at_us);
        let r = 1.0 / (baseline.phi(Window::Hour) * 1.1 + 1.0 / baseline.counted().max(0.5));
        let score = lower_score(0.0, expected, r);
        if expected < Self::EXPECTED_MIN || score < context.levels.of(Window::Hour) {
            return None;
        }
        self.told_us = last_us;
        let severity = if entity.kind == EntityKind::Gateway { Severity::High } else { Severity::Medium };
        Some(Finding {
            detector: Detector::FeedSilence,
            entity: entity.clone(),
            from_us: last_us,
            to_us: at_us,
            severity,
            score,
            expected,
            seen: 0.0,
            unit: "requests",
            cause: None,
            drivers: Vec::new(),
            summary: format!(
                "nothing has arrived from {entity} since {}, although {expected:.0} requests were due by now",
                time::format(last_us)
            ),
            quiet: "a single request, or less expected traffic".to_owned(),
        })
    }
}
