//! Events to entity-minute partials: what detectors, rollups and dashboards work from instead of events.
//!
//! A row counts the requests of one entity in one minute that ended with one cause (null: not refused). It is a
//! *partial*: another batch may hold more of the same minute, and readers add rows up. Distinct values (networks,
//! agents, routes, tenants asked for, keys…) are kept as stable 32-bit hashes, at most [`DISTINCT_MAX`] of a kind a
//! row: union them; a full set means "at least".
//!
//! Entities are keys, source networks, tenants, routes and gateways. Keys that the directory does not know are no
//! entity of their own, or a guessing attack would write a row a guess: they count as distinct keys of their source.
//! A key's row names its principal, so that what a principal did is the sum of its keys' rows.
//!
//! `partials.rs` makes the rows, `merge.rs` joins those of several batches, `read.rs` reads them back, `blame.rs` says which refusals are steps of a guess or probe.
//!
//! Budget: 0.2 µs an event.

mod blame;
mod merge;
mod partials;
mod read;

use std::ops::{Index, IndexMut};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::event::ColumnKind;

pub use blame::Blamed;
pub use merge::merge;
pub use partials::minutes;
pub use read::{Marks, Partial, Partials};

/// Distinct values of one kind that a row keeps.
pub const DISTINCT_MAX: usize = 16;

pub const MINUTE_US: i64 = 60_000_000;

/// What a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// A key of the directory, by key id.
    Key,
    /// A client network (/24 or /56).
    Source,
    Tenant,
    /// A route of a gateway, as method and route.
    Route,
    /// A gateway instance.
    Gateway,
    /// A principal. Has no rows of its own: its keys' rows name it.
    Principal,
}

impl EntityKind {
    pub const ALL: &'static [Self] =
        &[Self::Key, Self::Source, Self::Tenant, Self::Route, Self::Gateway, Self::Principal];

    /// The kinds that have rows.
    pub const COUNTED: &'static [Self] = &[Self::Key, Self::Source, Self::Tenant, Self::Route, Self::Gateway];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Source => "source",
            Self::Tenant => "tenant",
            Self::Route => "route",
            Self::Gateway => "gateway",
            Self::Principal => "principal",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

macro_rules! sums {
    ($($variant:ident $name:ident $meaning:literal;)*) => {
        /// What a row adds up, in column order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sum { $($variant),* }

        impl Sum {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            pub const COUNT: usize = Self::ALL.len();

            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => stringify!($name)),* } }

            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $(Self::$variant => $meaning),* } }
        }
    };
}

sums! {
    Requests requests "requests; the sum of the four outcomes that follow";
    Served served "requests that were answered";
    Refused refused "requests that were refused for a reason that is about the caller";
    ClientErrors client_errors "other answers of 400 to 499";
    ServerErrors server_errors "other answers of 500 to 599";
    NotFound not_found "answers of 404, whatever their cause";
    Unauthorized unauthorized "answers of 401, whatever their cause";
    FirstServed first_served "served requests that were the first to their route within this partial";
    FirstRefused first_refused "refused requests that were the first to their route within this partial";
    RequestBytes request_bytes "size of the requests, bytes";
    ResponseBytes response_bytes "size of the responses, bytes";
    InputTokens input_tokens "prompt tokens";
    OutputTokens output_tokens "generated tokens";
    CostMicros cost_micros "cost in millionths of the billing currency";
    Objects objects "requests of a key for one object: the last part of their path is an id";
    ObjectSteps object_steps "of those, requests whose numeric id follows the key's previous one on the route by 1 or by the step before";
    ObjectsDenied objects_denied "of the requests for one object, answers of 403 and 404";
    RevocationLagUs revocation_lag_us "served requests that should have been refused: time since the change, added up, microseconds";
}

/// The sums of a row, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums([i64; Sum::COUNT]);

impl Sums {
    pub const ZERO: Self = Self([0; Sum::COUNT]);
}

impl Index<Sum> for Sums {
    type Output = i64;

    fn index(&self, sum: Sum) -> &i64 {
        &self.0[sum as usize]
    }
}

impl IndexMut<Sum> for Sums {
    fn index_mut(&mut self, sum: Sum) -> &mut i64 {
        &mut self.0[sum as usize]
    }
}

impl std::ops::AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

/// A kind of distinct values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Distinct {
    Network,
    Agent,
    Route,
    TenantAsked,
    /// Fingerprints of credentials.
    Key,
    Region,
    /// Paths that were not found, without the ids in them.
    Path,
    /// Method, route and id of objects asked for.
    Object,
    Country,
    /// Who runs the client's network.
    Provider,
    /// Whether the client's network is hosting, a VPN or a proxy, or none of them (`direct`).
    Relay,
    /// Where clients are that use no relay: not a hash, but [`crate::geo::Place::packed`].
    Place,
    /// Fingerprints of credentials that were refused because there is no such key.
    UnknownKey,
    /// Fingerprints of names with passwords that were refused.
    FailedAccount,
    /// Paths, without the ids in them, that were refused for want of a right which the caller never had.
    Forbidden,
}

impl Distinct {
    pub const ALL: &'static [Self] = &[
        Self::Network,
        Self::Agent,
        Self::Route,
        Self::TenantAsked,
        Self::Key,
        Self::Region,
        Self::Path,
        Self::Object,
        Self::Country,
        Self::Provider,
        Self::Relay,
        Self::Place,
        Self::UnknownKey,
        Self::FailedAccount,
        Self::Forbidden,
    ];
    pub const COUNT: usize = Self::ALL.len();

    /// How the table holds a value of this kind: the kind above, the hash in the lower 32 bits.
    #[must_use]
    pub const fn packed(self, hash: u32) -> i64 {
        ((self as i64) << 32) | hash as i64
    }

    /// The kind and hash of a value from the table; `None` for a kind that a newer version wrote.
    #[must_use]
    pub fn unpacked(value: i64) -> Option<(Self, u32)> {
        let kind = usize::try_from(value >> 32).ok()?;
        let hash = u32::try_from(value & i64::from(u32::MAX)).ok()?;
        Some((*Self::ALL.get(kind)?, hash))
    }
}

/// Columns of the `entity_minutes` table.
pub static MINUTE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = ColumnKind::Dict.arrow_type();
    let mut fields = vec![
        Field::new("minute", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("entity_kind", dict.clone(), false),
        Field::new("entity", dict.clone(), false),
        Field::new("tenant_id", dict.clone(), true),
        Field::new("principal_id", dict.clone(), true),
        Field::new("cause", dict, true),
    ];
    fields.extend(Sum::ALL.iter().map(|sum| Field::new(sum.name(), DataType::Int64, false)));
    fields.push(Field::new("distinct_values", DataType::List(distinct_item()), false));
    Arc::new(Schema::new(fields))
});

fn distinct_item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Int64, false))
}

/// What a column of the `entity_minutes` table means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_minute_column(name: &str) -> &'static str {
    match name {
        "minute" => "start of the minute in which the requests arrived, UTC",
        "entity_kind" => "what is counted: key, source (a client network), tenant, route or gateway",
        "entity" => "key id, network, tenant id, method and route, or gateway",
        "tenant_id" => "tenant of a key or tenant; null for the others",
        "principal_id" => "principal of a key; null for the others",
        "cause" => "root cause that all requests of the row ended with; null when they were not refused",
        "distinct_values" => {
            "hashes of distinct values, at most 16 of a kind: kind * 4294967296 + hash, the kinds being 0 client \
             networks, 1 user agents, 2 routes, 3 tenants asked for, 4 fingerprints of credentials, 5 regions, 6 paths \
             that were not found, 7 objects asked for, 8 client countries, 9 client providers, 10 kinds of relay, 11 \
             client places (packed, no hash), 12 fingerprints of credentials that are no key, 13 fingerprints of \
             refused names with passwords, 14 paths that were refused for want of a right"
        }
        _ => Sum::ALL.iter().find(|sum| sum.name() == name).map_or("", |sum| sum.meaning()),
    }
}
