//! `/v1/queries`: SQL that people keep under a name, each tenant for itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use claviger_core::saved::{SavedEvent, SavedQuery, Unsavable, check, owner, standing};
use claviger_core::time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Right, Sealed, right};
use super::extract::{Body, Named};
use super::problem::{Kind, Problem};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
}

#[derive(Serialize, ToSchema)]
struct Query {
    name: String,
    sql: String,
    saved_by: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    saved_at: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    sql: String,
}

/// List saved queries
#[utoipa::path(
    get, path = "/v1/queries", operation_id = "list_queries", tag = "queries",
    responses((status = 200, description = "By name", body = Vec<Query>))
)]
async fn list(allowed: Authorized<right::Query>) -> Result<Json<Vec<Query>>, Problem> {
    Ok(Json(kept(&allowed).await?.into_values().map(Query::from).collect()))
}

/// Read a saved query
#[utoipa::path(
    get, path = "/v1/queries/{name}", operation_id = "get_query", tag = "queries", params(("name" = String, Path)),
    responses((status = 200, description = "The query", body = Query))
)]
async fn get(allowed: Authorized<right::Query>, Named(name): Named<String>) -> Result<Json<Query>, Problem> {
    kept(&allowed).await?.remove(&name).map(|query| Json(query.into())).ok_or_else(unknown)
}

/// Save a query
#[utoipa::path(
    put, path = "/v1/queries/{name}", operation_id = "save_query", tag = "queries", params(("name" = String, Path)),
    request_body = Text,
    responses((status = 200, description = "As it was saved", body = Query))
)]
async fn put(
    allowed: Authorized<right::Query>,
    Named(name): Named<String>,
    Body(text): Body<Text>,
) -> Result<Json<Query>, Problem> {
    check(&name, &text.sql, &kept(&allowed).await?).map_err(|error| unsavable(&error))?;
    let saved = event(&allowed, name, Some(text.sql));
    record(&allowed, &saved).await?;
    let SavedEvent { at, name, sql, by, .. } = saved;
    Ok(Json(SavedQuery { name, sql: sql.unwrap_or_default(), saved_by: by, saved_at: at }.into()))
}

/// Take a saved query away
#[utoipa::path(
    delete, path = "/v1/queries/{name}", operation_id = "delete_query", tag = "queries",
    params(("name" = String, Path)), responses((status = 204, description = "It is gone"))
)]
async fn delete(allowed: Authorized<right::Query>, Named(name): Named<String>) -> Result<StatusCode, Problem> {
    if !kept(&allowed).await?.contains_key(&name) {
        return Err(unknown());
    }
    record(&allowed, &event(&allowed, name, None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn kept<R: Right>(allowed: &Authorized<R>) -> Result<BTreeMap<String, SavedQuery>, Problem> {
    let events = allowed.api.lake.saved_queries().await.map_err(|error| Problem::of(&error))?;
    Ok(standing(events, owner(&allowed.caller.tenants)))
}

async fn record<R: Right>(allowed: &Authorized<R>, event: &SavedEvent) -> Result<(), Problem> {
    allowed.api.lake.record_saved(std::slice::from_ref(event)).await.map_err(|error| Problem::of(&error))
}

fn event<R: Right>(allowed: &Authorized<R>, name: String, sql: Option<String>) -> SavedEvent {
    let (tenant, by) = (owner(&allowed.caller.tenants).to_owned(), allowed.caller.name.clone());
    SavedEvent { at: chrono::Utc::now().timestamp_micros(), tenant, name, sql, by }
}

fn unsavable(error: &Unsavable) -> Problem {
    let hint = match error {
        Unsavable::Name => "choose a short name",
        Unsavable::Sql => "keep one SELECT statement",
        Unsavable::Full => "take some away that nobody needs",
    };
    Problem::new(Kind::Refused, error.to_string(), hint)
}

fn unknown() -> Problem {
    Problem::not_found("no query is saved under this name", "`GET /v1/queries` lists those that are")
}

impl From<SavedQuery> for Query {
    fn from(SavedQuery { name, sql, saved_by, saved_at }: SavedQuery) -> Self {
        Self { name, sql, saved_by, saved_at: time::format(saved_at) }
    }
}
