//! `/v1/what-if`: who would break, if something were switched off. Told from real traffic; nothing is changed.

use std::sync::Arc;

use axum::Json;
use claviger_core::whatif::{Change, Impact};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::diagnose::instant;
use super::extract::Asked;
use super::problem::{Kind, Problem};
use crate::diagnose::impact;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(what_if))
}

/// A change that is thought of: one of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Thought {
    /// Switch a user or machine identity off.
    disable_principal: Option<String>,
    /// Revoke a key.
    revoke_key: Option<String>,
    /// Suspend a tenant.
    suspend_tenant: Option<String>,
    /// Take a scope away from everybody.
    drop_scope: Option<String>,
    /// The end of the week that is looked at, RFC 3339; without, the newest request.
    at: Option<String>,
}

impl Thought {
    fn change(self) -> Result<Change, Problem> {
        let changes = [
            self.disable_principal.map(Change::DisablePrincipal),
            self.revoke_key.map(Change::RevokeKey),
            self.suspend_tenant.map(Change::SuspendTenant),
            self.drop_scope.map(Change::DropScope),
        ];
        let mut changes = changes.into_iter().flatten();
        match (changes.next(), changes.next()) {
            (Some(change), None) => Ok(change),
            _ => Err(Problem::new(
                Kind::BadRequest,
                "one change can be thought of at a time",
                "name one of `disable_principal`, `revoke_key`, `suspend_tenant` and `drop_scope`",
            )),
        }
    }
}

/// Who would break if a user, key, tenant or scope went
#[utoipa::path(
    get, path = "/v1/what-if", operation_id = "what_if", tag = "diagnose", params(Thought),
    responses((
        status = 200,
        description = "Served traffic of the last week that depends on it: sentence, tenants, keys, routes, callers",
        body = Value
    ))
)]
async fn what_if(
    allowed: Authorized<right::Diagnose>,
    Asked(thought): Asked<Thought>,
) -> Result<Json<Impact>, Problem> {
    let Authorized { api, caller, .. } = allowed;
    let at = thought.at.as_deref().map(instant).transpose()?;
    let change = thought.change()?;
    let directory = Arc::clone(&api.directory.borrow());
    let found = Box::pin(impact(&api.queries, &directory, &change, at, &caller.tenants)).await;
    let found = found.map_err(|error| Problem::of(&error))?;
    if found.known { Ok(Json(found)) } else { Err(unknown()) }
}

fn unknown() -> Problem {
    Problem::not_found(
        "neither the identity snapshot nor the traffic of the week knows it",
        "check the id, and which kind of thing it is the id of",
    )
}
