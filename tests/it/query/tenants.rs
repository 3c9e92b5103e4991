//! A small lake of two tenants, in which every value of one is a canary; and the same lake without that one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use claviger::lake::{FileLimits, Lake, Writer, WriterOptions};
use claviger::query::{Limits, Queries, QueryError, Question, Trust};
use claviger_core::access::TenantScope;
use claviger_core::event::Events;
use claviger_core::ingest::Protocol;
use claviger_core::lake::TableName;
use claviger_core::offsets::{Offset, OffsetSpan, Stream};
use claviger_core::refine::{Counts, Refined};
use futures::TryStreamExt as _;

/// Stands in every text of the tenant that nobody else may hear of.
pub(crate) const CANARY: &str = "kanarienvogel";
/// Stands in every number of it that is not 0.
pub(crate) const CANARY_NUMBER: i64 = 31_337;

pub(crate) const OWN: &str = "acme";

const START: i64 = 1_795_500_000_000_000;
const ROWS: i64 = 60;

/// Whose row it is: five in a row belong to one, so that no file is one tenant's alone.
fn owner(row: i64) -> Option<&'static str> {
    match row / 5 % 3 {
        0 => Some(OWN),
        1 => Some("kanarienvogel-inc"),
        _ => None,
    }
}

fn is_own(row: i64) -> bool {
    owner(row) == Some(OWN)
}

/// Writes the rows of everybody, or of [`OWN`] alone.
pub(crate) async fn write(folder: &Path, is_everybodys: bool) -> Lake {
    let lake = Lake::open(folder.to_str().unwrap(), "main", &HashMap::new()).await.unwrap();
    let options = WriterOptions {
        protocol: Protocol { commit_interval_us: 50_000, drain_us: 20_000_000, ..Protocol::default() },
        files: FileLimits { run_rows: 64, file_bytes: 64 << 10 },
        batches_waiting: 4,
        roll_up: |events| RecordBatch::new_empty(Arc::clone(events.batch().schema_ref())),
    };
    let stream = Stream::new("cluster", "access", 0);
    let rows: Vec<i64> = (0..ROWS).filter(|row| is_everybodys || is_own(*row)).collect();
    let refined = Refined {
        spans: vec![OffsetSpan::new(stream.clone(), 0, ROWS)],
        events: Events::of_batch(batch(TableName::Events, &rows)),
        rejects: batch(TableName::Rejects, if is_everybodys { &[0] } else { &[] }),
        minutes: batch(TableName::EntityMinutes, &rows),
        counts: Counts::default(),
    };
    let (writer, _signals) = Writer::start(&lake, options).await.unwrap();
    writer.assign(&[(stream, Offset(0))]).await.unwrap();
    writer.submit(refined).await.unwrap();
    writer.flush(Duration::from_secs(20)).await.unwrap();
    writer.finish().await.unwrap();
    lake
}

fn batch(table: TableName, rows: &[i64]) -> RecordBatch {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| column(field, rows)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(schema.fields().clone())), columns).unwrap()
}

fn column(field: &Field, rows: &[i64]) -> ArrayRef {
    let is_null = |row: i64| field.is_nullable() && field.name() != "tenant_id" && row % 5 == 4;
    let plain: ArrayRef = match field.data_type() {
        DataType::Dictionary(..) | DataType::Utf8 => Arc::new(
            rows.iter().map(|row| if is_null(*row) { None } else { text(field.name(), *row) }).collect::<StringArray>(),
        ),
        DataType::List(item) => return list(item, rows),
        DataType::Timestamp(..) => {
            Arc::new(rows.iter().map(|row| Some(START + row * 60_000_000)).collect::<Int64Array>())
        }
        _ => Arc::new(
            rows.iter()
                .map(|row| if is_null(*row) { None } else { Some(number(field.name(), *row)) })
                .collect::<Int64Array>(),
        ),
    };
    arrow::compute::cast(&plain, field.data_type()).unwrap()
}

fn text(column: &str, row: i64) -> Option<String> {
    match column {
        "topic" => Some("access".to_owned()),
        "entity_kind" => Some("key".to_owned()),
        "tenant_id" => owner(row).map(str::to_owned),
        _ if is_own(row) => Some(format!("{column}-{}", row % 4)),
        _ => Some(format!("{CANARY}-{column}-{row}")),
    }
}

fn number(column: &str, row: i64) -> i64 {
    match column {
        "offset" => row,
        "partition" | "part" => 0,
        _ if is_own(row) => 1 + row,
        // Divided by, it is an error; cast to less than it is, too.
        _ if row % 2 == 0 => 0,
        _ => CANARY_NUMBER,
    }
}

fn list(item: &Arc<Field>, rows: &[i64]) -> ArrayRef {
    let values: ArrayRef = match item.data_type() {
        DataType::Int64 => Arc::new(rows.iter().map(|row| number("list", *row)).collect::<Int64Array>()),
        _ => Arc::new(rows.iter().map(|row| text("list", *row)).collect::<StringArray>()),
    };
    let values = arrow::compute::cast(&values, item.data_type()).unwrap();
    Arc::new(ListArray::new(Arc::clone(item), OffsetBuffer::from_lengths(rows.iter().map(|_| 1)), values, None))
}

pub(crate) fn own() -> TenantScope {
    TenantScope::One(OWN.to_owned())
}

pub(crate) fn queries(lake: Lake) -> Queries {
    Queries::new(lake, Limits { time: Duration::from_secs(20), ..Limits::default() }).unwrap()
}

/// All rows of an answer.
pub(crate) async fn ask(queries: &Queries, tenants: &TenantScope, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
    let question = Question { sql, parameters: &[], tenants, trust: Trust::Adhoc };
    let answer = queries.run(question).await?;
    answer.rows.try_collect().await.map_err(QueryError::of_rows)
}

/// The lines of a table, in any order.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let table = arrow::util::pretty::pretty_format_batches(batches).unwrap().to_string();
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
