//! The lake's rows as a diagnosis reads them: conditions with bound parameters, asked for the caller's tenants.

use arrow::array::RecordBatch;
use claviger_core::access::TenantScope;
use claviger_core::event::Events;
use datafusion::scalar::ScalarValue;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};

use super::DiagnoseError;
use crate::query::{Queries, QueryError, Question, Trust};

/// A condition with its values: `key_id = $key`.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    sql: String,
    values: Vec<(&'static str, ScalarValue)>,
}

impl Condition {
    /// `column = value`; the column's name is also the parameter's.
    pub(super) fn equals(column: &'static str, value: &str) -> Self {
        Self { sql: format!("{column} = ${column}"), values: vec![(column, value.into())] }
    }

    /// A condition of its own making, with values under the names that it uses.
    pub(super) fn of(sql: &str, values: Vec<(&'static str, ScalarValue)>) -> Self {
        Self { sql: sql.to_owned(), values }
    }

    /// `column` is one of the values.
    pub(super) fn any_of(column: &'static str, values: &[String]) -> Self {
        let texts = values.iter().map(|value| format!("'{}'", value.replace('\'', "''")));
        Self { sql: format!("{column} in ({})", texts.collect::<Vec<_>>().join(", ")), values: Vec::new() }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.sql = [self.sql, other.sql].into_iter().filter(|sql| !sql.is_empty()).collect::<Vec<_>>().join(" and ");
        self.values.extend(other.values);
        self
    }

    /// Times from `from` up to `to`, exclusive; open ends are left out. Bare comparisons, so that files and pages are
    /// skipped by them.
    pub(super) fn within(column: &str, from: Option<i64>, to: Option<i64>) -> Self {
        let instant = |at| ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()));
        let from = from.map(|at| Self::of(&format!("{column} >= $from"), vec![("from", instant(at))]));
        let to = to.map(|at| Self::of(&format!("{column} < $to"), vec![("to", instant(at))]));
        from.into_iter().chain(to).fold(Self::default(), Self::and)
    }
}

/// The lake as far as one caller may see. Every question goes through the sandbox: its barrier keeps other tenants' rows
/// away, its limits and its guard hold for diagnoses as well.
pub(super) struct Rows<'a> {
    pub(super) queries: &'a Queries,
    pub(super) tenants: &'a TenantScope,
}

impl Rows<'_> {
    pub(super) fn sees_everybody(&self) -> bool {
        *self.tenants == TenantScope::All
    }

    /// Events that meet the condition, of the caller's tenants.
    pub(super) async fn events(&self, wanted: Condition, order: &str) -> Result<Vec<Events>, DiagnoseError> {
        let batches = self.select("* from events", wanted, order).await?;
        let events = batches.iter().map(Events::of_stored).collect::<Result<Vec<_>, _>>();
        events.map_err(|source| DiagnoseError::NotRows { source })
    }

    /// `select {what} where {wanted} {rest}`, over a table that names the tenant of each row.
    pub(super) fn select<'b>(
        &'b self,
        what: &'b str,
        wanted: Condition,
        rest: &'b str,
    ) -> BoxFuture<'b, Result<Vec<RecordBatch>, DiagnoseError>> {
        self.ask(self.tenants, what, wanted, rest)
    }

    /// As [`Rows::select`], over a table without tenants: whose rows they are is for the condition to say.
    pub(super) fn select_unscoped<'b>(
        &'b self,
        what: &'b str,
        wanted: Condition,
        rest: &'b str,
    ) -> BoxFuture<'b, Result<Vec<RecordBatch>, DiagnoseError>> {
        self.ask(&TenantScope::All, what, wanted, rest)
    }

    fn ask<'b>(
        &'b self,
        tenants: &'b TenantScope,
        what: &'b str,
        wanted: Condition,
        rest: &'b str,
    ) -> BoxFuture<'b, Result<Vec<RecordBatch>, DiagnoseError>> {
        async move {
            let sql = format!("select {what} where {} {rest}", wanted.sql);
            let parameters: Vec<(String, ScalarValue)> =
                wanted.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let question = Question { sql: &sql, parameters: &parameters, tenants, trust: Trust::Own };
            let failed = |source| DiagnoseError::Unreadable { source };
            let rows = self.queries.run(question).await.map_err(failed)?.rows;
            rows.try_collect().await.map_err(|error| failed(QueryError::of_rows(error)))
        }
        .boxed()
    }
}
