//! What is plain before its minute ends is told before it ends: once, under the id of the minute, and after a restart the
//! same.

use std::collections::BTreeSet;

use claviger_core::detect::{Detector, Finding, Minute, Severity, Watch};
use claviger_core::minutes::MINUTE_US;

use crate::minute_fixtures::{options, parse, rows};

/// Ways in which strangers try, of which a minute holds more than enough.
const TRIES: [(Detector, &str); 5] = [
    (Detector::PathScanning, "key k1,,client_errors=1 not_found=1,path=/.env-$n"),
    (Detector::PathScanning, "source 198.51.100.0/24,,client_errors=1 not_found=1,path=/.env-$n"),
    (Detector::CredentialStuffing, "source 198.51.100.0/24,undecidable,refused=1 unauthorized=1,failed_account=a$n"),
    (Detector::KeyGuessing, "source 198.51.100.0/24,unknown_key,refused=1 unauthorized=1,unknown_key=u$n"),
    (Detector::BruteForce, "key k1,undecidable,refused=1 unauthorized=1,network=198.51.100.0/24"),
];

fn minutes(lines: &str) -> Vec<Minute> {
    parse(&format!("at,times,every,entity,cause,sums,values\n{lines}")).expect("lines of minutes").minutes
}

/// Five days of an honest key, which is served in the minute of the tries as well.
fn before() -> Vec<Minute> {
    minutes("0d00:00,7201,1,key k1,,served=5,route=orders network=192.0.2.0/24\n")
}

/// Twenty-four tries of one kind, all in the minute that begins after five days: one row each.
fn tries(what: &str) -> Vec<Minute> {
    let mut tries = minutes(&format!("5d00:00,24,1,{what}\n"));
    let first_us = tries[0].minute_us;
    tries.iter_mut().for_each(|one| one.minute_us = first_us);
    tries
}

fn watched() -> Watch {
    let mut watch = Watch::new(options());
    for part in before().chunks(1_000) {
        watch.warm(&rows(part)).expect("rows of entity minutes");
    }
    watch
}

fn told(detector: Detector, found: Vec<Finding>) -> Vec<Finding> {
    let told = |finding: &Finding| finding.detector == detector && finding.severity > Severity::Info;
    found.into_iter().filter(told).collect()
}

#[test]
fn who_tries_is_told_of_before_the_minute_is_over_and_once() {
    for (detector, what) in TRIES {
        let (mut watch, tries) = (watched(), tries(what));
        let minute_us = tries[0].minute_us;
        let (mut early, mut seconds) = (Vec::new(), 0);
        for one in &tries {
            watch.observe(&rows(std::slice::from_ref(one))).expect("rows of entity minutes");
            seconds += 2;
            early.extend(told(detector, watch.advance(minute_us + seconds * 1_000_000)));
        }
        assert!(!early.is_empty(), "{what}: nothing was told within the minute");
        let each: BTreeSet<_> = early.iter().map(|finding| (finding.id(), finding.severity)).collect();
        assert_eq!(each.len(), early.len(), "{what}: told twice");

        let late = told(detector, watch.advance(minute_us + 10 * MINUTE_US));
        assert!(late.is_empty(), "{what}: told again at the end: {late:?}");
    }
}

#[test]
fn the_end_of_the_minute_tells_the_same_after_a_restart() {
    for (detector, what) in TRIES {
        let tries = tries(what);
        let minute_us = tries[0].minute_us;
        let mut first = watched();
        first.observe(&rows(&tries)).expect("rows of entity minutes");
        let early = told(detector, first.advance(minute_us + 30_000_000));

        // The process died; its successor reads the same rows and looks at them when their minute is over.
        let mut second = watched();
        second.observe(&rows(&tries)).expect("rows of entity minutes");
        let late = told(detector, second.advance(minute_us + 10 * MINUTE_US));
        let says = |found: &[Finding]| {
            found.iter().map(|finding| (finding.id(), finding.severity, finding.summary.clone())).collect::<Vec<_>>()
        };
        assert_eq!(says(&early), says(&late), "{what}");
        assert_eq!(early.len(), 1, "{what}");
    }
}

#[test]
fn a_look_leaves_no_trace_in_what_is_known() {
    for (detector, what) in TRIES {
        let few: Vec<Minute> = tries(what).into_iter().take(3).collect();
        let minute_us = few[0].minute_us;
        let mut watch = watched();
        watch.observe(&rows(&few)).expect("rows of entity minutes");
        // Looked at a hundred times, three tries are three tries.
        let found = (0..100).flat_map(|look| {
            watch.observe(&rows(&few[..1])).expect("rows of entity minutes");
            told(detector, watch.advance(minute_us + look * 100_000))
        });
        let found: Vec<Finding> = found.collect();
        // A wrong signature a hundred times is a hundred tries; one path, account or key is one.
        assert_eq!(found.is_empty(), detector != Detector::BruteForce, "{what}: {found:?}");
    }
}
