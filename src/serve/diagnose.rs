//! `/v1/diagnose`: why does it fail? The six steps with their proof.

use std::sync::Arc;

use axum::Json;
use claviger_core::diagnose::Diagnosis;
use claviger_core::lake::TableName;
use claviger_core::time;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::extract::Body;
use super::problem::{Kind, Problem};
use crate::diagnose::Asked;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What is asked about.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Request,
    Key,
    Principal,
    Tenant,
    Incident,
    /// An id of any of these kinds.
    Auto,
    /// The key itself. It is hashed at once and kept nowhere.
    Pasted,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    kind: Subject,
    id: String,
    /// As of when, RFC 3339; for a request, near when it came. Without, when it was last seen.
    #[serde(default)]
    at: Option<String>,
}

/// Explain why something fails
#[utoipa::path(
    post, path = "/v1/diagnose", operation_id = "diagnose", tag = "diagnose", request_body = Question,
    responses((status = 200, description = "Verdict, steps with proof, timeline and remedy", body = Value))
)]
async fn post(
    allowed: Authorized<right::Diagnose>,
    Body(question): Body<Question>,
) -> Result<Json<Diagnosis>, Problem> {
    explain(&allowed, question).await.map(Json)
}

/// The diagnosis, as far as the caller may see.
pub(super) async fn explain(allowed: &Authorized<right::Diagnose>, question: Question) -> Result<Diagnosis, Problem> {
    let Authorized { api, caller, told, .. } = allowed;
    let at = question.at.as_deref().map(instant).transpose()?;
    let directory = Arc::clone(&api.directory.borrow());
    let id = question.id;
    if let Subject::Incident = question.kind {
        told.tables([TableName::Incidents]);
    }
    let asked = match question.kind {
        Subject::Request => Asked::Request(id),
        Subject::Key => Asked::Key(id),
        Subject::Principal => Asked::Principal(id),
        Subject::Tenant => Asked::Tenant(id),
        Subject::Incident => Asked::Incident(id),
        Subject::Auto => Asked::Any(id),
        Subject::Pasted => Asked::shown(&id, &api.pepper, &directory),
    };
    let found = Box::pin(api.diagnoser.diagnose(&asked, at, &directory, &caller.tenants)).await;
    found.map_err(|error| Problem::of(&error))?.ok_or_else(never_seen)
}

pub(super) fn instant(text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::new(Kind::BadRequest, "`at` is no time", "write it as 2026-11-24T09:00:00Z");
    time::instant(text).ok_or_else(wrong)
}

fn never_seen() -> Problem {
    Problem::not_found(
        "neither the lake nor the identity snapshot knows it",
        "check the id; rows that retention removed are gone, and `at` looks only a day around it",
    )
}
