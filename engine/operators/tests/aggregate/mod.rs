//! The aggregate operator against the reference.

use crate::reference::{
    Emit, Expected, Given, Query, Reference, Row, Shape,
    calls::{Fold, Value},
};
use arrow::{array::*, datatypes::*};
use datafusion_expr::{AggregateUDF, col, lit};
use datafusion_functions_aggregate as udaf;
use proptest::{prelude::*, sample::Index};
use runink_checkpoint::{KeyGroups, LaggingStore, Shelf, SpillTable, StateChanges, StateTable, TableReplica, TableShape};
use runink_operators::{
    Batch, Rejects,
    aggregate::{AggregateOperator, PartialAggregate},
    hash::{key_hashes, no_key},
};
use runink_planner::{AggregateCall, AggregateOp, EmitMode, EventTime, WindowShape, WindowSpec};
use std::{collections::BTreeMap, sync::Arc};

/// Few, so that workers share them in many ways.
const GROUPS: u16 = 16;

/// The unit of event time, as a column's type, and how many µs it is.
fn time_type(unit: u8) -> (DataType, i64) {
    match unit % 5 {
        0 => (DataType::Timestamp(TimeUnit::Second, None), 1_000_000),
        1 => (DataType::Timestamp(TimeUnit::Millisecond, None), 1_000),
        2 => (DataType::Timestamp(TimeUnit::Microsecond, None), 1),
        3 => (DataType::Timestamp(TimeUnit::Nanosecond, None), 1),
        _ => (DataType::Date32, 86_400_000_000),
    }
}

/// A case: what is asked, and how it is run.
#[derive(Debug, Clone)]
struct Case {
    query: Query,
    unit: u8,
    /// How many key columns, of Int64, Utf8, Float64.
    keys: usize,
    epochs: Vec<EpochCase>,
    workers: usize,
    two_phase: bool,
    /// In two phases: how many rows readers let go on as they are, by turns.
    passes: Vec<u64>,
    /// Rows can be taken back.
    retracts: bool,
    /// Rows may lie in the store alone.
    spills: bool,
}

#[derive(Debug, Clone)]
struct EpochCase {
    rows: Vec<(u8, Option<i64>, [u8; 5])>,
    advance: i64,
    clock: i64,
    cuts: Vec<Index>,
    /// Where rows can be taken back: which of those that have come, by their order.
    takes: Vec<Index>,
    /// What is taken back comes first.
    takes_first: bool,
    /// State is captured at the epoch's end; with a number, it is restored on that many workers.
    capture: Option<Option<usize>>,
    /// How many captures the store writes then, and how many bytes are let go from memory.
    write: usize,
    evict: usize,
}

const A: usize = 0;
const B: usize = 1;
const FLOAT: usize = 2;
const TEXT: usize = 3;
const FLAG: usize = 4;
const SEQUENCE: usize = 5;

fn value_columns() -> Vec<Field> {
    let field = |name: &str, t: DataType| Field::new(name, t, true);
    vec![
        field("a", DataType::Int64),
        field("b", DataType::Int64),
        field("f", DataType::Float64),
        field("t", DataType::Utf8),
        field("flag", DataType::Boolean),
        field("seq", DataType::Int64),
    ]
}

fn nullable(byte: u8, value: impl Fn(i64) -> Value) -> Value {
    if byte.is_multiple_of(7) { Value::Null } else { value(i64::from(byte % 11) - 5) }
}

/// A row as the reference knows it; the key columns come from one byte.
fn row(case: &Case, (key, time, bytes): &(u8, Option<i64>, [u8; 5]), unit_us: i64, sequence: i64) -> Row {
    let key: Vec<Value> = (0..case.keys)
        .map(|i| match (key >> (2 * i) & 3, i) {
            (3, _) => Value::Null,
            (v, 0) => Value::Int(i64::from(v)),
            (v, 1) => Value::Text("k".repeat(usize::from(v))),
            (v, _) => Value::float(f64::from(v) / 4.0),
        })
        .collect();
    let values = vec![
        nullable(bytes[0], Value::Int),
        nullable(bytes[1], Value::Int),
        nullable(bytes[2], |v| Value::float(v as f64 / 4.0)),
        nullable(bytes[3], |v| Value::Text("z".repeat(v.unsigned_abs() as usize))),
        nullable(bytes[4], |v| Value::Int(v & 1)),
        Value::Int(sequence),
    ];
    Row { key, time: time.map(|t| t * unit_us), values, diff: 1 }
}

fn column(values: impl Iterator<Item = Value>, data_type: &DataType) -> ArrayRef {
    let values: Vec<Value> = values.collect();
    let int = |v: &Value| (*v != Value::Null).then(|| v.as_int());
    match data_type {
        DataType::Int64 => Arc::new(values.iter().map(int).collect::<Int64Array>()),
        DataType::Boolean => Arc::new(values.iter().map(|v| int(v).map(|v| v == 1)).collect::<BooleanArray>()),
        DataType::Float64 => Arc::new(values.iter().map(|v| (*v != Value::Null).then(|| v.as_float())).collect::<Float64Array>()),
        _ => Arc::new(values.iter().map(|v| if let Value::Text(t) = v { Some(t.clone()) } else { None }).collect::<StringArray>()),
    }
}

fn key_fields(keys: usize) -> Vec<Field> {
    let all = [("k", DataType::Int64), ("l", DataType::Utf8), ("m", DataType::Float64)];
    all[..keys].iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect()
}

/// `time`, the keys, the values.
fn input_schema(case: &Case) -> SchemaRef {
    let mut fields = vec![Field::new("time", time_type(case.unit).0, true)];
    fields.extend(key_fields(case.keys));
    fields.extend(value_columns());
    Arc::new(Schema::new(fields))
}

fn batch(case: &Case, schema: &SchemaRef, rows: &[Row]) -> Batch {
    let (data_type, unit_us) = time_type(case.unit);
    let in_unit = rows.iter().map(|r| r.time.map(|t| t / unit_us));
    let time: ArrayRef = match &data_type {
        DataType::Date32 => Arc::new(in_unit.map(|t| t.map(|t| t as i32)).collect::<Date32Array>()),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Arc::new(in_unit.map(|t| t.map(|t| t * 1000)).collect::<TimestampNanosecondArray>())
        }
        other => {
            let values = in_unit.collect::<Int64Array>();
            arrow::compute::cast(&values, other).unwrap()
        }
    };
    let mut columns = vec![time];
    for (i, field) in schema.fields()[1..].iter().enumerate() {
        let value = |r: &Row| if i < case.keys { r.key[i].clone() } else { r.values[i - case.keys].clone() };
        columns.push(column(rows.iter().map(value), field.data_type()));
    }
    let diffs = case.retracts.then(|| rows.iter().map(|r| r.diff).collect::<Int64Array>());
    Batch { rows: RecordBatch::try_new(schema.clone(), columns).unwrap(), diffs, origin: None }
}

fn call(case: &Case, fold: &Fold, i: usize) -> (AggregateCall, DataType) {
    let at = |c: usize| 1 + case.keys + c;
    let name = |c: usize| col(value_columns()[c].name().as_str());
    let plain = |function: Arc<AggregateUDF>, args| AggregateCall {
        function,
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
        name: format!("r{i}"),
    };
    let list = |t| DataType::List(Arc::new(Field::new_list_field(t, true)));
    match *fold {
        Fold::Rows => (plain(udaf::count::count_udaf(), vec![lit(1i64)]), DataType::Int64),
        Fold::Count(c) => (plain(udaf::count::count_udaf(), vec![name(c)]), DataType::Int64),
        Fold::CountWhere(c, f) => {
            (AggregateCall { filter: Some(at(f)), ..plain(udaf::count::count_udaf(), vec![name(c)]) }, DataType::Int64)
        }
        Fold::SumInt(c) => (plain(udaf::sum::sum_udaf(), vec![name(c)]), DataType::Int64),
        Fold::SumFloat(c) => (plain(udaf::sum::sum_udaf(), vec![name(c)]), DataType::Float64),
        Fold::AverageFloat(c) | Fold::AverageInt(c) => (plain(udaf::average::avg_udaf(), vec![name(c)]), DataType::Float64),
        Fold::Min(c) => (plain(udaf::min_max::min_udaf(), vec![name(c)]), DataType::Int64),
        Fold::Max(c) => (plain(udaf::min_max::max_udaf(), vec![name(c)]), DataType::Int64),
        Fold::MaxText(c) => (plain(udaf::min_max::max_udaf(), vec![name(c)]), DataType::Utf8),
        Fold::CountDistinct(c) => (AggregateCall { distinct: true, ..plain(udaf::count::count_udaf(), vec![name(c)]) }, DataType::Int64),
        Fold::SumDistinct(c) => (AggregateCall { distinct: true, ..plain(udaf::sum::sum_udaf(), vec![name(c)]) }, DataType::Int64),
        Fold::Array(c, by) => (
            AggregateCall { order_by: vec![(at(by), false, false)], ..plain(udaf::array_agg::array_agg_udaf(), vec![name(c)]) },
            list(DataType::Int64),
        ),
        Fold::Median(c) => (plain(udaf::median::median_udaf(), vec![name(c)]), DataType::Int64),
        Fold::FirstBy(c, by) => (
            AggregateCall { order_by: vec![(at(by), true, false)], ..plain(udaf::first_last::first_value_udaf(), vec![name(c)]) },
            DataType::Int64,
        ),
    }
}

/// The plan, and the output's schema.
fn plan(case: &Case) -> (AggregateOp, SchemaRef) {
    let query = &case.query;
    let shape = match query.shape {
        Shape::Everything => None,
        Shape::Hopping { size, slide, offset } if size == slide => Some(WindowShape::Tumbling { size, offset }),
        Shape::Hopping { size, slide, offset } => Some(WindowShape::Hopping { size, slide, offset }),
        Shape::Cumulating { size, step, offset } => Some(WindowShape::Cumulating { size, step, offset }),
        Shape::Session { gap } => Some(WindowShape::Session { gap }),
    };
    let time = (!query.by_clock).then_some(EventTime { column: 0, shift_us: 0 });
    let (calls, types): (Vec<_>, Vec<_>) = query.calls.iter().enumerate().map(|(i, f)| call(case, f, i)).unzip();
    let mut fields = key_fields(case.keys);
    fields.extend(calls.iter().zip(types).map(|(c, t)| Field::new(&c.name, t, true)));
    if shape.is_some() {
        // Finer than the input's unit, so that every edge can be told.
        let edge = DataType::Timestamp(TimeUnit::Microsecond, None);
        fields.extend([Field::new("window_start", edge.clone(), false), Field::new("window_end", edge, false)]);
    }
    let op = AggregateOp {
        keys: (1..=case.keys).collect(),
        calls,
        window: shape.map(|shape| WindowSpec { shape, time }),
        emit: match query.emit {
            Emit::OnClose => EmitMode::OnClose,
            Emit::OnChange => EmitMode::OnChange,
            Emit::Every(period) => EmitMode::Every(period),
        },
        allowed_lateness_us: query.lateness,
        ttl_us: query.ttl,
        two_phase: case.two_phase,
        retracts: case.retracts,
    };
    (op, Arc::new(Schema::new(fields)))
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Value::Int(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(row);
            Value::List((0..list.len()).map(|i| value(&list, i)).collect())
        }
        other => panic!("{other}"),
    }
}

/// What operators gave, and whether it is of the kind that the plan says.
fn given(case: &Case, batches: &[Batch]) -> BTreeMap<Given, i64> {
    let mut rows: BTreeMap<Given, i64> = BTreeMap::new();
    for batch in batches {
        assert_eq!(batch.diffs.is_some(), case.query.is_changelog());
        for i in 0..batch.len() {
            let all: Vec<Value> = batch.rows.columns().iter().map(|c| value(c, i)).collect();
            let results = case.keys + case.query.calls.len();
            let (start, end) = match &all[results..] {
                [start, end] => (start.as_int(), end.as_int()),
                _ => (i64::MIN, i64::MAX),
            };
            let row = (all[..case.keys].to_vec(), all[case.keys..results].to_vec(), start, end);
            *rows.entry(row).or_default() += batch.diffs.as_ref().map_or(1, |d| d.value(i));
        }
    }
    rows.retain(|_, diff| *diff != 0);
    rows
}

struct Worker {
    operator: AggregateOperator,
    replica: TableReplica,
    store: Arc<LaggingStore>,
}

fn worker(case: &Case) -> Worker {
    let (op, output) = plan(case);
    let operator = AggregateOperator::new("step", &op, &input_schema(case), &output, KeyGroups::new(GROUPS)).unwrap();
    Worker { replica: TableReplica::of(&operator).unwrap(), store: Arc::new(LaggingStore::of(&operator).unwrap()), operator }
}

impl Worker {
    /// Its table as one whose rows may lie in the store alone, where the case asks for it and the table can.
    fn spilling(&mut self, case: &Case) -> Option<&mut dyn SpillTable> {
        self.operator.spilling().filter(|_| case.spills)
    }

    fn shelve(&mut self, case: &Case, filled: bool) {
        let shape = TableShape { schema: self.operator.schema(), key_columns: self.operator.key_columns() };
        let shelf = Shelf::new(self.store.clone(), "step".into(), shape, 0..GROUPS, filled).unwrap();
        if let Some(table) = self.spilling(case) {
            table.shelve(shelf);
        }
    }
}

/// Rows by the worker that holds their key's group.
fn routed(batch: &Batch, keys: std::ops::Range<usize>, workers: usize) -> Vec<Batch> {
    let rows = &batch.rows;
    let groups = KeyGroups::new(GROUPS);
    let mut hashes = Vec::new();
    key_hashes(&rows.columns()[keys.clone()], &mut hashes).unwrap();
    if keys.is_empty() {
        hashes = vec![no_key(); rows.num_rows()];
    }
    let of = |w: usize| {
        let own = (0..rows.num_rows() as u32).filter(|&i| groups.worker_of(groups.of_hash(hashes[i as usize]), workers) == w);
        batch.take(&own.collect::<UInt32Array>()).unwrap()
    };
    (0..workers).map(of).collect()
}

/// Pieces of a batch.
fn cut(rows: &Batch, cuts: &[Index]) -> Vec<Batch> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(rows.len() + 1)).chain([0, rows.len()]).collect();
    at.sort_unstable();
    at.windows(2).filter(|w| w[0] < w[1]).map(|w| rows.slice(w[0], w[1] - w[0])).collect()
}

fn run(case: &Case) {
    let schema = input_schema(case);
    let (op, _) = plan(case);
    let (_, unit_us) = time_type(case.unit);
    let two_phase = case.two_phase && PartialAggregate::supports(&op, &schema);
    let mut reference = Reference::new(case.query.clone());
    let mut workers: Vec<Worker> = (0..case.workers).map(|_| worker(case)).collect();
    // In two phases: those that read, each on its own.
    let reader = |_| PartialAggregate::new("step", &op, &schema, KeyGroups::new(GROUPS)).unwrap();
    let mut readers: Vec<PartialAggregate> = if two_phase { (0..=case.passes.len()).map(reader).collect() } else { vec![] };
    let send = |states: Vec<RecordBatch>, workers: &mut [Worker]| {
        let count = workers.len();
        for states in states {
            for (worker, part) in workers.iter_mut().zip(routed(&Batch::of(states), 1..1 + case.keys, count)) {
                worker.operator.merge(&[part.rows]).unwrap();
            }
        }
    };
    workers.iter_mut().for_each(|w| w.shelve(case, false));
    let (mut watermark, mut clock, mut sequence) = (i64::MIN, 0, 0);
    let mut live: BTreeMap<Given, i64> = BTreeMap::new();
    let mut there: Vec<Row> = Vec::new();
    let last = case.epochs.len();
    let end = EpochCase {
        rows: vec![],
        advance: 0,
        clock: 1,
        cuts: vec![],
        takes: vec![],
        takes_first: false,
        capture: None,
        write: 0,
        evict: 0,
    };
    for (number, epoch) in case.epochs.iter().chain([&end]).enumerate() {
        let before = watermark;
        clock += epoch.clock * unit_us;
        watermark = match (number == last, epoch.advance) {
            (true, _) => i64::MAX,
            (_, 0) => watermark,
            (_, by) => (if watermark == i64::MIN { 0 } else { watermark }) + by * unit_us,
        };
        let mut rows: Vec<Row> = epoch
            .rows
            .iter()
            .map(|r| {
                sequence += 1;
                row(case, r, unit_us, sequence)
            })
            .collect();
        if case.retracts {
            there.extend(rows.iter().cloned());
            for index in epoch.takes.iter().filter(|_| !there.is_empty()).collect::<Vec<_>>() {
                if !there.is_empty() {
                    let back = there.remove(index.index(there.len()));
                    rows.insert(if epoch.takes_first { 0 } else { rows.len() }, Row { diff: -1, ..back });
                }
            }
        }
        let Expected { rows: expected, late, rejected } = reference.epoch(&rows, watermark, clock);
        let all = batch(case, &schema, &rows);
        let mut rejects = Rejects::default();
        if two_phase {
            // Each reader aggregates what it has, lets it go on as it is now and then, and sends by key what must go on.
            let count = readers.len();
            for (at, piece) in cut(&all, &epoch.cuts).into_iter().enumerate() {
                if let Some(&rows) = case.passes.get((at + number) % count) {
                    readers[at % count].pass(rows);
                }
                readers[at % count].apply(&[piece], before, clock, &mut rejects).unwrap();
            }
            for reader in &mut readers {
                reader.apply(&[], before, clock, &mut rejects).unwrap();
                send(reader.give(watermark, clock).unwrap(), &mut workers);
            }
        } else {
            let parts = routed(&all, 1..1 + case.keys, workers.len());
            for (worker, rows) in workers.iter_mut().zip(parts) {
                let batches = cut(&rows, &epoch.cuts);
                worker.operator.apply(batches, before, clock, &mut rejects).unwrap();
            }
        }
        let mut batches = Vec::new();
        for worker in &mut workers {
            batches.extend(worker.operator.close(watermark, clock, &mut rejects).unwrap().batches);
        }
        let found = given(case, &batches);
        assert_eq!(found, expected, "epoch {number}, watermark {watermark}, clock {clock}");
        if epoch.capture.is_some() {
            // What readers hold is in no checkpoint: it goes on before one, and gives nothing out.
            readers.iter_mut().for_each(|reader| send(reader.flush().unwrap(), &mut workers));
            for worker in workers.iter_mut().filter(|_| two_phase) {
                let more = worker.operator.close(watermark, clock, &mut rejects).unwrap().batches;
                assert!(given(case, &more).is_empty());
            }
        }
        let reasons = |reason: &str| rejects.rows().iter().filter(|r| r.reason.as_str() == reason).count();
        assert_eq!((reasons("late"), reasons("expression")), (late, rejected), "epoch {number}: {:?}", rejects.rows());
        for (row, diff) in found {
            *live.entry(row).or_default() += diff;
        }
        assert!(live.values().all(|&n| n >= 0), "a row was taken back that had not been given");
        let count = workers.len();
        for (number, worker) in workers.iter_mut().enumerate().filter(|_| epoch.capture.is_some()) {
            let changes = worker.operator.capture().unwrap();
            if let Some(rows) = &changes.upserted {
                let own = KeyGroups::new(GROUPS).of_worker(number, count);
                let groups = rows.column(0).as_primitive::<UInt16Type>();
                assert!(groups.values().iter().all(|g| own.contains(g)));
            }
            worker.replica.apply(&changes).unwrap();
            let boundary = worker.store.hand_over(changes);
            if let Some(table) = worker.spilling(case) {
                table.handed_over(boundary);
            }
            assert!(worker.operator.capture().unwrap().is_empty());
            assert_eq!(worker.operator.keys() as u64, worker.operator.held());
        }
        for worker in &mut workers {
            worker.store.write(epoch.write).unwrap();
            if let Some(table) = worker.spilling(case) {
                let before = table.spill_counts().evicted;
                let freed = table.evict(epoch.evict).unwrap();
                assert!(freed > 0 || table.spill_counts().evicted == before);
            }
        }
        if let Some(Some(next)) = epoch.capture {
            let old = std::mem::take(&mut workers);
            for number in 0..next {
                let mut new = worker(case);
                let own = KeyGroups::new(GROUPS).of_worker(number, next);
                for before in &old {
                    let rows = before.replica.rows(own.clone()).unwrap();
                    if new.spilling(case).is_none() {
                        new.operator.restore(&rows).unwrap();
                    }
                    let all = StateChanges { expired: vec![], deleted: None, upserted: Some(rows) };
                    new.replica.apply(&all).unwrap();
                    new.store.hand_over(all);
                }
                new.store.write(usize::MAX).unwrap();
                new.shelve(case, true);
                new.operator.resume(watermark, clock);
                workers.push(new);
            }
            let held: u64 = workers.iter().map(|w| w.operator.held()).sum();
            let before = old.iter().map(|w| w.operator.held()).sum::<u64>();
            assert!(held == before || workers.iter_mut().all(|w| w.spilling(case).is_some()));
        }
    }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Everything),
        (1..8i64, -5..5i64).prop_map(|(size, offset)| Shape::Hopping { size, slide: size, offset }),
        (1..9i64, 1..9i64, -5..5i64).prop_map(|(a, b, offset)| Shape::Hopping { size: a.max(b), slide: a.min(b), offset }),
        (1..4i64, 1..4i64, -5..5i64).prop_map(|(step, n, offset)| Shape::Cumulating { size: step * n, step, offset }),
        (1..7i64).prop_map(|gap| Shape::Session { gap }),
    ]
}

fn scaled(shape: Shape, unit_us: i64) -> Shape {
    match shape {
        Shape::Everything => shape,
        Shape::Hopping { size, slide, offset } => Shape::Hopping { size: size * unit_us, slide: slide * unit_us, offset: offset * unit_us },
        Shape::Cumulating { size, step, offset } => {
            Shape::Cumulating { size: size * unit_us, step: step * unit_us, offset: offset * unit_us }
        }
        Shape::Session { gap } => Shape::Session { gap: gap * unit_us },
    }
}

fn exact_fold() -> impl Strategy<Value = Fold> {
    prop_oneof![
        Just(Fold::Rows),
        Just(Fold::Count(A)),
        Just(Fold::CountWhere(B, FLAG)),
        Just(Fold::SumInt(A)),
        Just(Fold::Min(A)),
        Just(Fold::Max(B)),
        Just(Fold::MaxText(TEXT)),
        Just(Fold::AverageInt(A)),
    ]
}

fn any_fold() -> impl Strategy<Value = Fold> {
    prop_oneof![
        exact_fold(),
        Just(Fold::SumFloat(FLOAT)),
        Just(Fold::AverageFloat(FLOAT)),
        Just(Fold::CountDistinct(TEXT)),
        Just(Fold::SumDistinct(A)),
        Just(Fold::Array(B, SEQUENCE)),
        Just(Fold::Median(A)),
        Just(Fold::FirstBy(A, SEQUENCE)),
    ]
}

fn any_epoch() -> impl Strategy<Value = EpochCase> {
    let rows = proptest::collection::vec((0..64u8, prop_oneof![9 => (0..40i64).prop_map(Some), 1 => Just(None)], any::<[u8; 5]>()), 0..14);
    let capture = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 1 => (1..4usize).prop_map(|n| Some(Some(n)))];
    let cuts = proptest::collection::vec(any::<Index>(), 0..4);
    let takes = (proptest::collection::vec(any::<Index>(), 0..8), any::<bool>());
    let spill = (prop_oneof![Just(0usize), 1..3usize, Just(usize::MAX)], prop_oneof![Just(0usize), 1..2000usize, Just(usize::MAX)]);
    (rows, prop_oneof![1 => Just(0i64), 3 => 1..12i64], 0..6i64, cuts, takes, capture, spill).prop_map(
        |(rows, advance, clock, cuts, (takes, takes_first), capture, (write, evict))| EpochCase {
            rows,
            advance,
            clock,
            cuts,
            takes,
            takes_first,
            capture,
            write,
            evict,
        },
    )
}

prop_compose! {
    fn any_case()(
        shape in any_shape(),
        by_clock in prop::bool::weighted(0.2),
        emit in prop_oneof![Just(Emit::OnClose), Just(Emit::OnChange), (1..8i64).prop_map(Emit::Every)],
        lateness in prop_oneof![Just(0i64), 1..8i64],
        ttl in prop_oneof![Just(None), (1..12i64).prop_map(Some)],
        two_phase in prop::bool::weighted(0.5),
        passes in proptest::collection::vec(0..12u64, 0..4),
        exact in proptest::collection::vec(exact_fold(), 1..4),
        any in proptest::collection::vec(any_fold(), 1..4),
        unit in any::<u8>(),
        keys in 0..4usize,
        epochs in proptest::collection::vec(any_epoch(), 1..9),
        workers in 1..5usize,
        (retracts, spills) in any::<(bool, bool)>(),
    ) -> Case {
        let unit_us = time_type(unit).1;
        let emit = if let Emit::Every(period) = emit { Emit::Every(period * unit_us) } else { emit };
        let calls = if two_phase { exact } else { any };
        let (lateness, ttl) = (lateness * unit_us, ttl.map(|t| t * unit_us));
        // What has no meaning where rows can be taken back.
        let retracts = retracts && !matches!(shape, Shape::Session { .. });
        let (by_clock, ttl) = if retracts { (false, None) } else { (by_clock, ttl) };
        let query = Query { shape: scaled(shape, unit_us), by_clock, emit, lateness, ttl, calls };
        Case { query, unit, keys, epochs, workers, two_phase, passes, retracts, spills }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::with_cases(256) })]
    #[test]
    fn it_gives_what_the_reference_gives(case in any_case()) {
        run(&case);
    }
}
