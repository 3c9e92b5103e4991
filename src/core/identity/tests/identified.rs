//! Events joined with a directory.

use std::sync::Arc;

use super::*;
use crate::decode::{Decoded, NO_CREDENTIAL};
use crate::event::{Column, EventBuilder, Row};
use crate::identity::{Identified, identify};

/// One request: time, credential, and the row's other columns.
fn batch(requests: &[(&str, Option<&str>, Row<'_>)]) -> Decoded {
    let mut builder = EventBuilder::default();
    let (mut credentials, mut credential_of) = (Vec::new(), Vec::new());
    for (when, credential, row) in requests {
        let row = Row {
            topic: "t",
            partition: Some(0),
            offset: Some(0),
            part: Some(0),
            event_at: Some(at(when)),
            ingested_at: Some(0),
            ..row.clone()
        };
        builder.push(&row);
        credential_of.push(credential.map_or(NO_CREDENTIAL, |credential| {
            credentials.push(std::sync::Arc::new(refused(credential)));
            u32::try_from(credentials.len() - 1).unwrap()
        }));
    }
    Decoded { events: builder.finish(), credentials, credential_of }
}

fn column(identified: &Identified, column: Column) -> Vec<&str> {
    let values = identified.events().dict(column);
    (0..identified.events().len()).map(|row| values.get(row)).collect()
}

fn company() -> Directory {
    let keys = format!(
        "{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"p\",\"tenant_id\":\"acme\"}}\n\
         {{\"key_id\":\"moving\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"p\",\"valid_to\":\"2026-06-01T00:00:00Z\"}}\n\
         {{\"key_id\":\"moving\",\"key\":\"{OTHER_KEY}\",\"principal_id\":\"q\",\"valid_from\":\"2026-06-01T00:00:00Z\"}}"
    );
    directory(&[
        (Table::Keys, &keys),
        (
            Table::Principals,
            r#"{"principal_id":"p","name":"backup","kind":"service","tenant_id":"acme"}
{"principal_id":"q","name":"Ann","tenant_id":"other"}
{"principal_id":"r","name":"twin"}
{"principal_id":"s","name":"twin"}"#,
        ),
        (Table::Tenants, "{\"tenant_id\":\"acme\"}\n{\"tenant_id\":\"other\"}"),
        (Table::Routes, r#"{"method":"GET","path":"/v1/{org}/orders/{id}","tenant_from":"path:org"}"#),
    ])
}

#[test]
fn every_row_gets_the_identity_of_its_time() {
    let directory = Arc::new(company());
    // Slips count where a request was refused.
    let row = || Row { status: Some(401), ..Row::default() };
    let identified = identify(
        batch(&[
            ("2026-11-24T05:00:00Z", Some(KEY), row()),
            ("2026-05-01T00:00:00Z", Some(OTHER_KEY), row()),
            ("2026-07-01T00:00:00Z", Some(OTHER_KEY), row()),
            ("2026-07-01T00:00:00Z", Some(part(KEY, ..30)), row()),
            ("2026-07-01T00:00:00Z", Some("ck_live_nobody_knows_this_key"), row()),
            ("2026-07-01T00:00:00Z", None, row()),
        ]),
        &directory,
    );
    assert_eq!(column(&identified, Column::KeyId), ["k", "moving", "moving", "k", "", ""]);
    assert_eq!(column(&identified, Column::PrincipalId), ["p", "p", "q", "p", "", ""]);
    assert_eq!(column(&identified, Column::PrincipalKind), ["service", "service", "human", "service", "", ""]);
    assert_eq!(column(&identified, Column::TenantId), ["acme", "acme", "other", "acme", "", ""]);
    assert_eq!(column(&identified, Column::Environment), ["prod", "prod", "prod", "prod", "", ""]);
    assert_eq!(column(&identified, Column::NearMiss), ["", "", "", "truncated", "", ""]);
    assert!(column(&identified, Column::DirectoryVersion).iter().all(|version| *version == directory.version()));
    assert_eq!(identified.subject(2).principal, directory.find_principal("q"));
    assert_eq!(identified.subject(1).principal, directory.find_principal("p"));
    assert_eq!(identified.subject(4), crate::identity::Subject::default());
    assert!(identified.credential(4).is_some() && identified.credential(5).is_none());
}

#[test]
fn a_consumer_that_the_gateway_names_stands_in_for_a_missing_key() {
    let directory = Arc::new(company());
    let named = |consumer| ("2026-07-01T00:00:00Z", None, Row { consumer, ..Row::default() });
    let mut requests = vec![named("p"), named("backup"), named("Ann"), named("twin"), named("stranger")];
    requests.push(("2026-07-01T00:00:00Z", Some(KEY), Row { consumer: "q", ..Row::default() }));
    let identified = identify(batch(&requests), &directory);
    assert_eq!(
        column(&identified, Column::PrincipalId),
        ["p", "p", "q", "", "", "p"],
        "a name of two is nobody's, a key is better"
    );
    assert_eq!(column(&identified, Column::TenantId), ["acme", "acme", "other", "", "", "acme"]);
    assert_eq!(column(&identified, Column::KeyId), ["", "", "", "", "", "k"]);
}

#[test]
fn the_tenant_asked_for_is_read_from_the_path_where_the_log_names_none() {
    let directory = Arc::new(company());
    let asked = |path, tenant_asked| {
        ("2026-07-01T00:00:00Z", Some(KEY), Row { method: "GET", path, tenant_asked, ..Row::default() })
    };
    let identified = identify(
        batch(&[
            asked("/v2/x", ""),
            asked("/v2/x", "logged"),
            asked("/v1/other/orders/1", ""),
            asked("/v1/other/orders/1", "logged"),
            asked("/v1/acme/orders/2", ""),
        ]),
        &directory,
    );
    assert_eq!(column(&identified, Column::TenantAsked), ["", "logged", "other", "logged", "acme"]);
    let found: Vec<bool> = (0..5).map(|row| identified.subject(row).route.is_some()).collect();
    assert_eq!(found, [false, false, true, true, true]);
}

#[test]
fn an_empty_directory_knows_nobody_and_loses_no_row() {
    let identified =
        identify(batch(&[("2026-07-01T00:00:00Z", Some(KEY), Row::default())]), &Arc::new(Directory::empty()));
    assert_eq!(identified.events().len(), 1);
    assert_eq!(column(&identified, Column::KeyId), [""]);
    assert_eq!(column(&identified, Column::DirectoryVersion), ["empty"]);
}
