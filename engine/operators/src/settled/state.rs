//! The state of [`super::SettledRows`] as a checkpoint sees it: one row per row that is kept.
//!
//! The layout is that of rankings (see `rank::state`); `.told` is 1 for rows that are settled.

use super::SettledRows;
use crate::{
    Batch,
    aggregate::time::Times,
    rank::{
        lists::Offer,
        state::{Layout, Opened},
    },
};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use runink_checkpoint::{StateChanges, StateError, StateTable};

impl SettledRows {
    fn state_layout(&self) -> Layout {
        Layout::of(&self.input, &self.keys, false)
    }
}

impl StateTable for SettledRows {
    fn schema(&self) -> SchemaRef {
        self.state_layout().schema
    }

    fn key_columns(&self) -> usize {
        self.state_layout().key_columns()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.state_layout();
        let deleted = layout.deleted(std::mem::take(&mut self.deleted))?;
        let upserted = layout.captured(&mut self.lists, 0, self.groups, None)?;
        Ok(StateChanges { expired: Vec::new(), deleted, upserted })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let failed = |e: &dyn std::fmt::Display| StateError::Operator(e.to_string());
        let layout = self.state_layout();
        layout.fits(rows)?;
        let Opened { columns, sequences, told, .. } = layout.open(rows);
        let batch = Batch::of(RecordBatch::try_new(self.input.clone(), columns.clone())?);
        let times = Times::read(&self.step, Some(&self.time), &batch, 0).map_err(|e| failed(&e))?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let at = |row| times.at(row).map_err(|why| StateError::Schema(why.message().to_owned()));
        scratch.times = (0..rows.num_rows()).map(at).collect::<Result<_, _>>()?;
        self.prepare(&columns, &mut scratch).map_err(|e| failed(&e))?;
        let offer = Offer { keys: &scratch.keys, prefixes: &scratch.prefixes, columns: &columns };
        self.lists.restore(&self.order, &offer, &sequences, &told)?;
        for &key in &scratch.keys {
            self.plan(key);
        }
        self.scratch = scratch;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.lists.bytes() + self.visits.bytes()
    }

    fn keys(&self) -> usize {
        self.lists.len()
    }
}
