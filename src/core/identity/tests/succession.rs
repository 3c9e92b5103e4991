//! A newer snapshot over an older directory.

use super::*;
use crate::identity::{Diff, EntityKind, KeyStatus, Match, PrincipalStatus, history_rows};

const MONDAY: &str = "2026-11-23T05:00:00Z";
const TUESDAY: &str = "2026-11-24T05:00:00Z";
const WEDNESDAY: &str = "2026-11-25T05:00:00Z";

fn on(day: &str, files: &[(Table, &str)]) -> Directory {
    load_as(snapshot(day, "prod"), files).directory
}

fn follow(days: &[(&str, &[(Table, &str)])]) -> Directory {
    days.iter().fold(Directory::empty(), |previous, (day, files)| Directory::succeed(&previous, on(day, files)))
}

fn key_row(rest: &str) -> String {
    format!("{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"p\"{rest}}}")
}

#[test]
fn a_row_that_vanished_is_a_tombstone_since_the_snapshot_without_it() {
    let key = key_row("");
    let directory = follow(&[
        (MONDAY, &[(Table::Keys, &key), (Table::Principals, "{\"principal_id\":\"p\",\"name\":\"backup\"}")]),
        (TUESDAY, &[(Table::Keys, &key)]),
        (WEDNESDAY, &[]),
    ]);
    let found = directory.find(&refused(KEY));
    let Match::Known(key) = found else { panic!("a deleted key is still recognised, not {found:?}") };
    assert_eq!(directory.key_at(key, at(WEDNESDAY)).deleted_at, Some(at(WEDNESDAY)));
    assert_eq!(directory.key_at(key, at(WEDNESDAY) - 1).deleted_at, None);
    let principal = directory.key_at(key, at(TUESDAY)).principal.expect("it was there once");
    let gone = directory.principal(principal, at(TUESDAY));
    assert_eq!((gone.status, gone.status_since), (PrincipalStatus::Deleted, Some(at(TUESDAY))));
    assert_eq!(gone.name, "backup");
    assert_eq!(directory.principal(principal, at(TUESDAY) - 1).status, PrincipalStatus::Active);
    for slip in [&KEY.to_uppercase(), part(KEY, ..30)] {
        assert!(matches!(directory.find(&refused(slip)), Match::Near(near, _) if near == key), "{slip}");
    }
}

#[test]
fn a_change_dates_from_the_time_its_row_names_or_else_from_the_snapshot() {
    let directory = follow(&[
        (
            MONDAY,
            &[(
                Table::Principals,
                "{\"principal_id\":\"named\"}\n{\"principal_id\":\"silent\"}\n{\"principal_id\":\"same\"}",
            )],
        ),
        (
            TUESDAY,
            &[(
                Table::Principals,
                r#"{"principal_id":"named","status":"deactivated","status_since":"2026-11-23T09:02:00Z"}
{"principal_id":"silent","status":"deactivated"}
{"principal_id":"same"}"#,
            )],
        ),
    ]);
    for (id, since) in [("named", Some("2026-11-23T09:02:00Z")), ("silent", Some(TUESDAY)), ("same", None)] {
        let principal = directory.find_principal(id).unwrap();
        match since {
            Some(since) => {
                let seen = directory.principal(principal, at(since));
                assert_eq!((seen.status, seen.status_since), (PrincipalStatus::Deactivated, Some(at(since))), "{id}");
                assert_eq!(directory.principal(principal, at(since) - 1).status, PrincipalStatus::Active, "{id}");
            }
            None => assert!(directory.principals.is_constant(principal.0), "an unchanged row has no second version"),
        }
    }
}

#[test]
fn history_is_kept_over_many_snapshots() {
    let row =
        |environment: &str| key_row(&format!(",\"environment\":\"{environment}\",\"scopes\":[\"{environment}\"]"));
    let rows = [row("a"), row("b"), row("b"), row("c")];
    let days = [MONDAY, TUESDAY, WEDNESDAY, "2026-11-26T05:00:00Z"];
    let directory = days
        .iter()
        .zip(&rows)
        .fold(Directory::empty(), |previous, (day, row)| Directory::succeed(&previous, on(day, &[(Table::Keys, row)])));
    let key = directory.find_key("k").unwrap();
    for (day, environment) in days.iter().zip(["a", "b", "b", "c"]) {
        let seen = directory.key_at(key, at(day));
        assert_eq!(seen.environment, environment, "{day}");
        assert!(seen.scopes.contains(environment), "{day}");
    }
    assert_eq!(directory.key_versions(key).count(), 3, "an unchanged snapshot adds no version");
    assert_eq!(directory.key_at(key, 0).known_since, None);
}

#[test]
fn a_new_secret_under_an_old_id_leaves_the_old_one_revoked_and_replaced() {
    let old = key_row("");
    let new = format!(
        "{{\"key_id\":\"k\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"p\",\"last_rotated_at\":\"2026-11-23T12:00:00Z\"}}"
    );
    let directory = follow(&[
        (MONDAY, &[(Table::Keys, &old)]),
        (TUESDAY, &[(Table::Keys, &new)]),
        (WEDNESDAY, &[(Table::Keys, &new)]),
    ]);
    let Match::Known(old) = directory.find(&refused(KEY)) else { panic!("the old secret is still recognised") };
    let Match::Known(new) = directory.find(&refused(OTHER_KEY)) else { panic!("the new secret is known") };
    assert_eq!(directory.find_key("k"), Some(new));
    let rotated = at("2026-11-23T12:00:00Z");
    let seen = directory.key_at(old, at(WEDNESDAY));
    assert_eq!((seen.status, seen.replaced_by, seen.grace_until), (KeyStatus::Revoked, "k", Some(rotated)));
    assert_eq!((seen.revoked_at, seen.deleted_at), (Some(rotated), None));
    assert_eq!(directory.key_at(old, rotated - 1).status, KeyStatus::Active);
    assert_eq!(directory.key_at(new, at(WEDNESDAY)).known_since, Some(at(TUESDAY)));
}

#[test]
fn a_grant_that_vanished_ended_and_one_that_came_began() {
    let principals = (Table::Principals, "{\"principal_id\":\"p\"}");
    let directory = follow(&[
        (MONDAY, &[principals, (Table::Grants, "{\"principal_id\":\"p\",\"scope\":\"write\"}")]),
        (TUESDAY, &[principals, (Table::Grants, "{\"principal_id\":\"p\",\"scope\":\"read\"}")]),
    ]);
    let principal = directory.find_principal("p");
    let holds = |scope: &str, when: i64| directory.scopes_of(principal, None, when).list().contains(&scope);
    assert!(holds("write", at(TUESDAY) - 1) && !holds("write", at(TUESDAY)));
    assert!(!holds("read", at(TUESDAY) - 1) && holds("read", at(TUESDAY)));
    assert_eq!(directory.had_scope_before(principal, None, "write", at(WEDNESDAY)), Some(at(TUESDAY)));
}

#[test]
fn a_diff_names_each_field_and_the_history_table_gets_one_row_for_it() {
    let before_key = key_row(",\"scopes\":[\"a\"]");
    let after_key = key_row(",\"scopes\":[\"a\",\"b\"],\"status\":\"revoked\",\"revoked_at\":\"2026-11-23T10:00:00Z\"");
    let before = on(
        MONDAY,
        &[
            (Table::Keys, &before_key),
            (Table::Tenants, "{\"tenant_id\":\"old\"}"),
            (Table::Grants, "{\"role\":\"r\",\"scope\":\"s\"}"),
        ],
    );
    let after = on(TUESDAY, &[(Table::Keys, &after_key), (Table::Tenants, "{\"tenant_id\":\"new\"}")]);
    let expected = [
        "~ key k: scopes a -> a;b",
        "~ key k: status active -> revoked",
        "~ key k: revoked_at (none) -> 2026-11-23T10:00:00Z",
        "+ tenant new",
        "- tenant old",
        "- grant role r: scope s",
    ];
    let succeeded = Directory::succeed(
        &before,
        on(TUESDAY, &[(Table::Keys, &after_key), (Table::Tenants, "{\"tenant_id\":\"new\"}")]),
    );
    for after in [&after, &succeeded] {
        let diff = Diff::between(&before, after);
        let lines: Vec<String> = diff.changes.iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected);
        assert_eq!(diff.counts(EntityKind::Tenant), [1, 1, 0]);
        let status = &diff.changes[1];
        assert_eq!(status.at, at("2026-11-23T10:00:00Z"));
    }
    let rows = history_rows(&before, &succeeded);
    assert_eq!(rows.num_rows(), expected.len());
    assert_eq!(rows.schema(), *crate::identity::IDENTITY_HISTORY_SCHEMA);
    assert_eq!(history_rows(&succeeded, &succeeded).num_rows(), 0);
}

#[test]
fn the_first_snapshot_tells_the_history_table_what_its_rows_tell() {
    let rows = r#"{"principal_id":"off","status":"deactivated","status_since":"2026-11-01T00:00:00Z"}
{"principal_id":"on"}
{"principal_id":"moved","tenant_id":"a","valid_to":"2026-10-01T00:00:00Z"}
{"principal_id":"moved","tenant_id":"b","valid_from":"2026-10-01T00:00:00Z"}"#;
    let first = on(MONDAY, &[(Table::Principals, rows)]);
    assert_eq!(history_rows(&Directory::empty(), &first).num_rows(), 2);
}

#[test]
fn a_version_names_the_contents_and_not_their_order() {
    let (one, two) =
        ("{\"tenant_id\":\"a\"}\n{\"tenant_id\":\"b\"}", "{\"tenant_id\":\"b\"}\n{\"tenant_id\":\"a\",\"name\":\"\"}");
    let version = |text: &str| on(MONDAY, &[(Table::Tenants, text)]).version().to_owned();
    assert_eq!(version(one), version(two));
    assert_ne!(version(one), version("{\"tenant_id\":\"a\"}\n{\"tenant_id\":\"c\"}"));
    assert!(version(one).starts_with("2026-11-23T05:00:00Z-"), "{}", version(one));
}

#[test]
fn snapshots_that_are_loaded_again_and_again_do_not_grow() {
    let both = |day: &str| {
        let mut builder = DirectoryBuilder::new(&pepper());
        let files: &[(Table, &str)] =
            &[(Table::Principals, "{\"principal_id\":\"p\"}"), (Table::Grants, "{\"role\":\"r\",\"scope\":\"s\"}")];
        fill(&mut builder, snapshot(day, "prod"), files);
        fill(&mut builder, snapshot("2026-11-01T00:00:00Z", "dev"), files);
        builder.finish().directory
    };
    let mut directory = both(MONDAY);
    for day in [TUESDAY, WEDNESDAY, "2026-11-26T05:00:00Z"] {
        directory = Directory::succeed(&directory, both(day));
        assert_eq!(directory.principals.versions(0).count(), 1);
        assert_eq!(directory.grants.list.len(), 1);
    }
}

/// What an earlier process wrote out, read by the next one.
fn recalled(directory: &Directory) -> Directory {
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(snapshot(MONDAY, "prod"));
    for (line, (table, row)) in (1..).zip(directory.past_rows()) {
        builder.push_json(table, Place { file: table.name(), line }, row.as_bytes());
    }
    let loaded = builder.finish();
    let unreadable = loaded.findings.list().iter().find(|finding| finding.severity == crate::identity::Severity::Error);
    assert_eq!(unreadable, None);
    loaded.directory
}

#[test]
fn a_restart_forgets_no_deletion_and_no_change() {
    let old = key_row(",\"scopes\":[\"a\"]");
    let new = key_row(",\"scopes\":[\"b\"]");
    let sha = "{\"key_id\":\"s\",\"fingerprints\":{\"sha256\":\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"},\"principal_id\":\"p\"}";
    let steady = format!("{{\"key_id\":\"steady\",\"key\":\"{OTHER_KEY}\"}}");
    let monday = format!("{old}\n{sha}\n{steady}");
    let tuesday = format!("{new}\n{steady}");
    let people = r#"{"principal_id":"p","name":"backup","federation":{"provider":"aws"}}"#;
    let grants = (Table::Grants, "{\"principal_id\":\"p\",\"scope\":\"b\"}");
    let tenants = (Table::Tenants, "{\"tenant_id\":\"t\",\"quotas\":{\"tokens\":5}}");
    let lived = follow(&[
        (MONDAY, &[(Table::Keys, &monday), (Table::Principals, people), grants, tenants]),
        (TUESDAY, &[(Table::Keys, &tuesday)]),
    ]);
    let again = || on(TUESDAY, &[(Table::Keys, &tuesday)]);
    let restarted = Directory::recall(&recalled(&lived), again());
    let twice = Directory::recall(&recalled(&restarted), again());
    for directory in [&lived, &restarted, &twice] {
        for when in [at(MONDAY), at(TUESDAY) - 1, at(TUESDAY), at(WEDNESDAY)] {
            let Match::Known(key) = directory.find(&refused(KEY)) else { panic!("the key is known") };
            let seen = directory.key_at(key, when);
            let scope = if when < at(TUESDAY) { "a" } else { "b" };
            assert!(seen.scopes.contains(scope) && seen.last4.as_str() == "cdef", "{when}");
            let principal = directory.principal(seen.principal.unwrap(), when);
            let status = if when < at(TUESDAY) { PrincipalStatus::Active } else { PrincipalStatus::Deleted };
            assert_eq!((principal.status, principal.name, principal.federation_provider), (status, "backup", "aws"));
            let Match::Known(gone) = directory.find(&refused("hello")) else { panic!("the deleted key is known") };
            assert_eq!(directory.key_at(gone, when).deleted_at.is_some(), when >= at(TUESDAY));
            assert_eq!(directory.scopes_of(seen.principal, None, when).list().is_empty(), when >= at(TUESDAY));
        }
        let steady = directory.find_key("steady").unwrap();
        assert_eq!(directory.key_at(steady, 0).known_since, None, "it has been there all along");
    }
    assert_eq!(lived.past_rows(), restarted.past_rows());
}
