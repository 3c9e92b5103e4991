//! The PostgreSQL wire: psql, psycopg, asyncpg and Grafana ask the lake as if it were a database.
//!
//! It is another door to the sandbox of `query.rs`, and no way around it: each connection's statements run with the
//! caller's tenant, barrier, lists and limits. Passwords are tokens. What clients say to a database and not to its
//! tables (SET, SHOW, BEGIN…) is answered by hand from a fixed list (`fixed.rs`), everything else is refused.
//!
//! It listens beyond loopback only with TLS and a door that asks for passwords: a token in clear text is given away.

mod connection;
mod fixed;
mod parameters;
mod refusal;
mod startup;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use claviger_core::access::Caller;
use claviger_core::fault::{Blame, Fault};
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::pgwire::api::{ConnectionManager, RandomPidSecretKeyGenerator};
use datafusion_postgres::pgwire::tokio::process_socket;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::query::Queries;
use connection::Connection;

/// Beyond so many, a connection is closed at once.
const CONNECTIONS_MAX: usize = 64;

/// Statements are parsed and written again here, by recursion.
const STACK_BYTES: usize = 16 << 20;

/// Who may come in.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whoever comes, when nobody is asked for a password.
    fn anybody(&self) -> Option<Caller>;

    /// Whom a user name and a password prove; `None` when they prove nothing.
    async fn authenticate(&self, user: &str, password: &str) -> Option<Caller>;
}

/// The door of a service on loopback that was given no tokens.
#[derive(Clone, Copy, Debug)]
pub struct OpenDoor;

#[async_trait]
impl Door for OpenDoor {
    fn anybody(&self) -> Option<Caller> {
        Some(Caller::local())
    }

    async fn authenticate(&self, _: &str, _: &str) -> Option<Caller> {
        Some(Caller::local())
    }
}

/// A running listener. Dropping it closes every connection.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections share.
pub(crate) struct House {
    queries: Queries,
    door: Arc<dyn Door>,
    is_tls_required: bool,
    /// Rewrites what clients ask of a database's own tables into what the engine understands.
    parser: PostgresCompatibilityParser,
    cancels: Arc<ConnectionManager>,
    keys: RandomPidSecretKeyGenerator,
}

impl Postgres {
    /// Listens, on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be listened on, or would give tokens or rows away.
    pub fn start(
        address: SocketAddr,
        queries: Queries,
        door: Arc<dyn Door>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, PostgresError> {
        if !address.ip().is_loopback() && (tls.is_none() || door.anybody().is_some()) {
            return Err(PostgresError::Exposed { address });
        }
        let unusable = |source| PostgresError::Unusable { address, source };
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unusable)?;
        let house = Arc::new(House {
            queries,
            door,
            is_tls_required: tls.is_some(),
            parser: PostgresCompatibilityParser::new(),
            cancels: Arc::new(ConnectionManager::new()),
            keys: RandomPidSecretKeyGenerator::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, house, tls.map(TlsAcceptor::from)) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(unusable)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the PostgreSQL listener panicked");
        }
    }
}

async fn accept(listener: TcpListener, house: Arc<House>, tls: Option<TlsAcceptor>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the PostgreSQL listener ended");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((socket, peer)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!(%peer, "a PostgreSQL connection was closed: there are too many");
                    continue;
                };
                let (connection, tls) = (Connection::new(Arc::clone(&house)), tls.clone());
                connections.spawn(async move {
                    if let Err(error) = process_socket(socket, tls, connection).await {
                        tracing::debug!(%peer, %error, "a PostgreSQL connection broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a PostgreSQL connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// After an error of `accept`, which is mostly a lack of file descriptors and does not pass by itself.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("`serve.postgres_address` is {address}, which others can reach without TLS or without a password")]
    Exposed { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Unusable { address: SocketAddr, source: std::io::Error },
}

impl Fault for PostgresError {
    fn hint(&self) -> String {
        match self {
            Self::Exposed { .. } => {
                "set `serve.tls_certificate` and `serve.tls_key` and create a token, or listen on 127.0.0.1".to_owned()
            }
            Self::Unusable { .. } => "choose a free port in `serve.postgres_address`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exposed { .. } => Blame::Operator,
            Self::Unusable { .. } => Blame::Environment,
        }
    }
}
