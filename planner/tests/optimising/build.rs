//! Plans by hand.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_common::DFSchema;
use datafusion_expr::{AggregateUDF, Expr, ExprSchemable, col, lit};
use datafusion_functions_aggregate::{average, count, min_max, sum};
use runink_connector_api::{Delivery, OptionValue, Options, RejectReason};
use runink_dsl::{FileId, ast::Span};
use runink_planner::{optimise, *};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const MINUTE: i64 = 60_000_000;

/// A plan as it grows.
#[derive(Default)]
pub(crate) struct Build {
    pub(crate) nodes: Vec<Node>,
}

pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

pub(crate) fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
}

/// What stands for a stage before its schema is known.
pub(crate) enum Stage {
    Filter(Expr),
    Project(Vec<(Expr, &'static str)>),
    Expect(Expr, ExpectAction),
    Contract(Expr),
    Unnest(&'static str),
    /// For each column of the sets: by which sets it is had.
    Expand(Vec<&'static str>, Vec<Vec<bool>>),
}

pub(crate) fn columns(names: &[&'static str]) -> Stage {
    Stage::Project(names.iter().map(|n| (col(*n), *n)).collect())
}

fn stage(step: &str, stage: Stage, input: &SchemaRef) -> RowStage {
    let typed = DFSchema::try_from(input.as_ref().clone()).unwrap();
    let with = |field: Field| Arc::new(Schema::new(input.fields().iter().map(|f| f.as_ref().clone()).chain([field]).collect::<Vec<_>>()));
    let expect = |predicate: Expr, reason, otherwise: ExpectAction| {
        let schema = if let ExpectAction::Tag(tag) = &otherwise { with(Field::new(tag, DataType::Boolean, true)) } else { input.clone() };
        (RowStageKind::Expect(ExpectStage { text: predicate.to_string(), predicate, reason, otherwise }), schema)
    };
    let (kind, schema) = match stage {
        Stage::Filter(expr) => (RowStageKind::Filter(expr), input.clone()),
        Stage::Project(exprs) => {
            let fields: Vec<Field> = exprs.iter().map(|(e, name)| Field::new(*name, e.get_type(&typed).unwrap(), true)).collect();
            (RowStageKind::Project(exprs.into_iter().map(|(e, n)| (e, n.to_owned())).collect()), Arc::new(Schema::new(fields)))
        }
        Stage::Expect(predicate, otherwise) => expect(predicate, RejectReason::Expectation, otherwise),
        Stage::Contract(predicate) => expect(predicate, RejectReason::Contract, ExpectAction::Reject),
        Stage::Unnest(name) => {
            let column = input.index_of(name).unwrap();
            let DataType::List(element) = input.field(column).data_type() else { panic!("`{name}` is no list") };
            let mut fields: Vec<Field> = input.fields().iter().map(|f| f.as_ref().clone()).collect();
            fields[column] = Field::new(name, element.data_type().clone(), true);
            (RowStageKind::Unnest { column, ordinality: false, keep_empty: false }, Arc::new(Schema::new(fields)))
        }
        Stage::Expand(names, sets) => {
            let keys: Vec<usize> = names.iter().map(|n| input.index_of(n).unwrap()).collect();
            let copies =
                keys.iter().map(|&k| Field::new(format!("of {}", input.field(k).name()), input.field(k).data_type().clone(), true));
            let own = input.fields().iter().map(|f| f.as_ref().clone());
            let fields: Vec<Field> = own.chain(copies).chain([Field::new("set", DataType::UInt8, true)]).collect();
            (RowStageKind::Expand { keys, sets }, Arc::new(Schema::new(fields)))
        }
    };
    RowStage { step: step.to_owned(), kind, schema }
}

/// Where a column comes from, as lowering would say it.
fn lineage(name: &str, op: &Op, below: &[&Node]) -> ColumnLineage {
    let from = |columns: &mut dyn Iterator<Item = String>, of: &dyn Fn(&str) -> Vec<(String, String)>| {
        let mut from: Vec<_> = columns.flat_map(|c| of(&c)).collect();
        from.sort();
        from.dedup();
        from
    };
    let above = |column: &str| {
        below.iter().flat_map(|n| &n.lineage).filter(|l| l.column == column).flat_map(|l| l.from.clone()).collect::<Vec<_>>()
    };
    let handed_on = ColumnLineage { column: name.to_owned(), from: from(&mut [name.to_owned()].into_iter(), &above), direct: true };
    let computed = |from| ColumnLineage { column: name.to_owned(), from, direct: false };
    match op {
        Op::Rows(stages) => stages.iter().fold(handed_on, |known, stage| match &stage.kind {
            RowStageKind::Project(exprs) => match exprs.iter().find(|(_, n)| n == name) {
                Some((Expr::Column(c), _)) => ColumnLineage { from: above(&c.name), ..known },
                Some((expr, _)) => computed(from(&mut expr.column_refs().iter().map(|c| c.name.clone()), &above)),
                None => known,
            },
            RowStageKind::Expect(e) if e.otherwise == ExpectAction::Tag(name.to_owned()) => {
                computed(from(&mut e.predicate.column_refs().iter().map(|c| c.name.clone()), &above))
            }
            _ => known,
        }),
        Op::Aggregate(op) => match op.calls.iter().find(|c| c.name == name) {
            Some(call) => computed(from(&mut call.args.iter().flat_map(Expr::column_refs).map(|c| c.name.clone()), &above)),
            None if name.starts_with("window_") => {
                let time = below[0].time.as_ref().map(|t| below[0].schema.field(t.column).name().clone());
                computed(from(&mut time.into_iter(), &above))
            }
            None => handed_on,
        },
        _ => handed_on,
    }
}

impl Build {
    fn add(&mut self, name: &str, op: Op, inputs: Vec<NodeId>, schema: SchemaRef) -> NodeId {
        let below: Vec<&Node> = inputs.iter().map(|i| &self.nodes[i.0]).collect();
        let first = below.first();
        let lineage = schema.fields().iter().map(|f| lineage(f.name(), &op, &below)).collect();
        let mut watermark_of: Vec<NodeId> = below.iter().flat_map(|n| n.watermark_of.clone()).collect();
        watermark_of.sort_unstable();
        watermark_of.dedup();
        let time = first.and_then(|n| n.time.as_ref().map(|t| (n.schema.field(t.column).name().clone(), t.shift_us)));
        let place = u32::try_from(self.nodes.len()).unwrap();
        self.nodes.push(Node {
            name: name.to_owned(),
            op,
            kind: first.map_or(StreamKind::AppendOnly, |n| n.kind.clone()),
            time: time.and_then(|(name, shift_us)| Some(EventTime { column: schema.index_of(&name).ok()?, shift_us })),
            watermark_of,
            state: StateBound::Stateless,
            bounded: below.iter().all(|n| n.bounded),
            lineage,
            inputs,
            schema,
            at: Some((FileId(0), Span { start: place * 10, end: place * 10 + 5 })),
        });
        NodeId(self.nodes.len() - 1)
    }

    pub(crate) fn source(&mut self, name: &str, fields: &[(&str, DataType)], time: Option<&str>) -> NodeId {
        let schema = schema(fields);
        let op = SourceOp {
            connector: "file".into(),
            options: Options(BTreeMap::from([("path".to_owned(), OptionValue::Text(format!("{name}.jsonl")))])),
            full_schema: schema.clone(),
            projection: (0..fields.len()).collect(),
            predicates: Vec::new(),
            lateness_us: 5_000_000,
            idle_us: 1_000_000,
            advance_when_idle: true,
            preload: false,
            lookup: false,
        };
        let id = self.add(name, Op::Source(op), Vec::new(), schema.clone());
        let node = &mut self.nodes[id.0];
        node.time = time.map(|t| EventTime { column: schema.index_of(t).unwrap(), shift_us: 0 });
        node.watermark_of = vec![id];
        for lineage in &mut node.lineage {
            lineage.from = vec![(name.to_owned(), lineage.column.clone())];
            lineage.direct = true;
        }
        id
    }

    /// Makes the last node, and what is built on it, never end.
    pub(crate) fn unbounded(&mut self) {
        self.nodes.last_mut().unwrap().bounded = false;
    }

    pub(crate) fn table(&mut self, name: &str, fields: &[(&str, DataType)], key: &str) -> NodeId {
        let id = self.source(name, fields, None);
        let node = &mut self.nodes[id.0];
        node.kind = StreamKind::Upsert { key: vec![key.to_owned()] };
        if let Op::Source(op) = &mut node.op {
            op.preload = true;
        }
        id
    }

    pub(crate) fn rows(&mut self, name: &str, input: NodeId, stages: Vec<Stage>) -> NodeId {
        let mut schema = self.nodes[input.0].schema.clone();
        let mut done = Vec::new();
        for next in stages {
            let next = stage(name, next, &schema);
            schema = next.schema.clone();
            done.push(next);
        }
        self.add(name, Op::Rows(done), vec![input], schema)
    }

    pub(crate) fn changes(&mut self, name: &str, table: NodeId) -> NodeId {
        let (schema, kind) = (self.nodes[table.0].schema.clone(), self.nodes[table.0].kind.clone());
        let StreamKind::Upsert { key } = kind else { panic!("no keyed source") };
        let op = ChangesOp { key: key.iter().map(|k| schema.index_of(k).unwrap()).collect(), ttl_us: None };
        let id = self.add(name, Op::Changes(op), vec![table], schema);
        self.nodes[id.0].kind = StreamKind::Changelog { key };
        id
    }

    /// The columns by which a changelog's rows are told apart.
    pub(crate) fn keyed_by(&mut self, id: NodeId, key: &[&str]) {
        if let StreamKind::Changelog { key: own } = &mut self.nodes[id.0].kind {
            *own = key.iter().map(|k| (*k).to_owned()).collect();
        }
    }

    pub(crate) fn is_append_only(&self, id: NodeId) -> bool {
        self.nodes[id.0].kind == StreamKind::AppendOnly
    }

    pub(crate) fn union(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        let schema = self.nodes[inputs[0].0].schema.clone();
        self.add(name, Op::Union, inputs.to_vec(), schema)
    }

    pub(crate) fn output(&mut self, name: &str, input: NodeId) -> NodeId {
        let schema = self.nodes[input.0].schema.clone();
        self.add(name, Op::Output, vec![input], schema)
    }

    pub(crate) fn sink(&mut self, name: &str, input: NodeId) -> NodeId {
        let schema = self.nodes[input.0].schema.clone();
        let op = SinkOp { connector: "stdout".into(), options: Options::default(), key: Vec::new(), delivery: Delivery::AtLeastOnce };
        self.add(name, Op::Sink(op), vec![input], schema)
    }

    pub(crate) fn aggregate(
        &mut self,
        name: &str,
        input: NodeId,
        keys: &[&str],
        calls: Vec<AggregateCall>,
        window: Option<WindowShape>,
    ) -> NodeId {
        let below = self.nodes[input.0].schema.clone();
        let typed = DFSchema::try_from(below.as_ref().clone()).unwrap();
        let keys: Vec<usize> = keys.iter().map(|k| below.index_of(k).unwrap()).collect();
        let mut fields: Vec<Field> = keys.iter().map(|&k| below.field(k).clone()).collect();
        for call in &calls {
            let args: Vec<_> = call.args.iter().map(|a| Arc::new(Field::new("arg", a.get_type(&typed).unwrap(), true))).collect();
            let result = call.function.return_field(&args).unwrap();
            fields.push(result.as_ref().clone().with_name(&call.name).with_nullable(true));
        }
        let time = window.and_then(|_| self.nodes[input.0].time.clone());
        if window.is_some() {
            let ty = time.as_ref().map_or(timestamp(), |t| below.field(t.column).data_type().clone());
            fields.extend(["window_start", "window_end"].map(|n| Field::new(n, ty.clone(), true)));
        }
        let key_names = keys.iter().map(|&k| below.field(k).name().clone()).collect();
        let op = AggregateOp {
            keys,
            calls,
            window: window.map(|shape| WindowSpec { shape, time }),
            emit: if window.is_some() { EmitMode::OnClose } else { EmitMode::OnChange },
            allowed_lateness_us: 0,
            ttl_us: None,
            two_phase: false,
            retracts: matches!(self.nodes[input.0].kind, StreamKind::Changelog { .. }),
        };
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let id = self.add(name, Op::Aggregate(op), vec![input], schema.clone());
        let node = &mut self.nodes[id.0];
        if window.is_some() {
            node.state = StateBound::Windowed { windows_per_key: 2, lifetime_us: Some(65_000_000) };
            node.time = Some(EventTime { column: schema.fields().len() - 1, shift_us: -1 });
        } else {
            node.kind = StreamKind::Changelog { key: key_names };
            node.state = StateBound::PerKey { ttl_us: None };
        }
        id
    }

    /// The first rows of each key by `order`, descending.
    pub(crate) fn rank(&mut self, name: &str, input: NodeId, keys: &[&str], order: &str, count: u64) -> NodeId {
        let below = &self.nodes[input.0];
        let (schema, changelog) = (below.schema.clone(), below.kind != StreamKind::AppendOnly);
        let at = |c: &str| schema.index_of(c).unwrap();
        let op = RankOp {
            keys: keys.iter().map(|k| at(k)).collect(),
            order: vec![OrderBy { column: at(order), descending: true, nulls_first: false }],
            newest_first: false,
            count: Some(count),
            ties: false,
            rank: false,
            scope: RankScope::AllTime { ttl_us: None },
            changelog,
        };
        let key = keys.iter().copied().chain((count > 1).then_some(order)).map(str::to_owned).collect();
        let id = self.add(name, Op::Rank(op), vec![input], schema);
        let node = &mut self.nodes[id.0];
        node.kind = StreamKind::Changelog { key };
        node.state = StateBound::RowsPerKey { rows: Some(count), ttl_us: None, for_ever: false };
        id
    }

    /// A recursion from rows of `base`. A round joins what is there with `other` by the first columns of both; `stages` bring that back to the columns of `base`.
    pub(crate) fn iterate(&mut self, name: &str, base: NodeId, other: NodeId, kind: StreamJoinKind, stages: Vec<Stage>) -> NodeId {
        let (start, beside) = (self.nodes[base.0].schema.clone(), self.nodes[other.0].schema.clone());
        let columns: Vec<String> = start.fields().iter().map(|f| f.name().clone()).collect();
        let mut round = Build::default();
        let inputs = [Fed::Input(0), Fed::Round].map(|fed| round.add(name, Op::Fed(fed), Vec::new(), start.clone()));
        let whole = round.union(name, &inputs);
        let keys: Vec<&str> = columns.iter().map(String::as_str).collect();
        let once = round.aggregate(name, whole, &keys, Vec::new(), None);
        let result = round.output(name, once);
        round.nodes[result.0].kind = StreamKind::AppendOnly;
        let beside_it = round.add("beside", Op::Fed(Fed::Input(1)), Vec::new(), beside.clone());
        let right_columns: Vec<usize> = if kind.has_right_columns() { (0..beside.fields().len()).collect() } else { Vec::new() };
        let fields = start.fields().iter().cloned().chain(right_columns.iter().map(|&c| beside.fields()[c].clone())).collect::<Vec<_>>();
        let bound = JoinBound::Unbounded { ttl_us: None };
        let join = StreamJoinOp { kind, on: vec![(0, 0)], condition: None, right_columns, bound, changelog: [false, false] };
        let joined = round.add(name, Op::StreamJoin(join), vec![result, beside_it], Arc::new(Schema::new(fields)));
        if kind != StreamJoinKind::Inner {
            round.nodes[joined.0].kind = StreamKind::Changelog { key: Vec::new() };
        }
        let rows = round.rows(name, joined, stages);
        round.nodes[rows.0].kind = StreamKind::AppendOnly;
        let found = round.output(name, rows);
        let op = IterateOp { nodes: round.nodes, result, found, rounds: 6 };
        let id = self.add(name, Op::Iterate(Box::new(op)), vec![base, other], start);
        self.nodes[id.0].kind = StreamKind::Changelog { key: columns };
        self.nodes[id.0].state = StateBound::RowsForEver;
        id
    }

    /// An expectation on windows, by the time in a column.
    pub(crate) fn check(&mut self, name: &str, input: NodeId, of: Expr, time: &str) -> NodeId {
        let column = self.nodes[input.0].schema.index_of(time).unwrap();
        let op = CheckOp {
            text: name.to_owned(),
            demand: Demand::Share { of, op: ShareOp::Lt, bound: 0.5 },
            size_us: 60_000_000,
            time: EventTime { column, shift_us: 0 },
            fail: false,
        };
        let id = self.add(name, Op::Check(op), vec![input], checks_schema());
        self.nodes[id.0].kind = StreamKind::AppendOnly;
        id
    }

    pub(crate) fn join(
        &mut self,
        name: &str,
        stream: NodeId,
        table: NodeId,
        on: (&str, &str),
        kind: TableJoinKind,
        take: &[&str],
    ) -> NodeId {
        let (left, right) = (self.nodes[stream.0].schema.clone(), self.nodes[table.0].schema.clone());
        let on = (left.index_of(on.0).unwrap(), right.index_of(on.1).unwrap());
        let table_columns: Vec<usize> = take.iter().map(|c| right.index_of(c).unwrap()).collect();
        let fields = left.fields().iter().cloned().chain(table_columns.iter().map(|&c| right.fields()[c].clone())).collect::<Vec<_>>();
        let op = TableJoinOp {
            kind,
            on: vec![on],
            condition: None,
            table_columns,
            table_key: vec![on.1],
            broadcast: self.nodes[table.0].bounded,
            ttl_us: None,
        };
        let id = self.add(name, Op::TableJoin(op), vec![stream, table], Arc::new(Schema::new(fields)));
        self.nodes[id.0].state = StateBound::PerKey { ttl_us: None };
        id
    }

    pub(crate) fn plan(self) -> Plan {
        let plan = Plan { scenario: "Trial".into(), nodes: self.nodes };
        assert_eq!(optimise::validate(&plan), Ok(()), "as built");
        plan
    }
}

/// Optimises, with every pass checked.
#[track_caller]
pub(crate) fn optimised(plan: Plan, observe: &[&str]) -> Plan {
    let observe: Vec<String> = observe.iter().map(|o| (*o).to_owned()).collect();
    optimise::optimise_watched(plan, &observe, &mut |pass, plan| assert_eq!(optimise::validate(plan), Ok(()), "after `{pass}`"))
}

pub(crate) fn call(function: Arc<AggregateUDF>, arg: Expr, name: &str) -> AggregateCall {
    AggregateCall {
        function,
        args: vec![arg],
        distinct: false,
        filter: None,
        order_by: Vec::new(),
        ignore_nulls: false,
        name: name.to_owned(),
    }
}

pub(crate) fn count_all(name: &str) -> AggregateCall {
    call(count::count_udaf(), lit(1_i64), name)
}

pub(crate) fn sum_of(column: &str, name: &str) -> AggregateCall {
    call(sum::sum_udaf(), col(column), name)
}

pub(crate) fn max_of(column: &str, name: &str) -> AggregateCall {
    call(min_max::max_udaf(), col(column), name)
}

pub(crate) fn mean_of(column: &str, name: &str) -> AggregateCall {
    call(average::avg_udaf(), col(column), name)
}

/// The nodes in order, each with what it reads and its stages: enough to see what moved where.
pub(crate) fn shape(plan: &Plan) -> Vec<String> {
    plan.nodes
        .iter()
        .map(|node| {
            let work = match &node.op {
                Op::Source(op) => {
                    let predicates: Vec<String> = op.predicates.iter().map(|p| format!("{} {:?} {:?}", p.column, p.op, p.value)).collect();
                    format!("source({}) {}", fields(&node.schema), predicates.join(" & "))
                }
                Op::Rows(stages) => stages.iter().map(stage_shape).collect::<Vec<_>>().join(" | "),
                Op::Aggregate(op) => format!("aggregate({})", op.calls.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")),
                Op::Rank(op) => format!("rank({:?}, {})", op.count, fields(&node.schema)),
                Op::First(_) | Op::Neighbour(_) | Op::Running(_) => format!("order({})", fields(&node.schema)),
                Op::Check(op) => format!("expect({})", op.text),
                Op::TableJoin(_) | Op::StreamJoin(_) => format!("join({})", fields(&node.schema)),
                Op::Match(_) => format!("match({})", fields(&node.schema)),
                Op::Union => "union".into(),
                Op::Changes(_) => "changes".into(),
                Op::Form(op) => op.form.as_str().into(),
                Op::Iterate(op) => {
                    let round = Plan { scenario: String::new(), nodes: op.nodes.clone() };
                    format!("iterate({}) {{ {} }}", fields(&node.schema), shape(&round).join("; "))
                }
                Op::Fed(_) => format!("fed({})", fields(&node.schema)),
                Op::Output => "output".into(),
                Op::Sink(_) => "sink".into(),
                Op::Rejected => "rejected".into(),
            };
            let inputs: Vec<String> = node.inputs.iter().map(|i| i.0.to_string()).collect();
            format!("{} [{}] {}", node.name, inputs.join(","), work.trim())
        })
        .collect()
}

fn fields(schema: &SchemaRef) -> String {
    schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn stage_shape(stage: &RowStage) -> String {
    match &stage.kind {
        RowStageKind::Filter(e) => format!("filter {e}"),
        RowStageKind::Project(exprs) => {
            format!(
                "project {}",
                exprs
                    .iter()
                    .map(|(e, n)| if e.to_string() == *n { n.clone() } else { format!("{n} := {e}") })
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        RowStageKind::Expect(e) => format!("expect {}", e.predicate),
        RowStageKind::Unnest { column, .. } => format!("unnest {column}"),
        RowStageKind::Expand { keys, sets } => format!("expand {keys:?} {}", sets.len()),
    }
}
