//! A service in parts: ingesters that share a group and a process that judges the lake find what one process finds.
//!
//! Every key's and every stranger's requests are spread over all partitions, so that no process reads enough of them to
//! find anything. The embedded broker forms groups of one: these tests need the real one (`tests/services/kafka.sh`).

mod process;
mod traffic;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::process::Process;
use self::traffic::{PARTITIONS, Traffic};
use crate::support::fault_server::FaultServer;
use crate::support::kafka::Broker;
use crate::support::{at_leisure, claviger, say, wait_for};

/// As short as the options allow, so that a test can wait for it.
const STANDBY_AFTER: Duration = Duration::from_secs(2);
const SESSION: Duration = Duration::from_secs(2);

/// One way to run the service: a folder with its configuration, its lake and its logs.
struct Setup {
    folder: PathBuf,
    name: &'static str,
}

impl Setup {
    fn new(world: &Path, name: &'static str, broker: &Broker, topic: &str, pages: &FaultServer, options: &str) -> Self {
        let folder = world.join(name);
        std::fs::create_dir(&folder).expect("a folder");
        let config = format!(
            "[kafka]\nbrokers = ['{broker}']\ntopics = ['{topic}']\ngroup = '{topic}-{name}'\n\
             [kafka.options]\nsession.timeout.ms = {session}\nheartbeat.interval.ms = {heartbeat}\n\
             [secrets]\npepper = 'a pepper for tests only'\n[identity]\ndirs = ['{identity}']\n\
             [lake]\nuri = '{lake}'\n{options}\n[serve]\naddress = '127.0.0.1:0'\n\
             [telemetry]\nlog_format = 'json'\nlog_level = 'info,claviger::signals=debug'\n\
             [detect]\nlateness_ms = '15m'\nhoney_keys = ['honey']\nstandby_after_ms = '{standby}ms'\n\
             [alert]\nallow_private_networks = true\n\
             destinations = [{{ name = 'pages', kind = 'webhook', url = 'http://{pages}/{name}' }}]\n",
            broker = broker.address,
            session = SESSION.as_millis(),
            heartbeat = (SESSION / 4).as_millis(),
            identity = world.join("identity").display(),
            lake = folder.join("lake").display(),
            standby = STANDBY_AFTER.as_millis(),
            pages = pages.address,
        );
        std::fs::write(folder.join("claviger.toml"), config).expect("a configuration");
        Self { folder, name }
    }

    fn start(&self, role: &str, name: &str) -> Process {
        Process::start(&self.folder, role, name)
    }

    fn query(&self, sql: &str) -> Value {
        claviger(&["query", "--output", "json", sql], &self.folder.join("lake"))
    }

    fn wait_for_events(&self, number: usize) {
        wait_for("events", || at_leisure(|| self.query("select count(*) as n from events")[0]["n"] == number));
    }

    fn findings(&self) -> BTreeSet<String> {
        let rows = self.query("select detector, entity, finding_id from findings");
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| format!("{} {} {}", row["detector"], row["entity"], row["finding_id"])).collect()
    }

    /// Rows that say the same as another: a claim that grew has a row for each end of its window.
    fn findings_repeated(&self) -> Value {
        self.query("select finding_id, to_at, count(*) as n from findings group by 1, 2 having count(*) > 1")
    }

    fn incidents(&self) -> BTreeSet<String> {
        let listed = claviger(&["incidents", "list", "--all", "--json"], &self.folder.join("lake"));
        let listed = listed.as_array().expect("a list").iter();
        listed.map(|incident| format!("{} {}", incident["id"], incident["title"])).collect()
    }

    /// Keys under which people were paged.
    fn paged(&self, pages: &FaultServer) -> BTreeSet<String> {
        let triggers = pages.heard(self.name).into_iter().filter(|page| page.body["data"]["action"] == "trigger");
        triggers.map(|page| page.body["data"]["dedup_key"].to_string()).collect()
    }
}

struct World {
    folder: tempfile::TempDir,
    broker: Broker,
    topic: String,
    traffic: Traffic,
    pages: FaultServer,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    /// `None` without a broker that forms groups of several.
    fn new() -> Option<Self> {
        let broker = Broker::get();
        if !broker.is_real() {
            say("roles: not tested without CLAVIGER_TEST_KAFKA");
            return None;
        }
        let topic = broker.topic(PARTITIONS);
        let folder = tempfile::tempdir().expect("a folder");
        let traffic = Traffic::new();
        traffic.write_identity(&folder.path().join("identity"));
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let pages = runtime.block_on(FaultServer::start(&[]));
        Some(Self { folder, broker, topic, traffic, pages, _runtime: runtime })
    }

    fn setup(&self, name: &'static str, options: &str) -> Setup {
        Setup::new(self.folder.path(), name, &self.broker, &self.topic, &self.pages, options)
    }

    fn send(&self, requests: &[Vec<Value>]) -> usize {
        for (partition, requests) in (0..).zip(requests) {
            self.broker.produce(&self.topic, partition, requests.iter().map(|request| Some(request.to_string())));
        }
        requests.iter().map(Vec::len).sum()
    }

    fn reference(&self) -> Reference {
        let setup = self.setup("one", "commit_interval_ms = '200ms'");
        let process = setup.start("all", "all");
        Reference { setup, process }
    }

    fn assert_same(&self, one: &Setup, parts: &Setup, logs: &dyn Fn() -> String) {
        assert_eq!(parts.incidents(), one.incidents(), "{}", logs());
        assert_eq!(parts.findings_repeated(), json!([]), "each claim is stored once");
        let incidents = parts.incidents();
        let paged = parts.paged(&self.pages);
        assert_eq!(paged, one.paged(&self.pages), "{incidents:#?}");
        assert!(paged.len() <= incidents.len(), "nobody is paged under two keys: {paged:#?} {incidents:#?}");
    }
}

/// What one process finds in the same requests.
struct Reference {
    setup: Setup,
    process: Process,
}

impl Reference {
    /// Everything was sent: waits until nothing more is found.
    fn finish(self) -> (Setup, BTreeSet<String>) {
        let Self { setup, process } = self;
        let found = wait_for("findings of minutes", || {
            let found = setup.findings();
            std::thread::sleep(Duration::from_secs(2));
            (found.iter().any(|finding| finding.contains("path_scanning")) && found == setup.findings())
                .then_some(found)
        });
        process.stop();
        (setup, found)
    }
}

#[test]
fn two_ingesters_and_a_judge_find_what_one_process_finds() {
    let Some(world) = World::new() else { return };
    let parts = world.setup("parts", "commit_interval_ms = '200ms'");
    let judge = parts.start("detect", "judge");
    judge.wait_until_it_judges();
    let reference = world.reference();
    let ingesters = [parts.start("ingest", "first"), parts.start("ingest", "second")];
    let mut sent = world.send(&world.traffic.first_half());
    sent += world.send(&world.traffic.second_half());
    parts.wait_for_events(sent);
    reference.setup.wait_for_events(sent);
    world.send(&world.traffic.now());
    let (one, expected) = reference.finish();
    wait_for("same findings", || at_leisure(|| parts.findings() == expected));
    wait_for("pages", || at_leisure(|| parts.paged(&world.pages) == one.paged(&world.pages)));
    ingesters.into_iter().for_each(Process::stop);
    let log = judge.log();
    judge.stop();
    world.assert_same(&one, &parts, &|| log.clone());
}

#[test]
fn nothing_is_lost_or_told_twice_when_an_ingester_and_the_judge_are_killed() {
    let Some(world) = World::new() else { return };
    let parts = world.setup("parts", "commit_interval_ms = '200ms'");
    let judge = parts.start("detect", "judge");
    judge.wait_until_it_judges();
    let other = parts.start("detect", "other");
    other.wait_for_line("standing by");
    let reference = world.reference();
    let mut ingesters = vec![parts.start("ingest", "first"), parts.start("ingest", "second")];
    let mut sent = world.send(&world.traffic.first_half());
    wait_for("page", || (!world.pages.heard("parts").is_empty()).then_some(()));
    judge.kill();
    ingesters.remove(0).kill();
    sent += world.send(&world.traffic.second_half());
    parts.wait_for_events(sent);
    other.wait_until_it_judges();
    reference.setup.wait_for_events(sent);
    world.send(&world.traffic.now());
    let (one, expected) = reference.finish();
    wait_for("same findings", || at_leisure(|| parts.findings() == expected));
    wait_for("pages", || at_leisure(|| parts.paged(&world.pages) == one.paged(&world.pages)));
    ingesters.into_iter().for_each(Process::stop);
    let log = other.log();
    other.stop();
    world.assert_same(&one, &parts, &|| log.clone());
}

#[test]
fn a_judge_that_wakes_after_another_took_over_tells_nobody_anything() {
    let Some(world) = World::new() else { return };
    let parts = world.setup("parts", "commit_interval_ms = '200ms'");
    let mut judge = parts.start("detect", "judge");
    judge.wait_until_it_judges();
    let other = parts.start("detect", "other");
    other.wait_for_line("standing by");
    judge.freeze();
    other.wait_until_it_judges();
    let ingester = parts.start("ingest", "first");
    let sent = world.send(&world.traffic.first_half());
    parts.wait_for_events(sent);
    wait_for("page", || (!world.pages.heard("parts").is_empty()).then_some(()));
    judge.thaw();
    let status = judge.wait_for_end();
    assert_eq!(status.code(), Some(3), "it ends, to be started again: {}", judge.log());
    assert!(judge.log().contains("another process judges this lake now"), "{}", judge.log());
    ingester.stop();
    other.stop();
    assert_eq!(parts.findings_repeated(), json!([]), "each claim is stored once");
    let (paged, incidents) = (parts.paged(&world.pages), parts.incidents());
    assert!(paged.len() <= incidents.len(), "nobody is paged under two keys: {paged:#?} {incidents:#?}");
}

/// The delays are told and not judged: machines differ.
#[test]
fn each_dead_key_that_is_tried_pages_with_the_usual_time_between_commits() {
    let Some(world) = World::new() else { return };
    // As it comes: every five seconds.
    let parts = world.setup("parts", "");
    let judge = parts.start("detect", "judge");
    judge.wait_until_it_judges();
    let ingester = parts.start("ingest", "first");
    let sent = world.send(&world.traffic.now());
    parts.wait_for_events(sent);
    let mut delays = Vec::new();
    for number in 0..traffic::DEAD_KEYS {
        let before = world.pages.heard("parts").len();
        let began = Instant::now();
        world.send(&world.traffic.dead_key_now(number));
        wait_for("page", || (world.pages.heard("parts").len() > before).then_some(()));
        delays.push(began.elapsed());
    }
    delays.sort_unstable();
    let (median, most) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    say(&format!("roles: from event to page with commits every 5 s: median {median:.1?}, at most {most:.1?}"));
    ingester.stop();
    judge.stop();
}

#[test]
fn a_judge_says_how_far_behind_it_is_and_ingesters_answer_too() {
    let Some(world) = World::new() else { return };
    let parts = world.setup("parts", "commit_interval_ms = '200ms'");
    let judge = parts.start("detect", "judge");
    judge.wait_until_it_judges();
    let ready = wait_for("readiness", || judge.ask("/ready").filter(|answer| answer.contains("\"waiting_for\":[]")));
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!(ready["detection"], json!({"stands_by": false, "behind_versions": 0, "behind_ms": 0}));
    let metrics = judge.ask("/metrics").expect("an answer");
    for name in ["claviger_detect_judges 1", "claviger_detect_behind_versions 0", "claviger_detect_behind_seconds 0"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let ingester = parts.start("ingest", "first");
    world.send(&world.traffic.now());
    let ready = wait_for("readiness", || ingester.ask("/ready").filter(|answer| answer.contains("\"waiting_for\":[]")));
    assert!(!ready.contains("detection"), "{ready}");
    ingester.stop();
    judge.stop();
}
