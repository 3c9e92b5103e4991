//! Tables as answers: rows of a query in the format that the client accepts, written while they are read.
//!
//! Promises bounded memory, whatever the answer's size: a batch is read when the one before it was sent. What fails
//! before the first rows is answered with problem details; what fails later cuts the connection, so that half an answer
//! never looks like a whole one. An answer that ends early because of a limit says so: in its text where the format has
//! a place for it, else in the header `x-claviger-cut` where the end is known before the beginning is sent.

mod accept;
mod columnar;
mod csv;
mod json;
mod plain;
mod stream;

use std::error::Error;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::BoxStream;

pub use accept::{FORMAT_PARAMETER, Format, Wanted};

use super::problem::Problem;
use crate::query::Cost;

/// Compressed in itself.
pub(super) const PARQUET: &str = Format::Parquet.media_type();

/// What is known of a column beside its values.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pub unit: Option<String>,
    pub meaning: Option<String>,
}

/// Rows to answer with.
pub struct Table {
    pub schema: SchemaRef,
    pub rows: BoxStream<'static, Result<RecordBatch, Problem>>,
    pub cost: Arc<Cost>,
    pub limit_rows: u64,
    pub limit_seconds: u64,
    /// One for each column.
    pub words: Vec<Words>,
    /// What a browser calls the file that it stores.
    pub name: String,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug)]
struct End {
    rows: u64,
    cut: bool,
    elapsed_ms: u64,
    bytes_read: u64,
}

impl End {
    fn of(cost: &Cost) -> Self {
        Self {
            rows: cost.rows(),
            cut: cost.is_cut(),
            elapsed_ms: u64::try_from(cost.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_read: cost.read_bytes(),
        }
    }
}

type Unwritable = Box<dyn Error + Send + Sync>;

/// Rows in, bytes out.
trait Encoder: Send {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Unwritable>;

    /// Whatever the format ends with.
    fn finish(&mut self, end: &End) -> Result<(), Unwritable>;

    /// The bytes that are ready.
    fn take(&mut self) -> Vec<u8>;
}

fn encoder(format: Format, schema: &SchemaRef, words: &[Words]) -> Result<Box<dyn Encoder>, Unwritable> {
    Ok(match format {
        Format::Json => Box::new(json::Rows::array()),
        Format::Ndjson => Box::new(json::Lines::new()),
        Format::Table => Box::new(json::Described::new(schema, words)),
        Format::Csv => Box::new(csv::Csv::new(schema)?),
        Format::Arrow => Box::new(columnar::Arrow::new(schema)?),
        Format::Parquet => Box::new(columnar::Parquet::new(schema)?),
    })
}

impl Table {
    /// Answers in `format`: at once as a whole where one batch is all, else as a stream.
    ///
    /// # Errors
    /// What goes wrong before there are rows.
    pub async fn answer(self, format: Format) -> Result<Response, Problem> {
        let mut headers = self.headers(format);
        let cost = Arc::clone(&self.cost);
        let body = match stream::begin(self, format).await? {
            stream::Beginning::Whole { bytes, end } => {
                headers.insert(ROWS, HeaderValue::from(end.rows));
                headers.insert(CUT, HeaderValue::from_static(if end.cut { "true" } else { "false" }));
                headers.insert(ELAPSED, HeaderValue::from(end.elapsed_ms));
                Body::from(bytes)
            }
            stream::Beginning::Stream(pieces) => Body::from_stream(pieces),
        };
        let mut response = (headers, body).into_response();
        // For whoever keeps account of what was read for whom.
        response.extensions_mut().insert(cost);
        Ok(response)
    }

    fn headers(&self, format: Format) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        headers.insert(LIMIT_ROWS, HeaderValue::from(self.limit_rows));
        headers.insert(LIMIT_SECONDS, HeaderValue::from(self.limit_seconds));
        if let Some(ending) = format.file_ending() {
            let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
            let name: String = self.name.chars().map(plain).collect();
            let disposition = format!("attachment; filename=\"{name}.{ending}\"");
            let disposition = HeaderValue::from_str(&disposition).expect("letters, digits, dashes and a known ending");
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        headers
    }
}

pub const LIMIT_ROWS: HeaderName = HeaderName::from_static("x-claviger-limit-rows");
pub const LIMIT_SECONDS: HeaderName = HeaderName::from_static("x-claviger-limit-seconds");
pub const ROWS: HeaderName = HeaderName::from_static("x-claviger-rows");
pub const CUT: HeaderName = HeaderName::from_static("x-claviger-cut");
pub const ELAPSED: HeaderName = HeaderName::from_static("x-claviger-elapsed-ms");
