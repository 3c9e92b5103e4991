//! What a plan may be made of: kinds of nodes, functions, types, and how many of each.
//!
//! The plan is judged as the planner made it, before the optimizer: that one already evaluates constants, and so would
//! run the very functions that are to be refused.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, WindowFunctionDefinition};

use super::Trust;
use super::error::QueryError;
use super::functions;
use super::text::at_most;

const NODES_MAX: usize = 400;
const JOINS_MAX: usize = 16;
const SUBQUERIES_MAX: usize = 32;
const EXPRESSIONS_MAX: usize = 20_000;
const PATTERN_BYTES_MAX: usize = 500;

/// By what a plan is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) trust: Trust,
    /// Functions that may be called beside those of the list.
    pub(super) extra: Option<&'a HashSet<String>>,
    /// Whether parameters may still lack their values: the plan is described and not run.
    pub(super) is_described: bool,
}

/// Refuses what only a careless or hostile person asks for. Our own reports are refused only what would change things.
pub(super) fn check(plan: &LogicalPlan, rules: Rules<'_>) -> std::result::Result<(), QueryError> {
    let mut tally = Tally { rules, nodes: 0, joins: 0, subqueries: 0, expressions: 0 };
    plan.apply_with_subqueries(|node| tally.node(node)).map(drop).map_err(unwrapped)
}

fn refuse(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn unwrapped(error: DataFusionError) -> QueryError {
    QueryError::of_rows(error)
}

fn forbid<T>(what: impl Into<String>) -> Result<T> {
    Err(refuse(QueryError::Forbidden { what: what.into() }))
}

struct Tally<'a> {
    rules: Rules<'a>,
    nodes: usize,
    joins: usize,
    subqueries: usize,
    expressions: usize,
}

impl Tally<'_> {
    fn node(&mut self, node: &LogicalPlan) -> Result<TreeNodeRecursion> {
        self.nodes += 1;
        match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::Unnest(_) => {}
            LogicalPlan::Join(_) => self.joins += 1,
            LogicalPlan::Subquery(_) => self.subqueries += 1,
            LogicalPlan::Repartition(_) => return forbid("a repartition"),
            LogicalPlan::Statement(_) => return forbid("a statement other than SELECT"),
            LogicalPlan::Analyze(_) => return forbid("EXPLAIN ANALYZE"),
            LogicalPlan::Extension(_) => return forbid("an extension"),
            LogicalPlan::Dml(_) => return forbid("a statement that changes rows"),
            LogicalPlan::Ddl(_) => return forbid("a statement that changes tables"),
            LogicalPlan::Copy(_) => return forbid("COPY"),
            LogicalPlan::RecursiveQuery(_) => return forbid("a recursive query"),
        }
        if self.rules.trust == Trust::Adhoc {
            at_most("steps in its plan", self.nodes, NODES_MAX).map_err(refuse)?;
            at_most("joins", self.joins, JOINS_MAX).map_err(refuse)?;
            at_most("subqueries", self.subqueries, SUBQUERIES_MAX).map_err(refuse)?;
            node.apply_expressions(|expr| expr.apply(|expr| self.expression(expr)))?;
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn expression(&mut self, expr: &Expr) -> Result<TreeNodeRecursion> {
        self.expressions += 1;
        at_most("expressions", self.expressions, EXPRESSIONS_MAX).map_err(refuse)?;
        match expr {
            Expr::ScalarFunction(call) => scalar(call, self.rules.extra)?,
            Expr::AggregateFunction(call) => aggregate(call)?,
            Expr::WindowFunction(call) => window(call)?,
            Expr::Cast(cast) => castable(cast.field.data_type())?,
            Expr::TryCast(cast) => castable(cast.field.data_type())?,
            Expr::SimilarTo(like) => pattern(&like.pattern)?,
            Expr::BinaryExpr(binary) if is_regex(binary.op) => pattern(&binary.right)?,
            Expr::ScalarVariable(..) => return forbid("a variable"),
            Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => return forbid("a lambda"),
            Expr::Placeholder(placeholder) if !self.rules.is_described => {
                return Err(refuse(QueryError::NotUnderstood {
                    message: format!("the parameter {} has no value", placeholder.id),
                    hint: "give every parameter a value".to_owned(),
                }));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

fn scalar(call: &ScalarFunction, extra: Option<&HashSet<String>>) -> Result<()> {
    let name = call.func.name();
    if !functions::is_scalar_allowed(name) && !extra.is_some_and(|extra| extra.contains(name)) {
        return forbid(format!("the function `{name}`"));
    }
    match call.args.get(1) {
        Some(argument) if functions::takes_pattern(name) || name == "to_char" => pattern(argument),
        _ => Ok(()),
    }
}

fn aggregate(call: &AggregateFunction) -> Result<()> {
    let name = call.func.name();
    if functions::is_aggregate_allowed(name) { Ok(()) } else { forbid(format!("the aggregate `{name}`")) }
}

fn window(call: &WindowFunction) -> Result<()> {
    let name = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => function.name(),
        WindowFunctionDefinition::WindowUDF(function) => function.name(),
    };
    if functions::is_window_allowed(name) { Ok(()) } else { forbid(format!("`{name}` over a window")) }
}

/// Compiling a pattern costs memory that grows with its length.
fn pattern(argument: &Expr) -> Result<()> {
    match argument {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
            at_most("bytes in one pattern", text.len(), PATTERN_BYTES_MAX).map_err(refuse)
        }
        _ => Ok(()),
    }
}

fn is_regex(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch
    )
}

/// A type of fixed size takes that size for every value.
fn castable(to: &DataType) -> Result<()> {
    match to {
        DataType::FixedSizeBinary(_) | DataType::FixedSizeList(..) => forbid(format!("a cast to {to}")),
        DataType::List(item) | DataType::LargeList(item) => castable(item.data_type()),
        _ => Ok(()),
    }
}
