//! The barrier: a table as one tenant sees it, sealed against whatever stands above it.
//!
//! Promise: no expression of the person who asks is evaluated on a row of anybody else. A filter in a view cannot
//! promise that: the optimizer moves expressions below it, and a division by zero on a foreign row then tells of it.
//! So the scan is planned on its own (table, tenant, comparisons that cannot fail) and handed out as a *leaf*: the
//! optimizer finds no child to push anything into, no statistics, and no order. Each batch is compared with the tenant
//! once more on its way out, and rebuilt, so that neither a dictionary nor a shared buffer holds a foreign value.
//!
//! It does not hide how long a scan took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use claviger_core::lake::TableName;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, col, ident, lit};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt as _;

use super::rebuild::rebuilt;
use super::safe;

/// A table of which one tenant's rows exist.
#[derive(Debug)]
pub(super) struct Barrier {
    table: TableName,
    inner: Arc<dyn TableProvider>,
    tenant_column: usize,
    tenant: Arc<str>,
}

impl Barrier {
    pub(super) fn new(table: TableName, inner: Arc<dyn TableProvider>, column: &str, tenant: &str) -> Result<Self> {
        let tenant_column = inner.schema().index_of(column)?;
        Ok(Self { table, inner, tenant_column, tenant: tenant.into() })
    }
}

#[async_trait]
impl TableProvider for Barrier {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| {
            if safe::cannot_fail(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.inner.schema();
        let wanted = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        // The tenant's own column comes along, last, for the comparison at the gate.
        let columns = wanted.iter().chain([&self.tenant_column]).map(|index| ident(schema.field(*index).name()));
        let columns: Vec<Expr> = columns.enumerate().map(|(at, column)| column.alias(format!("c{at}"))).collect();

        let tenant_column = col(schema.field(self.tenant_column).name());
        let mut plan = LogicalPlanBuilder::scan(self.table.name(), provider_as_source(Arc::clone(&self.inner)), None)?
            .filter(tenant_column.eq(lit(self.tenant.as_ref())))?;
        for filter in filters.iter().filter(|filter| safe::cannot_fail(filter)) {
            plan = plan.filter(filter.clone())?;
        }
        plan = plan.project(columns)?;
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        let inner = session.create_physical_plan(&plan.build()?).await?;
        Ok(Arc::new(TenantScan {
            table: self.table,
            tenant: Arc::clone(&self.tenant),
            filters: filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(" AND "),
            properties: Arc::new(sealed_properties(Arc::new(schema.project(&wanted)?), &inner)),
            inner: Sealed(inner),
            own_bytes: Arc::default(),
        }))
    }
}

/// Nothing of the inner plan but how many streams it has: no order, no constants, no constraints.
fn sealed_properties(schema: SchemaRef, inner: &Arc<dyn ExecutionPlan>) -> PlanProperties {
    let streams = inner.properties().partitioning.partition_count();
    PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(streams),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative)
}

/// A plan that is run, and shown to nobody.
struct Sealed(Arc<dyn ExecutionPlan>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sealed")
    }
}

/// The leaf that stands for everything below the barrier.
#[derive(Debug)]
pub(super) struct TenantScan {
    table: TableName,
    tenant: Arc<str>,
    /// As the person wrote them, for EXPLAIN.
    filters: String,
    properties: Arc<PlanProperties>,
    inner: Sealed,
    own_bytes: Arc<AtomicU64>,
}

impl TenantScan {
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Size of the rows that were let through, bytes.
    pub(super) fn own_bytes(&self) -> u64 {
        self.own_bytes.load(Ordering::Relaxed)
    }
}

impl DisplayAs for TenantScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantScan: table={}", self.table)?;
        if self.filters.is_empty() { Ok(()) } else { write!(f, ", filters={}", self.filters) }
    }
}

impl ExecutionPlan for TenantScan {
    fn name(&self) -> &'static str {
        "TenantScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let tenant = StringArray::from(vec![self.tenant.as_ref()]);
        let gate = Gate { schema: Arc::clone(&schema), tenant, own_bytes: Arc::clone(&self.own_bytes) };
        let rows = self.inner.0.execute(partition, context)?.map(move |batch| gate.let_through(&batch?));
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
    }
}

/// Compares every row with the tenant, whatever the plan below promised, and takes the tenant's column off again.
struct Gate {
    schema: SchemaRef,
    tenant: StringArray,
    own_bytes: Arc<AtomicU64>,
}

impl Gate {
    fn let_through(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (tenants, columns) = batch.columns().split_last().ok_or_else(sealed_plan_is_wrong)?;
        let own = self.own(tenants)?;
        let kept = if own.true_count() == own.len() {
            batch.clone()
        } else {
            arrow::compute::filter_record_batch(batch, &own)?
        };
        let columns: Vec<ArrayRef> =
            kept.columns()[..columns.len()].iter().map(rebuilt).collect::<Result<_, arrow::error::ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let own = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        self.own_bytes.fetch_add(u64::try_from(own.get_array_memory_size()).unwrap_or(0), Ordering::Relaxed);
        Ok(own)
    }

    fn own(&self, tenants: &ArrayRef) -> Result<BooleanArray> {
        let tenants = arrow::compute::cast(tenants, &DataType::Utf8)?;
        let own = cmp::eq(&tenants, &arrow::array::Scalar::new(&self.tenant))?;
        Ok(if own.null_count() == 0 { own } else { arrow::compute::prep_null_mask_filter(&own) })
    }
}

fn sealed_plan_is_wrong() -> DataFusionError {
    DataFusionError::Internal("a sealed scan lacks its tenant column".to_owned())
}
