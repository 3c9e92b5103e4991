//! Each metric on alerts made by hand.

use std::collections::BTreeMap;

use super::*;
use crate::keymisuse::calendar::{DAY, HOUR, SECOND};
use crate::keymisuse::trouble::TroubleKind;

/// An hour of the scored half.
const THEN: i64 = START + 20 * DAY;

fn attack(kind: AttackKind, grade: Grade, key: &str) -> Incident {
    Incident {
        id: format!("inc {key}"),
        kind,
        grade,
        tenant: "tn".to_owned(),
        keys: if key.is_empty() { Vec::new() } else { vec![key.to_owned()] },
        sources: vec!["10.0.0.0/24".to_owned()],
        dimensions: BTreeMap::new(),
        start_us: THEN,
        end_us: THEN + HOUR,
        first_request_us: THEN + 10 * SECOND,
        last_request_us: THEN + HOUR - 10 * SECOND,
        requests: 7,
        first_request_id: String::new(),
        last_request_id: String::new(),
        request_offsets_ms: vec![0, 1_000, 2_000, 3_000, 60_000, 120_000, 3_580_000],
    }
}

fn alert(detector: Detector, entity_kind: EntityKind, entity: &str, after: i64) -> ScoredAlert {
    ScoredAlert {
        detector,
        entity_kind,
        entity: entity.to_owned(),
        tenant: "tn".to_owned(),
        at_us: THEN + after,
        from_us: THEN,
        to_us: THEN + after,
        severity: Severity::Medium,
        incident: String::new(),
        drivers: Vec::new(),
    }
}

fn spike() -> Incident {
    attack(AttackKind::VolumeSpike, Grade::Easy, "key_1")
}

fn found(incident: Incident, alert: ScoredAlert) -> bool {
    score(&[incident], &[], &[alert], 1_000).by_kind[0].found == 1
}

#[test]
fn an_attack_is_found_by_the_right_family_on_the_right_entity_in_time() {
    let right = alert(Detector::RequestSpike, EntityKind::Key, "key_1", HOUR);
    assert!(found(spike(), right.clone()));
    assert!(found(spike(), alert(Detector::Exfiltration, EntityKind::Key, "key_1", HOUR)), "the family is right");
    assert!(found(spike(), alert(Detector::RequestSpike, EntityKind::Source, "10.0.0.0/24", HOUR)));
    assert!(!found(spike(), alert(Detector::NewOrigin, EntityKind::Key, "key_1", HOUR)), "another family");
    assert!(!found(spike(), alert(Detector::RequestSpike, EntityKind::Key, "key_2", HOUR)), "another key");
    assert!(!found(spike(), alert(Detector::RequestSpike, EntityKind::Tenant, "tn", HOUR)), "too wide a name");
    assert!(!found(spike(), alert(Detector::RequestSpike, EntityKind::Key, "key_1", HOUR + 16 * MINUTE)), "too late");
    assert!(!found(spike(), alert(Detector::RequestSpike, EntityKind::Key, "key_1", -SECOND)), "before it began");
    assert!(!found(spike(), ScoredAlert { severity: Severity::Info, ..right }), "nobody was told");
}

#[test]
fn dead_and_dormant_keys_must_be_reported_within_five_minutes_of_their_first_use() {
    for (kind, detector) in
        [(AttackKind::RevokedKey, Detector::DeadKeyTried), (AttackKind::DormantKey, Detector::DormantKey)]
    {
        let incident = attack(kind, Grade::Hard, "key_1");
        assert!(found(incident.clone(), alert(detector, EntityKind::Key, "key_1", 5 * MINUTE)));
        let late = alert(detector, EntityKind::Key, "key_1", 6 * MINUTE);
        let score = score(&[incident], &[], &[late], 1_000);
        assert_eq!((score.by_kind[0].found, score.false_alerts), (0, 0), "late, but not wrong");
    }
}

#[test]
fn recall_is_counted_by_grade_and_by_kind() {
    let truth = [
        spike(),
        attack(AttackKind::VolumeSpike, Grade::Easy, "key_2"),
        attack(AttackKind::OffHours, Grade::Hard, "key_3"),
    ];
    let alerts = [
        alert(Detector::RequestSpike, EntityKind::Key, "key_1", MINUTE),
        alert(Detector::OffHours, EntityKind::Key, "key_3", MINUTE),
    ];
    let score = score(&truth, &[], &alerts, 1_000);
    assert_eq!(score.recall, [0.5, 1.0, 1.0], "of no medium attacks all are found");
    let spikes = Recall { kind: AttackKind::VolumeSpike, grade: Grade::Easy, attacks: 2, found: 1 };
    assert!(score.by_kind.contains(&spikes));
}

#[test]
fn precision_counts_incidents_and_not_the_findings_in_them() {
    let grouped = |mut alert: ScoredAlert, incident: &str| {
        alert.incident = incident.to_owned();
        alert
    };
    let alerts = [
        grouped(alert(Detector::RequestSpike, EntityKind::Key, "key_1", MINUTE), "a"),
        grouped(alert(Detector::MixShift, EntityKind::Key, "key_1", MINUTE), "a"),
        grouped(alert(Detector::RequestSpike, EntityKind::Key, "key_9", MINUTE), "b"),
        grouped(alert(Detector::RequestSpike, EntityKind::Key, "key_9", HOUR), "b"),
        grouped(
            ScoredAlert { severity: Severity::Critical, ..alert(Detector::HoneyKey, EntityKind::Key, "key_8", 0) },
            "c",
        ),
        ScoredAlert { severity: Severity::Info, ..alert(Detector::MixShift, EntityKind::Key, "key_7", 0) },
    ];
    let learning = ScoredAlert { at_us: START + DAY, ..alert(Detector::MixShift, EntityKind::Key, "key_6", 0) };
    let all: Vec<ScoredAlert> = alerts.into_iter().chain([learning]).collect();
    let score = score(&[spike()], &[], &all, 500);
    assert_eq!((score.alerts, score.false_alerts), (3, 2));
    assert!((score.precision - 1.0 / 3.0).abs() < 1e-12);
    assert!((score.false_per_1000_key_days - 4.0).abs() < 1e-12);
    assert!((score.high_false_per_1000_key_days - 2.0).abs() < 1e-12);
}

#[test]
fn a_benign_trouble_counts_once_it_raises_medium() {
    let trouble = |kind, key: &str| BenignTrouble {
        kind,
        tenant: "tn".to_owned(),
        keys: vec![key.to_owned()],
        sources: Vec::new(),
        gateway: String::new(),
        start_us: THEN,
        end_us: THEN + HOUR,
        announced: false,
    };
    let benign = [
        trouble(TroubleKind::Launch, "key_1"),
        trouble(TroubleKind::BugLoop, "key_2"),
        trouble(TroubleKind::Throttling, "key_3"),
        BenignTrouble { end_us: START + DAY, ..trouble(TroubleKind::Launch, "key_1") },
    ];
    let low =
        ScoredAlert { severity: Severity::Low, ..alert(Detector::RequestSpike, EntityKind::Key, "key_2", MINUTE) };
    let alerts = [alert(Detector::RequestSpike, EntityKind::Key, "key_1", MINUTE), low];
    let benign_alerted = |truth: &[Incident]| score(truth, &benign, &alerts, 1_000).benign_alerted;
    assert!((benign_alerted(&[]) - 1.0 / 3.0).abs() < 1e-12, "the learning half is not scored");
    assert!(benign_alerted(&[spike()]).abs() < 1e-12, "the alert was about an attack on the same key");
}

#[test]
fn time_to_detect_runs_from_the_first_request_of_the_attack() {
    let truth = [
        spike(),
        attack(AttackKind::VolumeSpike, Grade::Easy, "key_2"),
        attack(AttackKind::VolumeSpike, Grade::Hard, "key_3"),
    ];
    let alerts = [
        alert(Detector::RequestSpike, EntityKind::Key, "key_1", 70 * SECOND),
        alert(Detector::RequestSpike, EntityKind::Key, "key_2", 310 * SECOND),
        alert(Detector::RequestSpike, EntityKind::Key, "key_3", 1_010 * SECOND),
    ];
    let score = score(&truth, &[], &alerts, 1_000);
    assert_eq!(score.detect_seconds_easy, [Some(60.0), Some(300.0)]);
    assert_eq!(score.detect_seconds, [Some(300.0), Some(1_000.0)]);
    let nothing = super::score(&truth, &[], &[], 1_000);
    assert_eq!((nothing.detect_seconds, nothing.alerts_per_attack), ([None, None], [None, None]));
}

#[test]
fn requests_to_alarm_count_what_a_guesser_sent_until_then() {
    let incident = attack(AttackKind::KeyGuessing, Grade::Easy, "");
    let requests = |after| {
        let alert = alert(Detector::KeyGuessing, EntityKind::Source, "10.0.0.0/24", after);
        score(std::slice::from_ref(&incident), &[], &[alert], 1_000).requests_to_alarm_p90
    };
    assert_eq!(requests(12 * SECOND), Some(3.0));
    assert_eq!(requests(HOUR), Some(7.0));
    let long = Incident { requests: 1_007, request_offsets_ms: vec![0; 7], ..incident.clone() };
    let half = 10 * SECOND + (long.last_request_us - long.first_request_us) / 2;
    assert!((requests_until(&long, THEN + half) - 507.0).abs() < 1.0, "beyond the list at the mean rate");
}

#[test]
fn several_alerts_of_one_attack_are_counted() {
    let alerts: Vec<ScoredAlert> =
        (1..4).map(|minute| alert(Detector::RequestSpike, EntityKind::Key, "key_1", minute * MINUTE)).collect();
    let score = score(&[spike()], &[], &alerts, 1_000);
    assert_eq!(score.alerts_per_attack, [Some(3.0), Some(3.0)]);
    assert_eq!((score.precision, score.false_alerts), (1.0, 0));
}

#[test]
fn kind_accuracy_asks_for_the_very_detector() {
    let truth = [spike(), attack(AttackKind::Exfiltration, Grade::Easy, "key_2")];
    let alerts = [
        alert(Detector::RequestSpike, EntityKind::Key, "key_1", MINUTE),
        alert(Detector::RequestSpike, EntityKind::Key, "key_2", MINUTE),
    ];
    assert!((score(&truth, &[], &alerts, 1_000).kind_accuracy - 0.5).abs() < 1e-12);
}

#[test]
fn attribution_wants_all_dimensions_among_the_first_drivers() {
    let dimensions =
        BTreeMap::from([("route".to_owned(), "get-order".to_owned()), ("tenant".to_owned(), "tn".to_owned())]);
    let fault = Incident { dimensions, ..attack(AttackKind::PopulationFault, Grade::Medium, "") };
    let drivers = |list: &[(&str, &str)]| {
        let mut alert = alert(Detector::PopulationFailure, EntityKind::Tenant, "tn", MINUTE);
        alert.drivers = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let score = score(std::slice::from_ref(&fault), &[], &[alert], 1_000);
        (score.attribution_top1[1], score.attribution_top3[1])
    };
    assert_eq!(drivers(&[("tenant", "tn"), ("route", "GET get-order")]), (1.0, 1.0));
    assert_eq!(drivers(&[("tenant", "tn"), ("agent", "x"), ("route", "get-order")]), (0.0, 1.0));
    assert_eq!(drivers(&[("tenant", "tn")]), (0.0, 0.0));
}

#[test]
fn every_kind_of_attack_has_detectors_of_its_families() {
    for &kind in AttackKind::ALL {
        let right = right_for(kind);
        assert!(!right.families.is_empty() && !right.exact.is_empty(), "{kind:?}");
        for detector in right.exact {
            assert!(right.families.contains(&detector.family()), "{kind:?} {detector:?}");
        }
    }
}

#[test]
fn the_report_card_says_what_was_missed_and_what_was_not_measured() {
    let none = score(&[spike()], &[], &[], 1_000);
    let card = markdown(&none, &Measured::default());
    assert!(card.contains("| recall, easy | ≥ 0.950 | ≥ 0.990 | 0.000 | **missed** |"), "{card}");
    assert!(card.contains("not measured") && card.contains("| volume spike | 0 of 1 | – | – |"));
    let full = score(&[spike()], &[], &[alert(Detector::RequestSpike, EntityKind::Key, "key_1", MINUTE)], 1_000);
    let metrics = full.metrics(&Measured { nab_standard: Some(55.0), ..Measured::default() });
    assert!(metrics.iter().all(Metric::meets_floor));
    let nab = metrics.iter().find(|metric| metric.name.starts_with("NAB")).unwrap();
    assert!(!nab.meets_goal());
    let seeds = markdown_of_seeds(&[none, full], &Measured::default());
    assert!(seeds.contains("| recall, easy | ≥ 0.950 | ≥ 0.990 | 0.500 | 0.000 | **missed** |"), "{seeds}");
}

#[test]
fn to_say_that_a_feed_is_silent_is_right_while_lines_are_lost() {
    let hole = BenignTrouble {
        kind: TroubleKind::LogGap,
        tenant: String::new(),
        keys: Vec::new(),
        sources: Vec::new(),
        gateway: "apisix-east".to_owned(),
        start_us: THEN,
        end_us: THEN + 20 * MINUTE,
        announced: false,
    };
    let of = |detector, after| {
        let alert = alert(detector, EntityKind::Tenant, "tn", after);
        let score = score(&[], std::slice::from_ref(&hole), &[alert], 1_000);
        (score.false_alerts, score.benign_alerted > 0.0)
    };
    assert_eq!(of(Detector::FeedSilence, 10 * MINUTE), (0, false));
    assert_eq!(of(Detector::FeedSilence, 2 * HOUR), (1, false), "long after the hole");
    assert_eq!(of(Detector::RequestSilence, 10 * MINUTE), (1, true), "a key's silence is the symptom");
}
