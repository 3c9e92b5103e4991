//! From "so many false alerts a day" to the score that a test must reach.
//!
//! With B false alerts a day, N entities and T tests of an entity a day, a window whose share of the budget is w may be
//! wrong with chance alpha = B w / (N T D) a test, D being the number of tests that look at one window of an entity (its
//! requests, bytes, tokens, routes). The open window is looked at every minute, but a count only grows: that is one test.
//!
//! Beside it, [`suspicious`] names what stands out of one tick's tests without being an alert (Benjamini & Hochberg
//! 1995). Online FDR (LORD++, SAFFRON, ADDIS) is deliberately not used: it loses power when anomalies are rare.

use crate::stats::score;

/// The lengths of time that an entity is judged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    Minute,
    TenMinutes,
    Hour,
    Day,
}

impl Window {
    pub const ALL: &'static [Self] = &[Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];
    pub const COUNT: usize = Self::ALL.len();

    /// Part of the budget, and how often a day the window is tested. The day is tested every hour.
    const fn share_and_tests(self) -> (f64, f64) {
        match self {
            Self::Minute => (0.05, 1_440.0),
            Self::TenMinutes => (0.15, 144.0),
            Self::Hour => (0.5, 24.0),
            Self::Day => (0.3, 24.0),
        }
    }
}

/// The score (-log10 p) that a test of each window must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels([f64; Window::COUNT]);

impl Levels {
    /// Tests of one window of one entity.
    const TESTS: f64 = 4.0;
    /// Levels are never those of fewer entities: a small deployment wants no weak evidence either.
    const ENTITIES_MIN: usize = 100;

    /// `entities`: those that are old enough to be tested.
    #[must_use]
    pub fn of_budget(false_alerts_per_day: f64, entities: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of entities")]
        let entities = entities.max(Self::ENTITIES_MIN) as f64;
        let level = |window: &Window| {
            let (share, tests) = window.share_and_tests();
            score(false_alerts_per_day.clamp(1e-6, 1e6) * share / (entities * tests * Self::TESTS)).max(3.0)
        };
        let mut levels = [0.0; Window::COUNT];
        levels.iter_mut().zip(Window::ALL).for_each(|(slot, window)| *slot = level(window));
        Self(levels)
    }

    /// The same score for all windows: for tests of the detectors themselves.
    #[must_use]
    pub const fn flat(score: f64) -> Self {
        Self([score; Window::COUNT])
    }

    #[must_use]
    pub const fn of(&self, window: Window) -> f64 {
        self.0[window as usize]
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self::of_budget(2.0, Self::ENTITIES_MIN)
    }
}

/// How many of `scores`, sorted from the highest down, stand out of `tests` tests at a false discovery rate of `q`: the
/// largest i with p_(i) <= i q / m.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of tests")]
pub fn suspicious(scores: &[f64], tests: usize, q: f64) -> usize {
    let limit = |rank: usize| score((rank as f64) * q / tests.max(1) as f64);
    (1..=scores.len()).rev().find(|&rank| scores[rank - 1] >= limit(rank)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_entities_and_a_smaller_budget_ask_for_more_evidence() {
        let (small, large) = (Levels::of_budget(2.0, 1_000), Levels::of_budget(2.0, 1_000_000));
        for &window in Window::ALL {
            assert!((large.of(window) - small.of(window) - 3.0).abs() < 1e-9, "{window:?}");
            assert!(Levels::of_budget(0.2, 1_000).of(window) > small.of(window), "{window:?}");
        }
        // 2 * 0.5 / (1000 * 24 * 4).
        assert!((small.of(Window::Hour) - 4.982).abs() < 1e-3, "{}", small.of(Window::Hour));
    }

    #[test]
    fn what_stands_out_depends_on_how_much_was_tested() {
        let scores = [6.0, 4.0, 3.9, 1.0];
        assert_eq!(suspicious(&scores, 100, 0.1), 3);
        assert_eq!(suspicious(&scores, 1_000, 0.1), 3);
        assert_eq!(suspicious(&scores, 100_000, 0.1), 1);
        assert_eq!(suspicious(&[], 100, 0.1), 0);
    }
}
