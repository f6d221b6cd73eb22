//! A stream looked up in an outside system: the table of the join holds the answers.
//!
//! In an epoch, the keys of its rows that have no answer yet are asked for together, each once; then the rows are joined as with any table. An answer counts
//! for as long as [`Caching`] says, in the wall clock's time, and so does the answer that there is no row. The oldest answers go where there are too many; within
//! an epoch all are there.
//!
//! Answers are no part of a checkpoint. Rows from before it have been given and are not asked for again; rows behind it come again, with whatever the outside
//! says then, and nothing of their first results had been committed.

use super::{TableJoinOperator, table::Key};
use crate::{Batch, EpochOperator, EpochTime, Given, OperatorError, Ordered, Rejects, rejects::row_as_json, rows::RowPipeline};
use arrow::{
    array::{Array, ArrayRef, BooleanArray, UInt32Array},
    compute::{CastOptions, cast_with_options, concat, filter_record_batch, take},
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use runink_checkpoint::StateTable;
use runink_connector_api::{Caching, ConnectorError, Lookup, MAX_KEYS_ASKED, RejectReason};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// What is asked, and what becomes of its answers.
pub struct Outside {
    /// The source's name.
    pub name: String,
    /// Whom to ask.
    pub lookup: Arc<dyn Lookup>,
    /// The key columns of the source, in the order in which it is asked by them.
    pub key: SchemaRef,
    /// What stands between the source and the join.
    pub stages: RowPipeline,
    /// How long answers count.
    pub caching: Caching,
}

/// See the module.
pub struct LookupJoin {
    join: TableJoinOperator,
    outside: Outside,
    /// Until when the answer for a key counts, and its number.
    known: HashMap<Key, (i64, u64), ahash::RandomState>,
    /// The same, by when they go.
    due: BTreeMap<(i64, u64), Key>,
    answers: u64,
}

/// Keys without an answer, and why.
type Failed = HashMap<Key, String, ahash::RandomState>;

impl LookupJoin {
    /// A join that knows nothing yet; `join` has an empty table.
    pub fn new(join: TableJoinOperator, outside: Outside) -> Self {
        LookupJoin { join, outside, known: HashMap::default(), due: BTreeMap::new(), answers: 0 }
    }

    fn kernel(&self, source: impl Into<datafusion_common::DataFusionError>) -> OperatorError {
        OperatorError::kernel(&self.join.step, source)
    }

    /// The keys of a batch's rows; `None` for those with a null, which equal nothing.
    fn keys(&self, batch: &Batch) -> Result<Vec<Option<Key>>, OperatorError> {
        let columns = self.key_columns(batch);
        let rows = self.join.table.keys(&columns).map_err(|e| self.kernel(e))?;
        let key = |(i, row): (usize, arrow::row::Row<'_>)| columns.iter().all(|c| c.is_valid(i)).then(|| row.as_ref().into());
        Ok(rows.iter().enumerate().map(key).collect())
    }

    fn key_columns(&self, batch: &Batch) -> Vec<ArrayRef> {
        self.join.stream_key.iter().map(|&c| batch.rows.column(c).clone()).collect()
    }

    /// Lets answers go that do not count any more.
    fn expire(&mut self, now: i64) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let key = entry.remove();
            self.known.remove(&key);
            self.join.table.forget(&key);
        }
    }

    /// Lets the oldest answers go where there are too many.
    fn evict(&mut self) {
        while self.known.len() > self.outside.caching.keys {
            let Some((_, key)) = self.due.pop_first() else { return };
            self.known.remove(&key);
            self.join.table.forget(&key);
        }
    }

    /// Asks for all keys that have no answer. Those that get none this time, and why.
    fn ask(&mut self, batches: &[Ordered], keys: &[Vec<Option<Key>>], now: i64, rejects: &mut Rejects) -> Result<Failed, OperatorError> {
        let mut wanted: Vec<Key> = Vec::new();
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.join.stream_key.len()];
        let mut seen: HashSet<&Key, ahash::RandomState> = HashSet::default();
        for (Ordered { batch, .. }, keys) in batches.iter().zip(keys) {
            let is_new = |key: &&Key| !self.known.contains_key(*key);
            let new = keys.iter().enumerate().filter_map(|(i, key)| Some((i as u32, key.as_ref().filter(is_new)?)));
            let new: Vec<(u32, &Key)> = new.filter(|(_, key)| seen.insert(key)).collect();
            wanted.extend(new.iter().map(|(_, key)| (*key).clone()));
            let rows: UInt32Array = new.iter().map(|(row, _)| *row).collect::<Vec<_>>().into();
            for (own, column) in columns.iter_mut().zip(self.key_columns(batch)) {
                own.push(take(&column, &rows, None).map_err(|e| self.kernel(e))?);
            }
        }
        let mut failed = Failed::default();
        if wanted.is_empty() {
            return Ok(failed);
        }
        // A key that is no value of the source's own type has no row there.
        let safe = CastOptions { safe: true, ..CastOptions::default() };
        let asked = |(parts, field): (&Vec<ArrayRef>, &arrow::datatypes::FieldRef)| {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            cast_with_options(&concat(&parts)?, field.data_type(), &safe)
        };
        let columns: Vec<ArrayRef> =
            columns.iter().zip(self.outside.key.fields()).map(asked).collect::<Result<_, _>>().map_err(|e| self.kernel(e))?;
        let fits: BooleanArray = (0..wanted.len()).map(|i| Some(columns.iter().all(|c| c.is_valid(i)))).collect();
        let places: Vec<usize> = (0..wanted.len()).filter(|&i| fits.value(i)).collect();
        let asked = RecordBatch::try_new(self.outside.key.clone(), columns).and_then(|all| filter_record_batch(&all, &fits));
        let asked = asked.map_err(|e| self.kernel(e))?;
        for from in (0..places.len()).step_by(MAX_KEYS_ASKED) {
            let part = asked.slice(from, MAX_KEYS_ASKED.min(places.len() - from));
            let stopped = |error| OperatorError::Outside { name: self.outside.name.clone(), error };
            let answers = self.outside.lookup.get(&part).map_err(stopped)?;
            for (at, why) in answers.failed {
                if self.outside.caching.stops {
                    let message = format!("there is no answer for {}: {why}", row_as_json(&part, at.min(part.num_rows() - 1)));
                    let hint = "see whether it runs and can be reached from here; the scenario can be started again where it stopped";
                    return Err(stopped(ConnectorError::operator("CON004", message).hint(hint)));
                }
                if let Some(&place) = places.get(from + at) {
                    failed.insert(wanted[place].clone(), why);
                }
            }
            if let Some(rows) = self.outside.stages.run(Batch::of(answers.rows), rejects)? {
                self.join.apply_table(vec![rows], i64::MIN)?;
            }
        }
        self.join.table.nobody_captures();
        let caching = self.outside.caching;
        for key in wanted.into_iter().filter(|key| !failed.contains_key(key)) {
            let counts_us = if self.join.table.has(&key) { caching.found_us } else { caching.missing_us };
            let due = (now.saturating_add(counts_us), self.answers);
            self.answers += 1;
            self.due.insert(due, key.clone());
            self.known.insert(key, due);
        }
        Ok(failed)
    }

    /// The rows whose keys have an answer; the others are rejected.
    fn answered(&self, batch: Batch, keys: &[Option<Key>], failed: &Failed, rejects: &mut Rejects) -> Result<Batch, OperatorError> {
        if failed.is_empty() {
            return Ok(batch);
        }
        let why: Vec<Option<&String>> = keys.iter().map(|key| failed.get(key.as_ref()?)).collect();
        for (row, why) in why.iter().enumerate().filter_map(|(row, why)| Some((row, (*why)?))) {
            let message = format!("`{}` gave no answer: {why}", self.outside.name);
            rejects.push(RejectReason::Lookup, &self.join.step, message, &batch, row);
        }
        let mask: BooleanArray = why.iter().map(|why| Some(why.is_none())).collect();
        batch.filter(&mask).map_err(|e| self.kernel(e))
    }
}

impl EpochOperator for LookupJoin {
    /// Input 0 is the stream; what else comes is nothing.
    fn epoch(&mut self, inputs: Vec<Vec<Ordered>>, time: EpochTime, rejects: &mut Rejects) -> Result<Given, OperatorError> {
        let stream = inputs.into_iter().next().unwrap_or_default();
        self.expire(time.clock_us);
        let keys = stream.iter().map(|o| self.keys(&o.batch)).collect::<Result<Vec<_>, _>>()?;
        let failed = self.ask(&stream, &keys, time.clock_us, rejects)?;
        let mut given = Given::default();
        for (Ordered { batch, order }, keys) in stream.into_iter().zip(keys) {
            let batch = self.answered(batch, &keys, &failed, rejects)?;
            let (came, rejected) = (batch.len(), rejects.len());
            let joined = self.join.probe(batch, i64::MIN, rejects)?;
            let went = joined.as_ref().map_or(0, Batch::len);
            given.filtered += (came - went - (rejects.len() - rejected)) as u64;
            given.batches.extend(joined.map(|batch| Ordered { batch, order }));
        }
        self.evict();
        Ok(given)
    }

    fn held(&self) -> u64 {
        self.known.len() as u64
    }

    fn table(&mut self) -> Option<&mut dyn StateTable> {
        None
    }

    /// What is looked up next depends on the outside alone.
    fn resume(&mut self, _: i64, _: i64) {}
}
