//! Did a gateway or a tenant stop sending logs?
//!
//! The test of [`request_silence`](super::request_silence) on gateways and tenants, that is on everything that arrives
//! from them, refused or not. Told after at least [`State::GAP_MIN_US`], low at first: a log shipper that hiccups is
//! no outage; and once more, worse, when the gap is [`State::GAP_LONG_US`] long. A tenant is not told about when its gateways are silent too.
//!
//! It needs somebody else's rows to know that time goes on: when every feed stops, the reader of the feeds has to say
//! so by the clock. A partition without rows holds nothing back either; its gateways are what is missed.
//!
//! 16 bytes.

use super::baseline::Baseline;
use super::told::HOUR_US;
use super::{Context, Detector, Entity, Finding, Severity, Window};
use crate::minutes::{EntityKind, MINUTE_US};
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Start of the gap that was told, and whether it was told to be long.
    told_us: i64,
    told_long: bool,
}

impl State {
    pub const GAP_MIN_US: i64 = 5 * MINUTE_US;
    pub const GAP_LONG_US: i64 = 30 * MINUTE_US;
    const EXPECTED_MIN: f64 = 50.0;

    pub fn tick(
        &mut self,
        entity: &Entity,
        baseline: &Baseline,
        last_us: i64,
        at_us: i64,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let (gap_us, told) = (at_us - last_us, self.told_us == last_us);
        let long = gap_us >= Self::GAP_LONG_US;
        if baseline.is_young() || gap_us < Self::GAP_MIN_US || told && self.told_long >= long {
            return None;
        }
        let expected = baseline.between(last_us, at_us);
        // Within an hour requests come in runs: what is due may have come already.
        let of_runs = if gap_us < HOUR_US { baseline.phi(Window::TenMinutes) } else { 0.0 };
        let phi = baseline.phi(Window::Hour).max(of_runs);
        let score = baseline.silence_score(expected, phi);
        if expected < Self::EXPECTED_MIN || score < context.levels.of(Window::Hour) {
            return None;
        }
        (self.told_us, self.told_long) = (last_us, long);
        let severity = match entity.kind {
            _ if !long => Severity::Low,
            EntityKind::Gateway => Severity::High,
            EntityKind::Key | EntityKind::Source | EntityKind::Tenant | EntityKind::Route | EntityKind::Principal => {
                Severity::Medium
            }
        };
        Some(Finding {
            detector: Detector::FeedSilence,
            entity: entity.clone(),
            // The second claim about a gap has an id of its own.
            from_us: if long { last_us + Self::GAP_LONG_US - MINUTE_US } else { last_us },
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
