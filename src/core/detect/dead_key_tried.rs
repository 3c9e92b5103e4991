//! Is a revoked, expired or superseded key still tried?
//!
//! Deterministic. Refusals within the grace of the last served request are the revocation taking its way; later ones
//! are a forgotten client or a thief. One claim per key and UTC day, repeated when it grows tenfold. 40
//! bytes a key.

use super::told::{DAY_US, Told, counted, driver, start_of};
use super::{Context, Detector, Driver, Entity, Finding, Minute, Severity};
use crate::cause::RootCause;
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::real;

/// What makes a key dead for good.
pub(super) const DEATHS: [RootCause; 3] = [RootCause::KeyRevoked, RootCause::KeyExpired, RootCause::KeySuperseded];

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    served_us: i64,
    day_us: i64,
    tried: f32,
    told: Told,
}

impl State {
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key {
            return;
        }
        if let Some(cause) = DEATHS.into_iter().find(|cause| minute.requests_of(*cause) > 0) {
            self.note(minute, cause);
            let tried = f64::from(self.tried);
            let grace_is_over = minute.minute_us - self.served_us > context.options.revocation_grace_us;
            if grace_is_over && self.told.is_due(self.day_us, Severity::Medium, tried) {
                let networks = minute.of(Distinct::Network).map(|hash| context.names.resolve(hash));
                let entity = minute.entity.clone();
                found.push(claim(entity, minute.minute_us, minute.to_us(), cause, tried, networks));
            }
        }
        if minute.total[Sum::Served] > minute.requests_of(RootCause::ZombieAccess) {
            self.served_us = minute.to_us();
        }
    }

    fn note(&mut self, minute: &Minute, cause: RootCause) {
        let day_us = start_of(minute.minute_us, DAY_US);
        if day_us != self.day_us {
            (self.day_us, self.tried) = (day_us, 0.0);
        }
        #[expect(clippy::cast_possible_truncation, reason = "counts of a day need no more than seven digits")]
        {
            self.tried += real(minute.requests_of(cause)) as f32;
        }
    }
}

pub(super) fn claim(
    entity: Entity,
    at_us: i64,
    to_us: i64,
    cause: RootCause,
    tries: f64,
    networks: impl IntoIterator<Item = String>,
) -> Finding {
    let drivers: Vec<Driver> =
        networks.into_iter().take(Finding::DRIVERS_MAX).map(|network| driver("network", network, 1.0)).collect();
    let from = drivers.first().map_or_else(String::new, |first| format!(", last from {}", first.value));
    let state = if cause == RootCause::KeyRevoked {
        "revoked"
    } else if cause == RootCause::KeyExpired {
        "expired"
    } else {
        "superseded"
    };
    Finding {
        detector: Detector::DeadKeyTried,
        from_us: start_of(at_us, DAY_US),
        to_us,
        severity: Severity::Medium,
        score: Finding::DETERMINISTIC,
        expected: 0.0,
        seen: tries,
        unit: "requests",
        cause: Some(cause),
        drivers,
        summary: format!(
            "{state} key {} was tried and refused: {} today{from}",
            entity.name,
            counted(tries, "request")
        ),
        quiet: "no request with this key, or all of them within the grace after it was last served".to_owned(),
        entity,
    }
}
