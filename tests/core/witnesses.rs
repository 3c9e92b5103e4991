//! Which witness is believed: what happened first, what followed from it, and what a snapshot is worth that is old.

use claviger_core::classify::ClassifyOptions;
use claviger_core::event::Column;
use claviger_core::identity::Table;
use claviger_core::refine::{RefineOptions, Refiner};
use claviger_core::time;
use serde_json::{Value, json};

use crate::decode::{batch_of, sparse};
use crate::support::{HOUR, MINUTE, OPENING, SECOND, decode_options, directory, line, secret};

const FRESH: i64 = OPENING - HOUR;
const OLD: i64 = OPENING - 25 * HOUR;

/// The key of a fixed secret, and whatever else is said of it.
fn key(more: Value) -> (Table, Value) {
    let mut row = json!({"key_id": "k1", "key": secret("one"), "principal_id": "p1", "tenant_id": "acme"});
    for (name, value) in more.as_object().expect("an object") {
        row[name] = value.clone();
    }
    (Table::Keys, row)
}

/// What is said of a request that was refused at the opening: every column of the verdict that is not null.
fn verdict(as_of: i64, rows: &[(Table, Value)], refusal: &Value) -> String {
    let mut refiner =
        Refiner::new(RefineOptions { classify: ClassifyOptions::default(), ..RefineOptions::new(decode_options()) });
    let frame = line(0, 401, &secret("one"), refusal);
    let events = refiner.refine(&batch_of(&[&frame]), &directory(as_of, rows)).events;
    let hidden = [Column::Remedy, Column::DirectoryVersion];
    let first = Column::ALL.iter().position(|column| *column == Column::DeniedBy).expect("a column");
    let hidden: Vec<&str> = Column::ALL[..first].iter().chain(&hidden).map(|column| column.name()).collect();
    sparse(events.batch(), &hidden)
}

#[track_caller]
fn assert_says(verdict: &str, expected: &[&str]) {
    for text in expected {
        assert!(verdict.contains(text), "`{text}` is not in\n{verdict}");
    }
}

fn tenant(status: &str, since: i64) -> (Table, Value) {
    let since = time::format(since);
    (Table::Tenants, json!({"tenant_id": "acme", "status": status, "status_reason": "billing", "status_since": since}))
}

fn principal(more: Value) -> (Table, Value) {
    let mut row = json!({"principal_id": "p1", "kind": "human", "tenant_id": "acme"});
    for (name, value) in more.as_object().expect("an object") {
        row[name] = value.clone();
    }
    (Table::Principals, row)
}

#[test]
fn a_suspended_account_outranks_the_key_that_the_suspension_switched_off() {
    let suspended = tenant("suspended", OPENING - 3 * HOUR);
    let switched_off = key(json!({"status": "disabled", "status_reason": "account suspended"}));
    let found = verdict(FRESH, &[switched_off, suspended.clone()], &json!({}));
    assert_says(&found, &["cause: account_suspended_billing", "confidence: certain", "alternatives: [key_disabled]"]);

    // The key system was told first, and wrote down an earlier time.
    let revoked = |reason: &str| {
        let at = time::format(OPENING - 3 * HOUR - 5 * SECOND);
        key(json!({"status": "revoked", "status_reason": reason, "revoked_at": at}))
    };
    let found = verdict(FRESH, &[revoked("account suspended"), suspended.clone()], &json!({}));
    assert_says(&found, &["cause: account_suspended_billing", "alternatives: [key_revoked]"]);
    let found = verdict(FRESH, &[revoked("found in a chat"), suspended], &json!({}));
    assert_says(&found, &["cause: key_revoked"]);
}

#[test]
fn a_deleted_user_outranks_the_revocation_of_its_key_that_followed() {
    let deleted_at = OPENING - 3 * HOUR;
    let deleted = principal(json!({"status": "deleted", "status_since": time::format(deleted_at)}));
    // Gone from the snapshot: the time is when that was noticed.
    let vanished = principal(json!({"valid_from": "2026-01-01T00:00:00Z", "valid_to": time::format(deleted_at)}));
    let revoked = |reason: &str, at: i64| {
        key(json!({"status": "revoked", "status_reason": reason, "revoked_at": time::format(at)}))
    };
    for owner in [deleted, vanished] {
        for (reason, revoked_at, cause) in [
            ("", deleted_at + MINUTE, "user_deleted"),
            ("owner deleted", deleted_at + MINUTE, "user_deleted"),
            ("owner deleted", deleted_at - MINUTE, "user_deleted"),
            ("offboarding", deleted_at - HOUR, "user_deleted"),
            ("rotation policy", deleted_at - MINUTE, "key_revoked"),
            ("requested by the user", deleted_at - MINUTE, "key_revoked"),
        ] {
            let found = verdict(FRESH, &[revoked(reason, revoked_at), owner.clone()], &json!({}));
            assert_says(&found, &[&format!("cause: {cause}\n"), "confidence: certain"]);
        }
    }
}

#[test]
fn of_two_ends_of_a_key_the_first_is_the_cause() {
    let at = |time: i64| time::format(time);
    for (row, cause) in [
        (json!({"expires_at": at(FRESH), "status": "revoked", "revoked_at": at(FRESH + MINUTE)}), "key_expired"),
        (json!({"expires_at": at(FRESH), "status": "revoked", "revoked_at": at(FRESH - MINUTE)}), "key_revoked"),
        (json!({"replaced_by": "k2", "grace_until": at(FRESH), "revoked_at": at(FRESH - MINUTE)}), "key_revoked"),
        (json!({"replaced_by": "k2", "grace_until": at(FRESH), "revoked_at": at(FRESH + MINUTE)}), "key_superseded"),
    ] {
        let found = verdict(FRESH, &[key(row.clone())], &json!({}));
        assert_says(&found, &[&format!("cause: {cause}\n")]);
    }
}

#[test]
fn an_old_snapshot_lowers_confidence_and_never_decides_in_silence() {
    let revoked = [key(json!({"status": "revoked"})), principal(json!({}))];
    let healthy = [key(json!({})), principal(json!({}))];
    assert_says(&verdict(FRESH, &revoked, &json!({})), &["cause: key_revoked", "confidence: certain"]);
    assert!(!verdict(FRESH, &revoked, &json!({})).contains("freshness"));

    let old = "directory=past its freshness limit";
    assert_says(&verdict(OLD, &revoked, &json!({})), &["cause: key_revoked", "confidence: likely", old]);
    let found = verdict(OLD, &healthy, &json!({}));
    assert_says(&found, &["cause: undecidable", "missing_field: identity snapshot", old]);
    assert!(!found.contains("contradiction"), "an old snapshot that knows nothing contradicts nobody:\n{found}");
    // What the directory has no part in is as sure as ever.
    let found = verdict(OLD, &revoked, &json!({"status": 429, "gateway_message": "API rate limit exceeded"}));
    assert_says(&found, &["cause: rate_limited", "confidence: certain"]);
    assert!(!found.contains("freshness"), "{found}");
}

#[test]
fn a_gateway_that_says_otherwise_is_believed_over_an_old_snapshot_and_not_over_a_fresh_one() {
    let rows = [key(json!({})), principal(json!({"status": "deleted"}))];
    let expired = json!({"gateway_message": "Key has expired, please renew"});
    let found = verdict(FRESH, &rows, &expired);
    assert_says(
        &found,
        &["cause: user_deleted", "confidence: certain", "alternatives: [key_expired]", "contradiction: "],
    );
    let found = verdict(OLD, &rows, &expired);
    assert_says(
        &found,
        &["cause: key_expired", "confidence: possible", "alternatives: [user_deleted]", "contradiction: "],
    );
    // A vague word that means the same is no other witness.
    let found = verdict(OLD, &rows, &json!({"gateway_message": "invalid user"}));
    assert_says(&found, &["cause: user_deleted", "confidence: likely"]);
}

#[test]
fn a_gateway_that_knows_a_key_is_believed_where_no_snapshot_holds_it() {
    let other = [(Table::Keys, json!({"key_id": "k2", "key": secret("two")}))];
    let found = verdict(FRESH, &other, &json!({"gateway_message": "Key has expired, please renew"}));
    assert_says(
        &found,
        &["cause: key_expired", "confidence: possible", "alternatives: [unknown_key]", "contradiction: "],
    );
    // "Invalid" is said of unknown keys too.
    let found = verdict(FRESH, &other, &json!({"gateway_message": "Invalid API key in request"}));
    assert_says(&found, &["cause: unknown_key", "confidence: certain"]);
    // Nor does a name that a refused caller gives itself make its key known.
    let found = verdict(FRESH, &other, &json!({"consumer": "p1"}));
    assert_says(&found, &["cause: unknown_key", "confidence: certain"]);
}
