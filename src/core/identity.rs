//! Who owns which credential, at any time: the directory, and the join of events with it.
//!
//! A [`Directory`] is an immutable value made from one or more snapshots by a [`DirectoryBuilder`]; a newer one
//! takes over the history of the one before it by [`Directory::succeed`]. Look-ups are as of the event's time.
//! It holds no key in clear: rows are hashed as they are read, and what is kept is codes, times and hashes.
//!
//! # The canonical folder
//!
//! One file a table, `NAME.ndjson`, `.jsonl`, `.csv` or `.parquet`, beside `snapshot.json`
//! (`{"as_of", "source", "environment"}`). Only `keys` must be there. Lists are JSON arrays, or texts
//! separated by `;` in CSV. Objects are JSON objects, or `name=value;name=value` in CSV. Times are RFC 3339.
//! A row holds from the snapshot's `as_of`, or from `valid_from` to `valid_to` where it has them: several rows
//! of one id are its history. Unknown columns are left aside with a warning.
//!
//! | file | columns |
//! |---|---|
//! | `keys` | `key_id`; `key` (clear, hashed at once) or `fingerprints` {`hmac-sha256`, `sha256`, `sha256-base64`, `murmur3-32`, `murmur3-64`, `murmur3-128`}; `prefix`, `last4`, `length`, `environment`, `principal_id`, `tenant_id`, `scopes[]`, `models[]`, `allowed_ips[]`, `allowed_regions[]`, `status` (active, disabled, revoked), `status_reason`, `created_at`, `expires_at`, `revoked_at`, `replaced_by` (a key id), `grace_until`, `last_rotated_at` |
//! | `principals` | `principal_id`, `name`, `kind` (human, service, federated), `tenant_id`, `status` (active, deactivated, suspended, deleted, pending), `status_reason`, `status_since`, `roles[]`, `federation` {provider, subject, state}, `mfa`, `manager`, `contact` |
//! | `tenants` | `tenant_id`, `name`, `status` (active, suspended, archived, deleted), `status_reason`, `status_since`, `plan`, `regions[]`, `quotas` {tokens, requests, spend} |
//! | `grants` | `principal_id` and/or `role`, `scope`, `from`, `to`: a principal gets a role or scope, a role gives a scope |
//! | `routes` | `method`, `path` (template), `required_scopes[]`, `tenant_from`, `environment`, `region`, `models[]`, `sunset_at` |
//! | `gateways` | `gateway_id`, `format`, `environment`, `region`, `credential_places[]`, `key_shape` {prefixes[], length, alphabet, checksum} |
//!
//! # What becomes of differences
//!
//! A row that a newer snapshot lacks is gone since its `as_of`; a row that differs has a version from there, or
//! from the time the row itself names (`status_since`, `revoked_at`). A status that begins at a time is judged
//! by it: before, the row counts as active. A key with a new secret under its old id leaves its old secret
//! behind as a revoked key that was replaced by its own id.
//!
//! Budget: a million keys load in under 10 s on one thread (6 s of it measured on two busy cores), are put over their
//! predecessors in 2 s, and cost under 400 bytes each (185 measured with clear keys of 40 characters).

mod builder;
mod cells;
mod changes;
mod check;
mod diff;
mod distinct;
mod fields;
mod findings;
mod formats;
mod grants;
mod history;
mod identify;
mod intake;
mod keys;
mod listing;
mod past;
mod routes;
mod rows;
mod sorted;
mod status;
mod stored;
mod timeline;
mod values;
mod version;
mod views;

use std::fmt;
use std::sync::OnceLock;

use ipnet::IpNet;

pub use builder::{DirectoryBuilder, Loaded, ROW_BYTES_MAX};
pub use changes::{IDENTITY_HISTORY_SCHEMA, history_rows, meaning_of_history_column};
pub use diff::{Change, Diff, EntityKind};
pub use findings::{Finding, FindingCode, Findings, Place, Severity};
pub use grants::{ScopeAnswer, Scopes, covers};
pub use identify::{Identified, Subject, identify};
pub use listing::{
    DIRECTORY_KEY_SCHEMA, DIRECTORY_ROUTE_SCHEMA, KeyListing, meaning_of_directory_key_column,
    meaning_of_directory_route_column, route_rows,
};
pub use rows::{Snapshot, SnapshotError, Table};
pub use status::{KeyStatus, PrincipalKind, PrincipalStatus, TenantStatus};
pub use stored::identify_stored;
pub use views::{Gateway, KeyAt, KeyShape, Last4, PrincipalAt, Quotas, Route, TenantAt, Words};

use crate::event::Interner;
use crate::secret::{Credential, NearMissKind, Schemes};
use distinct::{CodeMap, Distinct, NONE};
use grants::Grants;
use keys::{Found, Keys};
use routes::Routes;
use timeline::Timeline;
use values::{GatewayValue, PrincipalValue, TenantValue};

macro_rules! indexes {
    ($($(#[$doc:meta])* $name:ident)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);
    )* };
}

indexes! {
    /// A key in one directory.
    KeyIx
    /// A principal in one directory.
    PrincipalIx
    /// A tenant in one directory.
    TenantIx
    /// A route in one directory.
    RouteIx
}

/// What the identity systems said, and when. Immutable; shared as `Arc<Directory>`.
#[derive(Default)]
pub struct Directory {
    snapshots: Vec<Snapshot>,
    version: String,
    source: String,
    /// All short texts but ids.
    vocabulary: Interner,
    /// Lists of words.
    lists: Distinct<Box<[u32]>>,
    /// Code of a list of words → the same as networks.
    networks: CodeMap<Box<[IpNet]>>,
    keys: Keys,
    /// The code of an id is the index of its principal, whether a row for it exists or not; so with tenants.
    principal_ids: Interner,
    principals: Timeline<PrincipalValue>,
    tenant_ids: Interner,
    tenants: Timeline<TenantValue>,
    /// Word of a principal's name → its index, or [`NONE`] where several bear it.
    names: CodeMap<u32>,
    grants: Grants,
    routes: Routes,
    gateways: Vec<GatewayValue>,
    /// Codes of prefixes; see `formats.rs`.
    retired_formats: OnceLock<Vec<u32>>,
}

/// Counts only: the contents are not for logs.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("version", &self.version)
            .field("keys", &self.key_count())
            .finish_non_exhaustive()
    }
}

/// What a credential is to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Known(KeyIx),
    /// It would be this key but for a slip.
    Near(KeyIx, NearMissKind),
    Unknown,
}

impl Directory {
    /// A directory that knows nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self { version: version::EMPTY.to_owned(), ..Self::default() }
    }

    /// `as_of` and a hash of the contents: the same for the same snapshot, whatever its file types.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// When the facts held, UTC microseconds: of several snapshots the oldest. 0 when there is none.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.snapshots.iter().map(|snapshot| snapshot.as_of).min().unwrap_or(0)
    }

    /// When the newest of the snapshots was taken: what differs from before was noticed by then.
    #[must_use]
    pub fn noticed_at(&self) -> i64 {
        self.snapshots.iter().map(|snapshot| snapshot.as_of).max().unwrap_or(0)
    }

    /// Who wrote the snapshots, joined by `+`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The environment of the snapshots; empty when they are of several.
    #[must_use]
    pub fn environment(&self) -> &str {
        let mut environments = self.snapshots.iter().map(|snapshot| snapshot.environment.as_str());
        let first = environments.next().unwrap_or("");
        if environments.all(|other| other == first) { first } else { "" }
    }

    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// Hash schemes beside ours that decoders must compute for credentials to be found.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        self.keys.schemes()
    }

    /// Keys, gone ones included.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.entries.len()
    }

    pub fn keys(&self) -> impl Iterator<Item = KeyIx> {
        (0..distinct::code_of(self.key_count())).map(KeyIx)
    }

    /// Whether the key is what its id stands for: exchanged secrets stay known beside the new ones.
    fn stands_for_its_id(&self, key: KeyIx) -> bool {
        self.keys.of_id(self.keys.entries[key.0 as usize].id) == Some(key.0)
    }

    /// Principals that some snapshot held a row for.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalIx> {
        (0..distinct::code_of(self.principals.len())).filter(|&ix| self.principals.has(ix)).map(PrincipalIx)
    }

    /// Tenants that some snapshot held a row for.
    pub fn tenants(&self) -> impl Iterator<Item = TenantIx> {
        (0..distinct::code_of(self.tenants.len())).filter(|&ix| self.tenants.has(ix)).map(TenantIx)
    }

    /// The key that a credential is, or was meant to be. Two keys that a slip could lead to are none.
    #[must_use]
    pub fn find(&self, credential: &Credential) -> Match {
        match self.keys.find(credential, &self.vocabulary) {
            Found::Exact(row) => Match::Known(KeyIx(row)),
            Found::Near(row, kind) => Match::Near(KeyIx(row), kind),
            Found::Nothing => Match::Unknown,
        }
    }

    #[must_use]
    pub fn find_key(&self, key_id: &str) -> Option<KeyIx> {
        self.keys.ids.find(key_id).and_then(|id| self.keys.of_id(id)).map(KeyIx)
    }

    #[must_use]
    pub fn find_principal(&self, principal_id: &str) -> Option<PrincipalIx> {
        self.principal_ids.find(principal_id).and_then(|id| self.present_principal(id))
    }

    #[must_use]
    pub fn find_tenant(&self, tenant_id: &str) -> Option<TenantIx> {
        self.tenant_ids.find(tenant_id).and_then(|id| self.present_tenant(id))
    }

    /// The principal that a gateway calls by this word: its id, or a name that only one principal bears.
    #[must_use]
    pub fn find_principal_named(&self, consumer: &str) -> Option<PrincipalIx> {
        self.find_principal(consumer).or_else(|| {
            let word = self.vocabulary.find(consumer)?;
            let ix = self.names.get(&word).copied().filter(|&ix| ix != NONE)?;
            Some(PrincipalIx(ix))
        })
    }

    fn present_principal(&self, ix: u32) -> Option<PrincipalIx> {
        self.principals.has(ix).then_some(PrincipalIx(ix))
    }

    fn present_tenant(&self, ix: u32) -> Option<TenantIx> {
        self.tenants.has(ix).then_some(TenantIx(ix))
    }

    /// Whether everything about the key and its principal that `identify` writes is the same at every instant.
    fn is_constant(&self, key: KeyIx) -> bool {
        let principal = || self.keys.timeline.newest(key.0).map_or(NONE, |version| version.value.principal);
        self.keys.timeline.is_constant(key.0) && self.principals.is_constant(principal())
    }

    /// The key as it was at `at`, UTC microseconds.
    ///
    /// # Panics
    /// When the index is of another directory.
    #[must_use]
    pub fn key_at(&self, key: KeyIx, at: i64) -> KeyAt<'_> {
        let as_of = self.keys.timeline.as_of(key.0, at).expect("every key of this directory has a version");
        self.key_view(key, &as_of, Some(at))
    }

    /// The key's versions, newest first, each with its status as written.
    pub fn key_versions(&self, key: KeyIx) -> impl Iterator<Item = KeyAt<'_>> {
        self.keys.timeline.versions(key.0).map(move |version| {
            let gone_at = (version.to != timeline::OPEN).then_some(version.to);
            let as_of = timeline::AsOf { value: version.value, gone_at, since: Some(version.from) };
            self.key_view(key, &as_of, None)
        })
    }

    fn key_view(&self, key: KeyIx, as_of: &timeline::AsOf<values::KeyValue>, at: Option<i64>) -> KeyAt<'_> {
        let value = as_of.value;
        let entry = &self.keys.entries[key.0 as usize];
        let (terms, rare) = self.key_parts(&value);
        let revoked_at = rare.revoked_at.get();
        let revoked_later = at.is_some_and(|at| revoked_at.is_some_and(|revoked_at| at < revoked_at));
        let status = if value.status == KeyStatus::Revoked && revoked_later { KeyStatus::Active } else { value.status };
        KeyAt {
            key,
            key_id: self.keys.ids.get(entry.id),
            status,
            status_reason: self.word(rare.status_reason),
            created_at: value.created_at.get(),
            expires_at: value.expires_at.get(),
            revoked_at,
            replaced_by: self.keys.ids.get(rare.replaced_by),
            grace_until: rare.grace_until.get(),
            last_rotated_at: rare.last_rotated_at.get(),
            deleted_at: as_of.gone_at,
            changed_at: as_of.since,
            known_since: entry.known_since.get(),
            environment: self.word(terms.environment),
            principal_id: self.principal_ids.get(value.principal),
            principal: self.present_principal(value.principal),
            tenant_id: self.tenant_ids.get(value.tenant),
            tenant: self.present_tenant(value.tenant),
            scopes: self.words(terms.scopes),
            models: self.words(terms.models),
            allowed_regions: self.words(terms.allowed_regions),
            allowed_ips: self.networks.get(&terms.allowed_ips).map_or(&[], |networks| networks),
            prefix: self.word(terms.prefix),
            last4: Last4(value.last4),
            length: terms.length,
            conflicting: entry.conflicting,
        }
    }

    /// The principal as it was at `at`, UTC microseconds.
    ///
    /// # Panics
    /// When the index is of another directory.
    #[must_use]
    pub fn principal(&self, principal: PrincipalIx, at: i64) -> PrincipalAt<'_> {
        let as_of = self.principals.as_of(principal.0, at).expect("an index is given out for present principals only");
        let value = as_of.value;
        let later = value.status_since.get().is_some_and(|since| at < since);
        let (status, status_since) = match as_of.gone_at {
            Some(gone_at) if value.status != PrincipalStatus::Deleted => (PrincipalStatus::Deleted, Some(gone_at)),
            Some(_) | None if later => (PrincipalStatus::Active, value.status_since.get()),
            Some(_) | None => (value.status, value.status_since.get().or(as_of.since)),
        };
        PrincipalAt {
            principal,
            principal_id: self.principal_ids.get(principal.0),
            name: self.word(value.name),
            kind: value.kind,
            tenant_id: self.tenant_ids.get(value.tenant),
            tenant: self.present_tenant(value.tenant),
            status,
            status_reason: self.word(value.status_reason),
            status_since,
            roles: self.words(value.roles),
            federation_provider: self.word(value.federation_provider),
            federation_subject: self.word(value.federation_subject),
            federation_state: self.word(value.federation_state),
            mfa: value.mfa,
            manager: self.word(value.manager),
            contact: self.word(value.contact),
            deleted_at: as_of.gone_at,
        }
    }

    /// The tenant as it was at `at`, UTC microseconds.
    ///
    /// # Panics
    /// When the index is of another directory.
    #[must_use]
    pub fn tenant(&self, tenant: TenantIx, at: i64) -> TenantAt<'_> {
        let as_of = self.tenants.as_of(tenant.0, at).expect("an index is given out for present tenants only");
        let value = as_of.value;
        let later = value.status_since.get().is_some_and(|since| at < since);
        let (status, status_since) = match as_of.gone_at {
            Some(gone_at) if value.status != TenantStatus::Deleted => (TenantStatus::Deleted, Some(gone_at)),
            Some(_) | None if later => (TenantStatus::Active, value.status_since.get()),
            Some(_) | None => (value.status, value.status_since.get().or(as_of.since)),
        };
        TenantAt {
            tenant,
            tenant_id: self.tenant_ids.get(tenant.0),
            name: self.word(value.name),
            status,
            status_reason: self.word(value.status_reason),
            status_since,
            plan: self.word(value.plan),
            regions: self.words(value.regions),
            quotas: Quotas { tokens: value.quota_tokens, requests: value.quota_requests, spend: value.quota_spend },
            deleted_at: as_of.gone_at,
        }
    }

    #[must_use]
    pub fn has_routes(&self) -> bool {
        !self.routes.list.is_empty()
    }

    /// The route of a request: literal segments win over parameters, a named method over "any".
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<RouteIx> {
        self.route_in(method, path, "")
    }

    /// As [`Directory::route`], and of equals the one of `environment`.
    #[must_use]
    pub fn route_in(&self, method: &str, path: &str, environment: &str) -> Option<RouteIx> {
        let suits = |route: &values::RouteValue| self.word(route.environment) == environment;
        self.routes.find(method, path, suits).map(RouteIx)
    }

    pub fn routes(&self) -> impl Iterator<Item = Route<'_>> {
        (0..distinct::code_of(self.routes.list.len())).map(|ix| self.route_at(RouteIx(ix)))
    }

    #[must_use]
    pub fn route_at(&self, route: RouteIx) -> Route<'_> {
        let value = &self.routes.list[route.0 as usize];
        Route {
            route,
            method: &value.method,
            template: &value.template,
            required_scopes: self.words(value.required_scopes),
            tenant_from: self.word(value.tenant_from),
            environment: self.word(value.environment),
            region: self.word(value.region),
            models: self.words(value.models),
            sunset_at: value.sunset_at.get(),
        }
    }

    /// The gateway of this id, or whose id this one extends (`apisix-7d9f` is an instance of `apisix`).
    #[must_use]
    pub fn gateway(&self, id: &str) -> Option<Gateway<'_>> {
        let is_instance = |name: &str| {
            let rest = id.strip_prefix(name);
            !name.is_empty() && rest.is_some_and(|rest| rest.starts_with(['-', '.', ':', '/']))
        };
        self.gateways().find(|gateway| gateway.gateway_id == id).or_else(|| {
            self.gateways()
                .filter(|gateway| is_instance(gateway.gateway_id))
                .max_by_key(|gateway| gateway.gateway_id.len())
        })
    }

    /// As [`Directory::gateway`], else the only gateway that writes this format.
    #[must_use]
    pub fn gateway_for(&self, id: &str, format: &str) -> Option<Gateway<'_>> {
        self.gateway(id).or_else(|| {
            let mut of_format = self.gateways().filter(|gateway| gateway.format == format);
            let first = of_format.next()?;
            of_format.next().is_none().then_some(first)
        })
    }

    pub fn gateways(&self) -> impl Iterator<Item = Gateway<'_>> {
        self.gateways.iter().map(|value| Gateway {
            gateway_id: &value.gateway_id,
            format: self.word(value.format),
            environment: self.word(value.environment),
            region: self.word(value.region),
            credential_places: self.words(value.credential_places),
            key_shape: KeyShape {
                prefixes: self.words(value.prefixes),
                length: value.length,
                alphabet: value.alphabet,
                checksum: self.word(value.checksum),
            },
        })
    }

    /// Bytes of memory held, to the nearest few.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.vocabulary.heap_bytes()
            + self.lists.heap_bytes()
            + self.networks.allocation_size()
            + self.keys.heap_bytes()
            + self.principal_ids.heap_bytes()
            + self.principals.heap_bytes()
            + self.tenant_ids.heap_bytes()
            + self.tenants.heap_bytes()
            + self.names.allocation_size()
            + self.grants.heap_bytes()
            + self.routes.heap_bytes()
    }
}

#[cfg(test)]
mod tests;
