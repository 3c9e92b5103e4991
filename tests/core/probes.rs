//! The detectors about who and what, on minutes written as data: each fires where it should, says why in words that
//! people can read, and is quiet where a cruder rule would not be.

use std::collections::BTreeMap;

use claviger_core::detect::{
    Context, DetectOptions, Detector, Entity, Finding, Levels, Minute, Names, Population, Severity, anonymous_fallback,
    brute_force, credential_stuffing, dead_key_tried, forbidden_probing, honey_key, impossible_travel, key_guessing,
    new_origin, object_enumeration, path_scanning, shared_key, zombie_access,
};
use claviger_core::minutes::{EntityKind, MINUTE_US};

use crate::minute_fixtures::{Fixture, described, parse, read};

/// The states of one detector, by entity.
macro_rules! states {
    ($detector:ident) => {{
        let mut states: BTreeMap<Entity, $detector::State> = BTreeMap::new();
        Box::new(move |minute, context, found| {
            states.entry(minute.entity.clone()).or_default().observe(minute, context, found);
        })
    }};
}

type Observer = Box<dyn FnMut(&Minute, &Context<'_>, &mut Vec<Finding>)>;

/// The detectors that live in `probes`; the others are tested with the engine.
const PROBES: &[Detector] = &[
    Detector::NewOrigin,
    Detector::ImpossibleTravel,
    Detector::BruteForce,
    Detector::KeyGuessing,
    Detector::CredentialStuffing,
    Detector::PathScanning,
    Detector::ObjectEnumeration,
    Detector::ForbiddenProbing,
    Detector::DeadKeyTried,
    Detector::ZombieAccess,
    Detector::AnonymousFallback,
    Detector::SharedKey,
    Detector::HoneyKey,
];

pub(crate) fn observer(detector: Detector) -> Observer {
    match detector {
        Detector::NewOrigin => states!(new_origin),
        Detector::ImpossibleTravel => states!(impossible_travel),
        Detector::BruteForce => {
            let mut states: BTreeMap<Entity, brute_force::State> = BTreeMap::new();
            let mut origins: BTreeMap<Entity, new_origin::State> = BTreeMap::new();
            Box::new(move |minute, context, found| {
                let origin = origins.entry(minute.entity.clone()).or_default();
                let is_foreign = origin.is_foreign(minute);
                origin.observe(minute, context, &mut Vec::new());
                states.entry(minute.entity.clone()).or_default().observe(minute, is_foreign, context, found);
            })
        }
        Detector::KeyGuessing => states!(key_guessing),
        Detector::CredentialStuffing => states!(credential_stuffing),
        Detector::PathScanning => states!(path_scanning),
        Detector::ObjectEnumeration => states!(object_enumeration),
        Detector::ForbiddenProbing => states!(forbidden_probing),
        Detector::DeadKeyTried => states!(dead_key_tried),
        Detector::ZombieAccess => states!(zombie_access),
        Detector::AnonymousFallback => {
            let mut states: BTreeMap<Entity, anonymous_fallback::State> = BTreeMap::new();
            Box::new(move |minute, _, found| {
                states.entry(minute.entity.clone()).or_default().observe(minute, found);
            })
        }
        Detector::SharedKey => states!(shared_key),
        Detector::HoneyKey => states!(honey_key),
        other => panic!("{} is no probe", other.name()),
    }
}

/// Everything that a detector says about minutes in order of time. The population learns a minute late, as in life.
pub(crate) fn watch(detector: Detector, minutes: &[Minute], names: &Names) -> Vec<Finding> {
    let options = DetectOptions { honey_keys: ["honey".to_owned()].into(), ..DetectOptions::default() };
    let (levels, mut population) = (Levels::default(), Population::default());
    let mut observe = observer(detector);
    let mut found = Vec::new();
    for minute in minutes {
        let context = Context { options: &options, levels: &levels, population: &population, names };
        observe(minute, &context, &mut found);
        if minute.entity.kind == EntityKind::Key {
            let tenant =
                Entity { kind: EntityKind::Tenant, name: minute.entity.tenant.clone(), ..minute.entity.clone() };
            population.learn(&Minute { entity: tenant, ..minute.clone() });
        }
    }
    found
}

fn told(found: &[Finding]) -> Vec<&Finding> {
    found.iter().filter(|finding| finding.severity > Severity::Info).collect()
}

#[test]
fn every_probe_fires_where_it_should_and_says_why() {
    for &detector in PROBES {
        let Fixture { expects, minutes, names } = read(detector.name(), "fires.csv");
        let (entity, severity) = expects.unwrap_or_else(|| panic!("{} expects nothing", detector.name()));
        let found = watch(detector, &minutes, &names);
        let worst = found.iter().max_by_key(|finding| finding.severity);
        let worst = worst.unwrap_or_else(|| panic!("{} found nothing", detector.name()));
        assert_eq!(worst.detector, detector);
        assert_eq!(worst.entity.to_string(), entity, "{}", described(worst));
        assert_eq!(worst.severity.name(), severity, "{}", described(worst));
        assert!(worst.from_us < worst.to_us && worst.to_us - worst.from_us <= 1_441 * MINUTE_US, "{worst:?}");
        assert!(worst.drivers.len() <= Finding::DRIVERS_MAX && !worst.quiet.is_empty());
        let text: String = found.iter().map(described).collect();
        insta::assert_snapshot!(format!("probe_{}", detector.name()), text);
    }
}

#[test]
fn every_probe_is_quiet_about_honest_troubles() {
    for &detector in PROBES {
        let Fixture { minutes, names, .. } = read(detector.name(), "quiet.csv");
        let found = watch(detector, &minutes, &names);
        let told: Vec<String> = told(&found).into_iter().map(described).collect();
        assert!(told.is_empty(), "{}: {}", detector.name(), told.join("\n"));
    }
}

#[test]
fn the_same_minutes_give_the_same_findings_under_the_same_ids() {
    for &detector in PROBES {
        let Fixture { minutes, names, .. } = read(detector.name(), "fires.csv");
        let ids = |found: Vec<Finding>| found.iter().map(Finding::id).collect::<Vec<_>>();
        let first = ids(watch(detector, &minutes, &names));
        assert_eq!(first, ids(watch(detector, &minutes, &names)));
        assert!(first.len() <= 4, "{} told {} times about one trouble", detector.name(), first.len());
    }
}

#[test]
fn states_are_as_small_as_their_files_say() {
    let sizes = [
        ("new_origin", size_of::<new_origin::State>(), 304),
        ("impossible_travel", size_of::<impossible_travel::State>(), 56),
        ("brute_force", size_of::<brute_force::State>(), 80),
        ("key_guessing", size_of::<key_guessing::State>(), 170),
        ("credential_stuffing", size_of::<credential_stuffing::State>(), 152),
        ("path_scanning", size_of::<path_scanning::State>(), 112),
        ("object_enumeration", size_of::<object_enumeration::State>(), 144),
        ("forbidden_probing", size_of::<forbidden_probing::State>(), 160),
        ("dead_key_tried", size_of::<dead_key_tried::State>(), 40),
        ("zombie_access", size_of::<zombie_access::State>(), 16),
        ("anonymous_fallback", size_of::<anonymous_fallback::State>(), 16),
        ("shared_key", size_of::<shared_key::State>(), 128),
        ("honey_key", size_of::<honey_key::State>(), 16),
    ];
    let wrong: Vec<_> = sizes.iter().filter(|(_, size, said)| size > said).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What a detector tells about rows that are written as in a fixture.
fn told_of(detector: Detector, rows: &str) -> Vec<Finding> {
    let Fixture { minutes, names, .. } = parse(&format!("header\n{rows}")).expect("rows");
    let mut found = watch(detector, &minutes, &names);
    found.retain(|finding| finding.severity > Severity::Info);
    found
}

#[test]
fn the_slow_and_the_spread_out_are_told_too() {
    for (detector, rows, entity) in [
        (
            Detector::KeyGuessing,
            "0d00:00,96,30,gateway edge,unknown_key,refused=1 unauthorized=1,unknown_key=slip-$n
             2d00:01,80,1,gateway edge,unknown_key,refused=1 unauthorized=1,unknown_key=guess-$n",
            "gateway edge",
        ),
        (
            Detector::CredentialStuffing,
            "0d00:00,100,60,route POST /login,undecidable,refused=1 unauthorized=1,failed_account=slip-$n
             5d00:01,200,7,route POST /login,undecidable,refused=1 unauthorized=1,failed_account=list-$n",
            "route POST /login",
        ),
        (
            Detector::BruteForce,
            "0d00:00,2000,5,key k1,,served=5,network=10.0.0.0/24
             4d00:00,400,3,key k1,undecidable,refused=1 unauthorized=1,network=10.9.0.0/24",
            "key k1",
        ),
        (
            Detector::PathScanning,
            "0d00:00,500,1,key k1,,served=5,route=orders
             1d00:00,15,90,key k1,,client_errors=1 not_found=1,path=/x-$n",
            "key k1",
        ),
        (
            Detector::ForbiddenProbing,
            "0d00:00,500,1,key k1,,served=5,route=orders
             1d00:00,5,280,key k1,scope_missing,refused=1,forbidden=/admin/$n",
            "key k1",
        ),
        (
            Detector::ObjectEnumeration,
            "0d00:00,60,480,key k1,,served=1 objects=1,object=o$n
             20d00:00,60,20,key k1,,served=1 objects=1,object=p$n",
            "key k1",
        ),
        (
            Detector::SharedKey,
            "0d00:00,4000,1,key k1,,served=5,network=home
             2d18:40,400,1,key k1,,served=5,network=second
             2d18:40,400,1,key k1,,served=5,network=third",
            "key k1",
        ),
    ] {
        let rows: String = rows.lines().map(|row| format!("{}\n", row.trim())).collect();
        let found = told_of(detector, &rows);
        let about: Vec<String> = found.iter().map(|finding| finding.entity.to_string()).collect();
        assert!(about.iter().any(|about| about == entity), "{}: {about:?}", detector.name());
        assert!(found.len() <= 4, "{} told {} times", detector.name(), found.len());
    }
}

#[test]
fn a_thief_is_told_once_a_week_and_again_when_it_gets_worse() {
    let home = "0d00:00,6000,1,key k1,,served=5,network=home provider=office country=DE relay=direct agent=orders\n";
    let thief = |at: &str, more: &str| format!("{at},3,1,key k1,,served=5,{more}\n");
    let rows = [
        home.to_owned(),
        thief("5d00:00", "network=n1 provider=isp country=DE relay=direct"),
        thief("6d00:00", "network=n2 provider=other country=DE relay=direct"),
        thief("7d00:00", "network=n3 provider=rented country=RO relay=hosting"),
    ];
    let found = told_of(Detector::NewOrigin, &rows.concat());
    let severities: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Low, Severity::High], "{found:#?}");
}

#[test]
fn where_no_database_knows_providers_a_network_is_what_counts() {
    let rows = "0d00:00,6000,1,key k1,,served=5,network=home agent=orders\n5d00:00,3,1,key k1,,served=5,network=n1\n";
    let found = told_of(Detector::NewOrigin, rows);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].severity, found[0].drivers[0].dimension), (Severity::Low, "network"));
}

#[test]
fn an_address_that_is_new_within_a_known_provider_is_kept_and_not_told() {
    let rows = "0d00:00,6000,1,key k1,,served=5,network=home provider=isp country=DE\n\
                5d00:00,3,1,key k1,,served=5,network=n1 provider=isp country=DE\n";
    assert!(told_of(Detector::NewOrigin, rows).is_empty());
}

#[test]
fn an_owner_whose_own_client_broke_is_not_paged() {
    let rows = "0d00:00,2000,1,key k1,,served=5,\n1d09:20,60,1,key k1,undecidable,refused=50 unauthorized=50,\n";
    let found = told_of(Detector::BruteForce, rows);
    assert!(!found.is_empty() && found.iter().all(|finding| finding.severity == Severity::Low), "{found:#?}");
}
