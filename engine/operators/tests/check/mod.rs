//! Expectations on windows against a list of all rows, on several workers, cut into batches, captured and restored.

use arrow::{array::*, compute::concat_batches, datatypes::*};
use datafusion_expr::{col, lit};
use proptest::prelude::*;
use runink_checkpoint::{KeyGroups, TableReplica};
use runink_operators::{
    Batch, EpochOperator, EpochTime, OperatorError, Ordered, Rejects,
    check::{CheckWindows, CountRows},
};
use runink_planner::{CheckOp, Demand, EventTime, ShareOp, checks_schema};
use std::{collections::BTreeMap, sync::Arc};

const SIZE: i64 = 10;

fn schema() -> SchemaRef {
    let at = DataType::Timestamp(TimeUnit::Microsecond, None);
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true), Field::new("at", at, true)]))
}

/// A value and a time; either may be missing.
type Row = (Option<i64>, Option<i64>);

fn batch(rows: &[Row]) -> Batch {
    let v: Int64Array = rows.iter().map(|r| r.0).collect();
    let at: TimestampMicrosecondArray = rows.iter().map(|r| r.1).collect();
    Batch::of(RecordBatch::try_new(schema(), vec![Arc::new(v), Arc::new(at)]).unwrap())
}

fn op(demand: Demand, fail: bool) -> CheckOp {
    CheckOp { text: "something".into(), demand, size_us: SIZE, time: EventTime { column: 1, shift_us: 0 }, fail }
}

/// `10 / v > 2`: fails where `v` is 0, and is null where it is null.
fn share(bound: f64) -> Demand {
    Demand::Share { of: (lit(10i64) / col("v")).gt(lit(2i64)), op: ShareOp::LtEq, bound }
}

fn counts(v: Option<i64>) -> bool {
    v.is_some_and(|v| v != 0 && 10 / v > 2)
}

#[derive(Debug, Clone)]
struct Epoch {
    rows: Vec<Row>,
    /// Which worker each row is on.
    places: Vec<usize>,
    /// How many rows a batch has.
    cut: usize,
    advance: i64,
    restore: bool,
}

/// Start, windows, rows, counted, holds.
type Said = (i64, u64, u64, u64, bool);

/// The operators, as the engine runs them: one that counts on each worker, and one that checks.
struct Running {
    op: CheckOp,
    counting: Vec<CountRows>,
    checking: CheckWindows,
    replica: TableReplica,
    watermark: i64,
}

impl Running {
    fn new(op: CheckOp, workers: usize) -> Self {
        let counting = (0..workers).map(|_| CountRows::new("check", &op, &schema()).unwrap()).collect();
        let mut checking = CheckWindows::new("check", &op, KeyGroups::new(8));
        let replica = TableReplica::of(checking.table().unwrap()).unwrap();
        Running { op, counting, checking, replica, watermark: i64::MIN }
    }

    fn epoch(&mut self, epoch: &Epoch, watermark: i64) -> Result<Vec<Said>, OperatorError> {
        let time = |worker| EpochTime { before: self.watermark, watermark, clock_us: 0, worker };
        let mut rejects = Rejects::default();
        let mut counts = Vec::new();
        for (worker, operator) in self.counting.iter_mut().enumerate() {
            let own: Vec<Row> = epoch.rows.iter().zip(&epoch.places).filter(|(_, p)| **p == worker).map(|(r, _)| *r).collect();
            let batches = own.chunks(epoch.cut).map(|rows| Ordered { batch: batch(rows), order: 0 }).collect();
            counts.extend(operator.epoch(vec![batches], time(worker as u64), &mut rejects).unwrap().batches);
        }
        let given = self.checking.epoch(vec![counts], time(0), &mut rejects)?;
        assert!(rejects.is_empty(), "an expectation on windows turns nothing away");
        self.watermark = watermark;
        self.replica.apply(&self.checking.table().unwrap().capture().unwrap()).unwrap();
        if epoch.restore {
            self.checking = CheckWindows::new("check", &self.op, KeyGroups::new(8));
            let rows = self.replica.rows(0..8).unwrap();
            self.checking.table().unwrap().restore(&rows).unwrap();
        }
        let batches: Vec<RecordBatch> = given.batches.into_iter().map(|o| o.batch.rows).collect();
        Ok(said(&concat_batches(&checks_schema(), &batches).unwrap()))
    }
}

fn said(rows: &RecordBatch) -> Vec<Said> {
    let start = rows.column(0).as_primitive::<TimestampMicrosecondType>();
    let end = rows.column(1).as_primitive::<TimestampMicrosecondType>();
    let count = |i: usize| rows.column(i).as_primitive::<UInt64Type>().clone();
    let (windows, all, counted) = (count(2), count(3), count(4));
    (0..rows.num_rows())
        .map(|i| {
            assert_eq!(end.value(i) - start.value(i), SIZE * windows.value(i) as i64);
            (start.value(i), windows.value(i), all.value(i), counted.value(i), rows.column(5).as_boolean().value(i))
        })
        .collect()
}

/// All windows one by one, those without rows among them where they are counted.
#[derive(Default)]
struct Reference {
    rows: BTreeMap<i64, (u64, u64)>,
    next: Option<i64>,
}

impl Reference {
    fn epoch(&mut self, demand: &Demand, epoch: &Epoch, before: i64, watermark: i64) -> Vec<Said> {
        for (v, at) in &epoch.rows {
            let Some(at) = at else { continue };
            let start = at.div_euclid(SIZE) * SIZE;
            if start + SIZE <= before {
                continue;
            }
            let entry = self.rows.entry(start).or_default();
            entry.0 += 1;
            entry.1 += u64::from(matches!(demand, Demand::Rows { .. }) || counts(*v));
            self.next = Some(self.next.map_or(start, |n| n.min(start)));
        }
        let mut said = Vec::new();
        let Some(mut next) = self.next else { return said };
        let last = self.rows.keys().next_back().copied();
        while next.checked_add(SIZE).is_some_and(|end| end <= watermark) && (watermark != i64::MAX || last.is_some_and(|l| next <= l)) {
            let (rows, counted) = self.rows.remove(&next).unwrap_or_default();
            if rows > 0 || matches!(demand, Demand::Rows { .. }) {
                said.push((next, 1, rows, counted, demand.holds(rows, counted)));
            }
            next += SIZE;
        }
        self.next = Some(next);
        said
    }
}

/// Runs of windows without rows, taken apart.
fn apart(said: Vec<Said>) -> Vec<Said> {
    said.into_iter()
        .flat_map(|(start, n, rows, counted, holds)| (0..n as i64).map(move |i| (start + i * SIZE, 1, rows, counted, holds)))
        .collect()
}

fn epochs() -> impl Strategy<Value = Vec<Epoch>> {
    let row = (proptest::option::weighted(0.9, -1i64..8), proptest::option::weighted(0.95, -30i64..200));
    let rows = proptest::collection::vec((row, 0usize..4), 0..12);
    let epoch = (rows, 1usize..5, 0i64..60, any::<bool>()).prop_map(|(rows, cut, advance, restore)| {
        let (rows, places) = rows.into_iter().unzip();
        Epoch { rows, places, cut, advance, restore }
    });
    proptest::collection::vec(epoch, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn windows_are_checked_as_a_list_says(epochs in epochs(), workers in 1usize..=4, volume in any::<bool>(), bound in 0u64..4) {
        let demand = match volume {
            true => Demand::Rows { at_least: bound % 2 == 0, rows: bound },
            false => share(bound as f64 / 4.0),
        };
        let mut running = Running::new(op(demand.clone(), false), workers);
        let mut reference = Reference::default();
        let mut watermark = -50;
        let last = epochs.len() - 1;
        for (i, epoch) in epochs.iter().enumerate() {
            let epoch = Epoch { places: epoch.places.iter().map(|p| p % workers).collect(), ..epoch.clone() };
            let before = running.watermark;
            watermark = if i == last { i64::MAX } else { watermark + epoch.advance };
            let expected = reference.epoch(&demand, &epoch, before, watermark);
            prop_assert_eq!(apart(running.epoch(&epoch, watermark).unwrap()), expected);
        }
    }
}

fn epoch(rows: &[Row]) -> Epoch {
    Epoch { rows: rows.to_vec(), places: vec![0; rows.len()], cut: 8, advance: 0, restore: false }
}

#[test]
fn windows_without_rows_are_one_run_however_many_they_are() {
    let mut running = Running::new(op(Demand::Rows { at_least: true, rows: 1 }, false), 1);
    assert_eq!(running.epoch(&epoch(&[(None, Some(5))]), 10).unwrap(), [(0, 1, 1, 1, true)]);
    let far = SIZE * 1_000_000_000;
    assert_eq!(running.epoch(&epoch(&[(None, Some(far))]), far + SIZE).unwrap(), [(SIZE, 999_999_999, 0, 0, false), (far, 1, 1, 1, true)]);
}

#[test]
fn a_broken_window_stops_the_scenario_where_the_text_says_so() {
    let mut running = Running::new(op(share(0.5), true), 1);
    let rows = [(Some(1), Some(1)), (Some(1), Some(2)), (Some(0), Some(3))];
    assert_eq!(running.epoch(&epoch(&rows), 5).unwrap(), []);
    let error = running.epoch(&epoch(&[]), 10).unwrap_err().to_string();
    assert_eq!(error, "check: `something` does not hold for the window from 1970-01-01T00:00:00Z: it is true for 2 of 3 rows");
}
