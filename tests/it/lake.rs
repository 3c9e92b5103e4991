//! The lake against real tables on disk: exactly once, whatever the storage answers.

pub(crate) mod rows;
mod stores;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claviger::lake::{
    DurableFiles, FileLimits, Lake, LakeError, Signal, Writer, WriterOptions, audit, compact, tidy, vacuum,
};
use claviger_core::ingest::Protocol;
use claviger_core::lake::{CompactionLimits, TableName};
use claviger_core::offsets::{Offset, OffsetSpan, Stream};
use futures::StreamExt as _;
use url::Url;

use rows::{batch, stream};
use stores::{Calls, Watched};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> WriterOptions {
    WriterOptions {
        protocol: Protocol { commit_interval_us: 50_000, drain_us: 20_000_000, ..Protocol::default() },
        files: FileLimits { run_rows: 64, file_bytes: 64 << 10 },
        batches_waiting: 4,
        roll_up: |events| rows::minutes(events.len()),
    }
}

pub(crate) async fn open(folder: &Path) -> Lake {
    Lake::open(folder.to_str().unwrap(), "main", &HashMap::new()).await.unwrap()
}

/// Reads `spans` in order through a writer of its own, from where the lake says.
pub(crate) async fn ingest(lake: &Lake, spans: &[(i64, i64)]) -> Vec<(Stream, Offset)> {
    let (writer, _signals) = Writer::start(lake, options()).await.unwrap();
    let begins = writer.assign(&[(stream(), Offset(0))]).await.unwrap();
    for (begin, end) in spans {
        writer.submit(batch(*begin, *end)).await.unwrap();
        writer.flush(20 * SECOND).await.unwrap();
    }
    writer.finish().await.unwrap();
    begins
}

async fn count(lake: &Lake, sql: &str) -> i64 {
    let mut rows = lake.query(sql).await.unwrap();
    let batch = rows.next().await.unwrap().unwrap();
    arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).value(0)
}

/// Every offset below `end` once; every seventh is a reject.
async fn assert_stored_once(lake: &Lake, end: i64) {
    let rejects = (0..end).filter(|offset| offset % 7 == 0).count() as i64;
    assert_eq!(count(lake, "select count(*) from events").await, end - rejects);
    assert_eq!(count(lake, r#"select count(distinct "offset") from events"#).await, end - rejects);
    assert_eq!(count(lake, "select count(*) from rejects").await, rejects);
    assert_eq!(count(lake, "select coalesce(sum(requests), 0) from entity_minutes").await, end - rejects);
    let report = audit(lake, true).await.unwrap();
    assert!(report.holds(), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_spans_add_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    assert_eq!(ingest(&lake, &[(0, 100), (100, 150)]).await, [(stream(), Offset(0))]);
    assert_eq!(ingest(&lake, &[(0, 100), (100, 150), (120, 200)]).await, [(stream(), Offset(150))]);
    assert_stored_once(&lake, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_and_rows_survive_many_commits_and_a_new_handle() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let spans: Vec<(i64, i64)> = (0..40).map(|n| (n * 5, n * 5 + 5)).collect();
    ingest(&lake, &spans).await;
    assert_stored_once(&lake, 200).await;

    // Our own reading of the log agrees with the library's.
    let table = lake.table(TableName::Events).await.unwrap();
    let app_id = stream().app_id("main");
    let log_store = table.handle().log_store();
    let library = table.handle().snapshot().unwrap().transaction_version(log_store.as_ref(), &app_id).await.unwrap();
    assert_eq!((table.transaction(&app_id), library), (Some(200), Some(200)));

    assert!(tidy(&lake, TableName::Events, 10).await.unwrap());
    let table = lake.table(TableName::Events).await.unwrap();
    assert_eq!(table.transaction(&app_id), Some(200), "read from a checkpoint");
    ingest(&lake, &[(200, 210)]).await;
    assert_stored_once(&lake, 210).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_on_one_stream_store_each_offset_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let race = |lake: Lake| async move {
        let (writer, mut signals) = Writer::start(&lake, options()).await.unwrap();
        let mut next = writer.assign(&[(stream(), Offset(0))]).await.unwrap()[0].1.0;
        while next < 300 {
            while let Ok(signal) = signals.try_recv() {
                if let Signal::SeekTo(_, offset) = signal {
                    next = offset.0;
                }
            }
            let end = (next + 10).min(300);
            writer.submit(batch(next, end)).await.unwrap();
            next = end;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        // The loser of the last round lets go; what it held is in the table by the winner, or read again below.
        let _fenced = writer.finish().await;
    };
    tokio::join!(race(lake.clone()), race(lake.clone()));
    let next = lake.positions(&[stream()], |_| Offset(0)).await.unwrap()[0].1.resume().0;
    ingest(&lake, &[(next, 300)]).await;
    assert_stored_once(&lake, 300).await;
}

fn over(store: Watched, folder: &Path) -> (Arc<Watched>, Url) {
    (Arc::new(store), Url::from_directory_path(folder.canonicalize().unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_neither_loses_nor_doubles_rows() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await;
    let (store, root) = over(Watched::losing_every(3), folder.path());
    let lake = Lake::open_on(store.clone(), root, "main").await.unwrap();
    let spans: Vec<(i64, i64)> = (0..12).map(|n| (n * 20, n * 20 + 20)).collect();
    ingest(&lake, &spans).await;
    assert!(store.lost() > 3, "the store lost {} answers", store.lost());
    assert_stored_once(&open(folder.path()).await, 240).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_data_file_is_synced_before_the_commit_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    let (store, root) = over(Watched::new(DurableFiles::syncing_by(calls.recorder())), folder.path());
    let lake = Lake::open_on(store, root, "main").await.unwrap();
    ingest(&lake, &[(0, 50)]).await;
    let synced = calls.taken();
    let commit = synced.iter().position(|path| path.ends_with("events/_delta_log/00000000000000000001.json")).unwrap();
    let data = synced.iter().position(|path| path.contains("events/date=") && path.ends_with(".parquet")).unwrap();
    let partition =
        synced.iter().skip(data).position(|path| path.contains("events/date=") && !path.ends_with(".parquet"));
    assert!(data < commit && data + partition.unwrap() < commit, "{synced:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_no_commit_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await;
    let calls = Calls::default();
    let (store, root) = over(Watched::new(DurableFiles::syncing_by(calls.failing_every(5))), folder.path());
    let lake = Lake::open_on(store, root, "main").await.unwrap();
    ingest(&lake, &[(0, 30), (30, 60), (60, 90)]).await;
    assert_stored_once(&open(folder.path()).await, 90).await;
}

fn newest_commit(folder: &Path, table: &str) -> std::path::PathBuf {
    let log = std::fs::read_dir(folder.join(table).join("_delta_log")).unwrap();
    let commits = log.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    commits.max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_torn_newest_commit_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 30)]).await;
    let newest = newest_commit(folder.path(), "events");
    let whole = std::fs::read(&newest).unwrap();
    for damaged in [&whole[..0], &whole[..whole.len() - 7]] {
        std::fs::write(&newest, damaged).unwrap();
        let refused = Lake::open(folder.path().to_str().unwrap(), "main", &HashMap::new()).await;
        assert!(matches!(refused, Err(LakeError::TornCommit { table: TableName::Events, .. })), "{refused:?}");
    }
    // As the hint says: without the torn commit, its rows are simply read again.
    std::fs::remove_file(&newest).unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 30)]).await;
    assert_stored_once(&lake, 30).await;
}

const EVERYTHING: CompactionLimits =
    CompactionLimits { small_bytes: u64::MAX, joined_bytes_max: u64::MAX, files_min: 2 };

#[tokio::test(flavor = "multi_thread")]
async fn two_compactors_at_once_keep_every_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let spans: Vec<(i64, i64)> = (0..8).map(|n| (n * 20, n * 20 + 20)).collect();
    ingest(&lake, &spans).await;
    for table in [TableName::Events, TableName::Rejects, TableName::EntityMinutes] {
        let (one, other) = tokio::join!(compact(&lake, table, &EVERYTHING), compact(&lake, table, &EVERYTHING));
        assert!(one.unwrap() + other.unwrap() >= 8, "{table} was not compacted");
    }
    assert_stored_once(&lake, 160).await;
    let report = audit(&lake, true).await.unwrap();
    assert!(report.compactions_checked >= 3, "{report:#?}");
    let files = report.tables.iter().find(|table| table.table == "events").unwrap().files;
    let dates = count(&lake, "select count(distinct date) from events").await;
    assert_eq!(i64::try_from(files).unwrap(), dates, "a file a date is left");
    ingest(&lake, &[(160, 200)]).await;
    assert_stored_once(&lake, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_deletes_what_no_table_lists_and_is_older_than_a_week_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 20), (20, 40)]).await;
    let week = Duration::from_secs(7 * 24 * 3600);
    let day = std::fs::read_dir(folder.path().join("events")).unwrap().map(|entry| entry.unwrap().path());
    let day = day.into_iter().find(|path| path.to_string_lossy().contains("date=")).unwrap();
    let leftover = |name: &str, age: Duration| {
        let file = File::create(day.join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        day.join(name)
    };
    let old = leftover("part-of-a-crashed-writer.zstd.parquet", week + Duration::from_secs(3_600));
    let young = leftover("part-being-uploaded.zstd.parquet", week - Duration::from_secs(3_600));
    for listed in std::fs::read_dir(&day).unwrap().map(|entry| entry.unwrap().path()) {
        if listed != young {
            File::open(&listed).unwrap().set_modified(SystemTime::now() - 2 * week).unwrap();
        }
    }
    assert_eq!(vacuum(&lake, TableName::Events, Duration::ZERO).await.unwrap(), 1, "no setting goes below a week");
    assert!(!old.exists() && young.exists());
    assert_stored_once(&lake, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_lake_says_no_to_doctored_lakes() {
    let doctored = async |doctor: fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        ingest(&open(folder.path()).await, &[(0, 30), (30, 60)]).await;
        doctor(folder.path());
        let report = audit(&open(folder.path()).await, true).await.unwrap();
        assert!(!report.holds(), "{report:#?}");
        report.streams[0].breaches.clone()
    };
    // The same rows under a second file name.
    let breaches = doctored(|folder| {
        add_commit(&folder.join("events"), |commit| {
            let add = commit.iter().find(|action| action.get("add").is_some()).unwrap().clone();
            let path = add["add"]["path"].as_str().unwrap();
            let copy = path.replace("part-", "part-copy-");
            std::fs::copy(folder.join("events").join(path), folder.join("events").join(&copy)).unwrap();
            let mut add = add.clone();
            add["add"]["path"] = copy.into();
            vec![add]
        });
    });
    assert!(breaches.await[0].contains("more than once"));
    // A position moved on without rows.
    let breaches = doctored(|folder| {
        for table in ["events", "rejects"] {
            add_commit(&folder.join(table), |commit| {
                let mut txn = commit.iter().find(|action| action.get("txn").is_some()).unwrap().clone();
                txn["txn"]["version"] = 90.into();
                vec![txn]
            });
        }
    });
    assert!(breaches.await[0].contains("neither stored nor declared"));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_lake_sees_no_breach_in_what_is_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let writer = lake.clone();
    #[expect(clippy::disallowed_methods, reason = "a test's own runtime ends with it")]
    let writing = tokio::spawn(async move {
        let spans = (0..60).map(|n| (n * 5, n * 5 + 5)).collect::<Vec<_>>();
        ingest(&writer, &spans).await
    });
    while !writing.is_finished() {
        let report = audit(&lake, true).await.unwrap();
        assert!(report.holds(), "{report:#?}");
    }
    writing.await.unwrap();
    assert_stored_once(&lake, 300).await;
}

/// Appends a commit made from the actions of the newest one.
fn add_commit(table: &Path, make: impl FnOnce(&[serde_json::Value]) -> Vec<serde_json::Value>) {
    let root = table.parent().unwrap();
    let newest = newest_commit(root, table.file_name().unwrap().to_str().unwrap());
    let text = std::fs::read_to_string(&newest).unwrap();
    let actions: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let version: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let lines: Vec<String> = make(&actions).iter().map(ToString::to_string).collect();
    std::fs::write(newest.with_file_name(format!("{:020}.json", version + 1)), lines.join("\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_gap_lets_reading_go_on_and_keeps_the_law() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 20)]).await;

    let (writer, mut signals) = Writer::start(&lake, options()).await.unwrap();
    writer.assign(&[(stream(), Offset(0))]).await.unwrap();
    // A position above the table's cannot be read from before the hole below it is declared.
    writer.submit(batch(20, 21)).await.unwrap();
    writer.submit(batch(50, 60)).await.unwrap();
    let halted = tokio::time::timeout(10 * SECOND, async {
        loop {
            if let Some(Signal::Halted { expected, offered, .. }) = signals.recv().await {
                return (expected.0, offered.0);
            }
        }
    });
    assert_eq!(halted.await.unwrap(), (21, 50));
    writer.finish().await.unwrap();

    let gap = OffsetSpan::new(stream(), 21, 50);
    lake.declare_gap(&gap, "retention", 1_795_500_000_000_000).await.unwrap();
    lake.declare_gap(&gap, "retention", 1_795_500_000_000_000).await.unwrap();
    assert_eq!(count(&lake, "select count(*) from gaps").await, 1);
    let (writer, _signals) = Writer::start(&lake, options()).await.unwrap();
    writer.assign(&[(stream(), Offset(0))]).await.unwrap();
    writer.submit(rows::nothing(21, 50)).await.unwrap();
    writer.submit(batch(50, 60)).await.unwrap();
    writer.finish().await.unwrap();
    let report = audit(&lake, true).await.unwrap();
    assert!(report.holds(), "{report:#?}");
    assert_eq!((report.streams[0].position, report.streams[0].gap_offsets), (60, 29));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_version_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    assert!(lake.record_identity(1, rows::history("v1", 3)).await.unwrap());
    assert!(!lake.record_identity(1, rows::history("v1", 3)).await.unwrap());
    assert!(lake.record_identity(2, rows::history("v2", 2)).await.unwrap());
    assert_eq!(count(&lake, "select count(*) from identity_history").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_many_dates_are_sorted_and_land_in_their_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 300)]).await;
    let wrong = "select count(*) from events where date <> to_char(event_at, '%Y-%m-%d')";
    assert_eq!(count(&lake, wrong).await, 0);
    assert!(count(&lake, "select count(distinct date) from events").await > 2);
    let one = "select count(*) from events where request_id = 'request-101'";
    assert_eq!(count(&lake, one).await, 1);
    assert_eq!(count(&lake, "select count(*) from events where evidence[1] = 'status=401'").await, 257);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_indexed_and_described_in_the_log() {
    use arrow::array::AsArray as _;
    use arrow::datatypes::TimestampMicrosecondType;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    ingest(&lake, &[(0, 60)]).await;
    let text = std::fs::read_to_string(newest_commit(folder.path(), "events")).unwrap();
    let actions: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut described = 0;
    for add in actions.iter().filter_map(|action| action.get("add")) {
        let file = std::fs::File::open(folder.path().join("events").join(add["path"].as_str().unwrap())).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let group = reader.metadata().row_group(0).clone();
        let column = |name: &str| group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
        assert!(column("request_id").bloom_filter_offset().is_some());
        assert!(column("fingerprint").bloom_filter_offset().is_some());
        assert!(column("tenant_id").column_index_offset().is_some());
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let tenants = batch.column_by_name("tenant_id").unwrap().as_string::<i32>();
            let times = batch.column_by_name("event_at").unwrap().as_primitive::<TimestampMicrosecondType>();
            let keys: Vec<_> = (0..batch.num_rows()).map(|row| (tenants.value(row), times.value(row))).collect();
            assert!(keys.is_sorted(), "{keys:?}");
        }
        let stats: serde_json::Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
        described += stats["numRecords"].as_i64().unwrap();
        assert_eq!(stats["minValues"]["tenant_id"], "tenant-0");
        assert_eq!(stats["maxValues"]["tenant_id"], "tenant-2");
        let date = add["partitionValues"]["date"].as_str().unwrap();
        assert!(stats["minValues"]["event_at"].as_str().unwrap().starts_with(date), "{stats}");
    }
    assert_eq!(described, 51);
}

fn claviger(arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_queries_and_checks_a_lake() {
    let folder = tempfile::tempdir().unwrap();
    ingest(&open(folder.path()).await, &[(0, 70)]).await;
    let lake = folder.path().to_str().unwrap();
    let run = |output: &str, sql: &str| {
        let done = claviger(&["query", "--lake", lake, "--output", output, sql]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    let sql = "select tenant_id, count(*) as n from events group by 1 order by 1";
    let text = |output| String::from_utf8(run(output, sql)).unwrap();
    assert_eq!(text("csv"), "tenant_id,n\ntenant-0,20\ntenant-1,20\ntenant-2,20\n");
    assert_eq!(text("ndjson").lines().next().unwrap(), r#"{"tenant_id":"tenant-0","n":20}"#);
    let json: serde_json::Value = serde_json::from_str(&text("json")).unwrap();
    assert_eq!(json[2]["tenant_id"], "tenant-2");
    assert!(text("table").contains("| tenant-1  | 20 |"));
    assert!(run("parquet", "select * from events").starts_with(b"PAR1"));
    let bytes = run("arrow", "select * from events");
    let stream = arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).unwrap();
    assert_eq!(stream.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 60);
    assert!(String::from_utf8(run("csv", "select * from events limit 1")).unwrap().contains("status=401"));

    let refused = claviger(&["query", "--lake", lake, "drop table events"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let missing = claviger(&["query", "--lake", "/nowhere/at/all", "select 1"]);
    assert_eq!(missing.status.code(), Some(2));

    let checked = claviger(&["check-lake", "--lake", lake, "--json", "--dense"]);
    assert_eq!(checked.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((report["holds"].as_bool(), report["streams"][0]["position"].as_i64()), (Some(true), Some(70)));

    for table in ["events", "rejects"] {
        add_commit(&folder.path().join(table), |commit| {
            let mut txn = commit.iter().find(|action| action.get("txn").is_some()).unwrap().clone();
            txn["txn"]["version"] = 90.into();
            vec![txn]
        });
    }
    assert_eq!(claviger(&["check-lake", "--lake", lake, "--dense"]).status.code(), Some(1));
    assert_eq!(
        claviger(&["check-lake", "--lake", lake]).status.code(),
        Some(0),
        "a hole of a Kafka stream is no breach"
    );
}
