//! What the live page, the incidents and the entities show, and to whom, over real sockets.

mod world;

use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use claviger::detect::Show;
use claviger::serve::live::Streams;
use claviger_core::alert::{Happening, IncidentEvent, IncidentId};
use claviger_core::event::{Column, DictColumn, EventBuilder, Events, Row};
use serde_json::{Value, json};

use crate::lake::rows::{complete, minutes, stream};
use crate::reports::lake::NOW_US;
use world::World;

/// The day that the fixed lake is about.
const DAY: &str = "from=2026-11-24T00:00:00Z&to=2026-11-24T12:00:00Z";
/// An incident of acme that ended, one of nimbus that somebody has, one of nobody.
const OF_ACME: &str = "11111111aaaaaaaa";
const OF_NIMBUS: &str = "22222222bbbbbbbb";
const OF_NOBODY: &str = "33333333cccccccc";

/// Refused requests of these tenants, just now.
fn refused(tenants: &[&str]) -> Show {
    let mut builder = EventBuilder::default();
    let now_us = chrono::Utc::now().timestamp_micros();
    for (offset, _) in (0..).zip(tenants) {
        builder.push(&Row {
            topic: "access",
            partition: Some(0),
            offset: Some(offset),
            part: Some(0),
            event_at: Some(now_us),
            ingested_at: Some(now_us),
            ..Row::default()
        });
    }
    let names: Vec<String> = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
    let events = with_causes(complete(builder.finish(), &names), tenants.len());
    Show::Rows { streams: vec![stream()], minutes: minutes(events.len()), events }
}

fn with_causes(events: Events, rows: usize) -> Events {
    let mut causes = DictColumn::default();
    (0..rows).for_each(|_| causes.push("user_deleted"));
    let causes: ArrayRef = causes.finish();
    events.replacing(Column::Cause, causes)
}

fn identity(event: &Value) -> u64 {
    let series = event["series"].as_array().unwrap().iter().find(|series| series["class"] == "identity").unwrap();
    series["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn an_event_is_in_the_stream_within_a_second_of_passing() {
    let world = World::new();
    let mut events = world.stream(None);
    let (name, snapshot) = events.next().unwrap();
    assert_eq!(name, "snapshot");
    assert_eq!(snapshot["buckets"].as_array().unwrap().len(), 60);
    let series = snapshot["series"].as_array().unwrap();
    assert_eq!(series.len(), 11, "every class");
    assert!(series.iter().all(|series| series["counts"].as_array().unwrap().len() == 60), "dense");
    assert_eq!(identity(&snapshot), 0);

    let passed = Instant::now();
    world.show(refused(&["acme", "acme"]));
    let delta = events.by_ref().find(|(name, delta)| name == "delta" && identity(delta) == 2);
    let waited = passed.elapsed();
    println!("in the stream after {waited:?}");
    assert!(delta.is_some() && waited < Duration::from_secs(1), "{waited:?}");

    // A stream that begins now knows of it at once, and a delta tells the sum of its bucket.
    let (_, snapshot) = world.stream(None).next().unwrap();
    assert_eq!(identity(&snapshot), 2);
    assert_eq!(snapshot["top"][0]["cause"], "user_deleted");
    assert_eq!(snapshot["flow"][0]["tenant"], "acme");
}

#[test]
fn deltas_come_at_most_once_a_second_and_lose_nothing() {
    let world = World::new();
    let mut events = world.stream(None);
    assert_eq!(events.next().unwrap().0, "snapshot");
    let began = Instant::now();
    for _ in 0..20 {
        world.show(refused(&["acme"]));
    }
    let mut deltas = 0;
    let all = events.by_ref().filter(|(name, _)| name == "delta").find(|(_, delta)| {
        deltas += 1;
        identity(delta) == 20
    });
    assert!(all.is_some());
    let seconds = began.elapsed().as_secs() + 1;
    assert!(deltas <= seconds, "{deltas} deltas in {seconds} s");
}

#[test]
fn two_tenants_see_nothing_of_each_other_anywhere() {
    let world = World::new();
    let (mut acme, mut nimbus) = (world.stream(Some("acme")), world.stream(Some("nimbus")));
    let snapshots = [acme.next().unwrap().1, nimbus.next().unwrap().1];
    world.show(refused(&["nimbus", "nimbus", "nimbus", "acme", ""]));
    let delta = |(name, delta): &(String, Value)| name == "delta" && identity(delta) > 0;
    assert_eq!(identity(&acme.find(delta).unwrap().1), 1);
    assert_eq!(identity(&nimbus.find(delta).unwrap().1), 3);

    // Whatever nimbus asks for, no answer holds a word of acme, of its user, or of incidents of nobody.
    let canaries = ["acme", "otto", OF_ACME, OF_NOBODY, "198.51.100.0/24 guesses"];
    let clean = |what: &str, answer: &Value| {
        let text = answer.to_string();
        let leaked = canaries.iter().find(|canary| text.contains(**canary));
        assert!(leaked.is_none(), "{what} tells of {leaked:?}: {text}");
    };
    clean("the snapshot", &snapshots[1]);
    for path in [
        format!("/v1/overview?{DAY}"),
        "/v1/overview?from=-1h".to_owned(),
        "/v1/overview?from=-15m".to_owned(),
        "/v1/incidents".to_owned(),
        format!("/v1/incidents/{OF_NIMBUS}"),
        format!("/v1/findings?{DAY}"),
        format!("/v1/findings?incident={OF_ACME}"),
        format!("/v1/entities/key/key-dana?{DAY}"),
        format!("/v1/entities/tenant/nimbus?{DAY}"),
        format!("/v1/entities/network/192.0.2.0%2F24?{DAY}"),
    ] {
        let (status, answer) = world.get(Some("nimbus"), &path);
        assert_eq!(status, 200, "{path}: {answer}");
        clean(&path, &answer);
    }
    let range = json!({ "from": "2026-11-24T06:00:00Z", "to": "2026-11-24T12:00:00Z" });
    let (status, answer) = world.post(Some("nimbus"), "/v1/explain", &range);
    assert_eq!(status, 200, "{answer}");
    clean("the explanation", &answer);

    // What is another's is as unknown as what never was.
    for kind in ["key", "principal", "tenant"] {
        let of = |id: &str| {
            let (status, mut answer) = world.get(Some("nimbus"), &format!("/v1/entities/{kind}/{id}?{DAY}"));
            assert_eq!(status, 200);
            for named in ["id", "label"] {
                answer[named] = Value::Null;
            }
            answer
        };
        let name = match kind {
            "key" => "key-otto",
            "principal" => "usr-otto",
            _ => "acme",
        };
        assert_eq!(of(name), of("never-was"), "{kind} {name}");
    }
    for id in [OF_ACME, OF_NOBODY, "99999999ffffffff"] {
        let (status, mut answer) = world.get(Some("nimbus"), &format!("/v1/incidents/{id}"));
        answer["id"] = Value::Null;
        assert_eq!((status, answer["detail"].as_str().unwrap()), (404, "there is no such incident"), "{id}");
        let (status, _) = world.post(Some("nimbus"), &format!("/v1/incidents/{id}/note"), &json!({ "note": "hm" }));
        assert_eq!(status, 404, "{id}");
        assert_eq!(world.get(Some("nimbus"), &format!("/v1/incidents/{id}/silence")).0, 404, "{id}");
    }
    assert_eq!(world.get(Some("nimbus"), "/v1/overview?tenant=acme").0, 403);
    // Who may see all of it does.
    assert!(world.get(None, "/v1/incidents").1.to_string().contains(OF_NOBODY));
}

#[test]
fn an_acknowledgement_that_races_the_end_changes_nothing_and_says_so() {
    let world = World::new();
    let (_, before) = world.get(None, &format!("/v1/incidents/{OF_NOBODY}"));
    assert_eq!((before["status"].as_str(), before["version"].as_u64()), (Some("open"), Some(1)));
    let ended = IncidentEvent {
        sequence: 100,
        at_us: NOW_US,
        incident: IncidentId::named(OF_NOBODY).unwrap(),
        what: Happening::Resolved { by: String::new(), note: String::new(), last_seen_us: NOW_US, quiet_us: 1 },
    };
    world.runtime.block_on(world.lake.record_incidents(100, &[ended])).unwrap();

    let (status, problem) = world.post(None, &format!("/v1/incidents/{OF_NOBODY}/ack"), &json!({ "version": 1 }));
    assert_eq!(status, 409, "{problem}");
    assert_eq!(problem["detail"], "the incident is resolved meanwhile");
    let (_, after) = world.get(None, &format!("/v1/incidents/{OF_NOBODY}"));
    assert_eq!(after["status"], "resolved");
    assert!(!after["history"].to_string().contains("acknowledged"), "{after}");
}

#[test]
fn what_people_do_is_kept_and_can_be_undone() {
    let world = World::new();
    let mut events = world.stream(None);
    assert_eq!(events.next().unwrap().0, "snapshot");
    let act = |world: &World, what: &str, body: Value| {
        let (status, page) = world.post(None, &format!("/v1/incidents/{OF_NOBODY}/{what}"), &body);
        assert_eq!(status, 200, "{what}: {page}");
        page
    };
    let taken = act(&world, "ack", json!({ "version": 1, "note": "mine" }));
    assert_eq!((taken["status"].as_str(), taken["acknowledged_by"].as_str()), (Some("acknowledged"), Some("ada")));
    let told = events.by_ref().find(|(name, _)| name == "incident").unwrap().1;
    assert_eq!((told["id"].as_str(), told["status"].as_str()), (Some(OF_NOBODY), Some("acknowledged")));

    let back = act(&world, "unack", json!({ "version": taken["version"] }));
    assert_eq!((back["status"].as_str(), &back["acknowledged_by"]), (Some("open"), &Value::Null));
    let (_, hides) = world.get(None, &format!("/v1/incidents/{OF_NOBODY}/silence?matchers=severity=high"));
    assert!(hides["open"].as_u64() >= Some(1), "{hides}");
    let silenced = json!({ "version": back["version"], "for_s": 3_600, "note": "office moves" });
    assert_eq!(act(&world, "silence", silenced)["status"], "silenced");
    act(&world, "note", json!({ "note": "asked the provider" }));

    // Whoever else reads the lake finds the same.
    let world = world.restarted();
    let (_, page) = world.get(None, &format!("/v1/incidents/{OF_NOBODY}"));
    assert_eq!(page["status"], "silenced");
    let history: Vec<&str> =
        page["history"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert!(history.ends_with(&["acknowledged", "unacknowledged", "silenced", "noted"]), "{history:?}");
    let lifted = act(&world, "unsilence", json!({ "version": page["version"] }));
    assert_eq!(lifted["status"], "open");
    assert_eq!(act(&world, "feedback", json!({ "benign": true }))["status"], "resolved");
    let (status, _) = world.post(None, &format!("/v1/incidents/{OF_NOBODY}/silence"), &json!({ "note": "for ever" }));
    assert_eq!(status, 400, "a silence has an end");
}

#[test]
fn streams_are_bounded_and_end_with_the_server() {
    let world = World::with_streams(Streams::at_most(1));
    let mut events = world.stream(None);
    assert_eq!(events.next().unwrap().0, "snapshot");
    let (status, problem) = world.get(None, "/v1/live");
    assert_eq!(status, 429, "{problem}");
    drop(world.server);
    assert_eq!(events.find(|(name, _)| name == "never"), None, "the stream has an end");
}

#[test]
fn the_past_comes_from_the_lake_dense_and_with_what_explains_it() {
    let world = World::new();
    let (status, overview) = world.get(None, &format!("/v1/overview?{DAY}"));
    assert_eq!(status, 200, "{overview}");
    let buckets = overview["buckets"].as_array().unwrap().len();
    assert!(buckets <= 120 && overview["requests"].as_array().unwrap().len() == buckets);
    assert!(
        overview["series"].as_array().unwrap().iter().all(|one| one["counts"].as_array().unwrap().len() == buckets)
    );
    let refused: u64 = overview["series"].as_array().unwrap().iter().map(|one| sum(&one["counts"])).sum();
    let flow: u64 = overview["flow"].as_array().unwrap().iter().map(|flow| flow["count"].as_u64().unwrap()).sum();
    assert!(refused > 0 && sum(&overview["requests"]) >= refused);
    assert_eq!(flow, refused, "minutes and events tell the same");
    assert!(overview["markers"].to_string().contains(OF_ACME), "{}", overview["markers"]);

    let range = json!({ "from": "2026-11-24T00:00:00Z", "to": "2026-11-24T12:00:00Z" });
    let (status, explained) = world.post(None, "/v1/explain", &range);
    assert_eq!(status, 200, "{explained}");
    assert_eq!(explained["count_now"].as_u64(), Some(refused));
    let dimensions = explained["dimensions"].as_array().unwrap();
    assert!(!dimensions.is_empty() && dimensions.iter().all(|one| one["values"].as_array().unwrap().len() <= 5));

    let (status, key) = world.get(None, &format!("/v1/entities/key/key-otto?{DAY}"));
    assert_eq!(status, 200, "{key}");
    assert_eq!((key["known"].as_bool(), key["facts"]["tenant_id"].as_str()), (Some(true), Some("acme")));
    assert!(sum(&key["requests"]) > 0 && !key["tables"]["routes"].as_array().unwrap().is_empty(), "{key}");
    assert!(key["incidents"].to_string().contains(OF_ACME), "{}", key["incidents"]);
    for wrong in ["/v1/overview?from=yesterday", "/v1/overview?from=-1h&to=-2h", "/v1/incidents?state=new"] {
        assert_eq!(world.get(None, wrong).0, 400, "{wrong}");
    }
}

fn sum(counts: &Value) -> u64 {
    counts.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}
