//! The rows of an answer on their way to the client, counted for the record.

use std::sync::Arc;

use datafusion_postgres::arrow_pg::encode_recordbatch;
use datafusion_postgres::pgwire::api::results::{FieldInfo, SendableRowStream};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::messages::data::DataRow;
use futures::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::refusal::Refusal;
use super::written::Written;
use crate::query::{Answer, QueryError};

/// Reads the rows as fast as the client takes them. The record is written when they end, or are dropped.
pub(super) fn rows(
    answer: Answer,
    shape: Arc<Vec<FieldInfo>>,
    deadline: Option<Instant>,
    mut written: Written,
) -> SendableRowStream {
    let Answer { rows, cost, .. } = answer;
    written.answered(&cost);
    let batches = stream::unfold(Some((rows, written)), move |reading| {
        let (cost, shape) = (Arc::clone(&cost), Arc::clone(&shape));
        async move {
            let (mut rows, mut written) = reading?;
            let refused = match in_time(deadline, rows.next()).await {
                Ok(Some(Ok(batch))) => {
                    let encoded: Vec<PgWireResult<DataRow>> = encode_recordbatch(shape, batch).collect();
                    let sizes = encoded.iter().filter_map(|row| row.as_ref().ok()).map(|row| row.data.len());
                    written.sent(sizes.sum());
                    return Some((encoded, Some((rows, written))));
                }
                Ok(None) if !cost.is_cut() => {
                    written.done();
                    return None;
                }
                Ok(None) => Refusal::Cut { rows: cost.rows() },
                Ok(Some(Err(error))) => Refusal::Query(QueryError::of_rows(error)),
                Err(late) => late,
            };
            Some((vec![Err(written.refused(refused).into())], None))
        }
    });
    Box::pin(batches.flat_map(stream::iter))
}

/// What the work yields, unless the client's own time limit comes first.
pub(super) async fn in_time<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T, Refusal> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.map_err(|_| Refusal::TimedOut),
        None => Ok(work.await),
    }
}
