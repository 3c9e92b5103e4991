//! Records as events of the Open Cybersecurity Schema Framework.
//!
//! A request that was turned away before anybody knew who asked is an Authentication (3002) that failed; every other
//! request is an API Activity (6003); a detector's claim is a Detection Finding (2004). Source: ocsf-schema at 1.8.0,
//! `events/{iam/authentication,application/api_activity,findings/detection_finding}.json`; the facts that the tests hold
//! this against are in `tests/fixtures/ocsf/facts.json`. What OCSF has no word for stands in `unmapped`.

use serde_json::{Map, Value, json};

use super::cells::Rows;
use crate::cause::{CauseClass, RootCause};
use crate::detect::{Detector, Severity};

/// The version of the schema that events follow.
pub const OCSF_VERSION: &str = "1.8.0";

/// An OCSF class, with what `type_uid` is made of.
#[derive(Clone, Copy)]
struct Class {
    category: u64,
    uid: u64,
    name: &'static str,
}

const AUTHENTICATION: Class = Class { category: 3, uid: 3002, name: "Authentication" };
const API_ACTIVITY: Class = Class { category: 6, uid: 6003, name: "API Activity" };
const DETECTION_FINDING: Class = Class { category: 2, uid: 2004, name: "Detection Finding" };

/// `activity_id` where the schema has no better word.
const OTHER: u64 = 99;

pub(super) fn of_request(rows: &Rows, row: usize, sequence: u64) -> Value {
    let text = |column: &str| rows.text(column, row);
    let number = |column: &str| rows.integer(column, row);
    let cause = RootCause::from_name(text("cause"));
    let refused = !text("denied_by").is_empty();
    let before_authentication = refused && cause.is_some_and(|cause| is_of_authentication(cause.class()));
    let (class, activity, activity_name) = match before_authentication {
        true => (AUTHENTICATION, 1, "Logon"),
        false => {
            let (activity, name) = activity_of(text("method"));
            (API_ACTIVITY, activity, name)
        }
    };
    let mut event = begin(class, activity, activity_name, number("event_at").unwrap_or_default());
    let severity = severity_of_request(refused, cause);
    set_severity(&mut event, severity);
    let (status, status_name) = match (refused, number("status")) {
        (true, _) => (2, "Failure"),
        (false, Some(status)) if status >= 400 => (2, "Failure"),
        (false, Some(_)) => (1, "Success"),
        (false, None) => (0, "Unknown"),
    };
    set(&mut event, "status_id", json!(status));
    set(&mut event, "status", json!(status_name));
    set_text(&mut event, "status_code", text("cause"));
    if let Some(cause) = cause {
        set(&mut event, "message", json!(cause.remedy()));
    }
    let uid = [text("topic"), &shown(number("partition")), &shown(number("offset")), &shown(number("part"))].join("/");
    let mut metadata = metadata(&uid, sequence, text("tenant_id"));
    set_text(&mut metadata, "log_name", text("topic"));
    set_text(&mut metadata, "log_format", text("format"));
    set(&mut metadata, "logged_time", number("ingested_at").map_or(Value::Null, millis));
    set(&mut event, "metadata", Value::Object(metadata));

    let user = user(rows, row);
    let service = named(&[("name", text("service")), ("uid", text("route"))]).unwrap_or_else(
        // One of the two is required; the gateway is what was asked.
        || json!({ "name": or_unknown(text("gateway")) }),
    );
    let source = source(rows, row);
    let target = named(&[("hostname", text("host"))]);
    if before_authentication {
        set(&mut event, "user", user);
        set(&mut event, "service", service);
    } else {
        set(&mut event, "actor", json!({ "user": user }));
        set(&mut event, "api", api(rows, row, &service));
    }
    set(&mut event, "src_endpoint", source);
    set(&mut event, "dst_endpoint", target.unwrap_or_default());
    set(&mut event, "http_request", http_request(rows, row));
    if let Some(status) = number("status").filter(|_| !before_authentication) {
        let latency = number("latency_us").map_or(Value::Null, millis);
        let response = json!({ "code": status, "length": number("response_bytes"), "latency": latency });
        set(&mut event, "http_response", response);
    }
    set(&mut event, "unmapped", unmapped(rows, row, &UNMAPPED_OF_REQUESTS));
    Value::Object(event)
}

pub(super) fn of_finding(rows: &Rows, row: usize, sequence: u64) -> Value {
    let text = |column: &str| rows.text(column, row);
    let time = |column: &str| rows.integer(column, row).map_or(Value::Null, millis);
    let mut event = begin(DETECTION_FINDING, 1, "Create", rows.integer("to_at", row).unwrap_or_default());
    set_severity(&mut event, Severity::named(text("severity")));
    set(&mut event, "metadata", Value::Object(metadata(text("finding_id"), sequence, text("tenant_id"))));
    set_text(&mut event, "message", text("summary"));
    let mut info = Map::new();
    set(&mut info, "uid", json!(text("finding_id")));
    set_text(&mut info, "title", text("summary"));
    set_text(&mut info, "desc", Detector::named(text("detector")).map_or("", Detector::question));
    set(&mut info, "first_seen_time", time("from_at"));
    set(&mut info, "last_seen_time", time("to_at"));
    set(&mut info, "analytic", json!({ "name": or_unknown(text("detector")), "type_id": 3, "type": "Statistical" }));
    set(&mut event, "finding_info", Value::Object(info));
    let resource = named(&[("uid", text("entity")), ("type", text("entity_kind"))]);
    set(&mut event, "resources", resource.map_or(Value::Null, |resource| json!([resource])));
    set(&mut event, "unmapped", unmapped(rows, row, &UNMAPPED_OF_FINDINGS));
    Value::Object(event)
}

/// Columns that keep their own names.
const UNMAPPED_OF_REQUESTS: [&str; 21] = [
    "ai_model",
    "ai_provider",
    "cause",
    "cause_class",
    "client_relay",
    "confidence",
    "contradiction",
    "cost_micros",
    "credential_kind",
    "credential_place",
    "denied_by",
    "directory_version",
    "environment",
    "fingerprint",
    "input_tokens",
    "missing_field",
    "near_miss",
    "output_tokens",
    "revocation_lag_us",
    "tenant_asked",
    "upstream_status",
];
const UNMAPPED_OF_FINDINGS: [&str; 9] =
    ["cause", "drivers", "expected", "family", "quiet", "score", "seen", "tenant_id", "unit"];

/// Classes of causes that are about who asks; the others are about what they may.
const fn is_of_authentication(class: CauseClass) -> bool {
    match class {
        CauseClass::Credential | CauseClass::Environment | CauseClass::Key | CauseClass::Identity => true,
        CauseClass::Account
        | CauseClass::Limits
        | CauseClass::Tenant
        | CauseClass::Permission
        | CauseClass::Platform
        | CauseClass::Served
        | CauseClass::None => false,
    }
}

/// Create, Read, Update or Delete by the method; 0 where the log has none.
fn activity_of(method: &str) -> (u64, &'static str) {
    match method {
        "POST" => (1, "Create"),
        "GET" | "HEAD" | "OPTIONS" => (2, "Read"),
        "PUT" | "PATCH" => (3, "Update"),
        "DELETE" => (4, "Delete"),
        "" => (0, "Unknown"),
        _ => (OTHER, "Other"),
    }
}

/// A served request that should have been refused is worse than a refusal, which is worse than what went well.
fn severity_of_request(refused: bool, cause: Option<RootCause>) -> Option<Severity> {
    Some(match cause.map(RootCause::class) {
        Some(CauseClass::Served) => Severity::High,
        _ if refused => Severity::Low,
        _ => Severity::Info,
    })
}

fn begin(class: Class, activity: u64, activity_name: &str, at_us: i64) -> Map<String, Value> {
    let Class { category, uid, name } = class;
    let event = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": category,
        "class_name": name,
        "class_uid": uid,
        "time": millis(at_us),
        "type_uid": uid * 100 + activity,
    });
    if let Value::Object(event) = event { event } else { Map::new() }
}

fn set_severity(event: &mut Map<String, Value>, severity: Option<Severity>) {
    let (id, name) = match severity {
        None => (0, "Unknown"),
        Some(Severity::Info) => (1, "Informational"),
        Some(Severity::Low) => (2, "Low"),
        Some(Severity::Medium) => (3, "Medium"),
        Some(Severity::High) => (4, "High"),
        Some(Severity::Critical) => (5, "Critical"),
    };
    set(event, "severity_id", json!(id));
    set(event, "severity", json!(name));
}

fn metadata(uid: &str, sequence: u64, tenant: &str) -> Map<String, Value> {
    let mut metadata = Map::new();
    set(&mut metadata, "product", json!({ "name": "Claviger", "vendor_name": "Claviger" }));
    set(&mut metadata, "version", json!(OCSF_VERSION));
    set(&mut metadata, "sequence", json!(sequence));
    set_text(&mut metadata, "uid", uid);
    set_text(&mut metadata, "tenant_uid", tenant);
    metadata
}

/// Who used the key. A user needs a name or an id even when nobody knows either.
fn user(rows: &Rows, row: usize) -> Value {
    let text = |column: &str| rows.text(column, row);
    let id = [text("principal_id"), text("consumer")].into_iter().find(|id| !id.is_empty());
    let credential = [text("key_id"), text("credential_mask")].into_iter().find(|id| !id.is_empty());
    let (kind, type_name) = match text("principal_kind") {
        "human" => (1, "User"),
        "service" => (4, "Service"),
        "" => (0, "Unknown"),
        _ => (OTHER, "Other"),
    };
    let organisation = named(&[("uid", text("tenant_id"))]);
    let mut user = Map::new();
    match id {
        Some(id) => set(&mut user, "uid", json!(id)),
        None => set(&mut user, "name", json!("unknown")),
    }
    set_text(&mut user, "credential_uid", credential.unwrap_or_default());
    set(&mut user, "type_id", json!(kind));
    set(&mut user, "type", json!(type_name));
    set(&mut user, "org", organisation.unwrap_or_default());
    Value::Object(user)
}

fn source(rows: &Rows, row: usize) -> Value {
    let text = |column: &str| rows.text(column, row);
    let mut source = Map::new();
    match text("client_address") {
        "" => set(&mut source, "name", json!("unknown")),
        address => set(&mut source, "ip", json!(address)),
    }
    set_text(&mut source, "isp", text("client_provider"));
    set(&mut source, "location", named(&[("country", text("client_country"))]).unwrap_or_default());
    Value::Object(source)
}

fn api(rows: &Rows, row: usize, service: &Value) -> Value {
    let text = |column: &str| rows.text(column, row);
    let place = [text("route"), text("path")].into_iter().find(|place| !place.is_empty()).unwrap_or("unknown");
    let operation = format!("{} {place}", text("method"));
    let mut api = Map::new();
    set(&mut api, "operation", json!(operation.trim_start()));
    set(&mut api, "service", service.clone());
    set(&mut api, "request", named(&[("uid", text("request_id"))]).unwrap_or_default());
    let response = json!({ "code": rows.integer("status", row), "message": none_if_empty(text("gateway_message")) });
    set(&mut api, "response", response);
    Value::Object(api)
}

fn http_request(rows: &Rows, row: usize) -> Value {
    let text = |column: &str| rows.text(column, row);
    let mut request = Map::new();
    set_text(&mut request, "http_method", text("method"));
    set_text(&mut request, "uid", text("request_id"));
    set_text(&mut request, "user_agent", text("user_agent"));
    set(&mut request, "length", json!(rows.integer("request_bytes", row)));
    if !text("path").is_empty() {
        let url = named(&[("path", text("path")), ("hostname", text("host"))]);
        set(&mut request, "url", url.unwrap_or_default());
    }
    if request.is_empty() { Value::Null } else { Value::Object(request) }
}

fn unmapped(rows: &Rows, row: usize, columns: &[&str]) -> Value {
    let mut object = Map::new();
    for column in columns {
        set_text(&mut object, column, rows.text(column, row));
        set(&mut object, column, rows.integer(column, row).map_or(Value::Null, Value::from));
    }
    if object.is_empty() { Value::Null } else { Value::Object(object) }
}

/// An object of the texts that are there; `None` when none is.
fn named(texts: &[(&str, &str)]) -> Option<Value> {
    let mut object = Map::new();
    texts.iter().for_each(|(name, text)| set_text(&mut object, name, text));
    (!object.is_empty()).then_some(Value::Object(object))
}

fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    if !value.is_null() {
        object.insert(name.to_owned(), value);
    }
}

fn set_text(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), json!(text));
    }
}

fn none_if_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn or_unknown(text: &str) -> &str {
    none_if_empty(text).unwrap_or("unknown")
}

fn shown(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// OCSF's unit of time: milliseconds.
fn millis(micros: i64) -> Value {
    json!(micros.div_euclid(1_000))
}
