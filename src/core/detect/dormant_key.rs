//! Did a key wake up that was silent for far longer than its habit?
//!
//! The gap g since the last use against the key's own gaps of an hour or more: Lomax tail P(G > g) = (1 + g/s)^-k, k and
//! s by the moments of ln G (E ln G = ln s + psi(1) - psi(k), Var ln G = psi'(1) + psi'(k)). A network or program that the
//! last use did not show counts as a second surprise: by how often it changed from one use to the next so far. Told when
//! g exceeds 30 days and the product is below 1e-2: keys wake from so long a sleep so rarely that one in a hundred is
//! affordable. With fewer than five gaps the 30 days alone decide. A key that wakes in a network it did not use last, or
//! against its habit of pausing, is worse.
//!
//! 64 bytes, kept for as long as the key is.

use statrs::function::gamma::digamma;

use super::request_spike::sole_drivers;
use super::told::{DAY_US, HOUR_US};
use super::{Context, Detector, Finding, Minute, Severity};
use crate::minutes::{Distinct, Sum};
use crate::stats::{real, score, trigamma};
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    last_us: i64,
    /// Gaps of an hour or more: how many, mean and sum of squares of their logarithm in hours.
    gaps: u16,
    mean: f32,
    squares: f32,
    /// Networks of the last use.
    networks: [u32; 4],
    agents: [u32; 2],
    /// Gaps after which networks, or programs, were others than before.
    changes: [u16; 2],
}

impl State {
    const GAP_MIN_US: i64 = 30 * DAY_US;
    const PROBABILITY_MAX: f64 = 1e-2;
    /// A pause that is unusual by itself.
    const PAUSE_MAX: f64 = 1e-3;
    const GAPS_MIN: u16 = 5;

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>) -> Option<Finding> {
        let gap_us = minute.minute_us - self.last_us;
        let first = self.last_us == 0;
        let known = [
            minute.of(Distinct::Network).any(|network| self.networks.contains(&network)),
            minute.of(Distinct::Agent).any(|agent| self.agents.contains(&agent)),
        ];
        let asleep = !first && gap_us >= Self::GAP_MIN_US;
        let finding = if asleep { self.judge(minute, gap_us, known, context) } else { None };
        if !first && gap_us >= HOUR_US {
            self.learn(real(gap_us) / real(HOUR_US));
            for (changes, is_known) in self.changes.iter_mut().zip(known) {
                *changes = changes.saturating_add(u16::from(!is_known));
            }
        }
        self.last_us = self.last_us.max(minute.to_us());
        let mut networks = minute.of(Distinct::Network);
        if minute.count(Distinct::Network) > 0 {
            self.networks = std::array::from_fn(|_| networks.next().unwrap_or(0));
        }
        let mut agents = minute.of(Distinct::Agent);
        if minute.count(Distinct::Agent) > 0 {
            self.agents = std::array::from_fn(|_| agents.next().unwrap_or(0));
        }
        finding
    }

    /// Welford's update.
    fn learn(&mut self, hours: f64) {
        let ln = hours.max(1.0).ln();
        self.gaps = self.gaps.saturating_add(1);
        let off = ln - f64::from(self.mean);
        #[expect(clippy::cast_possible_truncation, reason = "states are kept in single precision")]
        {
            self.mean = (f64::from(self.mean) + off / f64::from(self.gaps)) as f32;
            self.squares = (f64::from(self.squares) + off * (ln - f64::from(self.mean))) as f32;
        }
    }

    /// The chance that a use shows no network, or program, of the use before: one change and one use more than seen.
    fn chance_of_change(&self, which: usize) -> f64 {
        (f64::from(self.changes[which]) + 1.0) / (f64::from(self.gaps) + 2.0)
    }

    /// `known`: whether the last use showed the network and the program of this one.
    fn judge(&self, minute: &Minute, gap_us: i64, known: [bool; 2], context: &Context<'_>) -> Option<Finding> {
        let hours = real(gap_us) / real(HOUR_US);
        let pause = (self.gaps >= Self::GAPS_MIN).then(|| self.tail(hours));
        let changed = (0..known.len()).filter(|&which| !known[which]).map(|which| self.chance_of_change(which));
        let changed: f64 = changed.product();
        let probability = pause.map(|pause| pause * changed);
        let against_habit = pause.is_none_or(|pause| pause <= Self::PAUSE_MAX);
        let [known, _] = known;
        if probability.is_some_and(|probability| probability > Self::PROBABILITY_MAX) {
            return None;
        }
        let days = hours / 24.0;
        let habit = match probability {
            Some(_) => format!("its usual pause is {}", words(f64::from(self.mean).exp())),
            None => "too few earlier pauses are known to call it a habit".to_owned(),
        };
        let served = minute.total[Sum::Served] > 0;
        let severity = match (known, served) {
            (false, true) if against_habit => Severity::High,
            (_, true) | (false, false) => Severity::Medium,
            (true, false) => Severity::Low,
        };
        let place = if known { "from a network of its last use" } else { "from a network it did not use last" };
        Some(Finding {
            detector: Detector::DormantKey,
            entity: minute.entity.clone(),
            from_us: minute.minute_us,
            to_us: minute.to_us(),
            severity,
            score: score(probability.unwrap_or(Self::PROBABILITY_MAX)),
            expected: f64::from(self.mean).exp() / 24.0,
            seen: days,
            unit: "days without use",
            cause: None,
            drivers: sole_drivers(minute, context),
            summary: format!(
                "{} woke up {place} after {days:.0} days, last used at {}; {habit}",
                minute.entity,
                time::format(self.last_us)
            ),
            quiet: "any use in the last 30 days, or earlier pauses of this length".to_owned(),
        })
    }

    /// P(G > hours).
    fn tail(&self, hours: f64) -> f64 {
        // A habit is known no better than a factor of e^0.5 either way.
        let variance = (f64::from(self.squares) / f64::from(self.gaps.max(2) - 1)).max(0.25);
        let shape = shape_of(variance - trigamma(1.0));
        let ln_scale = f64::from(self.mean) - digamma(1.0) + digamma(shape);
        (-shape * (hours / ln_scale.exp()).ln_1p()).exp()
    }
}

/// k with psi'(k) = `spread`, by bisection; a light tail where the moments ask for less than any k gives.
fn shape_of(spread: f64) -> f64 {
    let (mut low, mut high) = (0.05, 50.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if trigamma(middle) > spread { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

fn words(hours: f64) -> String {
    if hours < 48.0 { format!("{hours:.0} hours") } else { format!("{:.0} days", hours / 24.0) }
}
