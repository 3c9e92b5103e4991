//! The port of the real service, opened by its configuration: tokens, TLS, limits and the log of accesses.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use claviger::lake::Lake;
use serde_json::Value;

use super::{ASK, is_there, is_there_as, psql_at, psql_tls, self_sign, told};
use crate::query::tenants::{self, CANARY, OWN};
use crate::replay::FIXTURES;
use crate::support::{PATIENCE, wait_for};

/// A folder with a lake of two tenants and its pepper.
struct House {
    folder: tempfile::TempDir,
}

/// A running process that said where its ports are.
struct Service {
    child: Child,
    http: String,
    postgres: u16,
}

fn identity() -> String {
    format!("{FIXTURES}/identity")
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tenants::write(&folder.path().join("lake"), true).await;
        std::fs::write(folder.path().join("lake.pepper"), "a pepper of this test alone").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn claviger(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command.args(arguments).env_remove("CLAVIGER_PEPPER").stdin(Stdio::null());
        command
    }

    fn token(&self, arguments: &[&str]) -> String {
        let lake = self.text("lake");
        let output = self.claviger(&[&["token", "--lake", &lake], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn configuration(&self, serve: &str) -> String {
        let file = self.path("claviger.toml");
        let (lake, pepper, identity) = (self.text("lake"), self.text("lake.pepper"), identity());
        let text = format!(
            "[kafka]\nbrokers = ['127.0.0.1:1']\ntopics = ['t']\n[lake]\nuri = '{lake}'\n[secrets]\npepper_file = '{pepper}'\n\
             [identity]\ndirs = ['{identity}']\n[telemetry]\nlog_format = 'json'\n[serve]\n{serve}"
        );
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// `claviger run --role serve` with these lines in the section `[serve]`.
    fn run(&self, serve: &str) -> Service {
        let ports = "address = '127.0.0.1:0'\npostgres_address = '127.0.0.1:0'\n";
        let config = self.configuration(&format!("{ports}{serve}"));
        let mut child = self
            .claviger(&["run", "--role", "serve", "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, heard) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        // Ends with the process; reading on keeps it from waiting for its reader.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(|line| _ = said.send(line)));
        let told = |wanted: &str, field: &str| {
            let mut before = String::new();
            loop {
                let line = heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{wanted}` after:\n{before}"));
                before.push_str(&format!("{line}\n"));
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"] == wanted {
                    break line[field].as_str().unwrap().to_owned();
                }
            }
        };
        let http = told("claviger runs", "url");
        let address: std::net::SocketAddr = told("PostgreSQL clients may connect", "address").parse().unwrap();
        Service { child, http, postgres: address.port() }
    }

    /// What is on record in a chain, a line an access.
    async fn records(&self, tenant: &str) -> Vec<Value> {
        let lake = Lake::open_existing(&self.text("lake"), Lake::DEFAULT_PIPELINE, &HashMap::new()).await.unwrap();
        let lines = lake.audit_lines(tenant, 1, 10_000).await.unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Service {
    fn ask(&self, password: &str, commands: &[&str]) -> String {
        told(&self.output(password, commands))
    }

    fn output(&self, password: &str, commands: &[&str]) -> Output {
        psql_at(self.postgres, password, commands).output().unwrap()
    }

    fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let status = wait_for("end after SIGTERM", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended long ago; a failed test must not leave it behind.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

const ASKING: &str = "require_authentication = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_a_password_that_sees_its_tenant_and_what_it_asks_is_on_record() {
    if !is_there("psql") {
        return;
    }
    let house = House::new().await;
    let (ours, all) = (
        house.token(&["create", "--scope", "query", "--tenant", OWN]),
        house.token(&["create", "--scope", "query", "--all-tenants"]),
    );
    let mut service = house.run(ASKING);
    assert_eq!(service.ask(&ours, &["select count(*) from events"]).trim(), "20");
    assert_eq!(service.ask(&all, &["select count(*) from events"]).trim(), "60");
    let shown = service.ask(&ours, &["select * from events"]);
    assert!(shown.contains("path-1") && !shown.contains(CANARY), "{shown}");
    let tables = service.ask(&ours, &["\\d", "\\dt", "\\d events"]);
    assert!(tables.contains("entity_minutes") && tables.contains("latency_us"), "{tables}");
    assert!(!tables.contains("ERROR") && !tables.contains("rejects"), "{tables}");
    let hidden = service.ask(&ours, &["select count(*) from audit"]);
    assert!(hidden.contains("ERROR"), "{hidden}");
    let wrong = service.output("clv_wrong", &["select 1"]);
    assert!(!wrong.status.success() && told(&wrong).contains("authentication failed"), "{}", told(&wrong));

    // A connection that is open when its token is revoked: `clv_<id>_<secret>`.
    let mut open = psql_at(service.postgres, &ours, &[]);
    let mut open = open.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut keyboard = open.stdin.take().unwrap();
    let mut screen = BufReader::new(open.stdout.take().unwrap()).lines();
    writeln!(keyboard, "select 42;").unwrap();
    assert_eq!(screen.next().unwrap().unwrap(), "42");
    house.token(&["revoke", ours.split('_').nth(1).unwrap()]);
    let revoked = Instant::now();
    wait_for("revocation", || (!service.output(&ours, &["select 1"]).status.success()).then_some(()));
    assert!(revoked.elapsed().as_secs() < 10, "{:?}", revoked.elapsed());
    writeln!(keyboard, "select 43;").unwrap();
    let ended = open.wait_with_output().unwrap();
    assert!(told(&ended).contains("was revoked or has ended") && screen.next().is_none(), "{}", told(&ended));
    assert_eq!(service.ask(&all, &["select 1"]).trim(), "1");
    service.stop();

    let records = house.records(OWN).await;
    let id = ours.split('_').nth(1).unwrap();
    assert!(records.iter().all(|record| record["who"] == id && record["proof"] == "token"), "{records:#?}");
    let counted = records.iter().find(|record| record["what"] == "SELECT count(*) FROM events").expect("the query");
    assert_eq!((&counted["action"], &counted["outcome"]), (&"query".into(), &"done".into()), "{counted}");
    assert_eq!((&counted["tables"], &counted["rows"]), (&serde_json::json!(["events"]), &1.into()), "{counted}");
    assert!(counted["bytes"].as_u64() > Some(0) && counted["address"] == "127.0.0.1", "{counted}");
    assert!(
        records.iter().any(|record| record["outcome"] == "wrong" && record["what"].as_str().unwrap().contains("audit"))
    );
    let others = house.records("").await;
    let refused = others.iter().filter(|record| record["outcome"] == "refused" && record["action"] == "begin_session");
    assert!(refused.count() >= 2, "a wrong password and a revoked one: {others:#?}");
    assert_eq!(others.last().unwrap()["action"], "stop_log");
    assert!(!format!("{records:?}{others:?}").contains(ours.rsplit('_').next().unwrap()), "no password is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_of_python_ask_the_service_with_a_token() {
    let python = std::env::var("CLAVIGER_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let able = Command::new(&python).args(["-c", "import asyncpg, psycopg"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        assert!(!crate::support::in_ci(), "CI tests with the real drivers: {python} lacks asyncpg or psycopg");
        return;
    }
    let house = House::new().await;
    let token = house.token(&["create", "--scope", "query", "--tenant", OWN]);
    let service = house.run(ASKING);
    let output = Command::new(python).args([ASK, &service.postgres.to_string(), "x", &token]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answers["psycopg"]["count"], &answers["asyncpg"]["count"]), (&20.into(), &20.into()), "{answers:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_eager_callers_are_asked_to_wait() {
    if !is_there("psql") {
        return;
    }
    let house = House::new().await;
    let token = house.token(&["create", "--scope", "query", "--tenant", OWN]);
    let service = house.run(&format!("{ASKING}[serve.limits]\nrequests_per_second = 1.0\nrequests_burst = 20.0\n"));
    let eager = service.ask(&token, &["select 1"; 40]);
    assert!(eager.starts_with("1\n1\n1\n") && eager.contains("more statements a second"), "{eager}");
    let client = reqwest::Client::new();
    let url = format!("{}/v1/sql?q=select%201", service.http);
    let mut refused = 0;
    for _ in 0..20 {
        let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
        refused += u32::from(answer.status().as_u16() == 429);
    }
    assert!(refused > 0, "what is asked at one port counts at the other");
    let told: Vec<String> = (0..25).map(|_| service.ask("wrong", &["select 1"])).collect();
    assert!(told[0].contains("authentication failed"), "{}", told[0]);
    assert!(told.iter().any(|told| told.contains("too many wrong passwords")), "{told:?}");
    wait_for("a place for a good password", || service.ask(&token, &["select 1"]).starts_with('1').then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_the_next_client() {
    if !is_there("psql") || !is_there_as("openssl", "version") {
        return;
    }
    let house = House::new().await;
    let token = house.token(&["create", "--scope", "query", "--tenant", OWN]);
    self_sign(house.folder.path());
    let (certificate, key) = (house.text("tls.crt"), house.text("tls.key"));
    let service = house.run(&format!("tls_certificate = '{certificate}'\ntls_key = '{key}'\n"));
    let ask = |mode: &str| psql_tls(service.postgres, &token, mode, Path::new(&certificate));
    assert_eq!(ask("verify-full").trim(), "20");
    assert!(ask("disable").contains("wants TLS"));
    self_sign(house.folder.path());
    wait_for("renewed certificate", || (ask("verify-full").trim() == "20").then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_others_can_reach_needs_tls_and_one_that_is_taken_is_named() {
    let house = House::new().await;
    let config = house.configuration("postgres_address = '0.0.0.0:0'\ninsecure_behind_proxy = true\n");
    let refused = house.claviger(&["run", "--role", "serve", "--config", &config]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(told(&refused).contains("serve.postgres_address"), "{}", told(&refused));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = house.configuration(&format!("address = '127.0.0.1:0'\npostgres_address = '{address}'\n"));
    let refused = house.claviger(&["run", "--role", "serve", "--config", &config]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(told(&refused).contains(&address.to_string()), "{}", told(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_for_a_lake_at_rest_opens_the_port_and_keeps_a_record() {
    if !is_there("psql") {
        return;
    }
    let house = House::new().await;
    let (lake, identity) = (house.text("lake"), identity());
    let ports = ["--address", "127.0.0.1:0", "--postgres-address", "127.0.0.1:0"];
    let mut child = house
        .claviger(&[&["serve", "--lake", &lake, "--identity", &identity], &ports[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let http = lines.next().unwrap().strip_prefix("dashboard: ").unwrap().to_owned();
    let command = lines.next().unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!((words[0], words[1], words[3]), ("psql:", "psql", "127.0.0.1"), "{command}");
    let mut service = Service { child, http, postgres: words[5].parse().unwrap() };
    assert_eq!(service.ask("", &["select count(*) from events"]).trim(), "60");
    let answer = reqwest::get(format!("{}/v1/sql?q=select%20count(*)%20from%20rejects", service.http)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    service.stop();
    let records = house.records("").await;
    let with = |what: &str| records.iter().filter(|record| record["what"].as_str().unwrap().contains(what)).count();
    assert_eq!(with("SELECT count(*) FROM events"), 1, "{records:#?}");
    assert_eq!(with("from rejects"), 1, "{records:#?}");
    let actions = [&records[0]["action"], &records.last().unwrap()["action"]];
    assert_eq!(actions, ["start_log", "stop_log"], "{records:#?}");
    let verified = house.claviger(&["verify", &lake]).output().unwrap();
    assert!(verified.status.success(), "{}", told(&verified));
}
