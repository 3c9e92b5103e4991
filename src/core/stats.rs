//! Probabilities of what was seen, as scores: S = -log10 p. Plain functions; the distributions are `statrs`'.
//!
//! A score of 6 is one chance in a million. Scores stay finite and ordered where the probability itself is too small
//! for a float.

mod beta_binomial;
mod gamma;
mod negative_binomial;
mod tail;

pub use beta_binomial::{BetaBinomial, Ratio};
pub use gamma::{chi_squared_score, fisher, gamma_score, trigamma};
pub use negative_binomial::{lower_score, upper_score};
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
