//! Evidence of several independent kinds on one subject, as one score.

use std::f64::consts::LN_10;

use crate::detect::Finding;

/// Fisher's method: under the null hypothesis -2 Σ ln p of k independent tests is χ² with 2k degrees of freedom, whose
/// survival function has a closed form for even degrees. Scores are -log10 p, in and out; one that involves no chance
/// decides alone. Source: R. A. Fisher, Statistical Methods for Research Workers, 4th ed., 1932, §21.1.
pub(super) fn combined(scores: impl IntoIterator<Item = f64>) -> f64 {
    let scores: Vec<f64> = scores.into_iter().filter(|score| score.is_finite() && *score > 0.0).collect();
    if scores.iter().any(|score| *score >= Finding::DETERMINISTIC) {
        return Finding::DETERMINISTIC;
    }
    let sum: f64 = scores.iter().sum();
    let half = sum * LN_10;
    let (mut term, mut series, mut i) = (1.0, 0.0, 1.0);
    for _ in &scores {
        series += term;
        term *= half / i;
        i += 1.0;
    }
    if scores.is_empty() { 0.0 } else { (sum - series.log10()).clamp(0.0, Finding::DETERMINISTIC) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_combine_as_fisher_tabulated_them() {
        let check = |scores: &[f64], expected: f64| {
            let found = combined(scores.iter().copied());
            assert!((found - expected).abs() < 1e-3, "{scores:?}: {found}");
        };
        check(&[], 0.0);
        check(&[4.0], 4.0);
        // p = 0.05 twice: χ² = 11.983 with 4 degrees of freedom, p = 0.01748.
        check(&[1.30103, 1.30103], 1.7575);
        // p = 0.01, 0.02, 0.03: χ² = 24.048 with 6 degrees of freedom, p = 0.000511.
        check(&[2.0, 1.69897, 1.52288], 3.2917);
        check(&[2.0, Finding::DETERMINISTIC], Finding::DETERMINISTIC);
        check(&[f64::NAN, 3.0, -1.0], 3.0);
    }

    #[test]
    fn more_evidence_never_counts_less_than_its_best_part_alone_by_much() {
        for first in 1..40 {
            for second in 1..=first {
                let (first, second) = (f64::from(first), f64::from(second));
                assert!(combined([first, second]) > first - 1.2, "{first} {second}");
            }
        }
    }
}
