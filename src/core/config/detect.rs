//! The `[detect]` section.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Millis};
use crate::detect::{DetectOptions, Detector};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    pub false_alerts_per_day: f64,
    pub lateness_ms: Millis,
    pub entities_max: usize,
    pub idle_ms: Millis,
    pub forget_ms: Millis,
    pub memory_days: u32,
    pub revocation_grace_ms: Millis,
    /// Of a process with role `detect`.
    pub standby_after_ms: Millis,
    pub ratio_min: f64,
    pub difference_min: f64,
    pub allowed: Vec<String>,
    pub honey_keys: Vec<String>,
    pub disabled: Vec<DetectorName>,
    pub budgets: BTreeMap<String, Money>,
}

/// A detector by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct DetectorName(pub Detector);

impl TryFrom<String> for DetectorName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || Detector::ALL.iter().map(|detector| detector.name()).collect::<Vec<_>>().join(", ");
        Detector::named(&name).map(Self).ok_or_else(|| format!("`{name}` is none of {}", known()))
    }
}

impl From<DetectorName> for String {
    fn from(name: DetectorName) -> Self {
        name.0.name().to_owned()
    }
}

/// An amount of the billing currency, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(pub i64);

impl TryFrom<String> for Money {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let micros = crate::time::micros(text.trim(), crate::time::Unit::Seconds).filter(|micros| *micros > 0);
        micros.map(Self).ok_or_else(|| format!("`{text}` is no amount of money such as 250 or 99.90"))
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        format!("{}.{:06}", money.0 / 1_000_000, money.0 % 1_000_000)
    }
}

impl Detect {
    /// What types cannot carry.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let positive =
            [("detect.false_alerts_per_day", self.false_alerts_per_day), ("detect.ratio_min", self.ratio_min - 1.0)];
        for (key, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(ConfigError::wrong(key, "must be above 0, and a ratio above 1"));
            }
        }
        if !(self.difference_min.is_finite() && self.difference_min >= 0.0) {
            return Err(ConfigError::wrong("detect.difference_min", "must not be negative"));
        }
        if self.entities_max == 0 {
            return Err(ConfigError::wrong("detect.entities_max", "must be at least 1"));
        }
        if self.standby_after_ms.0 < 1_000 {
            return Err(ConfigError::wrong("detect.standby_after_ms", "must be at least 1s"));
        }
        if self.forget_ms < self.idle_ms {
            return Err(ConfigError::wrong("detect.forget_ms", "must not be below `detect.idle_ms`"));
        }
        Ok(())
    }

    /// What detection depends on.
    #[must_use]
    pub fn options(&self) -> DetectOptions {
        let us = |millis: Millis| i64::try_from(millis.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
        DetectOptions {
            false_alerts_per_day: self.false_alerts_per_day,
            lateness_us: us(self.lateness_ms),
            entities_max: self.entities_max,
            idle_us: us(self.idle_ms),
            forget_us: us(self.forget_ms),
            revocation_grace_us: us(self.revocation_grace_ms),
            ratio_min: self.ratio_min,
            difference_min: self.difference_min,
            allowed: self.allowed.iter().cloned().collect(),
            honey_keys: self.honey_keys.iter().cloned().collect(),
            budgets: self.budgets.iter().map(|(tenant, money)| (tenant.clone(), money.0)).collect(),
            disabled: self.disabled.iter().map(|name| name.0).collect(),
        }
    }
}
