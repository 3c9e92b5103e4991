//! `GET /v1/entities/{kind}/{id}`: what a key, principal, tenant, network or route is, and what it has been doing.
//!
//! Facts are those of the identity directory at the end of the range. An id that belongs to another tenant is as unknown to
//! a caller as one that was never issued: no facts, no states, and rows that the caller's scope leaves out.

mod facts;
mod tables;
mod traffic;

use axum::Json;
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::alert::{Incident, Subject};
use claviger_core::lake::TableName;
use claviger_core::minutes::EntityKind;
use claviger_core::time;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::problem;
use super::authorized::{Authorized, Sealed, right};
use super::extract::{Asked, Named};
use super::findings::{self, FindingAnswer};
use super::incidents::{IncidentSummary, summaries};
use super::overview::SeriesAnswer;
use super::problem::Problem;
use super::range::RangeAsked;
use facts::{Facts, StateAnswer};
use tables::TablesAnswer;

/// Incidents that touched it; the newest are kept.
const INCIDENTS_MAX: usize = 50;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(entity))
}

/// The kinds of things that have a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    Principal,
    Tenant,
    Network,
    Route,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Key, Self::Principal, Self::Tenant, Self::Network, Self::Route];

    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Network => "network",
            Self::Route => "route",
        }
    }

    /// As incidents and `entity_minutes` know it.
    const fn counted(self) -> EntityKind {
        match self {
            Self::Key => EntityKind::Key,
            Self::Principal => EntityKind::Principal,
            Self::Tenant => EntityKind::Tenant,
            Self::Network => EntityKind::Source,
            Self::Route => EntityKind::Route,
        }
    }

    /// Which events are its own; `$id` is its id.
    const fn rule(self) -> &'static str {
        match self {
            Self::Key => "key_id = $id",
            Self::Principal => "principal_id = $id",
            Self::Tenant => "tenant_id = $id",
            Self::Network => "client_network = $id",
            Self::Route => "concat_ws(' ', cast(method as varchar), cast(route as varchar)) = $id",
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct EntityPage {
    kind: &'static str,
    id: String,
    label: String,
    /// Whether the identity directory knows it; networks and routes are known when they were seen.
    known: bool,
    /// What the directory says at the end of the range.
    #[schema(value_type = Object)]
    facts: Map<String, Value>,
    bucket_s: i64,
    buckets: Vec<String>,
    complete_until: String,
    requests: Vec<u64>,
    series: Vec<SeriesAnswer>,
    /// Changes of what the directory says of it, or of whoever stands behind it.
    states: Vec<StateAnswer>,
    findings: Vec<FindingAnswer>,
    incidents: Vec<IncidentSummary>,
    tables: TablesAnswer,
}

/// What a key, principal, tenant, network or route is, and what it has been doing
#[utoipa::path(
    get, path = "/v1/entities/{kind}/{id}", tag = "entities",
    params(
        ("kind" = String, Path, description = "`key`, `principal`, `tenant`, `network` or `route`"),
        ("id" = String, Path, description = "Id, network as 203.0.113.0/24, or method and route"),
        RangeAsked
    ),
    responses((status = OK, body = EntityPage))
)]
async fn entity(
    caller: Authorized<right::Report>,
    Named((kind, id)): Named<(String, String)>,
    Asked(asked): Asked<RangeAsked>,
) -> Result<Json<EntityPage>, Problem> {
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(|| {
        Problem::not_found("there is no such kind of entity", "key, principal, tenant, network or route")
    })?;
    let now_us = Utc::now().timestamp_micros();
    let tenants = asked.tenants(&caller.caller.tenants)?;
    let buckets = asked.buckets(now_us)?;
    let api = &caller.api;
    let failed = |error: crate::query::QueryError| problem(&error);

    let directory = api.directory.borrow().clone();
    let facts = Facts::of(&directory, &tenants, kind, &id, buckets.ends_us().min(now_us));
    let overview = traffic::read(&api.queries, &tenants, kind, &id, buckets, now_us).await.map_err(failed)?;
    let states = facts.states(&api.queries, buckets).await.map_err(failed)?;
    let span_us = (buckets.begins_us(), buckets.ends_us());
    let findings = findings::read(&api.queries, &tenants, span_us, None, Some(&id)).await.map_err(failed)?;
    let siblings = facts.siblings(&directory);
    let tables = tables::read(&api.queries, &tenants, (kind, &id), buckets, siblings).await.map_err(failed)?;

    caller.told.tables([TableName::Incidents]);
    let told = api.incidents.read().await.map_err(|error| Problem::of(&error))?;
    let mut touched: Vec<&Incident> = told
        .incidents
        .iter()
        .filter(|incident| tenants.covers(Some(&incident.group.tenant)) && touches(incident, kind, &id))
        .collect();
    touched.sort_by_key(|incident| std::cmp::Reverse(incident.last_seen_us));
    touched.truncate(INCIDENTS_MAX);
    caller.told.rows(touched.len());

    let seen = overview.requests.iter().any(|requests| *requests > 0);
    Ok(Json(EntityPage {
        kind: kind.name(),
        label: facts.label().unwrap_or(&id).to_owned(),
        known: facts.is_known() || seen && matches!(kind, Kind::Network | Kind::Route),
        facts: facts.into_map(),
        id,
        bucket_s: buckets.width_us() / 1_000_000,
        buckets: buckets.starts_us().map(time::format).collect(),
        complete_until: time::format(overview.complete_until_us),
        requests: overview.requests,
        series: SeriesAnswer::all(overview.series),
        states,
        findings,
        incidents: summaries(api, &touched, now_us).await,
        tables,
    }))
}

fn touches(incident: &Incident, kind: Kind, id: &str) -> bool {
    let is_about = match &incident.group.subject {
        Subject::Entity(of, name) => *of == kind.counted() && name == id,
        Subject::Cause(_) => false,
    };
    let affects = |dimension: &str| incident.affected.get(dimension).is_some_and(|values| values.contains(id));
    is_about || affects(kind.counted().name()) || affects(kind.name())
}

/// The scope, for who may see it.
const fn sees_all(tenants: &TenantScope) -> bool {
    matches!(tenants, TenantScope::All)
}
