//! What the identity directory says of a key, principal or tenant, as a caller may know it.

use claviger_core::access::TenantScope;
use claviger_core::identity::{Directory, KeyAt, PrincipalAt, TenantAt, Words};
use claviger_core::overview::Buckets;
use claviger_core::time;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Kind;
use crate::overview::{at, rows, text};
use crate::query::{Queries, QueryError};

const STATES_MAX: usize = 200;
const SIBLINGS_MAX: usize = 50;

/// The directory's word, and whose changes belong on the page.
#[derive(Debug, Default)]
pub(super) struct Facts {
    label: Option<String>,
    facts: Map<String, Value>,
    /// Kind and id of the entity itself, then of whoever stands behind it.
    behind: Vec<(&'static str, String)>,
    at_us: i64,
}

/// What changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StateAnswer {
    at: String,
    /// The field, with the kind before it where it is not the entity's own: `principal.status`.
    field: String,
    from: Option<String>,
    to: Option<String>,
    /// Of the identity snapshot that showed it.
    version: String,
}

/// Another key of the same principal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiblingRow {
    key_id: String,
    status: &'static str,
    expires_at: Option<String>,
}

impl Facts {
    /// Nothing for what the directory does not know, and for what belongs to another tenant.
    pub(super) fn of(directory: &Directory, tenants: &TenantScope, kind: Kind, id: &str, at_us: i64) -> Self {
        let facts = match kind {
            Kind::Key => directory.find_key(id).map(|key| of_key(directory, &directory.key_at(key, at_us), id, at_us)),
            Kind::Principal => {
                directory.find_principal(id).map(|principal| of_principal(&directory.principal(principal, at_us)))
            }
            Kind::Tenant => directory.find_tenant(id).map(|tenant| of_tenant(&directory.tenant(tenant, at_us))),
            // What was seen on the wire is all there is to know.
            Kind::Network | Kind::Route => None,
        };
        let Some(mut facts) = facts else { return Self::default() };
        let owner = facts.facts.get("tenant_id").and_then(Value::as_str);
        if !tenants.covers(owner) {
            return Self::default();
        }
        facts.at_us = at_us;
        facts.facts.insert("snapshot_version".to_owned(), json!(directory.version()));
        facts.facts.insert("snapshot_source".to_owned(), json!(directory.source()));
        facts.facts.retain(|_, value| !is_empty(value));
        facts
    }

    pub(super) fn is_known(&self) -> bool {
        !self.facts.is_empty()
    }

    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.facts
    }

    /// Other keys of the principal behind a key, or all keys of a principal.
    pub(super) fn siblings(&self, directory: &Directory) -> Vec<SiblingRow> {
        let own = self.behind.first().filter(|(kind, _)| *kind == "key").map(|(_, id)| id.as_str());
        let principal = self.behind.iter().find(|(kind, _)| *kind == "principal");
        let Some((_, principal)) = principal.filter(|(_, id)| !id.is_empty()) else { return Vec::new() };
        let keys = directory.keys().map(|key| directory.key_at(key, self.at_us));
        let of_principal = keys.filter(|key| key.principal_id == principal && Some(key.key_id) != own);
        of_principal
            .take(SIBLINGS_MAX)
            .map(|key| SiblingRow {
                key_id: key.key_id.to_owned(),
                status: key.status.name(),
                expires_at: key.expires_at.map(time::format),
            })
            .collect()
    }

    /// What changed in a range. Asks as an operator: whose changes these are was found out before.
    pub(super) async fn states(&self, queries: &Queries, buckets: Buckets) -> Result<Vec<StateAnswer>, QueryError> {
        let mut states = Vec::new();
        for (place, (kind, id)) in self.behind.iter().enumerate() {
            let parameters =
                [text("kind", kind), text("id", id), at("from", buckets.begins_us()), at("to", buckets.ends_us())];
            let sql = format!(
                "select at, field, before, after, directory_version from identity_history \
                 where kind = $kind and id = $id and at >= $from and at < $to order by at desc limit {STATES_MAX}"
            );
            for batch in rows(queries, &sql, &parameters, &TenantScope::All).await? {
                let (at, field, version) =
                    (batch.longs("at")?, batch.texts("field")?, batch.texts("directory_version")?);
                let (before, after) = (batch.texts("before")?, batch.texts("after")?);
                let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                states.extend((0..batch.len()).map(|row| {
                    let field = field.get(row);
                    let hidden = field == "fingerprint";
                    StateAnswer {
                        at: time::format(at.get(row).unwrap_or(0)),
                        field: if place == 0 { field.to_owned() } else { format!("{kind}.{field}") },
                        // A keyed hash tells nobody anything.
                        from: if hidden { None } else { some(before.get(row)) },
                        to: if hidden { Some("rotated".to_owned()) } else { some(after.get(row)) },
                        version: version.get(row).to_owned(),
                    }
                }));
            }
        }
        states.sort_by(|one, other| one.at.cmp(&other.at));
        Ok(states)
    }
}

fn of_key(directory: &Directory, key: &KeyAt<'_>, id: &str, at_us: i64) -> Facts {
    let principal = key.principal.map(|principal| directory.principal(principal, at_us));
    let of_principal = principal.map_or("", |principal| principal.tenant_id);
    let tenant_id = if key.tenant_id.is_empty() { of_principal } else { key.tenant_id };
    let facts = json!({
        "status": key.status.name(), "status_reason": key.status_reason, "environment": key.environment,
        "principal_id": key.principal_id,
        "principal_name": principal.map(|principal| principal.name),
        "principal_kind": principal.map(|principal| principal.kind.name()),
        "principal_status": principal.map(|principal| principal.status.name()),
        "tenant_id": tenant_id,
        "scopes": words(key.scopes), "models": words(key.models), "allowed_regions": words(key.allowed_regions),
        "allowed_ips": key.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created_at": instant(key.created_at), "expires_at": instant(key.expires_at),
        "revoked_at": instant(key.revoked_at), "last_rotated_at": instant(key.last_rotated_at),
        "deleted_at": instant(key.deleted_at), "known_since": instant(key.known_since),
        "grace_until": instant(key.grace_until), "replaced_by": key.replaced_by,
        "prefix": key.prefix, "last4": key.last4.as_str(),
        "conflicting": key.conflicting.then_some(true),
    });
    let masked = !key.prefix.is_empty() || !key.last4.as_str().is_empty();
    let mut behind = vec![("key", id.to_owned())];
    if !key.principal_id.is_empty() {
        behind.push(("principal", key.principal_id.to_owned()));
    }
    if !tenant_id.is_empty() {
        behind.push(("tenant", tenant_id.to_owned()));
    }
    Facts {
        label: masked.then(|| format!("{}…{}", key.prefix, key.last4.as_str())),
        facts: object(facts),
        behind,
        at_us,
    }
}

fn of_principal(principal: &PrincipalAt<'_>) -> Facts {
    let facts = json!({
        "name": principal.name, "kind": principal.kind.name(), "status": principal.status.name(),
        "status_reason": principal.status_reason, "status_since": instant(principal.status_since),
        "tenant_id": principal.tenant_id, "roles": words(principal.roles), "mfa": principal.mfa,
        "federation_provider": principal.federation_provider, "federation_state": principal.federation_state,
        "manager": principal.manager, "contact": principal.contact, "deleted_at": instant(principal.deleted_at),
    });
    let mut behind = vec![("principal", principal.principal_id.to_owned())];
    if !principal.tenant_id.is_empty() {
        behind.push(("tenant", principal.tenant_id.to_owned()));
    }
    let label = (!principal.name.is_empty()).then(|| principal.name.to_owned());
    Facts { label, facts: object(facts), behind, at_us: 0 }
}

fn of_tenant(tenant: &TenantAt<'_>) -> Facts {
    let facts = json!({
        "tenant_id": tenant.tenant_id, "name": tenant.name, "status": tenant.status.name(),
        "status_reason": tenant.status_reason, "status_since": instant(tenant.status_since),
        "plan": tenant.plan, "regions": words(tenant.regions),
        "quota_tokens": tenant.quotas.tokens, "quota_requests": tenant.quotas.requests,
        "quota_spend": tenant.quotas.spend, "deleted_at": instant(tenant.deleted_at),
    });
    let label = (!tenant.name.is_empty()).then(|| tenant.name.to_owned());
    Facts { label, facts: object(facts), behind: vec![("tenant", tenant.tenant_id.to_owned())], at_us: 0 }
}

fn words(words: Words<'_>) -> Vec<&str> {
    words.iter().collect()
}

fn instant(at_us: Option<i64>) -> Option<String> {
    at_us.map(time::format)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What the directory does not say is left out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
