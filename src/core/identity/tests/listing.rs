//! What a directory holds, as rows for SQL.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::sync::Arc;

use super::*;
use crate::identity::{KeyListing, route_rows};

const PRINCIPALS: &str =
    r#"{"principal_id":"p","name":"backup","kind":"service","tenant_id":"t","contact":"ops@t.example"}"#;
const TENANTS: &str = r#"{"tenant_id":"t","quotas":{"requests":10,"spend":1.5}}"#;
const GRANTS: &str =
    "{\"principal_id\":\"p\",\"scope\":\"orders:read\"}\n{\"principal_id\":\"p\",\"scope\":\"orders:write\"}";

fn keys(rest: &str) -> String {
    let of = |id: &str, secret: &str, rest: &str| {
        format!(r#"{{"key_id":"{id}","key":"{secret}","principal_id":"p","tenant_id":"t"{rest}}}"#)
    };
    format!("{}\n{}", of("k-1", KEY, rest), of("k-2", OTHER_KEY, ""))
}

fn on(day: &str, files: &[(Table, &str)]) -> Arc<Directory> {
    Arc::new(load_as(snapshot(day, "prod"), files).directory)
}

fn company(day: &str, keys: &str, grants: &str) -> Arc<Directory> {
    on(day, &[(Table::Keys, keys), (Table::Principals, PRINCIPALS), (Table::Tenants, TENANTS), (Table::Grants, grants)])
}

fn listed(previous: &Directory, next: &Arc<Directory>) -> Vec<RecordBatch> {
    let listing = KeyListing::between(previous, Arc::clone(next));
    (0..listing.parts()).map(|part| listing.rows(part)).collect()
}

/// A column of the only part, as text.
fn column(parts: &[RecordBatch], name: &str) -> Vec<String> {
    let [rows] = parts else { return Vec::new() };
    let options = FormatOptions::new().with_null("-");
    let shown = ArrayFormatter::try_new(rows.column_by_name(name).unwrap(), &options).unwrap();
    (0..rows.num_rows()).map(|row| shown.value(row).to_string()).collect()
}

#[test]
fn the_first_snapshot_lists_every_key_with_its_owner_and_what_it_may_do() {
    let first = company(
        "2026-11-23T05:00:00Z",
        &keys(r#","scopes":["orders:read"],"expires_at":"2026-12-01T00:00:00Z""#),
        GRANTS,
    );
    let rows = listed(&Directory::empty(), &first);
    for (name, expected) in [
        ("key_id", ["k-1", "k-2"]),
        ("mask", ["ck_live_…cdef", "ck_live_…3210"]),
        ("principal_name", ["backup", "backup"]),
        ("contact", ["ops@t.example", "ops@t.example"]),
        ("scopes", ["[orders:read]", "[orders:read, orders:write]"]),
        ("quotas", ["[requests, spend]", "[requests, spend]"]),
        ("expires_at", ["2026-12-01T00:00:00Z", "-"]),
        ("allowed_networks", ["-", "-"]),
        ("gone_at", ["-", "-"]),
    ] {
        assert_eq!(column(&rows, name), expected, "{name}");
    }
}

#[test]
fn a_later_snapshot_lists_the_keys_that_differ_and_those_that_are_gone() {
    let monday = company("2026-11-23T05:00:00Z", &keys(""), GRANTS);
    let tuesday = |keys: &str, grants: &str| {
        let newer = load_as(
            snapshot("2026-11-24T05:00:00Z", "prod"),
            &[(Table::Keys, keys), (Table::Principals, PRINCIPALS), (Table::Tenants, TENANTS), (Table::Grants, grants)],
        );
        Arc::new(Directory::succeed(&monday, newer.directory))
    };
    assert!(listed(&monday, &tuesday(&keys(""), GRANTS)).is_empty(), "nothing differs");
    let disabled = listed(&monday, &tuesday(&keys(r#","status":"disabled""#), GRANTS));
    assert_eq!(
        (column(&disabled, "key_id"), column(&disabled, "status")),
        (vec!["k-1".into()], vec!["disabled".into()])
    );
    let fewer_rights = listed(&monday, &tuesday(&keys(""), GRANTS.lines().next().unwrap()));
    assert_eq!(column(&fewer_rights, "scopes"), ["[orders:read]", "[orders:read]"]);
    let only_one = listed(&monday, &tuesday(keys("").lines().next().unwrap(), GRANTS));
    assert_eq!(column(&only_one, "key_id"), ["k-2"]);
    assert_eq!(column(&only_one, "gone_at"), ["2026-11-24T05:00:00Z"]);
}

#[test]
fn routes_are_listed_when_they_change_with_a_pattern_for_their_paths() {
    let routes = r#"{"method":"GET","path":"/v1/orders/{id}","required_scopes":["orders:read"]}
{"path":"/v1.0/files/*"}"#;
    let one = on("2026-11-23T05:00:00Z", &[(Table::Routes, routes)]);
    let rows = route_rows(&Directory::empty(), &one).unwrap();
    let patterns: Vec<_> = rows.column_by_name("pattern").unwrap().as_string::<i32>().iter().flatten().collect();
    assert_eq!(patterns, ["^/v1/orders/[^/]+/?$", r"^/v1\.0/files(/.*)?$"]);
    assert!(rows.column_by_name("method").unwrap().is_null(1), "any method");
    assert!(route_rows(&one, &on("2026-11-24T05:00:00Z", &[(Table::Routes, routes)])).is_none());
}
