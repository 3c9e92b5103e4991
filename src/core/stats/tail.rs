//! How scores are really distributed: a generalised Pareto tail over the scores of one tenant.
//!
//! The model says that a score above s has chance 10^-s. Traffic that is wilder than the model breaks that, for all
//! keys of a tenant alike. Above the 99 % quantile q the excesses are fitted (method of moments, Hosking & Wallis
//! 1987): p' = 0.01 (1 + xi (S - q)/sigma)^(-1/xi), as SPOT does (Siffer et al., KDD 2017); the larger of p and p'
//! counts. Decision: a decayed histogram of scores instead of the 64 largest, since it forgets and costs the same.
//!
//! 272 bytes.

use super::score;

const BUCKETS: usize = 64;
/// Width of a bucket; the last one is open.
const WIDTH: f64 = 0.125;
/// Tests that must have been made before the tail says anything.
const TESTS_MIN: f32 = 2_000.0;
/// Scores beyond it count as this much: they are incidents, and no part of the noise.
const SCORE_MAX: f64 = 5.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    counts: [f32; BUCKETS],
    tests: f32,
}

impl Default for Tail {
    fn default() -> Self {
        Self { counts: [0.0; BUCKETS], tests: 0.0 }
    }
}

impl Tail {
    /// Notes a test and its score. Scores below 1 may be left out: tell them by [`Tail::passed`].
    pub fn note(&mut self, score: f64) {
        self.tests += 1.0;
        let at = (score.clamp(0.0, SCORE_MAX) / WIDTH).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 40 by the clamp")]
        let bucket = at as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1.0;
    }

    /// Notes tests whose score was plainly low.
    #[expect(clippy::cast_precision_loss, reason = "tests of an hour are far below 2^24")]
    pub fn passed(&mut self, tests: usize) {
        self.tests += tests as f32;
    }

    /// Keeps `part` of what was noted.
    pub fn decay(&mut self, part: f32) {
        self.counts.iter_mut().chain([&mut self.tests]).for_each(|count| *count *= part);
    }

    /// The score that is left of `model`, given how often such scores were seen; never more.
    #[must_use]
    pub fn recalibrated(&self, model: f64) -> f64 {
        if self.tests < TESTS_MIN || model <= 2.0 {
            return model;
        }
        let wanted = self.tests * 0.01;
        let (mut above, mut from) = (0.0f32, BUCKETS);
        while from > 0 && above < wanted {
            from -= 1;
            above += self.counts[from];
        }
        let quantile = index(from) * WIDTH;
        let (mut weight, mut mean, mut square) =
            (PRIOR_WEIGHT, PRIOR_WEIGHT * PRIOR_MEAN, PRIOR_WEIGHT * 2.0 * PRIOR_MEAN * PRIOR_MEAN);
        for (at, &count) in self.counts.iter().enumerate().skip(from) {
            let excess = index(at - from) * WIDTH + WIDTH / 2.0;
            weight += f64::from(count);
            mean += f64::from(count) * excess;
            square += f64::from(count) * excess * excess;
        }
        mean /= weight;
        let variance = (square / weight - mean * mean).max(1e-6);
        let ratio = mean * mean / variance;
        let (xi, sigma) = ((0.5 * (1.0 - ratio)).clamp(0.0, 0.5), 0.5 * mean * (ratio + 1.0));
        let over = (model - quantile).max(0.0) / sigma;
        let beyond = if xi < 1e-3 { (-over).exp() } else { (1.0 + xi * over).powf(-1.0 / xi) };
        model.min(score(0.01 * beyond.max(1e-280)).max(2.0))
    }
}

/// What the model itself would put above its 99 % quantile: exponential excesses of mean 1/ln 10, as if 50 were seen.
const PRIOR_MEAN: f64 = std::f64::consts::LOG10_E;
const PRIOR_WEIGHT: f64 = 50.0;

#[expect(clippy::cast_precision_loss, reason = "at most 64")]
const fn index(at: usize) -> f64 {
    at as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(count: u32, stretch: f64) -> Tail {
        let mut tail = Tail::default();
        // The quantiles of an exponential with rate ln 10, stretched.
        (0..count).for_each(|at| tail.note(stretch * score((f64::from(at) + 0.5) / f64::from(count))));
        tail
    }

    #[test]
    fn scores_that_behave_as_the_model_says_stay_what_they_are() {
        let kept = scores(20_000, 1.0).recalibrated(6.0);
        assert!((kept - 6.0).abs() < 0.8, "{kept}");
    }

    #[test]
    fn wild_tenants_lose_score_and_still_can_alarm() {
        let wild = scores(20_000, 1.6);
        assert!(wild.recalibrated(6.0) < 5.0, "{}", wild.recalibrated(6.0));
        assert!(wild.recalibrated(30.0) > 6.0, "{}", wild.recalibrated(30.0));
    }

    #[test]
    fn little_seen_changes_nothing() {
        assert!((scores(100, 3.0).recalibrated(6.0) - 6.0).abs() < 1e-12);
    }
}
