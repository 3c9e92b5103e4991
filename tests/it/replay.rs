//! `claviger replay` as scripts use it: what it stores, what it refuses, and what it does not do twice.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/first-cause");

/// Replays `files` of `folder` into its lake; the answer as JSON.
pub(crate) fn replay(folder: &Path, files: &[&str], input: &[u8]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.current_dir(folder).args(["replay", "--json", "--lake", "lake", "--identity"]);
    command.arg(format!("{FIXTURES}/identity")).args(files);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success());
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn query(folder: &Path, sql: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    let answer =
        command.current_dir(folder).args(["query", "--lake", "lake", "--output", "json", sql]).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

pub(crate) fn log() -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/access.ndjson")).unwrap()
}

#[test]
fn a_file_replayed_again_adds_nothing_and_a_grown_one_only_its_new_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.ndjson");
    let lines = log();
    let half = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(4).unwrap().0 + 1;
    std::fs::write(&file, &lines[..half]).unwrap();
    assert_eq!(replay(folder.path(), &["access.ndjson"], b"")["events"], 5);
    assert_eq!(replay(folder.path(), &["access.ndjson"], b"")["events"], 0);
    std::fs::write(&file, &lines).unwrap();
    assert_eq!(replay(folder.path(), &["access.ndjson"], b"")["events"], 5);
    let stored = query(folder.path(), "select count(*) n, count(distinct request_id) ids from events");
    assert_eq!((&stored[0]["n"], &stored[0]["ids"]), (&10.into(), &10.into()));
}

#[test]
fn files_of_one_name_in_two_folders_keep_their_coordinates_apart() {
    let folder = tempfile::tempdir().unwrap();
    let lines = log();
    let half = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(4).unwrap().0 + 1;
    for (day, lines) in [("monday", &lines[..half]), ("tuesday", &lines[half..])] {
        std::fs::create_dir(folder.path().join(day)).unwrap();
        std::fs::write(folder.path().join(day).join("access.ndjson"), lines).unwrap();
    }
    assert_eq!(replay(folder.path(), &["monday/access.ndjson", "tuesday/access.ndjson"], b"")["events"], 10);
    let sql = "select count(distinct topic || ':' || \"offset\"::varchar) n, count(distinct topic) files from events";
    let stored = query(folder.path(), sql);
    assert_eq!((&stored[0]["n"], &stored[0]["files"]), (&10.into(), &2.into()));
    let mut check = Command::new(env!("CARGO_BIN_EXE_claviger"));
    let check = check.current_dir(folder.path()).args(["check-lake", "--lake", "lake", "--json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&check.stdout).unwrap();
    let lines: Vec<&Value> = said["streams"].as_array().unwrap().iter().map(|stream| &stream["rows"]).collect();
    assert!(check.status.success() && lines == [5, 5], "{said}");
}

#[test]
fn packed_files_and_standard_input_say_the_same_as_the_plain_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log()).unwrap();
    std::fs::write(folder.path().join("a.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(folder.path().join("b.zst"), zstd::encode_all(&log()[..], 1).unwrap()).unwrap();
    let answer = replay(folder.path(), &["a.gz", "b.zst", "-"], &log());
    assert_eq!((&answer["frames"], &answer["denied"]), (&30.into(), &24.into()));
    let causes = query(folder.path(), "select cause, count(*) n from events group by cause having count(*) % 3 <> 0");
    assert_eq!(causes, Value::Array(Vec::new()), "every cause comes once a copy");
}

#[test]
fn what_cannot_be_unpacked_or_never_ends_is_a_reject_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&log()).unwrap();
    let mut damaged = gzip.finish().unwrap();
    damaged.truncate(damaged.len() / 2);
    std::fs::write(folder.path().join("damaged.gz"), damaged).unwrap();
    let mut endless = log();
    endless.extend(std::iter::repeat_n(b'x', 40 << 20));
    endless.extend_from_slice(b"\n");
    endless.extend_from_slice(&log());
    let answer = replay(folder.path(), &["damaged.gz", "-"], &endless);
    assert!(answer["rejects"].as_i64().unwrap() >= 2, "{answer}");
    let rejects = query(folder.path(), "select reason, \"offset\" from rejects where topic like 'standard input#%'");
    assert_eq!((&rejects[0]["reason"], &rejects[0]["offset"]), (&"too_large".into(), &10.into()));
    let behind = query(folder.path(), "select count(*) n from events where topic like 'standard input#%'");
    assert_eq!(behind[0]["n"], 20, "the lines before and behind it are read");
    let damage = query(
        folder.path(),
        "select reason from rejects where topic like 'damaged.gz#%' and reason = 'bad_compression'",
    );
    assert_eq!(damage.as_array().unwrap().len(), 1);
}

#[test]
fn changes_of_identity_are_stored_once_beside_the_requests() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        replay(folder.path(), &["-"], &log());
    }
    let deleted =
        query(folder.path(), "select id from identity_history where kind = 'principal' and after = 'deleted'");
    assert_eq!(deleted, serde_json::json!([{ "id": "svc-backup" }]));
    let keys = query(folder.path(), "select count(*) n, count(distinct key_id) ids from directory_keys");
    assert!(keys[0]["n"] == keys[0]["ids"] && keys[0]["n"] != 0, "every key is listed once: {keys}");
}
