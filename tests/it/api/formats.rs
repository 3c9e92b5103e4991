//! Every format, read back by a reader of its own.

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use claviger::serve::Entrance;
use claviger_core::config::{Serve, ServeLimits};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::{Service, loopback, problem, sql_link};

/// A text that looks like a formula, numbers that no double holds, a time, and nothing.
const ODD: &str = "select * from (values \
    ('=1+1', 9007199254740993, -5, to_timestamp_micros(1795503601000000), null), \
    ('plain, \"quoted\"', 2, 3, to_timestamp_micros(1795503602500000), 'x')) as t(text, long, low, at, gap) order by long desc";

#[tokio::test]
async fn flat_rows_have_every_column_numbers_as_numbers_and_times_that_end_in_z() {
    let service = Service::start().await;
    let rows = service.rows(ODD).await;
    assert_eq!(
        rows[0],
        json!({"text": "=1+1", "long": 9_007_199_254_740_993_i64, "low": -5, "at": "2026-11-24T07:00:01Z", "gap": null})
    );
    assert_eq!(rows[1]["at"], "2026-11-24T07:00:02.500Z");
    let lines = service.accepting(&sql_link(ODD), "application/x-ndjson").await.text().await.unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, rows);
    assert_eq!(service.rows("select cause from events where 1 = 0").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_dashboards_table_says_types_units_and_meanings_and_keeps_every_digit() {
    let service = Service::start().await;
    let table = "application/vnd.claviger.table+json";
    let answer = super::json(service.accepting(&sql_link(ODD), table).await).await;
    assert_eq!(answer["rows"][0], json!(["=1+1", "9007199254740993", "-5", "2026-11-24T07:00:01Z", null]));
    assert_eq!((&answer["row_count"], &answer["cut"]), (&json!(2), &json!(false)));
    assert!(answer["elapsed_ms"].is_u64() && answer["bytes_read"].is_u64(), "{answer}");
    let sql = "select latency_us, status, count(*) as n from events group by 1, 2 order by 1";
    let answer = super::json(service.accepting(&sql_link(sql), table).await).await;
    let column = |at: usize| answer["columns"][at].clone();
    assert_eq!(column(0)["unit"], "µs");
    assert_eq!(column(0)["meaning"], "whole request, microseconds");
    assert_eq!((&column(1)["type"], &column(2)["type"]), (&json!("short"), &json!("long")));
    assert!(answer["bytes_read"].as_u64().unwrap() > 0);
    let none = super::json(service.accepting(&sql_link("select cause from events where 1 = 0"), table).await).await;
    assert_eq!((&none["rows"], &none["row_count"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn spreadsheets_get_texts_that_are_no_formulas_and_numbers_that_are_numbers() {
    let service = Service::start().await;
    let answer = service.accepting(&sql_link(ODD), "text/csv").await;
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"query.csv\"");
    let text = answer.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["text", "long", "low", "at", "gap"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows[0], vec!["'=1+1", "9007199254740993", "-5", "2026-11-24T07:00:01Z", ""]);
    assert_eq!(rows[1], vec!["plain, \"quoted\"", "2", "3", "2026-11-24T07:00:02.500Z", "x"]);
}

#[tokio::test]
async fn arrow_streams_and_parquet_files_hold_the_same_rows() {
    let service = Service::start().await;
    let sql = "select request_id, status, event_at, alternatives from events order by request_id";
    let stream = service.accepting(&sql_link(sql), "application/vnd.apache.arrow.stream").await.bytes().await.unwrap();
    let stream = StreamReader::try_new(&stream[..], None).unwrap();
    let arrow =
        arrow::compute::concat_batches(&stream.schema(), &stream.map(Result::unwrap).collect::<Vec<_>>()).unwrap();
    let file = service.accepting(&sql_link(sql), "application/vnd.apache.parquet").await.bytes().await.unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    assert!(metadata.iter().any(|pair| pair.key == "claviger.cut" && pair.value.as_deref() == Some("false")));
    let rows: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let parquet = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
    assert_eq!(arrow.num_rows(), 10);
    assert_eq!(arrow.columns(), parquet.columns());
    assert_eq!(arrow.column(0).as_string::<i32>().value(0), "req-1");
}

#[tokio::test]
async fn duckdb_reads_what_is_sent_as_parquet() {
    let Ok(python) = std::env::var("CLAVIGER_TEST_PYTHON") else {
        assert!(!crate::support::in_ci(), "CI reads Parquet by a reader of its own: CLAVIGER_TEST_PYTHON");
        return;
    };
    let service = Service::start().await;
    let answer = service.accepting(&sql_link("select * from events"), "application/vnd.apache.parquet").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), answer.bytes().await.unwrap()).unwrap();
    let script = "import duckdb,sys; print(duckdb.execute(\"select count(*), count(distinct request_id), max(event_at)::varchar \
                  from read_parquet('%s')\" % sys.argv[1]).fetchone())";
    let read = std::process::Command::new(python).args(["-c", script]).arg(file.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(read.starts_with("(10, 10, '2026-11-24"), "{read}");
}

#[tokio::test]
async fn clients_get_the_format_they_like_best() {
    let service = Service::start().await;
    let link = sql_link("select 1 as one");
    for (accept, media) in [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("application/x-ndjson;q=0.2, text/*;q=0.4, */*;q=0.1", "text/csv; charset=utf-8; header=present"),
        ("application/json;q=0, */*", "application/vnd.claviger.table+json"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ] {
        assert_eq!(service.accepting(&link, accept).await.headers()["content-type"], media, "{accept}");
    }
    let named = service.accepting(&format!("{link}&format=csv"), "application/json").await;
    assert_eq!(named.text().await.unwrap(), "one\n1\n");
    for accept in ["image/png", "application/json;q=0", "application/json;q=nonsense"] {
        let (status, kind, _) = problem(service.accepting(&link, accept).await).await;
        assert_eq!((status, kind.as_str()), (406, "not-acceptable"), "{accept}");
    }
    assert_eq!(problem(service.get(&format!("{link}&format=xls")).await).await.0, 406);
}

#[tokio::test]
async fn an_answer_that_ends_at_a_limit_says_so() {
    let limits = ServeLimits { query_rows_max: 3, ..Serve::default().limits };
    let service = Service::with(Entrance::of(&Serve { limits, ..loopback() })).await;
    let link = sql_link("select request_id from events");
    let answer = service.get(&link).await;
    assert_eq!(answer.headers()["x-claviger-limit-rows"], "3");
    assert_eq!(answer.headers()["x-claviger-limit-seconds"], "30");
    assert_eq!(super::json(answer).await.as_array().unwrap().len(), 3);
    let table = service.accepting(&link, "application/vnd.claviger.table+json").await;
    let table = super::json(table).await;
    assert_eq!((&table["cut"], &table["row_count"]), (&json!(true), &json!(3)));
}

/// Millions of rows out of ten.
const LONG: &str = "select a.request_id as a, b.path as b, c.remedy as c from events a, events b, events c, events d, \
                    events e, events f";

#[tokio::test]
async fn a_long_answer_is_streamed_whole_and_its_work_ends_when_the_client_leaves() {
    let few = ServeLimits { queries_at_once: 1, queries_waiting: 1, ..Serve::default().limits };
    let limits = ServeLimits { query_rows_max: 200_000, ..few };
    let service = Service::with(Entrance::of(&Serve { limits, ..loopback() })).await;
    let mut answer = service.accepting(&sql_link(LONG), "application/x-ndjson").await;
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"a\":\""), "{first:?}");
    drop(answer);
    // The only place is free again: this waits for it no longer than a query waits for a place.
    let rows = service.rows("select count(*) as n from events").await;
    assert_eq!(rows[0]["n"], 10);

    let whole = service.accepting(&sql_link(LONG), "application/vnd.apache.arrow.stream").await.bytes().await.unwrap();
    let rows: usize = StreamReader::try_new(&whole[..], None).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 200_000);
}

#[tokio::test]
async fn columns_of_one_name_are_told_apart() {
    let service = Service::start().await;
    let sql = "select * from (select 1 as n) a join (select 1 as n) b on a.n = b.n";
    let answer = service.accepting(&sql_link(sql), "application/vnd.apache.arrow.stream").await.bytes().await.unwrap();
    let batch = StreamReader::try_new(&answer[..], None).unwrap().next().unwrap().unwrap();
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["n", "n_2"]);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), 1);
}
