//! Who misuses keys, and which refusals became a problem: detectors over per-entity minutes.
//!
//! A detector claims something about one entity in one span of event time, with its evidence: a [`Finding`].
//! What people are told about it, and whether at all, is decided in `alert`.

mod budget;
mod context;
mod finding;
mod minute;
mod options;

pub use budget::{Levels, Window};
pub use context::{Context, Names, Population};
pub use finding::{Detector, Driver, Entity, Family, Finding, FindingId, Severity};
pub use minute::Minute;
pub use options::DetectOptions;
