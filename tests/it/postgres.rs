//! The PostgreSQL port, asked by the clients that people have.

mod grafana;
mod service;

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use claviger::postgres::{Door, OpenDoor, Postgres, PostgresError, Turned, Unwelcome, Welcome};
use claviger::serve::tls::Certificate;
use claviger_core::access::{Caller, Proof, Scope, Scopes, TenantScope};
use claviger_core::audit::{Access, Action, Outcome};
use serde_json::Value;
use tokio::sync::mpsc;

use super::query::tenants::{self, CANARY, OWN};
use super::support::in_ci;

const ASK: &str = "tests/services/ask_postgres.py";
const PASSWORD: &str = "correct-horse";

/// One password for the tenant, another for one who may not ask.
struct TwoTokens;

#[async_trait]
impl Door for TwoTokens {
    fn anybody(&self) -> Option<Caller> {
        None
    }

    async fn authenticate(&self, user: &str, password: &str, from: IpAddr) -> Result<Welcome, Unwelcome> {
        assert!(from.is_loopback(), "{from}");
        let scopes: Scopes = match password {
            PASSWORD => [Scope::Query].into_iter().collect(),
            "for reports" => [Scope::Report].into_iter().collect(),
            "once more" => return Err(Unwelcome::TooOften { wait: Duration::from_secs(3) }),
            "too early" => return Err(Unwelcome::Unknowable),
            _ => return Err(Unwelcome::Wrong),
        };
        let tenants = TenantScope::One(OWN.to_owned());
        Ok(Caller { name: user.to_owned(), proof: Proof::Token, scopes, tenants }.into())
    }
}

/// Lets everybody in, tells of every question, and remembers what is put on record.
#[derive(Default)]
struct Watched {
    records: Mutex<Vec<Access>>,
    asked: Option<mpsc::UnboundedSender<()>>,
    /// What the first question after this many is told.
    patience: Option<usize>,
}

#[async_trait]
impl Door for Watched {
    fn anybody(&self) -> Option<Caller> {
        Some(Caller::local())
    }

    async fn authenticate(&self, _: &str, _: &str, _: IpAddr) -> Result<Welcome, Unwelcome> {
        Err(Unwelcome::Wrong)
    }

    async fn admit(&self, _: &Welcome) -> Result<(), Turned> {
        if let Some(asked) = &self.asked {
            asked.send(()).unwrap();
        }
        let answered = self.records.lock().unwrap().iter().filter(|access| access.action == Action::Query).count();
        match self.patience {
            Some(patience) if answered >= patience => Err(Turned::TooOften { wait: Duration::from_millis(250) }),
            _ => Ok(()),
        }
    }

    fn record(&self, access: Access) {
        self.records.lock().unwrap().push(access);
    }
}

async fn serve(door: Arc<dyn Door>) -> (tempfile::TempDir, Postgres) {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let listener = Postgres::start("127.0.0.1:0".parse().unwrap(), tenants::queries(lake), door, None).unwrap();
    (folder, listener)
}

fn is_there(program: &str) -> bool {
    is_there_as(program, "--version")
}

fn is_there_as(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok_and(|output| output.status.success());
    assert!(found || !in_ci(), "CI tests with the real client: install {program}");
    found
}

fn psql(listener: &Postgres, password: &str, commands: &[&str]) -> Output {
    psql_at(listener.address().port(), password, commands).output().unwrap()
}

fn psql_at(port: u16, password: &str, commands: &[&str]) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-U", "somebody", "-d", "claviger", "-p", &port.to_string()]);
    psql.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "60").env_remove("PGSSLMODE");
    for command in commands {
        psql.args(["-c", command]);
    }
    psql
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_lists_tables_and_columns_and_sees_one_tenant() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(TwoTokens)).await;
    let count = psql(&listener, PASSWORD, &["select count(*) from events"]);
    assert_eq!(told(&count).trim(), "20");

    let tables = told(&psql(&listener, PASSWORD, &["\\dt"]));
    for table in ["events", "entity_minutes", "findings", "incidents"] {
        assert!(tables.contains(table), "{table} is not in:\n{tables}");
    }
    assert!(!tables.contains("rejects") && !tables.contains("identity_history"), "{tables}");
    let relations = told(&psql(&listener, PASSWORD, &["\\d"]));
    assert!(relations.contains("events") && !relations.contains("ERROR"), "{relations}");
    let columns = told(&psql(&listener, PASSWORD, &["\\d events"]));
    assert!(columns.contains("tenant_id") && columns.contains("latency_us") && !columns.contains("ERROR"), "{columns}");

    let all = told(&psql(&listener, PASSWORD, &["select * from events", "select * from entity_minutes"]));
    assert!(all.contains("path-1") && !all.contains(CANARY), "{all}");
    let hidden = told(&psql(&listener, PASSWORD, &["select * from rejects"]));
    assert!(hidden.contains("ERROR") && hidden.contains("the tables are events"), "{hidden}");
    let oracle = told(&psql(&listener, PASSWORD, &["select count(*) from events where 10 / latency_us >= 0"]));
    assert_eq!(oracle.trim(), "16", "four know no latency");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_or_is_not_on_the_list_is_refused() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(OpenDoor)).await;
    for refused in [
        "delete from events",
        "create table x (a int)",
        "copy events to stdout",
        "set role postgres",
        "set datafusion.execution.batch_size = 1",
        "select pg_read_file('/etc/passwd')",
        "select pg_sleep(100)",
        "select repeat('x', 1500000000)",
        "explain analyze select * from events",
        "prepare x as select 1",
        "listen x",
    ] {
        let answer = told(&psql(&listener, "", &[refused]));
        assert!(answer.contains("ERROR"), "{refused}: {answer}");
    }
    for accepted in [
        "begin",
        "set application_name = 'x'",
        "set statement_timeout = 1000",
        "set timezone to 'UTC'",
        "show server_version",
        "show transaction isolation level",
        "discard all",
        "select version()",
        "select current_database(), current_schema()",
        "explain select * from events",
    ] {
        let answer = told(&psql(&listener, "", &[accepted]));
        assert!(!answer.contains("ERROR"), "{accepted}: {answer}");
    }
    assert_eq!(told(&psql(&listener, "", &["begin; select count(*) from events; commit"])).trim(), "60");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_token_that_may_ask() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(TwoTokens)).await;
    for (password, message) in [
        ("wrong", "authentication failed"),
        ("for reports", "lacks the scope"),
        ("once more", "too many wrong passwords"),
        ("too early", "cannot be told now"),
    ] {
        let answer = psql(&listener, password, &["select 1"]);
        assert!(!answer.status.success());
        assert!(told(&answer).contains(message), "{}", told(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_it_wants_tls_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let queries = tenants::queries(tenants::write(folder.path(), true).await);
    let everywhere = "0.0.0.0:0".parse().unwrap();
    for door in [Arc::new(OpenDoor) as Arc<dyn Door>, Arc::new(TwoTokens)] {
        let refused = Postgres::start(everywhere, queries.clone(), door, None);
        assert!(matches!(refused, Err(PostgresError::Exposed { .. })));
    }
}

/// A certificate of its own making, as an operator's first try would be.
fn self_sign(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-out",
            "new.crt",
            "-keyout",
            "new.key",
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", told(&made));
    std::fs::rename(folder.join("new.key"), folder.join("tls.key")).unwrap();
    std::fs::rename(folder.join("new.crt"), folder.join("tls.crt")).unwrap();
}

/// Asks over TLS, as far as `mode` says.
fn psql_tls(port: u16, password: &str, mode: &str, root: &Path) -> String {
    let root = root.display();
    let server = format!("host=127.0.0.1 port={port} user=x dbname=claviger sslmode={mode} sslrootcert={root}");
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", &server, "-c", "select count(*) from events"]).env("PGPASSWORD", password);
    told(&psql.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_a_token_never_travels_in_clear_text() {
    if !is_there("psql") || !is_there_as("openssl", "version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let queries = tenants::queries(tenants::write(&folder.path().join("lake"), true).await);
    self_sign(folder.path());
    let root = folder.path().join("tls.crt");
    let tls = Some(Certificate::load(&root, folder.path().join("tls.key")).unwrap());
    let listener = Postgres::start("127.0.0.1:0".parse().unwrap(), queries, Arc::new(TwoTokens), tls).unwrap();
    let ask = |mode: &str| psql_tls(listener.address().port(), PASSWORD, mode, &root);
    assert_eq!(ask("verify-full").trim(), "20");
    assert!(ask("disable").contains("wants TLS"), "{}", ask("disable"));
}

/// libpq from 17 on says so, and leaves a server that knows other protocols only.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_name_their_protocol_in_tls_are_understood() {
    if !is_there_as("openssl", "version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let queries = tenants::queries(tenants::write(&folder.path().join("lake"), true).await);
    self_sign(folder.path());
    let tls = Some(Certificate::load(folder.path().join("tls.crt"), folder.path().join("tls.key")).unwrap());
    let listener = Postgres::start("127.0.0.1:0".parse().unwrap(), queries, Arc::new(TwoTokens), tls).unwrap();
    let address = listener.address().to_string();
    let asked = Command::new("openssl")
        .args(["s_client", "-starttls", "postgres", "-alpn", "postgresql", "-connect", &address])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(told(&asked).contains("ALPN protocol: postgresql"), "{}", told(&asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_on_record_once_with_how_it_ended() {
    if !is_there("psql") {
        return;
    }
    let door = Arc::new(Watched::default());
    let (_folder, listener) = serve(Arc::clone(&door) as Arc<dyn Door>).await;
    let asked = [
        "select topic, event_at from events where \"offset\" >= 0 or topic = 'sk_live_51Hq9KcanaryZx81TqPw'",
        "select nothing from events",
        "delete from events",
        "selec 1",
        "set role postgres",
        "set application_name = 'x'",
    ];
    psql(&listener, "", &asked);
    drop(listener);
    let records = door.records.lock().unwrap();
    let outcomes: Vec<(Action, Outcome)> = records.iter().map(|access| (access.action, access.outcome)).collect();
    let (query, wrong) = (Action::Query, Outcome::Wrong);
    let expected = [(query, Outcome::Done), (query, wrong), (query, wrong), (query, wrong), (query, wrong)];
    assert_eq!(outcomes, [&[(Action::BeginSession, Outcome::Done)], &expected[..]].concat(), "{records:#?}");
    let read = &records[1];
    assert_eq!((read.tables.as_slice(), read.who.as_str()), (&["events".to_owned()][..], "local"));
    assert!(read.rows == Some(60) && read.bytes > Some(600) && read.took_us > Some(0), "{read:?}");
    assert!(read.what.contains("sk_live_…") && !read.what.contains("canary"), "{}", read.what);
    assert_eq!(records[3].what, "DELETE FROM events");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_how_long_to_wait() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(Watched { patience: Some(2), ..Watched::default() })).await;
    let answer = told(&psql(&listener, "", &["select 1", "select 2", "select 3"]));
    assert!(answer.starts_with("1\n2\n") && answer.contains("more statements a second"), "{answer}");
    assert!(answer.contains("wait 250 ms"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_port_closes_is_still_answered() {
    if !is_there("psql") {
        return;
    }
    let (asked, mut questions) = mpsc::unbounded_channel();
    let (_folder, listener) = serve(Arc::new(Watched { asked: Some(asked), ..Watched::default() })).await;
    let port = listener.address().port();
    let slow = "select count(*) from events a, events b, events c where a.path < b.path or b.path < c.path";
    let waiting = tokio::task::spawn_blocking(move || psql_at(port, "", &[slow, "select 1"]).output().unwrap());
    questions.recv().await.unwrap();
    tokio::task::spawn_blocking(move || drop(listener)).await.unwrap();
    let answer = waiting.await.unwrap();
    let count = String::from_utf8_lossy(&answer.stdout).trim().parse::<u64>();
    assert!(count.is_ok_and(|count| count > 1), "{}", told(&answer));
    assert!(!answer.status.success(), "the second question came too late");
    assert!(!psql_at(port, "", &["select 1"]).output().unwrap().status.success());
}

/// Prepared statements, bound values, transactions, errors: what drivers make of SQL.
#[tokio::test(flavor = "multi_thread")]
async fn psycopg_and_asyncpg_work_as_they_do_elsewhere() {
    let python = std::env::var("CLAVIGER_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let is_able = Command::new(&python).args(["-c", "import asyncpg, psycopg"]).output();
    if !is_able.is_ok_and(|output| output.status.success()) {
        assert!(!in_ci(), "CI tests with the real drivers: {python} lacks asyncpg or psycopg");
        return;
    }
    let (_folder, listener) = serve(Arc::new(TwoTokens)).await;
    let port = listener.address().port().to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python).args([ASK, &port, "somebody", PASSWORD]).output().unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();

    let psycopg = &answers["psycopg"];
    assert_eq!(psycopg["count"], 20, "{answers:#}");
    assert_eq!(psycopg["injected"], 0, "{answers:#}");
    assert_eq!(psycopg["since"], 20, "{answers:#}");
    assert_eq!(psycopg["names"], serde_json::json!(["event_at", "path", "latency_us", "alternatives"]));
    assert_eq!(psycopg["delete"], "42501", "{answers:#}");
    assert_eq!(psycopg["hint"], "did you mean `tenant_id`?", "{answers:#}");
    assert_eq!(psycopg["division"], "22000", "{answers:#}");
    assert_eq!(psycopg["after_errors"], 1, "{answers:#}");

    let asyncpg = &answers["asyncpg"];
    assert_eq!(asyncpg["count"], 20, "{answers:#}");
    assert_eq!(asyncpg["in_transaction"], 20, "{answers:#}");
    assert_eq!(asyncpg["types"], serde_json::json!(["str", "int", "datetime", "list"]), "{answers:#}");
}
