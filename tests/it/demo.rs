//! The demo's company, script, log lines and broker. What a pipeline makes of them is tested where it lives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger::demo::DemoError;
use claviger::demo::broker::Consumed;
use claviger::demo::company::Instant;
use claviger::demo::files::write_files;
use claviger::demo::identity::IdentityFolders;
use claviger::demo::ledger::Verdicts;
use claviger::demo::lines::{Names, put_line};
use claviger::demo::misuse::NETWORKS;
use claviger::demo::request::{Outcome, Request};
use claviger::demo::routes::{Gateway, ROUTES};
use claviger::demo::run::{Options, Seat, Voice, run};
use claviger::demo::script::{IncidentKind, Timeline};
use claviger::demo::story::{Plan, Step, Story};
use claviger::demo::summary::{self, Paint};
use claviger::demo::truth::{RequestId, Score, Seal, Truth};
use claviger::demo::watched::Watched;
use claviger::identity::Refresher;
use claviger::pipeline::{AnyFault, Sink};
use claviger::source::{Reaction, SourceEvent};
use claviger_core::cause::RootCause;
use claviger_core::decode::DecodeOptions;
use claviger_core::detect::{DetectOptions, Detector, Severity, Watch};
use claviger_core::frame::RawBatch;
use claviger_core::geo::Geography;
use claviger_core::identity::Directory;
use claviger_core::minutes::minutes;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::{RefineOptions, Refined, Refiner};
use claviger_core::secret::Pepper;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;
use tokio::sync::oneshot;

const BEGIN: Instant = 1_795_000_000_000_000;
const SECOND: i64 = 1_000_000;

fn plan(seed: u64, seconds: i64, rate: f64) -> Plan {
    Plan { seed, rate, timeline: Timeline { begin: BEGIN, length: seconds * SECOND, endless: false } }
}

/// All lines of a story, with what is true of each.
fn lines_of(plan: Plan) -> Vec<(Request, Truth, String)> {
    let story = Story::new(plan);
    let names = Names::of(story.company());
    story
        .filter_map(|step| match step {
            Step::Request(request, truth) => {
                let mut line = String::new();
                put_line(&mut line, &request, &names);
                Some((request, truth, line))
            }
            Step::IdentityChanged { .. } => None,
        })
        .collect()
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_does_not() {
    let text = |seed| lines_of(plan(seed, 30, 200.0)).into_iter().map(|(.., line)| line).collect::<String>();
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn time_never_runs_backwards_in_a_story() {
    let at: Vec<Instant> = lines_of(plan(7, 30, 500.0)).iter().map(|(request, ..)| request.at).collect();
    assert!(at.is_sorted());
    assert!(at.iter().all(|at| (BEGIN..BEGIN + 30 * SECOND).contains(at)));
}

#[test]
fn every_incident_and_every_cause_of_the_script_occurs_at_any_rate() {
    for rate in [20.0, 2_000.0] {
        let mut seen: BTreeMap<IncidentKind, BTreeSet<RootCause>> = BTreeMap::new();
        for (_, truth, _) in lines_of(plan(7, 60, rate)) {
            if let (Some(incident), Some(cause)) = (truth.incident, truth.cause) {
                seen.entry(incident).or_default().insert(cause);
            }
        }
        let failures = IncidentKind::ALL.iter().filter(|kind| kind.fails()).count();
        assert_eq!(seen.len(), failures, "at {rate}: {seen:?}");
        let causes: BTreeSet<&str> = seen.values().flatten().map(|cause| cause.name()).collect();
        let scripted = [
            "account_suspended_billing",
            "anonymous_fallback",
            "credential_stripped",
            "ip_not_allowed",
            "key_expired",
            "key_revoked",
            "malformed_credential",
            "misplaced_credential",
            "missing_credential",
            "model_not_granted",
            "near_miss_credential",
            "orphaned_key",
            "quota_exhausted",
            "rate_limited",
            "role_downgraded",
            "scope_missing",
            "tenant_mismatch",
            "unknown_key",
            "upstream_denied",
            "user_deactivated",
            "user_deleted",
            "wrong_environment",
            "zombie_access",
        ];
        assert_eq!(causes, BTreeSet::from(scripted), "at {rate}");
    }
}

#[test]
fn the_rate_asked_for_is_the_rate_made() {
    let lines = lines_of(plan(7, 60, 1_000.0)).len();
    assert!((54_000..66_000).contains(&lines), "60 s at 1000/s made {lines} lines");
}

#[test]
fn every_line_is_json_with_the_keys_that_its_gateway_documents() {
    for (request, _, line) in lines_of(plan(7, 40, 300.0)) {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (top, status) = match request.gateway {
            Gateway::ApisixEu => (
                &["client_ip", "start_time", "latency", "service_id", "route_id", "request", "response", "server"][..],
                &value["response"]["status"],
            ),
            Gateway::KongUs => (
                &["request", "response", "latencies", "tries", "route", "service", "client_ip", "started_at", "source"]
                    [..],
                &value["response"]["status"],
            ),
        };
        for key in top {
            assert!(!value[*key].is_null(), "{key} is missing: {line}");
        }
        for key in ["method", "uri", "url", "size", "querystring", "headers"] {
            assert!(!value["request"][key].is_null(), "request.{key} is missing: {line}");
        }
        assert_eq!(status, &Value::from(request.outcome.status()));
    }
}

#[test]
fn a_refused_line_names_neither_consumer_nor_application() {
    let mut refused = 0;
    for (request, _, line) in lines_of(plan(7, 60, 300.0)) {
        let value: Value = serde_json::from_str(&line).unwrap();
        let named = !value["consumer"].is_null() || line.contains("x-consumer-username");
        if !matches!(request.outcome, Outcome::Refused(_)) {
            assert!(named, "{line}");
            continue;
        }
        refused += 1;
        assert!(!named && value["authenticated_entity"].is_null() && value["upstream"].is_null(), "{line}");
        if request.gateway == Gateway::KongUs {
            assert_eq!(value["latencies"]["proxy"], -1, "{line}");
            assert_eq!(value["source"], "kong", "{line}");
            assert!(value["response"]["body"].is_null(), "{line}");
        }
    }
    assert!(refused > 500, "{refused} refusals");
}

#[test]
fn what_the_script_says_of_a_key_is_what_the_identity_folder_says_at_that_time() {
    let folder = tempfile::tempdir().unwrap();
    let folders = IdentityFolders::under(folder.path());
    let mut story = Story::new(plan(7, 60, 100.0));
    folders.write(story.company(), BEGIN).unwrap();
    let mut changes = 0;
    while let Some(step) = story.next() {
        if let Step::IdentityChanged { at } = step {
            folders.write(story.company(), at).unwrap();
            changes += 1;
            let snapshot: Value =
                serde_json::from_slice(&std::fs::read(folders.production.join("snapshot.json")).unwrap()).unwrap();
            let as_of = chrono::DateTime::parse_from_rfc3339(snapshot["as_of"].as_str().unwrap()).unwrap();
            assert_eq!(as_of.timestamp_micros(), at);
        }
    }
    assert_eq!(changes, 7);
    let principals = rows(&folders.production.join("principals.ndjson"));
    let status = |id: &str| principals.iter().find(|row| row["principal_id"] == id).map(|row| row["status"].clone());
    assert_eq!(status("northwind_backup-service"), Some("deleted".into()));
    assert_eq!(status("harbor-bank_maria-lindqvist"), Some("deactivated".into()));
    let known: BTreeSet<&str> = principals.iter().filter_map(|row| row["principal_id"].as_str()).collect();
    let keys = rows(&folders.production.join("keys.ndjson"));
    let orphans = keys.iter().filter(|key| !known.contains(key["principal_id"].as_str().unwrap())).count();
    assert_eq!(orphans, 8, "keys that the migration left without a principal");
    assert!(keys.iter().all(|key| key["environment"] == "prod"));
    let tenants = rows(&folders.production.join("tenants.ndjson"));
    assert!(tenants.iter().any(|row| row["status"] == "suspended" && row["status_reason"] == "billing"));
    assert_eq!(rows(&folders.production.join("routes.ndjson")).len(), ROUTES.len());
    assert_eq!(rows(&folders.production.join("gateways.ndjson")).len(), 2);
    let development = rows(&folders.development.join("keys.ndjson"));
    assert!(!development.is_empty() && development.iter().all(|key| key["environment"] == "dev"));
    let left: BTreeSet<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, BTreeSet::from(["identity".into(), "identity-dev".into()]), "nothing half-written stays");
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_request_id_tells_the_truth_to_its_own_seed_only() {
    let (seal, other) = (Seal::new(7), Seal::new(8));
    for (number, &incident) in (0..).zip(IncidentKind::ALL) {
        for &cause in RootCause::ALL {
            let truth = Truth { incident: Some(incident), cause: Some(cause) };
            let id = seal.close(truth, number);
            let text = id.to_string();
            assert_eq!(RequestId::parse(&text).and_then(|id| seal.open(id)), Some(truth));
            assert_eq!(other.open(id), None);
        }
    }
    assert_eq!(RequestId::parse("not an id"), None);
}

#[test]
fn marks_count_right_wrong_missing_and_false_alarms_apart() {
    let seal = Seal::new(7);
    let deleted = Truth { incident: Some(IncidentKind::BackupUserDeleted), cause: Some(RootCause::UserDeleted) };
    let healthy = Truth { incident: None, cause: None };
    let mut score = Score::default();
    (0..4).for_each(|_| score.scripted(deleted));
    let ids: Vec<String> = (0..3).map(|number| seal.close(deleted, number).to_string()).collect();
    let calm: Vec<String> = (3..5).map(|number| seal.close(healthy, number).to_string()).collect();
    let rows = [
        (ids[0].as_str(), "user_deleted"),
        (ids[1].as_str(), "user_deleted"),
        (ids[2].as_str(), "key_revoked"),
        (calm[0].as_str(), ""),
        (calm[1].as_str(), "unknown_key"),
        ("0123456789abcdef0123456789abcdef", "user_deleted"),
    ];
    score.mark(&seal, rows);
    let mark = &score.incidents[&deleted];
    assert_eq!((mark.scripted, mark.named_right, mark.missing()), (4, 2, 1));
    assert_eq!(mark.named_wrong, BTreeMap::from([("key_revoked".to_owned(), 1)]));
    assert_eq!((score.healthy, score.foreign, score.false_alarms.len()), (2, 1, 1));
    assert_eq!(score.accuracy(), Some(0.5));
}

#[test]
fn files_hold_the_lines_the_history_and_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_files(folder.path(), plan(7, 60, 200.0), u64::MAX).unwrap();
    let lines: usize = written.logs.iter().map(|path| rows(path).len()).sum();
    assert_eq!(lines as u64, written.rows);
    let principals = rows(&written.identity.production.join("principals.ndjson"));
    let backup: Vec<&Value> =
        principals.iter().filter(|row| row["principal_id"] == "northwind_backup-service").collect();
    assert_eq!(backup.len(), 2, "{backup:?}");
    assert_eq!(backup[0]["valid_to"], backup[1]["valid_from"]);
    assert_eq!(backup[1]["status_since"], backup[1]["valid_from"]);
    let truth: Value = serde_json::from_slice(&std::fs::read(folder.path().join("truth.json")).unwrap()).unwrap();
    assert_eq!(truth["rows"], written.rows);
    assert!(truth["scripted"]["user_deleted"].as_u64().unwrap() > 50);
}

#[test]
fn no_key_in_clear_is_in_the_truth_the_summary_or_a_debug_print() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_files(folder.path(), plan(7, 30, 200.0), u64::MAX).unwrap();
    let story = Story::new(plan(7, 30, 200.0));
    let verdicts = Verdicts::new(story.company(), story.seal());
    verdicts.ledger().score = written.score;
    let ledger = verdicts.ledger();
    let plain = Paint { colours: false };
    let said = [
        std::fs::read_to_string(folder.path().join("truth.json")).unwrap(),
        summary::report(&ledger, 30, plain),
        summary::table(&ledger, 20, plain),
        summary::json(&ledger, 30).to_string(),
        format!("{:?}", story.company()),
        format!("{:?}", Names::of(story.company())),
    ]
    .concat();
    for key in &story.company().keys {
        let clear = key.key.expose();
        assert!(!said.contains(clear.get(8..).unwrap()), "{} is told", key.key_id);
    }
}

/// The core's verdicts on lines, as a pipeline would get them.
struct Judge {
    refiner: Refiner,
    stream: Stream,
    offset: i64,
}

impl Judge {
    fn new(pepper: Pepper) -> Self {
        let options = RefineOptions::new(DecodeOptions::new(pepper));
        Self { refiner: Refiner::new(options), stream: Stream::new("demo", "gateway", 0), offset: 0 }
    }

    fn judge<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>, directory: &Arc<Directory>) -> Refined {
        let mut batch = RawBatch::new(now());
        let span = batch.open_span(self.stream.clone(), Offset(self.offset));
        for line in lines {
            batch.push(span, self.offset, line);
            self.offset += 1;
        }
        self.refiner.refine(&batch, directory)
    }
}

fn pepper() -> Pepper {
    Pepper::new(b"a pepper for tests only").unwrap()
}

#[test]
fn the_core_names_the_cause_of_what_the_script_did() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(7, 120, 500.0);
    let written = write_files(folder.path(), plan, u64::MAX).unwrap();
    let folders = [written.identity.production.clone(), written.identity.development.clone()];
    let loaded = claviger::identity::load(&folders, &pepper()).unwrap();
    let directory = Arc::new(loaded.directory);
    let verdicts = Verdicts::new(Story::new(plan).company(), written.seal);
    verdicts.ledger().score = written.score;
    let mut judge = Judge::new(pepper());
    for path in &written.logs {
        let text = std::fs::read(path).unwrap();
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        for batch in lines.chunks(2_000) {
            let refined = judge.judge(batch.iter().copied(), &directory);
            assert_eq!(refined.rejects.num_rows(), 0);
            verdicts.taken_in(&refined.events);
        }
    }
    let ledger = verdicts.ledger();
    let report = summary::report(&ledger, 120, Paint { colours: false });
    eprintln!("{report}");
    assert!(ledger.score.accuracy().unwrap() >= summary::GOAL, "{report}");
    let alarms: u64 = ledger.score.false_alarms.values().sum();
    assert_eq!(alarms, 0, "{report}");
}

#[test]
fn detectors_find_the_misuse_that_is_played_and_nothing_where_nothing_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(7, 150, 600.0);
    let written = write_files(folder.path(), plan, u64::MAX).unwrap();
    let folders = [written.identity.production.clone(), written.identity.development.clone()];
    let directory = Arc::new(claviger::identity::load(&folders, &pepper()).unwrap().directory);
    let mut options = RefineOptions::new(DecodeOptions::new(pepper()));
    options.geography = Arc::new(Geography::default().with_list("networks", NETWORKS, None).unwrap());
    let story = Story::new(plan);
    let began = std::time::Instant::now();
    let past = story.past().rows(&mut Refiner::new(options.clone()), &directory).unwrap();
    eprintln!("a past of {} rows in {:?}", past.num_rows(), began.elapsed());
    let mut watch = Watch::new(DetectOptions { lateness_us: 0, ..DetectOptions::default() });
    watch.warm(&past).unwrap();

    let mut judge = Judge { refiner: Refiner::new(options), ..Judge::new(pepper()) };
    let mut findings = Vec::new();
    for path in &written.logs {
        let text = std::fs::read(path).unwrap();
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        for batch in lines.chunks(500) {
            let events = judge.judge(batch.iter().copied(), &directory).events;
            watch.observe(&minutes(&events)).unwrap();
            findings.extend(watch.observe_events(&events));
        }
    }
    findings.extend(watch.advance(BEGIN + 150 * SECOND));
    let told = findings.iter().filter(|finding| finding.severity >= Severity::Medium);
    let told: BTreeSet<(&str, &str)> =
        told.map(|finding| (finding.entity.name.as_str(), finding.detector.name())).collect();
    for misuse in story.misuse() {
        assert!(told.iter().any(|(entity, _)| *entity == misuse.entity), "{misuse:?} is not among {told:#?}");
    }
    let (misuse, failing) = (story.misuse(), story.failing());
    let wrong = findings.iter().filter(|finding| {
        let scripted = misuse.iter().any(|misuse| misuse.entity == finding.entity.name);
        let scripted = scripted || failing.contains(&finding.entity.name) || finding.cause.is_some();
        // All refusals together rise by the script's.
        let scripted = scripted || finding.detector == Detector::PopulationFailure;
        !scripted && finding.severity >= Severity::Medium
    });
    assert_eq!(wrong.map(|finding| &finding.summary).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Reads everything and lets the core judge it, by the identity folders as they change.
async fn read_and_judge(mut seat: Seat) -> Result<(), DemoError> {
    let (refresher, _) = Refresher::start(seat.identity.clone(), pepper(), Duration::from_millis(200)).unwrap();
    let directory = refresher.subscribe();
    #[expect(clippy::disallowed_methods, reason = "a test's own runtime ends with it")]
    let refreshing = tokio::spawn(refresher.run());
    let reader = tokio::task::spawn_blocking(move || {
        let consumer = consumer_of(&seat);
        let mut judge = Judge::new(pepper());
        while !*seat.shutdown.borrow_and_update() {
            let Some(message) = consumer.poll(Duration::from_millis(50)) else { continue };
            let message = message.unwrap();
            let refined = judge.judge(message.payload().into_iter(), &directory.borrow());
            seat.verdicts.taken_in(&refined.events);
            seat.consumed.report(message.topic(), message.partition(), message.offset() + 1);
        }
    });
    reader.await.unwrap();
    refreshing.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn causes_are_named_while_the_identity_folder_changes_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let mut options = options(&folder.path().join("demo"), 400.0, Voice::Plain);
    options.length = Some(Duration::from_secs(20));
    let never = std::future::pending();
    let passed = run::<_, DemoError>(&options, now(), now, never, read_and_judge, &mut out).await.unwrap();
    let said = String::from_utf8(out).unwrap();
    eprintln!("{said}");
    assert!(passed, "{said}");
    assert!(said.contains("user_deleted · backup-service (northwind) ·"), "{said}");
}

/// Stands in for the pipeline: reads everything, and names every cause right. Says when it has begun to.
async fn read_and_name_right(mut seat: Seat, seal: Seal, begun: oneshot::Sender<()>) -> Result<(), DemoError> {
    let mut begun = Some(begun);
    let reader = tokio::task::spawn_blocking(move || {
        let consumer = consumer_of(&seat);
        while !*seat.shutdown.borrow_and_update() {
            let Some(message) = consumer.poll(Duration::from_millis(50)) else { continue };
            let message = message.unwrap();
            let line: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            let id = line["request"]["headers"]["x-request-id"].as_str().or(line["request"]["id"].as_str()).unwrap();
            let truth = seal.open(RequestId::parse(id).unwrap()).unwrap();
            let mut ledger = seat.verdicts.ledger();
            ledger.events += 1;
            ledger.score.mark(&seal, [(id, truth.cause.map_or("", RootCause::name))]);
            drop(ledger);
            seat.consumed.report(message.topic(), message.partition(), message.offset() + 1);
            // Not every test waits for it.
            _ = begun.take().map(|begun| begun.send(()));
        }
    });
    reader.await.unwrap();
    Ok(())
}

fn consumer_of(seat: &Seat) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &seat.brokers)
        .set("group.id", "stand-in")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&seat.topics).unwrap();
    consumer
}

fn options(data: &Path, rate: f64, voice: Voice) -> Options {
    Options { data: data.to_owned(), rate, length: Some(Duration::from_secs(6)), seed: 7, voice }
}

fn now() -> Instant {
    chrono::Utc::now().timestamp_micros()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_sent_to_the_broker_is_read_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let mut out = Vec::new();
    let options = options(&data, 500.0, Voice::Json);
    let never = std::future::pending();
    let pipeline = |seat| read_and_name_right(seat, Seal::new(7), oneshot::channel().0);
    let passed = run::<_, DemoError>(&options, now(), now, never, pipeline, &mut out).await.unwrap();
    let summary: Value = serde_json::from_slice(&out).unwrap();
    assert!(passed, "{summary:#}");
    assert_eq!(summary["accuracy"], 1.0, "{summary:#}");
    assert!(summary["requests"].as_u64().unwrap() > 1_500, "{summary:#}");
    assert_eq!(summary["false_alarms"], 0);
    assert_eq!(summary["incidents"], Value::Array(Vec::new()), "a stand-in has no detectors");
    assert_eq!(summary["false_incidents"], 0);
    let pepper = std::fs::metadata(data.join("pepper")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&pepper.permissions()) & 0o777, 0o600);
}

/// A lake that takes nothing.
struct FullDisk;

#[async_trait::async_trait]
impl Sink for FullDisk {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        futures::stream::empty().boxed()
    }

    async fn take(&mut self, _event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        Err(Box::new(DemoError::PipelinePanicked))
    }

    async fn finish(self) -> Result<(), AnyFault> {
        Ok(())
    }
}

#[tokio::test]
async fn what_the_lake_did_not_take_is_not_told() {
    let story = Story::new(plan(7, 30, 200.0));
    let verdicts = Verdicts::new(story.company(), story.seal());
    let (.., line) = lines_of(plan(7, 30, 200.0)).swap_remove(0);
    let refined = Judge::new(pepper()).judge([line.as_bytes()].into_iter(), &Arc::new(Directory::empty()));
    let mut watched = Watched::new(FullDisk, Consumed::default(), verdicts.clone());
    assert!(watched.take(SourceEvent::Batch(refined)).await.is_err());
    assert_eq!(verdicts.ledger().events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_demo_with_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let mut options = options(&folder.path().join("demo"), 300.0, Voice::Plain);
    options.length = None;
    let (named, first_named) = oneshot::channel();
    let interrupted = async { first_named.await.expect("a request was named") };
    let pipeline = |seat| read_and_name_right(seat, Seal::new(7), named);
    run::<_, DemoError>(&options, now(), now, interrupted, pipeline, &mut out).await.unwrap();
    let said = String::from_utf8(out).unwrap();
    assert!(said.contains("claviger query --lake"), "{said}");
    assert!(!said.contains('\x1b'), "no terminal, no control sequences: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_fails_ends_the_demo_with_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder.path().join("demo"), 300.0, Voice::Json);
    let pipeline = |_seat| async { Err(DemoError::PipelinePanicked) };
    let never = std::future::pending();
    let result = run::<_, DemoError>(&options, now(), now, never, pipeline, &mut Vec::new()).await;
    assert!(matches!(result, Err(DemoError::PipelinePanicked)), "{result:?}");
}

#[test]
fn a_folder_that_no_demo_made_is_never_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("lake");
    std::fs::create_dir(&precious).unwrap();
    let result = claviger::demo::folder::DataFolder::prepare(folder.path());
    assert!(matches!(result, Err(DemoError::NotOurs { .. })), "{result:?}");
    assert!(precious.exists());
}

#[test]
fn lines_are_made_faster_than_the_demo_can_use_them() {
    let began = std::time::Instant::now();
    let mut story = Story::new(plan(7, 60, 5_000.0));
    let names = Names::of(story.company());
    let (mut lines, mut bytes, mut line) = (0_u32, 0, String::new());
    while lines < 200_000
        && let Some(step) = story.next()
    {
        if let Step::Request(request, _) = step {
            line.clear();
            put_line(&mut line, &request, &names);
            lines += 1;
            bytes += line.len();
        }
    }
    let rate = f64::from(lines) / began.elapsed().as_secs_f64();
    eprintln!("{rate:.0} lines/s of {} bytes", bytes / lines as usize);
    // The budget is 50 000; a fifth of it leaves room for a busy machine.
    assert!(rate > 10_000.0, "{rate:.0} lines/s");
}
