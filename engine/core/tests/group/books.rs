//! The books: whatever a plan does, each step accounts for every row that came to it.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Does {
    Keep(i64),
    Multiply,
    Divide,
    Expect { otherwise: u8 },
    Join { kind: TableJoinKind, condition: bool },
    Union,
}

#[derive(Debug, Clone)]
struct Piece {
    does: Does,
    /// It begins a step.
    new_step: bool,
    /// It begins a node.
    new_node: bool,
}

fn table_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("w", DataType::Int64, true)]))
}

fn both() -> SchemaRef {
    let fields = schema().fields().iter().chain(table_schema().fields()).map(|f| f.as_ref().clone()).collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// Nodes 0 and 1 are the stream and the table; gives the steps in their order as well.
fn plan_of(pieces: &[Piece], grouped: bool) -> (Plan, Vec<String>) {
    let mut nodes = vec![node("in", source_op(false), &[], schema()), node("table", source_op(true), &[], table_schema())];
    let (mut steps, mut stages): (Vec<String>, Vec<RowStage>) = (Vec::new(), Vec::new());
    let mut at = 0;
    let flush = |nodes: &mut Vec<Node>, stages: &mut Vec<RowStage>, at: &mut usize| {
        if let Some(last) = stages.last() {
            let name = last.step.clone();
            nodes.push(node(&name, Op::Rows(std::mem::take(stages)), &[*at], schema()));
            *at = nodes.len() - 1;
        }
    };
    for piece in pieces {
        if piece.new_step || steps.is_empty() {
            steps.push(format!("step {}", steps.len()));
        }
        let step = steps.last().unwrap().clone();
        if piece.new_node {
            flush(&mut nodes, &mut stages, &mut at);
        }
        let kind = match &piece.does {
            Does::Keep(from) => RowStageKind::Filter(col("v").gt_eq(lit(*from))),
            Does::Multiply => RowStageKind::Project(vec![(col("k"), "k".into()), (col("v") * lit(i64::MAX / 3), "v".into())]),
            Does::Divide => RowStageKind::Project(vec![(col("k"), "k".into()), (lit(12i64) / col("v"), "v".into())]),
            Does::Expect { otherwise } => RowStageKind::Expect(ExpectStage {
                predicate: col("v").not_eq(lit(2i64)),
                text: "v <> 2".into(),
                reason: RejectReason::Expectation,
                otherwise: if *otherwise == 0 { ExpectAction::Reject } else { ExpectAction::Alert },
            }),
            Does::Join { kind, condition } => {
                flush(&mut nodes, &mut stages, &mut at);
                let join = TableJoinOp {
                    kind: *kind,
                    on: vec![(0, 0)],
                    condition: condition.then(|| ((lit(12i64) / col("v")).gt(col("w")), both())),
                    table_columns: vec![],
                    table_key: vec![0],
                    broadcast: false,
                    ttl_us: None,
                };
                nodes.push(node(&step, Op::TableJoin(join), &[at, 1], schema()));
                at = nodes.len() - 1;
                continue;
            }
            Does::Union => {
                flush(&mut nodes, &mut stages, &mut at);
                nodes.push(node(&step, Op::Union, &[at], schema()));
                at = nodes.len() - 1;
                continue;
            }
        };
        stages.push(RowStage { step, kind, schema: schema() });
    }
    flush(&mut nodes, &mut stages, &mut at);
    if grouped {
        let op = AggregateOp {
            keys: vec![0],
            calls: vec![],
            window: None,
            emit: EmitMode::OnClose,
            allowed_lateness_us: 0,
            ttl_us: None,
            two_phase: true,
            retracts: false,
        };
        let keys = Arc::new(Schema::new(vec![schema().field(0).clone()]));
        nodes.push(Node { watermark_of: vec![NodeId(0)], ..node("groups", Op::Aggregate(op), &[at], keys) });
    }
    (Plan { scenario: "books".into(), nodes }, steps)
}

fn does() -> impl Strategy<Value = Does> {
    let kind = prop_oneof![Just(TableJoinKind::Inner), Just(TableJoinKind::Left), Just(TableJoinKind::Semi), Just(TableJoinKind::Anti)];
    prop_oneof![
        (-2..3i64).prop_map(Does::Keep),
        Just(Does::Multiply),
        Just(Does::Divide),
        (0..2u8).prop_map(|otherwise| Does::Expect { otherwise }),
        (kind, any::<bool>()).prop_map(|(kind, condition)| Does::Join { kind, condition }),
        Just(Does::Union),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (does(), any::<bool>(), any::<bool>()).prop_map(|(does, new_step, new_node)| Piece { does, new_step, new_node });
    proptest::collection::vec(piece, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_row_is_accounted_for(
        pieces in pieces(),
        grouped in any::<bool>(),
        workers in 1..4usize,
        batches in proptest::collection::vec(proptest::collection::vec((0..8i64, -2..4i64), 0..20), 1..6),
    ) {
        let (plan, steps) = plan_of(&pieces, grouped);
        let batch_of = |rows: &Vec<(i64, i64)>| {
            let (k, v): (Int64Array, Int64Array) = (rows.iter().map(|r| Some(r.0)).collect(), rows.iter().map(|r| Some(r.1)).collect());
            RecordBatch::try_new(schema(), vec![Arc::new(k), Arc::new(v)]).unwrap()
        };
        let table = RecordBatch::try_new(table_schema(), vec![Arc::new(Int64Array::from_iter_values(0..5)), Arc::new(Int64Array::from_iter_values(0..5))]).unwrap();
        let (mut spec, seen) = spec(plan, Arc::new(ScriptedSource::of_batches(batches.iter().map(batch_of))));
        spec.sources.insert(NodeId(1), Arc::new(ScriptedSource::of_batches([table])));
        let rejects = Arc::new(Collector::default());
        spec.rejected_tap = Some(rejects.clone());
        let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
        let metrics = group.create(spec).unwrap().wait().unwrap().metrics;

        let counted: BTreeMap<&str, &runink_engine::StepSnapshot> = metrics.steps.iter().map(|s| (s.name.as_str(), s)).collect();
        let mut came = batches.iter().map(|b| b.len() as u64).sum::<u64>();
        // A step that only hands on keeps no books.
        for step in steps.iter().filter_map(|s| counted.get(s.as_str())) {
            prop_assert_eq!(step.rows_in, came, "what came to {}: {:?}", &step.name, metrics);
            prop_assert_eq!(step.rows_in, step.rows_out + step.filtered + step.rejected, "{:?}", step);
            came = step.rows_out;
        }
        let given = seen.all().iter().map(|b| b.len() as u64).sum::<u64>();
        if grouped {
            let groups = counted["groups"];
            prop_assert_eq!((groups.rows_in, groups.rows_out, groups.filtered, groups.rejected), (came, given, 0, 0));
            prop_assert!(given <= came && (given > 0) == (came > 0));
        } else {
            prop_assert_eq!(given, came);
        }
        let rejected = rejects.all().iter().map(|b| b.len() as u64).sum::<u64>();
        prop_assert_eq!(metrics.rejected, rejected);
        prop_assert_eq!(metrics.steps.iter().map(|s| s.rejected).sum::<u64>(), rejected);
    }
}

#[test]
fn a_step_that_prepares_its_table_and_has_two_outputs_keeps_its_books() {
    let stage = |kind, schema| RowStage { step: "step".into(), kind, schema };
    let keep = |from: i64| Op::Rows(vec![stage(RowStageKind::Filter(col("v").gt_eq(lit(from))), schema())]);
    let divide = RowStageKind::Project(vec![(col("id"), "id".into()), (lit(12i64) / col("w"), "w".into())]);
    let join = TableJoinOp {
        kind: TableJoinKind::Inner,
        on: vec![(0, 0)],
        condition: None,
        table_columns: vec![],
        table_key: vec![0],
        broadcast: true,
        ttl_us: None,
    };
    let plan = Plan {
        scenario: "books".into(),
        nodes: vec![
            node("in", source_op(false), &[], schema()),
            node("table", source_op(true), &[], table_schema()),
            node("step", keep(10), &[0], schema()),
            node("step", Op::Rows(vec![stage(divide, table_schema())]), &[1], table_schema()),
            node("step", Op::TableJoin(join), &[2, 3], schema()),
            node("step.a", keep(20), &[4], schema()),
            node("step.b", keep(50), &[4], schema()),
        ],
    };
    let table = RecordBatch::try_new(
        table_schema(),
        vec![Arc::new(Int64Array::from_iter_values(0..5)), Arc::new(Int64Array::from_iter_values(0..5))],
    );
    for workers in [1, 3] {
        let (mut spec, seen) = spec(plan.clone(), scripted(1));
        spec.sources.insert(NodeId(1), Arc::new(ScriptedSource::of_batches([table.as_ref().unwrap().clone()])));
        let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
        let metrics = group.create(spec).unwrap().wait().unwrap().metrics;
        // Of 100 rows 90 are kept, of which 4 in 10 meet one of the 4 good rows of the table; one row of the table is rejected.
        let step = &metrics.steps[0];
        assert_eq!((step.rows_in, step.rows_out), (100 + 1 + 2 * 36, 36 + 32 + 20), "{step:?}");
        assert_eq!((step.filtered, step.rejected, step.held), (10 + 54 + 4 + 16, 1, 4), "{step:?}");
        assert_eq!(step.rows_in, step.rows_out + step.filtered + step.rejected);
        assert_eq!(values(&seen, 1).len(), 20);
    }
}
