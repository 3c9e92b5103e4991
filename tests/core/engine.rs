//! The engine as a whole, on minutes written as data: each of its detectors fires where it should and is quiet where a
//! cruder rule would not be; order of arrival, restarts and the pace of the watermark change nothing.

use std::collections::BTreeSet;

use claviger_core::detect::{Detector, Finding, Severity, Watch};

use crate::minute_fixtures::{Fixture, described, options, read, rows};

/// The detectors that need more than a minute at a time.
const DETECTORS: &[Detector] = &[
    Detector::RequestSpike,
    Detector::RequestSilence,
    Detector::FailureShift,
    Detector::Exfiltration,
    Detector::TokenSpike,
    Detector::BudgetBurn,
    Detector::MixShift,
    Detector::OffHours,
    Detector::DormantKey,
    Detector::FeedSilence,
    Detector::PopulationFailure,
];

/// Detectors that repeat a claim, under its id, when it gets worse.
const RAISED: &[Detector] = &[Detector::Exfiltration, Detector::TokenSpike, Detector::FailureShift];

/// Everything that is told about a fixture, all of its rows at once.
fn watch(fixture: &Fixture) -> Vec<Finding> {
    let mut watch = Watch::new(options());
    watch.observe(&rows(&fixture.minutes)).expect("rows of entity minutes");
    watch.advance(end_us(fixture))
}

fn end_us(fixture: &Fixture) -> i64 {
    fixture.minutes.iter().map(|minute| minute.to_us()).max().unwrap_or(0) + options().lateness_us
}

fn of(detector: Detector, found: &[Finding]) -> Vec<&Finding> {
    found.iter().filter(|finding| finding.detector == detector).collect()
}

/// What is wrong with what was found about a trouble.
fn objection(detector: Detector, fixture: &Fixture, found: &[&Finding]) -> Option<String> {
    let (entity, severity) = fixture.expects.as_ref()?;
    let Some(worst) = found.iter().max_by_key(|finding| finding.severity) else {
        return Some("found nothing".to_owned());
    };
    if (&worst.entity.to_string(), worst.severity.name()) != (entity, severity) {
        return Some(format!("expected {entity} {severity}, not {}", described(worst)));
    }
    if worst.drivers.len() > Finding::DRIVERS_MAX || worst.quiet.is_empty() || worst.from_us >= worst.to_us {
        return Some(format!("{worst:?}"));
    }
    let ids: BTreeSet<_> = found.iter().map(|finding| finding.id()).collect();
    let repeats = found.len() > 4 || ids.len() < found.len() && !RAISED.contains(&detector);
    repeats.then(|| format!("spoke {} times about one trouble", found.len()))
}

#[test]
fn every_detector_of_the_engine_fires_where_it_should_and_says_why() {
    let mut wrong = Vec::new();
    for &detector in DETECTORS {
        let fixture = read(detector.name(), "fires.csv");
        assert!(fixture.expects.is_some(), "{} expects nothing", detector.name());
        let found = watch(&fixture);
        let found = of(detector, &found);
        match objection(detector, &fixture, &found) {
            Some(objection) => wrong.push(format!("{}: {objection}", detector.name())),
            None => {
                let text: String = found.iter().map(|finding| described(finding)).collect();
                insta::assert_snapshot!(format!("engine_{}", detector.name()), text);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_detector_of_the_engine_is_quiet_about_honest_troubles() {
    let mut wrong = Vec::new();
    for &detector in DETECTORS {
        let found = watch(&read(detector.name(), "quiet.csv"));
        let told = of(detector, &found).into_iter().filter(|finding| finding.severity > Severity::Info);
        wrong.extend(told.map(|finding| format!("{}: {}", detector.name(), described(finding))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn neither_the_order_of_rows_nor_the_pace_of_the_watermark_changes_a_finding() {
    for &detector in DETECTORS {
        let fixture = read(detector.name(), "fires.csv");
        let mut expected = watch(&fixture);
        expected.sort_by_key(|finding| (finding.to_us, finding.id()));
        for (shift, pace_minutes) in [(7, 1), (3, 45)] {
            let mut watch = Watch::new(options());
            let mut found = Vec::new();
            // Rows of a quarter of an hour arrive in another order, one small batch after the other.
            for part in fixture.minutes.chunks(pace_minutes * 4) {
                let mut part = part.to_vec();
                let middle = part.len() * shift / 10;
                part.rotate_left(middle);
                part.reverse();
                let first = part.iter().map(|minute| minute.minute_us).min().expect("a part has minutes");
                found.extend(watch.advance(first));
                for batch in part.chunks(3) {
                    watch.observe(&rows(batch)).expect("rows of entity minutes");
                }
            }
            found.extend(watch.advance(end_us(&fixture)));
            assert_eq!(watch.stats().late_rows, 0);
            // What is told early is told first.
            found.sort_by_key(|finding| (finding.to_us, finding.id()));
            assert_eq!(found, expected, "{} with pace {pace_minutes}", detector.name());
        }
    }
}

#[test]
fn after_a_restart_the_same_is_found_under_the_same_ids() {
    for &detector in DETECTORS {
        let fixture = read(detector.name(), "fires.csv");
        let expected = watch(&fixture);
        let cut = fixture.minutes.len() * 97 / 100;
        let cut_us = fixture.minutes[cut].minute_us;
        let (before, after): (Vec<_>, Vec<_>) =
            fixture.minutes.iter().cloned().partition(|minute| minute.minute_us < cut_us);
        let mut watch = Watch::new(options());
        for part in before.chunks(1_000) {
            watch.warm(&rows(part)).expect("rows of entity minutes");
        }
        watch.observe(&rows(&after)).expect("rows of entity minutes");
        let found = watch.advance(end_us(&fixture));
        // What the first process told before its end it had told; all that was to come comes.
        let ids = |found: &[Finding]| {
            let later = found.iter().filter(|finding| finding.to_us > cut_us);
            later.map(|finding| (finding.id(), finding.summary.clone())).collect::<Vec<_>>()
        };
        assert_eq!(ids(&found), ids(&expected), "{}", detector.name());
    }
}
