//! Tails of the negative binomial with mean mu and shape r: variance mu + mu^2 / r.
//!
//! Counts of requests vary more than Poisson's; r = 1/phi says how much. P(X >= x) = I_q(x, r) and P(X <= x) =
//! I_p(r, x + 1) with p = r/(r + mu), q = 1 - p (DLMF 8.17.24, and the identity of the binomial tail with the
//! incomplete beta function).

use std::f64::consts::LN_10;

use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::ln_gamma;

use super::score;

/// -log10 P(X >= x). 0 when nothing was expected to be known (mu or r not positive) or x is 0.
#[must_use]
pub fn upper_score(x: f64, mu: f64, r: f64) -> f64 {
    if !(x > 0.0 && mu > 0.0 && r > 0.0) {
        return 0.0;
    }
    match checked_beta_reg(x, r, mu / (r + mu)) {
        Ok(probability) if probability > 1e-290 => score(probability),
        // Too small for a float: the largest term is within a small factor of its tail.
        Ok(_) | Err(_) => -ln_pmf(x, mu, r) / LN_10,
    }
}

/// -log10 P(X <= x).
#[must_use]
pub fn lower_score(x: f64, mu: f64, r: f64) -> f64 {
    if !(x >= 0.0 && mu > 0.0 && r > 0.0) {
        return 0.0;
    }
    match checked_beta_reg(r, x + 1.0, r / (r + mu)) {
        Ok(probability) if probability > 1e-290 => score(probability),
        Ok(_) | Err(_) => -ln_pmf(x, mu, r) / LN_10,
    }
}

fn ln_pmf(x: f64, mu: f64, r: f64) -> f64 {
    let (p, q) = (r / (r + mu), mu / (r + mu));
    ln_gamma(x + r) - ln_gamma(x + 1.0) - ln_gamma(r) + r * p.ln() + x * q.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy 1.17.1: nbinom.logsf(x - 1, r, r / (r + mu)) and logcdf(x, …), divided by -ln 10.
        for (x, mu, r, upper, lower) in UPPER_AND_LOWER {
            assert!((upper_score(x, mu, r) - upper).abs() < 1e-6 * upper.max(1.0), "upper {x} {mu} {r}");
            assert!((lower_score(x, mu, r) - lower).abs() < 1e-6 * lower.max(1.0), "lower {x} {mu} {r}");
        }
    }

    #[test]
    fn a_tail_too_small_for_a_float_still_grows() {
        let scores: Vec<f64> = [3e4, 6e4, 1e5].iter().map(|&x| upper_score(x, 1.0, 10.0)).collect();
        assert!(scores[0] > 300.0 && scores.is_sorted(), "{scores:?}");
    }

    #[test]
    fn thresholds_in_counts_are_those_of_the_published_table() {
        // The least count with p <= 1e-6, by mean and phi.
        for (mu, phi, least) in [(1.0, 0.08, 11.0), (1.0, 1.0, 20.0), (10.0, 0.08, 41.0), (100.0, 1.0, 1_389.0)] {
            assert!(upper_score(least, mu, 1.0 / phi) >= 6.0, "{mu} {phi}");
            assert!(upper_score(least - 1.0, mu, 1.0 / phi) < 6.0, "{mu} {phi}");
        }
    }

    const UPPER_AND_LOWER: [(f64, f64, f64, f64, f64); 6] = [
        (1.0, 0.05, 12.5, 1.312687787721798, 0.0005645120449793786),
        (11.0, 1.0, 12.5, 6.791965742722708, 1.010855014550737e-08),
        (41.0, 10.0, 12.5, 6.164029672059929, 1.6751547300894768e-07),
        (500.0, 100.0, 1.0, 2.1606868913212867, 0.002980336917656393),
        (2969.0, 1000.0, 12.5, 6.001981977160409, 4.285747051922495e-07),
        (3.0, 200.0, 4.0, 9.329685629898088e-07, 5.30679823451829),
    ];
}
