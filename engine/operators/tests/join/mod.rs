//! The stream-to-table join against a map.

mod lookup;

use arrow::{array::*, datatypes::*};
use datafusion_expr::{col, lit};
use proptest::prelude::*;
use runink_checkpoint::{KeyGroups, StateChanges, StateTable, TableReplica};
use runink_connector_api::{Positions, RejectReason};
use runink_operators::{Batch, Origin, Rejects, hash::key_hashes, table_join::TableJoinOperator};
use runink_planner::{TableJoinKind, TableJoinOp};
use std::{collections::BTreeMap, sync::Arc};

const GROUPS: u16 = 8;

fn schema(names: [&str; 3]) -> SchemaRef {
    let types = [DataType::Int64, DataType::Utf8, DataType::Int64];
    Arc::new(Schema::new(names.iter().zip(types).map(|(n, t)| Field::new(*n, t, true)).collect::<Vec<_>>()))
}

type Cells = (Option<i64>, Option<String>, Option<i64>);

fn batch(names: [&str; 3], rows: &[Cells]) -> RecordBatch {
    let a: Int64Array = rows.iter().map(|r| r.0).collect();
    let b: StringArray = rows.iter().map(|r| r.1.clone()).collect();
    let c: Int64Array = rows.iter().map(|r| r.2).collect();
    RecordBatch::try_new(schema(names), vec![Arc::new(a), Arc::new(b), Arc::new(c)]).unwrap()
}

const STREAM: [&str; 3] = ["a", "b", "v"];
const TABLE: [&str; 3] = ["ta", "tb", "w"];

#[derive(Debug, Clone)]
struct EpochCase {
    /// Taken back or put in.
    table: Vec<(bool, Cells)>,
    stream: Vec<Cells>,
    advance: i64,
    restore: Option<usize>,
}

#[derive(Debug, Clone)]
struct Case {
    kind: TableJoinKind,
    condition: bool,
    ttl: Option<i64>,
    workers: usize,
    /// The table is a keyed source.
    in_order: bool,
    epochs: Vec<EpochCase>,
}

fn operator(case: &Case) -> TableJoinOperator {
    let keeps = matches!(case.kind, TableJoinKind::Inner | TableJoinKind::Left);
    let both: Vec<Field> = schema(STREAM).fields().iter().chain(schema(TABLE).fields()).map(|f| f.as_ref().clone()).collect();
    let output = if keeps { both.clone() } else { both[..3].to_vec() };
    let op = TableJoinOp {
        kind: case.kind,
        on: vec![(0, 0), (1, 1)],
        condition: case.condition.then(|| (col("v").lt_eq(col("w")), Arc::new(Schema::new(both.clone())))),
        table_columns: if keeps { vec![0, 1, 2] } else { vec![] },
        table_key: vec![0, 1],
        broadcast: false,
        ttl_us: case.ttl,
    };
    let output = Arc::new(Schema::new(output));
    let join = TableJoinOperator::new("join", &op, &schema(STREAM), &schema(TABLE), &output, KeyGroups::new(GROUPS)).unwrap();
    if case.in_order { join.of_keyed_source() } else { join }
}

fn worker_of(cells: &Cells, workers: usize) -> usize {
    let one = batch(STREAM, std::slice::from_ref(cells));
    let mut hashes = Vec::new();
    key_hashes(&one.columns()[..2], &mut hashes).unwrap();
    let groups = KeyGroups::new(GROUPS);
    groups.worker_of(groups.of_hash(hashes[0]), workers)
}

fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let cell =
        |c: &ArrayRef, row| if c.is_null(row) { "null".to_owned() } else { arrow::util::display::array_value_to_string(c, row).unwrap() };
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|c| cell(c, row)).collect()).collect()
}

fn shown(cells: &Cells) -> Vec<String> {
    let text = |v: Option<String>| v.unwrap_or_else(|| "null".to_owned());
    vec![text(cells.0.map(|v| v.to_string())), text(cells.1.clone()), text(cells.2.map(|v| v.to_string()))]
}

fn run(case: &Case) {
    let new = || {
        let operator = operator(case);
        (TableReplica::of(&operator).unwrap(), operator)
    };
    let mut workers: Vec<_> = (0..case.workers).map(|_| new()).collect();
    // By key: the row, and the watermark when it came.
    let mut table: BTreeMap<(i64, String), (Cells, i64)> = BTreeMap::new();
    let mut watermark = 0;
    for epoch in &case.epochs {
        let key = |c: &Cells| c.0.zip(c.1.clone());
        let mut changes = epoch.table.clone();
        if !case.in_order {
            // What is taken back goes first; the sort keeps the rest in its order.
            changes.sort_by_key(|(put, _)| *put);
        }
        for (put, cells) in changes {
            let Some(key) = key(&cells) else { continue };
            if put {
                table.insert(key, (cells.clone(), watermark))
            } else {
                table.remove(&key)
            };
        }
        let mut expected: Vec<Vec<String>> = Vec::new();
        for row in &epoch.stream {
            let alive = |(_, at): &&(Cells, i64)| case.ttl.is_none_or(|ttl| at + ttl > watermark);
            let found = key(row).and_then(|k| table.get(&k).filter(alive)).map(|(cells, _)| cells.clone());
            let found = found.filter(|t| !case.condition || matches!((row.2, t.2), (Some(v), Some(w)) if v <= w));
            let with = |t: &Cells| shown(row).into_iter().chain(shown(t)).collect::<Vec<_>>();
            match (case.kind, found) {
                (TableJoinKind::Inner | TableJoinKind::Left, Some(t)) => expected.push(with(&t)),
                (TableJoinKind::Left, None) => expected.push(with(&(None, None, None))),
                (TableJoinKind::Semi, Some(_)) | (TableJoinKind::Anti, None) => expected.push(shown(row)),
                _ => {}
            }
        }
        let count = workers.len();
        let mut found = Vec::new();
        for (number, (replica, operator)) in workers.iter_mut().enumerate() {
            let own: Vec<_> = epoch.table.iter().filter(|(_, c)| worker_of(c, count) == number).cloned().collect();
            let diffs: Int64Array = own.iter().map(|(put, _)| Some(if *put { 1 } else { -1 })).collect();
            let rows = batch(TABLE, &own.iter().map(|(_, c)| c.clone()).collect::<Vec<_>>());
            operator.apply_table(vec![Batch { rows, diffs: Some(diffs), origin: None }], watermark).unwrap();
            let stream: Vec<_> = epoch.stream.iter().filter(|c| worker_of(c, count) == number).cloned().collect();
            if let Some(out) = operator.probe(Batch::of(batch(STREAM, &stream)), watermark, &mut Rejects::default()).unwrap() {
                found.extend(rows_of(&out.rows));
            }
            if epoch.restore.is_some() {
                replica.apply(&operator.capture().unwrap()).unwrap();
                assert!(operator.capture().unwrap().is_empty());
                assert_eq!(replica.len(), operator.keys());
            }
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        if let Some(next) = epoch.restore {
            let old = std::mem::take(&mut workers);
            for number in 0..next {
                let (mut replica, mut operator) = new();
                for (before, _) in &old {
                    let rows = before.rows(KeyGroups::new(GROUPS).of_worker(number, next)).unwrap();
                    operator.restore(&rows).unwrap();
                    replica.apply(&StateChanges { expired: vec![], deleted: None, upserted: Some(rows) }).unwrap();
                }
                workers.push((replica, operator));
            }
        }
        watermark += epoch.advance;
    }
}

fn cells() -> impl Strategy<Value = Cells> {
    let text = proptest::option::weighted(0.9, prop_oneof![Just(String::new()), Just("x".to_owned()), Just("yz".to_owned())]);
    (proptest::option::weighted(0.9, 0..4i64), text, proptest::option::weighted(0.8, 0..6i64))
}

prop_compose! {
    fn epoch()(
        table in proptest::collection::vec((prop::bool::weighted(0.8), cells()), 0..8),
        stream in proptest::collection::vec(cells(), 0..8),
        advance in 0..6i64,
        restore in proptest::option::weighted(0.3, 1..4usize),
    ) -> EpochCase {
        EpochCase { table, stream, advance, restore }
    }
}

prop_compose! {
    fn any_case()(
        kind in prop_oneof![Just(TableJoinKind::Inner), Just(TableJoinKind::Left), Just(TableJoinKind::Semi), Just(TableJoinKind::Anti)],
        condition in any::<bool>(),
        ttl in proptest::option::of(1..12i64),
        workers in 1..4usize,
        in_order in any::<bool>(),
        epochs in proptest::collection::vec(epoch(), 1..8),
    ) -> Case {
        Case { kind, condition, ttl, workers, in_order, epochs }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn stream_rows_meet_the_tables_rows_of_their_key(case in any_case()) {
        run(&case);
    }
}

#[test]
fn a_row_on_which_the_condition_fails_is_rejected_and_the_others_are_joined() {
    let row = |n: i64, v: i64| (Some(n), Some("x".to_owned()), Some(v));
    for (kind, expected) in [
        (TableJoinKind::Inner, vec![5]),
        (TableJoinKind::Left, vec![5, 0, 20]),
        (TableJoinKind::Semi, vec![5]),
        (TableJoinKind::Anti, vec![0, 20]),
    ] {
        let both: Vec<Field> = schema(STREAM).fields().iter().chain(schema(TABLE).fields()).map(|f| f.as_ref().clone()).collect();
        let op = TableJoinOp {
            kind,
            on: vec![(0, 0), (1, 1)],
            condition: Some(((col("w") / col("v")).gt(lit(1i64)), Arc::new(Schema::new(both.clone())))),
            table_columns: vec![],
            table_key: vec![0, 1],
            broadcast: false,
            ttl_us: None,
        };
        let mut join =
            TableJoinOperator::new("join", &op, &schema(STREAM), &schema(TABLE), &schema(STREAM), KeyGroups::new(GROUPS)).unwrap();
        join.apply_table(vec![Batch::of(batch(TABLE, &[row(1, 12), row(2, 12)]))], 0).unwrap();
        // By zero where there is a match (1), by zero where there is none (3): only a pair can fail.
        let stream = batch(STREAM, &[row(1, 5), row(1, 0), row(3, 0), row(2, 20), row(2, 0)]);
        let origin = Origin { source: "s".into(), place: "f".into(), positions: Positions::From(10) };
        let mut rejects = Rejects::default();
        let out = join.probe(Batch { rows: stream, diffs: None, origin: Some(origin) }, 0, &mut rejects).unwrap().unwrap();
        let column = |b: &RecordBatch| b.column(2).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(column(&out.rows), expected, "{kind:?}");
        let rejected: Vec<_> = rejects.rows().iter().map(|r| (r.reason, r.position, r.message.as_str())).collect();
        let message = "the join's condition: Divide by zero error";
        assert_eq!(rejected, [(RejectReason::Expression, Some(11), message), (RejectReason::Expression, Some(14), message)]);
    }
}
