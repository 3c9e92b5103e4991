//! Who misuses keys, and which refusals became a problem: detectors over per-entity minutes.
//!
//! A detector claims something about one entity in one span of event time, with its evidence: a [`Finding`].
//! What people are told about it, and whether at all, is decided in `alert`.

pub mod anonymous_fallback;
pub mod brute_force;
mod budget;
mod context;
pub mod credential_stuffing;
pub mod dead_key_tried;
mod finding;
pub mod forbidden_probing;
pub mod honey_key;
pub mod impossible_travel;
mod instant;
pub mod key_guessing;
mod minute;
pub mod new_origin;
pub mod object_enumeration;
mod options;
pub mod path_scanning;
pub mod shared_key;
mod told;
pub mod zombie_access;

pub use budget::{Levels, Window};
pub use context::{Context, Names, Population};
pub use finding::{Detector, Driver, Entity, Family, Finding, FindingId, Severity};
pub use instant::Instant;
pub use minute::Minute;
pub use options::DetectOptions;
