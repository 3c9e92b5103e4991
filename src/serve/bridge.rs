//! Between the two runtimes of the server: the door's thread speaks HTTP, the workers' runtime does what is asked.
//!
//! Promises that the door never computes, so that `/live`, `/ready` and `/metrics` answer while every worker is busy;
//! that an answer waits in memory for a slow client in a few pieces only; and that all work for a request ends when its
//! client leaves.

use std::future::poll_fn;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::problem::{Kind, Problem};

/// Pieces of an answer that may wait between the runtimes.
const PIECES_WAITING: usize = 2;

/// Where requests are worked on.
#[derive(Clone, Debug)]
pub(super) struct Bridge {
    workers: Handle,
    router: Router,
    /// True once the server is to end: streams without an end of their own are cut then.
    ending: watch::Receiver<bool>,
}

impl Bridge {
    pub(super) const fn new(workers: Handle, router: Router, ending: watch::Receiver<bool>) -> Self {
        Self { workers, router, ending }
    }

    /// Has the workers answer. Dropping the future, or the answer's body, ends their work.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let router = self.router.clone();
        let work = self.workers.spawn(async move { router.oneshot(request).await });
        match AbortOnDrop(work).join().await {
            Ok(Ok(response)) => self.carry(response),
            Ok(Err(never)) => match never {},
            // A panic outside the layer that catches those of endpoints, or the end of the runtime.
            Err(_) => Problem::new(Kind::Internal, "the request ended early", "try again").into_response(),
        }
    }

    /// A body that is worked out while it is read is read on the workers' side.
    fn carry(&self, response: Response) -> Response {
        let (head, body) = response.into_parts();
        if body.size_hint().exact().is_some() {
            return Response::from_parts(head, body);
        }
        let endless = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|media| media.as_bytes().starts_with(EVENT_STREAM.as_bytes()));
        let (pieces, mut carried) = mpsc::channel(PIECES_WAITING);
        let ending = endless.then(|| self.ending.clone());
        // Ends with its channel, whose other end is the body that the connection owns.
        drop(self.workers.spawn(pump(body, pieces, ending)));
        let body = Body::from_stream(futures::stream::poll_fn(move |context| carried.poll_recv(context)));
        Response::from_parts(head, body)
    }
}

pub(super) const EVENT_STREAM: &str = "text/event-stream";

type Piece = Result<Bytes, axum::Error>;

/// Reads `body` as fast as pieces are taken, until its end, the client's, or the server's where it is endless.
async fn pump(body: Body, pieces: mpsc::Sender<Piece>, ending: Option<watch::Receiver<bool>>) {
    let mut body = body.into_data_stream();
    let ended = async {
        match ending {
            // A server that has vanished has ended, too.
            Some(mut ending) => _ = ending.wait_for(|ending| *ending).await,
            None => std::future::pending().await,
        }
    };
    let mut ended = std::pin::pin!(ended);
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece,
            () = pieces.closed() => return,
            () = &mut ended => return,
        };
        let Some(piece) = piece else { return };
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        poll_fn(|context| std::pin::Pin::new(&mut self.0).poll(context)).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
