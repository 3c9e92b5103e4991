//! What happened in a range that may explain it: incidents that began, and identities that changed.
//!
//! Changes of identities have no tenant column: which are a tenant's own is asked of the directory, and what it does not
//! know to be a tenant's is shown to none.

use claviger_core::access::TenantScope;
use claviger_core::identity::Directory;
use claviger_core::overview::Buckets;
use claviger_core::time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::Told;
use crate::overview::{at, rows};
use crate::query::QueryError;
use crate::serve::api::Api;

/// Markers of one kind; a chart shows a dozen, the rest is for its table.
const MARKERS_MAX: usize = 100;
/// Changes that are looked at, the newest first.
const CHANGES_MAX: usize = 2_000;

/// An instant worth a mark on the time axis.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MarkerAnswer {
    at: String,
    /// `incident` or `identity_change`.
    kind: &'static str,
    title: String,
    /// Of the incident, or of the key, principal or tenant that changed.
    id: String,
}

pub(super) async fn markers(
    api: &Api,
    told: &Told,
    tenants: &TenantScope,
    buckets: Buckets,
    now_us: i64,
) -> Result<Vec<MarkerAnswer>, QueryError> {
    let began = told
        .incidents
        .iter()
        .filter(|incident| tenants.covers(Some(&incident.group.tenant)) && buckets.at(incident.opened_at_us).is_some());
    let mut markers: Vec<MarkerAnswer> = began
        .map(|incident| MarkerAnswer {
            at: time::format(incident.opened_at_us),
            kind: "incident",
            title: incident.title(),
            id: incident.id.to_string(),
        })
        .take(MARKERS_MAX)
        .collect();
    markers.extend(identity_changes(api, tenants, buckets, now_us).await?);
    Ok(markers)
}

async fn identity_changes(
    api: &Api,
    tenants: &TenantScope,
    buckets: Buckets,
    now_us: i64,
) -> Result<Vec<MarkerAnswer>, QueryError> {
    let sql = format!(
        "select at, kind, id, field, before, after from identity_history \
         where kind in ('key', 'principal', 'tenant') and at >= $from and at < $to order by at desc limit {CHANGES_MAX}"
    );
    let range = [at("from", buckets.begins_us()), at("to", buckets.ends_us().min(now_us))];
    let batches = rows(&api.queries, &sql, &range, &TenantScope::All).await?;
    let directory = api.directory.borrow().clone();
    let mut changes = Vec::new();
    for batch in batches {
        let (at, kind, id) = (batch.longs("at")?, batch.texts("kind")?, batch.texts("id")?);
        let (field, before, after) = (batch.texts("field")?, batch.texts("before")?, batch.texts("after")?);
        for row in 0..batch.len() {
            let at_us = at.get(row).unwrap_or(0);
            if changes.len() >= MARKERS_MAX || !is_of(&directory, tenants, kind.get(row), id.get(row), at_us) {
                continue;
            }
            let title = title(kind.get(row), id.get(row), field.get(row), before.get(row), after.get(row));
            changes.push(MarkerAnswer {
                at: time::format(at_us),
                kind: "identity_change",
                title,
                id: id.get(row).to_owned(),
            });
        }
    }
    Ok(changes)
}

/// Whether a scope may know of a change.
fn is_of(directory: &Directory, tenants: &TenantScope, kind: &str, id: &str, at_us: i64) -> bool {
    if *tenants == TenantScope::All {
        return true;
    }
    let tenant = match kind {
        "key" => directory.find_key(id).map(|key| directory.key_at(key, at_us).tenant_id),
        "principal" => directory.find_principal(id).map(|principal| directory.principal(principal, at_us).tenant_id),
        "tenant" => Some(id),
        _ => None,
    };
    tenant.is_some_and(|tenant| tenants.covers(Some(tenant)))
}

fn title(kind: &str, id: &str, field: &str, before: &str, after: &str) -> String {
    match (field, before, after) {
        ("row", "", _) => format!("{kind} {id} created"),
        ("row", ..) => format!("{kind} {id} removed"),
        // Values are keyed hashes, which tell nobody anything.
        ("fingerprint", ..) => format!("{kind} {id} rotated"),
        ("status", _, after) => format!("{kind} {id} {after}"),
        (field, "", after) => format!("{kind} {id}: {field} {after}"),
        (field, before, "") => format!("{kind} {id}: {field} no longer {before}"),
        (field, before, after) => format!("{kind} {id}: {field} {before} → {after}"),
    }
}
