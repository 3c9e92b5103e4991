//! Records as rows of the table `audit`. The line that a chain signs is made of these columns.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::Record;
use crate::event::{ColumnKind, DictColumn, ListColumn, LongColumn, TextColumn, TimeColumn};

/// Columns of the table `audit`. A column may be added; none may ever change, since old records are signed.
pub static AUDIT_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = || ColumnKind::Dict.arrow_type();
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::Int64, false),
        Field::new("at", ColumnKind::Time.arrow_type(), false),
        Field::new("tenant_id", dict(), true),
        Field::new("who", dict(), true),
        Field::new("proof", dict(), true),
        Field::new("action", dict(), false),
        Field::new("what", DataType::Utf8, true),
        Field::new("tables", ColumnKind::List.arrow_type(), true),
        Field::new("address", dict(), true),
        Field::new("request_id", DataType::Utf8, true),
        Field::new("outcome", dict(), false),
        Field::new("rows", DataType::Int64, true),
        Field::new("bytes", DataType::Int64, true),
        Field::new("took_us", DataType::Int64, true),
    ]))
});

/// What a column of `audit` means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_audit_column(name: &str) -> &'static str {
    match name {
        "seq" => "number of the record in its tenant's chain, from 1 without gaps",
        "at" => "when it was recorded, UTC; never before the record before it",
        "tenant_id" => "tenant whose rows the caller may see; null when it may see all",
        "who" => "name of the caller: a token's id, a claim's subject, local, or claviger itself",
        "proof" => "how the caller proved its name: loopback, token or oidc; null when it did not",
        "action" => {
            "what was done: query, report, diagnose, read, change_incident, export, read_audit, change_token, begin_session, end_session, change_settings, unknown, start_log, stop_log, lose_records or set_clock_back"
        }
        "what" => "what exactly: the report, the statement, the incident; cut at 4000 characters",
        "tables" => "tables of the lake that were read",
        "address" => "IP address that the caller came from",
        "request_id" => "id that the answer carried",
        "outcome" => {
            "how it ended: done, refused, wrong, failed or left; begun stands before what changes something, and is followed by how it ended"
        }
        "rows" => "rows of those tables that the answer was made of",
        "bytes" => "bytes that were answered",
        "took_us" => "from the request to the end of its answer, microseconds",
        _ => "",
    }
}

/// Rows of `audit`.
#[must_use]
pub fn audit_rows(records: &[Record]) -> RecordBatch {
    let (mut seq, mut at, mut tenant) = (LongColumn::default(), TimeColumn::default(), DictColumn::default());
    let (mut who, mut proof, mut action) = (DictColumn::default(), DictColumn::default(), DictColumn::default());
    let (mut what, mut tables, mut address) = (TextColumn::default(), ListColumn::default(), DictColumn::default());
    let (mut request_id, mut outcome) = (TextColumn::default(), DictColumn::default());
    let (mut rows, mut bytes, mut took_us) = (LongColumn::default(), LongColumn::default(), LongColumn::default());
    let number = |number: u64| i64::try_from(number).ok();
    for Record { sequence, at_us, access } in records {
        seq.push(Some(number(*sequence).unwrap_or(i64::MAX)));
        at.push(Some(*at_us));
        tenant.push(&access.tenant);
        who.push(&access.who);
        proof.push(access.proof);
        action.push(access.action.word());
        what.push(&access.what);
        tables.push(access.tables.iter().map(String::as_str));
        address.push(&access.address);
        request_id.push(&access.request_id);
        outcome.push(access.outcome.word());
        rows.push(access.rows.and_then(number));
        bytes.push(access.bytes.and_then(number));
        took_us.push(access.took_us);
    }
    let columns = vec![
        seq.finish(),
        at.finish(),
        tenant.finish(),
        who.finish(),
        proof.finish(),
        action.finish(),
        what.finish(),
        tables.finish(),
        address.finish(),
        request_id.finish(),
        outcome.finish(),
        rows.finish(),
        bytes.finish(),
        took_us.finish(),
    ];
    RecordBatch::try_new(Arc::clone(&AUDIT_SCHEMA), columns).expect("builders make the types that the schema names")
}
