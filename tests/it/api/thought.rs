//! What only thinks of a change, and what leaves the house.

use std::io::Write as _;
use std::process::{Command, Stdio};

use claviger_core::access::{Scope, TenantScope};
use reqwest::StatusCode;
use serde_json::json;

use super::{Service, caller, json as body_of, problem};

#[tokio::test]
async fn who_would_break_is_told_from_what_was_served() {
    let service = Service::start().await;
    let impact = body_of(service.get("/v1/what-if?suspend_tenant=acme").await).await;
    assert_eq!((&impact["known"], &impact["change"]), (&true.into(), &"suspend tenant acme".into()));
    assert!(impact["requests_per_day"].as_f64().unwrap() > 0.0, "{impact}");
    assert!(impact["callers"][0]["name"].as_str().is_some_and(|name| !name.is_empty()), "{impact}");
    let refused = body_of(service.get("/v1/what-if?revoke_key=key_backup").await).await;
    assert_eq!(refused["keys"], json!([]), "what is refused already does not break again: {refused}");
    assert_eq!(problem(service.get("/v1/what-if?revoke_key=nobody").await).await.0, 404);
    for wrong in ["", "?revoke_key=a&suspend_tenant=b", "?rename_key=a", "?revoke_key=key_backup&at=soon"] {
        assert_eq!(problem(service.get(&format!("/v1/what-if{wrong}")).await).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_bundle_is_an_archive_that_names_no_address() {
    let service = Service::start().await;
    let asked = json!({"kind": "request", "id": "req-2"});
    let answer = service.post("/v1/bundle", &asked).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-tar");
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(unpacked(&bytes, "-t"), "README.md\ndiagnosis.json\nrequest.json\nidentity.json\nversions.json\n");
    let text = unpacked(&bytes, "-xO");
    assert!(text.contains("user_deleted") && text.contains("203.0.113.0/24"), "{text}");
    assert!(!text.contains("203.0.113.2") && !text.contains("f79f2839c874bc574859c990f09e25b6"), "{text}");
    let again = service.post("/v1/bundle", &asked).await.bytes().await.unwrap();
    assert_eq!(bytes, again, "the same diagnosis makes the same bytes");
    assert_eq!(problem(service.post("/v1/bundle", &json!({"kind": "auto", "id": "nobody"})).await).await.0, 404);
}

#[tokio::test]
async fn another_tenants_keys_are_neither_thought_of_nor_bundled() {
    let globex = Service::for_caller(Some(caller(&[Scope::Diagnose], TenantScope::One("globex".to_owned())))).await;
    for foreign in ["revoke_key=key_backup", "suspend_tenant=acme", "revoke_key=nobody"] {
        let (status, _, detail) = problem(globex.get(&format!("/v1/what-if?{foreign}")).await).await;
        assert_eq!(
            (status, detail.as_str()),
            (404, "neither the identity snapshot nor the traffic of the week knows it")
        );
    }
    assert_eq!(globex.get("/v1/what-if?revoke_key=key_partner").await.status(), StatusCode::OK);
    let foreign = globex.post("/v1/bundle", &json!({"kind": "key", "id": "key_backup"})).await;
    assert_eq!(problem(foreign).await.0, 404);
    let reader = Service::for_caller(Some(caller(&[Scope::Report], TenantScope::All))).await;
    assert!(problem(reader.get("/v1/what-if?revoke_key=key_backup").await).await.2.contains("`diagnose`"));
}

/// What `tar` makes of it.
fn unpacked(archive: &[u8], how: &str) -> String {
    let mut tar = Command::new("tar");
    let tar = tar.args([how, "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tar = tar.spawn().unwrap();
    tar.stdin.take().unwrap().write_all(archive).unwrap();
    let answer = tar.wait_with_output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}
