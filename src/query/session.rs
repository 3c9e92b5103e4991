//! The engine's session for one question: a runtime of its own, the caller's catalog, and the functions it may call.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry as _, SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::catalog::{CATALOG, SCHEMA};
use super::view::{Furniture, View};
use super::{Limits, Trust, functions};

/// The states that questions start from: making one registers every function, so it is done once for each trust.
#[derive(Debug)]
pub(super) struct Templates {
    adhoc: SessionState,
    own: SessionState,
    /// Made when the first PostgreSQL client comes.
    furniture: OnceLock<Furniture>,
}

impl Templates {
    pub(super) fn new(limits: &Limits) -> Self {
        let own = SessionStateBuilder::new().with_config(config(limits)).with_default_features().build();
        let mut adhoc = own.clone();
        restrict(&mut adhoc);
        Self { adhoc, own, furniture: OnceLock::new() }
    }

    pub(super) fn furniture(&self) -> Result<&Furniture, DataFusionError> {
        if let Some(made) = self.furniture.get() {
            return Ok(made);
        }
        let made = Furniture::over(&self.adhoc)?;
        Ok(self.furniture.get_or_init(|| made))
    }

    /// What a PostgreSQL client may call beside the allow-list.
    pub(super) fn extra_functions(&self, view: Option<&View>) -> Option<&HashSet<String>> {
        view.and_then(|_| self.furniture.get()).map(|furniture| &furniture.functions)
    }

    /// A session for one question, and the pool that its operators draw from.
    pub(super) fn session(
        &self,
        trust: Trust,
        view: Option<&View>,
        limits: &Limits,
        catalogs: Arc<dyn CatalogProviderList>,
    ) -> Result<(SessionContext, Arc<dyn MemoryPool>), DataFusionError> {
        let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(limits.memory_bytes));
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::OsTmpDirectory)
            .with_max_temp_directory_size(limits.spill_bytes);
        let runtime =
            RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).with_disk_manager_builder(disk).build_arc()?;
        let template = match (view, trust) {
            (Some(_), _) => &self.furniture()?.template,
            (None, Trust::Adhoc) => &self.adhoc,
            (None, Trust::Own) => &self.own,
        };
        let state = SessionStateBuilder::new_from_existing(template.clone())
            .with_runtime_env(runtime)
            .with_catalog_list(catalogs)
            .build();
        Ok((SessionContext::new_with_state(state), pool))
    }
}

fn config(limits: &Limits) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(limits.threads)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    config
}

/// Takes away what is not on the list, so that not even the planner finds it.
fn restrict(state: &mut SessionState) {
    let scalar: Vec<String> = state.udfs().into_iter().collect();
    for name in scalar {
        if state.udf(&name).is_ok_and(|function| !functions::is_scalar_allowed(function.name())) {
            drop(state.deregister_udf(&name));
        }
    }
    let aggregates: Vec<String> = state.udafs().into_iter().collect();
    for name in aggregates {
        if state.udaf(&name).is_ok_and(|function| !functions::is_aggregate_allowed(function.name())) {
            drop(state.deregister_udaf(&name));
        }
    }
    let tables: Vec<String> = state.table_functions().keys().cloned().collect();
    for name in tables {
        drop(state.deregister_udtf(&name));
    }
}
