//! What an operator may decide about detection, as values.

use std::collections::{BTreeMap, BTreeSet};

use super::Detector;

/// Spans are microseconds of event time.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectOptions {
    /// The alert budget that score levels are made from.
    pub false_alerts_per_day: f64,
    /// How late a row may come and still count.
    pub lateness_us: i64,
    /// Entities watched at once; beyond it, new ones are counted and left alone.
    pub entities_max: usize,
    /// An entity without requests for so long gives up its sets, and is forgotten after [`Self::forget_us`].
    pub idle_us: i64,
    pub forget_us: i64,
    /// How long a revocation may take to reach the gateways.
    pub revocation_grace_us: i64,
    /// A count is told only when it is so many times the expected, and so many above it.
    pub ratio_min: f64,
    pub difference_min: f64,
    /// Entities, by name, about which findings are counted and not told.
    pub allowed: BTreeSet<String>,
    /// Key ids that nobody may have.
    pub honey_keys: BTreeSet<String>,
    /// By tenant, money that may be spent in a UTC day, in millionths of the currency.
    pub budgets: BTreeMap<String, i64>,
    /// Detectors that are switched off.
    pub disabled: BTreeSet<Detector>,
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            false_alerts_per_day: 2.0,
            lateness_us: 30_000_000,
            entities_max: 1_000_000,
            idle_us: 2 * DAY_US,
            forget_us: 100 * DAY_US,
            revocation_grace_us: 300_000_000,
            ratio_min: 2.0,
            difference_min: 20.0,
            allowed: BTreeSet::new(),
            honey_keys: BTreeSet::new(),
            budgets: BTreeMap::new(),
            disabled: BTreeSet::new(),
        }
    }
}

impl DetectOptions {
    #[must_use]
    pub fn is_on(&self, detector: Detector) -> bool {
        !self.disabled.contains(&detector)
    }
}
