//! What an entity's own past says about a sum: bytes, tokens, money.
//!
//! A sum over an hour is a compound of requests and sizes. With mu_n requests expected, sizes of mean m and variance
//! s^2, and dispersion phi of the count, the sum has mean mu_n m and variance mu_n (s^2 + m^2) + phi mu_n^2 m^2 and is
//! taken as gamma distributed. m and s^2 are decayed (half-life 7 days of requests seen) and winsorised; s^2 comes from
//! the means of minutes: (B - n m)^2/n has expectation s^2, up to what sizes of one minute have in common.
//!
//! Beside the sum, the sizes themselves are tested ([`Sizes`]): few requests that are all larger than they were have an
//! ordinary sum. They must be twice as large as usual, and their sum more than an hour's.
//!
//! 96 bytes.

use super::baseline::Baseline;
use super::sizes::Sizes;
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
    /// Requests of the open hour.
    requests: f32,
    /// Sum and requests of an hour before that was suspicious for its sizes.
    before: [f32; 2],
    sizes: Sizes,
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
    /// The sizes stand out, whatever the sum does.
    pub(super) by_size: bool,
}

impl Amount {
    /// Requests that are remembered; a heavy key forgets sooner.
    const KNOWN_MAX: f32 = 20_000.0;
    const KNOWN_MIN: f32 = 100.0;
    /// What sizes must score beyond the level of an hour: unlike a count their score can fall again, and it is looked at
    /// every minute.
    const LOOKS: f64 = 0.7;
    /// Times the usual size.
    const HEAVY: f64 = 4.0;
    /// Sizes that score so much when the clock strikes are judged together with those of the next hour.
    const SUSPICIOUS: f64 = 2.0;

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
        self.requests += single(n);
        if n > 0.0 && sum > 0.0 {
            self.sizes.add(sum / n, !self.exceeded);
        }
        let excess = self.excess(baseline, context);
        self.exceeded |= excess.is_some();
        if excess.is_none() && n > 0.0 {
            self.learn(n, sum);
        }
        excess
    }

    /// Whether requests of this sum are so large that they are worth a look at once.
    pub(super) fn is_heavy(&self, requests: i64, sum: i64) -> bool {
        self.known >= Self::KNOWN_MIN && real(sum) >= Self::HEAVY * f64::from(self.mean) * real(requests.max(1))
    }

    fn close(&mut self, hour_us: i64) {
        // The largest hour fades with the hours that pass, half-life 30 days.
        let hours = real(hour_us.saturating_sub(self.open_from_us) / HOUR_US).clamp(0.0, 10_000.0);
        // An excess that was told does not become normal at once: at most twice the largest.
        let largest = f64::from(self.largest);
        let open = if self.exceeded { self.open.min(2.0 * largest) } else { self.open };
        self.largest = single((largest * 0.999_038_f64.powf(hours)).max(open));
        let is_first = self.before[1] <= 0.0 && !self.exceeded && hours < 2.0;
        let goes_on = is_first && self.sizes.score() >= Self::SUSPICIOUS;
        if goes_on {
            self.before = [single(self.open), self.requests];
        } else {
            self.before = [0.0; 2];
            self.sizes.close_hour(!self.exceeded);
        }
        (self.open, self.open_from_us, self.exceeded, self.requests) = (0.0, hour_us, false, 0.0);
    }

    fn excess(&self, baseline: &Baseline, context: &Context<'_>) -> Option<Excess> {
        if baseline.is_young() || self.known < Self::KNOWN_MIN || self.mean <= 0.0 {
            return None;
        }
        let hour = baseline.allowing_for_calendar(baseline.hour(self.open_from_us));
        let (mean, variance, count) = (f64::from(self.mean), f64::from(self.variance), hour.expected.max(1.0));
        let expected = count * mean;
        // What an hour of the last weeks held is no news, whatever the model says of it.
        let of_largest = self.open / f64::from(self.largest).max(1.0);
        let level = context.levels.of(Window::Hour);
        let sizes = self.sizes.score() - Self::LOOKS;
        let [sum, requests] = [self.open + f64::from(self.before[0]), f64::from(self.requests + self.before[1])];
        let larger = sum >= context.options.ratio_min * mean * requests && sum >= expected;
        let of_sum = self.open >= context.options.ratio_min * expected && of_largest >= LARGEST_MIN;
        let by_size = larger && sizes >= level;
        let score = match (of_sum, by_size) {
            (false, false) => return None,
            (false, true) => sizes,
            (true, is_larger) => {
                let of_size = mean * mean + variance;
                let known = of_size / (mean * mean) / f64::from(self.known);
                let spread = count * of_size + expected * expected * (1.0 / hour.r + known);
                gamma_score(self.open, expected, spread).max(if is_larger { sizes } else { 0.0 })
            }
        };
        (score >= level).then_some(Excess {
            from_us: self.open_from_us,
            seen: self.open,
            expected,
            score,
            of_largest,
            by_size,
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
