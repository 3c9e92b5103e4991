//! Rows of our own questions, read by name.

use arrow::array::{Array as _, AsArray as _, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use claviger_core::access::TenantScope;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use crate::query::{Queries, QueryError, Question, Trust};

/// A batch of an answer.
pub(crate) struct Rows(RecordBatch);

/// An instant as a parameter.
pub(crate) fn at(name: &str, us: i64) -> (String, ScalarValue) {
    (name.to_owned(), ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())))
}

/// A text as a parameter.
pub(crate) fn text(name: &str, value: &str) -> (String, ScalarValue) {
    (name.to_owned(), ScalarValue::Utf8(Some(value.to_owned())))
}

/// Asks one of our own questions for a caller, and reads its answer to the end.
pub(crate) fn rows<'a>(
    queries: &'a Queries,
    sql: &'a str,
    parameters: &'a [(String, ScalarValue)],
    tenants: &'a TenantScope,
) -> BoxFuture<'a, Result<Vec<Rows>, QueryError>> {
    async move {
        let mut answer = queries.run(Question { sql, parameters, tenants, trust: Trust::Own }).await?;
        let mut batches = Vec::new();
        while let Some(batch) = answer.rows.next().await {
            batches.push(Rows(batch.map_err(QueryError::of_rows)?));
        }
        Ok(batches)
    }
    .boxed()
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// A column as texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Texts, QueryError> {
        self.as_type(name, &DataType::Utf8).map(|column| Texts(column.as_string::<i32>().clone()))
    }

    /// A column as numbers; instants are UTC microseconds.
    pub(crate) fn longs(&self, name: &str) -> Result<Longs, QueryError> {
        let of_batch = self.0.column_by_name(name).map(|column| column.data_type());
        let is_instant = matches!(of_batch, Some(DataType::Timestamp(..)));
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let column = self.as_type(name, if is_instant { &instant } else { &DataType::Int64 })?;
        let column = cast(&column, &DataType::Int64).map_err(unreadable)?;
        Ok(Longs(column.as_primitive::<Int64Type>().clone()))
    }

    /// A column as fractions.
    pub(crate) fn reals(&self, name: &str) -> Result<Reals, QueryError> {
        self.as_type(name, &DataType::Float64).map(|column| Reals(column.as_primitive::<Float64Type>().clone()))
    }

    fn as_type(&self, name: &str, wanted: &DataType) -> Result<arrow::array::ArrayRef, QueryError> {
        let missing = || unreadable(ArrowError::SchemaError(format!("no column `{name}`")));
        let column = self.0.column_by_name(name).ok_or_else(missing)?;
        cast(column, wanted).map_err(unreadable)
    }
}

fn unreadable(error: ArrowError) -> QueryError {
    QueryError::of_rows(DataFusionError::from(error))
}

pub(crate) struct Texts(StringArray);

impl Texts {
    /// Empty where there is none.
    pub(crate) fn get(&self, row: usize) -> &str {
        if self.0.is_valid(row) { self.0.value(row) } else { "" }
    }
}

pub(crate) struct Reals(Float64Array);

impl Reals {
    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

pub(crate) struct Longs(Int64Array);

impl Longs {
    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }

    /// A count; 0 where there is none.
    pub(crate) fn count(&self, row: usize) -> u64 {
        self.get(row).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }
}
