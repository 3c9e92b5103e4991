//! The lake as tables of a DataFusion session, for reading only.

use std::sync::Arc;

use claviger_core::lake::TableName;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Lake;
use super::error::LakeError;
use super::log;
use super::table::Table;

/// Operators that hold more than this spill to the temporary folder.
const MEMORY_BYTES_MAX: usize = 512 << 20;

impl Lake {
    /// Every table that SQL may see, at its newest version. A lake of an earlier version lacks the newer ones until it is
    /// written to.
    pub(super) async fn tables(&self) -> Result<Vec<Table>, LakeError> {
        let mut tables = Vec::with_capacity(TableName::ALL.len());
        for &name in TableName::ALL.iter().filter(|name| !name.is_hidden()) {
            if self.has(name).await? {
                tables.push(self.table(name).await?);
            }
        }
        Ok(tables)
    }

    async fn has(&self, name: TableName) -> Result<bool, LakeError> {
        let objects = self.log_store(name)?.object_store(None);
        log::newest_commit(name, objects.as_ref()).await.map(|newest| newest.is_some())
    }

    /// A session that knows every table by its name, each at its newest version.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn session(&self) -> Result<SessionContext, LakeError> {
        session_over(&self.tables().await?).await
    }

    /// Runs one SELECT statement over the tables at their newest versions.
    ///
    /// # Errors
    /// `Refused` for statements that are wrong or would change anything; others when the lake cannot be read.
    pub fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<SendableRecordBatchStream, LakeError>> {
        async move { select(&self.session().await?, sql).await }.boxed()
    }
}

/// A session that sees these tables at the versions they are at.
///
/// Boxed: a future that is not makes each crate that awaits it compile the SQL planner again.
pub(super) fn session_over(tables: &[Table]) -> BoxFuture<'_, Result<SessionContext, LakeError>> {
    async move {
        let failed = |source| LakeError::Query { source };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX)))
            .build_arc()
            .map_err(failed)?;
        let config = SessionConfig::new().with_information_schema(true);
        let session = SessionContext::new_with_config_rt(config, runtime);
        for table in tables {
            let unreadable = |source| LakeError::Unreadable { table: table.name(), source };
            table.handle().update_datafusion_session(&session.state()).map_err(unreadable)?;
            let provider = table.handle().table_provider().await.map_err(failed)?;
            session.register_table(table.name().name(), provider).map_err(failed)?;
        }
        Ok(session)
    }
    .boxed()
}

/// As [`Lake::query`], in a session at hand.
pub(super) fn select<'a>(
    session: &'a SessionContext,
    sql: &'a str,
) -> BoxFuture<'a, Result<SendableRecordBatchStream, LakeError>> {
    async move {
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let plan = session.sql_with_options(sql, read_only).await.map_err(|source| LakeError::Refused { source })?;
        plan.execute_stream().await.map_err(|source| LakeError::Query { source })
    }
    .boxed()
}
