//! The standard normal distribution, as scores.

use std::f64::consts::{LN_10, PI, SQRT_2};

use statrs::function::erf::{erfc, erfc_inv};

use super::score;

/// -log10 P(Z >= z).
#[must_use]
pub fn normal_score(z: f64) -> f64 {
    if z < 30.0 {
        return score(0.5 * erfc(z / SQRT_2));
    }
    // DLMF 7.12.1: the tail is the density over z; finite where the probability is too small for a float.
    (0.5 * z * z + (z * (2.0 * PI).sqrt()).ln()) / LN_10
}

/// The z below which a share of the distribution lies; the share is kept away from 0 and 1.
#[must_use]
pub fn normal_quantile(share: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * share.clamp(1e-12, 1.0 - 1e-12))
}

#[cfg(test)]
mod tests {
    use super::{normal_quantile, normal_score};

    #[test]
    fn tails_and_quantiles_are_those_of_tables() {
        for (z, expected) in
            [(1.281_552, 1.0), (1.644_854, 1.301_03), (3.090_232, 3.0), (6.0, 9.005_87), (38.0, 315.539)]
        {
            assert!((normal_score(z) - expected).abs() < 1e-3, "{z}: {}", normal_score(z));
        }
        for (share, expected) in [(0.5, 0.0), (0.975, 1.959_964), (0.001, -3.090_232)] {
            assert!((normal_quantile(share) - expected).abs() < 1e-5, "{share}: {}", normal_quantile(share));
        }
    }
}
