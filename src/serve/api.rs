//! The API: what its endpoints may ask, and the list of them.
//!
//! A noun is a file with `pub(super) fn router() -> OpenApiRouter<Sealed>` and one line in [`endpoints`]. The OpenAPI
//! document comes from the same routers, so that neither can say what the other does not.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router, routing};
use claviger_core::classify::ClassifyOptions;
use claviger_core::config::{Bytes, ServeLimits};
use claviger_core::identity::Directory;
use claviger_core::secret::Pepper;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::audited::{announced, audited, named};
use super::authorized::Sealed;
use super::gate::{Gate, identify};
use super::headers::same_site;
use super::limits::{BODY_BYTES_MAX, Limiter, hold};
use super::live::Streams;
use super::problem::{Kind, Problem};
use super::{
    audit, bundle, catalog, dashboard, describe, diagnose, entities, explain, exports, findings, incidents, live,
    overview, queries, reports, session, sql, table, what_if,
};
use crate::alert::IncidentBook;
use crate::audit::AuditLog;
use crate::diagnose::Diagnoser;
use crate::export::Exports;
use crate::lake::Lake;
use crate::overview::Overviews;
use crate::query::{Limits, Queries};
use crate::report::Reports;

/// The rooms that endpoints ask. Cheap to clone; reached through [`super::authorized::Authorized`].
#[derive(Clone)]
pub struct Api {
    /// The sandbox that all SQL goes through.
    pub queries: Queries,
    pub reports: Arc<Reports>,
    pub diagnoser: Diagnoser,
    /// Hashes keys that are shown.
    pub pepper: Pepper,
    pub lake: Lake,
    /// The identity directory as it is now.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// Where accesses are put on record; `None` records none.
    pub audit: Option<AuditLog>,
    /// Exports that are asked for over HTTP; `None` makes none.
    pub exports: Option<Exports>,
    pub overviews: Overviews,
    pub incidents: IncidentBook,
    pub streams: Streams,
}

impl Api {
    /// Over a lake at rest: nothing is live, and no access is put on record. What a service has beyond, it lays over this.
    #[must_use]
    pub fn over(
        lake: &Lake,
        queries: &Queries,
        reports: Reports,
        pepper: Pepper,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> Self {
        Self {
            queries: queries.clone(),
            reports: Arc::new(reports),
            diagnoser: Diagnoser::new(lake.clone(), queries.clone(), ClassifyOptions::default()),
            pepper,
            lake: lake.clone(),
            directory,
            audit: None,
            exports: None,
            overviews: Overviews::at_rest(queries.clone()),
            incidents: IncidentBook::new(lake.clone()),
            streams: Streams::default(),
        }
    }
}

/// Every endpoint: one line a noun.
fn endpoints() -> OpenApiRouter<Sealed> {
    OpenApiRouter::with_openapi(describe::document())
        .merge(session::router())
        .merge(sql::router())
        .merge(reports::router())
        .merge(diagnose::router())
        .merge(what_if::router())
        .merge(bundle::router())
        .merge(catalog::router())
        .merge(queries::router())
        .merge(audit::router())
        .merge(exports::router())
        .merge(overview::router())
        .merge(live::router())
        .merge(incidents::router())
        .merge(findings::router())
        .merge(explain::router())
        .merge(entities::router())
}

/// What one query may cost, as configured.
#[must_use]
pub fn query_limits(limits: &ServeLimits) -> Limits {
    let size = |bytes: Bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX);
    Limits {
        time: limits.query_limit_ms.duration(),
        memory_bytes: size(limits.query_memory_bytes),
        rows: limits.query_rows_max,
        bytes: limits.query_bytes_max.0,
        concurrent: limits.queries_at_once,
        waiting: limits.queries_waiting,
        ..Limits::default()
    }
}

/// The API as its clients' tools read it.
#[must_use]
pub fn openapi() -> OpenApi {
    describe::complete(endpoints().into_openapi())
}

/// The endpoints with everything that stands before them: whoever comes is known, within limits, and no other site's.
pub(super) fn router(api: Api, gate: Arc<dyn Gate>, limiter: Limiter) -> Router {
    let (endpoints, _described) = endpoints().split_for_parts();
    let log = api.audit.clone();
    let document = openapi().to_json().expect("the document is made of texts and numbers");
    let document = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let compressed = CompressionLayer::new()
        .compress_when(DefaultPredicate::new().and(NotForContentType::const_new(table::PARQUET)));
    let files = dashboard::router().layer(compressed.clone());
    endpoints
        .with_state(Sealed::new(api))
        .route("/v1/openapi.json", routing::get(document))
        .fallback(unknown)
        .method_not_allowed_fallback(not_offered)
        .layer(compressed)
        .layer(from_fn_with_state(log.clone(), announced))
        .layer(from_fn_with_state(limiter, hold))
        .layer(from_fn(same_site))
        .layer(Extension(Arc::clone(&gate)))
        .layer(from_fn(named))
        .layer(from_fn_with_state(gate, identify))
        .layer(from_fn_with_state(log, audited))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .merge(files)
}

async fn unknown() -> Response {
    Problem::not_found("nothing is served under this path", "`/v1/openapi.json` lists what is").into_response()
}

async fn not_offered() -> Response {
    Problem::new(Kind::MethodNotAllowed, "the path exists, with other methods", "`/v1/openapi.json` lists them")
        .into_response()
}

/// An endpoint that panicked took nothing with it but its own answer. What it said stays in the log.
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let problem = Problem::new(Kind::Internal, "the request could not be answered", "the log says why, under this id");
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words");
    crate::signals::RequestPanicked { id: &problem.id, said }.emit();
    problem.into_response()
}
