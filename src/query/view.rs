//! What a PostgreSQL client sees beside the lake's tables: a database's own catalog, made of what the caller may see.
//!
//! psql's `\d` and the drivers ask `pg_catalog` for tables, columns and types, with functions of its own. Its tables
//! hold names and numbers only. One view serves a whole connection: the numbers of tables are given out as they are
//! asked for, and a client uses them in its next query.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray as _, StringArray};
use arrow::datatypes::DataType;
use claviger_core::access::TenantScope;
use datafusion::catalog::SchemaProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::{FunctionRegistry as _, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{ColumnarValue, LogicalPlan, ScalarUDF, Volatility, create_udf};
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

/// Settings of a database that clients ask for, with the only values they have here.
const SETTINGS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, YMD"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("max_identifier_length", "63"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.6"),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// The value of a setting, by its name in any case.
pub(crate) fn setting(name: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// `current_setting(name)`: null for what is none.
fn current_setting() -> ScalarUDF {
    let values = |arguments: &[ColumnarValue]| {
        let names = ColumnarValue::values_to_arrays(arguments)?;
        let names = arrow::compute::cast(&names[0], &DataType::Utf8)?;
        let found: StringArray = names.as_string::<i32>().iter().map(|name| name.and_then(setting)).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    };
    create_udf("current_setting", vec![DataType::Utf8], DataType::Utf8, Volatility::Stable, Arc::new(values))
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
        session.register_udf(current_setting());
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
