//! What stands before every endpoint: who may, how much, and what a refusal looks like.

use axum::http::HeaderName;
use claviger::serve::Entrance;
use claviger::serve::headers::CONTENT_SECURITY_POLICY;
use claviger_core::access::{Scope, TenantScope};
use claviger_core::config::{Serve, ServeLimits};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Service, caller, loopback, problem, sql_link};

#[tokio::test]
async fn every_mistake_is_answered_with_problem_details() {
    let service = Service::start().await;
    let wrong_media = service.request(Method::POST, "/v1/sql").body("select 1").send();
    let not_json = service.request(Method::POST, "/v1/sql").header("content-type", "application/json").body("{").send();
    let long_body = json!({"sql": "x".repeat(1 << 20)});
    let long_url = format!("/v1/sql?q={}", "x".repeat(9_000));
    for (answer, status, kind) in [
        (service.get("/v1/nothing").await, 404, "not-found"),
        (service.get("/favicon.ico").await, 404, "not-found"),
        (service.request(Method::DELETE, "/v1/sql").send().await.unwrap(), 405, "method-not-allowed"),
        (wrong_media.await.unwrap(), 415, "unsupported-media-type"),
        (not_json.await.unwrap(), 400, "bad-request"),
        (service.post("/v1/sql", &json!({"sql": 1})).await, 400, "bad-request"),
        (service.post("/v1/sql", &json!({"sql": "select 1", "more": 1})).await, 400, "bad-request"),
        (service.post("/v1/sql", &long_body).await, 413, "body-too-large"),
        (service.get(&long_url).await, 414, "url-too-long"),
        (service.get("/v1/sql").await, 400, "bad-request"),
        (service.get(&sql_link("selec 1")).await, 400, "refused"),
        (service.get(&sql_link("drop table events")).await, 400, "refused"),
        (service.get(&sql_link("select nothing from events")).await, 400, "refused"),
        (service.get(&sql_link("select 1 / (status - status) from events")).await, 400, "refused"),
        (service.post("/v1/sql", &json!({"sql": "select $a", "parameters": {"a": [1]}})).await, 400, "bad-request"),
        (service.get("/v1/reports/nothing").await, 404, "not-found"),
        (service.get("/v1/reports/failures?nothing=1").await, 400, "refused"),
    ] {
        let found = problem(answer).await;
        assert_eq!((found.0, found.1.as_str()), (status, kind), "{}", found.2);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let service = Service::start().await;
    for path in ["/", "/live", "/metrics", "/v1/catalog", "/v1/nothing"] {
        let answer = service.get(path).await;
        let header = |name: &'static str| answer.headers().get(HeaderName::from_static(name)).cloned();
        assert_eq!(header("content-security-policy").unwrap(), CONTENT_SECURITY_POLICY, "{path}");
        assert_eq!(header("x-content-type-options").unwrap(), "nosniff", "{path}");
        assert_eq!(header("referrer-policy").unwrap(), "no-referrer", "{path}");
        assert!(header("cache-control").is_some(), "{path}");
        assert!(header("strict-transport-security").is_none(), "{path} is not encrypted");
    }
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_and_read_nothing() {
    let service = Service::start().await;
    let save = |name: &'static str, value: &str| {
        let request = service.request(Method::PUT, "/v1/queries/a").header("content-type", "application/json");
        request.header(name, value).body(r#"{"sql":"select 1"}"#).send()
    };
    let own = format!("http://{}", service.server.address());
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let found = problem(save(name, value).await.unwrap()).await;
        assert_eq!((found.0, found.1.as_str()), (403, "cross-site"), "{name}: {value}");
    }
    assert_eq!(save("origin", &own).await.unwrap().status(), StatusCode::OK);
    let rebound = service.request(Method::GET, "/v1/catalog").header("host", "evil.example").send().await.unwrap();
    assert_eq!(problem(rebound).await.1, "forbidden", "a name that leads here by another's DNS");
    let local = service.request(Method::GET, "/v1/catalog").header("host", "localhost:7070").send().await.unwrap();
    assert_eq!(local.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_asked_to_sign_in_and_somebody_without_the_right_is_told_which() {
    let nobody = Service::for_caller(None).await;
    let answer = nobody.get("/v1/catalog").await;
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert_eq!(problem(answer).await.0, 401);
    assert_eq!(nobody.get("/").await.status(), StatusCode::OK, "the page that asks for a token needs none");

    let reader = Service::for_caller(Some(caller(&[Scope::Report], TenantScope::All))).await;
    assert_eq!(reader.get("/v1/catalog").await.status(), StatusCode::OK);
    let (status, _, detail) = problem(reader.get(&sql_link("select 1")).await).await;
    assert_eq!((status, detail.contains("`query`")), (403, true), "{detail}");
    let refused = reader.post("/v1/diagnose", &json!({"kind": "key", "id": "key_backup"})).await;
    assert!(problem(refused).await.2.contains("`diagnose`"));
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_tables_and_queries() {
    let every = [Scope::Query, Scope::Report, Scope::Diagnose];
    let globex = Service::for_caller(Some(caller(&every, TenantScope::One("globex".to_owned())))).await;
    let tenants = globex.rows("select distinct tenant_id from events").await;
    assert_eq!(tenants, [json!({"tenant_id": "globex"})]);
    let catalog = super::json(globex.get("/v1/catalog").await).await;
    let tables: Vec<_> = catalog["tables"].as_array().unwrap().iter().map(|table| table["name"].clone()).collect();
    assert!(tables.contains(&json!("events")) && !tables.contains(&json!("rejects")), "{tables:?}");
    let foreign = globex.post("/v1/diagnose", &json!({"kind": "key", "id": "key_backup"})).await;
    assert_eq!(problem(foreign).await.0, 404, "another tenant's key was never seen");
    let own = globex.post("/v1/diagnose", &json!({"kind": "key", "id": "key_partner"})).await;
    assert_eq!(own.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let limits = ServeLimits { requests_per_second: 1.0, requests_burst: 3.0, ..Serve::default().limits };
    let service = Service::with(Entrance::of(&Serve { limits, ..loopback() })).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(service.get("/v1/reports").await);
    }
    let last = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(last.headers()["retry-after"], "1");
    assert_eq!(problem(last).await.1, "too-many-requests");
    assert_eq!(service.get("/live").await.status(), StatusCode::OK, "the door answers");
}
