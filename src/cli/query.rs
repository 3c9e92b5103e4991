//! `claviger query`: SQL on a lake, read-only, streamed to wherever the output goes.

use std::collections::HashMap;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::{Args, ValueEnum};
use claviger_core::access::TenantScope;
use claviger_core::fault::{Blame, Fault};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use parquet::arrow::ArrowWriter;

use super::{Answer, Failure};
use crate::lake::{Lake, LakeError};
use crate::query::{Limits, Queries, QueryError, Question, Trust};

/// SQL on a lake
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger query --lake ./lake \"select cause, count(*) from events group by 1 order by 2 desc\"
  claviger query --lake ./lake --output ndjson \"select * from rejects\" | head
  claviger query --lake ./lake --output parquet --out denied.parquet \"select * from events where cause is not null\"
  claviger query --lake ./lake --tenant acme \"select * from events\"   what that tenant sees

Tables: events, rejects, entity_minutes, identity_history, directory_keys, directory_routes, findings, incidents,
gaps, audit.")]
pub(super) struct QueryArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// How to write the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Where to write it instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what this tenant may see
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// A single SELECT statement
    sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
    Ndjson,
    Csv,
    Parquet,
    Arrow,
}

/// Rows that a table shows; more are for machines, who have other outputs.
const TABLE_ROWS_MAX: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(transparent)]
    Lake(LakeError),
    #[error(transparent)]
    Query(QueryError),
    #[error("the result cannot be written")]
    Unwritable { source: io::Error },
    #[error("the result cannot be written as {output}")]
    Unrepresentable { output: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Fault for OutputError {
    fn hint(&self) -> String {
        match self {
            Self::Lake(error) => error.hint(),
            Self::Query(error) => error.hint(),
            Self::Unwritable { .. } => "check the path and the free space".to_owned(),
            Self::Unrepresentable { .. } => "try `--output ndjson`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Lake(error) => error.blame(),
            Self::Query(error) => error.blame(),
            Self::Unrepresentable { .. } => Blame::Operator,
            Self::Unwritable { .. } => Blame::Environment,
        }
    }
}

pub(super) fn query(arguments: QueryArguments) -> Result<Answer, Failure> {
    super::wait_for(run(arguments))?
}

async fn run(arguments: QueryArguments) -> Result<Answer, Failure> {
    seen(answer(arguments).await)
}

/// A reader that has seen enough is no failure.
pub(super) fn seen(outcome: Result<(), OutputError>) -> Result<Answer, Failure> {
    match outcome {
        Err(OutputError::Unwritable { source }) if source.kind() == ErrorKind::BrokenPipe => Ok(Answer::Yes),
        outcome => Ok(outcome.map(|()| Answer::Yes)?),
    }
}

async fn answer(arguments: QueryArguments) -> Result<(), OutputError> {
    let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new())
        .await
        .map_err(OutputError::Lake)?;
    let tenants = arguments.tenant.clone().map_or(TenantScope::All, TenantScope::One);
    let queries = Queries::new(lake, Limits::operator()).map_err(OutputError::Query)?;
    let question = Question { sql: &arguments.sql, parameters: &[], tenants: &tenants, trust: Trust::Own };
    let rows = queries.run(question).await.map_err(OutputError::Query)?.rows;
    write(rows, arguments.output, arguments.out.as_deref()).await
}

/// Writes rows as they come, to a file or to standard output.
pub(super) async fn write(
    mut rows: SendableRecordBatchStream,
    output: Output,
    out: Option<&Path>,
) -> Result<(), OutputError> {
    let target: Box<dyn Write + Send> = match out {
        Some(path) => Box::new(std::fs::File::create(path).map_err(|source| OutputError::Unwritable { source })?),
        None => Box::new(io::stdout()),
    };
    let mut sink = Sink::new(output, &rows.schema(), BufWriter::new(target))?;
    while let Some(batch) = rows.next().await {
        sink.write(&batch.map_err(|error| OutputError::Query(QueryError::of_rows(error)))?)?;
    }
    sink.finish()
}

type Target = BufWriter<Box<dyn Write + Send>>;

/// A result being written.
enum Sink {
    Table { schema: SchemaRef, batches: Vec<RecordBatch>, rows: usize, target: Target },
    Json(arrow::json::ArrayWriter<Target>),
    Ndjson(arrow::json::LineDelimitedWriter<Target>),
    Csv { writer: Box<arrow::csv::Writer<Target>>, header: Option<SchemaRef> },
    Parquet(Box<ArrowWriter<Target>>),
    Arrow(Box<arrow::ipc::writer::StreamWriter<Target>>),
}

impl Sink {
    fn new(output: Output, schema: &SchemaRef, target: Target) -> Result<Self, OutputError> {
        Ok(match output {
            Output::Table => Self::Table { schema: Arc::clone(schema), batches: Vec::new(), rows: 0, target },
            Output::Json => Self::Json(arrow::json::ArrayWriter::new(target)),
            Output::Ndjson => Self::Ndjson(arrow::json::LineDelimitedWriter::new(target)),
            Output::Csv => {
                Self::Csv { writer: Box::new(arrow::csv::Writer::new(target)), header: Some(Arc::clone(schema)) }
            }
            Output::Parquet => {
                Self::Parquet(Box::new(ArrowWriter::try_new(target, Arc::clone(schema), None).map_err(parquet_error)?))
            }
            Output::Arrow => Self::Arrow(Box::new(
                arrow::ipc::writer::StreamWriter::try_new(target, schema).map_err(|e| arrow_error("arrow", e))?,
            )),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        match self {
            Self::Table { batches, rows, .. } => {
                let room = TABLE_ROWS_MAX.saturating_sub(*rows).min(batch.num_rows());
                *rows += batch.num_rows();
                if room > 0 {
                    batches.push(batch.slice(0, room));
                }
                Ok(())
            }
            Self::Json(writer) => writer.write(batch).map_err(|e| arrow_error("json", e)),
            Self::Ndjson(writer) => writer.write(batch).map_err(|e| arrow_error("ndjson", e)),
            Self::Csv { writer, header } => {
                *header = None;
                let flat = flat(batch).map_err(|e| arrow_error("csv", e))?;
                writer.write(&flat).map_err(|e| arrow_error("csv", e))
            }
            Self::Parquet(writer) => writer.write(batch).map_err(parquet_error),
            Self::Arrow(writer) => writer.write(batch).map_err(|e| arrow_error("arrow", e)),
        }
    }

    fn finish(self) -> Result<(), OutputError> {
        let unwritable = |source| OutputError::Unwritable { source };
        match self {
            Self::Table { schema, batches, rows, mut target } => {
                let batches = if batches.is_empty() { vec![RecordBatch::new_empty(schema)] } else { batches };
                let table =
                    arrow::util::pretty::pretty_format_batches(&batches).map_err(|e| arrow_error("table", e))?;
                writeln!(target, "{table}").map_err(unwritable)?;
                if rows > TABLE_ROWS_MAX {
                    writeln!(target, "the first {TABLE_ROWS_MAX} of {rows} rows; `--output csv` writes all")
                        .map_err(unwritable)?;
                }
                target.flush().map_err(unwritable)
            }
            Self::Json(mut writer) => {
                writer.finish().map_err(|e| arrow_error("json", e))?;
                let mut target = writer.into_inner();
                target.write_all(b"\n").and_then(|()| target.flush()).map_err(unwritable)
            }
            Self::Ndjson(mut writer) => {
                writer.finish().map_err(|e| arrow_error("ndjson", e))?;
                writer.into_inner().flush().map_err(unwritable)
            }
            Self::Csv { mut writer, header } => {
                if let Some(schema) = header {
                    let empty = flat(&RecordBatch::new_empty(schema)).map_err(|e| arrow_error("csv", e))?;
                    writer.write(&empty).map_err(|e| arrow_error("csv", e))?;
                }
                writer.into_inner().flush().map_err(unwritable)
            }
            Self::Parquet(writer) => {
                let mut target = writer.into_inner().map_err(parquet_error)?;
                target.flush().map_err(unwritable)
            }
            Self::Arrow(mut writer) => {
                writer.finish().map_err(|e| arrow_error("arrow", e))?;
                writer.into_inner().map_err(|e| arrow_error("arrow", e))?.flush().map_err(unwritable)
            }
        }
    }
}

/// CSV has no lists: they are written as text.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = FormatOptions::new().with_null("");
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            let formatter = ArrayFormatter::try_new(column, &options)?;
            let texts: StringArray = (0..column.len()).map(|row| Some(formatter.value(row).to_string())).collect();
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(texts));
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Writers wrap the target's own errors: a closed pipe must still be known as one.
fn arrow_error(output: &'static str, error: ArrowError) -> OutputError {
    match error {
        ArrowError::IoError(_, source) => OutputError::Unwritable { source },
        ArrowError::ExternalError(source) => external(output, source),
        ArrowError::CsvError(message) if message.contains("roken pipe") => {
            OutputError::Unwritable { source: ErrorKind::BrokenPipe.into() }
        }
        other => OutputError::Unrepresentable { output, source: other.into() },
    }
}

fn parquet_error(error: parquet::errors::ParquetError) -> OutputError {
    match error {
        parquet::errors::ParquetError::External(source) => external("parquet", source),
        other => OutputError::Unrepresentable { output: "parquet", source: other.into() },
    }
}

fn external(output: &'static str, source: Box<dyn std::error::Error + Send + Sync>) -> OutputError {
    match source.downcast::<io::Error>() {
        Ok(source) => OutputError::Unwritable { source: *source },
        Err(source) => OutputError::Unrepresentable { output, source },
    }
}
