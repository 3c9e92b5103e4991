//! `/v1/incidents`: the list, one with all there is to know, and what people do with it.
//!
//! A caller sees incidents of its own tenant; one of several tenants, or of none, is for those who see every tenant. What
//! it may not see does not exist for it. Acts are appended as rows, as the command line does it.

mod page;
mod summary;

use axum::Json;
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::alert::{Act, Incident, Matchers, Person, cut, hidden_by};
use claviger_core::lake::TableName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::extract::{Asked, Body, Named};
use super::problem::{Kind, Problem};
use super::range::narrowed;
use crate::alert::{ActError, Told};
use page::{IncidentPage, page};
use summary::Shown;
pub(super) use summary::{IncidentSummary, active_summaries, summaries};

const INCIDENTS_MAX: usize = 500;
/// As much as a row keeps of what a person wrote.
const NOTE_CHARS_MAX: usize = 2_000;
/// Nobody silences for ever.
const SILENCE_S_MAX: u64 = 30 * 86_400;
/// An id may be shortened to as many letters.
const ID_CHARS_MIN: usize = 4;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(would_hide, silence))
        .routes(routes!(change))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListAsked {
    /// `open`, `acknowledged`, `silenced`, `resolved`, `active` or `all`; `all` without it.
    state: Option<String>,
    /// Only this tenant's.
    tenant: Option<String>,
}

/// Incidents, the worst first
#[utoipa::path(
    get, path = "/v1/incidents", tag = "incidents", params(ListAsked),
    responses((status = OK, body = Vec<IncidentSummary>))
)]
async fn list(
    caller: Authorized<right::Report>,
    Asked(asked): Asked<ListAsked>,
) -> Result<Json<Vec<IncidentSummary>>, Problem> {
    let tenants = narrowed(&caller.caller.tenants, asked.tenant.as_deref())?;
    let now_us = Utc::now().timestamp_micros();
    let wanted = asked.state.as_deref().map_or(Ok(Wanted::All), |state| {
        Wanted::named(state).ok_or_else(|| {
            let hint = "write open, acknowledged, silenced, resolved, active or all";
            Problem::new(Kind::Refused, "`state` is no state of incidents", hint)
        })
    })?;
    let told = read(&caller).await?;
    let mut shown: Vec<&Incident> = told
        .incidents
        .iter()
        .filter(|incident| tenants.covers(Some(&incident.group.tenant)))
        .filter(|incident| wanted.holds(Shown::of(incident, now_us)))
        .collect();
    summary::worst_first(&mut shown);
    shown.truncate(INCIDENTS_MAX);
    caller.told.rows(shown.len());
    Ok(Json(summaries(&caller.api, &shown, now_us).await))
}

#[derive(Clone, Copy)]
enum Wanted {
    All,
    Active,
    One(Shown),
}

impl Wanted {
    fn named(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "active" => Some(Self::Active),
            name => Shown::ALL.into_iter().find(|shown| shown.name() == name).map(Self::One),
        }
    }

    fn holds(self, shown: Shown) -> bool {
        match self {
            Self::All => true,
            Self::Active => shown != Shown::Resolved,
            Self::One(wanted) => shown == wanted,
        }
    }
}

/// One incident: what it is, who is hit, what to do, and what was done
#[utoipa::path(
    get, path = "/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id, or its first letters")),
    responses((status = OK, body = IncidentPage))
)]
async fn one(caller: Authorized<right::Report>, Named(id): Named<String>) -> Result<Json<IncidentPage>, Problem> {
    let told = read(&caller).await?;
    let incident = find(&told, &caller.caller.tenants, &id)?;
    caller.told.rows(1);
    Ok(Json(page(&caller.api, &told, incident, &caller.caller.tenants, Utc::now().timestamp_micros()).await))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HideAsked {
    /// Matchers as in Alertmanager, with semicolons between; those of the incident itself without it.
    matchers: Option<String>,
}

/// What a silence would hide
#[derive(Debug, Serialize, ToSchema)]
struct HiddenAnswer {
    /// Incidents that are open now.
    open: u64,
    /// Findings of the last week.
    findings: u64,
}

/// How much a silence would hide: open incidents, and findings of the last week
#[utoipa::path(
    get, path = "/v1/incidents/{id}/silence", tag = "incidents",
    params(("id" = String, Path, description = "Id, or its first letters"), HideAsked),
    responses((status = OK, body = HiddenAnswer))
)]
async fn would_hide(
    caller: Authorized<right::Report>,
    Named(id): Named<String>,
    Asked(asked): Asked<HideAsked>,
) -> Result<Json<HiddenAnswer>, Problem> {
    let told = read(&caller).await?;
    let tenants = &caller.caller.tenants;
    let incident = find(&told, tenants, &id)?;
    let may_see = |tenant: &str| tenants.covers(Some(tenant));
    let now_us = Utc::now().timestamp_micros();
    let Some(texts) = asked.matchers else {
        // A silence by hand is about this incident alone: the findings that became part of it.
        let week_us = now_us - 7 * 86_400_000_000;
        let of_it = told.events.iter().filter(|event| event.incident == incident.id);
        let findings = of_it.filter_map(|event| event.what.claim()).filter(|claim| claim.to_us > week_us).count();
        let open = u64::from(incident.status.is_active());
        return Ok(Json(HiddenAnswer { open, findings: findings as u64 }));
    };
    let texts: Vec<String> = texts.split(';').map(|text| text.trim().to_owned()).collect();
    let matchers = Matchers::parse(&texts).map_err(|error| {
        Problem::new(Kind::Refused, error.to_string(), "write them as in `tenant=\"acme\";cause=\"user_deleted\"`")
    })?;
    let hidden = hidden_by(&matchers, &told.incidents, &told.events, may_see, now_us);
    Ok(Json(HiddenAnswer { open: hidden.open, findings: hidden.findings }))
}

/// What a person does with an incident.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangeAsked {
    /// The version that the person saw: where it has moved on, and that matters, nothing is changed.
    version: Option<u64>,
    /// Why.
    #[serde(default)]
    note: String,
    /// Length of a silence, seconds.
    for_s: Option<u64>,
    /// Of feedback: whether it was meant to be so.
    benign: Option<bool>,
}

/// Takes an incident, gives it back, lifts its silence, ends it, notes something, or says what it was
#[utoipa::path(
    post, path = "/v1/incidents/{id}/{act}", tag = "incidents", request_body = ChangeAsked,
    params(
        ("id" = String, Path, description = "Id, or its first letters"),
        ("act" = String, Path, description = "`ack`, `unack`, `unsilence`, `resolve`, `note` or `feedback`")
    ),
    responses((status = OK, body = IncidentPage), (status = CONFLICT, description = "It has changed meanwhile"))
)]
async fn change(
    caller: Authorized<right::IncidentsWrite>,
    Named((id, word)): Named<(String, String)>,
    Body(asked): Body<ChangeAsked>,
) -> Result<Json<IncidentPage>, Problem> {
    carry_out(caller, id, &word, asked).await
}

/// Holds an incident's notices back for a while
#[utoipa::path(
    post, path = "/v1/incidents/{id}/silence", tag = "incidents", request_body = ChangeAsked,
    params(("id" = String, Path, description = "Id, or its first letters")),
    responses((status = OK, body = IncidentPage), (status = CONFLICT, description = "It has changed meanwhile"))
)]
async fn silence(
    caller: Authorized<right::IncidentsWrite>,
    Named(id): Named<String>,
    Body(asked): Body<ChangeAsked>,
) -> Result<Json<IncidentPage>, Problem> {
    carry_out(caller, id, "silence", asked).await
}

async fn carry_out(
    caller: Authorized<right::IncidentsWrite>,
    id: String,
    word: &str,
    asked: ChangeAsked,
) -> Result<Json<IncidentPage>, Problem> {
    let now_us = Utc::now().timestamp_micros();
    let wanted = act_of(word, &asked, now_us)?;
    let tenants = &caller.caller.tenants;
    let book = &caller.api.incidents;
    let told = read(&caller).await?;
    let id = find(&told, tenants, &id)?.id.clone();
    let person = Person { by: caller.caller.name.clone(), note: cut(asked.note.trim(), NOTE_CHARS_MAX).to_string() };
    book.act(&id, wanted, &person, asked.version).await.map_err(|error| match error {
        ActError::Unknown => unknown(),
        ActError::Overtaken(_) => Problem::of_kind(Kind::Conflict, &error),
        ActError::ClockBehind | ActError::Lake { .. } => Problem::of(&error),
    })?;
    let told = read(&caller).await?;
    let incident = told.incidents.get(&id).ok_or_else(unknown)?;
    caller.told.rows(1);
    Ok(Json(page(&caller.api, &told, incident, tenants, now_us).await))
}

fn act_of(word: &str, asked: &ChangeAsked, now_us: i64) -> Result<Act, Problem> {
    let lacks = |what: &'static str, hint: &'static str| Problem::new(Kind::Refused, what, hint);
    let said = !asked.note.trim().is_empty();
    match word {
        "ack" => Ok(Act::Acknowledge),
        "unack" => Ok(Act::Release),
        "silence" => {
            let Some(for_s @ 1..=SILENCE_S_MAX) = asked.for_s else {
                return Err(lacks("a silence has an end", "send `for_s`: seconds, at most 30 days"));
            };
            if !said {
                return Err(lacks("a silence has a reason", "send `note`: who reads the list sees it"));
            }
            let for_us = i64::try_from(for_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
            Ok(Act::Silence { until_us: now_us.saturating_add(for_us) })
        }
        "unsilence" => Ok(Act::Unsilence),
        "resolve" => Ok(Act::Resolve),
        "note" if said => Ok(Act::Note),
        "note" => Err(lacks("the note is empty", "send `note`")),
        "feedback" => match asked.benign {
            Some(benign) => Ok(Act::Judge { benign }),
            None => Err(lacks("feedback says whether it was benign", "send `benign`: true or false")),
        },
        _ => {
            let hint = "ack, unack, silence, unsilence, resolve, note or feedback";
            Err(Problem::not_found("this cannot be done with an incident", hint))
        }
    }
}

/// What the lake tells of incidents, which the record of the access then says.
async fn read<R>(caller: &Authorized<R>) -> Result<std::sync::Arc<Told>, Problem> {
    caller.told.tables([TableName::Incidents]);
    caller.api.incidents.read().await.map_err(|error| Problem::of(&error))
}

/// The incident that a caller may see whose id begins so.
fn find<'a>(told: &'a Told, tenants: &TenantScope, id: &str) -> Result<&'a Incident, Problem> {
    let mut found = told
        .incidents
        .iter()
        .filter(|incident| tenants.covers(Some(&incident.group.tenant)))
        .filter(|incident| id.len() >= ID_CHARS_MIN && incident.id.as_str().starts_with(id));
    match (found.next(), found.next()) {
        (Some(incident), None) => Ok(incident),
        (Some(_), Some(_)) => Err(Problem::not_found("several incidents begin so", "write more of the id")),
        (None, _) => Err(unknown()),
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no such incident", "`/v1/incidents` lists them; ended ones go after a week")
}
