//! A sequential hypothesis test over first contacts: is this a client, or somebody who tries doors?
//!
//! Source: Jung, Paxson, Berger, Balakrishnan, "Fast portscan detection using sequential hypothesis testing", IEEE S&P
//! 2004. A client's first contacts succeed with probability `benign`, a prober's with `probing`. Kept at 0 from below
//! it is a CUSUM, whose false alarms per contact are about 10^-score; it also decays, so that an odd failure a month
//! is no probe.

/// The log-likelihood ratio so far, natural logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sequential {
    level: f32,
    /// When it was last decayed, minutes since 1970.
    minute: u32,
}

/// What one contact weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    failure: f64,
    success: f64,
}

impl Odds {
    /// The success rate of a prober, where that is far enough below a client's.
    const PROBING: f64 = 0.3;
    /// A population that nearly never fails would make two typing errors a probe.
    const BENIGN_MAX: f64 = 0.95;
    const BENIGN_MIN: f64 = 0.5;

    /// From the success rate of the population.
    #[must_use]
    pub fn of(success_rate: f64) -> Self {
        let benign = success_rate.clamp(Self::BENIGN_MIN, Self::BENIGN_MAX);
        let probing = Self::PROBING.min(benign * 0.4);
        Self { failure: ((1.0 - probing) / (1.0 - benign)).ln(), success: (probing / benign).ln() }
    }

    /// How many failures in a row reach a score.
    #[must_use]
    pub fn failures_for(&self, score: f64) -> f64 {
        (score * std::f64::consts::LN_10 / self.failure).ceil()
    }
}

impl Sequential {
    /// Takes in the first contacts of a minute and returns the score: -log10 of the chance that a client reaches it.
    pub fn observe(&mut self, at_us: i64, half_life_minutes: f32, odds: &Odds, failures: f64, successes: f64) -> f64 {
        let minute = u32::try_from(at_us / crate::minutes::MINUTE_US).unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "minutes between two requests")]
        let passed = minute.saturating_sub(self.minute) as f32;
        self.minute = self.minute.max(minute);
        let kept = f64::from(self.level * 0.5_f32.powf(passed / half_life_minutes));
        let level = (kept + failures * odds.failure + successes * odds.success).clamp(0.0, 1e6);
        #[expect(clippy::cast_possible_truncation, reason = "a ratio needs no more than seven digits")]
        {
            self.level = level as f32;
        }
        level / std::f64::consts::LN_10
    }

    pub fn reset(&mut self) {
        self.level = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Odds, Sequential};

    const DAY: f32 = 1_440.0;

    #[test]
    fn five_failures_in_a_row_are_a_probe_at_one_in_a_hundred_thousand() {
        let odds = Odds::of(0.95);
        assert!((odds.failures_for(5.0) - 5.0).abs() < f64::EPSILON);
        let mut test = Sequential::default();
        let scores: Vec<f64> = (0..5).map(|_| test.observe(0, DAY, &odds, 1.0, 0.0)).collect();
        assert!(scores[3] < 5.0 && scores[4] > 5.0, "{scores:?}");
    }

    #[test]
    fn a_client_that_fails_one_time_in_twenty_is_never_a_prober() {
        let odds = Odds::of(0.95);
        let mut test = Sequential::default();
        let worst = (0..100_000).map(|contact| {
            let failed = contact % 20 == 7;
            test.observe(0, DAY, &odds, f64::from(u8::from(failed)), f64::from(u8::from(!failed)))
        });
        assert!(worst.fold(0.0, f64::max) < 1.5);
    }

    #[test]
    fn old_failures_fade() {
        let odds = Odds::of(0.95);
        let mut test = Sequential::default();
        test.observe(0, DAY, &odds, 4.0, 0.0);
        let after_ten_days = test.observe(10 * 86_400_000_000, DAY, &odds, 0.0, 0.0);
        assert!(after_ten_days < 0.01, "{after_ten_days}");
    }
}
