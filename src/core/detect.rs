//! Who misuses keys, and which refusals became a problem: detectors over per-entity minutes.
//!
//! A detector claims something about one entity in one span of event time, with its evidence: a [`Finding`].
//! What people are told about it, and whether at all, is decided in `alert`.
//!
//! ```text
//! partials ─► window ─► watch ─┬─► baseline, season   what an entity's past says
//!             Minute           └─► one file a detector ─► Finding
//! events ───► instant ─────────────────────────────────► Finding
//! ```
//!
//! Levels come from the alert budget (`budget`); what detectors share is their [`Context`].

mod budget;
mod context;
mod finding;
mod minute;
mod options;
mod window;

mod amount;
mod attribution;
mod baseline;
mod breakdown;
mod peers;
mod season;
mod sizes;
mod told;

pub mod anonymous_fallback;
pub mod brute_force;
pub mod budget_burn;
pub mod credential_stuffing;
pub mod dead_key_tried;
pub mod dormant_key;
pub mod exfiltration;
pub mod failure_shift;
pub mod feed_silence;
pub mod forbidden_probing;
pub mod honey_key;
pub mod impossible_travel;
pub mod key_guessing;
pub mod mix_shift;
pub mod new_origin;
pub mod object_enumeration;
pub mod off_hours;
pub mod path_scanning;
pub mod population_failure;
mod population_fault;
pub mod request_silence;
pub mod request_spike;
pub mod shared_key;
pub mod token_spike;
pub mod zombie_access;

mod guesses;
mod instant;
mod series;
mod watch;

pub use attribution::{Explanation, Leaves, attribute};
pub use baseline::{Baseline, Test};
pub use budget::{Levels, Window, suspicious};
pub use context::{Context, Names, Population};
pub use finding::{Detector, Driver, Entity, Family, Finding, FindingId, Severity};
pub use instant::Instant;
pub use minute::Minute;
pub use options::DetectOptions;
pub use season::{Season, Slot};
pub use series::{SeriesScorer, parse_series_row};
pub use watch::{Watch, WatchStats};
pub use window::{Closed, EntityHash, Streams, Windows};
