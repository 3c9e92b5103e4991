//! A service with a lake of its own that asks who comes, and the command line beside it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Once};
use std::time::Duration;

use claviger::access::Access;
use claviger::audit::{AuditLog, AuditOptions};
use claviger::lake::Lake;
use claviger::query::{Limits, Queries};
use claviger::report::Reports;
use claviger::serve::api::Api;
use claviger::serve::health::Health;
use claviger::serve::{Entrance, Server};
use claviger::signing::Signer;
use claviger_core::access::exposure::Guard;
use claviger_core::config::Serve;
use claviger_core::identity::Directory;
use claviger_core::secret::Pepper;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

const PEPPER: &str = "a pepper of this test alone";

/// A folder with a lake and its pepper.
pub(super) struct House {
    folder: TempDir,
}

impl House {
    pub(super) fn new() -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(house.pepper_file(), PEPPER).unwrap();
        // Apart, since some tests have a runtime already.
        std::thread::scope(|scope| scope.spawn(|| runtime().block_on(house.lake())).join()).unwrap();
        house
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn location(&self) -> String {
        self.folder().join("lake").display().to_string()
    }

    pub(super) fn pepper_file(&self) -> PathBuf {
        self.folder().join("lake.pepper")
    }

    pub(super) async fn lake(&self) -> Lake {
        Box::pin(Lake::open(&self.location(), Lake::DEFAULT_PIPELINE, &HashMap::new())).await.unwrap()
    }

    pub(super) async fn access(&self) -> Arc<Access> {
        let access = Access::new(Guard::Asks, &pepper(), None);
        access.attach(self.lake().await);
        access
    }

    pub(super) async fn api(&self) -> Api {
        let lake = self.lake().await;
        let queries = Queries::new(lake.clone(), Limits::operator()).unwrap();
        let directory = watch::channel(Arc::new(Directory::empty())).1;
        Api::over(&lake, &queries, Reports::load(None).unwrap(), pepper(), directory)
    }

    pub(super) fn health(&self) -> Arc<Health> {
        Arc::new(Health::new(Duration::from_secs(60)))
    }

    pub(super) fn metrics(&self) -> PrometheusHandle {
        PrometheusBuilder::new().build_recorder().handle()
    }

    pub(super) fn entrance(&self, serve: &Serve) -> Entrance {
        let access = Access::of(serve, &pepper()).unwrap();
        access.attach(runtime().block_on(self.lake()));
        Entrance::guarded(serve, access).unwrap()
    }

    /// A service that asks for tokens.
    pub(super) fn door(&self) -> Door {
        self.door_with(Serve { require_authentication: true, ..Serve::default() })
    }

    /// A service on loopback without any configuration.
    pub(super) fn open_door(&self) -> Door {
        self.door_with(Serve::default())
    }

    pub(super) fn door_with(&self, serve: Serve) -> Door {
        let serve = Serve { address: "127.0.0.1:0".parse().unwrap(), ..serve };
        let server = Server::start(self.entrance(&serve), self.health(), self.metrics()).unwrap();
        server.open(runtime().block_on(self.api())).unwrap();
        Door { server }
    }

    /// What is on record after `visit`, a line an access.
    pub(super) fn records(&self, visit: impl FnOnce(&Door)) -> String {
        let runtime = runtime();
        let (signer, _made) = Signer::read_or_make(&self.folder().join("signing.pem")).unwrap();
        let lake = runtime.block_on(self.lake());
        let log = AuditLog::open(lake.clone(), Arc::new(signer), AuditOptions::default());
        let (log, task) = runtime.block_on(log).unwrap();
        let recording = runtime.spawn(task.run());
        let serve = Serve { address: "127.0.0.1:0".parse().unwrap(), require_authentication: true, ..Serve::default() };
        let server = Server::start(self.entrance(&serve), self.health(), self.metrics()).unwrap();
        server.open(Api { audit: Some(log.clone()), ..runtime.block_on(self.api()) }).unwrap();
        visit(&Door { server });
        runtime.block_on(async {
            log.finish().await;
            recording.await.unwrap().unwrap();
            lake.audit_lines("", 1, 10_000).await.unwrap()
        })
    }

    pub(super) fn claviger(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_claviger")).args(arguments).env_remove("CLAVIGER_PEPPER").output().unwrap()
    }

    pub(super) fn claviger_token(&self, arguments: &[&str]) -> Output {
        let lake = self.location();
        self.claviger(&[&["token", "--lake", &lake], arguments].concat())
    }

    /// What `claviger token` prints.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let output = self.claviger_token(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn token(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).unwrap()
    }

    /// A token as a script gets it: alone on standard output.
    pub(super) fn create(&self, scope: &str) -> String {
        self.run(&["create", "--scope", scope, "--all-tenants"]).trim_end().to_owned()
    }

    /// Every file below the folder.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut folders, mut files) = (vec![self.folder().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        files
    }
}

pub(super) fn pepper() -> Pepper {
    Pepper::new(PEPPER.as_bytes()).unwrap()
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A running service.
pub(super) struct Door {
    pub(super) server: Server,
}

impl Door {
    /// One request over a connection of its own: `GET /v1/session`, headers, body.
    pub(super) fn ask(&self, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_as(&self.server.address().to_string(), what, headers, body)
    }

    /// As [`Door::ask`], calling the service by this name.
    pub(super) fn ask_as(&self, host: &str, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut socket = TcpStream::connect(self.server.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        write!(
            socket,
            "{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The cookie that a token is exchanged for.
    pub(super) fn sign_in(&self, token: &str) -> String {
        let headers = [("content-type", "application/json")];
        let answer = self.ask("POST /v1/session", &headers, &format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Log lines of this thread, from when it is made to when it is dropped.
///
/// One listener for the whole process: where listeners come and go, a line that another test writes for the first time may
/// be found to interest nobody, and the answer is kept.
pub(super) struct Lines(());

impl Lines {
    pub(super) fn capture() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let is_heard = || LINES.try_with(|lines| lines.borrow().is_some()).unwrap_or(false);
            let heard = dynamic_filter_fn(move |_, _| is_heard());
            let written = fmt::layer().with_writer(|| Ear).with_filter(heard);
            let listener = tracing_subscriber::registry().with(written);
            tracing::subscriber::set_global_default(listener).expect("no test listens by itself");
            tracing::callsite::rebuild_interest_cache();
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    pub(super) fn text(&self) -> String {
        LINES.with_borrow(|lines| String::from_utf8_lossy(lines.as_deref().unwrap_or_default()).into_owned())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

struct Ear;

impl std::io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
