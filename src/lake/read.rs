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

/// Operators that hold more than this spill to the temporary folder.
const MEMORY_BYTES_MAX: usize = 512 << 20;

impl Lake {
    /// A session that knows every table by its name, each at its newest version.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn session(&self) -> Result<SessionContext, LakeError> {
        let failed = |source| LakeError::Query { source };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX)))
            .build_arc()
            .map_err(failed)?;
        let config = SessionConfig::new().with_information_schema(true);
        let session = SessionContext::new_with_config_rt(config, runtime);
        for name in TableName::ALL {
            let table = self.table(*name).await?;
            let unreadable = |source| LakeError::Unreadable { table: *name, source };
            table.handle().update_datafusion_session(&session.state()).map_err(unreadable)?;
            let provider = table.handle().table_provider().await.map_err(failed)?;
            session.register_table(name.name(), provider).map_err(failed)?;
        }
        Ok(session)
    }

    /// Runs one SELECT statement over the tables at their newest versions.
    ///
    /// Boxed: a future that is not makes each crate that awaits it compile the SQL planner again.
    ///
    /// # Errors
    /// `Refused` for statements that are wrong or would change anything; others when the lake cannot be read.
    pub fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<SendableRecordBatchStream, LakeError>> {
        async move {
            let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let session = self.session().await?;
            let plan =
                session.sql_with_options(sql, read_only).await.map_err(|source| LakeError::Refused { source })?;
            plan.execute_stream().await.map_err(|source| LakeError::Query { source })
        }
        .boxed()
    }
}
