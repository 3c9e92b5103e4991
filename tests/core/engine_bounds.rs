//! What bounds the engine: age, number of entities, lateness, memory, and what an operator switched off.

use std::collections::BTreeSet;

use claviger_core::detect::{DetectOptions, Detector, Finding, Minute, Severity, Watch};

use crate::minute_fixtures::{BEGINNING_US, options, parse, read, rows};

const HEADER: &str = "at,times,every,entity,cause,sums,values\n";
const HOUR_US: i64 = 3_600_000_000;

fn minutes(lines: &str) -> Vec<Minute> {
    parse(&format!("{HEADER}{lines}")).expect("lines of minutes").minutes
}

fn watched(options: DetectOptions, minutes: &[Minute]) -> (Watch, Vec<Finding>) {
    let mut watch = Watch::new(options);
    watch.observe(&rows(minutes)).expect("rows of entity minutes");
    let end_us = minutes.iter().map(Minute::to_us).max().unwrap_or(0);
    let found = watch.advance(end_us + HOUR_US);
    (watch, found)
}

#[test]
fn a_key_is_only_learned_from_for_its_first_two_days() {
    let spike = |at: &str| {
        let lines = format!(
            "0d00:00,3600,1,key k1,,served=1 response_bytes=1000 output_tokens=50,\n\
             {at},20,1,key k1,,served=500 response_bytes=90000000 output_tokens=90000,\n"
        );
        let (_, found) = watched(options(), &minutes(&lines));
        let counts = [Detector::RequestSpike, Detector::Exfiltration, Detector::TokenSpike, Detector::OffHours];
        found.iter().filter(|found| counts.contains(&found.detector) && found.severity > Severity::Info).count()
    };
    assert_eq!(spike("1d20:00"), 0, "a key of 44 hours");
    assert!(spike("2d06:00") > 0, "a key of 54 hours");
}

#[test]
fn entities_beyond_the_cap_are_counted_and_the_others_are_watched_on() {
    let fixture = read("request_spike", "fires.csv");
    let strangers = minutes("5d00:00,1,1,key a,,served=1,\n5d00:00,1,1,key b,,served=1,\n");
    let all: Vec<Minute> = fixture.minutes.iter().cloned().chain(strangers).collect();
    let (watch, found) = watched(DetectOptions { entities_max: 1, ..options() }, &all);
    assert_eq!((watch.stats().entities, watch.stats().dropped_entities), (1, 2));
    assert!(found.iter().any(|finding| finding.detector == Detector::RequestSpike));
}

#[test]
fn rows_that_come_too_late_are_counted_and_change_nothing() {
    let fixture = read("request_spike", "fires.csv");
    let (mut watch, _) = watched(options(), &fixture.minutes);
    let before = watch.stats();
    let late = minutes("0d00:00,3,1,key k1,,served=100000,\n");
    watch.observe(&rows(&late)).expect("rows of entity minutes");
    assert!(watch.advance(before.closed_us + 10 * HOUR_US).is_empty());
    let after = watch.stats();
    assert_eq!((after.late_rows, after.rows, after.open_minutes), (3, before.rows, 0));
}

#[test]
fn what_an_operator_switched_off_or_allowed_is_counted_and_not_told() {
    let fixture = read("request_spike", "fires.csv");
    let spikes = |options: DetectOptions| {
        let (watch, found) = watched(options, &fixture.minutes);
        (found.iter().filter(|finding| finding.detector == Detector::RequestSpike).count(), watch.stats().suppressed)
    };
    let (told, suppressed) = spikes(options());
    assert!(told > 0 && suppressed == 0);
    let (none, suppressed) = spikes(DetectOptions { disabled: [Detector::RequestSpike].into(), ..options() });
    assert!(none == 0 && suppressed >= told as u64);
    let (none, suppressed) = spikes(DetectOptions { allowed: ["k1".to_owned()].into(), ..options() });
    assert!(none == 0 && suppressed >= told as u64);
}

#[test]
fn a_busy_key_takes_less_than_two_kilobytes_and_an_idle_one_less_than_that() {
    // Fifty keys with four networks, three agents and eight routes each, objects and tokens.
    let mut lines = String::new();
    for key in 0..50 {
        for (at, route) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().enumerate() {
            lines += &format!(
                "0d00:{at:02},400,10,key k{key},,served=3 response_bytes=9000 output_tokens=40 objects=2,\
                 network=n{} agent=g{} route={route} region=eu object=o$n\n",
                at % 4,
                at % 3
            );
        }
    }
    let (mut watch, _) = watched(options(), &minutes(&lines));
    let busy = watch.stats();
    let each = busy.state_bytes / busy.entities;
    println!("{each} bytes a busy key, the shared tables included");
    assert_eq!(busy.entities, 50);
    assert!(each < 2_048, "{each} bytes");
    let clock = minutes("9d00:00,1,1,gateway gw,,served=1,\n");
    for day in 0..4 {
        let mut clock = clock.clone();
        clock[0].minute_us = BEGINNING_US + (3 + day) * 24 * HOUR_US;
        watch.observe(&rows(&clock)).expect("rows of entity minutes");
        watch.advance(clock[0].to_us() + HOUR_US);
    }
    let idle = watch.stats();
    assert!(idle.state_bytes < busy.state_bytes, "{} bytes became {}", busy.state_bytes, idle.state_bytes);
}

#[test]
fn every_detector_has_a_trouble_that_it_finds_and_one_that_it_leaves_alone() {
    let missing: BTreeSet<String> = Detector::ALL
        .iter()
        .flat_map(|detector| ["fires.csv", "quiet.csv"].map(|file| (detector.name(), file)))
        .filter(|(detector, file)| !crate::minute_fixtures::folder().join(detector).join(file).is_file())
        .map(|(detector, file)| format!("{detector}/{file}"))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
