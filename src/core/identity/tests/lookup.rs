//! Credentials, routes, gateways and scopes: what finds what.

use super::*;
use crate::identity::{Match, ScopeAnswer};
use crate::secret::NearMissKind;

fn two_keys() -> Directory {
    let rows = format!("{{\"key_id\":\"k1\",\"key\":\"{KEY}\"}}\n{{\"key_id\":\"k2\",\"key\":\"{OTHER_KEY}\"}}");
    directory(&[(Table::Keys, &rows)])
}

#[test]
fn a_wrong_copy_meets_the_key_it_was_meant_to_be() {
    let directory = two_keys();
    let key = directory.find_key("k1").unwrap();
    let changed = KEY.replace("0123456789abcdef0123", "0123456789abcdef0X23");
    let cases = [
        (format!(" {KEY}\n"), NearMissKind::TrimmedSpace),
        (format!("\"{KEY}\""), NearMissKind::Quoted),
        (format!("Bearer {KEY}"), NearMissKind::DoubledScheme),
        (KEY.to_uppercase(), NearMissKind::Case),
        (part(KEY, ..30).to_owned(), NearMissKind::Truncated),
        (part(KEY, 10..).to_owned(), NearMissKind::Truncated),
        (changed, NearMissKind::OneEdit),
        (format!("X{}", part(KEY, 1..)), NearMissKind::OneEdit),
        (format!("{KEY}x"), NearMissKind::OneEdit),
        ("ck_live_****************cdef".to_owned(), NearMissKind::Masked),
    ];
    for (credential, kind) in cases {
        assert_eq!(directory.find(&refused(&credential)), Match::Near(key, kind), "{credential}");
    }
    assert_eq!(directory.find(&refused(KEY)), Match::Known(key));
}

#[test]
fn what_could_be_two_keys_is_none() {
    let twins = ["ck_live_0123456789abcdefAAAAAAAAAAAAcdef", "ck_live_0123456789abcdefBBBBBBBBBBBBcdef"];
    let rows: String =
        twins.iter().map(|key| format!("{{\"key_id\":\"{key:.30}{}\",\"key\":\"{key}\"}}\n", key.len())).collect();
    let rows =
        rows.replacen("ck_live_0123456789abcdefAAAAAA40", "a", 1).replacen("ck_live_0123456789abcdefBBBBBB40", "b", 1);
    let directory = directory(&[(Table::Keys, &rows)]);
    assert_eq!(directory.key_count(), 2);
    for credential in ["ck_live_0123456789abcdefCCCC", "ck_live_************cdef"] {
        assert_eq!(directory.find(&refused(credential)), Match::Unknown, "{credential}");
    }
}

#[test]
fn a_request_that_was_served_is_not_searched_for_slips() {
    let directory = two_keys();
    let mut credential = refused(&KEY.to_uppercase());
    credential.slips = None;
    assert_eq!(directory.find(&credential), Match::Unknown);
}

#[test]
fn every_fingerprint_scheme_finds_its_key_and_asks_for_no_more_than_it_needs() {
    // Of the text "hello": SHA-256 from FIPS 180-4 tools, Murmur3 from the reference implementation, seed 0.
    let hmac = pepper().hash(b"hello");
    let cases = [
        (format!("\"hmac-sha256\":\"{}\"", hmac.hex().as_str()), Schemes::default()),
        (format!("\"hmac-sha256\":\"{}{}\"", hmac.hex().as_str(), "0".repeat(32)), Schemes::default()),
        (
            "\"sha256\":\"2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824\"".to_owned(),
            Schemes { sha256: true, murmur3: false },
        ),
        (
            "\"sha256-base64\":\"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\"".to_owned(),
            Schemes { sha256: true, murmur3: false },
        ),
        (
            "\"sha256-base64\":\"LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ\"".to_owned(),
            Schemes { sha256: true, murmur3: false },
        ),
        ("\"murmur3-32\":\"248bfa47\"".to_owned(), Schemes { sha256: false, murmur3: true }),
        ("\"murmur3-64\":\"cbd8a7b341bd9b02\"".to_owned(), Schemes { sha256: false, murmur3: true }),
        ("\"murmur3-128\":\"cbd8a7b341bd9b025b1e906a48ae1d19\"".to_owned(), Schemes { sha256: false, murmur3: true }),
    ];
    for (fingerprint, schemes) in cases {
        let row = format!("{{\"key_id\":\"k\",\"fingerprints\":{{{fingerprint}}}}}");
        let loaded = load(&[(Table::Keys, &row)]);
        assert!(loaded.findings.is_empty(), "{fingerprint}: {:?}", loaded.findings.list());
        let key = loaded.directory.find_key("k").unwrap();
        assert_eq!(loaded.directory.schemes(), schemes, "{fingerprint}");
        let credential = Credential::of("hello", &pepper(), loaded.directory.schemes());
        assert_eq!(loaded.directory.find(&credential), Match::Known(key), "{fingerprint}");
    }
}

#[test]
fn a_secret_that_two_principals_claim_is_a_conflict_on_both_keys() {
    let rows = format!(
        "{{\"key_id\":\"a\",\"key\":\"{KEY}\",\"principal_id\":\"p1\"}}\n\
         {{\"key_id\":\"b\",\"key\":\"{KEY}\",\"principal_id\":\"p2\"}}\n\
         {{\"key_id\":\"c\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"p1\"}}\n\
         {{\"key_id\":\"d\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"p1\"}}"
    );
    let loaded = load(&[(Table::Keys, &rows)]);
    let conflicting = |id: &str| {
        let key = loaded.directory.find_key(id).unwrap();
        loaded.directory.key_at(key, 0).conflicting
    };
    assert!(conflicting("a") && conflicting("b"));
    assert!(!conflicting("c") && !conflicting("d"), "one principal may hold a secret under two ids");
    assert_eq!(codes(&loaded.findings), [FindingCode::SharedSecret, FindingCode::SharedSecret]);
}

#[test]
fn a_literal_segment_beats_a_parameter_and_a_parameter_beats_the_rest() {
    let directory = directory(&[(
        Table::Routes,
        r#"{"method":"GET","path":"/v1/orders/{id}"}
{"method":"GET","path":"/v1/orders/latest"}
{"path":"/v1/orders/:id"}
{"method":"*","path":"/v1/*"}
{"method":"POST","path":"/v1/orders"}
{"path":"/v1/{kind}/export/all"}
{"method":"GET","path":"/"}"#,
    )]);
    let cases = [
        ("GET", "/v1/orders/17", Some("/v1/orders/{id}")),
        ("get", "/v1/orders/17/?page=2", Some("/v1/orders/{id}")),
        ("GET", "/v1/orders/latest", Some("/v1/orders/latest")),
        ("DELETE", "/v1/orders/latest", Some("/v1/orders/:id")),
        ("POST", "/v1/orders", Some("/v1/orders")),
        ("PUT", "/v1/orders", Some("/v1/*")),
        ("GET", "/v1/orders/export/all", Some("/v1/{kind}/export/all")),
        ("GET", "/v1/a/b/c/d", Some("/v1/*")),
        ("GET", "/V1/orders/17", None),
        ("GET", "/", Some("/")),
        ("GET", "", Some("/")),
        ("GET", "/v2/orders", None),
    ];
    for (method, path, template) in cases {
        let route = directory.route(method, path).map(|route| directory.route_at(route).template.to_owned());
        assert_eq!(route.as_deref(), template, "{method} {path}");
    }
}

#[test]
fn a_hostile_path_ends_the_search_for_a_route_without_an_answer() {
    let row = format!("{{\"path\":\"{}\"}}", "/{a}".repeat(200));
    let directory = directory(&[(Table::Routes, &row)]);
    assert_eq!(directory.route("GET", &"/x".repeat(100_000)), None);
}

#[test]
fn of_equal_routes_the_one_of_the_environment_is_taken() {
    let directory = directory(&[(
        Table::Routes,
        r#"{"path":"/v1/orders","environment":"prod","required_scopes":["a"]}
{"path":"/v1/orders","environment":"dev","required_scopes":["b"]}"#,
    )]);
    for (environment, scope) in [("prod", "a"), ("dev", "b"), ("", "a"), ("test", "a")] {
        let route = directory.route_in("GET", "/v1/orders", environment).unwrap();
        assert!(directory.route_at(route).required_scopes.contains(scope), "{environment}");
    }
}

#[test]
fn an_instance_of_a_gateway_is_that_gateway() {
    let directory = directory(&[(
        Table::Gateways,
        r#"{"gateway_id":"apisix","format":"apisix","credential_places":["header:x-api-key"],"key_shape":{"prefixes":["ck_live_"],"length":40,"alphabet":"hex"}}
{"gateway_id":"apisix-eu","format":"apisix","region":"eu"}
{"gateway_id":"kong","format":"kong","region":"us"}"#,
    )]);
    let named = |id: &str, format: &str| directory.gateway_for(id, format).map(|gateway| gateway.gateway_id.to_owned());
    assert_eq!(named("apisix-7d9f", "apisix").as_deref(), Some("apisix"));
    assert_eq!(named("apisix-eu-1", "apisix").as_deref(), Some("apisix-eu"));
    assert_eq!(named("node17", "kong").as_deref(), Some("kong"));
    assert_eq!(named("node17", "apisix"), None, "two gateways write this format");
    let shape = directory.gateway("apisix").unwrap().key_shape;
    assert!(shape.prefixes.contains("ck_live_") && shape.length == Some(40));
    assert_eq!(shape.alphabet, Some(crate::secret::Alphabet::Hex));
}

#[test]
fn scopes_come_from_roles_and_grants_and_are_narrowed_by_the_key() {
    let keys = format!(
        "{{\"key_id\":\"narrow\",\"key\":\"{KEY}\",\"principal_id\":\"p\",\"scopes\":[\"orders:read\"]}}\n\
         {{\"key_id\":\"wide\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"p\"}}"
    );
    let directory = directory(&[
        (Table::Keys, &keys),
        (
            Table::Principals,
            "{\"principal_id\":\"p\",\"roles\":[\"editor\"]}\n{\"principal_id\":\"lone\"}\n{\"principal_id\":\"idle\",\"roles\":[\"viewer\"]}",
        ),
        (
            Table::Grants,
            r#"{"role":"editor","scope":"orders:*"}
{"role":"editor","scope":"billing","to":"2026-06-01T00:00:00Z"}
{"principal_id":"p","scope":"reports"}"#,
        ),
    ]);
    let now = directory.as_of();
    let key = |id: &str| directory.find_key(id);
    let holds = |principal: &str, id: Option<&str>, scope: &str| {
        directory.scopes_of(directory.find_principal(principal), id.and_then(key), now).holds(scope)
    };
    assert_eq!(holds("p", Some("wide"), "orders:write"), ScopeAnswer::Held);
    assert_eq!(holds("p", Some("wide"), "reports"), ScopeAnswer::Held);
    assert_eq!(holds("p", Some("wide"), "billing"), ScopeAnswer::Missing);
    assert_eq!(holds("p", Some("narrow"), "orders:write"), ScopeAnswer::Missing);
    assert_eq!(holds("p", Some("narrow"), "orders:read"), ScopeAnswer::Held);
    assert_eq!(holds("lone", None, "orders:read"), ScopeAnswer::Unknown, "nothing grants anything to it");
    assert_eq!(holds("lone", Some("narrow"), "orders:read"), ScopeAnswer::Held, "then the key alone decides");
    assert_eq!(holds("idle", None, "orders:read"), ScopeAnswer::Missing, "its role gives nothing");
    let scopes = directory.scopes_of(directory.find_principal("p"), key("narrow"), now);
    assert_eq!(scopes.list(), ["orders:read"]);
}

#[test]
fn a_scope_that_was_lost_says_when() {
    let directory = directory(&[
        (
            Table::Principals,
            r#"{"principal_id":"p","roles":["viewer"],"valid_from":"2026-03-01T00:00:00Z"}
{"principal_id":"p","roles":["editor"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-03-01T00:00:00Z"}"#,
        ),
        (
            Table::Grants,
            r#"{"role":"editor","scope":"write"}
{"role":"viewer","scope":"read"}
{"principal_id":"p","scope":"admin","to":"2026-02-01T00:00:00Z"}"#,
        ),
    ]);
    let principal = directory.find_principal("p");
    let lost = |scope: &str, when: &str| directory.had_scope_before(principal, None, scope, at(when));
    assert_eq!(lost("write", "2026-11-01T00:00:00Z"), Some(at("2026-03-01T00:00:00Z")));
    assert_eq!(lost("admin", "2026-11-01T00:00:00Z"), Some(at("2026-02-01T00:00:00Z")));
    assert_eq!(lost("write", "2026-02-01T00:00:00Z"), None, "it was still held");
    assert_eq!(lost("read", "2026-11-01T00:00:00Z"), None);
    assert_eq!(lost("delete", "2026-11-01T00:00:00Z"), None, "never held");
}
