//! Batches of a file to the columns that are wanted: found by name, converted, and without the rows that do not fit.

use super::convert::{Faults, convert, is_same, may_convert, retype};
use crate::{
    Decoded, ReadSpec,
    column::type_name,
    encode::{CellText, row_as_json},
    error,
    failure::{required, shown},
    output::positions,
};
use arrow::{
    array::{Array, ArrayRef, BooleanArray},
    compute::filter,
    datatypes::{Field, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Positions, Reject, RejectReason};
use std::{collections::BTreeMap, sync::Arc};

/// How columns of a file become those that are wanted.
pub(crate) struct Fit {
    /// For each wanted column, its place among those that are read.
    sources: Vec<usize>,
    schema: SchemaRef,
    exact: bool,
}

/// Why a row does not fit: the first column that says so.
struct Fault {
    column: usize,
    /// A value is missing that is required.
    missing: bool,
}

impl Fit {
    /// The plan, and the file's columns that are read for it, ascending.
    pub(crate) fn new(file: &SchemaRef, spec: &ReadSpec) -> Result<(Self, Vec<usize>), ConnectorError> {
        let schema = spec.projected();
        let mut exact = true;
        let mut places = Vec::new();
        for field in schema.fields() {
            let names = || file.fields().iter().map(|f| f.name().as_str());
            let place = file.index_of(field.name()).map_err(|_| error::column_missing("the file", field.name(), names()))?;
            let from = file.field(place);
            if !may_convert(from.data_type(), field.data_type()) {
                return Err(error::cannot_convert(field.name(), from.data_type(), &type_name(field)));
            }
            exact &= is_same(from.data_type(), field.data_type()) && (field.is_nullable() || !from.is_nullable());
            places.push(place);
        }
        let mut columns = places.clone();
        columns.sort_unstable();
        columns.dedup();
        let sources = places.iter().map(|place| columns.partition_point(|c| c < place)).collect();
        Ok((Fit { sources, schema, exact }, columns))
    }

    /// No row can fail to fit.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Fits a batch whose first row has that number.
    pub(crate) fn apply(&self, batch: &RecordBatch, first_row: u64) -> Result<Decoded, ConnectorError> {
        let mut faults: BTreeMap<usize, Fault> = BTreeMap::new();
        let mut columns = Vec::with_capacity(self.sources.len());
        for (column, (&source, field)) in self.sources.iter().zip(self.schema.fields()).enumerate() {
            let from = batch.column(source);
            let mut bad = Faults::default();
            columns.push(convert(from, field, &mut bad)?);
            // What was no null and has become one did not fit; what is null must be allowed to be.
            for row in bad.rows() {
                faults.entry(row).or_insert(Fault { column, missing: false });
            }
            if !field.is_nullable() && from.logical_null_count() > 0 {
                let nulls = from.logical_nulls();
                for row in (0..from.len()).filter(|row| nulls.as_ref().is_some_and(|n| n.is_null(*row))) {
                    faults.entry(row).or_insert(Fault { column, missing: true });
                }
            }
        }
        let mut rows = batch.num_rows();
        let mut at = Positions::From(first_row);
        if !faults.is_empty() {
            let good: BooleanArray = (0..rows).map(|row| Some(!faults.contains_key(&row))).collect();
            columns = columns.iter().map(|c| filter(c.as_ref(), &good)).collect::<Result<_, _>>().map_err(error::batch)?;
            at = positions((0..rows).filter(|row| good.value(*row)).map(|row| first_row + row as u64).collect());
            rows = good.true_count();
        }
        let columns = columns.into_iter().zip(self.schema.fields()).map(|(c, f)| retype(c, f.data_type()));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().map_err(error::batch)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let fitted = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(error::batch)?;
        let rejects = faults.iter().map(|(row, fault)| self.reject(batch, *row, first_row, fault)).collect();
        Ok(Decoded { batch: fitted, rejects, positions: at })
    }

    fn reject(&self, batch: &RecordBatch, row: usize, first_row: u64, fault: &Fault) -> Reject {
        let wanted = self.schema.field(fault.column);
        let (reason, message) = if fault.missing {
            (RejectReason::Contract, required(wanted.name()))
        } else {
            let source = self.sources[fault.column];
            let found = cell(batch.schema_ref().field(source), batch.column(source), row);
            (RejectReason::Decode, format!("column `{}`: expected {}, found {found}", wanted.name(), type_name(wanted)))
        };
        let mut raw = row_as_json(batch, row);
        raw.truncate(Reject::MAX_RAW_BYTES);
        Reject { reason, position: first_row + row as u64, message, raw }
    }
}

/// A value for people.
fn cell(field: &Field, array: &Arc<dyn Array>, row: usize) -> String {
    let mut text = Vec::new();
    match CellText::new(field, array.slice(row, 1).as_ref()).map(|cells| cells.write(0, &mut text)) {
        Ok(true) => shown(&text),
        Ok(false) => "null".into(),
        Err(_) => format!("a value of type {}", field.data_type()),
    }
}
