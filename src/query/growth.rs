//! How large a question may make its own values and expressions.
//!
//! `select x || x as x from (select x || x as x from (…))` doubles a text with every level, and the optimizer, which
//! moves conditions below projections, doubles an expression likewise: a few lines of SQL become gigabytes in one call
//! that nothing interrupts. So the plan is measured before it is optimized: for each column, how many times longer than
//! a stored value it can be, and how many expressions it would be written out.
//!
//! Both are upper bounds, and rough: what is refused could often be run.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Subquery};

use super::error::QueryError;
use super::functions;

/// Times the length of a stored value.
const LENGTH_MAX: u64 = 64;
/// Expressions in one, written out.
const WEIGHT_MAX: u64 = 4_000;
/// A literal of so many bytes counts as one stored value.
const LITERAL_BYTES: u64 = 256;
/// What an aggregate collects is bounded by memory alone; so few copies of it may be made.
const COLLECTED: u64 = 16;

/// Refuses a plan whose values or expressions can grow out of proportion.
pub(super) fn check(plan: &LogicalPlan) -> std::result::Result<(), QueryError> {
    measured(plan).map(drop).map_err(QueryError::of_rows)
}

#[derive(Clone, Copy, Debug)]
struct Size {
    length: u64,
    weight: u64,
}

impl Size {
    const ONE: Self = Self { length: 1, weight: 1 };

    fn sum(self, other: Self) -> Self {
        Self { length: self.length.saturating_add(other.length), weight: self.weight.saturating_add(other.weight) }
    }

    /// Either of the two, written out together.
    fn or(self, other: Self) -> Self {
        Self { length: self.length.max(other.length), weight: self.weight.saturating_add(other.weight) }
    }

    fn times(self, factor: u64) -> Self {
        Self { length: self.length.saturating_mul(factor), ..self }
    }

    fn checked(self) -> Result<Self> {
        let refused = |what, found: u64, max: u64| {
            let (found, max) =
                (usize::try_from(found).unwrap_or(usize::MAX), usize::try_from(max).unwrap_or(usize::MAX));
            Err(DataFusionError::External(Box::new(QueryError::TooMuch { what, found, max })))
        };
        if self.length > LENGTH_MAX {
            refused("times the length of a stored value in one of its own", self.length, LENGTH_MAX)
        } else if self.weight > WEIGHT_MAX {
            refused("expressions in one, written out", self.weight, WEIGHT_MAX)
        } else {
            Ok(self)
        }
    }
}

/// The size of each column that the plan yields.
fn measured(plan: &LogicalPlan) -> Result<Vec<Size>> {
    let inputs: Vec<Vec<Size>> = plan.inputs().into_iter().map(measured).collect::<Result<_>>()?;
    let row = Row { sizes: inputs.concat(), schema: merge_schema(&plan.inputs()) };
    let columns = plan.schema().fields().len();
    match plan {
        LogicalPlan::Projection(projection) => row.all(&projection.expr),
        LogicalPlan::Window(window) => {
            let added = row.all(&window.window_expr)?;
            Ok(row.sizes.iter().copied().chain(added.into_iter().map(opaque)).collect())
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = row.all(&aggregate.group_expr)?;
            let values = row.all(&aggregate.aggr_expr)?;
            let widest = groups.iter().copied().fold(Size::ONE, Size::or);
            // Grouping sets yield more columns than there are expressions.
            let sets = columns.saturating_sub(groups.len() + values.len());
            let groups = if sets > 0 { vec![widest; columns - values.len()] } else { groups };
            Ok(groups.into_iter().chain(values.into_iter().map(opaque)).collect())
        }
        LogicalPlan::Union(_) => {
            let widest =
                |at| inputs.iter().filter_map(|input: &Vec<Size>| input.get(at)).copied().fold(Size::ONE, Size::or);
            Ok((0..columns).map(widest).collect())
        }
        LogicalPlan::Values(values) => {
            let mut widest = vec![Size::ONE; columns];
            for (at, expr) in values.values.iter().flat_map(|row| row.iter().enumerate()) {
                widest[at].length = widest[at].length.max(row.size(expr)?.length);
            }
            Ok(widest)
        }
        LogicalPlan::Filter(filter) => row.checked(&[&filter.predicate], columns),
        LogicalPlan::Join(join) => {
            let keys = join.on.iter().flat_map(|(left, right)| [left, right]);
            row.checked(&keys.chain(&join.filter).collect::<Vec<_>>(), columns)
        }
        LogicalPlan::Sort(sort) => row.checked(&sort.expr.iter().map(|sort| &sort.expr).collect::<Vec<_>>(), columns),
        _ => Ok(row.passed(columns)),
    }
}

/// The optimizer does not write out what is behind an aggregate or a window.
fn opaque(size: Size) -> Size {
    Size { weight: 1, ..size }
}

/// What a node's expressions may name.
struct Row {
    sizes: Vec<Size>,
    schema: DFSchema,
}

impl Row {
    /// The columns as they came; where the node yields others (an unnested list, a semi join), the widest for each.
    fn passed(&self, columns: usize) -> Vec<Size> {
        if self.sizes.len() == columns {
            return self.sizes.clone();
        }
        vec![self.sizes.iter().copied().fold(Size::ONE, Size::or); columns]
    }

    fn checked(&self, conditions: &[&Expr], columns: usize) -> Result<Vec<Size>> {
        for condition in conditions {
            self.size(condition)?.checked()?;
        }
        Ok(self.passed(columns))
    }

    fn all(&self, exprs: &[Expr]) -> Result<Vec<Size>> {
        exprs.iter().map(|expr| self.size(expr)?.checked()).collect()
    }

    fn size(&self, expr: &Expr) -> Result<Size> {
        let size = match expr {
            Expr::Column(column) => match self.schema.maybe_index_of_column(column) {
                Some(at) => self.sizes.get(at).copied().unwrap_or(Size::ONE),
                // Of a query around this one.
                None => Size::ONE,
            },
            Expr::Literal(value, _) => Size { length: 1 + text_bytes(value) / LITERAL_BYTES, weight: 1 },
            Expr::BinaryExpr(binary) => {
                let (left, right) = (self.size(&binary.left)?, self.size(&binary.right)?);
                if binary.op == Operator::StringConcat { left.sum(right) } else { left.or(right) }
            }
            Expr::ScalarFunction(call) => self.scalar(call)?,
            Expr::AggregateFunction(call) => {
                let widest = self.widest(&call.params.args)?;
                if functions::collects(call.func.name()) { widest.times(COLLECTED) } else { widest }
            }
            Expr::ScalarSubquery(subquery) => inner(subquery)?,
            Expr::InSubquery(subquery) => self.size(&subquery.expr)?.or(inner(&subquery.subquery)?),
            Expr::Exists(exists) => inner(&exists.subquery)?,
            other => self.children(other)?,
        };
        Ok(Size { weight: size.weight.saturating_add(1), ..size })
    }

    fn children(&self, expr: &Expr) -> Result<Size> {
        use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
        let mut total = Size::ONE;
        expr.apply_children(|child| {
            total = total.or(self.size(child)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(total)
    }

    fn widest(&self, args: &[Expr]) -> Result<Size> {
        args.iter().try_fold(Size::ONE, |widest, arg| Ok(widest.or(self.size(arg)?)))
    }

    fn scalar(&self, call: &ScalarFunction) -> Result<Size> {
        let added = call.args.iter().try_fold(Size { length: 0, weight: 1 }, |sum, arg| Ok(sum.sum(self.size(arg)?)));
        let added: Result<Size> = added;
        match call.func.name() {
            "replace" => Ok(self.widest(&call.args)?.times(growth(call.args.get(1), call.args.get(2)))),
            "regexp_replace" => Ok(self.widest(&call.args)?.times(1 + literal_bytes(call.args.get(2)))),
            "array_to_string" => Ok(self.widest(&call.args)?.times(1 + literal_bytes(call.args.get(1)))),
            "encode" => Ok(self.widest(&call.args)?.times(2)),
            "concat" | "concat_ws" | "overlay" | "make_array" | "struct" | "named_struct" => added,
            _ => self.widest(&call.args),
        }
    }
}

/// How much longer a text gets when each `from` in it becomes `to`.
fn growth(from: Option<&Expr>, to: Option<&Expr>) -> u64 {
    literal_bytes(to).div_ceil(literal_bytes(from).max(1)).max(1)
}

/// Bytes of a literal; of anything else too many.
fn literal_bytes(expr: Option<&Expr>) -> u64 {
    match expr {
        Some(Expr::Literal(value, _)) => text_bytes(value),
        Some(Expr::Cast(cast)) => literal_bytes(Some(&cast.expr)),
        Some(_) => LENGTH_MAX + 1,
        None => 0,
    }
}

fn text_bytes(value: &ScalarValue) -> u64 {
    let text = match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => text,
        _ => return 0,
    };
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn inner(subquery: &Subquery) -> Result<Size> {
    Ok(measured(&subquery.subquery)?.into_iter().fold(Size::ONE, Size::or))
}
