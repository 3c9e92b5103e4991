//! What a PostgreSQL client sees beside the lake's tables: a database's own catalog, made of what the caller may see.
//!
//! psql's `\d` and the drivers ask `pg_catalog` for tables, columns and types, with functions of its own. Its tables
//! hold names and numbers only. One view serves a whole connection: the numbers of tables are given out as they are
//! asked for, and a client uses them in its next query.

use std::collections::HashSet;
use std::sync::Arc;

use claviger_core::access::TenantScope;
use datafusion::catalog::SchemaProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::{FunctionRegistry as _, SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;

use super::catalog::{self, CATALOG, Named};
use super::tables::Tables;

/// The only function of it that stands for a table: a list of words.
const KEYWORDS: &str = "pg_get_keywords";

/// One connection's `pg_catalog`.
#[derive(Clone, Debug)]
pub(crate) struct View(pub(super) Arc<dyn SchemaProvider>);

/// A statement that was planned and not run.
#[derive(Debug)]
pub(crate) struct Described(pub(super) LogicalPlan);

impl Described {
    pub(crate) const fn plan(&self) -> &LogicalPlan {
        &self.0
    }
}

/// What all views share.
#[derive(Debug)]
pub(super) struct Furniture {
    fixed: Arc<PgCatalogStaticTables>,
    /// The state that questions of a PostgreSQL client start from.
    pub(super) template: SessionState,
    /// Functions that exist for such clients only.
    pub(super) functions: HashSet<String>,
}

impl Furniture {
    pub(super) fn over(adhoc: &SessionState) -> Result<Self, DataFusionError> {
        let nobody = Arc::new(Tables::none());
        let catalogs = catalog::for_caller(&nobody, &TenantScope::All, &Named::default(), None)?;
        let state = SessionStateBuilder::new_from_existing(adhoc.clone()).with_catalog_list(catalogs).build();
        let session = SessionContext::new_with_state(state);
        setup_pg_catalog(&session, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
        let mut template = session.state();
        let tables: Vec<String> = template.table_functions().keys().cloned().collect();
        for name in tables.iter().filter(|name| *name != KEYWORDS) {
            drop(template.deregister_udtf(name)?);
        }
        let known = adhoc.udfs();
        let functions = template.udfs().into_iter().filter(|name| !known.contains(name)).collect();
        Ok(Self { fixed: Arc::new(PgCatalogStaticTables::try_new()?), template, functions })
    }

    pub(super) fn view(&self, tables: &Arc<Tables>, scope: &TenantScope) -> Result<View, DataFusionError> {
        let seen = catalog::for_caller(tables, scope, &Named::default(), None)?;
        let provider = PgCatalogSchemaProvider::try_new(seen, Arc::clone(&self.fixed), EmptyContextProvider)?;
        Ok(View(Arc::new(provider)))
    }
}
