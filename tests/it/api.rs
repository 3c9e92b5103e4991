//! The API over real sockets, against a small lake that was replayed.

mod dashboard;
mod formats;
mod guards;
mod nouns;
mod panels;
mod records;
mod thought;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use claviger::lake::Lake;
use claviger::query::Queries;
use claviger::report::Reports;
use claviger::serve::api::{Api, query_limits};
use claviger::serve::gate::Gate;
use claviger::serve::health::Health;
use claviger::serve::problem::Problem;
use claviger::serve::{Entrance, Server};
use claviger_core::access::{Caller, Proof, Scope, TenantScope};
use claviger_core::config::Serve;
use claviger_core::secret::Pepper;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::replay::{FIXTURES, log, replay};

/// A server over a lake of ten requests, eight of them refused.
struct Service {
    server: Server,
    client: reqwest::Client,
    folder: TempDir,
}

/// Lets everybody in as this caller; as nobody where there is none.
struct Only(Option<Caller>);

impl Gate for Only {
    fn asks_for_proof(&self) -> bool {
        true
    }

    fn caller<'a>(&'a self, _: &'a Parts) -> BoxFuture<'a, Result<Option<Caller>, Problem>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

fn caller(scopes: &[Scope], tenants: TenantScope) -> Caller {
    Caller { name: "test".to_owned(), proof: Proof::Token, scopes: scopes.iter().copied().collect(), tenants }
}

fn loopback() -> Serve {
    Serve { address: "127.0.0.1:0".parse().unwrap(), ..Serve::default() }
}

impl Service {
    async fn start() -> Self {
        Self::with(Entrance::of(&loopback())).await
    }

    async fn for_caller(caller: Option<Caller>) -> Self {
        Self::with(Entrance { gate: Arc::new(Only(caller)), ..Entrance::of(&loopback()) }).await
    }

    async fn with(entrance: Entrance) -> Self {
        let (service, api) = Self::made(&entrance).await;
        service.server.open(api).unwrap();
        service
    }

    /// One that is not open yet, and the rooms to open it with.
    async fn made(entrance: &Entrance) -> (Self, Api) {
        let folder = tempfile::tempdir().unwrap();
        replay(folder.path(), &["-"], &log());
        let pepper = claviger::config::read_pepper(&folder.path().join("lake.pepper")).unwrap();
        let api = api(&folder.path().join("lake"), pepper, entrance).await;
        let handle = PrometheusBuilder::new().build_recorder().handle();
        let server = Server::start(entrance.clone(), Arc::new(Health::new(Duration::from_secs(60))), handle).unwrap();
        (Self { server, client: reqwest::Client::new(), folder }, api)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server.url()))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn accepting(&self, path: &str, accept: &str) -> Response {
        self.request(Method::GET, path).header("accept", accept).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// The rows of a SELECT as objects.
    async fn rows(&self, sql: &str) -> Vec<Value> {
        let answer = self.get(&sql_link(sql)).await;
        let status = answer.status();
        let body = json(answer).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body.as_array().unwrap().clone()
    }
}

async fn api(lake: &Path, pepper: Pepper, entrance: &Entrance) -> Api {
    let lake = Lake::open_existing(lake.to_str().unwrap(), Lake::DEFAULT_PIPELINE, &Default::default()).await.unwrap();
    let identity = Path::new(FIXTURES).join("identity");
    let directory = claviger::identity::load(&[identity], &pepper).unwrap().directory;
    let queries = Queries::new(lake.clone(), query_limits(&entrance.limits)).unwrap();
    let directory = watch::channel(Arc::new(directory)).1;
    Api::over(&lake, &queries, Reports::load(None).unwrap(), pepper, directory)
}

fn sql_link(sql: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", sql).finish();
    format!("/v1/sql?{query}")
}

async fn json(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Checks the shape that every error has, and gives its kind and detail.
async fn problem(answer: Response) -> (u16, String, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{status}");
    let body = json(answer).await;
    assert_eq!(body["status"], status);
    for field in ["title", "detail", "hint", "id"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "`{field}` of {body}");
    }
    let kind = body["type"].as_str().unwrap().strip_prefix("urn:claviger:problem:").unwrap().to_owned();
    (status, kind, body["detail"].as_str().unwrap().to_owned())
}
