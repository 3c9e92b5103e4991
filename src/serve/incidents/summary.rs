//! An incident as a line of a list.

use std::cmp::Reverse;

use claviger_core::access::TenantScope;
use claviger_core::alert::{Incident, Status, Subject};
use claviger_core::detect::Severity;
use claviger_core::minutes::EntityKind;
use claviger_core::time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::Told;
use crate::overview::Counts;
use crate::serve::api::Api;

const SHORT_ID_CHARS: usize = 8;
/// Active incidents in a picture.
const ACTIVE_MAX: usize = 50;

/// An incident in short.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve) struct IncidentSummary {
    pub(super) id: String,
    short_id: String,
    title: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    severity: &'static str,
    /// `open`, `acknowledged`, `silenced` or `resolved`.
    status: &'static str,
    cause: Option<&'static str>,
    class: Option<&'static str>,
    entity: EntityAnswer,
    /// Null for an incident of several tenants, or of none.
    tenant: Option<String>,
    /// When it was opened.
    since: String,
    /// Where the time begins that its findings judged: midnight, for what is counted by days.
    judged_from: String,
    last_at: String,
    /// Requests that were refused, or should have been; null until they are counted.
    failures: Option<u64>,
    keys: Option<u64>,
    principals: Option<u64>,
    acknowledged_by: Option<String>,
    silenced_until: Option<String>,
    silenced_by: Option<String>,
    /// Counts what changed its state; an act names the version that the person saw.
    version: u64,
}

/// What an incident is about, as `/v1/entities` knows it.
#[derive(Debug, Serialize, ToSchema)]
struct EntityAnswer {
    /// `key`, `principal`, `tenant`, `network`, `route`, `gateway` or `cause`.
    kind: &'static str,
    id: String,
}

/// Where an incident stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Open,
    Acknowledged,
    Silenced,
    Resolved,
}

impl Shown {
    pub(super) const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Silenced, Self::Resolved];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Silenced => "silenced",
            Self::Resolved => "resolved",
        }
    }

    pub(super) fn of(incident: &Incident, now_us: i64) -> Self {
        match incident.status {
            Status::Resolved => Self::Resolved,
            _ if incident.silenced_until_us.is_some_and(|until_us| until_us > now_us) => Self::Silenced,
            Status::Acknowledged => Self::Acknowledged,
            Status::Open => Self::Open,
        }
    }
}

pub(super) fn severity(incident: &Incident) -> Severity {
    incident.announced.map_or_else(|| incident.severity(&Default::default()), |told| told.severity)
}

/// Open before ended, then by severity, then by how many findings there are.
pub(super) fn worst_first(incidents: &mut [&Incident]) {
    incidents.sort_by_key(|incident| {
        let active = incident.status.is_active();
        Reverse((active, severity(incident), incident.findings, incident.last_seen_us))
    });
}

/// The active incidents that a scope may see, the worst first.
pub(in crate::serve) async fn active_summaries(
    api: &Api,
    told: &Told,
    tenants: &TenantScope,
    now_us: i64,
) -> Vec<IncidentSummary> {
    let mut active: Vec<&Incident> =
        told.incidents.active().filter(|incident| tenants.covers(Some(&incident.group.tenant))).collect();
    worst_first(&mut active);
    active.truncate(ACTIVE_MAX);
    summaries(api, &active, now_us).await
}

/// In the order given. The caller has seen to it that they may be seen.
pub(in crate::serve) async fn summaries(api: &Api, incidents: &[&Incident], now_us: i64) -> Vec<IncidentSummary> {
    let counts = api.overviews.counted().of(&api.queries, incidents, now_us).await;
    incidents.iter().map(|incident| summary(incident, counts.get(&incident.id).copied(), now_us)).collect()
}

pub(super) fn summary(incident: &Incident, counts: Option<Counts>, now_us: i64) -> IncidentSummary {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let silenced_until_us = incident.silenced_until_us.filter(|until_us| *until_us > now_us);
    IncidentSummary {
        id: incident.id.to_string(),
        short_id: incident.id.as_str().chars().take(SHORT_ID_CHARS).collect(),
        title: incident.title(),
        severity: severity(incident).name(),
        status: Shown::of(incident, now_us).name(),
        cause: incident.cause.map(|cause| cause.name()),
        class: incident.cause.map(|cause| cause.class().name()),
        entity: entity(incident),
        tenant: said(&incident.group.tenant),
        since: time::format(incident.opened_at_us),
        judged_from: time::format(incident.judged_from_us),
        last_at: time::format(incident.last_seen_us),
        failures: counts.map(|counts| counts.failures),
        keys: counts.map(|counts| counts.keys),
        principals: counts.map(|counts| counts.principals),
        acknowledged_by: said(&incident.acknowledged_by),
        silenced_until: silenced_until_us.map(time::format),
        silenced_by: silenced_until_us.and_then(|_| said(&incident.silenced_by)),
        version: incident.version,
    }
}

/// The narrowest thing that all of it is about.
fn entity(incident: &Incident) -> EntityAnswer {
    let only = |dimension: &str| incident.affected.get(dimension).filter(|values| values.len() == 1)?.first().cloned();
    match &incident.group.subject {
        Subject::Entity(kind, name) => EntityAnswer { kind: entity_kind(*kind), id: name.clone() },
        Subject::Cause(cause) => {
            let narrow = [("principal", only("principal")), ("key", only("key"))];
            let narrow = narrow.into_iter().find_map(|(kind, id)| Some(EntityAnswer { kind, id: id? }));
            narrow.unwrap_or_else(|| match incident.group.tenant.as_str() {
                "" => EntityAnswer { kind: "cause", id: cause.name().to_owned() },
                tenant => EntityAnswer { kind: "tenant", id: tenant.to_owned() },
            })
        }
    }
}

pub(in crate::serve) const fn entity_kind(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Source => "network",
        EntityKind::Key | EntityKind::Tenant | EntityKind::Route | EntityKind::Gateway | EntityKind::Principal => {
            kind.name()
        }
    }
}
