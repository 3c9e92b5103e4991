//! The probes on recorded traffic (`tests/fixtures/detect/real/`): who attacked is told, who had bad luck is not.

use std::collections::BTreeMap;

use claviger_core::cause::RootCause;
use claviger_core::detect::{Detector, Entity, Finding, Minute, Names, Severity};
use claviger_core::minutes::{Distinct, EntityKind, MINUTE_US, Sum};
use claviger_core::time;

use crate::minute_fixtures::folder;
use crate::probes::watch;

/// Adds up recorded requests.
#[derive(Default)]
struct Recorder {
    minutes: BTreeMap<(i64, Entity), Minute>,
    names: Names,
}

impl Recorder {
    fn add(
        &mut self,
        at: &str,
        (kind, name): (EntityKind, &str),
        cause: Option<RootCause>,
        sums: &[Sum],
        values: &[(Distinct, &str)],
    ) {
        let at_us = time::rfc3339(at).expect("a time");
        let minute_us = at_us - at_us.rem_euclid(MINUTE_US);
        let tenant = if kind == EntityKind::Key { "account" } else { "" };
        let entity = Entity { kind, name: name.to_owned(), tenant: tenant.to_owned() };
        let minute =
            self.minutes.entry((minute_us, entity.clone())).or_insert_with(|| Minute::empty(minute_us, entity));
        let at = match minute.causes.binary_search_by_key(&cause, |(cause, _)| *cause) {
            Ok(at) => at,
            Err(at) => {
                minute.causes.insert(at, (cause, claviger_core::minutes::Sums::default()));
                at
            }
        };
        for &sum in sums.iter().chain([&Sum::Requests]) {
            minute.total[sum] += 1;
            minute.causes[at].1[sum] += 1;
        }
        for &(kind, text) in values {
            self.names.learn(text);
            let value = (kind, Names::hash(text));
            if let Err(at) = minute.distinct.binary_search(&value) {
                minute.distinct.insert(at, value);
            }
        }
    }

    /// What a detector tells people, and about whom.
    fn told(&self, detector: Detector) -> Vec<Finding> {
        let minutes: Vec<Minute> = self.minutes.values().cloned().collect();
        let mut found = watch(detector, &minutes, &self.names);
        found.retain(|finding| finding.severity > Severity::Info);
        found
    }
}

fn rows(file: &str) -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(folder().join("real").join(file)).expect("an excerpt");
    let cells = |line: &str| -> [String; 4] {
        let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{file}: {cells:?}"))
    };
    text.lines().skip(1).map(cells).collect()
}

fn entities(found: &[Finding]) -> Vec<&str> {
    let mut names: Vec<&str> = found.iter().map(|finding| finding.entity.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn a_dictionary_attack_on_sign_ins_is_told_and_a_clumsy_owner_is_not() {
    let mut recorder = Recorder::default();
    for [at, event, user, source] in rows("sshd.csv") {
        let failed = event != "accepted";
        let cause = failed.then_some(RootCause::Undecidable);
        let sums: &[Sum] = if failed { &[Sum::Refused, Sum::Unauthorized] } else { &[Sum::Served] };
        let mut values = vec![(Distinct::Key, user.as_str())];
        values.extend(failed.then_some((Distinct::FailedAccount, user.as_str())));
        recorder.add(&at, (EntityKind::Source, &source), cause, sums, &values);
        recorder.add(&at, (EntityKind::Key, &user), cause, sums, &[(Distinct::Network, &source)]);
    }
    let stuffing = recorder.told(Detector::CredentialStuffing);
    assert!(entities(&stuffing).contains(&"91.197.232.109"), "{:?}", entities(&stuffing));
    for detector in [Detector::CredentialStuffing, Detector::KeyGuessing, Detector::PathScanning] {
        let found = recorder.told(detector);
        assert!(!entities(&found).contains(&"85.245.107.41"), "{found:?}");
    }
    // The account that one address failed to open 147 times, and no other of the ten test accounts.
    let forced = recorder.told(Detector::BruteForce);
    assert!(entities(&forced).contains(&"elastic_user_0"), "{:?}", entities(&forced));
    let others = entities(&forced).into_iter().filter(|name| name.starts_with("elastic_user_")).count();
    assert_eq!(others, 1, "{:?}", entities(&forced));
}

#[test]
fn bursts_of_denied_calls_are_told_and_throttled_retries_are_not() {
    let mut recorder = Recorder::default();
    for [at, key, action, status] in rows("cloudtrail.csv") {
        let name = (EntityKind::Key, key.as_str());
        let (cause, sums, value): (_, &[Sum], _) = match status.as_str() {
            "200" => (None, &[Sum::Served], Distinct::Route),
            "403" => (Some(RootCause::Undecidable), &[Sum::Refused], Distinct::Forbidden),
            "429" => (Some(RootCause::RateLimited), &[Sum::Refused], Distinct::Route),
            "404" => (None, &[Sum::ClientErrors, Sum::NotFound], Distinct::Path),
            _ => (None, &[Sum::ClientErrors], Distinct::Route),
        };
        recorder.add(&at, name, cause, sums, &[(value, &action)]);
    }
    let probing = recorder.told(Detector::ForbiddenProbing);
    assert_eq!(entities(&probing), ["ASIATFQR7NSC2632JLFK", "ASIATFQR7NSCWLLE7IWW"], "{probing:#?}");
    for detector in [Detector::KeyGuessing, Detector::BruteForce, Detector::CredentialStuffing] {
        assert!(recorder.told(detector).is_empty(), "{detector:?}");
    }
}

#[test]
fn a_public_site_on_ordinary_days_has_two_clients_that_look_like_scanners() {
    let mut recorder = Recorder::default();
    for [at, client, path, status] in rows("apache.csv") {
        let name = (EntityKind::Source, client.as_str());
        if status == "404" {
            recorder.add(&at, name, None, &[Sum::ClientErrors, Sum::NotFound], &[(Distinct::Path, &path)]);
        } else {
            recorder.add(&at, name, None, &[Sum::Served], &[(Distinct::Route, &path)]);
        }
    }
    let scanners = recorder.told(Detector::PathScanning);
    // Both have broken link extractors.
    assert_eq!(entities(&scanners), ["144.76.95.39", "91.236.75.25"]);
}
