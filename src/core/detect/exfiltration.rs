//! Does a key fetch far more bytes than its own past explains?
//!
//! Response bytes of an hour, and sizes of the answers, as [`Amount`] has it, looked at every minute. High severity needs
//! 50 MB and three times the largest hour of the last 30 days; less than a megabyte is low.
//!
//! 112 bytes.

use super::amount::Amount;
use super::baseline::Baseline;
use super::finding::beside_the_past;
use super::request_spike::sole_drivers;
use super::told::Told;
use super::{Context, Detector, Finding, Minute, Severity};
use crate::minutes::{Sum, Sums};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    bytes: Amount,
    told: Told,
}

impl State {
    const HIGH_BYTES: f64 = 50e6;
    /// Less is not worth a look, unless every answer is larger than they were.
    const BYTES_MIN: f64 = 1e6;
    const BYTES_MIN_BY_SIZE: f64 = 64e3;

    /// Whether a row is worth a look before its minute is over.
    #[must_use]
    pub fn is_heavy(&self, sums: &Sums) -> bool {
        self.bytes.is_heavy(sums[Sum::Served], sums[Sum::ResponseBytes])
    }

    pub fn observe(&mut self, minute: &Minute, baseline: &Baseline, context: &Context<'_>) -> Option<Finding> {
        let (requests, bytes) = (minute.total[Sum::Served], minute.total[Sum::ResponseBytes]);
        let excess = self.bytes.add(minute.minute_us, requests, bytes, baseline, context)?;
        if excess.seen < if excess.by_size { Self::BYTES_MIN_BY_SIZE } else { Self::BYTES_MIN } {
            return None;
        }
        let score = context.population.recalibrated(&minute.entity.tenant, excess.score);
        if score < context.levels.of(super::Window::Hour) {
            return None;
        }
        let large = excess.seen >= Self::HIGH_BYTES && excess.of_largest >= 3.0;
        let severity = match excess.seen {
            _ if large => Severity::High,
            bytes if bytes >= Self::BYTES_MIN => Severity::Medium,
            _ => Severity::Low,
        };
        if !self.told.is_due(excess.from_us, severity, excess.seen) {
            return None;
        }
        Some(Finding {
            detector: Detector::Exfiltration,
            entity: minute.entity.clone(),
            from_us: excess.from_us,
            to_us: minute.to_us(),
            severity,
            score,
            expected: excess.expected,
            seen: excess.seen,
            unit: "response bytes",
            cause: None,
            drivers: sole_drivers(minute, context),
            summary: format!(
                "{} fetched {} within the hour so far, {} and {:.1} times its largest hour",
                minute.entity,
                megabytes(excess.seen),
                beside_the_past(excess.seen, excess.expected, &megabytes(excess.expected)),
                excess.of_largest
            ),
            quiet: if excess.by_size {
                "answers of the usual size, or steady fetches of this size before".to_owned()
            } else {
                format!("less than {} in an hour, or steady fetches of this size before", megabytes(Self::BYTES_MIN))
            },
        })
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}
