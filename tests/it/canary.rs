//! Secrets at the door, as the binary: canary keys in the input of `claviger replay`, looked for in every byte that
//! any command writes, to files, standard output and standard error.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::serve::get;
use crate::support::kafka::Broker;
use crate::support::wait_for;

/// Secrets, and what stands for them in an `Authorization: Basic` header.
const CANARIES: &[&str] = &[
    "ck_live_Qx7CANARYmid93kfLpWq82hvTz41",
    "sk-Zt8CANARY4mNbV2cX9aSd7fGhJkL1pO",
    "clv_deadc0debadf00dca7a12345fee1600dfeedbeef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkiLCJpYXQiOjF9.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
];
const PASSWORD: &str = "Tr0ub4dor3canary";
const BASIC: &str = "YWxpY2U6VHIwdWI0ZG9yM2NhbmFyeQ==";

/// Lines that hold the secret in every place at once, then damaged in several ways.
fn lines(secret: &str) -> Vec<String> {
    let apisix = json!({
        "start_time": 1_795_500_000_000i64, "client_ip": "203.0.113.7", "route_id": secret, "service_id": secret,
        "server": {"hostname": secret}, "latency": 2.5, "apisix_latency": 0.5, "consumer": {"username": secret},
        "request": {
            "method": "GET", "uri": format!("/v1/{secret}/orders?apikey={secret}&other={secret}"),
            "url": format!("https://alice:{secret}@{secret}.example.com/v1/{secret}?token={secret}"),
            "headers": {
                "x-api-key": secret, "authorization": format!("Bearer {secret}"), "cookie": format!("sid={secret}"),
                "user-agent": format!("client {secret}"), "referer": format!("https://example.com/?k={secret}"),
                "x-request-id": secret, "x-tenant-id": secret, "host": secret, "traceparent": secret, secret: "name",
            },
            "querystring": {"apikey": secret}, "body": format!("{{\"password\":\"{secret}\",\"model\":\"{secret}\"}}"),
        },
        "response": {
            "status": 401, "headers": {"set-cookie": secret},
            "body": format!("{{\"message\":\"invalid key {secret}\",\"code\":\"{secret}\"}}"),
        },
        secret: secret,
    });
    let canonical = json!({
        "event_at": "2026-11-24T06:00:00Z", "status": 401, "credential": secret, "path": format!("/{secret}"),
        "gateway_message": format!("no such key: {secret}"), "request_id": secret, "user_agent": secret,
    });
    let served = json!({
        "event_at": "2026-11-24T06:00:00Z", "status": 200, "upstream_status": 200, "credential": secret, "host": secret,
    });
    let whole = apisix.to_string();
    let cut = whole.split_inclusive(secret).next().unwrap_or("").to_owned();
    vec![
        whole,
        canonical.to_string(),
        served.to_string(),
        cut,
        format!("GET /v1?key={secret} HTTP/1.1"),
        format!("{{\"{secret}\":\"{secret}\"}}"),
        format!("{{\"message\":\"{secret}\"}}"),
        format!("{{\"start_time\":\"{secret}\",\"request\":{{}},\"response\":{{\"status\":\"{secret}\"}}}}"),
        secret.to_owned(),
    ]
}

/// The middle of every part of every secret.
fn needles() -> Vec<String> {
    let parts = CANARIES.iter().chain([&PASSWORD, &BASIC]).flat_map(|secret| secret.split('.'));
    let middle = |part: &str| {
        let from = (part.len() - 12) / 2;
        part.get(from..from + 12).expect("secrets are ASCII").to_owned()
    };
    parts.map(middle).collect()
}

fn assert_clean(bytes: &[u8], what: &str) {
    for needle in needles() {
        let found = memchr::memmem::find(bytes, needle.as_bytes());
        assert!(found.is_none(), "`{needle}` is in {what}, at byte {found:?}");
    }
}

/// Runs the binary and checks all that it prints.
fn claviger(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(arguments)
        .envs([("CLAVIGER_PEPPER", "a pepper for tests only"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")])
        .output()
        .expect("the binary runs");
    let what = format!("what `claviger {}` prints", arguments.join(" "));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    assert_clean(&output.stdout, &what);
    assert_clean(&output.stderr, &what);
    output.stdout
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The rows of a Parquet file, as JSON lines.
fn unpacked(path: &Path) -> Vec<u8> {
    let file = File::open(path).expect("a file");
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("Parquet");
    let mut writer = LineDelimitedWriter::new(Vec::new());
    for batch in rows {
        writer.write(&batch.expect("rows")).expect("JSON");
    }
    writer.into_inner()
}

/// Returns 1 for a Parquet file with rows, else 0.
fn assert_file_clean(file: &Path) -> usize {
    let what = file.display().to_string();
    assert_clean(&std::fs::read(file).expect("a file"), &what);
    if file.extension().is_none_or(|end| end != "parquet") {
        return 0;
    }
    let rows = unpacked(file);
    assert_clean(&rows, &what);
    usize::from(!rows.is_empty())
}

fn write_identity(folder: &str) {
    std::fs::create_dir(folder).expect("a folder");
    let snapshot = json!({"as_of": "2026-11-24T00:00:00Z", "source": "tests", "environment": "prod"});
    std::fs::write(format!("{folder}/snapshot.json"), snapshot.to_string()).expect("a snapshot");
    let known = json!({"key_id": "k1", "key": CANARIES[0], "status": "revoked", "revoked_at": "2026-11-23T00:00:00Z"});
    std::fs::write(format!("{folder}/keys.ndjson"), format!("{known}\n")).expect("keys");
}

#[test]
fn no_byte_that_a_command_writes_holds_a_secret_of_its_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (identity, lake, access) = (path("identity"), path("lake"), path("access.ndjson"));

    write_identity(&identity);
    let mut all: Vec<String> = CANARIES.iter().flat_map(|secret| lines(secret)).collect();
    let password = json!({
        "start_time": 1_795_500_000_000i64, "client_ip": "203.0.113.7", "latency": 1, "route_id": "login",
        "request": {
            "method": "GET", "uri": format!("/login/{PASSWORD}"), "url": format!("https://alice:{PASSWORD}@host/login"),
            "headers": {"authorization": format!("Basic {BASIC}"), "user-agent": format!("pw {PASSWORD}")},
        },
        "response": {"status": 401, "body": format!("{{\"message\":\"wrong password {PASSWORD}\"}}")},
    });
    let cut = password.to_string().replace("}}", "");
    all.extend([password.to_string(), cut, String::new(), format!("{PASSWORD} {BASIC}")]);
    std::fs::write(&access, all.join("\n")).expect("a log");

    let counts = claviger(&["replay", "--identity", &identity, "--lake", &lake, "--json", &access]);
    let counts: serde_json::Value = serde_json::from_slice(&counts).expect("JSON");
    assert!(counts["events"].as_i64() > Some(10) && counts["rejects"].as_i64() > Some(10), "{counts}");
    claviger(&["replay", "--identity", &identity, "--lake", &path("again"), &access]);

    let written = files_below(folder.path());
    let written = written.iter().filter(|file| !file.starts_with(&identity) && **file != Path::new(&access));
    let tables: usize = written.map(|file| assert_file_clean(file)).sum();
    assert!(tables >= 6, "events, rejects and minutes of two lakes hold rows: {tables}");

    for table in ["events", "rejects", "entity_minutes", "identity_history"] {
        for output in ["table", "ndjson", "csv"] {
            claviger(&["query", "--lake", &lake, "--output", output, &format!("select * from {table}")]);
        }
    }
    let revoked = claviger(&[
        "query",
        "--lake",
        &lake,
        "--output",
        "csv",
        "select count(*) from events where cause = 'key_revoked'",
    ]);
    assert!(!String::from_utf8_lossy(&revoked).ends_with("\n0\n"), "the known canary is recognised by its hash");
    claviger(&["check-lake", "--lake", &lake]);
    claviger(&["identity", "check", &identity]);
}

/// The service, with every log line that there is: what it logs, shows as metrics and stores.
#[test]
fn no_byte_that_the_service_writes_holds_a_secret_of_its_input() {
    let broker = Broker::get();
    let topic = broker.topic(1);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (identity, lake, log) = (path("identity"), path("lake"), path("service.log"));
    write_identity(&identity);
    let config = format!(
        "[kafka]\nbrokers = ['{}']\ntopics = ['{topic}']\ngroup = '{topic}'\n[secrets]\npepper = 'a pepper for tests only'\n\
         [identity]\ndirs = ['{identity}']\n[lake]\nuri = '{lake}'\ncommit_interval_ms = '200ms'\n\
         [serve]\naddress = '127.0.0.1:0'\n[telemetry]\nlog_format = 'json'\nlog_level = 'trace'\n",
        broker.address
    );
    std::fs::write(path("claviger.toml"), config).expect("a configuration");
    let frames: Vec<String> = CANARIES.iter().flat_map(|secret| lines(secret)).collect();
    broker.produce(&topic, 0, frames.iter().map(Some));

    let mut service = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(["run", "--config", &path("claviger.toml")])
        .stderr(File::create(&log).expect("a log"))
        .spawn()
        .expect("the binary runs");
    let logged = || String::from_utf8_lossy(&std::fs::read(&log).expect("a log")).into_owned();
    let address = wait_for("address in the log", || {
        let line = logged().lines().find(|line| line.contains("claviger runs"))?.to_owned();
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        line["url"].as_str()?.strip_prefix("http://")?.parse().ok()
    });
    let refined = format!("claviger_refine_in_frames_total {}", frames.len());
    let metrics = wait_for("metric that counts all frames", || {
        let metrics = get(address, "/metrics");
        metrics.contains(&refined).then_some(metrics)
    });
    wait_for("commit", || logged().contains("\"rows committed\"").then_some(()));
    let stopped = Command::new("kill").args(["-s", "TERM", &service.id().to_string()]).status().expect("`kill` runs");
    assert!(stopped.success());
    let ended = wait_for("end of the service", || service.try_wait().expect("a status"));
    assert!(ended.success(), "{}", logged());

    assert_clean(metrics.as_bytes(), "/metrics");
    assert!(logged().contains("\"DEBUG\""), "the log holds the finest lines");
    assert_file_clean(Path::new(&log));
    let tables: usize = files_below(Path::new(&lake)).iter().map(|file| assert_file_clean(file)).sum();
    assert!(tables >= 3, "events, rejects and minutes hold rows: {tables}");
}
