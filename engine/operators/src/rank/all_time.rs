//! Ranking of all rows so far: what changed in an epoch.

use super::{
    ages::Ages,
    lists::{Gone, Lists},
    order::{Lead, contents},
    spec::{Scratch, Spec},
    state::Deleted,
};
use crate::{Batch, OperatorError, aggregate::keys::KeyLayout, summed::summed};
use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use std::sync::Arc;

/// See the module.
pub(super) struct AllTime {
    pub(super) lists: Lists,
    pub(super) ages: Option<Ages>,
    /// The number of this epoch, counted down: rows of later epochs come first where the newest wins.
    newest: u64,
    /// Of whole output rows: to cancel what is taken back and given again. Where that can be.
    output: Option<Arc<KeyLayout>>,
    scratch: Scratch,
}

/// Changes go out in batches of that many rows.
const BATCH_ROWS: usize = 8192;

impl AllTime {
    pub(super) fn new(spec: &Spec, ttl: Option<i64>) -> Result<Self, OperatorError> {
        let types = || spec.output.fields().iter().map(|f| f.data_type().clone()).collect();
        let output = if spec.rank { Some(KeyLayout::new(types()).map_err(|e| spec.error(e))?) } else { None };
        Ok(AllTime { lists: spec.lists(), ages: ttl.map(Ages::new), newest: u64::MAX - 1, output, scratch: Scratch::default() })
    }

    /// Takes an epoch's rows; gives how many were turned away for good.
    pub(super) fn apply(&mut self, spec: &Spec, batches: &[Batch]) -> Result<u64, OperatorError> {
        let mut turned_away = 0;
        if !spec.changelog {
            for batch in batches.iter().filter(|b| !b.is_empty()) {
                spec.only_new(batch)?;
                turned_away += self.offer(spec, batch.rows.columns(), batch.len())?;
            }
            return Ok(turned_away);
        }
        // Rows come before those that take them back, in whatever order they came.
        for sign in [1, -1] {
            for batch in batches {
                self.change(spec, batch, sign)?;
            }
        }
        Ok(turned_away)
    }

    fn offer(&mut self, spec: &Spec, columns: &[ArrayRef], rows: usize) -> Result<u64, OperatorError> {
        let lead = if spec.newest_first { Lead::Same(self.newest) } else { Lead::None };
        spec.prepare(&mut self.lists, columns, rows, lead, &mut self.scratch)?;
        self.lists.offer(&spec.order, spec.limit, &self.scratch.offer(columns)).map_err(|e| spec.error(e))
    }

    /// Takes the rows of a batch that come (or that take others back), as often as they say.
    fn change(&mut self, spec: &Spec, batch: &Batch, sign: i64) -> Result<(), OperatorError> {
        let diffs = match &batch.diffs {
            None if sign > 0 => None,
            None => return Ok(()),
            Some(diffs) => Some(diffs),
        };
        let part;
        let batch = match diffs {
            Some(diffs) if !diffs.values().iter().all(|&d| d == sign) => {
                let once = diffs.values().iter().all(|d| d.unsigned_abs() == 1);
                part = if once {
                    batch.filter(&diffs.values().iter().map(|&d| Some(d == sign)).collect::<BooleanArray>())
                } else {
                    let often = |(row, d): (usize, &i64)| {
                        std::iter::repeat_n(row as u32, if d.signum() == sign { d.unsigned_abs() as usize } else { 0 })
                    };
                    batch.take(&diffs.values().iter().enumerate().flat_map(often).collect::<Vec<_>>().into())
                }
                .map_err(|e| spec.error(e))?;
                &part
            }
            _ => batch,
        };
        if batch.is_empty() {
            return Ok(());
        }
        let columns = batch.rows.columns();
        spec.prepare(&mut self.lists, columns, batch.len(), Lead::None, &mut self.scratch)?;
        let offer = self.scratch.offer(columns);
        let done = if sign > 0 { self.lists.add(&spec.order, &offer) } else { self.lists.take_back(&spec.order, &offer) };
        done.map_err(|e| spec.error(e))
    }

    /// Ends the epoch: the changes. `deleted` gets the captured rows that left.
    pub(super) fn close(
        &mut self,
        spec: &Spec,
        watermark: i64,
        clock_us: i64,
        deleted: &mut Vec<Deleted>,
    ) -> Result<Vec<Batch>, OperatorError> {
        self.newest -= 1;
        let touched = self.lists.take_touched();
        let mut given: Vec<(u32, u32)> = Vec::new();
        let gone = std::mem::take(&mut self.lists.gone);
        // The newest row may be the same as the one before it: no change.
        let stays = |lists: &mut Lists, gone: &Gone| {
            let same = spec.newest_first
                && lists.of(gone.key).first().is_some_and(|e| contents(lists.rows.at(e.row), lists.rows.at(gone.row)).is_eq());
            if same {
                lists.tell(gone.key, 0, gone.told);
            }
            same
        };
        let mut taken: Vec<(u32, u32)> =
            gone.iter().filter(|gone| !stays(&mut self.lists, gone)).map(|gone| (gone.row, gone.told)).collect();
        for &key in &touched {
            self.told(spec, key, &mut taken, &mut given);
        }
        self.age(spec, watermark, clock_us, &touched, &mut taken);
        let mut batches = Vec::with_capacity((taken.len() + given.len()).div_ceil(BATCH_ROWS));
        for (rows, diff) in [(&taken, -1), (&given, 1)] {
            for part in rows.chunks(BATCH_ROWS) {
                batches.push(self.batch(spec, part, diff)?);
            }
        }
        if self.lists.twins
            && let Some(layout) = &self.output
        {
            batches = summed(layout, &spec.output, batches).map_err(|e| spec.error(e))?;
        }
        deleted.extend(Deleted::take(&mut self.lists, 0).map_err(|e| spec.error(e))?);
        let ages = &mut self.ages;
        let forget = |key: u32| {
            ages.iter_mut().for_each(|ages| ages.forget(key));
            false
        };
        self.lists.end_epoch(forget).map_err(|e| spec.error(e))?;
        Ok(batches)
    }

    /// Finds what is to be seen of a key, and what of it is new.
    fn told(&mut self, spec: &Spec, key: u32, taken: &mut Vec<(u32, u32)>, given: &mut Vec<(u32, u32)>) {
        let (limit, len) = (spec.limit, self.lists.of(key).len());
        let mut left = self.lists.told_of(key);
        let mut rank = 0;
        for at in 0..len {
            let list = self.lists.of(key);
            let entry = list[at];
            let tied = limit.ties && at > 0 && self.lists.tie(&spec.order, &list[at - 1], &entry);
            rank = if tied { rank } else { at + 1 };
            if rank > limit.count && left == 0 {
                break;
            }
            let now = match (rank <= limit.count, spec.rank) {
                (false, _) => 0,
                (true, false) => 1,
                (true, true) => rank as u32,
            };
            let before = entry.told();
            left -= usize::from(before != 0);
            if now != before {
                if before != 0 {
                    taken.push((entry.row, before));
                }
                if now != 0 {
                    given.push((entry.row, now));
                }
                self.lists.tell(key, at, now);
            }
        }
    }

    /// Lets go of keys that have not changed for their time to live: their rows are taken back.
    fn age(&mut self, spec: &Spec, watermark: i64, clock_us: i64, touched: &[u32], taken: &mut Vec<(u32, u32)>) {
        let Some(ages) = self.ages.as_mut().filter(|_| watermark != i64::MAX) else { return };
        if ages.enter(watermark) {
            let all: Vec<u32> = self.lists.all_keys().collect();
            all.into_iter().for_each(|key| self.lists.soil(key, usize::MAX));
        }
        let now = ages.now(watermark, clock_us);
        for &key in touched {
            ages.touch(key, now);
            if spec.changelog {
                // A key can change without a new row, by one that is taken back: another tells when.
                self.lists.soil(key, 1);
            }
        }
        for key in ages.take_gone(now) {
            let list = self.lists.of(key);
            taken.extend(list.iter().filter(|e| e.told() != 0).map(|e| (e.row, e.told())));
            let len = list.len();
            self.lists.drop_first(key, len);
        }
    }

    fn batch(&self, spec: &Spec, rows: &[(u32, u32)], diff: i64) -> Result<Batch, OperatorError> {
        let all: Vec<usize> = (0..spec.input.fields().len()).collect();
        let ids: Vec<u32> = rows.iter().map(|r| r.0).collect();
        let mut columns = self.lists.rows.gather(&ids, &all).map_err(|e| spec.error(e))?;
        if spec.rank {
            columns.push(Arc::new(rows.iter().map(|r| i64::from(r.1)).collect::<Int64Array>()));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let rows = RecordBatch::try_new_with_options(spec.output.clone(), columns, &options).map_err(|e| spec.error(e))?;
        let diffs = Some(Int64Array::from_value(diff, rows.num_rows()));
        Ok(Batch { rows, diffs, origin: None })
    }
}
