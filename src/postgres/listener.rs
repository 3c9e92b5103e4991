//! The port: takes connections, speaks TLS with the newest certificate, and ends in order.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use datafusion_postgres::pgwire::tokio::process_socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::House;
use super::connection::Connection;
use crate::serve::tls::Certificate;

/// Beyond so many, a connection is closed at once.
const CONNECTIONS_MAX: usize = 64;
/// After an error of `accept`, which is mostly a lack of file descriptors and does not pass by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers may go on once the port is to close.
const GRACE: Duration = Duration::from_secs(5);
/// What PostgreSQL's clients call their protocol when they begin TLS. One that finds no word of its own hangs up.
const ALPN: &[u8] = b"postgresql";

/// Takes connections until told to end, and then waits for the statements that are being answered.
pub(super) async fn listen(
    listener: std::net::TcpListener,
    house: &Arc<House>,
    tls: Option<Certificate>,
    mut ending: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the PostgreSQL listener ended");
            return;
        }
    };
    let mut connections = JoinSet::new();
    {
        let connected = ending.clone();
        let accepting = accept(&listener, house, tls.as_ref(), &connected, &mut connections);
        tokio::select! {
            () = accepting => {}
            // Whoever would say so has vanished: that is an end as well.
            _ = ending.wait_for(|ending| *ending) => {}
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(connections = connections.len(), "statements were still being answered when the port closed");
    }
}

async fn accept(
    listener: &TcpListener,
    house: &Arc<House>,
    tls: Option<&Certificate>,
    ending: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((socket, peer)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!(%peer, "a PostgreSQL connection was closed: there are too many");
                    continue;
                };
                let connection = Connection::new(Arc::clone(house));
                let (tls, ending) = (tls.map(acceptor), ending.clone());
                connections.spawn(async move {
                    if let Err(error) = serve(socket, tls, connection, ending).await {
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

/// Serves a connection to its end. Once the port is to close, its client is not heard any more: what was asked before
/// is still answered.
async fn serve(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    connection: Connection,
    mut ending: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let socket = socket.into_std()?;
    let ear = socket.try_clone()?;
    let mut served = std::pin::pin!(process_socket(TcpStream::from_std(socket)?, tls, connection));
    tokio::select! {
        served = &mut served => return served,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    // A client that has left meanwhile needs no closing.
    _ = ear.shutdown(Shutdown::Read);
    served.await
}

/// Speaks TLS as the HTTP port does, under its own name.
fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let mut config = certificate.newest().as_ref().clone();
    config.alpn_protocols = vec![ALPN.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
