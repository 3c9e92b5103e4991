//! The dashboard's session: who is signed in, signing in with a token, signing out.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Request};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use claviger_core::access::{Caller, Scope, TenantScope};
use claviger_core::time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admission::{Admission, cross_site, sent};
use super::audited::Told;
use super::authorized::Sealed;
use super::extract::Body;
use super::gate::Gate;
use super::problem::{Kind, Problem};
use crate::access::{Known, Shown};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(signed_in, sign_in, sign_out))
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Session {
    /// As it stands in the audit trail.
    name: String,
    /// `loopback`, `token` or `oidc`.
    proof: &'static str,
    scopes: Vec<&'static str>,
    /// The one tenant whose rows may be seen; null for all of them.
    tenant: Option<String>,
    /// When the proof ends; null if it does not.
    expires_at: Option<String>,
}

impl Session {
    fn of(caller: Caller, until_us: Option<i64>) -> Self {
        Self {
            name: caller.name,
            proof: caller.proof.word(),
            scopes: caller.scopes.iter().map(Scope::word).collect(),
            tenant: match caller.tenants {
                TenantScope::All => None,
                TenantScope::One(tenant) => Some(tenant),
            },
            expires_at: until_us.map(time::format),
        }
    }
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// A token of this service, or of the identity provider.
    token: String,
}

type GateOf = Extension<Arc<dyn Gate>>;

/// Who is signed in
#[utoipa::path(get, path = "/v1/session", tag = "access", responses(
    (status = 200, description = "Who asks, and what they may", body = Session),
    (status = 401, description = "Nobody is signed in"),
))]
async fn signed_in(Extension(gate): GateOf, request: Request) -> Result<Response, Problem> {
    let (head, _body) = request.into_parts();
    let caller = head.extensions.get::<Caller>().cloned().ok_or_else(Problem::unauthenticated)?;
    let shown = gate.admission().and_then(|admission| Some((admission, admission.shown(&head.headers)?)));
    let until_us = match shown {
        // The gate took it a moment ago; what fails now ends now.
        Some((admission, shown)) => admission.access.authenticate(shown).await.ok().and_then(|known| known.until_us),
        None => None,
    };
    Ok(Json(Session::of(caller, until_us)).into_response())
}

/// Sign in: a cookie stands for the token from now on
#[utoipa::path(post, path = "/v1/session", tag = "access", request_body = SignIn, responses(
    (status = 200, description = "Signed in; the cookie is set", body = Session),
    (status = 401, description = "The token opens nothing"),
    (status = 429, description = "Too many wrong tokens from this address"),
))]
async fn sign_in(Extension(gate): GateOf, request: Request) -> Result<Response, Problem> {
    let admission = admission(&*gate)?;
    let (head, body) = request.into_parts();
    if sent(&head).is_foreign() {
        return Err(cross_site());
    }
    let body = Request::from_parts(head.clone(), body);
    let Body(SignIn { token }) = Body::from_request(body, &()).await?;
    let known: Known = match admission.access.authenticate(Shown::Secret(token.trim())).await {
        Ok(known) => known,
        Err(error) => return Err(admission.refuse(&error, &head)),
    };
    if let Some(told) = head.extensions.get::<Told>() {
        told.caller(&known.caller);
    }
    let (value, session) = admission.access.begin_session(&known).map_err(|error| Problem::of(&error))?;
    let lasts_s = session.until_us.saturating_sub(chrono::Utc::now().timestamp_micros()) / 1_000_000;
    let cookie = admission.cookie(&value, lasts_s.max(0));
    let answer = Session::of(known.caller, Some(session.until_us));
    Ok(([(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

/// Sign out
#[utoipa::path(delete, path = "/v1/session", tag = "access", responses(
    (status = 204, description = "Signed out; the cookie is gone"),
))]
async fn sign_out(Extension(gate): GateOf, request: Request) -> Result<Response, Problem> {
    let admission = admission(&*gate)?;
    let (head, _body) = request.into_parts();
    if sent(&head).is_foreign() {
        return Err(cross_site());
    }
    if let Some(Shown::Session(cookie)) = admission.shown(&head.headers) {
        admission.access.end_session(cookie);
    }
    let gone = admission.cookie("", 0);
    Ok((axum::http::StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

fn admission(gate: &dyn Gate) -> Result<&Admission, Problem> {
    gate.admission().ok_or_else(|| {
        Problem::new(Kind::NotFound, "this service asks nobody to sign in", "ask without a token or a session")
    })
}
