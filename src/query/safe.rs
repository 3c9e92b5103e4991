//! Which conditions may be evaluated on rows that the person who asks must not know of.
//!
//! Those that cannot fail, whatever the row holds: comparisons of a column with a literal, membership in a list of
//! literals, and their combinations. No cast, no arithmetic, no function, no pattern.

use datafusion::logical_expr::{Expr, Operator};

pub(super) fn cannot_fail(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And | Operator::Or => cannot_fail(&binary.left) && cannot_fail(&binary.right),
            Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => {
                matches!(
                    (binary.left.as_ref(), binary.right.as_ref()),
                    (Expr::Column(_), Expr::Literal(..)) | (Expr::Literal(..), Expr::Column(_))
                )
            }
            _ => false,
        },
        Expr::Not(inner) => cannot_fail(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => matches!(inner.as_ref(), Expr::Column(_)),
        Expr::Between(between) => {
            matches!(
                (between.expr.as_ref(), between.low.as_ref(), between.high.as_ref()),
                (Expr::Column(_), Expr::Literal(..), Expr::Literal(..))
            )
        }
        Expr::InList(list) => {
            matches!(list.expr.as_ref(), Expr::Column(_))
                && list.list.iter().all(|item| matches!(item, Expr::Literal(..)))
        }
        _ => false,
    }
}
