//! The six kinds of row, as they are written. Column names here are the contract of the canonical folder;
//! what a name does not match is remembered, so that a misspelt column is not silently without effect.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::cells::{Cell, Name, parse_time};

/// A file of the snapshot folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Keys,
    Principals,
    Tenants,
    Grants,
    Routes,
    Gateways,
}

impl Table {
    pub const ALL: &'static [Self] =
        &[Self::Keys, Self::Principals, Self::Tenants, Self::Grants, Self::Routes, Self::Gateways];

    /// The name of the file, without its ending.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Principals => "principals",
            Self::Tenants => "tenants",
            Self::Grants => "grants",
            Self::Routes => "routes",
            Self::Gateways => "gateways",
        }
    }
}

macro_rules! rows {
    ($($name:ident { $($column:ident),* $(,)? })*) => { $(
        #[derive(Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $column: Cell<'a>,)*
            /// Names of columns that are none of these.
            pub(super) unknown: Vec<Cow<'a, str>>,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Columns<'a>(PhantomData<&'a ()>);
                impl<'de: 'a, 'a> Visitor<'de> for Columns<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object with one member a column")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut row = $name::default();
                        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                            match &*name {
                                $(stringify!($column) => row.$column = map.next_value()?,)*
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    row.unknown.push(name);
                                }
                            }
                        }
                        Ok(row)
                    }
                }
                deserializer.deserialize_map(Columns(PhantomData))
            }
        }

        impl<'a> $name<'a> {
            /// From the cells of a CSV record.
            pub(super) fn from_texts(
                cells: impl Iterator<Item = (&'a str, &'a str)>,
            ) -> Result<Self, serde::de::value::Error> {
                let cells = cells.map(|(name, text)| {
                    (BorrowedStrDeserializer::new(name), BorrowedStrDeserializer::new(text))
                });
                Self::deserialize(MapDeserializer::new(cells))
            }
        }
    )* };
}

rows! {
    KeyRow {
        key_id, fingerprints, key, prefix, last4, length, environment, principal_id, tenant_id, scopes, models,
        allowed_ips, allowed_regions, status, status_reason, created_at, expires_at, revoked_at, replaced_by,
        grace_until, last_rotated_at, valid_from, valid_to,
    }
    PrincipalRow {
        principal_id, name, kind, tenant_id, status, status_reason, status_since, roles, federation, mfa, manager,
        contact, valid_from, valid_to,
    }
    TenantRow {
        tenant_id, name, status, status_reason, status_since, plan, regions, quotas, valid_from, valid_to,
    }
    GrantRow { principal_id, role, scope, from, to, valid_from, valid_to }
    RouteRow {
        method, path, required_scopes, tenant_from, environment, region, models, sunset_at, valid_from, valid_to,
    }
    GatewayRow {
        gateway_id, format, environment, region, credential_places, key_shape, valid_from, valid_to,
    }
}

/// What `snapshot.json` says about the folder it lies in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Snapshot {
    /// When the facts held, UTC microseconds.
    pub as_of: i64,
    /// The system or job that wrote the folder.
    pub source: String,
    /// What keys and routes without an environment of their own belong to.
    pub environment: String,
}

/// Why a `snapshot.json` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("it is not a JSON object with `as_of`, `source` and `environment` as texts")]
    NotAnObject,
    #[error("`as_of` is not an RFC 3339 time such as 2026-11-24T05:00:00Z")]
    NoTime,
}

impl Snapshot {
    /// # Errors
    /// When the text is no JSON object, or its `as_of` no time. Further members are left aside.
    pub fn from_json(text: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Written {
            as_of: String,
            #[serde(default)]
            source: String,
            #[serde(default)]
            environment: String,
        }
        let written: Written = serde_json::from_slice(text).map_err(|_| SnapshotError::NotAnObject)?;
        let as_of = parse_time(&written.as_of).ok_or(SnapshotError::NoTime)?;
        Ok(Self { as_of, source: written.source, environment: written.environment })
    }
}
