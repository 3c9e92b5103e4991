//! Who misuses keys, and which refusals became a problem: detectors over per-entity minutes.
//!
//! A detector claims something about one entity in one span of event time, with its evidence: a [`Finding`].
//! What people are told about it, and whether at all, is decided in `alert`.

mod finding;
mod series;

pub use finding::{Detector, Driver, Entity, Family, Finding, FindingId, Severity};
pub use series::SeriesScorer;
