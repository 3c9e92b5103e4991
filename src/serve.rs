//! HTTP: liveness, readiness and metrics from the first moment, the API and the dashboard once the lake is open; and then,
//! if an address is named for it, the PostgreSQL port beside it, for the same callers.
//!
//! Promises an answer to `/live`, `/ready` and `/metrics` while everything else is stuck: the door has a thread of its
//! own, which speaks HTTP and reads atomics. What endpoints do is done by workers, in a runtime of their own, so that
//! neither the door nor the pipeline waits for a query.
//!
//! Who asks is said by a [`Gate`](gate::Gate), what they may by [`Authorized`](authorized::Authorized). Refuses to
//! listen beyond loopback without authentication and TLS, unless told that a proxy before it does both.

pub mod admission;
pub mod api;
mod ask;
mod audit;
pub mod audited;
pub mod authorized;
mod bridge;
mod bundle;
mod catalog;
mod dashboard;
mod describe;
mod diagnose;
mod entities;
mod explain;
mod exports;
pub mod extract;
mod findings;
pub mod gate;
pub mod headers;
pub mod health;
mod incidents;
pub mod limits;
pub mod live;
mod metrics;
mod overview;
pub mod problem;
mod queries;
mod range;
mod reports;
mod session;
mod sql;
pub mod table;
pub mod tls;
mod what_if;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use axum_server::tls_rustls::RustlsConfig;
use claviger_core::config::{Serve, ServeLimits};
use claviger_core::fault::{Blame, Fault};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use admission::Admission;
use api::Api;
use bridge::Bridge;
use gate::{Gate, OpenGate};
use headers::Encrypted;
use health::Health;
use limits::{HEAD_BYTES_MAX, HEADER_BYTES_MAX, Limiter};
use problem::{Kind, Problem};
use tls::{Certificate, TlsError};
use wire::WireDoor;

use crate::access::Access;
use crate::postgres::{Postgres, PostgresError};

/// How long requests in progress may take once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of its first request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Until a service that starts is worth asking again.
const START_WAIT: Duration = Duration::from_secs(2);
/// Plans of deep queries are walked by recursion.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// Where to listen, and whom to let in.
#[derive(Clone)]
pub struct Entrance {
    pub address: SocketAddr,
    /// Where PostgreSQL clients connect, if anywhere.
    pub postgres_address: Option<SocketAddr>,
    pub tls: Option<Certificate>,
    pub gate: Arc<dyn Gate>,
    /// Whoever gets to `/metrics` may read it.
    pub public_metrics: bool,
    /// A proxy before the service speaks TLS and authenticates.
    pub insecure_behind_proxy: bool,
    pub limits: ServeLimits,
}

impl Entrance {
    /// Asks nobody who they are: whoever gets here may do everything.
    #[must_use]
    pub fn of(config: &Serve) -> Self {
        let behind_proxy = config.insecure_behind_proxy;
        Self {
            address: config.address,
            postgres_address: config.postgres_address,
            tls: None,
            gate: Arc::new(OpenGate { behind_proxy }),
            public_metrics: config.public_metrics,
            insecure_behind_proxy: behind_proxy,
            limits: config.limits.clone(),
        }
    }

    /// As the configuration says, with `access` to ask who comes.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub fn guarded(config: &Serve, access: Arc<Access>) -> Result<Self, TlsError> {
        let tls = match config.encrypts() {
            true => Some(Certificate::load(&config.tls_certificate, &config.tls_key)?),
            false => None,
        };
        let behind_proxy = config.insecure_behind_proxy;
        let encrypted = tls.is_some() || behind_proxy;
        Ok(Self { tls, gate: Arc::new(Admission { access, behind_proxy, encrypted }), ..Self::of(config) })
    }

    fn check(&self) -> Result<(), ServeError> {
        let Self { address, insecure_behind_proxy, .. } = *self;
        if address.ip().is_loopback() || insecure_behind_proxy {
            return Ok(());
        }
        if !self.gate.asks_for_proof() {
            return Err(ServeError::Exposed { address });
        }
        if self.tls.is_none() {
            return Err(ServeError::Plaintext { address });
        }
        Ok(())
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    entrance: Entrance,
    opened: Arc<OnceLock<Bridge>>,
    ending: watch::Sender<bool>,
    stop: axum_server::Handle<SocketAddr>,
    thread: Option<JoinHandle<()>>,
    workers: Option<Runtime>,
    postgres: OnceLock<Postgres>,
}

impl Server {
    /// Listens, and answers what the door can answer alone.
    ///
    /// # Errors
    /// The address is one that others can reach and nothing protects, or it cannot be listened on.
    pub fn start(entrance: Entrance, health: Arc<Health>, metrics: PrometheusHandle) -> Result<Self, ServeError> {
        entrance.check()?;
        let unusable = |source| ServeError::Unusable { address: entrance.address, source };
        let listener = TcpListener::bind(entrance.address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let door = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unusable)?;
        let workers = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("serve-worker")
            .thread_stack_size(WORKER_STACK_BYTES)
            .build()
            .map_err(unusable)?;
        let opened = Arc::new(OnceLock::new());
        let Entrance { insecure_behind_proxy, public_metrics, .. } = entrance;
        let is_guarded = metrics::is_guarded(entrance.address, insecure_behind_proxy, public_metrics);
        let guard = is_guarded.then(|| (Arc::clone(&entrance.gate), workers.handle().clone()));
        let router = health::router(health)
            .merge(metrics::router(metrics, guard))
            .fallback(forward)
            .layer(Extension(Arc::clone(&opened)))
            .layer(from_fn(limits::short_url))
            .layer(from_fn_with_state(Encrypted(entrance.tls.is_some()), headers::secure));
        let stop = axum_server::Handle::new();
        let (handle, tls) = (stop.clone(), entrance.tls.as_ref().map(Certificate::listener));
        if let Some(certificate) = entrance.tls.clone() {
            // Ends with the workers.
            drop(workers.spawn(certificate.follow()));
        }
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || door.block_on(answer(listener, tls, router, handle)))
            .map_err(unusable)?;
        let (ending, _) = watch::channel(false);
        let (thread, workers) = (Some(thread), Some(workers));
        Ok(Self { address, entrance, opened, ending, stop, thread, workers, postgres: OnceLock::new() })
    }

    /// Where it listens: with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser finds it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.entrance.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Where PostgreSQL clients connect, once it is open to them.
    #[must_use]
    pub fn postgres_address(&self) -> Option<SocketAddr> {
        self.postgres.get().map(Postgres::address)
    }

    /// From now on the API answers, the dashboard, and the PostgreSQL port if there is to be one. The first call decides.
    ///
    /// # Errors
    /// The PostgreSQL port cannot be listened on, or nothing would protect it.
    pub fn open(&self, api: Api) -> Result<(), ServeError> {
        let Some(workers) = &self.workers else { return Ok(()) };
        let Entrance { gate, limits, postgres_address, tls, .. } = &self.entrance;
        let limiter = Limiter::new(limits);
        let wire = postgres_address.map(|address| {
            let door = WireDoor::of(&**gate, limiter.clone(), api.audit.clone());
            Postgres::start(address, api.queries.clone(), Arc::new(door), tls.clone())
        });
        let router = api::router(api, Arc::clone(gate), limiter);
        let bridge = Bridge::new(workers.handle().clone(), router, self.ending.subscribe());
        if self.opened.set(bridge).is_err() {
            tracing::error!("the API was opened twice: the first stays");
            return Ok(());
        }
        if let Some(postgres) = wire.transpose().map_err(|source| ServeError::Postgres { source })? {
            tracing::info!(address = %postgres.address(), "PostgreSQL clients may connect");
            _ = self.postgres.set(postgres);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.send_replace(true);
        if let Some(postgres) = self.postgres.get() {
            postgres.end();
        }
        self.stop.graceful_shutdown(Some(GRACE));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the HTTP server panicked");
        }
        drop(self.postgres.take());
        if let Some(workers) = self.workers.take() {
            workers.shutdown_background();
        }
    }
}

/// What the door cannot answer alone goes to the workers.
async fn forward(Extension(opened): Extension<Arc<OnceLock<Bridge>>>, request: Request) -> Response {
    match opened.get() {
        Some(bridge) => bridge.answer(request).await,
        None => Problem::new(Kind::Unavailable, "the service is starting", "`/ready` says what it waits for")
            .retry_after(START_WAIT)
            .into_response(),
    }
}

/// Answers until it is stopped, then lets requests in progress finish.
async fn answer(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    handle: axum_server::Handle<SocketAddr>,
) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    /// What both kinds of server are told alike; their types are of two families that no function spans.
    macro_rules! limited {
        ($server:expr) => {{
            let mut server = $server.handle(handle).first_request_timeout(HEAD_WITHIN);
            server.http_builder().http1().max_buf_size(HEAD_BYTES_MAX);
            server.http_builder().http2().max_header_list_size(HEADER_BYTES_MAX);
            server
        }};
    }
    let served = async {
        match tls {
            Some(tls) => limited!(axum_server::from_tcp_rustls(listener, tls)?).serve(service).await,
            None => limited!(axum_server::from_tcp(listener)?).serve(service).await,
        }
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("`serve.address` is {address}, which others can reach, and nothing asks them who they are")]
    Exposed { address: SocketAddr },
    #[error("`serve.address` is {address}, which others can reach, and what they send could be read on the way")]
    Plaintext { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Unusable { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Postgres { source: PostgresError },
}

impl Fault for ServeError {
    fn hint(&self) -> String {
        match self {
            Self::Exposed { .. } => {
                "listen on 127.0.0.1 or [::1], or have callers authenticate: `claviger token create`, \
                 `serve.oidc`; behind a proxy that does, set `serve.insecure_behind_proxy`"
                    .to_owned()
            }
            Self::Plaintext { .. } => {
                "set `serve.tls_certificate` and `serve.tls_key`; behind a proxy that speaks TLS, \
                 set `serve.insecure_behind_proxy`"
                    .to_owned()
            }
            Self::Unusable { .. } => "choose a free port in `serve.address`, or 0 for any".to_owned(),
            Self::Postgres { source } => source.hint(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exposed { .. } | Self::Plaintext { .. } => Blame::Operator,
            Self::Unusable { .. } => Blame::Environment,
            Self::Postgres { source } => source.blame(),
        }
    }
}
