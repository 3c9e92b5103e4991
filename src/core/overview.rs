//! What is refused, for whom, why and by whom: the picture that people open first, of any range of time.
//!
//! ```text
//! classified batches ─► Board ──────┐
//! rows of the lake   ─► Assembly ───┴─► Overview
//! ```
//!
//! Promises:
//! - Series are dense: every class in every bucket, zeros included, all of one length.
//! - A tenant's picture is made of its own rows alone. What was folded into "others" to bound memory is shown to those who
//!   may see every tenant, and to nobody else; a tenant whose rows were folded gets no picture rather than a wrong one.
//! - Bounded whatever arrives: tenants, cells and keys have limits, and rows from far ahead or long ago move nothing.
//!
//! Does not read a clock or a lake: instants are arguments, rows are shown to it.

mod assembly;
mod board;
mod buckets;
mod explain;
mod ring;
mod usual;

pub use assembly::{Assembly, Part, TenantPart};
pub use board::{Board, BoardLimits, Delta};
pub use buckets::{BadRange, Buckets};
pub use explain::{Dimension, Move, Moves, Totals, explain};
pub use usual::{USUAL_DAYS, Usual, usual};

use crate::cause::{CauseClass, RootCause};

/// The classes in the order in which they are stacked, bottom first.
pub const STACK: [CauseClass; 11] = [
    CauseClass::Served,
    CauseClass::Identity,
    CauseClass::Key,
    CauseClass::Account,
    CauseClass::Permission,
    CauseClass::Tenant,
    CauseClass::Credential,
    CauseClass::Environment,
    CauseClass::Limits,
    CauseClass::Platform,
    CauseClass::None,
];

/// One range of time. Instants are UTC microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    pub buckets: Buckets,
    pub as_of_us: i64,
    /// Buckets that end after this are still filling.
    pub complete_until_us: i64,
    /// Requests by bucket, refused or not.
    pub requests: Vec<u64>,
    /// By class in [`STACK`] order, then by bucket.
    pub series: Vec<Series>,
    /// What is refused most, most first; at most [`Overview::TOP_MAX`].
    pub top: Vec<Top>,
    /// Who said no, why, to whom; most first; at most [`Overview::FLOW_MAX`].
    pub flow: Vec<Flow>,
}

impl Overview {
    pub const TOP_MAX: usize = 20;
    pub const FLOW_MAX: usize = 60;
    /// Tenants that the flow names; the rest are "others".
    pub const FLOW_TENANTS_MAX: usize = 7;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub class: CauseClass,
    pub counts: Vec<u64>,
}

/// Whose requests a count is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    Tenant(String),
    /// Requests without a tenant: no key, or one that nobody knows.
    Nobody,
    /// Tenants that are not named one by one.
    Others,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    pub cause: RootCause,
    pub whose: Whose,
    pub count: u64,
    /// Distinct keys of the directory that were refused.
    pub keys: u64,
    /// There are more keys than were kept apart.
    pub keys_at_least: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Empty when nobody said no: it was served, and should not have been.
    pub denied_by: String,
    pub class: CauseClass,
    pub whose: Whose,
    pub count: u64,
}
