//! Notices against destinations that fail in every way there is, a mail server, and a real Alertmanager.

#![expect(clippy::disallowed_methods, reason = "a test's servers end with its runtime")]

mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use claviger::alert::{Courier, EventStore, LakeEvents, Sinks};
use claviger::detect::Found;
use claviger::lake::Lake;
use claviger_core::alert::{Answer, Happening, IncidentEvent, Notice, NoticeAction};
use claviger_core::config::{AlertPlan, Config};
use claviger_core::detect::{Detector, Entity, Finding, Severity};
use claviger_core::minutes::EntityKind;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::fault_server::{Fault, FaultServer, Heard, mail_server};
use crate::support::{PATIENCE, in_ci, until};

use self::memory::MemoryEvents;

const MINUTE: i64 = 60_000_000;

fn config(alert: &str) -> Config {
    Config::parse(&format!("[kafka]\ntopics = ['a']\n{alert}"), []).expect("a configuration")
}

/// The plan of `alert`, in a hurry.
fn plan(config: &Config) -> AlertPlan {
    let mut plan = claviger::config::alert_plan(config).expect("a plan");
    plan.patience.backoff_base_us = 20_000;
    plan.patience.backoff_limit_us = 200_000;
    plan.patience.circuit_us = 100_000;
    plan
}

fn webhooks(address: &str, names: &[&str]) -> String {
    let destination = |name: &&str| {
        format!("[[alert.destinations]]\nname = '{name}'\nkind = 'webhook'\nurl = 'http://{address}/{name}'\n")
    };
    let destinations: String = names.iter().map(destination).collect();
    format!("[alert]\nallow_private_networks = true\nattempt_limit_ms = '1s'\n{destinations}")
}

fn finding(key: &str, minute: i64) -> Finding {
    Finding {
        detector: Detector::NewOrigin,
        entity: Entity { kind: EntityKind::Key, name: key.to_owned(), tenant: "acme".to_owned() },
        from_us: minute * MINUTE,
        to_us: (minute + 1) * MINUTE,
        severity: Severity::High,
        score: 7.0,
        expected: 0.0,
        seen: 12.0,
        unit: "requests",
        cause: None,
        drivers: Vec::new(),
        summary: format!("key {key} was used from a network that it never used"),
        quiet: "a network that the key knows".to_owned(),
    }
}

/// Minutes since 1970 of about now: incidents of the past would be ended in the past.
fn this_minute() -> i64 {
    chrono::Utc::now().timestamp() / 60
}

struct Running {
    input: mpsc::Sender<Found>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(config: &Config, store: impl EventStore) -> Self {
        let plan = plan(config);
        let sinks = Sinks::new(&plan, &config.kafka).expect("destinations");
        let courier = Courier::start(&plan, sinks, store).await.unwrap_or_else(|error| panic!("{error}"));
        let (input, inbox) = mpsc::channel(16);
        let task = tokio::spawn(async move { courier.run(inbox).await.unwrap_or_else(|error| panic!("{error}")) });
        Self { input, task }
    }

    async fn findings(&self, findings: Vec<Finding>) {
        self.input.send(Found { findings, watermark_us: None, judged: None }).await.expect("the task runs");
    }

    async fn watermark(&self, minute: i64) {
        self.input
            .send(Found { findings: Vec::new(), watermark_us: Some(minute * MINUTE), judged: None })
            .await
            .expect("the task runs");
    }

    async fn stop(self) {
        drop(self.input);
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").expect("it does not panic");
    }
}

/// Actions by key, in the order in which they were taken in.
fn by_key(heard: &[Heard]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in heard {
        let text = |at: &str| message.body.pointer(at).and_then(|value| value.as_str()).expect(at).to_owned();
        found.entry(text("/data/dedup_key")).or_default().push(text("/data/action"));
    }
    found
}

fn has_ended(heard: &[Heard], incidents: usize) -> bool {
    let found = by_key(heard);
    found.len() == incidents && found.values().all(|actions| actions.last().is_some_and(|last| last == "resolve"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_destinations_do_no_alert_is_lost_and_none_has_two_keys() {
    let faulty = ["fails", "busy", "resets", "drips", "hangs"];
    let server = FaultServer::start(&[
        ("fails", Fault::Status(500), 3),
        ("busy", Fault::Busy, 2),
        ("resets", Fault::ResetAfterAccepting, 2),
        ("drips", Fault::Drip, 2),
        ("hangs", Fault::Hang, 2),
        ("redirects", Fault::RedirectInward, usize::MAX),
    ])
    .await;
    let config = config(&webhooks(&server.address, &[&faulty[..], &["steady", "redirects"]].concat()));
    let store = MemoryEvents::default();
    let running = Running::start(&config, store.clone()).await;
    let now = this_minute() - 200;
    let keys = ["k_1", "k_2", "k_3", "k_4", "k_5"];
    let began = Instant::now();
    running.findings(keys.map(|key| finding(key, now)).to_vec()).await;
    until("notices at the steady one", server.notices(), |heard| by_key(heard.at("steady")).len() == keys.len()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2_900), "the steady one waited {took:?} for the others");
    running.watermark(now + 60).await;
    for name in faulty.iter().chain(&["steady"]) {
        until(name, server.notices(), |heard| has_ended(heard.at(name), keys.len())).await;
    }
    running.stop().await;

    let incidents: BTreeSet<String> = store.events().iter().map(|event| event.incident.dedup_key()).collect();
    for name in faulty.iter().chain(&["steady"]) {
        let heard = server.heard(name);
        assert_eq!(by_key(&heard).into_keys().collect::<BTreeSet<_>>(), incidents, "{name}");
        for (key, actions) in by_key(&heard) {
            assert_eq!(actions.first().map(String::as_str), Some("trigger"), "{name} {key}");
        }
        let ids: BTreeSet<(String, String)> = heard
            .iter()
            .map(|message| (message.id.clone(), message.body["data"]["id"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(ids.len(), keys.len() * 2, "{name}: every try of a notice bears one id");
    }
    assert_eq!(
        by_key(&server.heard("steady")).values().map(Vec::len).sum::<usize>(),
        keys.len() * 2,
        "once where nothing fails"
    );
    assert!(server.heard("inward").is_empty(), "a redirect was followed");
    let failed = store
        .events()
        .iter()
        .filter(|event| matches!(&event.what, Happening::Failed { destination, .. } if destination == "redirects"))
        .count();
    assert!(failed >= keys.len(), "a redirect is a failure: {failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_delivers_what_waited_and_repeats_nothing() {
    let server = FaultServer::start(&[("down", Fault::Status(500), 4)]).await;
    let config = config(&webhooks(&server.address, &["down", "steady"]));
    let store = MemoryEvents::default();
    let now = this_minute() - 200;
    let first = Running::start(&config, store.clone()).await;
    first.findings(vec![finding("k_1", now)]).await;
    until("a notice", server.notices(), |heard| !heard.at("steady").is_empty()).await;
    let is_delivery = |event: &IncidentEvent| matches!(event.what, Happening::Delivered { .. });
    until("rows", store.changes(), |events| events.iter().any(is_delivery)).await;
    first.task.abort();

    let second = Running::start(&config, store.clone()).await;
    second.findings(vec![finding("k_1", now)]).await;
    until("the notice that waited", server.notices(), |heard| !heard.at("down").is_empty()).await;
    second.watermark(now + 60).await;
    for name in ["down", "steady"] {
        until(name, server.notices(), |heard| has_ended(heard.at(name), 1)).await;
    }
    second.stop().await;
    assert_eq!(by_key(&server.heard("steady")).values().next().unwrap(), &["trigger", "resolve"]);
    let opened = store.events().iter().filter(|event| event.what.name() == "opened").count();
    assert_eq!(opened, 1);
}

fn notice_of(finding: &Finding) -> Notice {
    use claviger_core::alert::{Delivery, Desk, Incidents, Policy};
    let mut desk = Desk::new(Policy::default(), Incidents::default());
    let incident = desk.observe(std::slice::from_ref(finding))[0].incident.clone();
    desk.notice(&Delivery { incident, notice: 1, action: NoticeAction::Trigger }).expect("an incident")
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_public_are_not_called_unless_that_is_allowed() {
    let server = FaultServer::start(&[]).await;
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "2130706433", "0x7f.1"];
    let destination = |(number, host): (usize, &&str)| {
        format!("[[alert.destinations]]\nname = 'd{number}'\nkind = 'webhook'\nurl = 'http://{host}:{port}/x'\n")
    };
    let config = config(&hosts.iter().enumerate().map(destination).collect::<String>());
    let sinks = Sinks::new(&plan(&config), &config.kafka).expect("destinations");
    let notice = notice_of(&finding("k_1", 0));
    for (number, host) in hosts.iter().enumerate() {
        let answer = sinks.deliver(&format!("d{number}"), &notice).await;
        let Answer::Unreachable { reason } = &answer else { panic!("{host}: {answer:?}") };
        assert!(reason.contains("is not a public address"), "{host}: {reason}");
    }
    assert!(server.heard("x").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_complete_and_a_line_of_a_dot_does_not_end_it() {
    let mail = mail_server().await;
    let config = config(&format!(
        "[alert]\nallow_private_networks = true\n[[alert.destinations]]\nname = 'mail'\nkind = 'email'\nserver = '{}'\n\
         tls = 'none'\nfrom = 'Claviger <claviger@example.com>'\nto = ['oncall@example.com', 'b@example.com']\n\
         body = \".\\n..\\n{{summary}}\"",
        mail.address
    ));
    let sinks = Sinks::new(&plan(&config), &config.kafka).expect("destinations");
    let mut naive = finding("k_ü", 0);
    naive.summary = "the end".to_owned();
    assert_eq!(sinks.deliver("mail", &notice_of(&naive)).await, Answer::Accepted);
    let session = mail.session.await.expect("one session");
    assert!(
        session.commands.contains("RCPT TO:<oncall@example.com>")
            && session.commands.contains("RCPT TO:<b@example.com>")
    );
    let message = session.message.replace("\r\n", "\n");
    assert!(message.contains("From: Claviger <claviger@example.com>"), "{message}");
    assert!(message.contains("possible key theft: key =?utf-8?b?"), "{message}");
    assert!(message.ends_with("\n\n.\n..\nthe end\n"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_holds_the_notices_of_an_incident_in_order() {
    use rdkafka::Message as _;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    let broker = crate::support::kafka::Broker::get();
    // It waits for the broker in a runtime of its own.
    let topic = tokio::task::block_in_place(|| broker.topic(1));
    let config = config(&format!(
        "brokers = ['{}']\n[[alert.destinations]]\nname = 'topic'\nkind = 'kafka'\ntopic = '{topic}'",
        broker.address
    ));
    let sinks = Sinks::new(&plan(&config), &config.kafka).expect("destinations");
    let notice = notice_of(&finding("k_1", 0));
    assert_eq!(sinks.deliver("topic", &notice).await, Answer::Accepted);
    let consumer: BaseConsumer =
        broker.client().set("group.id", "reader").set("auto.offset.reset", "earliest").create().expect("a consumer");
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions.add_partition_offset(&topic, 0, rdkafka::Offset::Beginning).expect("a partition");
    consumer.assign(&partitions).expect("assigned");
    let message =
        crate::support::wait_for("a message", || consumer.poll(Duration::from_millis(100)).and_then(Result::ok));
    assert_eq!(message.key(), Some(notice.dedup_key().as_bytes()));
    let payload: serde_json::Value = serde_json::from_slice(message.payload().expect("a payload")).expect("JSON");
    assert_eq!(payload["incident_id"], notice.incident.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_on_the_lake_reaches_the_running_task_and_outlives_it() {
    let server = FaultServer::start(&[]).await;
    let config = config(&webhooks(&server.address, &["steady"]));
    let folder = tempfile::tempdir().expect("a folder");
    let location = folder.path().to_str().expect("a path");
    let lake = Lake::open(location, Lake::DEFAULT_PIPELINE, &Default::default()).await.expect("a lake");
    let now = this_minute();
    let running = Running::start(&config, LakeEvents::new(lake.clone())).await;
    running.findings(vec![finding("k_1", now), finding("k_2", now)]).await;
    until("notices", server.notices(), |heard| by_key(heard.at("steady")).len() == 2).await;
    let claviger = |arguments: &[&str]| {
        let all = [&["incidents", "--lake", location], arguments].concat();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(all).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let listed = || -> Vec<serde_json::Value> {
        let (_, text) = claviger(&["list", "--json"]);
        serde_json::from_str(&text).unwrap_or_default()
    };
    let began = Instant::now();
    while listed().len() < 2 {
        assert!(began.elapsed() < PATIENCE, "no rows");
    }
    let id = |key: &str| {
        let rows = listed();
        let row = rows.iter().find(|row| row["title"].as_str().is_some_and(|title| title.contains(key))).expect(key);
        row["incident_id"].as_str().expect("an id").to_owned()
    };
    let (taken, benign) = (id("k_1"), id("k_2"));
    assert_eq!(claviger(&["ack", taken.get(..6).expect("an id"), "--by", "ada"]).0, Some(0));
    assert_eq!(claviger(&["feedback", &benign, "--benign", "--by", "ada", "--note", "office moved"]).0, Some(0));
    assert_eq!(claviger(&["ack", "ffff"]).0, Some(2));
    until("what ada did", server.notices(), |heard| {
        let found = by_key(heard.at("steady"));
        let did = |id: &str, action: &str| found[&format!("claviger-{id}")].iter().any(|done| done == action);
        did(&taken, "acknowledge") && did(&benign, "resolve")
    })
    .await;
    running.findings(vec![finding("k_2", now + 1)]).await;
    running.stop().await;

    assert_eq!(listed().len(), 1, "the benign one has ended");
    let shown = claviger(&["show", &taken]).1;
    assert!(shown.contains("acknowledged by ada") && shown.contains("What to do"), "{shown}");
    let mut stored = LakeEvents::new(lake.clone());
    let events: Vec<IncidentEvent> = stored.load().await.unwrap_or_else(|error| panic!("{error}"));
    let suppressed = events.iter().filter(|event| event.what.name() == "suppressed").count();
    assert_eq!(suppressed, 1, "its like is counted");
    assert_eq!(stored.known_findings().await.unwrap_or_else(|error| panic!("{error}")).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_command_says_whether_a_destination_takes_an_alert() {
    let server = FaultServer::start(&[("down", Fault::Status(500), usize::MAX)]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    let dead = "[[alert.destinations]]\nname = 'dead'\nkind = 'webhook'\nurl = 'http://127.0.0.1:1/'\n";
    let text = format!("[kafka]\ntopics = ['a']\n{}{dead}", webhooks(&server.address, &["down", "steady"]));
    std::fs::write(&file, text).expect("a file");
    for (destination, code) in [("steady", 0), ("down", 1), ("unknown", 2), ("dead", 3)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"));
        let output = command.args(["alert", "test", destination, "--config"]).arg(&file).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{destination}: {output:?}");
    }
    assert_eq!(by_key(&server.heard("steady")).values().collect::<Vec<_>>(), [&["trigger", "resolve"]]);
}

/// The real one where `CLAVIGER_TEST_ALERTMANAGER` names it; CI always does.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_takes_fires_and_ends_an_alert() {
    let Ok(url) = std::env::var("CLAVIGER_TEST_ALERTMANAGER") else {
        assert!(!in_ci(), "CLAVIGER_TEST_ALERTMANAGER is not set: tests/services/alertmanager.sh starts one");
        eprintln!("no Alertmanager: CLAVIGER_TEST_ALERTMANAGER is not set");
        return;
    };
    let config = config(&format!(
        "[alert]\nallow_private_networks = true\n[[alert.destinations]]\nname = 'am'\nkind = 'alertmanager'\nurl = '{url}'\n"
    ));
    let store = MemoryEvents::default();
    let running = Running::start(&config, store.clone()).await;
    let now = this_minute();
    // Of this run only: the service may have seen others.
    let key = format!("k_{}", uuid::Uuid::new_v4().simple());
    let alerts = || {
        let (url, key) = (url.clone(), key.clone());
        tokio::task::spawn_blocking(move || {
            let address = url.trim_start_matches("http://").trim_end_matches('/');
            let answer = crate::serve::get(address.parse().expect("an address"), "/api/v2/alerts");
            let body = answer.split_once("\r\n\r\n").expect("a body").1;
            let start = body.find('[').expect("a list");
            let end = body.rfind(']').expect("a list");
            let all: Vec<serde_json::Value> =
                serde_json::from_str(body.get(start..=end).expect("a list")).expect("JSON");
            all.into_iter().filter(|alert| alert["labels"]["entity"] == key.as_str()).collect::<Vec<_>>()
        })
    };
    running.findings(vec![finding(&key, now - 20)]).await;
    let began = Instant::now();
    let firing = loop {
        let found = alerts().await.expect("an answer");
        if !found.is_empty() {
            break found;
        }
        assert!(began.elapsed() < PATIENCE, "no alert");
    };
    assert_eq!(firing.len(), 1);
    assert_eq!(firing[0]["status"]["state"], "active");
    assert_eq!(firing[0]["labels"]["alertname"], "claviger_theft");
    assert_eq!(firing[0]["labels"]["severity"], "high");
    assert!(firing[0]["annotations"]["summary"].as_str().unwrap().contains(&key));

    let mut worse = finding(&key, now - 18);
    worse.severity = Severity::Critical;
    running.findings(vec![worse]).await;
    let is_delivery = |event: &IncidentEvent, number: u32| matches!(event.what, Happening::Delivered { notice, .. } if notice == number);
    until("the worse notice", store.changes(), |events| events.iter().any(|event| is_delivery(event, 2))).await;
    let still_one = alerts().await.expect("an answer");
    assert_eq!(still_one.len(), 1, "one incident is one alert, however bad it gets");
    assert_eq!(still_one[0]["annotations"]["severity_now"], "critical");

    running.watermark(now).await;
    until("the resolve", store.changes(), |events| events.iter().any(|event| is_delivery(event, 3))).await;
    // Alertmanager lists active alerts only.
    assert_eq!(alerts().await.expect("an answer"), [] as [serde_json::Value; 0]);
    running.stop().await;
}
