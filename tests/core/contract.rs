//! The tables as other programs read them: `schemas/*.json` say what the code says.
//!
//! `CLAVIGER_UPDATE_SCHEMAS=1 cargo test -p claviger-core contract` writes them anew; the old file of a released
//! version goes to `schemas/history/`.

use arrow::datatypes::Schema;
use claviger_core::alert::{FINDING_SCHEMA, INCIDENT_SCHEMA, meaning_of_finding_column, meaning_of_incident_column};
use claviger_core::audit::{AUDIT_SCHEMA, meaning_of_audit_column};
use claviger_core::catalog::type_name;
use claviger_core::event::{Column, Events};
use claviger_core::identity::{
    DIRECTORY_KEY_SCHEMA, DIRECTORY_ROUTE_SCHEMA, meaning_of_directory_key_column, meaning_of_directory_route_column,
};
use claviger_core::minutes::{MINUTE_SCHEMA, meaning_of_minute_column};
use claviger_core::reject::{REJECT_SCHEMA, meaning_of_reject_column};
use serde_json::{Value, json};

use crate::support::repository;

fn described(table: &str, schema: &Schema, meaning: impl Fn(&str) -> &'static str) -> Value {
    let columns = schema.fields().iter().map(|field| {
        let meaning = meaning(field.name());
        assert!(!meaning.is_empty(), "`{}` of `{table}` has no meaning", field.name());
        json!({
            "name": field.name(), "type": type_name(field.data_type()), "nullable": field.is_nullable(), "meaning": meaning,
        })
    });
    json!({"table": table, "columns": columns.collect::<Vec<_>>()})
}

fn check(file: &str, described: &Value) {
    let path = repository().join("schemas").join(file);
    let expected = format!("{described:#}\n");
    if std::env::var_os("CLAVIGER_UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(repository().join("schemas")).expect("a folder");
        std::fs::write(&path, &expected).expect("a schema is written");
    }
    let stored = std::fs::read_to_string(&path).expect("a stored schema");
    assert_eq!(stored, expected, "schemas/{file}: write it anew with CLAVIGER_UPDATE_SCHEMAS=1");
}

#[test]
fn the_stored_schemas_are_those_of_the_code() {
    let of_event =
        |name: &str| Column::ALL.iter().find(|column| column.name() == name).map_or("", |column| column.meaning());
    check("event.json", &described("events", &Events::schema(), of_event));
    check("reject.json", &described("rejects", &REJECT_SCHEMA, meaning_of_reject_column));
    check("entity_minute.json", &described("entity_minutes", &MINUTE_SCHEMA, meaning_of_minute_column));
    check("directory_key.json", &described("directory_keys", &DIRECTORY_KEY_SCHEMA, meaning_of_directory_key_column));
    check(
        "directory_route.json",
        &described("directory_routes", &DIRECTORY_ROUTE_SCHEMA, meaning_of_directory_route_column),
    );
    check("finding.json", &described("findings", &FINDING_SCHEMA, meaning_of_finding_column));
    check("incident.json", &described("incidents", &INCIDENT_SCHEMA, meaning_of_incident_column));
    check("audit.json", &described("audit", &AUDIT_SCHEMA, meaning_of_audit_column));
}
