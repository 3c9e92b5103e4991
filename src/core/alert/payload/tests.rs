use std::collections::BTreeMap;

use super::*;
use crate::alert::event::NoticeAction;
use crate::alert::incident::{Incident, IncidentId, Resolution};
use crate::alert::{Claim, Group};
use crate::cause::RootCause;
use crate::detect::{Detector, Driver, Entity, Finding, Severity};
use crate::minutes::EntityKind;

const NINE: i64 = 1_795_510_800_000_000;

fn finding(detector: Detector, kind: EntityKind, name: &str, cause: Option<RootCause>) -> Finding {
    Finding {
        detector,
        entity: Entity { kind, name: name.to_owned(), tenant: "acme".to_owned() },
        from_us: NINE,
        to_us: NINE + 60_000_000,
        severity: Severity::High,
        score: 12.4,
        expected: 0.25,
        seen: 4_000.0,
        unit: "requests",
        cause,
        drivers: vec![Driver { dimension: "network", value: "203.0.113.0/24".to_owned(), share: 0.9 }],
        summary: "key k_7 was used from 203.0.113.0/24 <!channel> & more".to_owned(),
        quiet: "the network among the key's known ones".to_owned(),
    }
}

fn incident(findings: &[Finding]) -> Incident {
    let claims: Vec<Claim> = findings.iter().map(Claim::of).collect();
    let group = Group::of(&claims[0]);
    let mut incident = Incident::of(IncidentId::of(&group, &claims[0]), group, &claims[0]);
    claims.iter().for_each(|claim| incident.take(claim));
    incident.first_severity = Some(Severity::High);
    incident
}

fn theft() -> Incident {
    incident(&[
        finding(Detector::NewOrigin, EntityKind::Key, "k_7", None),
        finding(Detector::RequestSpike, EntityKind::Key, "k_7", None),
    ])
}

fn trigger(incident: &Incident) -> Notice {
    Notice::of(incident, 1, NoticeAction::Trigger, Severity::High, "https://claviger.example/")
}

fn resolved(mut incident: Incident) -> Notice {
    incident.resolution = Some(Resolution {
        at_us: NINE + 960_000_000,
        last_seen_us: NINE + 60_000_000,
        quiet_us: 900_000_000,
        by: String::new(),
        note: String::new(),
    });
    Notice::of(&incident, 2, NoticeAction::Resolve, Severity::High, "https://claviger.example")
}

/// Every payload of a notice, by receiver.
fn payloads(notice: &Notice) -> BTreeMap<&'static str, Value> {
    let plain = Wording::default();
    let mail = email::email(notice, &plain);
    let now_us = NINE + 961_000_000;
    BTreeMap::from([
        ("alertmanager", alertmanager::alerts(notice, &plain, now_us)),
        ("alertmanager_webhook", alertmanager_webhook::message(notice, &plain, "ops")),
        ("pagerduty", pagerduty::event(notice, &plain, "R0UTING")),
        ("slack", slack::message(notice, &plain)),
        ("opsgenie", {
            let (path, body) = opsgenie::request(notice, &plain);
            serde_json::json!({ "path": path, "body": body })
        }),
        ("webhook", webhook::message(notice, &plain)),
        ("email", serde_json::json!({ "subject": mail.subject, "text": mail.text.lines().collect::<Vec<_>>() })),
    ])
}

#[test]
fn every_receiver_is_told_in_its_own_words() {
    for (receiver, payload) in payloads(&trigger(&theft())) {
        insta::assert_json_snapshot!(format!("trigger_{receiver}"), payload);
    }
    for (receiver, payload) in payloads(&resolved(theft())) {
        insta::assert_json_snapshot!(format!("resolve_{receiver}"), payload);
    }
}

#[test]
fn one_page_for_a_deleted_user_says_who_acts_and_what_to_do() {
    let failing = finding(Detector::FailureShift, EntityKind::Tenant, "acme", Some(RootCause::UserDeleted));
    let text = email::email(&trigger(&incident(&[failing])), &Wording::default());
    assert_eq!(text.subject, "[high] requests of acme fail: user_deleted");
    assert!(text.text.contains("Who acts: the tenant admin. What to do: recreate the identity"), "{}", text.text);
    assert!(text.text.contains("cause = 'user_deleted' and tenant_id = 'acme'"), "{}", text.text);
}

#[test]
fn hostile_and_endless_text_fits_every_receiver() {
    let mut endless =
        finding(Detector::KeyGuessing, EntityKind::Source, &"\"'; drop</a>\u{1F511}\r\n".repeat(4_000), None);
    endless.summary = "é".repeat(90_000);
    endless.quiet = "\u{0}".repeat(9_000);
    endless.drivers = vec![Driver { dimension: "agent", value: "a&<>".repeat(9_000), share: 1.0 }; 30];
    let notice = trigger(&incident(&[endless]));
    let found = payloads(&notice);
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert!(chars(&found["pagerduty"]["payload"]["summary"]) <= 1_024);
    assert!(chars(&found["pagerduty"]["dedup_key"]) <= 255);
    assert!(chars(&found["opsgenie"]["body"]["message"]) <= 130);
    assert!(chars(&found["opsgenie"]["body"]["description"]) <= 15_000);
    assert!(found["webhook"].to_string().len() < 20_000, "{}", found["webhook"].to_string().len());
    assert!(!found["email"]["subject"].as_str().unwrap().contains(['\r', '\n']));
    for block in found["slack"]["attachments"][0]["blocks"].as_array().unwrap() {
        let text = &block["text"]["text"];
        assert!(text.is_null() || chars(text) <= 3_000);
        let is_markup = block["text"]["type"] == "mrkdwn";
        assert!(!is_markup || !text.as_str().unwrap_or_default().contains(['<', '>']), "{text}");
    }
}

#[test]
fn what_identifies_an_alert_stays_the_same_while_everything_else_changes() {
    let first = trigger(&theft());
    let mut later = theft();
    let mut more = finding(Detector::Exfiltration, EntityKind::Key, "k_7", None);
    (more.from_us, more.to_us, more.severity, more.seen) =
        (NINE + 600_000_000, NINE + 660_000_000, Severity::Critical, 9e9);
    later.take(&Claim::of(&more));
    let worse = Notice::of(&later, 2, NoticeAction::Trigger, Severity::Critical, "");
    assert_ne!(first, worse);
    assert_eq!(first.labels, worse.labels);
    let of = |notice: &Notice, receiver: &str, at: &str| payloads(notice)[receiver].pointer(at).unwrap().clone();
    for notice in [&worse, &resolved(later.clone())] {
        for (receiver, at) in [
            ("alertmanager", "/0/labels"),
            ("pagerduty", "/dedup_key"),
            ("webhook", "/data/dedup_key"),
            ("alertmanager_webhook", "/alerts/0/fingerprint"),
            ("alertmanager_webhook", "/groupKey"),
        ] {
            assert_eq!(of(&first, receiver, at), of(notice, receiver, at), "{receiver}");
        }
    }
}

#[test]
fn an_operators_words_replace_the_default_ones() {
    let wording = Wording {
        title: Some(Template::parse("{severity}/{tenant}: {title}").unwrap()),
        body: Some(Template::parse("see {link}").unwrap()),
    };
    let notice = trigger(&theft());
    let mail = email::email(&notice, &wording);
    assert_eq!(mail.subject, "high/acme: probable key theft: key k_7 of acme");
    assert_eq!(mail.text, format!("see https://claviger.example/#/incidents/{}", notice.incident));
    assert_eq!(slack::message(&notice, &wording)["text"], "high/acme: probable key theft: key k_7 of acme");
}
