//! Was a key used that nobody may have? A honey key lies where only a thief would find it, so one request is enough.
//!
//! Deterministic; one claim per key and UTC day, repeated when it grows tenfold. 16 bytes a key.

use super::told::{DAY_US, Told, counted, driver, start_of};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::real;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    told: Told,
}

impl State {
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key || !context.options.honey_keys.contains(&minute.entity.name) {
            return;
        }
        let requests = real(minute.total[Sum::Requests]);
        if requests > 0.0 && self.told.is_due(start_of(minute.minute_us, DAY_US), Severity::Critical, requests) {
            let networks = minute.of(Distinct::Network).map(|hash| context.names.resolve(hash));
            found.push(claim(minute.entity.clone(), minute.minute_us, minute.to_us(), requests, networks));
        }
    }
}

/// `at_us` and `to_us` bound the requests; the claim is about their UTC day.
pub(super) fn claim(
    entity: Entity,
    at_us: i64,
    to_us: i64,
    requests: f64,
    networks: impl IntoIterator<Item = String>,
) -> Finding {
    let drivers: Vec<Driver> =
        networks.into_iter().take(Finding::DRIVERS_MAX).map(|network| driver("network", network, 1.0)).collect();
    let from = drivers.first().map_or_else(String::new, |first| format!(" from {}", first.value));
    Finding {
        detector: Detector::HoneyKey,
        from_us: start_of(at_us, DAY_US),
        to_us,
        severity: Severity::Critical,
        score: Finding::DETERMINISTIC,
        expected: 0.0,
        seen: requests,
        unit: "requests",
        cause: None,
        drivers,
        summary: format!(
            "honey key {} was used for {}{from}: whoever has it found it where it was left",
            entity.name,
            counted(requests, "request")
        ),
        quiet: "no request with this key, or its removal from `detect.honey_keys`".to_owned(),
        entity,
    }
}
