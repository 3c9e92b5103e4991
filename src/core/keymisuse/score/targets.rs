//! What a run must reach, and what it should.

use serde::Serialize;

use super::Score;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    AtLeast,
    AtMost,
}

/// One row of the report card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    pub name: &'static str,
    pub aim: Aim,
    /// Below it (or above) a build fails.
    pub floor: f64,
    pub goal: f64,
    /// `None` where it was not measured or there was nothing to measure.
    pub reached: Option<f64>,
}

impl Metric {
    #[must_use]
    pub fn meets_floor(&self) -> bool {
        self.reached.is_none_or(|reached| self.as_good_as(reached, self.floor))
    }

    #[must_use]
    pub fn meets_goal(&self) -> bool {
        self.reached.is_some_and(|reached| self.as_good_as(reached, self.goal))
    }

    /// The worse of two values.
    #[must_use]
    pub fn worse(&self, one: f64, other: f64) -> f64 {
        if self.as_good_as(one, other) { other } else { one }
    }

    fn as_good_as(&self, value: f64, limit: f64) -> bool {
        match self.aim {
            Aim::AtLeast => value >= limit,
            Aim::AtMost => value <= limit,
        }
    }
}

/// What the run measures beside the alerts; `None` for what it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// State of all detectors for each active key, bytes.
    pub state_bytes_per_key: Option<f64>,
    /// Observed over nominal false alarms of the count test at 1e-4 and at 1e-5.
    pub calibration: [Option<f64>; 2],
    /// Recall of x5 and x10 spikes at 10 false alarms in a million key-hours.
    pub spike_recall: [Option<f64>; 2],
    /// Standard score of the Numenta Anomaly Benchmark with product defaults.
    pub nab_standard: Option<f64>,
    /// Events a second with all detectors on; no target, for comparison.
    pub events_per_second: Option<f64>,
}

impl Score {
    /// The report card, in the order of the table in `docs/keymisuse.md`.
    #[must_use]
    pub fn metrics(&self, measured: &Measured) -> Vec<Metric> {
        use Aim::{AtLeast, AtMost};
        let row = |name, aim, floor, goal, reached| Metric { name, aim, floor, goal, reached };
        let [ratio_4, ratio_5] = measured.calibration;
        vec![
            row("recall, easy", AtLeast, 0.95, 0.99, Some(self.recall[0])),
            row("recall, medium", AtLeast, 0.75, 0.90, Some(self.recall[1])),
            row("recall, hard", AtLeast, 0.35, 0.60, Some(self.recall[2])),
            row("precision, all alerts", AtLeast, 0.70, 0.90, Some(self.precision)),
            row("false alerts in 1 000 key-days", AtMost, 5.0, 1.0, Some(self.false_per_1000_key_days)),
            row("… of severity high", AtMost, 0.5, 0.1, Some(self.high_false_per_1000_key_days)),
            row("benign troubles that raise medium or worse", AtMost, 0.10, 0.03, Some(self.benign_alerted)),
            row("seconds to detect, easy, p50", AtMost, 180.0, 60.0, self.detect_seconds_easy[0]),
            row("seconds to detect, easy, p90", AtMost, 900.0, 300.0, self.detect_seconds_easy[1]),
            row("requests before a scanner or guesser alarm, p90", AtMost, 60.0, 20.0, self.requests_to_alarm_p90),
            row("alerts of an attack, mean", AtMost, 2.0, 1.2, self.alerts_per_attack[0]),
            row("alerts of an attack, p95", AtMost, 5.0, 2.0, self.alerts_per_attack[1]),
            row("kind accuracy", AtLeast, 0.80, 0.93, Some(self.kind_accuracy)),
            row("attribution top-1, 1 dimension", AtLeast, 0.9, 0.95, Some(self.attribution_top1[0])),
            row("attribution top-1, 2 dimensions", AtLeast, 0.7, 0.85, Some(self.attribution_top1[1])),
            row("attribution top-1, 3 dimensions", AtLeast, 0.5, 0.70, Some(self.attribution_top1[2])),
            row("calibration at 1e-4, observed over nominal, not above", AtMost, 5.0, 3.0, ratio_4),
            row("calibration at 1e-4, not below", AtLeast, 0.1, 0.2, ratio_4),
            row("calibration at 1e-5, not above", AtMost, 5.0, 3.0, ratio_5),
            row("calibration at 1e-5, not below", AtLeast, 0.1, 0.2, ratio_5),
            row("spike recall at 10 false alarms in 1 M key-hours, x5", AtLeast, 0.70, 0.80, measured.spike_recall[0]),
            row("… x10", AtLeast, 0.92, 0.98, measured.spike_recall[1]),
            row("NAB standard score, product defaults", AtLeast, 51.7, 60.0, measured.nab_standard),
            row("state of an active key, bytes", AtMost, 2_048.0, 1_331.0, measured.state_bytes_per_key),
        ]
    }
}
