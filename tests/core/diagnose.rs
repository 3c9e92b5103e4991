//! The classifier's fixtures, explained: each cause is told with a failed check, a remedy and an end.

use std::sync::Arc;

use claviger_core::cause::RootCause;
use claviger_core::classify::ClassifyOptions;
use claviger_core::diagnose::{
    CallerSeen, Case, CheckResult, Diagnosis, Subject, SubjectKind, Traffic, diagnose, markdown, page, stand_in,
    stand_in_for,
};
use claviger_core::event::{Column, Events};
use claviger_core::identity::Directory;
use claviger_core::secret::{Credential, Pepper, Schemes, Slips};
use claviger_core::time;

use crate::classify::{judged, world};
use crate::support::{pepper, repository};

fn subject(kind: SubjectKind, id: &str) -> Subject {
    Subject { kind, id: id.to_owned(), label: id.to_owned() }
}

/// The diagnosis of one row.
fn explained(
    row: Events,
    subject: Subject,
    is_request: bool,
    directory: &Arc<Directory>,
    traffic: &Traffic,
) -> Diagnosis {
    let options = ClassifyOptions::default();
    diagnose(&Case { subject, row, is_request, directory, options: &options, traffic, others: Vec::new() })
}

/// The diagnosis of a request in a file of frames.
fn of_request(cause: &str, request: &str, traffic: &Traffic) -> Diagnosis {
    let world = world();
    let events = judged(&repository().join("tests/fixtures/classify").join(cause).join("named.ndjson"), &world);
    let found = (0..events.len()).find(|&row| events.text(Column::RequestId).value(row) == request);
    let row = Events::of_batch(events.batch().slice(found.expect("the request"), 1));
    explained(row, subject(SubjectKind::Request, request), true, &world, traffic)
}

fn of_id(kind: SubjectKind, id: &str, at: &str) -> Diagnosis {
    let at = time::rfc3339(at).expect("a time");
    explained(stand_in(kind, id, at), subject(kind, id), false, &world(), &Traffic::default())
}

#[test]
fn every_cause_is_explained_by_a_failed_check_and_mended_by_somebody() {
    let (folders, world) = (repository().join("tests/fixtures/classify"), world());
    let mut shown = String::new();
    for &cause in RootCause::ALL {
        let events = judged(&folders.join(cause.name()).join("named.ndjson"), &world);
        let causes = events.dict(Column::Cause);
        for row in (0..events.len()).filter(|&row| causes.get(row) == cause.name()) {
            let id = events.text(Column::RequestId).value(row).to_owned();
            let row = Events::of_batch(events.batch().slice(row, 1));
            let said = explained(row, subject(SubjectKind::Request, &id), true, &world, &Traffic::default());
            let place = format!("{}/{id}", cause.name());
            assert_eq!(said.verdict.cause, Some(cause.name()), "{place}");
            let failed: Vec<_> = said
                .steps
                .iter()
                .flat_map(|step| {
                    let failed = step.checks.iter().filter(|check| check.result == CheckResult::Fail);
                    failed.map(move |check| (step, check))
                })
                .collect();
            assert!(!failed.is_empty(), "{place}: no check fails");
            assert!(
                failed
                    .iter()
                    .any(|(step, check)| step.result == CheckResult::Fail && check.fact == said.verdict.sentence),
                "{place}: {}",
                said.verdict.sentence
            );
            assert_eq!(said.remedy.owner, Some(cause.owner().name()), "{place}");
            assert!(!said.remedy.action.is_empty() && said.done_when.sql.contains(cause.name()), "{place}");
            assert!(page(&said).lines().all(|line| line.chars().count() <= 120), "{place}:\n{}", page(&said));
            shown.push_str(&format!(
                "{place}\n  {}\n  {}: {}\n",
                said.verdict.sentence,
                cause.owner().name(),
                said.remedy.action
            ));
            for line in said.remedy.scopes.iter().chain(&said.remedy.settings) {
                shown.push_str(&format!("    {line}\n"));
            }
            for (step, check) in failed {
                shown.push_str(&format!("  fail {} {}\n", step.step, check.name));
            }
            for other in &said.alternatives {
                shown.push_str(&format!("  or {}: {}\n", other.cause, other.why));
            }
        }
    }
    insta::assert_snapshot!("diagnoses", shown);
}

#[test]
fn a_served_request_says_whether_it_should_have_been() {
    let said = of_request("zombie_access", "its-user-was-deleted", &Traffic::default());
    assert_eq!(said.verdict.cause, Some("zombie_access"));
    let failed = said.steps.iter().filter(|step| step.result == CheckResult::Fail).map(|step| step.step);
    assert!(
        failed.clone().any(|step| step == 5) && failed.clone().any(|step| step < 4),
        "both the owner and the gateway failed"
    );
}

#[test]
fn a_key_without_traffic_is_judged_by_identity_alone() {
    for (key, at, cause) in [
        ("key-backup", "2026-11-24T09:00:00Z", Some("user_deleted")),
        ("key-backup", "2026-11-24T06:00:00Z", None),
        ("key-leaked", "2026-11-24T09:00:00Z", Some("key_revoked")),
        ("key-lapsed", "2026-11-24T09:00:00Z", Some("key_expired")),
        ("key-shop", "2026-11-24T09:00:00Z", None),
    ] {
        let said = of_id(SubjectKind::Key, key, at);
        assert_eq!(said.verdict.cause, cause, "{key} {at}");
        assert!(said.request.is_none());
        assert_eq!(said.steps.iter().any(|step| step.result == CheckResult::Fail), cause.is_some(), "{key} {at}");
    }
}

#[test]
fn users_and_tenants_are_judged_without_a_key() {
    for (kind, id, cause) in [
        (SubjectKind::Principal, "usr-ines", Some("user_deactivated")),
        (SubjectKind::Principal, "svc-shop", None),
        (SubjectKind::Tenant, "globex", Some("account_suspended_billing")),
        (SubjectKind::Tenant, "acme", None),
    ] {
        assert_eq!(of_id(kind, id, "2026-11-24T09:00:00Z").verdict.cause, cause, "{id}");
    }
}

#[test]
fn a_key_that_is_shown_is_found_by_its_hash_or_by_its_slip() {
    let (pepper, world): (Pepper, _) = (pepper(), world());
    let at = time::rfc3339("2026-11-24T09:00:00Z").expect("a time");
    for (shown, cause) in [
        ("ck_live_ec0a8b70b5790ff3f7d7e3ef9cbd93c7", Some("key_revoked")),
        ("\"ck_live_231899a859e6427a1721278246eb8145\"", Some("near_miss_credential")),
        ("ck_live_00000000000000000000000000000000", Some("unknown_key")),
        ("ck_live_231899a859e6427a1721278246eb8145", None),
    ] {
        let slips = Some(Box::new(Slips::of(shown, &pepper, Schemes::default())));
        let credential = Credential { slips, ..Credential::of(shown, &pepper, Schemes::default()) };
        let row = stand_in_for(&credential, &world, at);
        let said =
            explained(row, subject(SubjectKind::Credential, &credential.mask()), false, &world, &Traffic::default());
        assert_eq!(said.verdict.cause, cause, "{}", credential.mask());
        let json = serde_json::to_string(&said).expect("JSON");
        assert!(!json.contains("8278246eb8145") && !page(&said).contains("8278246eb8145"), "the key is not echoed");
    }
}

#[test]
fn the_remedy_names_the_least_scopes_that_the_callers_need() {
    let caller = |method: &str, path: &str| CallerSeen {
        network: "10.2.0.0/24".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        route: path.to_owned(),
        requests: 90,
        refused: 90,
        last_at: 60_000_000,
        ..CallerSeen::default()
    };
    let callers = vec![caller("GET", "/v1/orders/17"), caller("POST", "/v1/orders"), caller("GET", "/v1/exports")];
    let traffic = Traffic { callers, ..Traffic::default() };
    let said = of_request("user_deleted", "gone-since-the-snapshot-before", &traffic);
    assert_eq!(said.remedy.scopes, ["orders:read", "orders:write"]);
    assert_eq!(said.callers.len(), 3);
    assert!((said.callers[0].per_minute - 90.0).abs() < 1e-9);
}

#[test]
fn the_page_leads_with_the_verdict_and_the_ticket_unfolds_every_proof() {
    let said = of_request("user_deleted", "gone-since-the-snapshot-before", &Traffic::default());
    insta::assert_snapshot!("page", page(&said));
    insta::assert_snapshot!("ticket", markdown(&said));
}
