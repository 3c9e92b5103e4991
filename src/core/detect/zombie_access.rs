//! Was a request served although its key, user or tenant was not allowed any more?
//!
//! Deterministic: the verdict says so, with the time since the change. Within `detect.revocation_grace_ms` of it caches
//! may still serve; later, or when nobody knows the time, it means that revocation does not work. One claim per key and
//! UTC day. 16 bytes a key.
//!
//! Cannot see: requests of which no directory entry says that they should have ended.

use super::told::{DAY_US, Told, counted, driver, start_of};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity};
use crate::cause::RootCause;
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::real;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    told: Told,
}

impl State {
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key {
            return;
        }
        let Some(sums) = minute.by_cause(Some(RootCause::ZombieAccess)) else { return };
        let requests = real(sums[Sum::Requests]).max(1.0);
        let lag_us = real(sums[Sum::RevocationLagUs]) / requests;
        // Without a time the lag adds up to nothing: then there is no excuse either.
        if lag_us > 0.0 && lag_us <= real(context.options.revocation_grace_us) {
            return;
        }
        if self.told.is_due(start_of(minute.minute_us, DAY_US), Severity::Critical, requests) {
            let networks = minute.of(Distinct::Network).map(|hash| context.names.resolve(hash));
            let entity = minute.entity.clone();
            found.push(claim(entity, minute.minute_us, minute.to_us(), requests, lag_us, networks));
        }
    }
}

/// `lag_us` is the mean time from the change to the requests; 0 where it is unknown.
pub(super) fn claim(
    entity: Entity,
    at_us: i64,
    to_us: i64,
    requests: f64,
    lag_us: f64,
    networks: impl IntoIterator<Item = String>,
) -> Finding {
    let drivers: Vec<Driver> =
        networks.into_iter().take(Finding::DRIVERS_MAX).map(|network| driver("network", network, 1.0)).collect();
    let since = if lag_us > 0.0 {
        format!(" {:.0} minutes after that changed", lag_us / 60e6)
    } else {
        ", and nobody knows since when".to_owned()
    };
    Finding {
        detector: Detector::ZombieAccess,
        from_us: start_of(at_us, DAY_US),
        to_us,
        severity: Severity::Critical,
        score: Finding::DETERMINISTIC,
        expected: 0.0,
        seen: requests,
        unit: "requests",
        cause: Some(RootCause::ZombieAccess),
        drivers,
        summary: format!("{entity} was served {} that should have been refused{since}", counted(requests, "request")),
        quiet: "a refusal by the gateway, or a request within the revocation grace".to_owned(),
        entity,
    }
}
