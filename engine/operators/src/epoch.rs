//! What every operator with state is to the engine: a function of an epoch's rows and of where time stands, over state that a checkpoint can take.

use crate::{Batch, OperatorError, Rejects};
use runink_checkpoint::StateTable;

/// A batch and its place among those of its epoch: the same whatever the number of workers.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The rows.
    pub batch: Batch,
    /// Batches of an epoch are taken in this order.
    pub order: u64,
}

/// Where time stands in an epoch, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochTime {
    /// The watermark of the epoch before: it says which rows are late. `i64::MIN` as long as there is none.
    pub before: i64,
    /// The epoch's watermark; `i64::MAX` when the input has ended.
    pub watermark: i64,
    /// The epoch's wall clock.
    pub clock_us: i64,
    /// The worker that asks; it tells batches of several workers apart in their order.
    pub worker: u64,
}

impl EpochTime {
    /// The order of the worker's nth batch where batches have no order of their own.
    pub fn nth(&self, n: usize) -> u64 {
        self.worker << 32 | n as u64
    }

    /// Batches in the order in which they are given.
    pub fn ordered(&self, batches: impl IntoIterator<Item = Batch>) -> Vec<Ordered> {
        batches.into_iter().enumerate().map(|(n, batch)| Ordered { batch, order: self.nth(n) }).collect()
    }
}

/// What an epoch gives.
#[derive(Debug, Default)]
pub struct Given {
    /// The rows that go on.
    pub batches: Vec<Ordered>,
    /// How many rows of the first input were let go on purpose; those that are held or rejected do not count.
    pub filtered: u64,
}

impl Given {
    /// Batches, and nothing filtered.
    pub fn of(batches: Vec<Ordered>) -> Self {
        Given { batches, filtered: 0 }
    }
}

/// An operator that works when an epoch is complete at all its inputs. Epochs come in order, each at most once; an epoch without rows may still bring
/// a watermark.
pub trait EpochOperator {
    /// Takes an epoch: `inputs` has the rows of each input in their order. Rows that cannot be used go to `rejects`.
    ///
    /// # Errors
    /// Where rows do not fit the plan, or a kernel fails without a row to blame. The scenario stops.
    fn epoch(&mut self, inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError>;

    /// How many rows or keys it holds, for the books.
    fn held(&self) -> u64;

    /// Its state, if it keeps any from one epoch to the next.
    fn table(&mut self) -> Option<&mut dyn StateTable>;

    /// Says where time stood when the state that was restored was captured: that epoch's watermark and wall clock, in µs. What had come out by then does not
    /// come again.
    fn resume(&mut self, watermark: i64, clock_us: i64);

    /// What goes on once before the first epoch of a run that starts from a checkpoint, to a reader that keeps nothing itself and needs all rows again. It is no
    /// change of the stream: whatever follows from it had come out before.
    ///
    /// # Errors
    /// Where rows cannot be put together.
    fn again(&mut self) -> Result<Vec<Batch>, OperatorError> {
        Ok(Vec::new())
    }

    /// Whether an epoch may leave something behind that is not in the table and must go on before a checkpoint: see [`Self::flush`].
    fn gathers(&self) -> bool {
        false
    }

    /// Gives what it holds so that less travels. When it is given changes no result.
    ///
    /// # Errors
    /// Where a kernel fails. The scenario stops.
    fn flush(&mut self) -> Result<Vec<Batch>, OperatorError> {
        Ok(Vec::new())
    }
}

/// The batches alone, in order.
pub fn batches(ordered: Vec<Ordered>) -> Vec<Batch> {
    ordered.into_iter().map(|o| o.batch).collect()
}
