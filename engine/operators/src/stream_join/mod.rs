//! Two streams joined: rows of either side wait for partners of the other, for as long as one can come.
//!
//! In an epoch the left rows meet the right rows of the epochs before, then the right rows meet all left rows: so each pair is found once. Who can meet
//! whom, and who is gone, is arithmetic of the rows, the epoch and the watermarks alone (`bound`); results do not depend on batch cuts, on workers, or on
//! when state was captured. Three ways to give results:
//! - `settled`: rows within a bound of time. What comes out stays; a row without partner comes out when it is gone.
//! - `versions`: a left row waits until its version is settled.
//! - `changing`: every pair ever, over rows that can be taken back; a changelog.
//!
//! Parts: `rows` (what is kept, in `bucket`s by when it goes), `pairs` (candidates, the further condition, columns that come out), `state` (captures).
//!
//! A row is late if it can meet nothing any more that is kept or that is on time. A null in a key equals nothing: such a row is not kept, and where its
//! side keeps rows without partner, it comes out at once.

pub(crate) mod bound;
pub(crate) mod bucket;
mod changing;
mod pairs;
pub(crate) mod rows;
mod settled;
mod spec;
mod state;
mod versions;

use crate::{
    Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects,
    aggregate::keys::{KeyRows, KeyTable},
    batches,
};
use arrow::{
    array::{Int64Array, UInt32Array},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use bound::{Bound, Side, Span};
use changing::Changing;
use pairs::Pick;
use rows::{Incoming, SideRows};
use runink_checkpoint::{KeyGroups, StateTable};
use runink_planner::{StreamJoinKind, StreamJoinOp};
use spec::{Admitted, Spec};
use versions::Versions;

/// Joins two streams. Called once per epoch, in order: [`Self::apply_left`], [`Self::apply_right`], then [`Self::close`].
pub struct StreamJoinOperator {
    spec: Spec,
    keys: KeyTable,
    rows: [SideRows; 2],
    way: Way,
    out: Vec<Batch>,
    /// How far time had come when the last epoch closed.
    closed_to: i64,
    /// [`Bound::Kept`]: event time is known, so that ages count in it; until then they count in the clock's.
    in_event_time: bool,
    /// Of rows that captures have and that were taken out.
    deleted: Vec<RecordBatch>,
    key_rows: KeyRows,
}

enum Way {
    Settled,
    Versions(Versions),
    Changing(Box<Changing>),
}

impl StreamJoinOperator {
    /// A join without rows.
    ///
    /// # Errors
    /// Where the plan does not fit its schemas, or asks for what a join of streams does not have.
    pub fn new(
        step: &str,
        op: &StreamJoinOp,
        left: &SchemaRef,
        right: &SchemaRef,
        output: &SchemaRef,
        groups: KeyGroups,
    ) -> Result<Self, OperatorError> {
        let spec = Spec::new(step, op, [left, right], output, groups)?;
        let way = match spec.bound {
            Bound::AsOf => Way::Versions(Versions::default()),
            Bound::Kept { .. } if spec.changelog => Way::Changing(Box::new(Changing::new(&spec, op)?)),
            _ => Way::Settled,
        };
        let rows = Side::BOTH.map(|side| {
            let versions = matches!(spec.bound, Bound::AsOf) && side == Side::Right;
            SideRows::new(&spec.inputs[side.index()], spec.stored(side), spec.bound.keep(side), versions)
        });
        Ok(StreamJoinOperator {
            keys: KeyTable::new(&spec.layout),
            rows,
            way,
            out: Vec::new(),
            closed_to: i64::MIN,
            in_event_time: false,
            deleted: Vec::new(),
            key_rows: KeyRows::default(),
            spec,
        })
    }

    /// Says where time stood when the state that has been restored was captured: the epoch's watermark and clock, in µs. What had come out by then does
    /// not come again.
    pub fn resume(&mut self, watermark: i64, clock_us: i64) {
        self.in_event_time |= watermark != i64::MIN;
        self.closed_to = self.closed_to.max(self.reached(watermark, clock_us));
        for rows in &mut self.rows {
            rows.forget_gone(self.closed_to);
            rows.end_epoch();
        }
    }

    /// Takes the left rows of an epoch. `watermark_before` is W of the epoch before, `clock_us` the epoch's wall clock, both in µs.
    ///
    /// # Errors
    /// Where rows do not fit the plan. A row that cannot be placed in time, or is late, is rejected.
    pub fn apply_left(
        &mut self,
        batches: Vec<Batch>,
        watermark_before: i64,
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        self.apply(Side::Left, &batches, watermark_before, clock_us, rejects)
    }

    /// Takes the right rows of an epoch, after its left ones. See [`Self::apply_left`].
    ///
    /// # Errors
    /// As [`Self::apply_left`].
    pub fn apply_right(
        &mut self,
        batches: Vec<Batch>,
        watermark_before: i64,
        clock_us: i64,
        rejects: &mut Rejects,
    ) -> Result<(), OperatorError> {
        self.apply(Side::Right, &batches, watermark_before, clock_us, rejects)
    }

    /// How far time has come in what counts here: event time, or the clock's; at the input's end, to the end.
    fn reached(&self, watermark: i64, clock_us: i64) -> i64 {
        match self.spec.bound {
            Bound::Kept { .. } if watermark == i64::MIN => clock_us,
            Bound::Window(_) if self.spec.by_clock() && watermark != i64::MAX => clock_us,
            _ => watermark,
        }
    }

    fn apply(&mut self, side: Side, batches: &[Batch], watermark: i64, clock_us: i64, rejects: &mut Rejects) -> Result<(), OperatorError> {
        let reached = match self.spec.bound {
            Bound::Kept { .. } => self.reached(watermark, clock_us),
            _ if self.spec.by_clock() => self.closed_to,
            _ => self.closed_to.max(watermark),
        };
        let mut admitted = Vec::with_capacity(batches.len());
        for batch in batches.iter().filter(|b| !b.is_empty()) {
            let rows = self.spec.admit(side, batch, reached, clock_us, rejects)?;
            if let Some(unkeyed) = &rows.unkeyed {
                self.give_unkeyed(side, unkeyed)?;
            }
            if !rows.batch.is_empty() {
                admitted.push(rows);
            }
        }
        if matches!(self.way, Way::Changing(_)) {
            return self.apply_changing(side, &admitted, reached, rejects);
        }
        for rows in &admitted {
            let keys = self.intern(side, rows)?;
            match &self.way {
                Way::Versions(_) => self.apply_versions(side, rows, &keys, reached, rejects)?,
                _ => self.apply_settled(side, rows, &keys, reached, rejects)?,
            }
        }
        Ok(())
    }

    /// Ends the epoch: what comes out of it. `watermark` is the epoch's, `i64::MAX` at the input's end.
    ///
    /// # Errors
    /// Where a kernel fails.
    pub fn close(&mut self, watermark: i64, clock_us: i64, rejects: &mut Rejects) -> Result<Vec<Batch>, OperatorError> {
        let reached = self.reached(watermark, clock_us);
        match &self.way {
            Way::Settled => self.close_settled(reached)?,
            Way::Versions(_) => self.close_versions(reached, rejects)?,
            Way::Changing(_) => self.close_changing()?,
        }
        match self.spec.bound {
            Bound::Kept { ttl } => self.age(ttl, watermark, clock_us)?,
            _ => self.drop_gone(reached),
        }
        self.closed_to = if matches!(self.spec.bound, Bound::Kept { .. }) { reached } else { self.closed_to.max(reached) };
        self.end_epoch()?;
        Ok(std::mem::take(&mut self.out))
    }

    /// How many rows wait for partners (or, in a version table, are valid). Rows that are gone count until their bucket goes.
    pub fn held(&self) -> u64 {
        self.rows.iter().map(|rows| rows.len() as u64).sum()
    }

    fn intern(&mut self, side: Side, rows: &Admitted) -> Result<Vec<u32>, OperatorError> {
        let columns: Vec<_> = self.spec.keys[side.index()].iter().map(|&k| rows.batch.rows.column(k).clone()).collect();
        let count = rows.batch.len();
        self.spec.layout.prepare(&columns, count, &mut self.key_rows).map_err(|e| self.spec.error(e))?;
        let mut keys = Vec::with_capacity(count);
        self.keys.intern(&self.key_rows, 0..count, &mut keys);
        Ok(keys)
    }

    /// Rows of a batch are kept from now on; those `which` says, or all.
    fn keep_rows(
        &mut self,
        side: Side,
        rows: &RecordBatch,
        keys: &[u32],
        spans: &[Span],
        which: Option<&[u32]>,
        matched: &[bool],
    ) -> Result<Vec<u32>, ArrowError> {
        let bound = self.spec.bound;
        let kept = &mut self.rows[side.index()];
        let columns = kept.stored.iter().map(|&c| rows.column(c).clone());
        let add = bound.keep(side);
        let namespaces = |spans: &[Span]| spans.iter().map(|s| bound.bucket(s.high.saturating_add(add))).collect::<Vec<_>>();
        match which {
            None => {
                let columns = columns.collect();
                kept.insert(&Incoming { columns, keys, spans, namespaces: namespaces(spans), matched, sequences: None })
            }
            Some(which) => {
                let pick = UInt32Array::from(which.to_vec());
                let columns = columns.map(|c| arrow::compute::take(&c, &pick, None)).collect::<Result<_, _>>()?;
                let keys: Vec<u32> = which.iter().map(|&row| keys[row as usize]).collect();
                let spans: Vec<Span> = which.iter().map(|&row| spans[row as usize]).collect();
                kept.insert(&Incoming { columns, keys: &keys, spans: &spans, namespaces: namespaces(&spans), matched, sequences: None })
            }
        }
    }

    /// Whether rows of a side come out without partner.
    fn gives_unmatched(&self, side: Side) -> bool {
        use StreamJoinKind::{Anti, Full, Left, Right};
        match side {
            Side::Left => matches!(self.spec.kind, Left | Full | Anti),
            Side::Right => matches!(self.spec.kind, Right | Full),
        }
    }

    /// Rows with a null in their key.
    fn give_unkeyed(&mut self, side: Side, batch: &Batch) -> Result<(), OperatorError> {
        if !self.gives_unmatched(side) {
            return Ok(());
        }
        let all: Vec<u32> = (0..batch.len() as u32).collect();
        let rows = self.spec.alone(side, Pick::Batch(&batch.rows, &all))?;
        let ones = || Int64Array::from_value(1, batch.len());
        let diffs = self.spec.changelog.then(|| batch.diffs.clone().unwrap_or_else(ones));
        self.out.push(Batch { rows, diffs, origin: None });
        Ok(())
    }

    /// Ages count in the clock's time until event time is known; then all rows that are still there begin anew.
    fn age(&mut self, ttl: Option<i64>, watermark: i64, clock_us: i64) -> Result<(), OperatorError> {
        let Some(ttl) = ttl.filter(|_| watermark != i64::MAX) else { return Ok(()) };
        if watermark != i64::MIN && !std::mem::replace(&mut self.in_event_time, true) {
            let high = watermark.saturating_add(ttl);
            let namespace = self.spec.bound.bucket(high);
            for side in Side::BOTH {
                let gone = self.rows[side.index()].move_all(clock_us, high, namespace).map_err(|e| self.spec.error(e))?;
                self.forget_rows(side, &gone);
            }
            return Ok(());
        }
        self.drop_gone(self.reached(watermark, clock_us));
        Ok(())
    }

    fn drop_gone(&mut self, reached: i64) {
        for side in Side::BOTH {
            let dropped = self.rows[side.index()].drop_gone(reached);
            self.forget_rows(side, &dropped);
        }
    }

    /// Lets keys go that have no rows, and what belongs to slots that are gone.
    fn end_epoch(&mut self) -> Result<(), OperatorError> {
        for side in Side::BOTH {
            let deleted = std::mem::take(&mut self.rows[side.index()].deleted);
            if !deleted.is_empty() {
                let batch = self.deleted_rows(side, &deleted).map_err(|e| self.spec.error(e))?;
                self.deleted.push(batch);
            }
        }
        let mut idle: Vec<u32> = self.rows.iter_mut().flat_map(|rows| std::mem::take(&mut rows.idle)).collect();
        idle.sort_unstable();
        idle.dedup();
        for key in idle {
            if self.rows.iter().all(|rows| rows.head(key) == bucket::NONE) {
                self.keys.remove(key);
            }
        }
        for side in Side::BOTH {
            let rows = &mut self.rows[side.index()];
            rows.end_epoch();
            if let Some(moved) = rows.shrink()
                && let Way::Changing(changing) = &mut self.way
            {
                changing.moved(side, &moved, self.rows[side.index()].slots());
            }
        }
        Ok(())
    }

    fn forget_rows(&mut self, side: Side, slots: &[u32]) {
        if let Way::Changing(changing) = &mut self.way {
            changing.forget(side, slots);
        }
    }
}

impl EpochOperator for StreamJoinOperator {
    fn epoch(&mut self, inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let mut inputs = inputs.into_iter();
        let mut next = || batches(inputs.next().unwrap_or_default());
        self.apply_left(next(), time.before, time.clock_us, rejects)?;
        self.apply_right(next(), time.before, time.clock_us, rejects)?;
        Ok(Given::of(time.ordered(self.close(time.watermark, time.clock_us, rejects)?)))
    }

    fn held(&self) -> u64 {
        StreamJoinOperator::held(self)
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        Some(self)
    }

    fn resume(&mut self, watermark: i64, clock_us: i64) {
        StreamJoinOperator::resume(self, watermark, clock_us);
    }
}
