//! HTTP on a loopback address: liveness, readiness, metrics.
//!
//! Promises an answer while everything else is stuck: the server has a thread and a runtime of its own and
//! only reads atomics. Asks nobody for a password, and so refuses to listen beyond loopback.

pub mod health;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::routing::get;
use claviger_core::fault::{Blame, Fault};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::oneshot;

use health::Health;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// # Errors
    /// The address is not loopback, or cannot be listened on.
    pub fn start(address: SocketAddr, health: Arc<Health>, metrics: PrometheusHandle) -> Result<Self, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::Exposed { address });
        }
        let unusable = |source| ServeError::Unusable { address, source };
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unusable)?;
        let router = health::router(health).route("/metrics", get(async move || metrics.render()));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || runtime.block_on(answer(listener, router, stopped)))
            .map_err(unusable)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the HTTP server panicked");
        }
    }
}

/// Answers until `stopped`, then lets requests in progress finish.
async fn answer(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let served = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, router).with_graceful_shutdown(async { _ = stopped.await }).await
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("`serve.address` is {address}, which others can reach, and nothing here asks for a password")]
    Exposed { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Unusable { address: SocketAddr, source: std::io::Error },
}

impl Fault for ServeError {
    fn hint(&self) -> String {
        match self {
            Self::Exposed { .. } => {
                "listen on 127.0.0.1 or [::1], with a proxy that authenticates before it".to_owned()
            }
            Self::Unusable { .. } => "choose a free port in `serve.address`, or 0 for any".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exposed { .. } => Blame::Operator,
            Self::Unusable { .. } => Blame::Environment,
        }
    }
}
