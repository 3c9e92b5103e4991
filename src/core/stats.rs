//! Probabilities of what was seen, as scores: S = -log10 p. Plain functions; the distributions are `statrs`'.
//!
//! Beside them the small summaries that detectors keep by the million: sets, counts of distinct values, habits and
//! sequential tests, each of fixed size and the same for the same input.
//!
//! A score of 6 is one chance in a million. Scores stay finite and ordered where the probability itself is too small
//! for a float.

mod beta_binomial;
mod bloom;
mod gamma;
mod habit;
mod negative_binomial;
#[cfg(test)]
pub(crate) mod noise;
mod normal;
mod novelty;
mod sequential;
mod spread;
mod tail;

pub use beta_binomial::{BetaBinomial, Ratio};
pub use bloom::Bloom64;
pub use gamma::{chi_squared_score, fisher, gamma_score, trigamma};
pub use habit::Habit;
pub use negative_binomial::{lower_score, upper_score};
pub use normal::{normal_quantile, normal_score};
pub use novelty::Novelty;
pub use sequential::{Odds, Sequential};
pub use spread::Spread;
pub use tail::Tail;

/// -log10 of a probability: 0 for 1, and for what is no probability.
#[must_use]
pub fn score(probability: f64) -> f64 {
    if probability > 0.0 && probability < 1.0 { -probability.log10() } else { 0.0 }
}

/// A count or amount as a real number.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 a count is known well enough")]
pub const fn real(count: i64) -> f64 {
    count as f64
}

/// Spreads a 32-bit hash over 64 bits (the finaliser of splitmix64, Steele, Lea, Flood 2014).
const fn mixed(hash: u32) -> u64 {
    let mut bits = (hash as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
