//! Does a key use far more AI tokens or money than its own past explains?
//!
//! Prompt tokens, generated tokens and cost of an hour, each as [`Amount`] has it, looked at every minute. Told apart
//! because they mean different misuse: stolen keys raise generated tokens, stuffed prompts raise the others.
//!
//! 304 bytes, for keys with AI traffic only.

use super::amount::{Amount, Excess};
use super::baseline::Baseline;
use super::finding::beside_the_past;
use super::request_spike::sole_drivers;
use super::told::Told;
use super::{Context, Detector, Driver, Finding, Minute, Severity};
use crate::minutes::{Sum, Sums};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    amounts: [Amount; KINDS.len()],
    told: Told,
}

/// What is added up, its unit, and how much of it is worth a look.
const KINDS: [(Sum, &str, f64); 3] = [
    (Sum::OutputTokens, "generated tokens", 5_000.0),
    (Sum::InputTokens, "prompt tokens", 20_000.0),
    (Sum::CostMicros, "millionths of the billing currency", 1e6),
];

impl State {
    /// Whether a minute holds anything that this detector reads.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        KINDS.iter().any(|(sum, _, _)| minute.total[*sum] > 0)
    }

    /// Whether a row is worth a look before its minute is over.
    #[must_use]
    pub fn is_heavy(&self, sums: &Sums) -> bool {
        self.amounts.iter().zip(KINDS).any(|(amount, (sum, ..))| amount.is_heavy(sums[Sum::Served], sums[sum]))
    }

    pub fn observe(&mut self, minute: &Minute, baseline: &Baseline, context: &Context<'_>) -> Option<Finding> {
        let requests = minute.total[Sum::Served];
        let mut worst: Option<(Excess, &'static str)> = None;
        for (amount, (sum, unit, least)) in self.amounts.iter_mut().zip(KINDS) {
            let excess = amount.add(minute.minute_us, requests, minute.total[sum], baseline, context);
            let excess = excess.filter(|excess| excess.seen >= least);
            if let Some(excess) = excess.filter(|excess| worst.is_none_or(|(other, _)| excess.score > other.score)) {
                worst = Some((excess, unit));
            }
        }
        let (excess, unit) = worst?;
        let score = context.population.recalibrated(&minute.entity.tenant, excess.score);
        let ratio = excess.seen / excess.expected.max(1.0);
        let severity = if ratio >= 10.0 && excess.of_largest >= 3.0 { Severity::High } else { Severity::Medium };
        let reached = score >= context.levels.of(super::Window::Hour);
        if !reached || !self.told.is_due(excess.from_us, severity, excess.seen) {
            return None;
        }
        let mut drivers = vec![Driver { dimension: "amount", value: unit.to_owned(), share: 1.0 }];
        drivers.extend(sole_drivers(minute, context));
        Some(Finding {
            detector: Detector::TokenSpike,
            entity: minute.entity.clone(),
            from_us: excess.from_us,
            to_us: minute.to_us(),
            severity,
            score,
            expected: excess.expected,
            seen: excess.seen,
            unit,
            cause: None,
            drivers,
            summary: format!(
                "{} used {:.0} {unit} within the hour so far, {}",
                minute.entity,
                excess.seen,
                beside_the_past(excess.seen, excess.expected, &format!("{:.0}", excess.expected))
            ),
            quiet: if excess.by_size {
                "requests of the usual size".to_owned()
            } else {
                format!("fewer than {:.0} {unit} in an hour", context.options.ratio_min * excess.expected)
            },
        })
    }
}
