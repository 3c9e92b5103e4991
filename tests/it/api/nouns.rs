//! What each noun of the API answers.

use claviger_core::cause::RootCause;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Service, json as body_of, problem, sql_link};

#[tokio::test]
async fn the_stored_openapi_document_is_the_one_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
    let document = claviger::serve::api::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("CLAVIGER_UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    assert_eq!(stored, document, "schemas/openapi.json: write it anew with CLAVIGER_UPDATE_SCHEMAS=1");
    let service = Service::start().await;
    let served = body_of(service.get("/v1/openapi.json").await).await;
    assert_eq!(served, serde_json::from_str::<Value>(&stored).unwrap());
}

#[tokio::test]
async fn every_documented_path_answers_and_asks_who_comes() {
    let nobody = Service::for_caller(None).await;
    let document = serde_json::to_value(claviger::serve::api::openapi()).unwrap();
    // Signing in and out is for those who are not known.
    let guarded = document["paths"].as_object().unwrap().iter().filter(|(path, _)| *path != "/v1/session");
    for (path, operations) in guarded {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace(['{', '}'], "");
            let answer = nobody.request(method.clone(), &path).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn sql_takes_parameters_as_values_and_never_as_text() {
    let service = Service::start().await;
    let sql = "select count(*) as n from events where tenant_id = $tenant and status >= $status";
    let ask = async |tenant: &str| {
        let body = json!({"sql": sql, "parameters": {"tenant": tenant, "status": 400}});
        body_of(service.post("/v1/sql", &body).await).await[0]["n"].clone()
    };
    assert!(ask("acme").await.as_i64().unwrap() > 0);
    assert_eq!(ask("acme' or '1'='1").await, 0);
}

#[tokio::test]
async fn the_catalog_has_words_for_every_table_cause_and_report() {
    let service = Service::start().await;
    let catalog = body_of(service.get("/v1/catalog").await).await;
    let list = |name: &str| catalog[name].as_array().unwrap().clone();
    assert_eq!(list("causes").len(), RootCause::ALL.len());
    assert_eq!(list("classes").len(), 11);
    let spoken = |of: &[Value], fields: &[&str]| {
        for one in of {
            for field in fields {
                assert!(one[field].as_str().is_some_and(|text| !text.is_empty()), "`{field}` of {one}");
            }
        }
    };
    spoken(&list("causes"), &["code", "label", "class", "sentence", "remedy", "owner"]);
    spoken(&list("classes"), &["code", "label"]);
    spoken(&list("denied_by"), &["code", "label"]);
    spoken(&list("reports"), &["name", "title", "question", "group"]);
    for table in list("tables") {
        spoken(std::slice::from_ref(&table), &["name", "meaning"]);
        spoken(table["columns"].as_array().unwrap(), &["name", "type", "meaning"]);
        let sql = format!("select * from {} limit 0", table["name"].as_str().unwrap());
        assert_eq!(service.get(&sql_link(&sql)).await.status(), StatusCode::OK, "{sql}");
    }
    assert!(catalog["limits"]["rows"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_report_answers_over_http_in_its_own_words() {
    let service = Service::start().await;
    let reports = body_of(service.get("/v1/reports").await).await;
    assert!(reports.as_array().unwrap().iter().any(|report| report["name"] == "failures"));
    let link = "/v1/reports/failures?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    let rows = body_of(service.get(link).await).await;
    assert!(!rows.as_array().unwrap().is_empty());
    let table = body_of(service.get(&format!("{link}&format=table")).await).await;
    assert!(table["columns"][0]["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()), "{table}");
}

#[tokio::test]
async fn a_key_is_diagnosed_by_its_id_by_its_text_and_a_stranger_is_never_seen() {
    let service = Service::start().await;
    let by_id = body_of(service.post("/v1/diagnose", &json!({"kind": "key", "id": "key_backup"})).await).await;
    assert_eq!(by_id["verdict"]["cause"], "user_deleted", "{by_id}");
    let pasted = json!({"kind": "pasted", "id": "ck_live_f79f2839c874bc574859c990f09e25b6"});
    let pasted = service.post("/v1/diagnose", &pasted).await.text().await.unwrap();
    assert!(pasted.contains("user_deleted") && !pasted.contains("f79f2839c874bc574859c990f09e25b6"));
    let stranger = service.post("/v1/diagnose", &json!({"kind": "auto", "id": "nobody"})).await;
    assert_eq!(problem(stranger).await.0, 404);
    let no_time = service.post("/v1/diagnose", &json!({"kind": "key", "id": "key_backup", "at": "soon"})).await;
    assert_eq!(problem(no_time).await.0, 400);
}

#[tokio::test]
async fn queries_are_kept_under_a_name_until_they_are_taken_away() {
    let service = Service::start().await;
    let put = async |name: &str, sql: &str| {
        let request = service.request(Method::PUT, &format!("/v1/queries/{name}"));
        request.header("content-type", "application/json").body(json!({"sql": sql}).to_string()).send().await.unwrap()
    };
    assert_eq!(body_of(service.get("/v1/queries").await).await, json!([]));
    assert_eq!(put("by%20cause", "select 1").await.status(), StatusCode::OK);
    let saved = body_of(put("by%20cause", "select 2").await).await;
    assert_eq!(
        (&saved["name"], &saved["sql"], &saved["saved_by"]),
        (&"by cause".into(), &"select 2".into(), &"local".into())
    );
    assert!(saved["saved_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(body_of(service.get("/v1/queries").await).await, json!([saved]));
    assert_eq!(body_of(service.get("/v1/queries/by%20cause").await).await, saved);
    assert_eq!(problem(put("empty", " ").await).await.1, "refused");
    let gone = service.request(Method::DELETE, "/v1/queries/by%20cause").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(problem(service.get("/v1/queries/by%20cause").await).await.0, 404);
}
