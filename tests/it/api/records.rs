//! What stands on record of each kind of answer: the tables that it was made of, rows and bytes.

use std::sync::Arc;

use claviger::audit::{AuditLog, AuditOptions};
use claviger::lake::Lake;
use claviger::serve::Entrance;
use claviger::serve::api::Api;
use claviger::signing::Signer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Service, loopback, sql_link};

/// Asks, and reads what is on record afterwards.
async fn records(visit: impl AsyncFnOnce(&Service)) -> Vec<Value> {
    let entrance = Entrance::of(&loopback());
    let (service, api) = Service::made(&entrance).await;
    let (signer, _made) = Signer::read_or_make(&service.folder().join("key.pem")).unwrap();
    let lake: Lake = api.lake.clone();
    let (log, task) = AuditLog::open(lake.clone(), Arc::new(signer), AuditOptions::default()).await.unwrap();
    let mut recording = JoinSet::new();
    recording.spawn(task.run());
    service.server.open(Api { audit: Some(log.clone()), ..api }).unwrap();
    visit(&service).await;
    log.finish().await;
    recording.join_next().await.unwrap().unwrap().unwrap();
    let lines = lake.audit_lines("", 1, 10_000).await.unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_is_on_record_with_its_tables_rows_and_bytes() {
    let range = "from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z";
    let reads = [
        sql_link("select request_id from events"),
        format!("/v1/reports/failures?{range}"),
        format!("/v1/overview?{range}"),
        format!("/v1/entities/key/key_partner?{range}"),
        format!("/v1/findings?{range}"),
        "/v1/incidents".to_owned(),
    ];
    let records = records(async |service| {
        for path in &reads {
            let answer = service.get(path).await;
            assert_eq!(answer.status(), 200, "{path}");
            drop(answer.bytes().await.unwrap());
        }
        let statement = json!({"sql": "select count(*) from rejects where topic = 'sk_live_51Hq9KcanaryZx81TqPw'"});
        for (path, body) in [
            ("/v1/sql", statement),
            ("/v1/diagnose", json!({"kind": "key", "id": "key_partner"})),
            ("/v1/explain", json!({"from": "-7d"})),
        ] {
            let answer = service.post(path, &body).await;
            assert_eq!(answer.status(), 200, "{path}");
            drop(answer.bytes().await.unwrap());
        }
    })
    .await;
    let on = |what: &str| {
        let mut found = records.iter().filter(|record| record["what"].as_str().unwrap().starts_with(what));
        let record = found.next().unwrap_or_else(|| panic!("{what} is not on record: {records:#?}"));
        assert!(found.next().is_none(), "{what} is on record twice");
        assert_eq!(record["outcome"], "done", "{record}");
        assert!(record["bytes"].as_u64() > Some(0), "{record}");
        record
    };
    for (what, tables, rows) in [
        ("GET /v1/sql", &["events"][..], Some(10)),
        ("GET /v1/reports/failures", &["events"], None),
        ("GET /v1/overview", &["entity_minutes", "events", "incidents"], None),
        ("GET /v1/entities/key/key_partner", &["events", "findings", "incidents"], None),
        ("GET /v1/findings", &["findings"], Some(0)),
        ("GET /v1/incidents", &["incidents"], Some(0)),
        ("POST /v1/sql", &["rejects"], Some(1)),
        ("POST /v1/diagnose", &["events"], None),
        ("POST /v1/explain", &["events"], None),
    ] {
        let record = on(what);
        let read: Vec<&str> = record["tables"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(tables.iter().all(|table| read.contains(table)), "{record}");
        match rows {
            Some(rows) => assert_eq!(record["rows"], rows, "{record}"),
            None => assert!(record["rows"].as_u64() > Some(0), "{record}"),
        }
    }
    let asked = on("POST /v1/sql")["what"].as_str().unwrap();
    assert!(asked.contains("sk_live_…") && !asked.contains("canary"), "{asked}");
    assert!(!format!("{records:?}").contains("\"id\""), "bodies are not recorded");
}
