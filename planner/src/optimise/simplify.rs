//! Constants folded, expressions simplified, filters that are always true removed.
//!
//! DataFusion's simplifier may drop a part that could fail (`x / 0 = 1 and false`). So it only sees parts that cannot fail; of the others
//! just their constants are computed, with checked arithmetic, as the engine would.

use super::{fallible::cannot_fail, rewrite::ColumnTypes};
use crate::{MatchOp, Node, Op, Plan, RowStage, RowStageKind, StreamJoinOp, TableJoinOp};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_common::{
    DFSchema, DFSchemaRef, ScalarValue,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator, simplify::SimplifyContext};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use std::sync::Arc;

pub(super) fn pass(mut plan: Plan, _observe: &[String]) -> Transformed<Plan> {
    let schemas: Vec<SchemaRef> = plan.nodes.iter().map(|n| n.schema.clone()).collect();
    let changed = plan.nodes.iter_mut().fold(false, |changed, node| simplify_node(node, &schemas) | changed);
    Transformed::new(plan, changed, TreeNodeRecursion::Continue)
}

fn simplify_node(node: &mut Node, schemas: &[SchemaRef]) -> bool {
    match &mut node.op {
        Op::Rows(stages) => match node.inputs.first() {
            Some(input) => simplify_stages(stages, schemas[input.0].clone()),
            None => false,
        },
        Op::TableJoin(TableJoinOp { condition, .. }) | Op::StreamJoin(StreamJoinOp { condition, .. }) => {
            condition.as_mut().is_some_and(|(expr, schema)| simplify_in_place(expr, schema))
        }
        Op::Match(op) => {
            let MatchOp { events, condition_schema, .. } = op.as_mut();
            let joints = events.iter_mut().filter_map(|e| e.joint.as_mut());
            joints.fold(false, |changed, joint| simplify_in_place(joint, condition_schema) | changed)
        }
        _ => false,
    }
}

fn simplify_stages(stages: &mut Vec<RowStage>, input: SchemaRef) -> bool {
    let before = stages.len();
    let mut schema = input;
    let mut changed = false;
    stages.retain_mut(|stage| {
        match &mut stage.kind {
            RowStageKind::Filter(expr) => changed |= simplify_in_place(expr, &schema),
            RowStageKind::Expect(expect) => changed |= simplify_in_place(&mut expect.predicate, &schema),
            RowStageKind::Project(exprs) => {
                for (expr, _) in exprs {
                    changed |= simplify_in_place(expr, &schema);
                }
            }
            RowStageKind::Unnest { .. } | RowStageKind::Expand { .. } => {}
        }
        schema = stage.schema.clone();
        !matches!(&stage.kind, RowStageKind::Filter(Expr::Literal(ScalarValue::Boolean(Some(true)), _)))
    });
    changed || stages.len() < before
}

fn simplify_in_place(expr: &mut Expr, schema: &SchemaRef) -> bool {
    if matches!(expr, Expr::Column(_) | Expr::Literal(..)) {
        return false;
    }
    let Ok(typed) = DFSchema::try_from(schema.as_ref().clone()) else { return false };
    let simple = Simplifier::new(schema, Arc::new(typed)).simplify(expr.clone());
    let changed = simple != *expr;
    *expr = simple;
    changed
}

struct Simplifier<'a> {
    schema: &'a Schema,
    library: ExprSimplifier,
}

impl<'a> Simplifier<'a> {
    fn new(schema: &'a Schema, typed: DFSchemaRef) -> Self {
        Simplifier { schema, library: ExprSimplifier::new(SimplifyContext::builder().with_schema(typed).build()) }
    }

    fn simplify(&self, expr: Expr) -> Expr {
        if cannot_fail(&expr, self.schema) {
            return self.by_library(expr);
        }
        let original = expr.clone();
        let Ok(expr) = expr.map_children(|child| Ok(Transformed::yes(self.simplify(child)))) else { return original };
        let expr = self.fold(expr.data);
        if cannot_fail(&expr, self.schema) { self.by_library(expr) } else { expr }
    }

    /// Everything that DataFusion knows. Only for what cannot fail; kept only if it still cannot, and has the same type.
    fn by_library(&self, expr: Expr) -> Expr {
        match self.library.simplify(expr.clone()) {
            Ok(simple) if self.same_type(&simple, &expr) && cannot_fail(&simple, self.schema) => simple,
            _ => expr,
        }
    }

    /// One node that may fail, its children being simple already.
    fn fold(&self, expr: Expr) -> Expr {
        if let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) = expr {
            return self.short_circuit(*left, op, *right);
        }
        let mut constant = true;
        let visited = expr.apply_children(|child| {
            constant &= matches!(child, Expr::Literal(..));
            Ok(TreeNodeRecursion::Continue)
        });
        if !constant || visited.is_err() || matches!(expr, Expr::Column(_) | Expr::Literal(..)) {
            return expr;
        }
        match self.value(&expr) {
            Some(value) if self.same_type(&value, &expr) => value,
            _ => expr,
        }
    }

    /// The value of an expression over constants; `None` where it has none, because it fails.
    fn value(&self, expr: &Expr) -> Option<Expr> {
        if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr
            && let (Expr::Literal(l, _), Expr::Literal(r, _)) = (left.as_ref(), right.as_ref())
            && l.data_type().is_integer()
        {
            // The library's own evaluation would wrap where the engine's fails.
            let value = match op {
                Operator::Plus => Some(l.add_checked(r)),
                Operator::Minus => Some(l.sub_checked(r)),
                Operator::Multiply => Some(l.mul_checked(r)),
                _ => None,
            };
            if let Some(value) = value {
                return value.ok().map(|v| Expr::Literal(v, None));
            }
        }
        self.library.simplify(expr.clone()).ok().filter(|e| matches!(e, Expr::Literal(..)))
    }

    /// `and` and `or` look at the left side first, and at the right one only where it matters. So a constant on the left decides; one on
    /// the right only removes what cannot fail.
    fn short_circuit(&self, left: Expr, op: Operator, right: Expr) -> Expr {
        let decides = op == Operator::Or;
        let constant = |e: &Expr| match e {
            Expr::Literal(ScalarValue::Boolean(Some(b)), _) => Some(*b),
            _ => None,
        };
        match (constant(&left), constant(&right)) {
            (Some(l), _) if l == decides => left,
            (Some(_), _) => right,
            (_, Some(r)) if r != decides => left,
            _ => Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))),
        }
    }

    fn same_type(&self, a: &Expr, b: &Expr) -> bool {
        let types = ColumnTypes(self.schema);
        matches!((a.get_type(&types), b.get_type(&types)), (Ok(a), Ok(b)) if a == b)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::datatypes::{DataType, Field};
    use datafusion_expr::{cast, col, lit};

    fn simplified(expr: Expr) -> String {
        let schema = Schema::new(vec![Field::new("i", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
        let mut expr = expr;
        simplify_in_place(&mut expr, &Arc::new(schema));
        expr.to_string()
    }

    #[test]
    fn constants_are_computed() {
        assert_eq!(simplified(col("i").gt(lit(2_i64) * lit(3_i64) + lit(1_i64))), "i > Int64(7)");
        assert_eq!(simplified(lit(5_i64).lt(col("i"))), "i > Int64(5)");
        assert_eq!(simplified(col("i").gt(lit(1_i64)).and(lit(true))), "i > Int64(1)");
    }

    #[test]
    fn what_fails_stays() {
        assert_eq!(simplified(lit(1_i64) / lit(0_i64)), "Int64(1) / Int64(0)");
        assert_eq!(simplified(lit(i64::MAX) + lit(1_i64)), "Int64(9223372036854775807) + Int64(1)");
        assert_eq!(simplified(cast(lit("abc"), DataType::Int64)), "CAST(Utf8(\"abc\") AS Int64)");
        assert_eq!(simplified((lit(1_i64) / col("i")).eq(lit(1_i64)).and(lit(false))), "Int64(1) / i = Int64(1) AND Boolean(false)");
        assert_eq!(simplified((col("i") * lit(0_i64)).eq(lit(0_i64))), "i * Int64(0) = Int64(0)");
    }

    #[test]
    fn a_constant_on_the_left_decides() {
        assert_eq!(simplified(lit(false).and((lit(1_i64) / col("i")).eq(lit(1_i64)))), "Boolean(false)");
        assert_eq!(simplified(lit(true).and((lit(1_i64) / col("i")).eq(lit(1_i64)))), "Int64(1) / i = Int64(1)");
    }
}
