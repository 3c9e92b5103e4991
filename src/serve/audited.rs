//! Every request on record: who asked, for what, how it ended, and how much was answered.
//!
//! Stands outside of everything that may refuse a request, so that refusals are on record too. A request that changes
//! something, or takes records out, is recorded twice: when it begins, before anything is done (it is refused when that
//! fails), and when it has ended. Others are recorded once, when their answer has been read to its end or its client
//! has left. Bodies of requests are never recorded: a pasted key may be among them. Of a body that is a statement its text
//! is, with what looks like a key masked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use claviger_core::access::Caller;
use claviger_core::audit::{Access, Action, Outcome};
use claviger_core::lake::TableName;
use futures::Stream;

use super::problem::{Kind, Problem};
use crate::audit::AuditLog;
use crate::query::Account;

/// What an endpoint knows of the access that it answers. Cheap to clone; found among the request's extensions.
///
/// What is asked of the sandbox is known without it. What an endpoint reads elsewhere, it tells.
#[derive(Clone, Debug, Default)]
pub struct Told {
    facts: Arc<Mutex<Facts>>,
    account: Account,
}

#[derive(Debug, Default)]
struct Facts {
    caller: Option<Caller>,
    what: Option<String>,
    tables: BTreeSet<TableName>,
    rows: Option<u64>,
}

impl Told {
    /// What exactly is asked, in place of the path.
    pub fn what(&self, what: impl Into<String>) {
        self.with(|facts| facts.what = Some(what.into()));
    }

    /// Who asks, where only the endpoint finds that out.
    pub(super) fn caller(&self, caller: &Caller) {
        self.with(|facts| facts.caller = Some(caller.clone()));
    }

    /// Tables that the answer is made of, whoever read them and when.
    pub fn tables(&self, tables: impl IntoIterator<Item = TableName>) {
        self.with(|facts| facts.tables.extend(tables));
    }

    /// Rows that the answer is made of, beside those that the sandbox gave.
    pub fn rows(&self, rows: usize) {
        self.with(|facts| *facts.rows.get_or_insert_default() += rows as u64);
    }

    fn with<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The layer: outside of all others.
pub(super) async fn audited(State(log): State<Option<AuditLog>>, mut request: Request, next: Next) -> Response {
    let Some(log) = log else { return next.run(request).await };
    let told = Told::default();
    let mut record = Ending {
        log,
        told: told.clone(),
        begun: Instant::now(),
        access: access_of(&request),
        bytes: 0,
        outcome: Outcome::Left,
    };
    let account = told.account.clone();
    request.extensions_mut().insert(told);
    let response = account.during(next.run(request)).await;
    record.outcome = Outcome::of_status(response.status().as_u16());
    let (head, body) = response.into_parts();
    match body.size_hint().exact() {
        Some(bytes) => {
            record.bytes = bytes;
            Response::from_parts(head, body)
        }
        None => Response::from_parts(
            head,
            Body::from_stream(Counted { pieces: body.into_data_stream(), record, whole: false }),
        ),
    }
}

/// Behind the layer that finds out who asks: passes the name on to the record.
pub(super) async fn named(request: Request, next: Next) -> Response {
    if let (Some(told), Some(caller)) = (request.extensions().get::<Told>(), request.extensions().get::<Caller>()) {
        told.with(|facts| facts.caller = Some(caller.clone()));
    }
    next.run(request).await
}

/// Before the endpoints, and behind all that may refuse: changes go no further before they are on record.
pub(super) async fn announced(State(log): State<Option<AuditLog>>, request: Request, next: Next) -> Response {
    let mut access = access_of(&request);
    if let (Some(log), Some(caller)) = (log, request.extensions().get::<Caller>())
        && access.action.must_be_recorded()
    {
        name(&mut access, Some(caller));
        access.outcome = Outcome::Begun;
        if let Err(error) = log.record_now(access).await {
            return Problem::of_kind(Kind::Unavailable, &error).into_response();
        }
    }
    next.run(request).await
}

/// Written when the answer ends, however it does.
struct Ending {
    log: AuditLog,
    told: Told,
    begun: Instant,
    access: Access,
    bytes: u64,
    outcome: Outcome,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut access = self.access.clone();
        self.told.with(|facts| {
            name(&mut access, facts.caller.as_ref());
            if let Some(what) = facts.what.take() {
                access.what = what;
            }
            let read = self.told.account.tables();
            access.tables = facts.tables.union(&read).map(|table| table.name().to_owned()).collect();
            access.rows = match (facts.rows, self.told.account.rows()) {
                (Some(told), Some(asked)) => Some(told + asked),
                (told, asked) => told.or(asked),
            };
        });
        access.outcome = self.outcome;
        access.bytes = Some(self.bytes);
        access.took_us = i64::try_from(self.begun.elapsed().as_micros()).ok();
        self.log.record(access);
    }
}

/// An answer that counts its bytes, and knows whether it was read to the end.
struct Counted {
    pieces: BodyDataStream,
    record: Ending,
    whole: bool,
}

impl Stream for Counted {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.pieces).poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => self.record.bytes += piece.len() as u64,
            Poll::Ready(Some(Err(_))) => self.record.outcome = Outcome::Failed,
            Poll::Ready(None) => self.whole = true,
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.whole && self.record.outcome == Outcome::Done {
            self.record.outcome = Outcome::Left;
        }
    }
}

/// What the request itself tells.
fn access_of(request: &Request) -> Access {
    let uri = request.uri();
    let asked = uri.path_and_query().map_or_else(|| uri.path(), |asked| asked.as_str());
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    Access {
        tenant: String::new(),
        who: String::new(),
        action: action_of(request.method(), uri.path()),
        what: format!("{} {asked}", request.method()),
        address: address.map(|address| address.to_canonical().to_string()).unwrap_or_default(),
        request_id: request_id(request.headers()),
        ..Access::of_log(Action::Unknown, String::new())
    }
}

fn request_id(headers: &HeaderMap) -> String {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().chars().take(128).collect()
}

fn name(access: &mut Access, caller: Option<&Caller>) {
    let Some(caller) = caller else { return };
    let Access { tenant, who, proof, .. } = Access::by(caller, access.action, String::new());
    (access.tenant, access.who, access.proof) = (tenant, who, proof);
}

/// What a request does, by its place in the API.
fn action_of(method: &Method, path: &str) -> Action {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(rest) = path.strip_prefix("/v1/") else { return Action::Unknown };
    match rest.split('/').next().unwrap_or_default() {
        "sql" => Action::Query,
        "reports" => Action::Report,
        "diagnose" | "bundle" | "what-if" | "forecast" | "explain" => Action::Diagnose,
        "exports" if reads && rest.split('/').count() <= 2 => Action::ReadAudit,
        "exports" => Action::Export,
        "audit" => Action::ReadAudit,
        "session" if *method == Method::DELETE => Action::EndSession,
        "session" if !reads => Action::BeginSession,
        "incidents" if !reads => Action::ChangeIncident,
        "tokens" if !reads => Action::ChangeToken,
        _ if reads => Action::Read,
        _ => Action::ChangeSettings,
    }
}
