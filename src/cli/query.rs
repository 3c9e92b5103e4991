//! `claviger query`: SQL on a lake, read-only, streamed to wherever the output goes.

use std::collections::HashMap;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::{Args, ValueEnum};
use claviger_core::fault::{Blame, Fault};
use datafusion::error::DataFusionError;
use futures::StreamExt as _;
use parquet::arrow::ArrowWriter;

use super::{Answer, Failure};
use crate::lake::{Lake, LakeError};

/// SQL on a lake
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger query --lake ./lake \"select cause, count(*) from events group by 1 order by 2 desc\"
  claviger query --lake ./lake --output ndjson \"select * from rejects\" | head
  claviger query --lake ./lake --output parquet --out denied.parquet \"select * from events where cause is not null\"

Tables: events, rejects, entity_minutes, identity_history, findings, incidents, gaps, audit.")]
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
    /// A single SELECT statement
    sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
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
enum QueryError {
    #[error(transparent)]
    Lake(LakeError),
    #[error("the query failed")]
    Failed { source: DataFusionError },
    #[error("the result cannot be written")]
    Unwritable { source: io::Error },
    #[error("the result cannot be written as {output}")]
    Unrepresentable { output: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Fault for QueryError {
    fn hint(&self) -> String {
        match self {
            Self::Lake(error) => error.hint(),
            Self::Failed { .. } => "narrow the query by `date`, or select fewer columns".to_owned(),
            Self::Unwritable { .. } => "check the path and the free space".to_owned(),
            Self::Unrepresentable { .. } => "try `--output ndjson`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Lake(error) => error.blame(),
            Self::Unrepresentable { .. } => Blame::Operator,
            Self::Failed { .. } | Self::Unwritable { .. } => Blame::Environment,
        }
    }
}

pub(super) fn query(arguments: QueryArguments) -> Result<Answer, Failure> {
    super::wait_for(run(arguments))?
}

async fn run(arguments: QueryArguments) -> Result<Answer, Failure> {
    match answer(arguments).await {
        // The reader has seen enough.
        Err(QueryError::Unwritable { source }) if source.kind() == ErrorKind::BrokenPipe => Ok(Answer::Yes),
        outcome => Ok(outcome.map(|()| Answer::Yes)?),
    }
}

async fn answer(arguments: QueryArguments) -> Result<(), QueryError> {
    let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new())
        .await
        .map_err(QueryError::Lake)?;
    let mut rows = lake.query(&arguments.sql).await.map_err(QueryError::Lake)?;
    let target: Box<dyn Write + Send> = match &arguments.out {
        Some(path) => Box::new(std::fs::File::create(path).map_err(|source| QueryError::Unwritable { source })?),
        None => Box::new(io::stdout()),
    };
    let mut sink = Sink::new(arguments.output, &rows.schema(), BufWriter::new(target))?;
    while let Some(batch) = rows.next().await {
        sink.write(&batch.map_err(|source| QueryError::Failed { source })?)?;
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
    fn new(output: Output, schema: &SchemaRef, target: Target) -> Result<Self, QueryError> {
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

    fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
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

    fn finish(self) -> Result<(), QueryError> {
        let unwritable = |source| QueryError::Unwritable { source };
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
fn arrow_error(output: &'static str, error: ArrowError) -> QueryError {
    match error {
        ArrowError::IoError(_, source) => QueryError::Unwritable { source },
        ArrowError::ExternalError(source) => external(output, source),
        ArrowError::CsvError(message) if message.contains("roken pipe") => {
            QueryError::Unwritable { source: ErrorKind::BrokenPipe.into() }
        }
        other => QueryError::Unrepresentable { output, source: other.into() },
    }
}

fn parquet_error(error: parquet::errors::ParquetError) -> QueryError {
    match error {
        parquet::errors::ParquetError::External(source) => external("parquet", source),
        other => QueryError::Unrepresentable { output: "parquet", source: other.into() },
    }
}

fn external(output: &'static str, source: Box<dyn std::error::Error + Send + Sync>) -> QueryError {
    match source.downcast::<io::Error>() {
        Ok(source) => QueryError::Unwritable { source: *source },
        Err(source) => QueryError::Unrepresentable { output, source },
    }
}
