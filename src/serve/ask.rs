//! From a question to a table: the one way by which endpoints read rows, under the rights of whoever asks.

use std::collections::HashMap;

use claviger_core::access::Caller;
use claviger_core::catalog::{ColumnWords, type_name};
use datafusion::common::ScalarValue;
use futures::StreamExt as _;

use super::api::Api;
use super::problem::{Kind, Problem};
use super::table::{Table, Words};
use crate::query::{Answer, QueryError, Question, Trust};

/// Runs one SELECT that `caller` wrote, over the rows that it may see.
pub(super) async fn ask(
    api: &Api,
    caller: &Caller,
    sql: &str,
    parameters: &[(String, ScalarValue)],
) -> Result<Table, Problem> {
    let question = Question { sql, parameters, tenants: &caller.tenants, trust: Trust::Adhoc };
    let answer = api.queries.run(question).await.map_err(|error| problem(&error))?;
    let words = words(&answer);
    Ok(table(api, answer, words, "query"))
}

/// A column that is called and typed like one of the tables' is taken for it.
fn words(answer: &Answer) -> Vec<Words> {
    let columns = answer.cost.tables().iter().flat_map(|(table, _)| table.columns());
    let known: HashMap<String, ColumnWords> = columns.map(|column| (column.name.clone(), column)).collect();
    let words = answer.schema.fields().iter().map(|field| {
        let column = known.get(field.name()).filter(|column| column.type_name == type_name(field.data_type()));
        column.map_or_else(Words::default, |column| Words {
            unit: column.unit.map(str::to_owned),
            meaning: Some(column.meaning.to_owned()),
        })
    });
    words.collect()
}

/// An answer of the sandbox, ready to be written.
pub(super) fn table(api: &Api, answer: Answer, words: Vec<Words>, name: &str) -> Table {
    let limits = api.queries.limits();
    let Answer { schema, rows, cost } = answer;
    Table {
        words,
        rows: rows.map(|batch| batch.map_err(|error| problem(&QueryError::of_rows(error)))).boxed(),
        schema,
        cost,
        limit_rows: limits.rows,
        limit_seconds: limits.time.as_secs(),
        name: name.to_owned(),
    }
}

/// Which kind of problem a question's failure is.
pub(super) fn problem(error: &QueryError) -> Problem {
    match error {
        QueryError::Busy { .. } | QueryError::Overloaded => {
            Problem::of_kind(Kind::TooManyRequests, error).retry_after(BUSY_WAIT)
        }
        QueryError::TooSlow { .. } => Problem::of_kind(Kind::TimedOut, error),
        QueryError::TooLarge { .. } | QueryError::TooMuch { .. } => Problem::of_kind(Kind::LimitReached, error),
        QueryError::Stopped => Problem::of_kind(Kind::Unavailable, error).retry_after(BUSY_WAIT),
        QueryError::Forbidden { .. }
        | QueryError::NotUnderstood { .. }
        | QueryError::Failed { .. }
        | QueryError::Lake { .. }
        | QueryError::NoThreads { .. } => Problem::of(error),
    }
}

/// Until a place for another question may be free.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(2);
