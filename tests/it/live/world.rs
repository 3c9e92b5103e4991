//! A service over the fixed lake of the reports, whose callers say in a header whose rows they may see.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use claviger::detect::Show;
use claviger::identity::Refresher;
use claviger::lake::Lake;
use claviger::overview::{LiveBoard, Overviews, follow, remember};
use claviger::query::{Limits, Queries};
use claviger::report::Reports;
use claviger::serve::api::Api;
use claviger::serve::gate::Gate;
use claviger::serve::health::Health;
use claviger::serve::live::Streams;
use claviger::serve::problem::Problem;
use claviger::serve::{Entrance, Server};
use claviger_core::access::{Caller, Proof, Scopes, TenantScope};
use claviger_core::overview::BoardLimits;
use claviger_core::secret::Pepper;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::reports::lake::made;
use crate::serve::entrance;
use crate::support::PATIENCE;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Lets everybody in as who they say they are.
struct Named;

impl Gate for Named {
    fn asks_for_proof(&self) -> bool {
        true
    }

    fn caller<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Option<Caller>, Problem>> {
        let tenant = head.headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok());
        let tenants = tenant.map_or(TenantScope::All, |tenant| TenantScope::One(tenant.to_owned()));
        let caller = Caller { name: "ada".to_owned(), proof: Proof::Token, scopes: Scopes::all(), tenants };
        Box::pin(async move { Ok(Some(caller)) })
    }
}

pub(super) struct World {
    pub(super) lake: Lake,
    pub(super) server: Server,
    pub(super) shows: mpsc::Sender<Show>,
    pub(super) runtime: Runtime,
    _refresher: Refresher,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_streams(Streams::default())
    }

    pub(super) fn with_streams(streams: Streams) -> Self {
        let runtime = Runtime::new().unwrap();
        let (folder, lake) = runtime.block_on(made());
        let folders = ["classify/world", "reports/identity"].map(|name| PathBuf::from(FIXTURES).join(name)).to_vec();
        let pepper = Pepper::new(b"pepper for the tests").unwrap();
        let (refresher, _findings) = Refresher::start(folders, pepper, Duration::from_secs(3_600)).unwrap();
        let (server, shows) = serve(&runtime, &lake, &refresher, streams);
        Self { lake, server, shows, runtime, _refresher: refresher, _folder: folder }
    }

    /// Another process over the same lake.
    pub(super) fn restarted(mut self) -> Self {
        let (server, shows) = serve(&self.runtime, &self.lake, &self._refresher, Streams::default());
        (self.server, self.shows) = (server, shows);
        self
    }

    pub(super) fn show(&self, show: Show) {
        self.shows.blocking_send(show).unwrap();
    }

    pub(super) fn get(&self, tenant: Option<&str>, path: &str) -> (u16, Value) {
        self.ask("GET", tenant, path, "")
    }

    pub(super) fn post(&self, tenant: Option<&str>, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", tenant, path, &body.to_string())
    }

    fn ask(&self, method: &str, tenant: Option<&str>, path: &str, body: &str) -> (u16, Value) {
        let mut socket = request(self.server.address(), method, tenant, path, body);
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}")))
    }

    pub(super) fn stream(&self, tenant: Option<&str>) -> Events {
        let socket = request(self.server.address(), "GET", tenant, "/v1/live", "");
        let mut lines = BufReader::new(socket);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while status != "\r\n" {
            status.clear();
            lines.read_line(&mut status).unwrap();
        }
        Events { lines }
    }
}

fn serve(runtime: &Runtime, lake: &Lake, refresher: &Refresher, streams: Streams) -> (Server, mpsc::Sender<Show>) {
    let handle = PrometheusBuilder::new().build_recorder().handle();
    let entrance = Entrance { gate: Arc::new(Named), ..entrance() };
    let server = Server::start(entrance, Arc::new(Health::new(PATIENCE)), handle).unwrap();
    let limits = Limits { concurrent: 8, waiting: 64, ..Limits::operator() };
    let queries = Queries::new(lake.clone(), limits).unwrap();
    let board = Arc::new(LiveBoard::new(BoardLimits::default(), chrono::Utc::now().timestamp_micros()));
    runtime.block_on(remember(&board, &queries)).unwrap();
    let (shows, shown) = mpsc::channel(16);
    drop(runtime.spawn(follow(Arc::clone(&board), shown)));
    let (reports, pepper) = (Reports::load(None).unwrap(), Pepper::new(&[7; 32]).unwrap());
    let rooms = Api::over(lake, &queries, reports, pepper, refresher.subscribe());
    server.open(Api { overviews: Overviews::live(queries, board), streams, ..rooms }).unwrap();
    (server, shows)
}

/// HTTP/1.0, so that a stream is not cut into chunks.
fn request(address: SocketAddr, method: &str, tenant: Option<&str>, path: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let tenant = tenant.map(|tenant| format!("x-tenant: {tenant}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\n{tenant}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    socket
}

/// Server-sent events as they come.
pub(super) struct Events {
    lines: BufReader<TcpStream>,
}

impl Iterator for Events {
    type Item = (String, Value);

    fn next(&mut self) -> Option<(String, Value)> {
        let mut fields = BTreeMap::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("", _)) => {} // a sign of life
                Some((name, value)) => _ = fields.insert(name.to_owned(), value.trim_start().to_owned()),
                None if fields.contains_key("data") => {
                    assert!(fields.contains_key("id"), "events have ids: {fields:?}");
                    return Some((fields["event"].clone(), serde_json::from_str(&fields["data"]).unwrap()));
                }
                None => {}
            }
        }
    }
}
