//! The last look before a plan runs: for one tenant, every leaf that reads rows is a barrier.

use std::sync::Arc;

use claviger_core::access::TenantScope;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::streaming::StreamingTableExec;

use super::barrier::TenantScan;
use super::error::QueryError;

/// # Errors
/// When a plan for one tenant reads anything but sealed scans, literals and the catalog: a bug, which then leaks nothing.
pub(super) fn check(plan: &Arc<dyn ExecutionPlan>, scope: &TenantScope) -> Result<(), QueryError> {
    match scope {
        TenantScope::All => Ok(()),
        TenantScope::One(tenant) => leaves(plan, tenant),
    }
}

fn leaves(plan: &Arc<dyn ExecutionPlan>, tenant: &str) -> Result<(), QueryError> {
    let children = plan.children();
    if children.is_empty() && !reads_nothing_foreign(plan.as_ref(), tenant) {
        let found = DataFusionError::Internal(format!("{} stands outside of a barrier", plan.name()));
        return Err(QueryError::failed(&found));
    }
    children.into_iter().try_for_each(|child| leaves(child, tenant))
}

fn reads_nothing_foreign(leaf: &dyn ExecutionPlan, tenant: &str) -> bool {
    if let Some(scan) = leaf.downcast_ref::<TenantScan>() {
        return scan.tenant() == tenant;
    }
    if let Some(source) = leaf.downcast_ref::<DataSourceExec>() {
        // Literals of the text.
        return source.data_source().is::<MemorySourceConfig>();
    }
    // Rows that are made up (`generate_series`), and the catalog, which holds names only.
    leaf.is::<EmptyExec>()
        || leaf.is::<LazyMemoryExec>()
        || leaf.is::<PlaceholderRowExec>()
        || leaf.is::<StreamingTableExec>()
        || leaf.is::<ExplainExec>()
}
