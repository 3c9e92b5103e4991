//! The scoring rule of the Numenta Anomaly Benchmark, for the series detector: Lavin and Ahmad, ICMLA 2015
//! (arXiv:1510.03336), as the released scorer applies it.
//!
//! A detection inside a labelled window counts by how early it comes, one outside costs by how far it is from the
//! window before it, and a window without one costs a fixed amount. One threshold holds for all series: the one with
//! the largest sum. 0 is a detector that says nothing, 100 a perfect one.

/// Rows of a series and its labelled windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredSeries {
    /// In `[0, 1]`, one a row.
    pub scores: Vec<f64>,
    /// First and last row of each window, in order, not overlapping.
    pub windows: Vec<(usize, usize)>,
}

/// What each outcome is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    pub name: &'static str,
    found: f64,
    wrong: f64,
    missed: f64,
}

pub const STANDARD: Profile = Profile { name: "standard", found: 1.0, wrong: 0.11, missed: 1.0 };
pub const LOW_FALSE_POSITIVES: Profile = Profile { name: "low_fp", found: 1.0, wrong: 0.22, missed: 1.0 };
pub const LOW_FALSE_NEGATIVES: Profile = Profile { name: "low_fn", found: 1.0, wrong: 0.11, missed: 2.0 };

/// A normalised score and the threshold that reached it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NabScore {
    pub score: f64,
    /// Scores at or above it are detections.
    pub threshold: f64,
}

/// Rows at the beginning of a series of `rows` that are not scored.
#[must_use]
pub const fn probation(rows: usize) -> usize {
    let share = rows * 15 / 100;
    if share < 750 { share } else { 750 }
}

/// What a detection does at the threshold that reaches it.
enum Effect {
    /// Adds to the sum.
    Outside(f64),
    /// The window's number, and what the window is worth with this detection.
    Inside(usize, f64),
}

/// The score of a corpus under its best threshold.
#[must_use]
pub fn nab_score(corpus: &[ScoredSeries], profile: Profile) -> NabScore {
    let mut detections: Vec<(f64, Effect)> = Vec::new();
    let mut windows = 0;
    for series in corpus {
        effects(series, profile, windows, &mut detections);
        windows += series.windows.len();
    }
    detections.sort_by(|a, b| b.0.total_cmp(&a.0));

    let null = -profile.missed * real(windows);
    let perfect = profile.found * real(windows);
    let mut worth: Vec<Option<f64>> = vec![None; windows];
    let (mut sum, mut best) = (null, NabScore { score: null, threshold: f64::INFINITY });
    let mut at = 0;
    while at < detections.len() {
        let threshold = detections[at].0;
        while let Some((_, effect)) = detections.get(at).filter(|(score, _)| *score >= threshold) {
            match effect {
                Effect::Outside(value) => sum += value,
                Effect::Inside(window, value) => {
                    let before = worth[*window].unwrap_or(-profile.missed);
                    let after = worth[*window].map_or(*value, |known| known.max(*value));
                    worth[*window] = Some(after);
                    sum += after - before;
                }
            }
            at += 1;
        }
        if sum > best.score {
            best = NabScore { score: sum, threshold };
        }
    }
    NabScore { score: 100.0 * (best.score - null) / (perfect - null), ..best }
}

fn effects(series: &ScoredSeries, profile: Profile, first_window: usize, into: &mut Vec<(f64, Effect)>) {
    let mut next = 0;
    let scored = series.scores.iter().enumerate().skip(probation(series.scores.len()));
    for (row, &score) in scored {
        while series.windows.get(next).is_some_and(|&(_, last)| last < row) {
            next += 1;
        }
        let effect = match series.windows.get(next) {
            Some(&(first, last)) if row >= first => {
                let position = -real(last - row + 1) / real(last - first + 1);
                Effect::Inside(first_window + next, sigmoid(position) / sigmoid(-1.0) * profile.found)
            }
            Some(_) | None => match next.checked_sub(1).map(|before| series.windows[before]) {
                Some((first, last)) => {
                    Effect::Outside(sigmoid(real(row - last) / real((last - first).max(1))) * profile.wrong)
                }
                None => Effect::Outside(-profile.wrong),
            },
        };
        into.push((score, effect));
    }
}

/// 1 far before the end of a window, 0 at its end, -1 well after it.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

fn real(count: usize) -> f64 {
    super::draw::real(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 000 rows with one window of 100; the given rows are detections.
    fn series(detections: &[usize]) -> ScoredSeries {
        let mut scores = vec![0.0; 1_000];
        detections.iter().for_each(|&row| scores[row] = 1.0);
        ScoredSeries { scores, windows: vec![(500, 599)] }
    }

    #[test]
    fn nothing_scores_zero_and_the_first_row_of_every_window_scores_a_hundred() {
        let silent = ScoredSeries { scores: vec![0.0; 1_000], windows: vec![(500, 599)] };
        assert!(nab_score(&[silent], STANDARD).score.abs() < 1e-9);
        let perfect = nab_score(&[series(&[500]), series(&[500, 520])], STANDARD);
        assert!((perfect.score - 100.0).abs() < 1e-9 && (perfect.threshold - 1.0).abs() < 1e-9);
    }

    #[test]
    fn early_is_better_than_late_and_one_wrong_detection_costs_its_price() {
        let score = |rows: &[usize]| nab_score(&[series(rows)], STANDARD).score;
        assert!(score(&[510]) > score(&[590]) && score(&[590]) > 50.0);
        assert!((score(&[300, 500]) - (100.0 - 100.0 * 0.11 / 2.0)).abs() < 1e-9);
        assert!(score(&[500, 605]) > score(&[500, 900]), "close behind a window costs less");
        assert!((score(&[10, 500]) - 100.0).abs() < 1e-9, "the first 15 percent are not scored");
    }

    #[test]
    fn a_missed_window_weighs_more_and_a_wrong_detection_more_where_the_profile_says_so() {
        let corpus = [series(&[500, 300]), series(&[])];
        let [standard, low_fp, low_fn] =
            [STANDARD, LOW_FALSE_POSITIVES, LOW_FALSE_NEGATIVES].map(|profile| nab_score(&corpus, profile).score);
        assert!(low_fp < standard);
        assert!((low_fn - 100.0 * (1.0 + 2.0 - 0.11) / 6.0).abs() < 1e-9, "{low_fn}");
    }

    #[test]
    fn the_best_threshold_is_found_among_all() {
        let mut noisy = series(&[]);
        noisy.scores[505] = 0.9;
        noisy.scores[200..400].fill(0.5);
        let best = nab_score(&[noisy], STANDARD);
        assert!((best.threshold - 0.9).abs() < 1e-9 && best.score > 99.0);
    }
}
