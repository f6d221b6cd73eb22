//! A slow, plain reading of plans: row by row, value by value, written from `semantics.md`.

use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use runink_connector_api::{CompareOp, Literal, Predicate};
use runink_planner::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

/// A row, and which row of which source it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) values: Vec<Value>,
    pub(crate) origin: (String, usize),
}

/// What a plan did: the rows of every named output, and who rejected (or was alerted by) which row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) outputs: BTreeMap<String, Vec<Vec<Value>>>,
    pub(crate) turned_away: Vec<(String, String, (String, usize))>,
}

/// Runs a plan over the rows of its sources (all their columns).
pub(crate) fn run(plan: &Plan, sources: &BTreeMap<String, Vec<Vec<Value>>>, observe: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut done: Vec<Vec<Row>> = Vec::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let input = |i: usize| done[node.inputs[i].0].clone();
        let below = |i: usize| plan.node(node.inputs[i]);
        let rows = match &node.op {
            Op::Source(op) => read(&node.name, op, &sources[&node.name]),
            Op::Rows(stages) => stages_over(stages, input(0), names(below(0)), &mut outcome),
            Op::Union => (0..node.inputs.len()).flat_map(input).collect(),
            Op::Output | Op::Sink(_) => input(0),
            Op::Aggregate(op) => aggregate(op, &input(0), &names(below(0))),
            Op::Changes(op) => newest(op, input(0)),
            Op::TableJoin(op) => join(op, input(0), &input(1)),
            Op::Rejected => panic!("no plan here reads rejects"),
            Op::StreamJoin(_) => panic!("no plan here joins streams"),
            Op::Rank(op) => rank(op, input(0)),
            Op::First(_) | Op::Neighbour(_) | Op::Running(_) => panic!("no plan here has a time"),
            Op::Match(_) => panic!("no plan here matches patterns"),
            Op::Check(op) => {
                // Which rows it sees, when they are, and which of them count, is all that it goes by.
                let Demand::Share { of, .. } = &op.demand else { panic!("only shares here") };
                let names = names(below(0));
                let counts = |row: &Row| eval(of, &names, &row.values) == Ok(Value::Bool(true));
                let mut seen: Vec<_> =
                    input(0).iter().map(|row| vec![row.values[op.time.column].clone(), Value::Bool(counts(row))]).collect();
                seen.sort();
                outcome.outputs.insert(node.name.clone(), seen);
                Vec::new()
            }
            Op::Iterate(op) => {
                let inputs: Vec<Vec<Row>> = (0..node.inputs.len()).map(input).collect();
                rounds(op, &inputs, &mut outcome)
            }
            Op::Fed(_) => panic!("rows of a round outside of one"),
            Op::Form(_) => panic!("no plan here writes changes"),
        };
        let watched = observe.contains(&node.name) && plan.output_of(&node.name) == Some(NodeId(id));
        if watched || matches!(node.op, Op::Sink(_)) {
            let mut seen: Vec<_> = rows.iter().map(|r| r.values.clone()).collect();
            seen.sort();
            outcome.outputs.insert(node.name.clone(), seen);
        }
        done.push(rows);
    }
    outcome.turned_away.sort();
    outcome
}

fn names(node: &Node) -> Vec<String> {
    node.schema.fields().iter().map(|f| f.name().clone()).collect()
}

fn read(name: &str, op: &SourceOp, rows: &[Vec<Value>]) -> Vec<Row> {
    let value = |row: &[Value], column: &str| row[op.full_schema.index_of(column).unwrap()].clone();
    let passes = |row: &[Value]| op.predicates.iter().all(|p| told(p, &value(row, &p.column)));
    let picked = |row: &[Value]| op.projection.iter().map(|&c| row[c].clone()).collect();
    let rows = rows.iter().enumerate().filter(|(_, r)| passes(r));
    rows.map(|(i, r)| Row { values: picked(r), origin: (name.to_owned(), i) }).collect()
}

fn told(predicate: &Predicate, value: &Value) -> bool {
    let wanted = match &predicate.value {
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Int(n) => Value::Int(*n),
        Literal::Text(t) => Value::Text(t.clone()),
        Literal::Float(_) => panic!("no floats here"),
    };
    if *value == Value::Null {
        return false;
    }
    match predicate.op {
        CompareOp::Eq => *value == wanted,
        CompareOp::Ne => *value != wanted,
        CompareOp::Lt => *value < wanted,
        CompareOp::Le => *value <= wanted,
        CompareOp::Gt => *value > wanted,
        CompareOp::Ge => *value >= wanted,
    }
}

fn stages_over(stages: &[RowStage], mut rows: Vec<Row>, mut columns: Vec<String>, outcome: &mut Outcome) -> Vec<Row> {
    for stage in stages {
        let mut next = Vec::new();
        for row in rows {
            let at = |e: &Expr| eval(e, &columns, &row.values);
            let mut turn_away = |why: &str| outcome.turned_away.push((stage.step.clone(), why.to_owned(), row.origin.clone()));
            match &stage.kind {
                RowStageKind::Filter(e) => match at(e) {
                    Ok(Value::Bool(true)) => next.push(row),
                    Ok(_) => {}
                    Err(Failed) => turn_away("expression"),
                },
                RowStageKind::Project(exprs) => match exprs.iter().map(|(e, _)| at(e)).collect() {
                    Ok(values) => next.push(Row { values, ..row }),
                    Err(Failed) => turn_away("expression"),
                },
                RowStageKind::Expect(expect) => {
                    let holds = match at(&expect.predicate) {
                        Ok(value) => value == Value::Bool(true),
                        Err(Failed) => {
                            turn_away("expression");
                            continue;
                        }
                    };
                    if !holds {
                        turn_away(&expect.text);
                    }
                    match &expect.otherwise {
                        ExpectAction::Tag(_) => {
                            let mut values = row.values;
                            values.push(Value::Bool(!holds));
                            next.push(Row { values, ..row });
                        }
                        ExpectAction::Alert => next.push(row),
                        ExpectAction::Reject if holds => next.push(row),
                        ExpectAction::Reject => {}
                        ExpectAction::Fail => panic!("no plan here stops"),
                    }
                }
                RowStageKind::Unnest { .. } => panic!("no lists here"),
                RowStageKind::Expand { keys, sets } => {
                    for set in sets {
                        let mut values = row.values.clone();
                        values.extend(keys.iter().zip(set).map(|(&k, &has)| if has { row.values[k].clone() } else { Value::Null }));
                        values.push(Value::Int(i64::from(grouping_id(set))));
                        next.push(Row { values, ..row.clone() });
                    }
                }
            }
        }
        rows = next;
        columns = stage.schema.fields().iter().map(|f| f.name().clone()).collect();
    }
    rows
}

/// Over all time, as it stands at the end.
fn aggregate(op: &AggregateOp, rows: &[Row], columns: &[String]) -> Vec<Row> {
    assert!(op.window.is_none());
    let mut groups: BTreeMap<Vec<Value>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(op.keys.iter().map(|&k| row.values[k].clone()).collect()).or_default().push(row);
    }
    let result = |call: &AggregateCall, rows: &[&Row]| {
        let values: Vec<Value> =
            rows.iter().map(|r| eval(&call.args[0], columns, &r.values).unwrap()).filter(|v| *v != Value::Null).collect();
        match call.function.name() {
            "count" => Value::Int(i64::try_from(values.len()).unwrap()),
            "max" => values.into_iter().max().unwrap_or(Value::Null),
            other => panic!("no {other} here"),
        }
    };
    let row = |(key, rows): (Vec<Value>, Vec<&Row>)| {
        let values = key.into_iter().chain(op.calls.iter().map(|c| result(c, &rows))).collect();
        Row { values, origin: ("aggregate".into(), 0) }
    };
    groups.into_iter().map(row).collect()
}

/// Of each key the last row.
fn newest(op: &ChangesOp, rows: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| op.key.iter().map(|&k| row.values[k].clone()).collect::<Vec<_>>();
    rows.into_iter().map(|row| (key(&row), row)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Over all time, as it stands at the end.
fn rank(op: &RankOp, mut rows: Vec<Row>) -> Vec<Row> {
    assert!(op.window().is_none() && !op.newest_first && !op.ties && !op.rank);
    // Nulls come last here, whatever the direction.
    let order = |a: &Row, b: &Row| {
        let by = |o: &OrderBy| {
            let (x, y) = (&a.values[o.column], &b.values[o.column]);
            let nulls = (*x == Value::Null).cmp(&(*y == Value::Null));
            nulls.then(if o.descending { y.cmp(x) } else { x.cmp(y) })
        };
        let contents = |(x, y): (&Value, &Value)| (*x == Value::Null).cmp(&(*y == Value::Null)).then(x.cmp(y));
        let ordered = op.order.iter().map(by).chain(a.values.iter().zip(&b.values).map(contents));
        ordered.into_iter().find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    rows.sort_by(order);
    let mut seen: BTreeMap<Vec<Value>, u64> = BTreeMap::new();
    rows.retain(|row| {
        let n = seen.entry(op.keys.iter().map(|&k| row.values[k].clone()).collect()).or_default();
        *n += 1;
        op.count.is_none_or(|count| *n <= count)
    });
    rows
}

/// How many rounds are done: whether there is a fixed point or not, all plans come to the same.
const ROUNDS: usize = 6;

/// What rounds come to, from nothing; what the last of them turns away.
fn rounds(op: &IterateOp, inputs: &[Vec<Row>], outcome: &mut Outcome) -> Vec<Row> {
    let round = Plan { scenario: String::new(), nodes: op.nodes.clone() };
    let (mut result, mut found) = (Vec::new(), Vec::new());
    for n in 1..=ROUNDS {
        let mut own = Outcome::default();
        let mut done: Vec<Vec<Row>> = Vec::new();
        for node in &round.nodes {
            let input = |i: usize| done[node.inputs[i].0].clone();
            let below = |i: usize| round.node(node.inputs[i]);
            let rows = match &node.op {
                Op::Fed(Fed::Input(i)) => inputs[*i].clone(),
                Op::Fed(Fed::Round) => found.clone(),
                Op::Rows(stages) => stages_over(stages, input(0), names(below(0)), &mut own),
                Op::Union => (0..node.inputs.len()).flat_map(input).collect(),
                Op::Output => input(0),
                Op::Aggregate(op) => aggregate(op, &input(0), &names(below(0))),
                Op::StreamJoin(op) => stream_join(op, input(0), &input(1)),
                _ => panic!("a node that has no meaning in a round"),
            };
            done.push(rows);
        }
        (result, found) = (done[op.result.0].clone(), done[op.found.0].clone());
        if n == ROUNDS {
            outcome.turned_away.append(&mut own.turned_away);
        }
    }
    result
}

fn stream_join(op: &StreamJoinOp, left: Vec<Row>, right: &[Row]) -> Vec<Row> {
    let mut out = Vec::new();
    for row in left {
        let equal = |r: &&Row| op.on.iter().all(|&(a, b)| row.values[a] != Value::Null && row.values[a] == r.values[b]);
        let met: Vec<&Row> = right.iter().filter(equal).collect();
        let with = |more: Vec<Value>| Row { values: row.values.iter().cloned().chain(more).collect(), ..row.clone() };
        match op.kind {
            StreamJoinKind::Semi => out.extend((!met.is_empty()).then(|| row.clone())),
            StreamJoinKind::Anti => out.extend(met.is_empty().then(|| row.clone())),
            StreamJoinKind::Left if met.is_empty() => out.push(with(vec![Value::Null; op.right_columns.len()])),
            StreamJoinKind::Inner | StreamJoinKind::Left => {
                out.extend(met.iter().map(|r| with(op.right_columns.iter().map(|&c| r.values[c].clone()).collect())));
            }
            StreamJoinKind::Right | StreamJoinKind::Full => panic!("no such joins here"),
        }
    }
    out
}

fn join(op: &TableJoinOp, stream: Vec<Row>, table: &[Row]) -> Vec<Row> {
    let mut out = Vec::new();
    for row in stream {
        let equal = |t: &&Row| op.on.iter().all(|&(a, b)| row.values[a] != Value::Null && row.values[a] == t.values[b]);
        // A later row of a key replaces the one before it.
        let found = table.iter().rev().find(equal);
        let goes_on = match op.kind {
            TableJoinKind::Inner | TableJoinKind::Semi => found.is_some(),
            TableJoinKind::Anti => found.is_none(),
            TableJoinKind::Left => true,
        };
        if goes_on {
            let more = op.table_columns.iter().map(|&c| found.map_or(Value::Null, |t| t.values[c].clone()));
            out.push(Row { values: row.values.iter().cloned().chain(more).collect(), ..row });
        }
    }
    out
}

/// An expression failed on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

fn eval(expr: &Expr, columns: &[String], row: &[Value]) -> Result<Value, Failed> {
    let at = |e: &Expr| eval(e, columns, row);
    let truth = |e: &Expr| at(e).map(|v| if let Value::Bool(b) = v { Some(b) } else { None });
    Ok(match expr {
        Expr::Column(c) => row[columns.iter().position(|n| *n == c.name).unwrap_or_else(|| panic!("no column {c} in {columns:?}"))].clone(),
        Expr::Literal(value, _) => literal(value),
        Expr::Alias(alias) => at(&alias.expr)?,
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let decides = *op == Operator::Or;
            match truth(left)? {
                Some(l) if l == decides => Value::Bool(decides),
                l => match (l, truth(right)?) {
                    (_, Some(r)) if r == decides => Value::Bool(decides),
                    (Some(_), Some(r)) => Value::Bool(r),
                    _ => Value::Null,
                },
            }
        }
        Expr::BinaryExpr(b) => binary(at(&b.left)?, b.op, at(&b.right)?)?,
        Expr::Not(e) => truth(e)?.map_or(Value::Null, |b| Value::Bool(!b)),
        Expr::IsNull(e) => Value::Bool(at(e)? == Value::Null),
        Expr::IsNotNull(e) => Value::Bool(at(e)? != Value::Null),
        Expr::IsTrue(e) => Value::Bool(truth(e)? == Some(true)),
        Expr::IsFalse(e) => Value::Bool(truth(e)? == Some(false)),
        Expr::IsUnknown(e) => Value::Bool(truth(e)?.is_none()),
        Expr::IsNotTrue(e) => Value::Bool(truth(e)? != Some(true)),
        Expr::IsNotFalse(e) => Value::Bool(truth(e)? != Some(false)),
        Expr::IsNotUnknown(e) => Value::Bool(truth(e)?.is_some()),
        Expr::Between(b) => {
            let (value, low, high) = (at(&b.expr)?, at(&b.low)?, at(&b.high)?);
            let inside = and(compare(&value, Operator::GtEq, &low), compare(&value, Operator::LtEq, &high));
            inside.map_or(Value::Null, |i| Value::Bool(i != b.negated))
        }
        Expr::InList(list) => {
            let value = at(&list.expr)?;
            let found: Vec<Option<bool>> =
                list.list.iter().map(|e| Ok(compare(&value, Operator::Eq, &at(e)?))).collect::<Result<_, Failed>>()?;
            let any = if found.contains(&Some(true)) {
                Some(true)
            } else if found.contains(&None) {
                None
            } else {
                Some(false)
            };
            any.map_or(Value::Null, |i| Value::Bool(i != list.negated))
        }
        Expr::Case(case) => {
            assert!(case.expr.is_none(), "only searched cases here");
            for (when, then) in &case.when_then_expr {
                if truth(when)? == Some(true) {
                    return at(then);
                }
            }
            case.else_expr.as_deref().map_or(Ok(Value::Null), at)?
        }
        Expr::Cast(cast) => match at(&cast.expr)? {
            Value::Text(text) => Value::Int(text.parse().map_err(|_| Failed)?),
            other => other,
        },
        other => panic!("no {other} here"),
    })
}

fn literal(value: &ScalarValue) -> Value {
    match value {
        value if value.is_null() => Value::Null,
        ScalarValue::Boolean(Some(b)) => Value::Bool(*b),
        ScalarValue::Int64(Some(n)) => Value::Int(*n),
        ScalarValue::Utf8(Some(text)) => Value::Text(text.clone()),
        other => panic!("no {other:?} here"),
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn compare(left: &Value, op: Operator, right: &Value) -> Option<bool> {
    if *left == Value::Null || *right == Value::Null {
        return None;
    }
    Some(match op {
        Operator::Eq => left == right,
        Operator::NotEq => left != right,
        Operator::Lt => left < right,
        Operator::LtEq => left <= right,
        Operator::Gt => left > right,
        Operator::GtEq => left >= right,
        other => panic!("no {other} here"),
    })
}

fn binary(left: Value, op: Operator, right: Value) -> Result<Value, Failed> {
    let arithmetic = |a: i64, b: i64| match op {
        Operator::Plus => a.checked_add(b),
        Operator::Minus => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        _ => None,
    };
    if !matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide) {
        return Ok(compare(&left, op, &right).map_or(Value::Null, Value::Bool));
    }
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => arithmetic(a, b).map(Value::Int).ok_or(Failed),
        _ => Ok(Value::Null),
    }
}
