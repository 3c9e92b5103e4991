//! Tables held at one version, for answers that must agree with each other: a count, the rows counted, and the positions.

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use claviger_core::lake::{StreamTable, TableName};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use super::Lake;
use super::error::LakeError;
use super::read::session_over;
use super::table::Table;

/// Every table at the version it had when this was made.
pub struct Pinned {
    session: SessionContext,
    versions: Vec<(TableName, u64)>,
    streams: Vec<String>,
}

impl Lake {
    /// Holds every table at its newest version.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn pinned(&self) -> BoxFuture<'_, Result<Pinned, LakeError>> {
        async move {
            let tables = self.tables().await?;
            let session = session_over(&tables).await?;
            let versions = tables.iter().map(|table| (table.name(), table.version())).collect();
            Ok(Pinned { session, versions, streams: stream_positions(&tables) })
        }
        .boxed()
    }
}

/// `<table> <stream> next <offset>` of every stream that ingestion has read, ordered.
pub(super) fn stream_positions(tables: &[Table]) -> Vec<String> {
    let mut positions = Vec::new();
    for table in tables.iter().filter(|table| StreamTable::ALL.iter().any(|stream| stream.table() == table.name())) {
        for (app_id, next) in table.transactions() {
            // Other transactions of ours have fewer parts.
            if app_id.strip_prefix("claviger/").is_some_and(|rest| rest.split('/').count() >= 4) {
                let shown = app_id.replace(|c: char| c.is_control(), "?");
                positions.push(format!("{} {shown} next {next}", table.name()));
            }
        }
    }
    positions.sort_unstable();
    positions
}

impl Pinned {
    #[must_use]
    pub fn version(&self, table: TableName) -> Option<u64> {
        self.versions.iter().find(|(name, _)| *name == table).map(|(_, version)| *version)
    }

    /// How far each stream was read, in words.
    #[must_use]
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// Runs a SELECT of ours with its values bound by name.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn select<'a>(
        &'a self,
        sql: &'a str,
        values: &'a [(&'static str, ScalarValue)],
    ) -> BoxFuture<'a, Result<SendableRecordBatchStream, LakeError>> {
        async move {
            let failed = |source| LakeError::Query { source };
            let plan = self.session.sql(sql).await.map_err(failed)?;
            let values: Vec<(&str, ScalarValue)> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
            plan.with_param_values(values).map_err(failed)?.execute_stream().await.map_err(failed)
        }
        .boxed()
    }

    /// Pairs of numbers that a SELECT gives.
    ///
    /// # Errors
    /// As for [`Pinned::select`].
    pub async fn pairs(&self, sql: &str, values: &[(&'static str, ScalarValue)]) -> Result<Vec<(i64, i64)>, LakeError> {
        let mut rows = self.select(sql, values).await?;
        let mut pairs = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|source| LakeError::Query { source })?;
            let column = |at: usize| batch.column(at).as_primitive_opt::<Int64Type>();
            let (Some(left), Some(right)) = (column(0), column(1)) else { continue };
            pairs.extend(left.values().iter().copied().zip(right.values().iter().copied()));
        }
        Ok(pairs)
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pinned").field("versions", &self.versions).finish_non_exhaustive()
    }
}
