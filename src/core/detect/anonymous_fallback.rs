//! Was a refused credential served as the anonymous consumer? Then the route asks for a key and takes none.
//!
//! Deterministic: the verdict says so. About the route, since its operator can end it; one claim per route and UTC day.
//! 16 bytes a route.

use super::told::{DAY_US, Told, counted, start_of};
use super::{Detector, Entity, Finding, Minute, Severity};
use crate::cause::RootCause;
use crate::minutes::{EntityKind, Sum};
use crate::stats::real;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    told: Told,
}

impl State {
    pub fn observe(&mut self, minute: &Minute, found: &mut Vec<Finding>) {
        let served = minute.by_cause(Some(RootCause::AnonymousFallback)).map_or(0, |sums| sums[Sum::Requests]);
        if minute.entity.kind == EntityKind::Route
            && served > 0
            && self.told.is_due(start_of(minute.minute_us, DAY_US), Severity::High, real(served))
        {
            found.push(claim(minute.entity.clone(), minute.minute_us, minute.to_us(), real(served)));
        }
    }
}

pub(super) fn claim(entity: Entity, at_us: i64, to_us: i64, requests: f64) -> Finding {
    Finding {
        detector: Detector::AnonymousFallback,
        from_us: start_of(at_us, DAY_US),
        to_us,
        severity: Severity::High,
        score: Finding::DETERMINISTIC,
        expected: 0.0,
        seen: requests,
        unit: "requests",
        cause: Some(RootCause::AnonymousFallback),
        drivers: Vec::new(),
        summary: format!(
            "{entity} served {} as the anonymous consumer after its credential was refused",
            counted(requests, "request")
        ),
        quiet: "the anonymous consumer turned off on this route".to_owned(),
        entity,
    }
}
