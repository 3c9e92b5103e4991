//! What an incident keeps of a finding: the same facts, owned, so that they can come back from a row.

use serde::{Deserialize, Serialize};

use crate::cause::RootCause;
use crate::detect::{Detector, Entity, Family, Finding, Severity};
use crate::minutes::EntityKind;

/// A finding as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Id of the finding, the same in every replay.
    pub finding: String,
    pub detector: Detector,
    pub entity: Entity,
    pub from_us: i64,
    pub to_us: i64,
    pub severity: Severity,
    pub score: f64,
    pub expected: f64,
    pub seen: f64,
    pub unit: String,
    pub cause: Option<RootCause>,
    pub drivers: Vec<ClaimDriver>,
    pub summary: String,
    pub quiet: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ClaimDriver {
    pub dimension: String,
    pub value: String,
    pub share: f64,
}

impl Claim {
    /// Characters kept of a sentence: what a log brought must not fill a row.
    const SENTENCE_CHARS_MAX: usize = 500;

    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        let drivers = finding.drivers.iter().take(Finding::DRIVERS_MAX).map(|driver| ClaimDriver {
            dimension: driver.dimension.to_owned(),
            value: super::text::cut_line(&driver.value, 200),
            share: driver.share,
        });
        Self {
            finding: finding.id().as_str().to_owned(),
            detector: finding.detector,
            entity: finding.entity.clone(),
            from_us: finding.from_us,
            to_us: finding.to_us,
            severity: finding.severity,
            score: finding.score,
            expected: finding.expected,
            seen: finding.seen,
            unit: finding.unit.to_owned(),
            cause: finding.cause,
            drivers: drivers.collect(),
            summary: super::text::cut_line(&finding.summary, Self::SENTENCE_CHARS_MAX),
            quiet: super::text::cut_line(&finding.quiet, Self::SENTENCE_CHARS_MAX),
        }
    }

    #[must_use]
    pub const fn family(&self) -> Family {
        self.detector.family()
    }

    /// The tenant that is affected; empty where it is none or several.
    #[must_use]
    pub fn tenant(&self) -> &str {
        let Entity { kind, name, tenant } = &self.entity;
        if tenant.is_empty() && *kind == EntityKind::Tenant { name } else { tenant }
    }

    /// Length of the window that was judged.
    #[must_use]
    pub const fn window_us(&self) -> i64 {
        self.to_us.saturating_sub(self.from_us)
    }
}
