//! Verdicts.

pub mod facts;
mod rules;
mod verdict;
mod word;

pub use rules::{Confidence, RULES};
pub use verdict::{Verdict, decide};
pub use word::Word;
