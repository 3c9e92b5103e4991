use super::*;
use crate::alert::event::Happening as H;
use crate::alert::matcher::Matchers;
use crate::alert::quiet::Period;
use crate::alert::route::Route;
use crate::alert::rows::{incident_rows, read_incident_rows};
use crate::cause::RootCause;
use crate::detect::{Detector, Entity};
use crate::minutes::EntityKind;

const M: i64 = MINUTE_US;
const H_US: i64 = HOUR_US;

fn finding(detector: Detector, kind: EntityKind, name: &str, minute: i64) -> Finding {
    Finding {
        detector,
        entity: Entity { kind, name: name.to_owned(), tenant: "acme".to_owned() },
        from_us: minute * M,
        to_us: (minute + 1) * M,
        severity: Severity::Medium,
        score: 6.0,
        expected: 1.0,
        seen: 50.0,
        unit: "requests",
        cause: None,
        drivers: Vec::new(),
        summary: format!("{name} misbehaves"),
        quiet: "less of it".to_owned(),
    }
}

fn of_key(detector: Detector, minute: i64) -> Finding {
    finding(detector, EntityKind::Key, "k_7", minute)
}

fn failing(cause: RootCause, tenant: &str, minute: i64) -> Finding {
    let mut failing = finding(Detector::FailureShift, EntityKind::Tenant, tenant, minute);
    failing.entity.tenant = tenant.to_owned();
    failing.cause = Some(cause);
    failing
}

fn matchers(texts: &[&str]) -> Matchers {
    Matchers::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn rule(name: &str, texts: &[&str], period: Period) -> QuietRule {
    QuietRule { name: name.to_owned(), matchers: matchers(texts), period }
}

/// Everything from `medium` on goes to `ops`.
fn policy() -> Policy {
    let all = Route {
        matchers: Matchers::default(),
        severity_min: Severity::Medium,
        destinations: vec!["ops".to_owned()],
        goes_on: false,
    };
    Policy { routes: Routes(vec![all]), ..Policy::default() }
}

fn desk(policy: Policy) -> Desk {
    Desk::new(policy, Incidents::default())
}

fn names(events: &[IncidentEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.what.name()).collect()
}

/// The notices of these events, as action and severity.
fn notices(events: &[IncidentEvent]) -> Vec<(NoticeAction, Severity)> {
    let noticed = events.iter().filter_map(|event| match &event.what {
        H::Noticed { action, severity, .. } => Some((*action, *severity)),
        H::Opened(_)
        | H::Grouped(_)
        | H::Reopened(_)
        | H::Suppressed { .. }
        | H::Muted { .. }
        | H::Acknowledged { .. }
        | H::Silenced { .. }
        | H::Feedback { .. }
        | H::Resolved { .. }
        | H::Delivered { .. }
        | H::Failed { .. }
        | H::Dead { .. }
        | H::Unacknowledged { .. }
        | H::Noted { .. }
        | H::Escalated { .. } => None,
    });
    noticed.collect()
}

const TRIGGER: NoticeAction = NoticeAction::Trigger;

fn by_hand(desk: &mut Desk, incident: &IncidentId, minute: i64, what: H) -> Vec<IncidentEvent> {
    let event = IncidentEvent {
        sequence: desk.incidents().sequence() + 1,
        at_us: minute * M,
        incident: incident.clone(),
        what,
    };
    desk.hear(&event)
}

#[test]
fn forty_thousand_failures_of_one_deleted_user_are_one_incident_and_one_page() {
    let mut desk = desk(policy());
    let mut events = Vec::new();
    for minute in 0..400 {
        let mut failing = failing(RootCause::UserDeleted, "acme", minute);
        failing.seen = 100.0;
        events.extend(desk.observe(&[failing]));
        events.extend(desk.advance((minute + 1) * M));
    }
    assert_eq!(desk.incidents().iter().count(), 1);
    assert_eq!(notices(&events), [(TRIGGER, Severity::Medium)]);
    assert_eq!(desk.incidents().iter().next().unwrap().findings, 400);
}

#[test]
fn a_broken_identity_provider_is_one_incident_whatever_tenant_notices() {
    let mut desk = desk(policy());
    let tenants = ["acme", "globex", "initech", "umbrella"];
    let events = desk.observe(&tenants.map(|tenant| failing(RootCause::IdentityProviderUnavailable, tenant, 0)));
    assert_eq!(names(&events), ["opened", "grouped", "grouped", "grouped", "noticed"]);
    assert_eq!(notices(&events), [(TRIGGER, Severity::High)], "a step worse: many tenants are affected");
}

#[test]
fn evidence_of_several_kinds_on_one_key_is_one_probable_theft() {
    let mut desk = desk(policy());
    let mut events = desk.observe(&[of_key(Detector::RequestSpike, 0)]);
    events.extend(desk.observe(&[of_key(Detector::Exfiltration, 10)]));
    events.extend(desk.observe(&[of_key(Detector::NewOrigin, 50)]));
    assert_eq!(names(&events), ["opened", "noticed", "grouped", "grouped", "noticed"]);
    assert_eq!(notices(&events), [(TRIGGER, Severity::Medium), (TRIGGER, Severity::High)]);
    let incident = desk.incidents().iter().next().unwrap();
    assert_eq!(incident.title(), "probable key theft: key k_7 of acme");
    // Spike and bytes are of one family, and count once: Fisher of 6 and 6.
    assert!((incident.score() - 10.53).abs() < 0.05, "{}", incident.score());
}

#[test]
fn other_kinds_fold_within_the_hour_only_and_never_into_another_key_or_a_failure() {
    let mut desk = desk(policy());
    desk.observe(&[of_key(Detector::RequestSpike, 0)]);
    desk.advance(40 * M);
    desk.observe(&[of_key(Detector::NewOrigin, 55)]);
    assert_eq!(desk.incidents().iter().count(), 1, "it came back within the hour");
    desk.observe(&[finding(Detector::NewOrigin, EntityKind::Key, "k_8", 56)]);
    let mut failing_key = of_key(Detector::PopulationFailure, 56);
    failing_key.cause = Some(RootCause::KeyRevoked);
    desk.observe(&[failing_key, of_key(Detector::RequestSilence, 56)]);
    assert_eq!(desk.incidents().iter().count(), 4);
    desk.advance(100 * M);
    desk.observe(&[of_key(Detector::ForbiddenProbing, 130)]);
    assert_eq!(desk.incidents().iter().count(), 5, "an hour and more later it is another trouble");
}

#[test]
fn an_incident_tells_again_when_it_gets_worse_or_nobody_took_it_for_a_day() {
    let mut desk = desk(policy());
    let at = |minute, severity| {
        let mut finding = of_key(Detector::NewOrigin, minute);
        finding.severity = severity;
        finding
    };
    assert_eq!(notices(&desk.observe(&[at(0, Severity::Low)])), [], "below every route");
    assert_eq!(notices(&desk.observe(&[at(1, Severity::Medium)])).len(), 1);
    assert_eq!(notices(&desk.observe(&[at(2, Severity::Medium), at(3, Severity::Low)])), []);
    assert_eq!(notices(&desk.observe(&[at(4, Severity::Critical)])), [(TRIGGER, Severity::Critical)]);
    let mut reminders = Vec::new();
    for minute in 5..24 * 60 * 2 + 10 {
        reminders.extend(notices(&desk.observe(&[at(minute, Severity::Medium)])));
    }
    assert_eq!(reminders, [(TRIGGER, Severity::Critical); 2]);
    let id = desk.incidents().iter().next().unwrap().id.clone();
    let taken = by_hand(&mut desk, &id, 2_900, H::Acknowledged { by: "ada".to_owned(), note: String::new() });
    assert_eq!(notices(&taken), [(NoticeAction::Acknowledge, Severity::Critical)]);
    for minute in 2_900..2_900 + 24 * 60 * 2 {
        assert_eq!(notices(&desk.observe(&[at(minute, Severity::Medium)])), [], "somebody has taken it");
    }
}

#[test]
fn quiet_resolves_with_the_proof_and_a_return_within_a_day_is_the_same_incident() {
    let mut desk = desk(policy());
    desk.observe(&[of_key(Detector::NewOrigin, 0)]);
    assert_eq!(names(&desk.advance(15 * M)), [""; 0], "quiet for 14 minutes");
    let ended = desk.advance(16 * M);
    assert_eq!(names(&ended), ["resolved", "noticed"]);
    let proof = H::Resolved { by: String::new(), note: String::new(), last_seen_us: M, quiet_us: 15 * M };
    assert_eq!(ended[0].what, proof);
    assert_eq!(desk.advance(17 * M), [], "once");
    let back = desk.observe(&[of_key(Detector::NewOrigin, 23 * 60)]);
    assert_eq!(names(&back), ["reopened", "noticed"]);
    assert_eq!(back[0].incident, ended[0].incident);
    desk.advance(24 * 60 * M);
    let anew = desk.observe(&[of_key(Detector::NewOrigin, 49 * 60)]);
    assert_eq!(names(&anew), ["opened", "noticed"], "a day later it is another one");
}

#[test]
fn a_detector_of_long_windows_is_quiet_after_three_of_them() {
    let mut desk = desk(policy());
    let mut hourly = of_key(Detector::RequestSpike, 0);
    hourly.to_us = H_US;
    desk.observe(&[hourly]);
    assert_eq!(desk.advance(4 * H_US - 1), []);
    assert_eq!(names(&desk.advance(4 * H_US)), ["resolved", "noticed"]);
}

#[test]
fn an_incident_is_opened_when_it_was_noticed_however_long_its_window_is() {
    let mut desk = desk(policy());
    let of_the_day = |noticed| Finding { from_us: 0, to_us: noticed * H_US, ..of_key(Detector::KeyGuessing, 0) };
    let opened = desk.observe(&[of_the_day(13)]);
    desk.observe(&[of_the_day(14)]);
    let incident = desk.incidents().iter().next().unwrap();
    assert_eq!((incident.opened_at_us, incident.judged_from_us), (13 * H_US, 0));
    assert_eq!(opened.first().unwrap().at_us, incident.opened_at_us, "as its history tells");
}

#[test]
fn a_late_finding_of_what_is_over_reopens_nothing() {
    let mut desk = desk(policy());
    desk.observe(&[of_key(Detector::NewOrigin, 5)]);
    desk.advance(60 * M);
    assert_eq!(names(&desk.observe(&[of_key(Detector::NewOrigin, 3)])), ["grouped"]);
}

#[test]
fn allow_lists_and_planned_changes_suppress_with_a_count() {
    let launch = Period { from_us: 0, to_us: H_US, every_us: None };
    let suppressions =
        vec![rule("load test", &["entity=k_load"], Period::ALWAYS), rule("launch", &["family=volume"], launch)];
    let mut desk = desk(Policy { suppressions, ..policy() });
    let load = |minute| finding(Detector::NewOrigin, EntityKind::Key, "k_load", minute);
    for minute in 0..3 {
        assert_eq!(names(&desk.observe(&[load(minute)])), ["suppressed"]);
    }
    assert_eq!(desk.observe(&[load(0), load(2)]), [], "what was counted is not counted again");
    assert_eq!(names(&desk.observe(&[of_key(Detector::RequestSpike, 58)])), ["suppressed"]);
    assert_eq!(names(&desk.observe(&[of_key(Detector::RequestSpike, 90)])), ["opened", "noticed"]);
    let counts: Vec<_> = desk.incidents().suppressed().map(|(_, s)| (s.rule.as_str(), s.findings)).collect();
    assert_eq!(counts, [("load test", 3), ("launch", 1)]);
}

#[test]
fn what_somebody_called_benign_is_suppressed_until_it_gets_worse() {
    let mut desk = desk(policy());
    let opened = desk.observe(&[of_key(Detector::NewOrigin, 0)]);
    let id = &opened[0].incident;
    let benign = H::Feedback { by: "ada".to_owned(), note: "office moved".to_owned(), benign: true };
    let done = H::Resolved { by: "ada".to_owned(), note: String::new(), last_seen_us: M, quiet_us: 0 };
    by_hand(&mut desk, id, 5, benign);
    assert_eq!(names(&by_hand(&mut desk, id, 5, done)), ["noticed"]);
    assert_eq!(names(&desk.observe(&[of_key(Detector::NewOrigin, 9)])), ["suppressed"]);
    let mut worse = of_key(Detector::HoneyKey, 10);
    worse.severity = Severity::Critical;
    assert_eq!(names(&desk.observe(&[worse])), ["reopened", "noticed"]);
    desk.advance(60 * M);
    assert_eq!(
        names(&desk.observe(&[of_key(Detector::NewOrigin, 60 * 24 * 31)])),
        ["opened", "noticed"],
        "a month later"
    );
}

#[test]
fn silences_and_maintenance_hold_notices_back_and_say_so_once() {
    let tonight = Period { from_us: 0, to_us: 5 * M, every_us: None };
    let mut desk = desk(Policy { silences: vec![rule("upgrade", &["tenant=acme"], tonight)], ..policy() });
    let muted = desk.observe(&[of_key(Detector::NewOrigin, 0)]);
    assert_eq!(names(&muted), ["opened", "muted"]);
    assert_eq!(names(&desk.observe(&[of_key(Detector::NewOrigin, 1)])), ["grouped"]);
    assert_eq!(names(&desk.advance(6 * M)), ["noticed"], "the window is over, the trouble is not");
    let id = &muted[0].incident;
    by_hand(&mut desk, id, 7, H::Silenced { by: "ada".to_owned(), note: String::new(), until_us: 30 * M });
    let mut worse = of_key(Detector::NewOrigin, 20);
    worse.severity = Severity::Critical;
    assert_eq!(names(&desk.observe(&[worse])), ["grouped", "muted"]);
    by_hand(&mut desk, id, 21, H::Silenced { by: "ada".to_owned(), note: String::new(), until_us: 0 });
    assert_eq!(desk.incidents().get(id).unwrap().announced.map(|told| told.severity), Some(Severity::Critical));
}

#[test]
fn a_symptom_is_not_told_while_its_cause_is_known_in_whatever_order_they_come() {
    let silent_keys = Inhibition {
        cause: matchers(&["family=failure"]),
        symptom: matchers(&["family=silence"]),
        equal: vec!["tenant"],
    };
    let mut desk = desk(Policy { inhibitions: vec![silent_keys], ..policy() });
    let events = desk.observe(&[of_key(Detector::RequestSilence, 0), failing(RootCause::UserDeleted, "acme", 0)]);
    let mut happened = names(&events);
    happened.sort_unstable();
    assert_eq!(happened, ["muted", "noticed", "opened", "opened"]);
    assert!(events.iter().any(|event| matches!(&event.what, H::Muted { rule } if rule.starts_with("explained by"))));
    let elsewhere = failing(RootCause::UserDeleted, "globex", 1);
    let mut silent = finding(Detector::RequestSilence, EntityKind::Key, "k_9", 1);
    silent.entity.tenant = "initech".to_owned();
    assert_eq!(notices(&desk.observe(&[elsewhere, silent])).len(), 2, "another tenant's failure explains nothing");
}

#[test]
fn an_incident_worth_no_destination_is_kept_and_told_to_nobody() {
    let mut desk = desk(Policy::default());
    assert_eq!(names(&desk.observe(&[of_key(Detector::NewOrigin, 0)])), ["opened"]);
    assert_eq!(names(&desk.advance(60 * M)), ["resolved"]);
    let mut info = of_key(Detector::MixShift, 90);
    info.severity = Severity::Info;
    assert_eq!(names(&desk.observe(&[info])), ["reopened"], "as evidence where there was trouble");
    let mut alone = finding(Detector::MixShift, EntityKind::Key, "k_1", 90);
    alone.severity = Severity::Info;
    assert_eq!(desk.observe(&[alone]), []);
}

#[test]
fn a_restart_after_any_number_of_rows_opens_nothing_anew_and_pages_nobody_twice() {
    let story = || {
        let mut findings = Vec::new();
        for minute in 0..40 {
            findings.push(failing(RootCause::UserDeleted, "acme", minute));
            if minute % 3 == 0 {
                findings.push(of_key(Detector::RequestSpike, minute));
            }
            if (10..14).contains(&minute) {
                findings.push(of_key(Detector::NewOrigin, minute));
            }
        }
        findings.push(of_key(Detector::NewOrigin, 200));
        findings
    };
    let live = |desk: &mut Desk| {
        let mut events = Vec::new();
        for finding in story() {
            events.extend(desk.advance(finding.from_us));
            events.extend(desk.observe(&[finding]));
        }
        events.extend(desk.advance(400 * M));
        events
    };
    let mut first = desk(policy());
    let events = live(&mut first);
    assert!(notices(&events).len() >= 6, "{:?}", names(&events));
    let told = |events: &[IncidentEvent]| {
        let mut told: Vec<_> = events
            .iter()
            .filter(|event| event.what.name() == "noticed")
            .map(|event| (event.incident.clone(), format!("{:?}", event.what)))
            .collect();
        told.sort();
        told
    };
    for cut in 0..=events.len() {
        // Rows go through the table's own form.
        let (stored, unread) = read_incident_rows(&incident_rows(&events[..cut]));
        assert_eq!((stored.as_slice(), unread), (&events[..cut], 0));
        let mut again = Desk::new(policy(), Incidents::fold(stored));
        let rest = live(&mut again);
        let all = [&events[..cut], &rest].concat();
        assert_eq!(told(&all), told(&events), "after {cut} rows");
        let ids = |desk: &Desk| {
            let known = desk.incidents().iter();
            known.map(|incident| (incident.id.clone(), incident.status, incident.findings)).collect::<Vec<_>>()
        };
        assert_eq!(ids(&again), ids(&first), "after {cut} rows");
    }
}

#[test]
fn the_state_is_the_fold_over_what_was_returned() {
    let mut live = desk(policy());
    let mut events = Vec::new();
    for minute in 0..30 {
        events.extend(
            live.observe(&[of_key(Detector::NewOrigin, minute), failing(RootCause::KeyExpired, "acme", minute)]),
        );
    }
    events.extend(live.advance(90 * M));
    events.push(live.enter(
        events[0].incident.clone(),
        91 * M,
        H::Delivered { notice: 1, destination: "ops".to_owned() },
    ));
    let mut folded = Incidents::fold(events.clone());
    folded.advance_to(90 * M);
    folded.forget();
    assert_eq!(&folded, live.incidents());
    events.extend(events.clone());
    let mut twice = Incidents::fold(events);
    twice.advance_to(90 * M);
    twice.forget();
    assert_eq!(&twice, live.incidents(), "rows that are stored twice count once");
}
