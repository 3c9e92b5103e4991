//! Records against the published facts of OCSF, and lines that any reader of the same rows writes alike.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use serde_json::{Value, json};

use super::*;
use crate::event::{Column, EventBuilder, Events, Row};

const FACTS: &str = include_str!("../../../tests/fixtures/ocsf/facts.json");

/// Whether an object is what the schema's facts say of it; what is not, by its place.
fn differences(facts: &Value, what: &Value, object: &Value, place: &str, found: &mut Vec<String>) {
    let fields = object.as_object().unwrap();
    for (name, rule) in what["attributes"].as_object().unwrap() {
        if rule["required"] == true && !fields.contains_key(name) {
            found.push(format!("{place}.{name} is required"));
        }
    }
    for any in what["constraints"]["at_least_one"].as_array().iter().take(1) {
        if !any.iter().any(|name| fields.contains_key(name.as_str().unwrap())) {
            found.push(format!("{place} needs one of {any:?}"));
        }
    }
    for (name, value) in fields {
        let place = format!("{place}.{name}");
        let rule = &what["attributes"][name];
        if rule.is_null() {
            found.push(format!("{place} is no attribute"));
            continue;
        }
        let values = match (rule["array"] == true, value) {
            (true, Value::Array(values)) => values.clone(),
            (false, Value::Array(_)) | (true, _) => {
                found.push(format!("{place} is or is not a list"));
                continue;
            }
            (false, value) => vec![value.clone()],
        };
        for value in values {
            let kind = rule["type"].as_str().unwrap();
            let right = match kind {
                "integer_t" | "long_t" => value.is_i64(),
                "string_t" => value.is_string(),
                "boolean_t" => value.is_boolean(),
                "object" => value.is_object(),
                named => {
                    differences(facts, &facts["objects"][named], &value, &place, found);
                    true
                }
            };
            if !right {
                found.push(format!("{place} is no {kind}: {value}"));
            }
            if let Some(words) = rule["enum"].as_array().filter(|words| !words.contains(&value)) {
                found.push(format!("{place} is none of {words:?}: {value}"));
            }
        }
    }
}

/// The faults of an event, its class found by its own `class_uid`.
fn faults(event: &Value) -> Vec<String> {
    let facts: Value = serde_json::from_str(FACTS).unwrap();
    let classes = facts["classes"].as_object().unwrap();
    let (name, class) = classes.iter().find(|(_, class)| class["class_uid"] == event["class_uid"]).unwrap();
    let mut found = Vec::new();
    differences(&facts, class, event, name, &mut found);
    let number = |field: &str| event[field].as_u64().unwrap();
    if event["category_uid"] != class["category_uid"] || number("class_uid") / 1000 != number("category_uid") {
        found.push("the category is another".to_owned());
    }
    if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
        found.push("the type is another".to_owned());
    }
    found
}

/// Rows of events as a reader gives them, with the columns of the verdict.
fn requests(rows: &[(Row<'_>, [(&str, &str); 4])]) -> RecordBatch {
    let mut builder = EventBuilder::default();
    rows.iter().for_each(|(row, _)| builder.push(row));
    let batch = builder.finish().into_batch();
    let schema = batch.schema();
    let mut columns: Vec<(String, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
        .collect();
    for place in 0..4 {
        let texts: StringArray =
            rows.iter().map(|(_, later)| Some(later[place].1).filter(|text| !text.is_empty())).collect();
        columns.push((rows[0].1[place].0.to_owned(), Arc::new(texts)));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn request(method: &'static str, status: i16) -> Row<'static> {
    Row {
        topic: "access",
        partition: Some(3),
        offset: Some(77),
        part: Some(0),
        event_at: Some(1_795_510_920_123_456),
        ingested_at: Some(1_795_510_921_000_000),
        format: "kong",
        gateway: "edge-1",
        method,
        host: "api.example.com",
        path: "/v1/users/17",
        request_id: "r-1",
        status: Some(status),
        latency_us: Some(12_345),
        request_bytes: Some(120),
        response_bytes: Some(900),
        client_address: "203.0.113.9",
        client_country: "SE",
        user_agent: "curl/8",
        ..Row::default()
    }
}

/// Only what every event has.
fn bare() -> Row<'static> {
    let zero = Some(0);
    Row {
        topic: "t",
        partition: zero,
        offset: Some(0),
        part: zero,
        event_at: Some(1),
        ingested_at: Some(1),
        ..Row::default()
    }
}

fn lines(kind: Kind, spelling: Spelling, batch: &RecordBatch) -> String {
    let mut text = String::new();
    write_lines(kind, spelling, &Rows::of(batch).unwrap(), 1, &mut text).unwrap();
    text
}

#[test]
fn every_request_is_a_valid_event_of_the_class_that_its_cause_asks_for() {
    let later = |cause, denied_by| {
        [("cause", cause), ("denied_by", denied_by), ("principal_id", "svc-1"), ("tenant_id", "acme")]
    };
    let cases = [
        (request("GET", 200), later("", ""), 600_302, 1, 1),
        (request("POST", 401), later("unknown_key", "gateway"), 300_201, 2, 2),
        (request("DELETE", 403), later("scope_missing", "application"), 600_304, 2, 2),
        (request("PATCH", 429), later("rate_limited", "limiter"), 600_303, 2, 2),
        (request("PROPFIND", 200), later("zombie_access", ""), 600_399, 1, 4),
        (request("", 500), later("", ""), 600_300, 2, 1),
        (bare(), later("", ""), 600_300, 0, 1),
        (bare(), later("user_deleted", "gateway"), 300_201, 2, 2),
    ];
    let rows: Vec<_> = cases.iter().map(|(row, later, ..)| (row.clone(), *later)).collect();
    let text = lines(Kind::Requests, Spelling::Ocsf, &requests(&rows));
    for (line, (_, _, type_uid, status, severity)) in text.lines().zip(&cases) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(faults(&event), Vec::<String>::new(), "{event:#}");
        assert_eq!(
            (&event["type_uid"], &event["status_id"], &event["severity_id"]),
            (&json!(type_uid), &json!(status), &json!(severity)),
            "{event:#}"
        );
    }
    let served: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(served["time"], 1_795_510_920_123_i64);
    assert_eq!(served["metadata"]["uid"], "access/3/77/0");
    assert_eq!(served["api"]["operation"], "GET /v1/users/17");
}

#[test]
fn a_finding_is_a_valid_event_without_fractions() {
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let time = |at: i64| {
        cast(&Int64Array::from(vec![at]), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).unwrap()
    };
    let batch = RecordBatch::try_from_iter([
        ("finding_id", text("f00d")),
        ("detector", text("new_origin")),
        ("entity_kind", text("key")),
        ("entity", text("k-1")),
        ("tenant_id", text("acme")),
        ("from_at", time(1_795_510_900_000_000)),
        ("to_at", time(1_795_510_960_000_000)),
        ("severity", text("critical")),
        ("score", Arc::new(Float64Array::from(vec![12.5])) as ArrayRef),
        ("summary", text("key k-1 came from a network it never used")),
    ])
    .unwrap();
    let line = lines(Kind::Findings, Spelling::Ocsf, &batch);
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(faults(&event), Vec::<String>::new(), "{event:#}");
    assert_eq!((&event["type_uid"], &event["severity_id"]), (&json!(200_401), &json!(5)));
    assert_eq!(event["unmapped"]["score"], "12.5");
}

#[test]
fn the_check_of_events_finds_what_is_missing_wrong_or_unknown() {
    let row = (request("GET", 200), [("cause", ""), ("denied_by", ""), ("principal_id", "p"), ("tenant_id", "t")]);
    let sound: Value = serde_json::from_str(&lines(Kind::Requests, Spelling::Ocsf, &requests(&[row]))).unwrap();
    for (path, value) in [
        ("/metadata/product", json!({})),
        ("/activity_id", json!(7)),
        ("/severity_id", json!("1")),
        ("/type_uid", json!(1)),
        ("/src_endpoint", json!({})),
        ("/api", json!({ "verb": "GET" })),
    ] {
        let mut event = sound.clone();
        *event.pointer_mut(path).unwrap() = value;
        assert_ne!(faults(&event), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn a_line_does_not_depend_on_how_a_reader_has_encoded_the_rows() {
    let row = (request("GET", 200), [("cause", ""), ("denied_by", ""), ("principal_id", "p"), ("tenant_id", "t")]);
    let batch = requests(&[row.clone(), row]);
    let text = lines(Kind::Requests, Spelling::Own, &batch);
    let schema = batch.schema();
    let views = schema.fields().iter().zip(batch.columns()).rev().map(|(field, column)| {
        let column = if matches!(column.data_type(), DataType::Dictionary(..) | DataType::Utf8) {
            cast(column, &DataType::Utf8View).unwrap()
        } else {
            Arc::clone(column)
        };
        (field.name().clone(), column)
    });
    let views = RecordBatch::try_from_iter(views.collect::<Vec<_>>()).unwrap();
    assert_eq!(lines(Kind::Requests, Spelling::Own, &views), text);
    let record: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&record["seq"], &record["event_at"]), (&json!(2), &json!("2026-11-24T09:02:00.123456Z")));
    assert!(record.get("cause").is_none() && record.get("tokens").is_none());
}

#[test]
fn keys_of_a_line_ascend_wherever_the_sequence_falls() {
    for names in [["a", "z"], ["seq0", "z"], ["a", "b"]] {
        let column = |n: i32| Arc::new(Int32Array::from(vec![n])) as ArrayRef;
        let batch = RecordBatch::try_from_iter(names.iter().map(|name| (*name, column(1)))).unwrap();
        let text = lines(Kind::Changes, Spelling::Own, &batch);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(crate::prove::canonical(&value).unwrap() + "\n", text);
        assert_eq!(value["seq"], 1);
    }
}

#[test]
fn every_column_of_every_kind_can_be_written() {
    for kind in Kind::ALL {
        let schema = kind.table().schema();
        assert_eq!(lines(kind, Spelling::Own, &RecordBatch::new_empty(Arc::clone(&schema))), "");
        for column in kind.order().iter().chain([&kind.time_column()]) {
            assert!(schema.field_with_name(column).is_ok(), "{column}");
        }
    }
    assert_eq!(Events::schema().fields().len(), Column::ALL.len());
    assert!(
        Rows::of(&RecordBatch::try_from_iter([("n", Arc::new(Int16Array::from(vec![1])) as ArrayRef)]).unwrap())
            .is_ok_and(|rows| rows.integer("n", 0) == Some(1))
    );
}
