//! `/v1/audit/proof`: how far the chain of accesses is proven, and the proof of a single record.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use claviger_core::access::TenantScope;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::extract::Asked;
use super::problem::{Kind, Problem};
use crate::audit::{ChainState, RecordProof, chain_state, prove};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(proof))
}

#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// Number of the record; without it, the state of the chain is told.
    seq: Option<u64>,
    /// Whose chain; without it, the caller's own, which for callers who see all is the operator's.
    tenant: Option<String>,
}

/// The proof that a record stands in the chain of accesses, or how far the chain is proven.
#[utoipa::path(
    get,
    path = "/v1/audit/proof",
    params(Wanted),
    responses((status = 200, description = "A proof, or without `seq` the state of the chain", body = RecordProof))
)]
async fn proof(asker: Authorized<right::Export>, Asked(wanted): Asked<Wanted>) -> Result<Response, Problem> {
    let tenant = match (&asker.caller.tenants, wanted.tenant) {
        (TenantScope::All, tenant) => tenant.unwrap_or_default(),
        (TenantScope::One(own), None) => own.clone(),
        (TenantScope::One(own), Some(tenant)) if tenant == *own => tenant,
        (TenantScope::One(_), Some(_)) => {
            return Err(Problem::new(Kind::Forbidden, "the chain is another tenant's", "leave the tenant out"));
        }
    };
    let lake = &asker.api.lake;
    match wanted.seq {
        None => {
            let now_us = chrono::Utc::now().timestamp_micros();
            let state: ChainState = chain_state(lake, &tenant, now_us).await.map_err(|error| Problem::of(&error))?;
            Ok(Json(state).into_response())
        }
        Some(seq) => match prove(lake, &tenant, seq).await.map_err(|error| Problem::of(&error))? {
            Some(proof) => Ok(Json(proof).into_response()),
            None => Err(Problem::not_found(
                "no digest covers this record",
                "records are covered at the end of each hour; ask without `seq` how far the chain is proven",
            )),
        },
    }
}
