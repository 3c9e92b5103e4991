//! Snapshot folders on a real disk: every kind of file, hot reload, and the two commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, ListBuilder, MapBuilder, RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
};
use claviger::identity::{IdentityError, Refresher, Sources, load};
use claviger_core::identity::{Directory, FindingCode, Match};
use claviger_core::secret::{Credential, Pepper, Schemes};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::support::PATIENCE;

const KEY: &str = "ck_live_0123456789abcdef0123456789abcdef";
const SNAPSHOT: &str = r#"{"as_of":"2026-11-24T05:00:00Z","source":"test","environment":"prod","rows":3}"#;

fn pepper() -> Pepper {
    Pepper::new(b"a pepper for tests only").expect("a test's own files and batches are in order")
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a test's own files and batches are in order");
    write(folder.path(), files);
    folder
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("a test's own files and batches are in order");
    }
}

fn loaded(folder: &Path) -> claviger_core::identity::Loaded {
    load(&[folder.to_owned()], &pepper()).expect("a test's own files and batches are in order")
}

fn finds(directory: &Directory, key: &str) -> bool {
    matches!(directory.find(&Credential::of(key, &pepper(), Schemes::default())), Match::Known(_))
}

fn claviger(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command
        .arg("identity")
        .args(arguments)
        .env_remove("CLAVIGER_PEPPER")
        .output()
        .expect("a test's own files and batches are in order")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("a test's own files and batches are in order")
}

/// The rows of the other two kinds of file, as a writer of Parquet would type them.
fn parquet_keys(path: &Path) {
    let mut scopes = ListBuilder::new(StringBuilder::new());
    scopes.append_value([Some("read"), Some("write")]);
    scopes.append_null();
    let mut fingerprints = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    fingerprints.append(false).expect("a test's own files and batches are in order");
    fingerprints.keys().append_value("hmac-sha256");
    fingerprints.values().append_value("00112233445566778899aabbccddeeff");
    fingerprints.append(true).expect("a test's own files and batches are in order");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("key_id", Arc::new(StringArray::from(vec!["k1", "k2"]))),
        ("key", Arc::new(StringArray::from(vec![Some(KEY), None]))),
        ("fingerprints", Arc::new(fingerprints.finish())),
        ("principal_id", Arc::new(StringArray::from(vec!["p", "p"]))),
        ("scopes", Arc::new(scopes.finish())),
        (
            "expires_at",
            Arc::new(TimestampMillisecondArray::from(vec![Some(1_800_000_000_500), None]).with_timezone("UTC")),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a test's own files and batches are in order");
    let mut writer = ArrowWriter::try_new(
        fs::File::create(path).expect("a test's own files and batches are in order"),
        batch.schema(),
        None,
    )
    .expect("a test's own files and batches are in order");
    writer.write(&batch).expect("a test's own files and batches are in order");
    writer.close().expect("a test's own files and batches are in order");
}

#[test]
fn ndjson_csv_and_parquet_give_the_same_directory() {
    let ndjson = format!(
        "{{\"key_id\":\"k1\",\"key\":\"{KEY}\",\"principal_id\":\"p\",\"scopes\":[\"read\",\"write\"],\"expires_at\":\"2027-01-15T08:00:00.5Z\"}}\n\
         {{\"key_id\":\"k2\",\"fingerprints\":{{\"hmac-sha256\":\"00112233445566778899AABBCCDDEEFF\"}},\"principal_id\":\"p\"}}\n"
    );
    let csv = format!(
        "\u{feff}key_id,key,fingerprints,principal_id,scopes,expires_at\r\n\
         k1,{KEY},,p,write; read,2027-01-15T09:00:00.500+01:00\r\n\
         k2,,hmac-sha256=00112233445566778899aabbccddeeff,p,,\r\n"
    );
    let principals = ("principals.jsonl", "{\"principal_id\":\"p\"}");
    let as_ndjson = folder(&[("snapshot.json", SNAPSHOT), ("keys.ndjson", &ndjson), principals]);
    let as_csv = folder(&[("snapshot.json", SNAPSHOT), ("keys.csv", &csv), ("principals.csv", "principal_id\np\n")]);
    let as_parquet = folder(&[("snapshot.json", SNAPSHOT), principals]);
    parquet_keys(&as_parquet.path().join("keys.parquet"));
    let versions = [&as_ndjson, &as_csv, &as_parquet].map(|folder| {
        let loaded = loaded(folder.path());
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings.list());
        assert!(finds(&loaded.directory, KEY));
        loaded.directory.version().to_owned()
    });
    assert_eq!(versions[0], versions[1]);
    assert_eq!(versions[0], versions[2]);
}

#[test]
fn hostile_files_give_findings_or_errors_with_their_place() {
    let long = format!("{{\"key_id\":\"{}\"}}", "x".repeat(10_000_000));
    let mut rows = format!("{{\"key_id\":\"k1\"}}\n{long}\n\n").into_bytes();
    rows.extend_from_slice(b"{\"key_id\":\"\xff\xfe\"}\n\0\0\0\n{\"key_id\":\"k2\",\"key\":\"");
    rows.extend_from_slice(KEY.as_bytes());
    rows.extend_from_slice(b"\"}");
    let broken = folder(&[
        ("snapshot.json", SNAPSHOT),
        ("tenants.csv", "tenant_id,name\nt1,T,too,many\nt2,\"multi\nline\"\nt3\n"),
    ]);
    fs::write(broken.path().join("keys.ndjson"), rows).unwrap();
    let loaded = loaded(broken.path());
    let bad: Vec<String> = loaded
        .findings
        .list()
        .iter()
        .filter(|finding| finding.code == FindingCode::BadRow)
        .map(|finding| format!("{}:{}", finding.file, finding.line))
        .collect();
    assert_eq!(bad, ["keys.ndjson:2", "keys.ndjson:4", "keys.ndjson:5", "tenants.csv:2"]);
    assert!(finds(&loaded.directory, KEY), "the rows after a bad one are read");
    assert!(loaded.directory.find_tenant("t3").is_some());
}

#[test]
fn a_folder_that_is_no_snapshot_says_what_is_missing() {
    let load = |folder: &Path| load(&[folder.to_owned()], &pepper()).map(|_| ());
    let empty = folder(&[]);
    assert!(matches!(load(empty.path()), Err(IdentityError::NoKeys { .. })));
    assert!(matches!(load(&empty.path().join("none")), Err(IdentityError::NoFolder { .. })));
    let twice = folder(&[("keys.csv", "key_id\n"), ("keys.ndjson", "")]);
    assert!(matches!(load(twice.path()), Err(IdentityError::Twice { .. })));
    for text in ["", "[]", "{\"as_of\":\"yesterday\"}"] {
        let bad = folder(&[("keys.csv", "key_id\n"), ("snapshot.json", text)]);
        assert!(matches!(load(bad.path()), Err(IdentityError::BadSnapshot { .. })), "{text}");
    }
    let torn = folder(&[("keys.parquet", "PAR1 and then nothing")]);
    assert!(matches!(load(torn.path()), Err(IdentityError::BadParquet { .. })));
    let undated = folder(&[("keys.csv", "key_id\n")]);
    assert_eq!(loaded(undated.path()).findings.list()[0].code, FindingCode::NoAsOf);
}

fn refresher(folder: &Path) -> Refresher {
    start(folder, None)
}

fn start(folder: &Path, memory: Option<&Path>) -> Refresher {
    let (folders, memory) = (vec![folder.to_owned()], memory.map(Path::to_owned));
    Refresher::open(Sources { folders, pepper: pepper(), memory, interval: Duration::from_millis(5) })
        .expect("the folder is a snapshot")
        .0
}

#[tokio::test]
async fn a_deleted_principal_is_still_deleted_after_a_restart() {
    let row = format!("{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"p\"}}");
    let folder = folder(&[
        ("snapshot.json", SNAPSHOT),
        ("keys.ndjson", &row),
        ("principals.ndjson", "{\"principal_id\":\"p\"}"),
    ]);
    let memory = TempDir::new().unwrap();
    let mut refresher = start(folder.path(), Some(memory.path()));
    let later = SNAPSHOT.replace("05:00:00", "06:00:00");
    write(folder.path(), &[("snapshot.json", &later), ("principals.ndjson", "")]);
    assert!(refresher.refresh().await.unwrap());
    for _ in 0..2 {
        let directory = Arc::clone(&start(folder.path(), Some(memory.path())).subscribe().borrow());
        let principal = directory.find_principal("p").expect("it is remembered");
        assert!(directory.principal(principal, directory.as_of()).deleted_at.is_some());
        assert!(directory.principal(principal, directory.as_of() - 1).deleted_at.is_none());
    }
    let kept = fs::read_to_string(memory.path().join("principals.ndjson")).unwrap();
    assert!(kept.contains("\"p\"") && !kept.contains(KEY), "{kept}");
    fs::write(memory.path().join("snapshot.json"), "damaged").unwrap();
    assert!(
        start(folder.path(), Some(memory.path())).subscribe().borrow().find_key("k").is_some(),
        "a lost memory stops nothing"
    );
}

#[tokio::test]
async fn a_changed_folder_is_published_with_the_history_of_the_one_before() {
    let row = format!("{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"p\"}}");
    let folder = folder(&[
        ("snapshot.json", SNAPSHOT),
        ("keys.ndjson", &row),
        ("principals.ndjson", "{\"principal_id\":\"p\"}"),
    ]);
    let mut refresher = refresher(folder.path());
    let seen = refresher.subscribe();
    let first = Arc::clone(&seen.borrow());
    assert!(!refresher.refresh().await.unwrap(), "nothing changed yet");

    let later = SNAPSHOT.replace("05:00:00", "06:00:00");
    write(folder.path(), &[("snapshot.json", &later), ("principals.ndjson", "")]);
    assert!(refresher.refresh().await.unwrap());
    let second = Arc::clone(&seen.borrow());
    assert_ne!(first.version(), second.version());
    let principal = second.find_principal("p").expect("a tombstone");
    assert!(second.principal(principal, second.as_of()).deleted_at.is_some());
    assert!(
        first.principal(first.find_principal("p").unwrap(), second.as_of()).deleted_at.is_none(),
        "a value does not change"
    );
}

#[tokio::test]
async fn a_broken_folder_leaves_the_directory_in_use_until_it_is_mended() {
    let folder = folder(&[("snapshot.json", SNAPSHOT), ("keys.csv", "key_id\nk\n")]);
    let mut refresher = refresher(folder.path());
    let seen = refresher.subscribe();
    let version = seen.borrow().version().to_owned();
    write(folder.path(), &[("snapshot.json", "{")]);
    for _ in 0..2 {
        assert!(matches!(refresher.refresh().await, Err(IdentityError::BadSnapshot { .. })));
        assert_eq!(seen.borrow().version(), version);
    }
    write(folder.path(), &[("snapshot.json", SNAPSHOT), ("keys.csv", "key_id\nk\nk2\n")]);
    assert!(refresher.refresh().await.unwrap());
    assert_ne!(seen.borrow().version(), version);
}

/// On one thread: a reload on it would starve the reader, whose every look must succeed at once.
#[tokio::test]
async fn readers_go_on_while_a_snapshot_is_loaded_and_the_task_ends_with_the_last_of_them() {
    let rows = |count: usize| {
        (0..count).map(|row| format!("{{\"key_id\":\"k{row}\",\"key\":\"ck_live_{row:032}\"}}\n")).collect::<String>()
    };
    let folder = folder(&[("snapshot.json", SNAPSHOT), ("keys.ndjson", &rows(20_000))]);
    let refresher = refresher(folder.path());
    let seen = refresher.subscribe();
    #[expect(clippy::disallowed_methods, reason = "a test's own runtime ends with it")]
    let task = tokio::spawn(refresher.run());
    write(folder.path(), &[("keys.ndjson", &rows(20_001))]);
    let mut looks = 0u32;
    {
        let mut changes = seen.clone();
        let published = changes.wait_for(|directory| directory.key_count() == 20_001);
        let published = tokio::time::timeout(PATIENCE, published);
        tokio::pin!(published);
        loop {
            tokio::select! {
                biased;
                published = &mut published => {
                    published.expect("the change is published").expect("the task runs");
                    break;
                }
                () = tokio::task::yield_now() => {
                    assert_eq!(seen.borrow().key_count(), 20_000);
                    looks += 1;
                }
            }
        }
    }
    assert!(looks > 3, "the reader went on {looks} times");
    drop(seen);
    tokio::time::timeout(Duration::from_secs(10), task).await.expect("the task ends").unwrap();
}

#[test]
fn check_answers_by_its_exit_code_and_in_json() {
    let good = folder(&[("snapshot.json", SNAPSHOT), ("keys.csv", &format!("key_id,key,colour\nk,{KEY},red\n"))]);
    let answer = claviger(&["check", good.path().to_str().unwrap()]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    let said = text(&answer.stdout);
    assert!(said.contains("`colour` is no column of keys") && said.contains("1 keys"), "{said}");

    let bad = folder(&[("snapshot.json", SNAPSHOT), ("keys.csv", &format!("key_id,key,expires_at\nk,{KEY},never\n"))]);
    let answer = claviger(&["check", "--json", bad.path().to_str().unwrap()]);
    assert_eq!(answer.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(json["errors"], 1);
    assert_eq!((&json["findings"][0]["code"], &json["findings"][0]["line"]), (&"bad_time".into(), &2.into()));
    for answer in [&answer, &claviger(&["check", good.path().to_str().unwrap()])] {
        assert!(!text(&answer.stdout).contains(KEY.get(8..20).unwrap()), "no key is shown");
    }

    let none = PathBuf::from("no-such-folder");
    let answer = claviger(&["check", none.to_str().unwrap()]);
    assert_eq!(answer.status.code(), Some(2));
    assert!(text(&answer.stderr).contains("hint: "), "{}", text(&answer.stderr));
}

#[test]
fn diff_shows_each_field_that_changed() {
    let before = folder(&[
        ("snapshot.json", SNAPSHOT),
        ("keys.csv", &format!("key_id,key,status\nk,{KEY},active\ngone,,active\n")),
    ]);
    let after = folder(&[("snapshot.json", SNAPSHOT), ("keys.csv", &format!("key_id,key,status\nk,{KEY},disabled\n"))]);
    let (before, after) = (before.path().to_str().unwrap(), after.path().to_str().unwrap());
    let answer = claviger(&["diff", before, after]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    assert_eq!(
        text(&answer.stdout),
        "~ key k: status active -> disabled\n- key gone\nkeys: 0 added, 1 removed, 1 fields changed\n"
    );
    assert_eq!(text(&claviger(&["diff", before, before]).stdout), "no difference\n");
    let json: serde_json::Value = serde_json::from_slice(&claviger(&["diff", "--json", before, after]).stdout).unwrap();
    assert_eq!(json["changes"][0]["field"], "status");
}
