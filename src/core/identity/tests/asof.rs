//! What a row said at an instant.

use super::*;
use crate::identity::{KeyStatus, PrincipalStatus, TenantStatus};

#[test]
fn dated_rows_in_any_order_are_looked_up_by_the_time_of_the_event() {
    let rows = [
        r#"{"key_id":"k","principal_id":"second","valid_from":"2026-02-01T00:00:00Z","valid_to":"2026-03-01T00:00:00Z"}"#,
        r#"{"key_id":"k","principal_id":"first","valid_to":"2026-02-01T00:00:00Z"}"#,
        r#"{"key_id":"k","principal_id":"third","valid_from":"2026-04-01T00:00:00Z"}"#,
    ];
    let expected = [
        ("2025-01-01T00:00:00Z", "first", None),
        ("2026-01-31T23:59:59.999999Z", "first", None),
        ("2026-02-01T00:00:00Z", "second", None),
        ("2026-03-15T00:00:00Z", "second", Some("2026-03-01T00:00:00Z")),
        ("2026-04-01T00:00:00Z", "third", None),
        ("2030-01-01T00:00:00Z", "third", None),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let directory = directory(&[(Table::Keys, &order.map(|row| rows[row]).join("\n"))]);
        let key = directory.find_key("k").unwrap();
        for (when, principal, gone) in expected {
            let seen = directory.key_at(key, at(when));
            assert_eq!((seen.principal_id, seen.deleted_at), (principal, gone.map(at)), "{when} in order {order:?}");
        }
    }
}

#[test]
fn an_undated_row_carries_on_from_the_dated_one_before_it() {
    let directory = directory(&[(
        Table::Principals,
        r#"{"principal_id":"p","status":"deactivated"}
{"principal_id":"p","status":"active","valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-03-01T00:00:00Z"}"#,
    )]);
    let principal = directory.find_principal("p").unwrap();
    let status = |when: &str| directory.principal(principal, at(when)).status;
    assert_eq!(status("2026-02-01T00:00:00Z"), PrincipalStatus::Active);
    assert_eq!(status("2026-03-01T00:00:00Z"), PrincipalStatus::Deactivated);
}

#[test]
fn a_status_is_judged_by_the_time_it_began() {
    let keys = "{\"key_id\":\"k\",\"status\":\"revoked\",\"revoked_at\":\"2026-05-01T00:00:00Z\",\"status_reason\":\"leaked\"}";
    let directory = directory(&[
        (Table::Keys, keys),
        (Table::Principals, r#"{"principal_id":"p","status":"deleted","status_since":"2026-05-01T00:00:00Z"}"#),
        (
            Table::Tenants,
            r#"{"tenant_id":"t","status":"suspended","status_reason":"billing","status_since":"2026-05-01T00:00:00Z"}"#,
        ),
    ]);
    let (before, after) = (at("2026-04-30T23:59:59Z"), at("2026-05-01T00:00:00Z"));
    let key = directory.find_key("k").unwrap();
    assert_eq!(directory.key_at(key, before).status, KeyStatus::Active);
    assert_eq!(directory.key_at(key, after).status, KeyStatus::Revoked);
    assert_eq!(directory.key_at(key, before).revoked_at, Some(after));
    let principal = directory.find_principal("p").unwrap();
    assert_eq!(directory.principal(principal, before).status, PrincipalStatus::Active);
    let gone = directory.principal(principal, after);
    assert_eq!((gone.status, gone.status_since), (PrincipalStatus::Deleted, Some(after)));
    let tenant = directory.find_tenant("t").unwrap();
    assert_eq!(directory.tenant(tenant, before).status, TenantStatus::Active);
    assert_eq!(directory.tenant(tenant, after).status, TenantStatus::Suspended);
    assert_eq!(directory.tenant(tenant, after).status_reason, "billing");
}

#[test]
fn every_column_of_a_row_can_be_read_back() {
    let keys = format!(
        "{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"environment\":\"dev\",\"principal_id\":\"p\",\"tenant_id\":\"t\",\
         \"scopes\":[\"b\",\"a\"],\"models\":[\"m\"],\"allowed_ips\":[\"10.0.0.0/8\",\"192.0.2.7\",\"2001:db8::/32\"],\
         \"allowed_regions\":[\"eu\"],\"status\":\"Disabled\",\"status_reason\":\"leave\",\"created_at\":\"2026-01-01T00:00:00+01:00\",\
         \"expires_at\":\"2027-01-01T00:00:00.5Z\",\"replaced_by\":\"k2\",\"grace_until\":\"2026-12-01T00:00:00Z\",\
         \"last_rotated_at\":\"2026-02-01T00:00:00Z\"}}\n{{\"key_id\":\"k2\",\"key\":\"{OTHER_KEY}\"}}"
    );
    let loaded = load(&[
        (Table::Keys, &keys),
        (
            Table::Principals,
            r#"{"principal_id":"p","name":"backup","kind":"service","tenant_id":"t","roles":["r"],"federation":{"provider":"aws","subject":"arn","state":"broken"},"mfa":true,"manager":"m","contact":"c"}"#,
        ),
        (
            Table::Tenants,
            r#"{"tenant_id":"t","name":"T","plan":"free","regions":["eu"],"quotas":{"tokens":1000,"requests":"20","spend":9.5}}"#,
        ),
    ]);
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings.list());
    let directory = loaded.directory;
    let key = directory.key_at(directory.find_key("k").unwrap(), directory.as_of());
    assert_eq!((key.environment, key.principal_id, key.tenant_id), ("dev", "p", "t"));
    assert_eq!(key.scopes.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((key.prefix, key.last4.as_str(), key.length), ("ck_live_", "cdef", 40));
    assert_eq!((key.status, key.status_reason), (KeyStatus::Disabled, "leave"));
    assert_eq!(key.created_at, Some(at("2025-12-31T23:00:00Z")));
    assert_eq!(key.expires_at, Some(at("2027-01-01T00:00:00.5Z")));
    assert_eq!((key.replaced_by, key.grace_until), ("k2", Some(at("2026-12-01T00:00:00Z"))));
    let inside =
        |ip: &str| key.allowed_ips.iter().any(|network| network.contains(&ip.parse::<std::net::IpAddr>().unwrap()));
    assert!(inside("10.1.2.3") && inside("192.0.2.7") && inside("2001:db8::1"));
    assert!(!inside("192.0.2.8") && !inside("11.0.0.1"));
    let principal = directory.principal(key.principal.unwrap(), directory.as_of());
    assert_eq!((principal.name, principal.kind.name(), principal.mfa), ("backup", "service", Some(true)));
    assert_eq!((principal.federation_provider, principal.federation_state), ("aws", "broken"));
    let tenant = directory.tenant(key.tenant.unwrap(), directory.as_of());
    assert_eq!((tenant.plan, tenant.quotas.tokens, tenant.quotas.requests), ("free", Some(1000), Some(20)));
    assert_eq!(tenant.quotas.spend, Some(9.5));
    assert_eq!(directory.key_at(directory.find_key("k2").unwrap(), 0).environment, "prod", "the snapshot's own");
}

#[test]
fn snapshots_of_several_environments_make_one_directory() {
    let mut builder = DirectoryBuilder::new(&pepper());
    let row = |id: &str, key: &str| format!("{{\"key_id\":\"{id}\",\"key\":\"{key}\",\"principal_id\":\"p\"}}");
    fill(
        &mut builder,
        snapshot("2026-11-24T05:00:00Z", "prod"),
        &[(Table::Keys, &row("live", KEY)), (Table::Principals, "{\"principal_id\":\"p\"}")],
    );
    fill(&mut builder, snapshot("2026-11-24T04:00:00Z", "dev"), &[(Table::Keys, &row("test", OTHER_KEY))]);
    let directory = builder.finish().directory;
    for (credential, id, environment) in [(KEY, "live", "prod"), (OTHER_KEY, "test", "dev")] {
        let key = directory.find_key(id).unwrap();
        assert_eq!(directory.find(&refused(credential)), crate::identity::Match::Known(key));
        assert_eq!(directory.key_at(key, 0).environment, environment);
        assert!(directory.key_at(key, 0).principal.is_some());
    }
    assert_eq!(directory.environment(), "");
    assert_eq!(directory.as_of(), at("2026-11-24T04:00:00Z"), "no fresher than its oldest part");
    assert!(directory.version().starts_with("2026-11-24T05:00:00Z-"), "{}", directory.version());
}

#[test]
fn a_row_in_two_snapshots_is_one_row_and_differences_are_found() {
    let both = |second: &str| {
        let mut builder = DirectoryBuilder::new(&pepper());
        fill(
            &mut builder,
            snapshot("2026-11-24T05:00:00Z", "prod"),
            &[(Table::Principals, "{\"principal_id\":\"p\",\"name\":\"new\"}")],
        );
        fill(&mut builder, snapshot("2026-11-23T05:00:00Z", "dev"), &[(Table::Principals, second)]);
        builder.finish()
    };
    let same = both("{\"principal_id\":\"p\",\"name\":\"new\"}");
    assert!(same.findings.is_empty(), "{:?}", same.findings.list());
    let older = both("{\"principal_id\":\"p\",\"name\":\"old\"}");
    assert_eq!(codes(&older.findings), [FindingCode::DuplicateRow]);
    for loaded in [same, older] {
        let principal = loaded.directory.find_principal("p").unwrap();
        assert_eq!(loaded.directory.principal(principal, 0).name, "new", "the later snapshot counts");
    }
}
