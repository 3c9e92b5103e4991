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
