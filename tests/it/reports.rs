//! Every report on one small fixed lake: golden tables, and headers that promise what comes.
//!
//! The lake is made once a run: `tests/fixtures/reports/README.md` says of what. A golden table that differs is read
//! against what its report promises, then accepted with `just golden` (or `INSTA_UPDATE=always`).

pub(crate) mod lake;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use claviger::report::{self, Reports};
use claviger_core::access::TenantScope;
use claviger_core::report::{ColumnKind, Default, Kind, Report};
use futures::TryStreamExt as _;

use lake::{NOW_US, fixed_lake};

/// Columns that say when the test ran, or how long before it.
const OF_THE_CLOCK: &[(&str, &[&str])] =
    &[("ingest-health", &["last_read_at", "median_lag", "p99_lag"]), ("rejects", &["last_seen_at"])];

type Given = &'static [(&'static str, &'static str)];

/// What reports are asked for beside their defaults; a file `NAME.WORD.snap` for each.
const ASKED: &[(&str, &str, Given)] = &[
    ("failures", "key", &[("by", "key"), ("cause", "user_deleted")]),
    ("failures-over-time", "cause", &[("by", "cause"), ("tenant", "acme"), ("bucket", "1h")]),
    ("findings", "critical", &[("severity", "critical")]),
    ("incidents", "resolved", &[("status", "resolved")]),
    ("key-usage", "principal", &[("principal", "usr-dana")]),
    ("latency", "route", &[("by", "route"), ("tenant", "nimbus")]),
    ("zombie-access", "tenant", &[("tenant", "globex")]),
];

const EVER: [(&str, &str); 2] = [("from", "2026-01-01T00:00:00Z"), ("to", "2099-01-01T00:00:00Z")];

/// Required parameters, and periods of the clock.
fn given(report: &Report) -> Vec<(&'static str, &'static str)> {
    match report.name.as_str() {
        "key-history" => vec![("key", "key-otto")],
        "user-history" => vec![("principal", "usr-otto")],
        "tenant-history" => vec![("tenant", "nimbus")],
        // By when frames were read, which is when the test ran.
        "ingest-health" => vec![EVER[0], EVER[1], ("oldest", EVER[0].1)],
        "rejects" => EVER.to_vec(),
        _ => Vec::new(),
    }
}

/// The files as they are: those in the binary are the same, says a test below.
fn reports() -> Reports {
    Reports::load(Some(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/queries")))).unwrap()
}

async fn ask(report: &Report, given: &[(&str, &str)]) -> RecordBatch {
    ask_as(report, given, &TenantScope::All).await
}

async fn ask_as(report: &Report, given: &[(&str, &str)], tenants: &TenantScope) -> RecordBatch {
    let given: Vec<_> = given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let name = &report.name;
    let answer = report::run(fixed_lake().await, report, &given, tenants, NOW_US).await;
    let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
    let schema = answer.schema;
    let batches: Vec<RecordBatch> = answer.rows.try_collect().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// As text, what the clock says left out.
fn shown(report: &Report, rows: &RecordBatch) -> String {
    let of_the_clock =
        OF_THE_CLOCK.iter().find(|(name, _)| *name == report.name).map_or(&[][..], |(_, columns)| columns);
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if of_the_clock.contains(&field.name().as_str()) {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(StringArray::from(vec!["…"; rows.num_rows()])));
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    arrow::util::pretty::pretty_format_batches(&[rows]).unwrap().to_string()
}

fn check(file: &str, table: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reports/golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(file, table));
}

fn fits(kind: ColumnKind, data_type: &DataType) -> bool {
    let is_text = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, value) => **value == DataType::Utf8,
        other => matches!(other, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8),
    };
    match kind {
        ColumnKind::Text => is_text(data_type),
        ColumnKind::Texts => matches!(data_type, DataType::List(item) if is_text(item.data_type())),
        ColumnKind::Integer => data_type.is_integer(),
        ColumnKind::Number => data_type.is_floating(),
        ColumnKind::Boolean => *data_type == DataType::Boolean,
        ColumnKind::Time => {
            matches!(data_type, DataType::Timestamp(_, Some(zone)) if &**zone == "UTC")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_answers_with_its_golden_table_and_the_columns_that_its_header_promises() {
    let mut wrong = Vec::new();
    for report in reports().listed() {
        let rows = ask(report, &given(report)).await;
        let promised: Vec<&str> = report.columns.iter().map(|column| column.name.as_str()).collect();
        let came: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        if promised != came {
            wrong.push(format!("{}: promises {promised:?}, answers {came:?}", report.name));
        }
        for (column, field) in report.columns.iter().zip(rows.schema().fields()) {
            if !fits(column.kind, field.data_type()) {
                wrong.push(format!(
                    "{}.{}: {} is no {}",
                    report.name,
                    column.name,
                    field.data_type(),
                    column.kind.name()
                ));
            }
        }
        if rows.num_rows() == 0 {
            wrong.push(format!("{}: the lake has nothing to show", report.name));
        }
        check(&report.name, &shown(report, &rows));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_narrow_what_is_counted() {
    let reports = reports();
    for (name, word, asked) in ASKED {
        let report = reports.find(name).unwrap();
        let rows = ask(report, asked).await;
        check(&format!("{name}.{word}"), &shown(report, &rows));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_stays_a_value_whatever_it_says() {
    let reports = reports();
    for text in ["acme' or '1'='1", "acme'; drop table events; --"] {
        for report in reports.listed() {
            for parameter in &report.parameters {
                if !matches!(parameter.kind, Kind::Text | Kind::Tenant | Kind::Key | Kind::Principal) {
                    continue;
                }
                let mut given = given(report);
                given.retain(|(name, _)| *name != parameter.name);
                given.push((&parameter.name, text));
                let rows = ask(report, &given).await;
                assert_eq!(rows.num_rows(), 0, "{} finds something for {text:?}", report.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_own_rows_in_every_report_that_it_may_ask() {
    let tenants = TenantScope::One("nimbus".to_owned());
    let mut asked = 0;
    for report in reports().listed().into_iter().filter(|report| !is_for_operators(report)) {
        let rows = ask_as(report, &given(report), &tenants).await;
        let shown = arrow::util::pretty::pretty_format_batches(&[rows]).unwrap().to_string();
        for foreign in ["acme", "globex", "key-otto", "key-shop", "wayne"] {
            assert!(!shown.contains(foreign), "{} shows {foreign} to nimbus:\n{shown}", report.name);
        }
        asked += 1;
    }
    assert!(asked > 20, "only {asked} reports can be asked by a tenant");
}

/// It reads tables that no column splits by tenant.
fn is_for_operators(report: &Report) -> bool {
    ["identity_history", "directory_routes", "from rejects", "from gaps"].iter().any(|table| report.sql.contains(table))
}

/// Without comments.
fn statement(report: &Report) -> String {
    report.sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_parameter_is_used_and_every_statement_is_bounded() {
    for report in reports().listed() {
        let name = &report.name;
        let statement = statement(report);
        let used: BTreeSet<&str> = statement
            .split('$')
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap())
            .collect();
        for parameter in &report.parameters {
            let date = format!("{}_date", parameter.name);
            let is_used = used.contains(parameter.name.as_str()) || used.contains(date.as_str());
            assert!(is_used, "{name}: ${} is never used", parameter.name);
        }
        for used in used {
            let known = report.parameter(used).or_else(|| report.parameter(used.trim_end_matches("_date")));
            assert!(known.is_some(), "{name}: ${used} is no parameter");
        }
        for time in ["from", "to"] {
            let bound = report.parameter(time).map(|parameter| (&parameter.kind, &parameter.default));
            assert!(matches!(bound, Some((Kind::Time, Default::Text(_)))), "{name}: no time `{time}` with a default");
        }
        let limited = report.parameter("limit").is_some_and(|limit| matches!(limit.kind, Kind::Integer(1, _)));
        let few = ["cause-trend", "ingest-health"].contains(&name.as_str());
        assert!(limited || few, "{name}: nothing limits its rows");
    }
}

#[test]
fn statements_are_written_alike() {
    for report in reports().listed() {
        for text in statement(report).lines() {
            let place = format!("{}: {text}", report.name);
            let outside = text.split('\'').step_by(2).collect::<String>();
            assert!(!outside.contains(|c: char| c.is_uppercase()), "{place}: words are in lower case");
            assert!(text == text.trim_end() && !text.contains('\t'), "{place}: blanks");
            assert!(text.chars().count() <= 120, "{place}: longer than 120 characters");
        }
        assert!(report.sql.ends_with('\n') && !statement(report).contains(';'), "{}: one statement", report.name);
    }
}

#[test]
fn the_documents_name_every_report_with_its_question() {
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reports.md")).unwrap();
    let rows: Vec<_> = documented.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<_> =
        reports().listed().iter().map(|report| format!("| `{}` | {} |", report.name, report.question)).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_binary_holds_the_reports_of_the_folder() {
    let (embedded, files) = (Reports::load(None).unwrap(), reports());
    let said = |reports: &Reports| {
        reports.listed().iter().map(|report| (report.name.clone(), report.sql.clone())).collect::<Vec<_>>()
    };
    assert!(said(&embedded) == said(&files), "touch src/report.rs: the compiler does not notice a new file");
}

#[test]
fn an_own_folder_adds_and_replaces_and_its_faults_are_told_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let header =
        "-- title: Mine\n-- question: Which?\n-- group: keys\n-- column: one integer rows \"one\"\nselect 1 as one\n";
    std::fs::write(folder.path().join("mine.sql"), header).unwrap();
    std::fs::write(folder.path().join("failures.sql"), header.replace("Mine", "Ours")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no report").unwrap();
    let reports = Reports::load(Some(folder.path())).unwrap();
    assert_eq!(reports.find("mine").unwrap().title, "Mine");
    assert_eq!(reports.find("failures").unwrap().title, "Ours");
    assert!(reports.find("who-said-no").is_ok() && reports.find("notes").is_err());
    std::fs::write(folder.path().join("mine.sql"), header.replace("integer", "whole")).unwrap();
    let error = Reports::load(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("mine.sql:4: `whole` is no type of column"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_opens_no_file_of_another_day() {
    const FROM: (&str, &str) = ("from", "2026-11-23T00:00:00Z");
    const TO: (&str, &str) = ("to", "2026-11-23T06:00:00Z");
    for report in reports().listed() {
        // When a frame was read says nothing about the day of its request; a trend looks back on purpose.
        if ["ingest-health", "cause-trend"].contains(&report.name.as_str()) {
            continue;
        }
        let explained = Report { sql: format!("explain {}", report.sql), ..report.clone() };
        let mut asked = given(report);
        asked.retain(|(name, _)| !["from", "to"].contains(name));
        let plan = ask(&explained, &[&[FROM, TO][..], asked.as_slice()].concat()).await;
        let plan = arrow::util::pretty::pretty_format_batches(&[plan]).unwrap().to_string();
        for table in ["events", "entity_minutes", "findings"] {
            let other_day = format!("{table}/date=2026-11-24");
            assert!(!plan.contains(&other_day), "{} opens files of {table} outside its period:\n{plan}", report.name);
        }
    }
}

#[test]
fn the_command_lists_describes_and_refuses() {
    let claviger = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_claviger")).arg("report").args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, list, _) = claviger(&["--list"]);
    assert_eq!(code, Some(0));
    assert!(reports().listed().iter().all(|report| list.contains(&report.question)), "{list}");
    let (code, described, _) = claviger(&["failures", "--describe"]);
    assert_eq!(code, Some(0));
    assert!(described.contains("tenant|key|principal|route|gateway|network"), "{described}");
    let (code, _, error) = claviger(&["failing", "--describe"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean failing-keys?"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let (code, _, _) = claviger(&["failures", "--lake", folder.path().join("none").to_str().unwrap()]);
    assert_eq!(code, Some(2), "there is no such lake");
}
