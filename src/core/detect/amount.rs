//! What an entity's own past says about a sum: bytes, tokens, money.
//!
//! A sum over an hour is a compound of requests and sizes. With mu_n requests expected, sizes of mean m and variance
//! s^2, and dispersion phi of the count, the sum has mean mu_n m and variance mu_n (s^2 + m^2) + phi mu_n^2 m^2 and is
//! taken as gamma distributed. m and s^2 are decayed (half-life 7 days of requests seen) and winsorised; s^2 comes from
//! the means of minutes: (B - n m)^2/n has expectation s^2, up to what sizes of one minute have in common.
//!
//! 40 bytes.

use super::baseline::Baseline;
use super::told::HOUR_US;
use super::{Context, Window};
use crate::stats::{gamma_score, real};

/// An excess is so many times the largest hour that is remembered.
const LARGEST_MIN: f64 = 1.2;

/// Sizes and sums of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amount {
    mean: f32,
    variance: f32,
    /// Requests that mean and variance rest on.
    known: f32,
    /// Sum of the open hour, its start, and the largest hour of the last 30 days.
    open: f64,
    open_from_us: i64,
    largest: f32,
    exceeded: bool,
}

/// A sum that is far above what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    pub(super) from_us: i64,
    pub(super) seen: f64,
    pub(super) expected: f64,
    pub(super) score: f64,
    /// Times the largest hour that is remembered.
    pub(super) of_largest: f64,
}

impl Amount {
    /// Requests that are remembered; a heavy key forgets sooner.
    const KNOWN_MAX: f32 = 20_000.0;
    const KNOWN_MIN: f32 = 100.0;

    /// Adds `sum` over `requests` of one minute. `Some` when the open hour already exceeds what the whole of it
    /// explains.
    pub(super) fn add(
        &mut self,
        minute_us: i64,
        requests: i64,
        sum: i64,
        baseline: &Baseline,
        context: &Context<'_>,
    ) -> Option<Excess> {
        let hour_us = minute_us - minute_us.rem_euclid(HOUR_US);
        if hour_us != self.open_from_us {
            self.close(hour_us);
        }
        let (n, sum) = (real(requests), real(sum));
        self.open += sum;
        let excess = self.excess(baseline, context);
        self.exceeded |= excess.is_some();
        if excess.is_none() && n > 0.0 {
            self.learn(n, sum);
        }
        excess
    }

    fn close(&mut self, hour_us: i64) {
        // The largest hour fades with the hours that pass, half-life 30 days.
        let hours = real(hour_us.saturating_sub(self.open_from_us) / HOUR_US).clamp(0.0, 10_000.0);
        // An excess that was told does not become normal at once: at most twice the largest.
        let largest = f64::from(self.largest);
        let open = if self.exceeded { self.open.min(2.0 * largest) } else { self.open };
        self.largest = single((largest * 0.999_038_f64.powf(hours)).max(open));
        (self.open, self.open_from_us, self.exceeded) = (0.0, hour_us, false);
    }

    fn excess(&self, baseline: &Baseline, context: &Context<'_>) -> Option<Excess> {
        if baseline.is_young() || self.known < Self::KNOWN_MIN || self.mean <= 0.0 {
            return None;
        }
        let hour = baseline.allowing_for_clocks(baseline.hour(self.open_from_us));
        let (mean, variance, count) = (f64::from(self.mean), f64::from(self.variance), hour.expected.max(1.0));
        let expected = count * mean;
        // What an hour of the last weeks held is no news, whatever the model says of it.
        let of_largest = self.open / f64::from(self.largest).max(1.0);
        if self.open < context.options.ratio_min * expected || of_largest < LARGEST_MIN {
            return None;
        }
        let of_size = mean * mean + variance;
        let spread =
            count * of_size + expected * expected * (1.0 / hour.r + of_size / (mean * mean) / f64::from(self.known));
        let score = gamma_score(self.open, expected, spread);
        (score >= context.levels.of(Window::Hour)).then_some(Excess {
            from_us: self.open_from_us,
            seen: self.open,
            expected,
            score,
            of_largest,
        })
    }

    fn learn(&mut self, n: f64, sum: f64) {
        let (mean, known) = (f64::from(self.mean), f64::from(self.known));
        let part = n / (known + n);
        // A minute that is far off teaches no more than four standard deviations would, once something is known.
        let spread = (f64::from(self.variance) / n + mean * mean / 100.0).sqrt();
        let size = sum / n;
        let size = if self.known >= Self::KNOWN_MIN { size.min(mean + 4.0 * spread + 1.0) } else { size };
        let off = size - mean;
        self.mean = single(mean + part * off);
        let seen = if known > 0.0 { n * off * off } else { size * size / 4.0 };
        self.variance =
            single(f64::from(self.variance) + (seen - f64::from(self.variance)) * (1.0 / (known / n + 1.0)));
        self.known = single((known + n).min(f64::from(Self::KNOWN_MAX)));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "states are kept in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}
