//! How many of something a span usually brings, and how unlikely more is, in 12 bytes.
//!
//! For rare counts (wrong passwords an hour, extra networks in ten minutes) that need no time of day. The mean is a
//! gamma-Poisson estimate with exponential forgetting; its uncertainty widens the negative binomial that is tested, so
//! that a young habit is slow to be surprised. Updates are cut at five standard deviations: an attack does not teach
//! itself.

use super::upper_score;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habit {
    sum: f32,
    spans: f32,
}

impl Habit {
    /// As if a quarter of a span had been seen with a tenth of an event.
    const PRIOR_SUM: f64 = 0.1;
    const PRIOR_SPANS: f64 = 0.25;

    /// Of one who was there for so many spans, and nothing happened.
    #[must_use]
    pub fn of_silence(spans: f64, keep: f64) -> Self {
        let mut habit = Self::default();
        if spans >= 1.0 {
            habit.learn(0.0, spans - 1.0, keep, 0.0);
        }
        habit
    }

    /// Expected in the next span.
    #[must_use]
    pub fn mean(&self) -> f64 {
        (f64::from(self.sum) + Self::PRIOR_SUM) / (f64::from(self.spans) + Self::PRIOR_SPANS)
    }

    /// Spans learnt from, after forgetting.
    #[must_use]
    pub fn spans(&self) -> f64 {
        f64::from(self.spans)
    }

    /// The reciprocal of the size of the predictive negative binomial: over-dispersion `phi` and the uncertain mean.
    fn size(&self, phi: f64) -> f64 {
        1.0 / (phi + 1.0 / (f64::from(self.sum) + Self::PRIOR_SUM).max(0.5))
    }

    /// -log10 of the chance of `count` or more in a span.
    #[must_use]
    pub fn surprise(&self, count: f64, phi: f64) -> f64 {
        if count <= self.mean() { 0.0 } else { upper_score(count, self.mean(), self.size(phi)) }
    }

    /// Learns a span, and `empty` spans before it in which nothing happened. `keep` of the past is kept a span.
    pub fn learn(&mut self, count: f64, empty: f64, keep: f64, phi: f64) {
        let mean = self.mean();
        let believable = mean + 5.0 * (mean + mean * mean * (phi + 1.0 / self.size(phi).max(1e-3))).sqrt() + 3.0;
        // The sum of a geometric series of empty spans, and the decay over all of them.
        let faded = keep.powf(empty + 1.0);
        let spans = f64::from(self.spans) * faded + (1.0 - faded) / (1.0 - keep);
        let sum = f64::from(self.sum) * faded + count.min(believable);
        #[expect(clippy::cast_possible_truncation, reason = "an average needs no more than seven digits")]
        {
            (self.spans, self.sum) = (spans as f32, sum as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Habit;

    #[test]
    fn a_young_habit_is_surprised_late_and_an_old_one_early() {
        let mut habit = Habit::default();
        let young = habit.surprise(3.0, 0.3);
        habit.learn(0.0, 500.0, 0.999, 0.3);
        let old = habit.surprise(3.0, 0.3);
        assert!(young < 2.5 && old > 6.0, "{young} and {old}");
    }

    #[test]
    fn what_always_happens_is_no_surprise() {
        let mut habit = Habit::default();
        (0..200).for_each(|span| habit.learn(f64::from(8 + span % 5), 0.0, 0.99, 0.3));
        assert!((habit.mean() - 10.0).abs() < 0.5, "{}", habit.mean());
        assert!(habit.surprise(20.0, 0.3) < 2.0);
        assert!(habit.surprise(200.0, 0.3) > 7.0);
    }

    #[test]
    fn long_silence_is_a_habit_as_well() {
        let (new, old) = (Habit::of_silence(0.0, 0.98), Habit::of_silence(30.0, 0.98));
        assert_eq!(new, Habit::default());
        assert!(new.surprise(5.0, 0.5) < 3.0 && old.surprise(5.0, 0.5) > 6.0);
    }

    #[test]
    fn one_flood_does_not_become_the_habit() {
        let mut habit = Habit::default();
        habit.learn(0.0, 300.0, 0.999, 0.3);
        habit.learn(100_000.0, 0.0, 0.999, 0.3);
        assert!(habit.mean() < 0.1, "{}", habit.mean());
    }
}
