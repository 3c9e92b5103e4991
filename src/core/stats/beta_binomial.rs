//! How unlikely x failures of n requests are, when the failure rate itself varies.
//!
//! X | P ~ Bin(n, P), P ~ Beta(a, b) with a = rho p, b = rho (1 - p); rho = (1 - phi)/phi, phi being the correlation
//! of requests within a window. ln pmf(x) = ln C(n, x) + ln B(x + a, n - x + b) - ln B(a, b).

use std::f64::consts::LN_10;

use statrs::function::beta::ln_beta;
use statrs::function::gamma::ln_gamma;

use super::negative_binomial::upper_score;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaBinomial {
    a: f64,
    b: f64,
}

impl BetaBinomial {
    /// From a mean rate and a precision, both kept away from the ends.
    #[must_use]
    pub fn new(rate: f64, precision: f64) -> Self {
        let (rate, precision) = (rate.clamp(1e-9, 1.0 - 1e-9), precision.clamp(1e-3, 1e9));
        Self { a: rate * precision, b: (1.0 - rate) * precision }
    }

    /// -log10 P(X >= x) of n.
    #[must_use]
    pub fn upper_score(&self, x: f64, n: f64) -> f64 {
        let mean = n * self.a / (self.a + self.b);
        if x <= mean || x <= 0.0 {
            return 0.0;
        }
        if n > N_MAX {
            // Failures are few or the rate varies: the count is close to negative binomial with the same two moments.
            let (rate, total) = (self.a / (self.a + self.b), self.a + self.b);
            let variance = n * rate * (1.0 - rate) * (total + n) / (total + 1.0);
            return upper_score(x, mean, mean * mean / (variance - mean).max(1e-9 * mean));
        }
        // Terms relative to the one at x, which fall off from there; each follows from the one before.
        let (mut term, mut sum, mut at) = (1.0f64, 1.0f64, x);
        while at < n && term > 1e-15 * sum {
            term *= (n - at) / (at + 1.0) * (at + self.a) / (n - at - 1.0 + self.b);
            sum += term;
            at += 1.0;
        }
        (-(self.ln_pmf(x, n) + sum.ln()) / LN_10).max(0.0)
    }

    fn ln_pmf(&self, x: f64, n: f64) -> f64 {
        let ways = ln_gamma(n + 1.0) - ln_gamma(x + 1.0) - ln_gamma(n - x + 1.0);
        ways + ln_beta(x + self.a, n - x + self.b) - ln_beta(self.a, self.b)
    }
}

/// Beyond it the sum of terms gives way to the negative binomial.
const N_MAX: f64 = 1e5;

/// What is known of a rate: decayed counts and how much the rate varies from window to window. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    hits: f32,
    trials: f32,
    /// Sums of the moment estimator of the correlation within a window.
    excess: f32,
    weight: f32,
}

impl Ratio {
    /// Before any data: a correlation of 0.02, known as well as from windows of 200 requests in all.
    const CORRELATION: f64 = 0.02;
    const CORRELATION_WEIGHT: f64 = 200.0;

    /// Adds a window of `x` hits of `n`, after taking `keep` (0 to 1) of what was known. A window that is far off
    /// moves the rate no further than five standard deviations.
    pub fn update(&mut self, x: f64, n: f64, keep: f64) {
        if n <= 0.0 {
            return;
        }
        let rate = self.rate();
        let spread = (n * rate * (1.0 - rate) * (1.0 + (n - 1.0) * self.correlation())).sqrt();
        let x = if self.trials > 0.0 { x.min(n * rate + 5.0 * spread + 3.0) } else { x };
        if n >= 10.0 && self.trials > 100.0 {
            // E[(x - np)^2] = np(1 - p)(1 + (n - 1) phi): each window says n - 1 worth.
            let variance = (n * rate * (1.0 - rate)).max(0.5);
            let weight = (n - 1.0).min(1_000.0);
            let excess = ((x - n * rate).powi(2) / variance - 1.0) / (n - 1.0) * weight;
            self.excess = single(f64::from(self.excess) * keep + excess);
            self.weight = single(f64::from(self.weight) * keep + weight);
        }
        self.hits = single(f64::from(self.hits) * keep + x);
        self.trials = single(f64::from(self.trials) * keep + n);
    }

    /// The rate, as if one hit in a hundred requests had been seen for half a request.
    #[must_use]
    pub fn rate(&self) -> f64 {
        ((f64::from(self.hits) + 0.005) / (f64::from(self.trials) + 0.5)).clamp(1e-6, 1.0 - 1e-6)
    }

    #[must_use]
    pub fn trials(&self) -> f64 {
        f64::from(self.trials)
    }

    #[must_use]
    pub fn correlation(&self) -> f64 {
        let known = f64::from(self.excess) + Self::CORRELATION * Self::CORRELATION_WEIGHT;
        (known / (f64::from(self.weight) + Self::CORRELATION_WEIGHT)).clamp(1e-4, 0.9)
    }

    /// What to expect of the next window: the uncertainty of the rate itself is one more source of variation.
    #[must_use]
    pub fn predictive(&self) -> BetaBinomial {
        let correlation = self.correlation() + 1.0 / (f64::from(self.trials) + 2.0);
        BetaBinomial::new(self.rate(), (1.0 - correlation).max(1e-3) / correlation)
    }
}

/// States are kept in single precision: seven digits are more than is known.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant; a sum beyond 1e38 becomes infinite")]
const fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        // The terms summed in scipy 1.17.1 (logsumexp of gammaln and betaln): its own tail loses digits below 1e-12.
        for (x, n, a, b, expected) in UPPER {
            let found = BetaBinomial { a, b }.upper_score(x, n);
            assert!((found - expected).abs() < 1e-6 * expected.max(1.0), "{x} of {n}: {found}, not {expected}");
        }
    }

    #[test]
    fn many_requests_score_as_the_sum_would() {
        let rates = BetaBinomial::new(0.02, 200.0);
        let (summed, near) = (rates.upper_score(9_000.0, 99_999.0), rates.upper_score(9_000.0, 100_001.0));
        assert!((summed - near).abs() < 0.15 * summed, "{summed} and {near}");
    }

    #[test]
    fn a_rate_is_learned_and_one_wild_window_hardly_moves_it() {
        let mut ratio = Ratio::default();
        (0..200).for_each(|_| ratio.update(20.0, 1_000.0, 0.99));
        assert!((ratio.rate() - 0.02).abs() < 1e-3 && ratio.correlation() < 0.005, "{ratio:?}");
        let score = ratio.predictive().upper_score(100.0, 1_000.0);
        assert!(score > 8.0, "five times the failures score {score}");
        ratio.update(900.0, 1_000.0, 0.99);
        assert!(ratio.rate() < 0.0215, "{}", ratio.rate());
    }

    const UPPER: [(f64, f64, f64, f64, f64); 5] = [
        (5.0, 50.0, 2.0, 98.0, 1.7840847991542426),
        (40.0, 100.0, 2.0, 98.0, 12.6632989133878),
        (120.0, 1000.0, 20.0, 980.0, 19.857088760839112),
        (3.0, 60.0, 0.01, 50.0, 3.0269897966041097),
        (900.0, 5000.0, 40.0, 960.0, 36.29202791666734),
    ];
}
