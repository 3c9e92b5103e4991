//! Tails of the gamma family: sums of bytes and money, chi-squared, Fisher's combination; and trigamma.

use std::f64::consts::LN_10;

use statrs::function::gamma::{checked_gamma_ur, ln_gamma};

use super::score;

/// -log10 P(Y >= y) of a positive sum with this mean and variance, taken as gamma distributed
/// (shape = mean^2/variance; the usual approximation of a compound sum, Panjer & Willmot 1992).
#[must_use]
pub fn gamma_score(y: f64, mean: f64, variance: f64) -> f64 {
    if !(y > 0.0 && mean > 0.0 && variance > 0.0) {
        return 0.0;
    }
    upper(mean * mean / variance, y * mean / variance)
}

/// -log10 P(X >= x) of chi-squared with `degrees` degrees of freedom.
#[must_use]
pub fn chi_squared_score(x: f64, degrees: f64) -> f64 {
    if x > 0.0 && degrees > 0.0 { upper(degrees / 2.0, x / 2.0) } else { 0.0 }
}

/// One score for several independent ones: -2 sum ln p is chi-squared with 2k degrees of freedom (Fisher 1932).
#[must_use]
pub fn fisher(scores: &[f64]) -> f64 {
    let degrees: f64 = scores.iter().map(|_| 2.0).sum();
    chi_squared_score(2.0 * LN_10 * scores.iter().sum::<f64>(), degrees)
}

/// -log10 Q(a, x), the regularised upper incomplete gamma function.
fn upper(a: f64, x: f64) -> f64 {
    match checked_gamma_ur(a, x) {
        Ok(probability) if probability > 1e-290 => score(probability),
        // DLMF 8.11.2: Q(a, x) ~ x^(a-1) e^-x / Gamma(a), from below x - a + 1 in the denominator.
        Ok(_) | Err(_) if x > a => {
            let ln = a * x.ln() - x - ln_gamma(a) - (x - a + 1.0).ln();
            (-ln / LN_10).max(0.0)
        }
        Ok(_) | Err(_) => 0.0,
    }
}

/// The second derivative of ln Gamma, for positive x: recurrence up to 6, then the asymptotic series (DLMF 5.15.8).
#[must_use]
pub fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x.max(1e-6), 0.0);
    while x < 6.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    sum + 1.0 / x
        + square / 2.0
        + square / x * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy 1.17.1: gamma.logsf(y, mean^2/var, scale=var/mean), chi2.logsf, combine_pvalues, polygamma(1, x).
        for (y, mean, variance, expected) in GAMMA {
            let found = gamma_score(y, mean, variance);
            assert!(
                (found - expected).abs() < 1e-6 * expected.max(1.0),
                "{y} {mean} {variance}: {found}, not {expected}"
            );
        }
        for (x, degrees, expected) in CHI_SQUARED {
            let found = chi_squared_score(x, degrees);
            assert!((found - expected).abs() < 1e-6 * expected.max(1.0), "{x} {degrees}: {found}, not {expected}");
        }
        for (x, expected) in TRIGAMMA {
            assert!((trigamma(x) - expected).abs() < 1e-9 * expected, "{x}: {}", trigamma(x));
        }
    }

    #[test]
    fn evidence_adds_up_but_not_fully() {
        let together = fisher(&[3.0, 3.0, 3.0]);
        assert!((together - FISHER_3_3_3).abs() < 1e-6, "{together}");
        assert!(fisher(&[]) < 1e-9 && (fisher(&[4.0]) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_tail_too_small_for_a_float_still_grows() {
        let scores: Vec<f64> = [800.0, 1_600.0, 1e5].iter().map(|&y| gamma_score(y, 1.0, 1.0)).collect();
        assert!(scores[0] > 340.0 && scores.is_sorted(), "{scores:?}");
    }

    const GAMMA: [(f64, f64, f64, f64); 4] = [
        (300000000.0, 50000000.0, 4000000000000000.0, 2.0350427263463136),
        (2.0, 1.0, 1.0, 0.8685889638065035),
        (50.0, 10.0, 30.0, 4.7697857745210985),
        (100.0, 1.0, 2.0, 22.81702340982209),
    ];
    const CHI_SQUARED: [(f64, f64, f64); 4] = [
        (3.84, 1.0, 1.3006521393247679),
        (50.0, 16.0, 4.6396943901244905),
        (200.0, 10.0, 36.79211516198135),
        (20.0, 17.0, 0.561886197011158),
    ];
    const TRIGAMMA: [(f64, f64); 4] =
        [(0.1, 101.43329915079275), (1.0, 1.6449340668482266), (3.5, 0.3303577561002349), (40.0, 0.025315103841291032)];
    const FISHER_3_3_3: f64 = 6.626260425771538;
}
