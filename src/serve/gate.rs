//! Who asks: every request passes here before an endpoint sees it.
//!
//! Promises that an endpoint finds either a [`Caller`] or nobody, and then refuses. Checks no proof itself: a [`Gate`]
//! does, and where callers are not asked for any, [`OpenGate`] takes whoever stands on this machine.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use claviger_core::access::Caller;
use futures::future::BoxFuture;

use super::admission::{Admission, sent};
use super::problem::{Kind, Problem};

/// Finds out who sends a request.
pub trait Gate: Send + Sync + 'static {
    /// Whether callers have to prove who they are. Without, nobody beyond this machine may reach the service.
    fn asks_for_proof(&self) -> bool;

    /// `None` is somebody who says nothing; an error is a proof that does not hold.
    fn caller<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Option<Caller>, Problem>>;

    /// Where people sign in, if they can.
    fn admission(&self) -> Option<&Admission> {
        None
    }
}

/// Lets everybody in, with every right: for loopback, or behind a proxy that asks.
#[derive(Clone, Copy, Debug)]
pub struct OpenGate {
    /// A proxy stands before the service, and so requests may call it by any name.
    pub behind_proxy: bool,
}

impl Gate for OpenGate {
    fn asks_for_proof(&self) -> bool {
        false
    }

    /// A page of another site can have its own name resolved to 127.0.0.1 and then read answers as if they were its
    /// own (DNS rebinding); the name it calls us by gives it away.
    fn caller<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Option<Caller>, Problem>> {
        let known = self.behind_proxy || sent(head).is_to_loopback();
        Box::pin(async move { if known { Ok(Some(Caller::local())) } else { Err(foreign_name()) } })
    }
}

/// The host that a request names, port and all.
pub(super) fn host(head: &Parts) -> Option<&str> {
    let named = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| head.uri.authority().map(axum::http::uri::Authority::as_str))
}

pub(super) fn foreign_name() -> Problem {
    Problem::new(
        Kind::Forbidden,
        "without authentication the service answers only to the names of this machine",
        "ask for localhost or 127.0.0.1; for other names, set `serve.require_authentication` and show a token",
    )
}

/// Puts the caller beside the request, for [`super::authorized::Authorized`] to find.
pub(super) async fn identify(State(gate): State<Arc<dyn Gate>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    // Only this room says who asks.
    head.extensions.remove::<Caller>();
    match gate.caller(&head).await {
        Ok(Some(caller)) => _ = head.extensions.insert(caller),
        Ok(None) => {}
        Err(problem) => return problem.into_response(),
    }
    next.run(Request::from_parts(head, body)).await
}
