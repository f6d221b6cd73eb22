//! What a source may leave out before it decodes a row.
//!
//! The filters stay where they are; the source is only told what all of its readers filter anyway. A row that it leaves out does not move the
//! watermark. So where a window or a table's age depends on the source's time, only lower bounds on that time are told: rows before the bound
//! cannot bring the watermark to any window that a row after it belongs to. And they are told only to a source that ends: in one that goes on,
//! a partition of which nothing but skipped rows comes would count as idle.

use super::{
    fallible::cannot_fail,
    rewrite::{is_observed, readers},
};
use crate::{JoinBound, Node, NodeId, Op, Plan, RowStageKind, StreamKind};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::{
    ScalarValue,
    tree_node::{Transformed, TreeNodeRecursion},
};
use datafusion_expr::{Between, BinaryExpr, Expr, Operator, utils::split_conjunction};
use runink_connector_api::{CompareOp, Literal, Predicate};

/// How many conditions a source is told at most: each costs time on every row.
pub(super) const MAX_PREDICATES: usize = 16;

pub(super) fn pass(mut plan: Plan, observe: &[String]) -> Transformed<Plan> {
    let readers = readers(&plan);
    let mut changed = false;
    for (at, readers) in readers.iter().enumerate() {
        let id = NodeId(at);
        let source = plan.node(id);
        if !matches!(source.op, Op::Source(_)) {
            continue;
        }
        let tellable = source.kind == StreamKind::AppendOnly && !is_observed(&plan, id, observe);
        let mut told = if tellable { asked_by_all(&plan, readers, &source.schema) } else { Vec::new() };
        if time_matters(&plan, id) {
            let time = source.time.as_ref().and_then(|t| source.schema.fields().get(t.column)).map(|f| f.name().clone());
            let ends = source.bounded;
            told.retain(|p| ends && time.as_ref() == Some(&p.column) && matches!(p.op, CompareOp::Gt | CompareOp::Ge));
        }
        told.truncate(MAX_PREDICATES);
        if let Op::Source(op) = &mut plan.nodes[at].op {
            changed |= op.predicates != told;
            op.predicates = told;
        }
    }
    Transformed::new(plan, changed, TreeNodeRecursion::Continue)
}

/// Whether any result depends on how far the source's watermark has come, and when.
fn time_matters(plan: &Plan, source: NodeId) -> bool {
    plan.nodes.iter().any(|node| {
        node.watermark_of.contains(&source)
            && match &node.op {
                Op::Aggregate(op) => op.window.as_ref().is_some_and(|w| w.time.is_some()) || op.ttl_us.is_some(),
                Op::Changes(op) => op.ttl_us.is_some(),
                Op::TableJoin(op) => op.ttl_us.is_some(),
                Op::Match(_) | Op::Check(_) => true,
                Op::StreamJoin(op) => op.bound != JoinBound::Unbounded { ttl_us: None },
                Op::Rank(op) => op.time().is_some() || op.ttl_us().is_some(),
                Op::First(op) => op.settled || op.within_us.is_some() || op.ttl_us.is_some(),
                Op::Neighbour(_) | Op::Running(_) => true,
                _ => false,
            }
    })
}

/// The conditions that every reader asks first, before it does anything else to a row.
fn asked_by_all(plan: &Plan, readers: &[NodeId], schema: &SchemaRef) -> Vec<Predicate> {
    let mut asked = readers.iter().map(|&r| first_conditions(plan.node(r), schema));
    let Some(first) = asked.next() else { return Vec::new() };
    asked.fold(first, |common, other| common.into_iter().filter(|p| other.contains(p)).collect())
}

fn first_conditions(reader: &Node, schema: &SchemaRef) -> Vec<Predicate> {
    let Op::Rows(stages) = &reader.op else { return Vec::new() };
    let filters = stages.iter().map_while(|s| match &s.kind {
        // A row on which a filter fails is rejected, not left out.
        RowStageKind::Filter(e) if cannot_fail(e, schema) => Some(e),
        _ => None,
    });
    let mut predicates: Vec<Predicate> = Vec::new();
    for predicate in filters.flat_map(split_conjunction).flat_map(|part| to_predicates(part, schema)) {
        if !predicates.contains(&predicate) {
            predicates.push(predicate);
        }
    }
    predicates
}

/// A condition as predicates, all of which must hold; none where it has no such form.
fn to_predicates(part: &Expr, schema: &SchemaRef) -> Vec<Predicate> {
    let one = |column: &Expr, op: CompareOp, value: &Expr| predicate(column, op, value, schema);
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (Some(op), Some(swapped)) = (compare(*op), op.swap().and_then(compare)) else { return Vec::new() };
            one(left, op, right).or_else(|| one(right, swapped, left)).into_iter().collect()
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            one(expr, CompareOp::Ge, low).into_iter().chain(one(expr, CompareOp::Le, high)).collect()
        }
        Expr::Column(_) | Expr::IsTrue(_) => {
            let column = if let Expr::IsTrue(inner) = part { inner } else { part };
            one(column, CompareOp::Eq, &true_literal()).into_iter().collect()
        }
        Expr::Not(inner) => one(inner, CompareOp::Eq, &Expr::Literal(ScalarValue::Boolean(Some(false)), None)).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn true_literal() -> Expr {
    Expr::Literal(ScalarValue::Boolean(Some(true)), None)
}

fn compare(op: Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::Ne,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::Le,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::Ge,
        _ => return None,
    })
}

fn predicate(column: &Expr, op: CompareOp, value: &Expr, schema: &SchemaRef) -> Option<Predicate> {
    let (Expr::Column(column), Expr::Literal(value, _)) = (column, value) else { return None };
    let field = schema.field_with_name(&column.name).ok()?;
    if *field.data_type() != value.data_type() {
        return None;
    }
    Some(Predicate { column: column.name.clone(), op, value: literal(value)? })
}

fn literal(value: &ScalarValue) -> Option<Literal> {
    Some(match value {
        ScalarValue::Boolean(Some(b)) => Literal::Bool(*b),
        ScalarValue::Int8(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::Int16(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::Int32(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::Int64(Some(n)) => Literal::Int(*n),
        ScalarValue::UInt8(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::UInt16(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::UInt32(Some(n)) => Literal::Int(i64::from(*n)),
        ScalarValue::UInt64(Some(n)) => Literal::Int(i64::try_from(*n).ok()?),
        ScalarValue::Float32(Some(x)) => Literal::Float(f64::from(*x)),
        ScalarValue::Float64(Some(x)) => Literal::Float(*x),
        ScalarValue::Date32(Some(days)) => Literal::Int(i64::from(*days)),
        ScalarValue::TimestampSecond(Some(t), None)
        | ScalarValue::TimestampMillisecond(Some(t), None)
        | ScalarValue::TimestampMicrosecond(Some(t), None)
        | ScalarValue::TimestampNanosecond(Some(t), None) => Literal::Int(*t),
        ScalarValue::Utf8(Some(text)) => Literal::Text(text.clone()),
        _ => return None,
    })
    .filter(|l| !matches!(l, Literal::Float(x) if x.is_nan()) && !matches!(value.data_type(), DataType::Float16))
}
