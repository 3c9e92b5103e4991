//! From gateway lines to what detectors see: claims that do not wait for a minute, and minutes that say what was tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_core::cause::RootCause;
use claviger_core::detect::{
    Context, DetectOptions, Detector, Entity, Finding, Instant, Levels, Minute, Names, Population, Watch,
    dead_key_tried, zombie_access,
};
use claviger_core::event::Events;
use claviger_core::geo::{Geography, Place};
use claviger_core::identity::Table;
use claviger_core::minutes::{Distinct, EntityKind, Partials, Sum};
use claviger_core::refine::{RefineOptions, Refined, Refiner};
use claviger_core::time;
use serde_json::json;

use crate::decode::batch_of;
use crate::support::{HOUR, MINUTE, OPENING, SECOND, decode_options, directory, line, secret};

fn refine(geography: Geography, frames: &[Vec<u8>]) -> Refined {
    let revoked_at = time::format(OPENING - HOUR);
    let rows = [
        (Table::Keys, json!({"key_id": "live", "key": secret("live"), "tenant_id": "acme", "status": "active"})),
        (Table::Keys, json!({"key_id": "honey", "key": secret("honey"), "tenant_id": "acme", "status": "active"})),
        (
            Table::Keys,
            json!({"key_id": "dead", "key": secret("dead"), "tenant_id": "acme", "status": "revoked", "revoked_at": revoked_at}),
        ),
        (
            Table::Keys,
            json!({"key_id": "fresh", "key": secret("fresh"), "tenant_id": "acme", "status": "revoked",
                   "revoked_at": time::format(OPENING - MINUTE)}),
        ),
    ];
    let options = RefineOptions { geography: Arc::new(geography), ..RefineOptions::new(decode_options()) };
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    Refiner::new(options).refine(&batch_of(&frames), &directory(OPENING - MINUTE, &rows))
}

fn minutes_of(refined: &Refined) -> BTreeMap<(EntityKind, String), Minute> {
    let mut minutes = BTreeMap::new();
    for partial in Partials::of(&refined.minutes).expect("the schema's columns").iter() {
        let entity = Entity { kind: partial.kind, name: partial.entity.to_owned(), tenant: partial.tenant.to_owned() };
        let key = (partial.kind, partial.entity.to_owned());
        minutes.entry(key).or_insert_with(|| Minute::empty(partial.minute_us, entity)).add(&partial);
    }
    minutes
}

fn options() -> DetectOptions {
    DetectOptions { honey_keys: ["honey".to_owned()].into(), ..DetectOptions::default() }
}

#[test]
fn what_detection_asks_of_stored_events_is_all_that_it_reads_of_them() {
    let served = json!({"upstream_status": 200});
    let frames: Vec<Vec<u8>> = (0..60)
        .map(|n| match n % 4 {
            0 => line(n * SECOND, 200, &secret("live"), &served),
            1 => line(n * SECOND, 200, &secret("dead"), &served),
            2 => line(n * SECOND, 200, &secret("honey"), &served),
            _ => line(n * SECOND, 401, &secret(&format!("guess-{n}")), &json!({})),
        })
        .chain((0..30).map(|n| line(n * SECOND, 401, &secret(&format!("guess-again-{n}")), &json!({}))))
        .collect();
    let events = refine(Geography::default(), &frames).events;
    let places: Vec<usize> = Watch::EVENT_COLUMNS.iter().map(|column| *column as usize).collect();
    let stored =
        Events::of_some(&events.batch().project(&places).expect("the columns are there")).expect("their types");
    let found = |events: &Events| Watch::new(options()).observe_events(events);
    assert!(found(&events).len() >= 3, "{:?}", found(&events));
    assert_eq!(found(&stored), found(&events));
}

#[test]
fn one_request_is_enough_for_a_claim_and_the_minute_repeats_it_under_the_same_id() {
    let served = json!({"upstream_status": 200});
    let frames = [
        line(0, 200, &secret("live"), &served),
        line(SECOND, 200, &secret("dead"), &served),
        line(2 * SECOND, 401, &secret("dead"), &json!({})),
        line(3 * SECOND, 200, &secret("honey"), &served),
        line(4 * SECOND, 200, &secret("live"), &json!({"upstream_status": 200, "consumer": "anonymous"})),
        line(5 * SECOND, 401, &secret("fresh"), &json!({})),
    ];
    let refined = refine(Geography::default(), &frames);
    let mut instant = Instant::default();
    let found = instant.observe(&refined.events, &options());
    let told: Vec<(Detector, String)> =
        found.iter().map(|finding| (finding.detector, finding.entity.to_string())).collect();
    assert_eq!(
        told,
        [
            (Detector::DeadKeyTried, "key dead".to_owned()),
            (Detector::ZombieAccess, "key dead".to_owned()),
            (Detector::AnonymousFallback, "route GET orders".to_owned()),
            (Detector::HoneyKey, "key honey".to_owned()),
        ],
        "a key that was revoked a minute ago may be refused and served"
    );
    assert!(instant.observe(&refined.events, &options()).is_empty(), "told once");

    let minutes = minutes_of(&refined);
    let (levels, population, names, options) = (Levels::default(), Population::default(), Names::default(), options());
    let context = Context { options: &options, levels: &levels, population: &population, names: &names };
    let mut again = Vec::new();
    let dead = &minutes[&(EntityKind::Key, "dead".to_owned())];
    dead_key_tried::State::default().observe(dead, &context, &mut again);
    zombie_access::State::default().observe(dead, &context, &mut again);
    let ids = |found: &[Finding]| found.iter().take(2).map(Finding::id).collect::<Vec<_>>();
    assert_eq!(ids(&found), ids(&again));
}

#[test]
fn a_batch_in_order_makes_no_claim() {
    let frames: Vec<Vec<u8>> =
        (0..50).map(|second| line(second * SECOND, 200, &secret("live"), &json!({"upstream_status": 200}))).collect();
    assert!(Instant::default().observe(&refine(Geography::default(), &frames).events, &options()).is_empty());
}

#[test]
fn minutes_say_which_keys_were_guessed_and_which_paths_were_probed() {
    let guess = |number: usize| format!("ck_live_{number:032x}");
    let mut frames: Vec<Vec<u8>> =
        (0..9).map(|number| line(number, 401, &guess(usize::try_from(number).unwrap_or(0)), &json!({}))).collect();
    frames.push(line(20, 200, &secret("live"), &json!({"upstream_status": 200})));
    frames.push(line(21, 404, &secret("live"), &json!({"path": "/v1/orders/17", "upstream_status": 404})));
    frames.push(line(22, 404, &secret("live"), &json!({"path": "/v1/orders/18", "upstream_status": 404})));
    frames.push(line(23, 404, &secret("live"), &json!({"path": "/.env", "upstream_status": 404})));
    let minutes = minutes_of(&refine(Geography::default(), &frames));

    let source = &minutes[&(EntityKind::Source, "203.0.113.0/24".to_owned())];
    assert_eq!(source.count(Distinct::UnknownKey), 9);
    assert_eq!(source.count(Distinct::Key), 10);
    assert_eq!((source.total[Sum::Unauthorized], source.requests_of(RootCause::UnknownKey)), (9, 9));
    assert_eq!(minutes[&(EntityKind::Gateway, "edge".to_owned())].count(Distinct::UnknownKey), 9);

    let key = &minutes[&(EntityKind::Key, "live".to_owned())];
    assert_eq!(key.count(Distinct::Path), 2, "ids are left out: two orders are one path");
    assert_eq!((key.total[Sum::Objects], key.total[Sum::ObjectsDenied]), (2, 2));
    assert_eq!(key.count(Distinct::UnknownKey), 0);
}

#[test]
fn minutes_say_where_a_key_was_used_when_a_database_knows() {
    let frames = [line(0, 200, &secret("live"), &json!({"upstream_status": 200}))];
    let key = (EntityKind::Key, "live".to_owned());
    let blind = minutes_of(&refine(Geography::default(), &frames));
    for kind in [Distinct::Country, Distinct::Provider, Distinct::Relay, Distinct::Place] {
        assert_eq!(blind[&key].count(kind), 0, "{kind:?}");
    }

    let list = |relay: &str| format!("203.0.113.0/24,DE,AS64500 Office,{relay},52.52,13.40,20");
    let office = Geography::default().with_list("office", &list(""), None).expect("a list");
    let located = minutes_of(&refine(office, &frames));
    assert_eq!(located[&key].of(Distinct::Provider).collect::<Vec<_>>(), [Names::hash("AS64500 Office")]);
    assert_eq!(located[&key].of(Distinct::Relay).collect::<Vec<_>>(), [Names::hash("direct")]);
    let place = located[&key].of(Distinct::Place).next().and_then(Place::unpacked).expect("a place");
    assert!((place.latitude() - 52.52).abs() < 0.02, "{place}");

    let rented = Geography::default().with_list("rented", &list("hosting"), None).expect("a list");
    let relayed = minutes_of(&refine(rented, &frames));
    assert_eq!(relayed[&key].of(Distinct::Relay).collect::<Vec<_>>(), [Names::hash("hosting")]);
    assert_eq!(relayed[&key].count(Distinct::Place), 0, "behind a relay nobody knows where a client is");
}
