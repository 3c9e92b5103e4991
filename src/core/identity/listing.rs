//! What a directory holds, as rows of the lake tables `directory_keys` and `directory_routes`: beside the traffic, so
//! that SQL can ask for keys that never called, rights that nobody used and flows that will stop.
//!
//! A row is a key as one snapshot had it, its owner and rights resolved. The first snapshot lists every key, a later one
//! those that differ; the newest row of a key is what holds. Routes are few and are listed together: those of the newest
//! `as_of` hold. No secret in it, nor a hash of one.
//!
//! Rows are made a part at a time, so that a million keys never stand in memory twice.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::timeline::OPEN;
use super::{Directory, KeyIx, Last4, Route};
use crate::event::{ColumnKind, DictColumn, ListColumn, TextColumn, TimeColumn};

/// Keys of one part.
const PART_KEYS: usize = 65_536;

macro_rules! listed {
    ($(#[$doc:meta])* $builder:ident, $schema:ident, $meaning:ident { $($name:ident $kind:ident $nullable:literal $text:literal;)* }) => {
        #[derive(Default)]
        struct $builder { $($name: listed!(@builder $kind)),* }

        impl $builder {
            fn finish(&mut self) -> RecordBatch {
                let columns = vec![$(self.$name.finish()),*];
                RecordBatch::try_new(Arc::clone(&$schema), columns).expect("builders make the types that the schema names")
            }
        }

        $(#[$doc])*
        pub static $schema: LazyLock<SchemaRef> = LazyLock::new(|| {
            Arc::new(Schema::new(vec![$(Field::new(stringify!($name), ColumnKind::$kind.arrow_type(), $nullable)),*]))
        });

        /// What a column means; empty for a name that is none.
        #[must_use]
        pub fn $meaning(name: &str) -> &'static str {
            match name { $(stringify!($name) => $text,)* _ => "" }
        }
    };
    (@builder Dict) => { DictColumn };
    (@builder Text) => { TextColumn };
    (@builder Time) => { TimeColumn };
    (@builder List) => { ListColumn };
}

listed! {
    /// Columns of the `directory_keys` table.
    KeyRows, DIRECTORY_KEY_SCHEMA, meaning_of_directory_key_column {
        as_of             Time false "when the snapshot was taken that says so, UTC";
        directory_version Dict false "version of the identity directory that says so";
        key_id            Text false "the key";
        mask              Text true  "how the key looks: prefix and last four characters";
        environment       Dict true  "environment of the key";
        tenant_id         Dict true  "tenant of the key";
        principal_id      Text true  "principal behind the key";
        principal_name    Text true  "its name";
        principal_kind    Dict true  "human, service or federated; null when the directory has no such principal";
        principal_status  Dict true  "active, deactivated, suspended, deleted or pending";
        contact           Text true  "whom to ask about the principal";
        status            Dict false "active, disabled or revoked";
        created_at        Time true  "when the key was made, UTC";
        expires_at        Time true  "when it ends by itself, UTC; null for never";
        revoked_at        Time true  "when it was revoked or disabled, UTC";
        last_rotated_at   Time true  "when its secret was last exchanged, UTC";
        replaced_by       Text true  "key that takes its place";
        grace_until       Time true  "until when a replaced key still works, UTC";
        gone_at           Time true  "when the identity system ceased to hold it, UTC; null while it does";
        scopes            List true  "scopes that a call with the key has: the key's own and its principal's grants";
        models            List true  "AI models it may call; null for no rule";
        allowed_networks  List true  "networks it may be used from; null for anywhere";
        allowed_regions   List true  "regions it may be used in; null for anywhere";
        quotas            List true  "what its tenant has a quota of: tokens, requests, spend";
    }
}

listed! {
    /// Columns of the `directory_routes` table.
    RouteRows, DIRECTORY_ROUTE_SCHEMA, meaning_of_directory_route_column {
        as_of             Time false "when the snapshot was taken that says so, UTC";
        directory_version Dict false "version of the identity directory that says so";
        method            Dict true  "HTTP method; null for any";
        template          Text false "path with its parameters named";
        pattern           Text false "regular expression that the paths of the route match as a whole";
        required_scopes   List true  "scopes that a call needs; null for none";
        environment       Dict true  "environment of the route";
        sunset_at         Time true  "when the route is, or was, withdrawn, UTC";
    }
}

/// The keys of a directory that are news.
pub struct KeyListing {
    directory: Arc<Directory>,
    keys: Vec<KeyIx>,
}

impl KeyListing {
    /// Every key when `previous` is empty, else those that `next` has otherwise.
    #[must_use]
    pub fn between(previous: &Directory, next: Arc<Directory>) -> Self {
        let at = next.noticed_at();
        let current = next.keys().filter(|&key| next.stands_for_its_id(key));
        let keys = if previous.snapshots().is_empty() {
            current.collect()
        } else {
            let differs = |&key: &KeyIx| {
                let now = ListedKey::of(&next, key, at);
                previous.find_key(now.key_id).map(|before| ListedKey::of(previous, before, at)) != Some(now)
            };
            current.filter(differs).collect()
        };
        Self { directory: next, keys }
    }

    /// How many parts the rows come in.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.keys.len().div_ceil(PART_KEYS)
    }

    /// The rows of a part, counted from 0; none for a part that there is not.
    #[must_use]
    pub fn rows(&self, part: usize) -> RecordBatch {
        let (directory, at) = (&self.directory, self.directory.noticed_at());
        let mut rows = KeyRows::default();
        for &key in self.keys.chunks(PART_KEYS).nth(part).unwrap_or_default() {
            rows.push(directory, &ListedKey::of(directory, key, at));
        }
        rows.finish()
    }
}

/// The routes of `next`, if they are not those of `previous`.
#[must_use]
pub fn route_rows(previous: &Directory, next: &Directory) -> Option<RecordBatch> {
    let listed = |directory: &Directory| {
        let shown = |route: Route<'_>| format!("{:?}", Route { route: super::RouteIx(0), ..route });
        directory.routes().map(shown).collect::<Vec<_>>()
    };
    if listed(previous) == listed(next) {
        return None;
    }
    let mut rows = RouteRows::default();
    for route in next.routes() {
        rows.as_of.push(Some(next.noticed_at()));
        rows.directory_version.push(next.version());
        rows.method.push(route.method);
        rows.template.push(route.template);
        rows.pattern.push(&pattern(route.template));
        rows.required_scopes.push(route.required_scopes.iter());
        rows.environment.push(route.environment);
        rows.sunset_at.push(route.sunset_at);
    }
    Some(rows.finish())
}

/// A regular expression for the paths of a template: a parameter is any one segment, a last `*` any rest.
fn pattern(template: &str) -> String {
    let mut pattern = String::from("^");
    for segment in super::routes::segments(template) {
        if segment == "*" || segment == "**" {
            pattern.push_str("(/.*)?$");
            return pattern;
        }
        pattern.push('/');
        if super::routes::parameter_name(segment).is_some() {
            pattern.push_str("[^/]+");
        } else {
            pattern.push_str(&regex::escape(segment));
        }
    }
    pattern.push_str("/?$");
    pattern
}

/// A key with its owner and rights, as at an instant.
#[derive(PartialEq)]
struct ListedKey<'d> {
    key_id: &'d str,
    prefix: &'d str,
    last4: Last4,
    environment: &'d str,
    tenant_id: &'d str,
    principal_id: &'d str,
    principal: Option<(&'d str, &'static str, &'static str, &'d str)>,
    status: &'static str,
    /// Made, ends, revoked, rotated, end of grace, gone.
    times: [Option<i64>; 6],
    replaced_by: &'d str,
    scopes: Vec<&'d str>,
    models: Vec<&'d str>,
    allowed_networks: Vec<String>,
    allowed_regions: Vec<&'d str>,
    quotas: [bool; 3],
}

const QUOTAS: [&str; 3] = ["tokens", "requests", "spend"];

impl<'d> ListedKey<'d> {
    fn of(directory: &'d Directory, key: KeyIx, at: i64) -> Self {
        let row = directory.key_at(key, at);
        let principal = row.principal.map(|principal| directory.principal(principal, at));
        let quotas = row.tenant.map(|tenant| directory.tenant(tenant, at).quotas).unwrap_or_default();
        Self {
            key_id: row.key_id,
            prefix: row.prefix,
            last4: row.last4,
            environment: row.environment,
            tenant_id: row.tenant_id,
            principal_id: row.principal_id,
            principal: principal.map(|owner| (owner.name, owner.kind.name(), owner.status.name(), owner.contact)),
            status: row.status.name(),
            times: [
                row.created_at,
                row.expires_at,
                row.revoked_at,
                row.last_rotated_at,
                row.grace_until,
                row.deleted_at.filter(|&gone_at| gone_at != OPEN),
            ],
            replaced_by: row.replaced_by,
            scopes: directory.scopes_of(row.principal, Some(key), at).list(),
            models: row.models.iter().collect(),
            allowed_networks: row.allowed_ips.iter().map(ToString::to_string).collect(),
            allowed_regions: row.allowed_regions.iter().collect(),
            quotas: [quotas.tokens.is_some(), quotas.requests.is_some(), quotas.spend.is_some()],
        }
    }

    /// As in the events' column: what stands before and after the masked part. Empty when neither is known.
    fn mask(&self) -> String {
        match (self.prefix, self.last4.as_str()) {
            ("", "") => String::new(),
            (prefix, last4) => format!("{prefix}…{last4}"),
        }
    }
}

impl KeyRows {
    fn push(&mut self, directory: &Directory, key: &ListedKey<'_>) {
        let (name, kind, status, contact) = key.principal.unwrap_or_default();
        let [created_at, expires_at, revoked_at, last_rotated_at, grace_until, gone_at] = key.times;
        self.as_of.push(Some(directory.noticed_at()));
        self.directory_version.push(directory.version());
        self.key_id.push(key.key_id);
        self.mask.push(&key.mask());
        self.environment.push(key.environment);
        self.tenant_id.push(key.tenant_id);
        self.principal_id.push(key.principal_id);
        self.principal_name.push(name);
        self.principal_kind.push(kind);
        self.principal_status.push(status);
        self.contact.push(contact);
        self.status.push(key.status);
        self.created_at.push(created_at);
        self.expires_at.push(expires_at);
        self.revoked_at.push(revoked_at);
        self.last_rotated_at.push(last_rotated_at);
        self.replaced_by.push(key.replaced_by);
        self.grace_until.push(grace_until);
        self.gone_at.push(gone_at);
        self.scopes.push(key.scopes.iter().copied());
        self.models.push(key.models.iter().copied());
        self.allowed_networks.push(key.allowed_networks.iter().map(String::as_str));
        self.allowed_regions.push(key.allowed_regions.iter().copied());
        self.quotas.push(QUOTAS.into_iter().zip(key.quotas).filter(|(_, has)| *has).map(|(name, _)| name));
    }
}
