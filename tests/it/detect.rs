//! From a broker's frames to a page: the service with its detectors, killed and started again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use crate::support::fault_server::{FaultServer, Heard};
use crate::support::kafka::Broker;
use crate::support::{at_leisure, claviger, wait_for};

const MINUTE: Duration = Duration::from_secs(60);
const SESSION: Duration = Duration::from_secs(6);
/// Revoked an hour before the test, and served all the same.
const DEAD: &str = "ck_live_11aa22bb33cc44dd55ee66ff77aa88bb";
const LIVING: &str = "ck_live_99fb6d69b97cf5643b68b5526c37f7a9";

struct World {
    folder: tempfile::TempDir,
    broker: Broker,
    topic: String,
}

impl World {
    fn new(pages: &FaultServer) -> Self {
        let broker = Broker::get();
        let topic = broker.topic(1);
        let folder = tempfile::tempdir().expect("a folder");
        let ago = |time: Duration| (Utc::now() - time).to_rfc3339();
        let identity = folder.path().join("identity");
        std::fs::create_dir(&identity).expect("a folder");
        let snapshot = json!({"as_of": ago(Duration::ZERO), "source": "tests", "environment": "prod"});
        std::fs::write(identity.join("snapshot.json"), snapshot.to_string()).expect("a snapshot");
        let keys = [
            json!({"key_id": "dead", "key": DEAD, "tenant_id": "acme", "status": "revoked", "revoked_at": ago(60 * MINUTE)}),
            json!({"key_id": "living", "key": LIVING, "tenant_id": "acme", "status": "active"}),
        ];
        std::fs::write(identity.join("keys.ndjson"), keys.map(|key| key.to_string()).join("\n")).expect("keys");
        // A group waits so long for a member that was killed.
        let session = SESSION.max(broker.session_min()).as_millis();
        let config = format!(
            "[kafka]\nbrokers = ['{broker}']\ntopics = ['{topic}']\ngroup = '{topic}'\n\
             [kafka.options]\nsession.timeout.ms = {session}\nheartbeat.interval.ms = {heartbeat}\n\
             [secrets]\npepper = 'a pepper for tests only'\n[identity]\ndirs = ['{identity}']\n\
             [lake]\nuri = '{lake}'\ncommit_interval_ms = '200ms'\n[serve]\naddress = '127.0.0.1:0'\n\
             [telemetry]\nlog_format = 'json'\nlog_level = 'info,claviger::signals=debug'\n[detect]\nlateness_ms = '0s'\n\
             [alert]\nallow_private_networks = true\n\
             destinations = [{{ name = 'pages', kind = 'webhook', url = 'http://{pages}/pages' }}]\n",
            heartbeat = session / 3,
            broker = broker.address,
            identity = identity.display(),
            lake = folder.path().join("lake").display(),
            pages = pages.address,
        );
        std::fs::write(folder.path().join("claviger.toml"), config).expect("a configuration");
        Self { folder, broker, topic }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// Requests of a key in canonical form, all served, `ago` before now.
    fn send(&self, key: &str, number: usize, ago: Duration) {
        let lines = (0..number).map(|_| {
            let event = json!({
                "event_at": (Utc::now() - ago).to_rfc3339(), "status": 200, "upstream_status": 200, "credential": key,
                "method": "GET", "path": "/v1/orders", "route": "orders", "client_address": "203.0.113.7",
            });
            Some(event.to_string())
        });
        self.broker.produce(&self.topic, 0, lines);
    }

    fn start(&self) -> Service {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("service.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args(["run", "--config"])
            .arg(self.folder.path().join("claviger.toml"))
            .stdin(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the binary runs");
        Service(child)
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("service.log")).unwrap_or_default()).into_owned()
    }
}

struct Service(Child);

impl Service {
    fn stop(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().expect("`kill` runs").success());
        let status = wait_for("end after SIGTERM", || self.0.try_wait().expect("a status"));
        assert!(status.success(), "ended with {status}");
    }

    fn kill(mut self) {
        self.0.kill().expect("the process can be killed");
        self.0.wait().expect("the process ends");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended long ago; a failed test must not leave it behind.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn titles(pages: &[Heard]) -> Vec<String> {
    pages.iter().map(|page| format!("{} {}", page.body["data"]["action"], page.body["data"]["title"])).collect()
}

#[test]
fn a_dead_key_that_is_served_pages_once_whatever_is_killed_and_is_in_the_lake() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let pages = runtime.block_on(FaultServer::start(&[]));
    let world = World::new(&pages);
    let service = world.start();
    world.send(LIVING, 50, Duration::ZERO);
    world.send(DEAD, 3, Duration::ZERO);
    let first = wait_for("page", || pages.heard("pages").first().cloned());
    assert!(first.body.to_string().contains("dead"), "{}", first.body);
    // The page may have gone out before its rows were stored: a crash now must not make a second incident of it.
    service.kill();

    let service = world.start();
    world.send(LIVING, 50, Duration::ZERO);
    let stored = || claviger(&["query", "--output", "json", "select count(*) as n from events"], &world.lake());
    wait_for("events", || at_leisure(|| stored()[0]["n"] == 103));
    let incidents = || claviger(&["incidents", "list", "--all", "--json"], &world.lake());
    let listed = wait_for("incident", || incidents().as_array().filter(|all| !all.is_empty()).cloned());
    service.stop();
    assert_eq!(listed.len(), 1, "{listed:#?}");
    let keys: Vec<&Value> = listed.iter().map(|incident| &incident["severity"]).collect();
    assert_eq!(keys, ["critical"], "{}", world.log());
    let heard = pages.heard("pages");
    let keys: std::collections::BTreeSet<String> =
        heard.iter().map(|page| page.body["data"]["dedup_key"].to_string()).collect();
    assert_eq!(keys.len(), 1, "one incident, one key: {:?}", titles(&heard));
}

#[test]
fn what_was_normal_is_known_after_a_restart() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let pages = runtime.block_on(FaultServer::start(&[]));
    let world = World::new(&pages);
    let service = world.start();
    world.send(LIVING, 20, 3 * MINUTE);
    world.send(LIVING, 20, Duration::ZERO);
    let stored = || {
        claviger(
            &["query", "--output", "json", "select sum(requests) as n from entity_minutes where entity_kind = 'key'"],
            &world.lake(),
        )
    };
    wait_for("lake", || world.log().contains("\"rows committed\"").then_some(()));
    wait_for("minutes", || at_leisure(|| stored()[0]["n"] == 40));
    service.stop();
    let service = world.start();
    let line = wait_for("line about the past", || {
        world.log().lines().find(|line| line.contains("detection knows the past")).map(str::to_owned)
    });
    service.stop();
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert!(line["rows"].as_u64() >= Some(2), "{line}");
    assert!(line["entities"].as_u64() >= Some(3), "key, source, tenant and route: {line}");
    assert!(pages.heard("pages").is_empty(), "{:?}", titles(&pages.heard("pages")));
}
