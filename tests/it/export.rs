//! Exports as an auditor meets them: read by other programs, checked by `sha256sum` and `openssl`, tampered with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Said};
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use claviger::export::{Exported, FILE_BYTES_MAX, Output, Progress, Request, export};
use claviger::lake::Lake;
use claviger::signing::Signer;
use claviger_core::access::TenantScope;
use claviger_core::prove::Scope;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::lake::{ingest, open};

const DAY: i64 = 86_400_000_000;
/// Before and after all made-up events.
const PERIOD: Scope = Scope {
    from_us: 1_795_500_000_000_000 - DAY,
    to_us: 1_795_500_000_000_000 + 5 * DAY,
    tenant: None,
    principal: None,
    key: None,
};
/// Offsets of the made-up lake; every seventh is a reject.
const OFFSETS: i64 = 700;
const EVENTS: u64 = 600;

struct World {
    folder: tempfile::TempDir,
    lake: Lake,
    signer: Arc<Signer>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(&folder.path().join("lake")).await;
        ingest(&lake, &[(0, 300), (300, OFFSETS)]).await;
        let (signer, _made) = Signer::read_or_make(&folder.path().join("key.pem")).unwrap();
        Self { folder, lake, signer: Arc::new(signer) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn export(&self, name: &str, scope: &Scope, output: Output, file_bytes: u64) -> Exported {
        let request = Request { scope: scope.clone(), output, file_bytes };
        let mut last = Progress::default();
        let tell = |progress: Progress| {
            assert!(progress.written >= last.written && progress.written <= progress.records, "{progress:?}");
            last = progress;
        };
        let exported =
            export(&self.lake, &request, &TenantScope::All, &self.signer, &self.path(name), tell).await.unwrap();
        assert_eq!(last.written, last.records);
        exported
    }
}

/// Paths and bytes of all files of a folder, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let path = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((path, std::fs::read(&entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Said {
    Command::new(program).args(arguments).current_dir(folder).output().unwrap()
}

/// Both verifiers' words on a folder, with the operator's key from outside.
pub(crate) fn judged(folder: &Path, key: &Path) -> [(bool, String); 2] {
    let key = key.to_str().unwrap();
    let ours = run(env!("CARGO_BIN_EXE_claviger"), &["verify", "--public-key", key, "."], folder);
    let theirs = run("sh", &["verify.sh", key], folder);
    [ours, theirs].map(|said| {
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        (said.status.success(), text)
    })
}

pub(crate) fn public_key(folder: &Path, signer: &Signer) -> PathBuf {
    let path = folder.join("operator.pem");
    std::fs::write(&path, signer.public().to_pem()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn four_formats_hold_every_row_once_in_files_of_a_bounded_size() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for output in Output::ALL {
        let name = output.name();
        let exported = world.export(name, &PERIOD, output, 40 << 10).await;
        let count = &exported.manifest.counts[0];
        assert_eq!((count.what.as_str(), count.in_lake, count.exported), ("requests", EVENTS, EVENTS));
        let folder = world.path(name);
        let requests: Vec<PathBuf> = files(&folder)
            .iter()
            .filter(|(path, _)| path.starts_with("requests/"))
            .map(|(path, _)| folder.join(path))
            .collect();
        assert!(requests.len() > 1 || output == Output::Parquet, "{name} is cut: {requests:?}");
        ids.push((name, read_back(output, &requests)));
        let summed = run("sha256sum", &["-c", "--quiet", "MANIFEST"], &folder);
        assert!(summed.status.success(), "{name}: {}", String::from_utf8_lossy(&summed.stderr));
        let signed = run(
            "openssl",
            &[
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                "key.pem",
                "-rawin",
                "-in",
                "MANIFEST",
                "-sigfile",
                "MANIFEST.sig",
            ],
            &folder,
        );
        assert!(signed.status.success(), "{name}: {}", String::from_utf8_lossy(&signed.stderr));
        let key = public_key(world.folder.path(), &world.signer);
        for (sound, said) in judged(&folder, &key) {
            assert!(sound, "{name}: {said}");
        }
    }
    let expected: BTreeSet<String> =
        (0..OFFSETS).filter(|offset| offset % 7 != 0).map(|offset| format!("request-{offset}")).collect();
    for (name, read) in &ids {
        assert_eq!(read.len(), expected.len(), "{name}");
        assert_eq!(&read.iter().cloned().collect::<BTreeSet<_>>(), &expected, "{name}");
        assert_eq!(read, &ids[0].1, "{name} has the order of {}", ids[0].0);
    }
}

/// Request ids in the order of the files, by readers that are not ours.
fn read_back(output: Output, files: &[PathBuf]) -> Vec<String> {
    let mut ids = Vec::new();
    for file in files {
        match output {
            Output::Ndjson | Output::Ocsf => {
                for line in std::fs::read_to_string(file).unwrap().lines() {
                    let record: Value = serde_json::from_str(line).unwrap();
                    let (number, id) = match output {
                        Output::Ocsf => (&record["metadata"]["sequence"], &record["http_request"]["uid"]),
                        _ => (&record["seq"], &record["request_id"]),
                    };
                    assert_eq!(number, ids.len() + 1);
                    ids.push(id.as_str().unwrap().to_owned());
                }
            }
            Output::Csv => {
                let mut reader = csv::Reader::from_path(file).unwrap();
                let place = reader.headers().unwrap().iter().position(|name| name == "request_id").unwrap();
                ids.extend(reader.records().map(|record| record.unwrap()[place].to_owned()));
            }
            Output::Parquet => {
                let file = std::fs::File::open(file).unwrap();
                for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                    let batch = batch.unwrap();
                    let numbers = batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>();
                    assert_eq!(numbers.value(0), ids.len() as i64 + 1);
                    let column = batch.column_by_name("request_id").unwrap().as_string::<i32>();
                    ids.extend(column.iter().map(|id| id.unwrap().to_owned()));
                }
            }
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_the_same_sums_out_of_every_format() {
    let Some(python) = crate::support::python() else { return };
    let world = World::new().await;
    for output in [Output::Ndjson, Output::Csv, Output::Parquet] {
        world.export(output.name(), &PERIOD, output, FILE_BYTES_MAX).await;
    }
    let script = "
import duckdb
for call, name in [('read_json_auto','ndjson/requests/*.ndjson'), ('read_csv_auto','csv/requests/*.csv'), ('read_parquet','parquet/requests/*.parquet')]:
    print(*duckdb.sql(f'select count(*), count(distinct request_id), sum(latency_us), min(seq), max(seq), count(distinct tenant_id) from {call}(\\'{name}\\')').fetchall()[0])
";
    let said = Command::new(python).args(["-c", script]).current_dir(world.folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let latencies: i64 = (0..OFFSETS).filter(|offset| offset % 7 != 0).map(|offset| offset * 3).sum();
    let expected = format!("{EVENTS} {EVENTS} {latencies} 1 {EVENTS} 3\n");
    assert_eq!(text, expected.repeat(3), "{}", String::from_utf8_lossy(&said.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lake_gives_the_same_bytes_however_its_files_lie() {
    let world = World::new().await;
    for output in Output::ALL {
        let [first, second] = ["first", "second"].map(|name| format!("{name}-{}", output.name()));
        world.export(&first, &PERIOD, output, 40 << 10).await;
        world.export(&second, &PERIOD, output, 40 << 10).await;
        assert_eq!(files(&world.path(&first)), files(&world.path(&second)), "{}", output.name());
    }
    let limits = claviger_core::lake::CompactionLimits {
        small_bytes: 1 << 30,
        ..claviger_core::lake::CompactionLimits::default()
    };
    claviger::lake::compact(&world.lake, claviger_core::lake::TableName::Events, &limits).await.unwrap();
    world.export("compacted", &PERIOD, Output::Ndjson, 40 << 10).await;
    let records = |name: &str| {
        let mut files = files(&world.path(name));
        files.retain(|(path, _)| path.starts_with("requests/"));
        files
    };
    assert_eq!(records("compacted"), records("first-ndjson"), "only the manifest tells the table's version");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenants_export_holds_nothing_of_another_nor_how_much_there_is() {
    let world = World::new().await;
    let own = TenantScope::One("tenant-1".to_owned());
    for output in [Output::Ndjson, Output::Csv, Output::Ocsf] {
        let request = Request { scope: PERIOD.clone(), output, file_bytes: FILE_BYTES_MAX };
        let folder = world.path(output.name());
        let exported = export(&world.lake, &request, &own, &world.signer, &folder, |_| ()).await.unwrap();
        let expected = (0..OFFSETS).filter(|offset| offset % 7 != 0 && offset % 3 == 1).count() as u64;
        assert_eq!(exported.manifest.counts[0].in_lake, expected);
        assert_eq!(exported.manifest.streams, Vec::<String>::new());
        for (path, bytes) in files(&folder) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("tenant-0") && !text.contains("tenant-2"), "{path}");
        }
    }
    let stranger = Scope { tenant: Some("tenant-2".to_owned()), ..PERIOD };
    let request = Request { scope: stranger, output: Output::Ndjson, file_bytes: FILE_BYTES_MAX };
    let refused = export(&world.lake, &request, &own, &world.signer, &world.path("refused"), |_| ()).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("another tenant")));
    assert!(!world.path("refused").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_did_not_finish_is_begun_anew_and_a_finished_one_never_overwritten() {
    let world = World::new().await;
    let folder = world.path("trail");
    std::fs::create_dir_all(folder.join("requests")).unwrap();
    std::fs::write(folder.join("UNFINISHED"), "").unwrap();
    std::fs::write(folder.join("requests/000001.ndjson"), "half a li").unwrap();
    world.export("trail", &PERIOD, Output::Ndjson, FILE_BYTES_MAX).await;
    assert!(!folder.join("UNFINISHED").exists());
    let before = files(&folder);
    let request = Request { scope: PERIOD.clone(), output: Output::Ndjson, file_bytes: FILE_BYTES_MAX };
    let again = export(&world.lake, &request, &TenantScope::All, &world.signer, &folder, |_| ()).await;
    assert!(again.is_err_and(|error| error.to_string().contains("is not empty")));
    assert_eq!(files(&folder), before);
}

/// Something done to a folder, and what both verifiers must say of it.
type Case = (&'static str, fn(&Path), &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn both_verifiers_name_each_change_of_an_export() {
    let world = World::new().await;
    world.export("trail", &PERIOD, Output::Ndjson, 40 << 10).await;
    let key = public_key(world.folder.path(), &world.signer);
    let cases: [Case; 10] = [
        (
            "a flipped byte",
            |folder| change(&folder.join("requests/000001.ndjson"), |bytes| bytes[100] ^= 1),
            "requests/000001.ndjson: bytes were changed",
        ),
        (
            "a dropped file",
            |folder| std::fs::remove_file(folder.join("requests/000002.ndjson")).unwrap(),
            "requests/000002.ndjson: is missing",
        ),
        (
            "an added file",
            |folder| std::fs::write(folder.join("requests/000999.ndjson"), "{}\n").unwrap(),
            "requests/000999.ndjson: was added",
        ),
        (
            "a cut end",
            |folder| change(&folder.join("requests/000001.ndjson"), |bytes| bytes.truncate(bytes.len() - 200)),
            "requests/000001.ndjson: its end was cut off",
        ),
        (
            "lines exchanged",
            |folder| change(&folder.join("requests/000001.ndjson"), exchange_lines),
            "requests/000001.ndjson: was reordered",
        ),
        ("files exchanged", exchange_files, "requests/000002.ndjson: was reordered"),
        (
            "a flipped byte of the manifest",
            |folder| change(&folder.join("MANIFEST"), |bytes| bytes[60] ^= 1),
            "MANIFEST: it or its signature was changed",
        ),
        (
            "a flipped byte of the signature",
            |folder| change(&folder.join("MANIFEST.sig"), |bytes| bytes[9] ^= 1),
            "MANIFEST: it or its signature was changed",
        ),
        (
            "no signature",
            |folder| std::fs::remove_file(folder.join("MANIFEST.sig")).unwrap(),
            "MANIFEST: has no signature",
        ),
        ("signed by a foreign key", sign_by_a_stranger, "MANIFEST: signed by a foreign key"),
    ];
    for (what, tamper, expected) in cases {
        let copy = world.path("copy");
        copy_folder(&world.path("trail"), &copy);
        tamper(&copy);
        for (sound, said) in judged(&copy, &key) {
            assert!(!sound && said.contains(expected), "{what}: {said}");
        }
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

pub(crate) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn exchange_lines(bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.swap(0, 1);
    *bytes = lines.concat();
}

fn exchange_files(folder: &Path) {
    let [first, second] = ["requests/000001.ndjson", "requests/000002.ndjson"].map(|name| folder.join(name));
    std::fs::rename(&first, folder.join("aside")).unwrap();
    std::fs::rename(&second, &first).unwrap();
    std::fs::rename(folder.join("aside"), &second).unwrap();
}

/// Everything as it should be, by somebody else.
fn sign_by_a_stranger(folder: &Path) {
    let aside = tempfile::tempdir().unwrap();
    let (stranger, _made) = Signer::read_or_make(&aside.path().join("key.pem")).unwrap();
    let old = claviger::signing::read_public_key(&folder.join("key.pem")).unwrap();
    change(&folder.join("MANIFEST"), |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.replace(&old.id().to_string(), &stranger.public().id().to_string()).into_bytes();
    });
    let text = std::fs::read(folder.join("MANIFEST")).unwrap();
    std::fs::write(folder.join("MANIFEST.sig"), stranger.sign(&text).0).unwrap();
    std::fs::write(folder.join("key.pem"), stranger.public().to_pem()).unwrap();
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}

#[test]
fn the_command_makes_its_key_once_says_so_and_refuses_an_empty_period() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lake = open(&folder.path().join("lake")).await;
        ingest(&lake, &[(0, 100)]).await;
    });
    let export = |to: &str, out: &str| {
        let arguments =
            ["export", "audit", "--lake", "lake", "--from", "2026-11-01", "--to", to, "--out", out, "--json"];
        run(env!("CARGO_BIN_EXE_claviger"), &arguments, folder.path())
    };
    let said = export("2026-12-31", "first");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(answer["records"]["requests"], 85);
    let notice = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(notice.contains("lake.signing-key.pem") && notice.contains(answer["key"].as_str().unwrap()), "{notice}");
    let again = export("2026-12-31", "second");
    assert!(again.status.success() && again.stderr.is_empty(), "the key is there");
    assert_eq!(export("2026-11-01", "third").status.code(), Some(2));
    let taken = run("openssl", &["pkey", "-in", "lake.signing-key.pem", "-pubout"], folder.path());
    assert_eq!(taken.stdout, std::fs::read(folder.path().join("first/key.pem")).unwrap(), "openssl reads our key");
}
