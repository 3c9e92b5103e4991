//! What one question sees of the lake: the tables its caller may name, each behind its barrier.
//!
//! A table is opened when the planner asks for it, so a question costs only what it names.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use claviger_core::access::TenantScope;
use claviger_core::lake::TableName;
use datafusion::catalog::{
    CatalogProvider as _, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::TableType;

use super::barrier::Barrier;
use super::tables::{Sight, Tables, sight, visible};
use super::view::View;

pub(super) const CATALOG: &str = "claviger";
pub(super) const SCHEMA: &str = "public";
const PG_SCHEMA: &str = "pg_catalog";

/// The tables that a question named, with their versions, in the order they were opened.
pub(super) type Named = Arc<Mutex<Vec<(TableName, u64)>>>;

#[derive(Debug)]
struct Visible {
    tables: Arc<Tables>,
    scope: TenantScope,
    named: Named,
}

/// A catalog of its own for one question; with a database's own tables for clients that look for them.
pub(super) fn for_caller(
    tables: &Arc<Tables>,
    scope: &TenantScope,
    named: &Named,
    view: Option<&View>,
) -> Result<Arc<dyn CatalogProviderList>, DataFusionError> {
    let schema = Visible { tables: Arc::clone(tables), scope: scope.clone(), named: Arc::clone(named) };
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    if let Some(view) = view {
        catalog.register_schema(PG_SCHEMA, Arc::clone(&view.0))?;
    }
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}

impl Visible {
    fn named(&self, name: &str) -> Option<TableName> {
        visible(&self.scope).find(|table| table.name() == name)
    }
}

#[async_trait]
impl SchemaProvider for Visible {
    fn table_names(&self) -> Vec<String> {
        visible(&self.scope).map(|table| table.name().to_owned()).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>, DataFusionError> {
        Ok(self.named(name).map(|_| TableType::Base))
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(table) = self.named(name) else { return Ok(None) };
        let fresh = self.tables.newest(table).await?;
        self.named.lock().unwrap_or_else(PoisonError::into_inner).push((table, fresh.version));
        Ok(match (&self.scope, sight(table)) {
            (TenantScope::All, Sight::Tenant { .. } | Sight::Operator) => Some(fresh.provider),
            (TenantScope::One(tenant), Sight::Tenant { column }) => {
                Some(Arc::new(Barrier::new(table, fresh.provider, column, tenant)?))
            }
            (TenantScope::One(_), Sight::Operator) | (_, Sight::Nobody) => None,
        })
    }
}
