//! A diagnosis that may leave the house: what a provider needs to look into it, and nothing that names a person or a
//! machine of ours.
//!
//! Kept: the gateway's message, endpoint and method, the masked key, times, request ids, the checks with their results,
//! ids of account, user and organisation, network prefixes. Left out: full addresses, keyed hashes of credentials, people's
//! names and contacts, where the log line lies.

use serde_json::{Value, json};

use super::answer::Diagnosis;
use super::page::markdown;
use crate::event::Column;

/// Columns of the row that stay at home.
const PRIVATE: &[Column] = &[
    Column::ClientAddress,
    Column::ClientPlace,
    Column::Fingerprint,
    Column::Topic,
    Column::Partition,
    Column::Offset,
    Column::Part,
    Column::IngestedAt,
    Column::CostMicros,
];

/// Files by name, in order. The same diagnosis and version make the same bytes.
#[must_use]
pub fn bundle(diagnosis: &Diagnosis, version: &str) -> Vec<(&'static str, String)> {
    let redacted = redacted(diagnosis);
    let row = redacted.request.clone().map_or(Value::Null, Value::Object);
    let versions = json!({
        "claviger": version,
        "snapshot": redacted.snapshot_version,
        "snapshot_on_arrival": row.get(Column::DirectoryVersion.name()),
    });
    vec![
        ("README.md", markdown(&redacted)),
        ("diagnosis.json", pretty(&json!(redacted))),
        ("request.json", pretty(&row)),
        ("identity.json", pretty(&json!({ "facts": identity_facts(&redacted), "changes": redacted.timeline.states }))),
        ("versions.json", pretty(&versions)),
    ]
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn redacted(diagnosis: &Diagnosis) -> Diagnosis {
    let mut copy = diagnosis.clone();
    copy.remedy.by = None;
    copy.others.clear();
    if let Some(row) = &mut copy.request {
        let address = row.get(Column::ClientAddress.name()).and_then(Value::as_str).unwrap_or("").to_owned();
        PRIVATE.iter().for_each(|column| drop(row.remove(column.name())));
        if !address.is_empty() {
            hide(&mut copy, &address);
        }
    }
    copy
}

/// An address that a sentence repeats is told by its network.
fn hide(diagnosis: &mut Diagnosis, address: &str) {
    let network = diagnosis.request.as_ref().and_then(|row| row.get(Column::ClientNetwork.name()));
    let network = network.and_then(Value::as_str).unwrap_or("an address").to_owned();
    let mut replace = |text: &mut String| *text = text.replace(address, &network);
    replace(&mut diagnosis.verdict.sentence);
    diagnosis.remedy.settings.iter_mut().for_each(&mut replace);
    diagnosis.alternatives.iter_mut().for_each(|other| replace(&mut other.why));
    let checks = diagnosis.steps.iter_mut().flat_map(|step| step.checks.iter_mut());
    checks.for_each(|check| replace(&mut check.fact));
    if let Some(Value::Array(evidence)) = diagnosis.request.as_mut().and_then(|row| row.get_mut("evidence")) {
        for fact in evidence {
            if let Value::String(text) = fact {
                replace(text);
            }
        }
    }
}

/// What the directory says, check by check.
fn identity_facts(diagnosis: &Diagnosis) -> Vec<Value> {
    let checks = diagnosis.steps.iter().flat_map(|step| &step.checks);
    let of_directory = checks.filter(|check| check.version.is_some());
    of_directory.map(|check| json!({ "check": check.name, "result": check.result, "fact": check.fact, "at": check.at.map(crate::time::format) })).collect()
}
