//! `claviger diagnose` and its kin as people and scripts use them, on a lake that was replayed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/classify/world");
const CAUSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/classify");

/// A folder with a lake of some causes' fixtures, replayed with the made-up company's directory.
fn lake() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<String> = Vec::new();
    for cause in
        ["user_deleted", "key_revoked", "scope_missing", "near_miss_credential", "zombie_access", "unknown_key"]
    {
        files.push(format!("{CAUSES}/{cause}/named.ndjson"));
    }
    files.push(format!("{CAUSES}/tenant_mismatch/named.ndjson"));
    let mut arguments = vec!["replay", "--lake", "lake", "--identity", WORLD];
    arguments.extend(files.iter().map(String::as_str));
    let replayed = claviger(folder.path(), &arguments, b"");
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    folder
}

fn claviger(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.current_dir(folder).args(arguments).env_remove("CLAVIGER_PEPPER");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads no input may have ended already.
    _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn diagnose(folder: &Path, subject: &[&str], input: &[u8]) -> Output {
    let mut arguments = vec!["diagnose", "--lake", "lake", "--identity", WORLD];
    arguments.extend(subject);
    claviger(folder, &arguments, input)
}

fn json(folder: &Path, subject: &[&str]) -> Value {
    let answer = diagnose(folder, &[subject, &["--json"]].concat(), b"");
    assert!(answer.status.success(), "{subject:?}: {}", text(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn query(folder: &Path, sql: &str) -> Value {
    let answer = claviger(folder, &["query", "--lake", "lake", "--output", "json", sql], b"");
    assert!(answer.status.success(), "{sql}: {}", text(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

#[test]
fn a_request_is_explained_with_its_proof_its_remedy_and_a_query_that_runs() {
    let folder = lake();
    let said = json(folder.path(), &["--request-id", "gone-since-the-snapshot-before"]);
    assert_eq!(said["verdict"]["cause"], "user_deleted");
    assert_eq!(said["verdict"]["sentence"], "User svc-backup was deleted at 06:02:00 UTC.");
    assert_eq!(said["request"]["key_id"], "key-backup");
    let steps = said["steps"].as_array().unwrap();
    let results: Vec<&str> = steps.iter().map(|step| step["result"].as_str().unwrap()).collect();
    assert_eq!((steps.len(), results[1]), (6, "fail"), "{results:?}");
    let failed = steps[1]["checks"].as_array().unwrap().iter().find(|check| check["result"] == "fail").unwrap();
    assert_eq!((&failed["at"], &failed["source"]), (&"2026-11-24T06:02:00Z".into(), &"written for the tests".into()));
    assert_eq!(
        (&said["remedy"]["owner"], &said["remedy"]["scopes"]),
        (&"tenant admin".into(), &serde_json::json!(["orders:read"]))
    );
    assert_eq!(said["callers"][0]["network"], "203.0.113.0/24");
    let counted: i64 = said["timeline"]["failures"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).sum();
    assert_eq!(counted, 1, "{}", said["timeline"]);

    let done = said["done_when"]["sql"].as_str().unwrap();
    assert_eq!(query(folder.path(), done)[0]["requests"], 0, "it is long ago");
    let then = done.replace("now() - interval '15 minutes'", "timestamp '2026-11-24T08:00:00Z'");
    assert!(query(folder.path(), &then)[0]["requests"].as_i64().unwrap() > 0, "the query sees what is broken");
}

#[test]
fn keys_users_and_tenants_are_explained_by_their_last_refusal_or_by_identity_alone() {
    let folder = lake();
    for (subject, cause, seen) in [
        // Of what happened in one instant, what was served although it should not have been.
        (["--key-id", "key-leaked"], "zombie_access", true),
        (["--principal", "svc-backup"], "zombie_access", true),
        (["--principal", "usr-ines"], "user_deactivated", false),
        (["--tenant", "initech"], "account_suspended_policy", false),
        (["--id", "key-leaked"], "zombie_access", true),
    ] {
        let said = json(folder.path(), &subject);
        assert_eq!(said["verdict"]["cause"], cause, "{subject:?}: {}", said["verdict"]);
        assert_eq!(said["request"].is_object(), seen, "{subject:?}");
    }
    let fine = json(folder.path(), &["--key-id", "key-mail"]);
    assert_eq!((&fine["verdict"]["cause"], &fine["verdict"]["label"]), (&Value::Null, &"In order".into()));
}

#[test]
fn a_key_on_standard_input_is_found_and_never_echoed() {
    let folder = lake();
    let secret = "ck_live_ec0a8b70b5790ff3f7d7e3ef9cbd93c7";
    for (shown, expected) in [
        (format!("{secret}\n"), "key-leaked"),
        (format!("'{secret}'\n"), "but for a slip"),
        ("ck_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".to_owned(), "is in no snapshot"),
    ] {
        for more in [&["--json"][..], &["--markdown"], &[]] {
            let answer = diagnose(folder.path(), &[&["--key-stdin"], more].concat(), shown.as_bytes());
            let said = text(&answer.stdout) + &text(&answer.stderr);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(answer.status.success() && said.contains(expected), "{expected}: {said}");
            assert!(!said.contains("7d7e3ef9cbd9") && !said.contains("aaaaaaaa"), "{said}");
        }
    }
}

#[test]
fn what_nobody_ever_saw_ends_with_1_and_a_wrong_question_with_2() {
    let folder = lake();
    for (subject, code) in [
        (&["--request-id", "never"][..], 1),
        (&["--key-id", "never"], 1),
        (&["--incident", "0123"], 1),
        (&["--id", "never"], 1),
        (&["--key-id", "key-shop", "--at", "yesterday"], 2),
        (&[], 2),
        (&["--key-stdin"], 2),
    ] {
        let answer = diagnose(folder.path(), subject, b"");
        assert_eq!(answer.status.code(), Some(code), "{subject:?}: {}", text(&answer.stderr));
        assert!(answer.stdout.is_empty(), "{subject:?}");
    }
}

#[test]
fn one_tenant_is_told_nothing_of_anothers() {
    let folder = lake();
    let asked = |subject: [&str; 2], tenant: &str| {
        diagnose(folder.path(), &[subject[0], subject[1], "--as-tenant", tenant, "--json"], b"").status.code()
    };
    for subject in [
        ["--request-id", "gone-since-the-snapshot-before"],
        ["--key-id", "key-backup"],
        ["--principal", "svc-backup"],
        ["--tenant", "acme"],
        ["--id", "key-backup"],
    ] {
        assert_eq!(asked(subject, "acme"), Some(0), "{subject:?}");
        assert_eq!(asked(subject, "wayne"), Some(1), "{subject:?}");
    }
    let own = diagnose(folder.path(), &["--request-id", "in-a-header", "--as-tenant", "wayne", "--json"], b"");
    let own: Value = serde_json::from_slice(&own.stdout).unwrap();
    let others =
        own["steps"][4]["checks"].as_array().unwrap().iter().find(|check| check["name"] == "Other tenants are served");
    assert_eq!(others.unwrap()["result"], "skipped");
    let shown = diagnose(
        folder.path(),
        &["--key-stdin", "--as-tenant", "wayne"],
        b"ck_live_ec0a8b70b5790ff3f7d7e3ef9cbd93c7\n",
    );
    assert_eq!(shown.status.code(), Some(1), "another tenant's key is nobody's");
}

#[test]
fn the_page_leads_with_the_verdict_and_fits_a_terminal() {
    let folder = lake();
    let answer = diagnose(folder.path(), &["--request-id", "gone-since-the-snapshot-before"], b"");
    let page = text(&answer.stdout);
    let mut lines = page.lines();
    assert_eq!(lines.next(), Some("Refused: User deleted"));
    assert!(page.contains("Fix   Tenant admin:") && page.contains("✕ 2 Account behind it") && page.contains("Callers"));
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn what_if_counts_who_would_break() {
    let folder = lake();
    let ask = |change: [&str; 2]| {
        let arguments = ["what-if", "--lake", "lake", "--identity", WORLD, "--json", change[0], change[1]];
        let answer = claviger(folder.path(), &arguments, b"");
        let json: Value = serde_json::from_slice(&answer.stdout).unwrap();
        (answer.status.code(), json)
    };
    let (code, said) = ask(["--revoke-key", "key-leaked"]);
    assert_eq!(code, Some(0));
    assert_eq!(said["keys"][0]["name"], "key-leaked", "it is served still: {said}");
    assert!(said["requests_per_day"].as_f64().unwrap() > 0.0);
    let (code, said) = ask(["--disable-principal", "usr-ines"]);
    assert_eq!((code, said["keys"].as_array().unwrap().len()), (Some(0), 0));
    assert_eq!(ask(["--revoke-key", "never"]).0, Some(1));
}

#[test]
fn a_forecast_names_the_keys_in_use_that_end() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    std::fs::create_dir(&identity).unwrap();
    std::fs::write(identity.join("snapshot.json"), r#"{"as_of":"2026-11-24T10:00:00Z","source":"tests"}"#).unwrap();
    let keys = [
        r#"{"key_id":"soon","key":"ck_live_11111111111111111111111111111111","tenant_id":"acme","expires_at":"2026-11-30T00:00:00Z"}"#,
        r#"{"key_id":"idle","key":"ck_live_22222222222222222222222222222222","tenant_id":"acme","expires_at":"2026-11-29T00:00:00Z"}"#,
    ];
    std::fs::write(identity.join("keys.ndjson"), keys.join("\n")).unwrap();
    let line = r#"{"event_at":"2026-11-24T09:00:00Z","gateway":"edge","request_id":"r1","method":"GET","path":"/v1/orders","status":200,"upstream_status":200,"client_address":"203.0.113.9","credential":"ck_live_11111111111111111111111111111111"}"#;
    std::fs::write(folder.path().join("access.ndjson"), line).unwrap();
    let replayed =
        claviger(folder.path(), &["replay", "--lake", "lake", "--identity", "identity", "access.ndjson"], b"");
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let ask = |days: &str| {
        let arguments = ["forecast", "--lake", "lake", "--identity", "identity", "--days", days, "--json"];
        let answer = claviger(folder.path(), &arguments, b"");
        (answer.status.code(), serde_json::from_slice::<Value>(&answer.stdout).unwrap())
    };
    let (code, said) = ask("7");
    assert_eq!((code, &said["stops"][0]["key_id"], &said["unused"]), (Some(1), &"soon".into(), &1.into()), "{said}");
    assert_eq!(said["stops"][0]["callers"][0]["name"], "203.0.113.0/24");
    assert_eq!(ask("2").0, Some(0));
}

#[test]
fn a_bundle_is_the_same_twice_and_names_no_address() {
    let folder = lake();
    let read = |out: &str| {
        let arguments =
            ["bundle", "--lake", "lake", "--identity", WORLD, "--request-id", "revoked-with-its-user", "--out", out];
        let answer = claviger(folder.path(), &arguments, b"");
        assert!(answer.status.success(), "{}", text(&answer.stderr));
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path().join(out)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    let first = read("one");
    assert_eq!((first.len(), &first), (5, &read("two")));
    let all = first.join("\n");
    assert!(all.contains("user_deleted") && all.contains("ck_live_…9762") && all.contains("203.0.113.0/24"));
    assert!(!all.contains("203.0.113.40\"") && !all.contains("fingerprint\""), "{all}");
}

#[test]
fn formats_says_what_a_log_can_decide_and_what_would_help() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{CAUSES}/user_deleted/named.ndjson");
    let answer = claviger(folder.path(), &["formats", &file, "--json"], b"");
    let said: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!((&said["formats"]["apisix"], &said["formats"]["kong"]), (&1.into(), &1.into()), "{said}");
    assert!(said["decidable"].as_array().unwrap().contains(&"user_deleted".into()));
    let nothing = claviger(folder.path(), &["formats", "-"], b"<html>\n");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stdout).contains("apisix"), "it names what it can read");
}

#[test]
fn every_command_shows_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["diagnose", "what-if", "forecast", "bundle", "formats"] {
        let help = text(&claviger(folder.path(), &[command, "--help"], b"").stdout);
        assert!(help.contains(&format!("claviger {command} ")) && help.contains("Exit code 1"), "{help}");
    }
}
