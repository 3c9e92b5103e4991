//! Parameters of prepared statements: which types they have, and the values that a client bound.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion_postgres::arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use datafusion_postgres::arrow_pg::datatypes::into_pg_type;
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::portal::Portal;
use datafusion_postgres::pgwire::error::PgWireResult;

use super::refusal;

/// The types that a plan gives its parameters `$1`, `$2`…, in that order; `None` where it does not care.
pub(super) fn types(plan: &LogicalPlan) -> PgWireResult<Vec<Option<DataType>>> {
    let inferred = plan.get_parameter_types().map_err(refusal::of_protocol)?;
    let casts = cast_types(plan).map_err(refusal::of_protocol)?;
    let number = |id: &str| id.trim_start_matches('$').parse::<usize>().ok();
    let numbered: BTreeMap<usize, Option<DataType>> = inferred
        .into_iter()
        .filter_map(|(id, kind)| Some((number(&id)?, kind.or_else(|| casts.get(&id).cloned()))))
        .collect();
    let last = numbered.keys().last().copied().unwrap_or(0).min(PARAMETERS_MAX);
    Ok((1..=last).map(|number| numbered.get(&number).cloned().flatten()).collect())
}

/// `$1::bigint` tells the type of `$1` although nothing compares it.
fn cast_types(plan: &LogicalPlan) -> datafusion::error::Result<BTreeMap<String, DataType>> {
    let mut found = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Cast(cast) = expr
                    && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                {
                    found.insert(placeholder.id.clone(), cast.field.data_type().clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// As a client is told of them.
pub(super) fn wire_types(types: &[Option<DataType>]) -> PgWireResult<Vec<Type>> {
    types.iter().map(|kind| kind.as_ref().map_or(Ok(Type::TEXT), into_pg_type)).collect()
}

/// The values of a portal, by the names that the sandbox binds.
pub(super) fn values<S: Clone>(
    portal: &Portal<S>,
    types: &[Option<DataType>],
) -> PgWireResult<Vec<(String, ScalarValue)>> {
    let wire = wire_types(types)?;
    let wire: Vec<Option<&Type>> = wire.iter().map(Some).collect();
    let inferred: Vec<Option<&DataType>> = types.iter().map(Option::as_ref).collect();
    let values = match deserialize_parameters_with_server_types(portal, &inferred, &wire)? {
        ParamValues::List(values) => values,
        ParamValues::Map(_) => Vec::new(),
    };
    Ok(values.into_iter().enumerate().map(|(at, value)| ((at + 1).to_string(), value.value)).collect())
}

/// What the protocol can count.
const PARAMETERS_MAX: usize = 65_535;
