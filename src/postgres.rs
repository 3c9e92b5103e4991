//! The PostgreSQL wire: psql, psycopg, asyncpg and Grafana ask the lake as if it were a database.
//!
//! It is another door to the sandbox of `query.rs`, and no way around it: each connection's statements run with the
//! caller's tenant, barrier, lists and limits. Passwords are tokens. What clients say to a database and not to its
//! tables (SET, SHOW, BEGIN…) is answered by hand from a fixed list (`fixed.rs`), everything else is refused.
//!
//! It listens beyond loopback only with TLS and a door that asks for passwords: a token in clear text is given away.
//! Who comes in, how often they may ask, and where it is put on record is the [`Door`]'s to say.

mod answer;
mod connection;
mod fixed;
mod listener;
mod parameters;
mod refusal;
mod startup;
mod written;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use claviger_core::access::Caller;
use claviger_core::audit::Access;
use claviger_core::fault::{Blame, Fault};
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::pgwire::api::{ConnectionManager, RandomPidSecretKeyGenerator};
use tokio::sync::watch;

use crate::access::Known;
use crate::query::Queries;
use crate::serve::tls::Certificate;

/// Statements are parsed and written again here, by recursion.
const STACK_BYTES: usize = 16 << 20;

/// Who may come in, how often they may ask, and where that is written down.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whoever comes, when nobody is asked for a password.
    fn anybody(&self) -> Option<Caller>;

    /// Whom a user name and a password prove.
    async fn authenticate(&self, user: &str, password: &str, from: IpAddr) -> Result<Welcome, Unwelcome>;

    /// Takes one statement from what a caller may ask, if its proof still holds: connections outlive tokens.
    async fn admit(&self, _guest: &Welcome) -> Result<(), Turned> {
        Ok(())
    }

    /// Puts on record that somebody came or asked. Never waits.
    fn record(&self, _access: Access) {}
}

/// Somebody who may come in.
#[derive(Clone, Debug)]
pub struct Welcome {
    pub caller: Caller,
    /// The proof, to be looked at again; none where none was asked for.
    pub known: Option<Known>,
}

impl From<Caller> for Welcome {
    fn from(caller: Caller) -> Self {
        Self { caller, known: None }
    }
}

/// Why a statement of somebody who came in is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// More of them than a caller or tenant may ask.
    TooOften { wait: Duration },
    /// The token was revoked, or has ended.
    Ended,
    /// Whether the proof still holds cannot be told now.
    Unknowable,
}

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// The password proves nothing.
    Wrong,
    /// As often as that, from this address.
    TooOften { wait: Duration },
    /// Who may come in cannot be told now.
    Unknowable,
}

/// The door of a service on loopback that was given no tokens.
#[derive(Clone, Copy, Debug)]
pub struct OpenDoor;

#[async_trait]
impl Door for OpenDoor {
    fn anybody(&self) -> Option<Caller> {
        Some(Caller::local())
    }

    async fn authenticate(&self, _: &str, _: &str, _: IpAddr) -> Result<Welcome, Unwelcome> {
        Ok(Caller::local().into())
    }
}

/// A running listener. Dropping it lets what is being answered come to its end, for a few seconds.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    ending: watch::Sender<bool>,
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
    /// Listens, on a thread of its own. Whoever renews the certificate is somebody else: see [`Certificate::follow`].
    ///
    /// # Errors
    /// The address cannot be listened on, or would give tokens or rows away.
    pub fn start(
        address: SocketAddr,
        queries: Queries,
        door: Arc<dyn Door>,
        tls: Option<Certificate>,
    ) -> Result<Self, PostgresError> {
        let is_reachable = !address.ip().to_canonical().is_loopback();
        if is_reachable && (tls.is_none() || door.anybody().is_some()) {
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
        let (ending, ended) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(listener::listen(listener, &house, tls, ended)))
            .map_err(unusable)?;
        Ok(Self { address, ending, thread: Some(thread) })
    }

    /// Where it listens: with the port that was chosen if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nobody and no statement from now on. Dropping waits for what is being answered.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the PostgreSQL listener panicked");
        }
    }
}

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
            Self::Unusable { .. } => "choose a free port in `serve.postgres_address`, or 0 for any".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exposed { .. } => Blame::Operator,
            Self::Unusable { .. } => Blame::Environment,
        }
    }
}
