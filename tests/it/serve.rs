//! Liveness, readiness and metrics over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use claviger::serve::health::Health;
use claviger::serve::{Entrance, ServeError, Server};
use claviger_core::config::Serve;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::wait_for;

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Any free port of this machine, and everybody on it let in.
pub(crate) fn entrance() -> Entrance {
    Entrance::of(&Serve { address: "127.0.0.1:0".parse().expect("an address"), ..Serve::default() })
}

fn start(health: &Arc<Health>) -> Server {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || metrics::counter!("claviger_test_rows_total").increment(3));
    Server::start(entrance(), Arc::clone(health), handle).expect("a server")
}

#[test]
fn readiness_names_what_is_waited_for() {
    let health = Arc::new(Health::new(Duration::from_millis(50)));
    let server = start(&health);
    let ready = || get(server.address(), "/ready");
    assert!(get(server.address(), "/live").starts_with("HTTP/1.1 200"));
    assert!(ready().starts_with("HTTP/1.1 503"));
    assert!(
        ready().contains(r#""waiting_for":["identity_directory","group_assignment"],"partitions":null"#),
        "{}",
        ready()
    );

    health.directory_loaded();
    health.assigned(0);
    assert!(ready().starts_with("HTTP/1.1 200"), "a member without partitions is ready: {}", ready());

    health.rows_wait();
    wait_for("overdue commit", || ready().contains(r#""waiting_for":["lake_commit"]"#).then_some(()));
    health.rows_committed(true);
    assert!(ready().starts_with("HTTP/1.1 200"), "{}", ready());
}

#[test]
fn metrics_are_rendered_in_the_prometheus_format() {
    let server = start(&Arc::new(Health::new(Duration::from_secs(1))));
    let metrics = get(server.address(), "/metrics");
    assert!(metrics.contains("claviger_test_rows_total 3"), "{metrics}");
    let before_the_lake_is_open = get(server.address(), "/v1/sql");
    assert!(before_the_lake_is_open.starts_with("HTTP/1.1 503"), "{before_the_lake_is_open}");
    assert!(before_the_lake_is_open.contains("retry-after: 2"), "{before_the_lake_is_open}");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let handle = PrometheusBuilder::new().build_recorder().handle();
    let health = Arc::new(Health::new(Duration::from_secs(1)));
    let entrance = Entrance { address: "0.0.0.0:0".parse().expect("an address"), ..entrance() };
    let refused = Server::start(entrance, health, handle);
    assert!(matches!(refused, Err(ServeError::Exposed { .. })));
}

/// A request with a body, answered as status line and body.
fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

/// Exports over HTTP are written in the background, fetched file by file, and stand on record with who asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_asked_for_over_http_is_fetched_verified_and_on_record() {
    use claviger::audit::{AuditLog, AuditOptions};
    use claviger::export::Exports;
    use claviger::query::{Limits, Queries};
    use claviger::report::Reports;
    use claviger::serve::api::Api;
    use claviger::signing::Signer;
    use claviger_core::identity::Directory;
    use claviger_core::secret::Pepper;

    let folder = tempfile::tempdir().expect("a folder");
    let lake = crate::lake::open(&folder.path().join("lake")).await;
    crate::lake::ingest(&lake, &[(0, 140)]).await;
    let (signer, _made) = Signer::read_or_make(&folder.path().join("key.pem")).expect("a key");
    let signer = Arc::new(signer);
    let (log, task) = AuditLog::open(lake.clone(), Arc::clone(&signer), AuditOptions::default()).await.expect("a log");
    let exports = Exports::open(&folder.path().join("exports"), lake.clone(), Arc::clone(&signer)).expect("exports");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(exports.clone().work());
    let mut recording = tokio::task::JoinSet::new();
    recording.spawn(task.run());
    let (_keep, directory) = tokio::sync::watch::channel(Arc::new(Directory::empty()));
    let server = start(&Arc::new(Health::new(Duration::from_secs(1))));
    let queries = Queries::new(lake.clone(), Limits::operator()).expect("a sandbox");
    let (reports, pepper) = (Reports::load(None).expect("reports"), Pepper::new(&[7; 32]).expect("a pepper"));
    let rooms = Api::over(&lake, &queries, reports, pepper, directory);
    server.open(Api { audit: Some(log.clone()), exports: Some(exports), ..rooms }).expect("an open server");
    let address = server.address();
    let fetched = folder.path().join("fetched");

    let there = fetched.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let wanted = r#"{"from":"2026-11-01T00:00:00Z","to":"2026-12-31T00:00:00Z","output":"ndjson"}"#;
        let (status, body) = send(address, "POST", "/v1/exports", wanted);
        assert_eq!(status, 202, "{body}");
        let id =
            serde_json::from_str::<serde_json::Value>(&body).expect("JSON")["id"].as_str().expect("an id").to_owned();
        let done = wait_for("finished export", || {
            let (_, body) = send(address, "GET", &format!("/v1/exports/{id}"), "");
            let shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            // Slower than a person may ask: the files below are asked for by the same person.
            std::thread::sleep(Duration::from_millis(50));
            (shown["state"] == "done").then_some(shown)
        });
        assert_eq!((&done["records"], &done["written"]), (&120.into(), &120.into()), "{done}");
        let listed = done["files"].as_array().expect("files").iter();
        let mut paths: Vec<String> = listed.map(|file| file["path"].as_str().expect("a path").to_owned()).collect();
        paths.extend(["MANIFEST".to_owned(), "MANIFEST.sig".to_owned()]);
        for path in paths {
            let file = get_bytes(address, &format!("/v1/exports/{id}/file?path={path}"));
            let target = there.join(&path);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            std::fs::write(target, file).expect("a file");
        }
        for (path, status) in [("../key.pem", 404), ("UNFINISHED", 404)] {
            assert_eq!(send(address, "GET", &format!("/v1/exports/{id}/file?path={path}"), "").0, status, "{path}");
        }
        assert_eq!(send(address, "GET", "/v1/exports/none", "").0, 404);
        assert_eq!(send(address, "POST", "/v1/exports", r#"{"from":"yesterday","to":"now"}"#).0, 400);
        assert_eq!(send(address, "GET", "/v1/nothing", "").0, 404);
        assert_eq!(send(address, "DELETE", &format!("/v1/exports/{id}"), "").0, 204);
        id
    });
    let id = asked.await.expect("no panic");
    let key = crate::export::public_key(folder.path(), &signer);
    for (sound, said) in crate::export::judged(&fetched, &key) {
        assert!(sound, "{said}");
    }
    log.finish().await;
    recording.join_next().await.expect("a task").expect("no panic").expect("a log without failures");
    let lines = lake.audit_lines("", 1, 10_000).await.expect("records");
    let with = |parts: &[&str]| lines.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    assert_eq!(
        with(&["\"export\"", "POST /v1/exports\"", "\"begun\"", "\"who\":\"local\"", "\"address\":\"127.0.0.1\""]),
        2
    );
    assert_eq!(with(&["\"export\"", "POST /v1/exports\"", "\"done\""]), 1);
    assert_eq!(with(&["\"export\"", "POST /v1/exports\"", "\"wrong\""]), 1, "{lines}");
    assert_eq!(with(&["\"export\"", "MANIFEST.sig", "\"bytes\":64", "\"done\""]), 1, "{lines}");
    assert!(with(&["\"read_audit\"", &format!("GET /v1/exports/{id}")]) > 0);
    let taken = with(&["/file?path=requests/", "\"done\""]);
    assert!(taken > 0 && taken == with(&["/file?path=requests/", "\"done\"", "\"events\"", "\"rows\":"]), "{lines}");
    assert_eq!(with(&["POST /v1/exports\"", "\"done\"", "\"findings\"", "\"identity_history\""]), 1, "{lines}");
    assert_eq!(with(&["GET /v1/nothing", "\"wrong\""]), 1, "{lines}");
    assert_eq!(with(&["yesterday"]), 0, "bodies are not recorded");
}

fn get_bytes(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
    assert!(!answer[..at].windows(9).any(|text| text.eq_ignore_ascii_case(b"chunked\r\n")), "{path} has a length");
    answer.split_off(at)
}
