//! `/metrics`: counters in Prometheus' format, rendered by the door itself.
//!
//! They tell how much traffic there is, how much is refused and what the service lacks: on this machine whoever asks may
//! know it, beyond it whoever has a token with the scope `admin` that sees every tenant, or everybody where the operator
//! says so. A proof is checked by the workers, who may have to look it up in the lake; the door waits for them for a moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use claviger_core::access::{Scope, TenantScope};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;

use super::gate::Gate;
use super::problem::{Kind, Problem};

/// A collector asks again in seconds: better no answer than a door with a queue.
const PROOF_WITHIN: Duration = Duration::from_secs(5);

/// Whether `/metrics` asks who comes.
pub(super) fn is_guarded(address: SocketAddr, behind_proxy: bool, is_public: bool) -> bool {
    let is_reachable = !address.ip().to_canonical().is_loopback() || behind_proxy;
    is_reachable && !is_public
}

#[derive(Clone)]
struct Guarded {
    gate: Arc<dyn Gate>,
    workers: Handle,
}

/// The route; with a gate where callers are asked.
pub(super) fn router(metrics: PrometheusHandle, guarded: Option<(Arc<dyn Gate>, Handle)>) -> Router {
    let router = Router::new().route("/metrics", get(async move || metrics.render()));
    match guarded {
        Some((gate, workers)) => router.layer(from_fn_with_state(Guarded { gate, workers }, hold)),
        None => router,
    }
}

async fn hold(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Guarded { gate, workers } = guarded;
    let asked = head.clone();
    let judged = workers.spawn(async move { gate.caller(&asked).await });
    let caller = match tokio::time::timeout(PROOF_WITHIN, judged).await {
        Ok(Ok(caller)) => caller,
        Ok(Err(_)) | Err(_) => Err(Problem::new(
            Kind::Unavailable,
            "whether the token holds cannot be told now",
            "`/ready` says what the service waits for",
        )),
    };
    match caller {
        Ok(Some(caller)) if !caller.scopes.holds(Scope::Admin) => Problem::lacks(Scope::Admin).into_response(),
        Ok(Some(caller)) if caller.tenants != TenantScope::All => Problem::new(
            Kind::Forbidden,
            "the metrics count every tenant's requests",
            "use a token that was made with --all-tenants",
        )
        .into_response(),
        Ok(Some(_)) => next.run(Request::from_parts(head, body)).await,
        Ok(None) => Problem::unauthenticated().into_response(),
        Err(problem) => problem.into_response(),
    }
}
