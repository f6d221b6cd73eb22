//! Aggregates inside a round: one row for all rows of a key.

use super::{
    Inner, InnerRows, Rejected,
    mapped::{Place, mapped},
    packed::Packed,
};
use arrow::{array::ArrayRef, array::BooleanArray, compute::filter_record_batch, datatypes::SchemaRef, record_batch::RecordBatch};
use runink_connector_api::RejectReason;
use runink_operators::{Batch, OperatorError, Rejects, fold::Fold};
use runink_planner::AggregateOp;
use std::sync::Arc;

/// One row for each key.
///
/// # Errors
/// Where the plan does not fit the columns.
pub(super) fn folded<'scope>(
    rows: InnerRows<'scope>,
    op: &AggregateOp,
    (input, output): (&SchemaRef, &SchemaRef),
    place: &Place,
    rejects: &mut Rejected<'scope>,
) -> Result<InnerRows<'scope>, OperatorError> {
    if op.calls.is_empty() && op.keys.iter().copied().eq(0..input.fields().len()) {
        return Ok(rows.distinct());
    }
    let of =
        |schema: &SchemaRef, columns: &[usize]| schema.project(columns).map(Arc::new).map_err(|e| OperatorError::kernel(&place.step, e));
    let places: Vec<usize> = (0..op.keys.len()).collect();
    let (codec, key_codec) = (place.codec(input)?, place.codec(&of(input, &op.keys)?)?);
    let mut fold = Fold::new(&place.step, op, input, output)?;
    let (keys, step) = (op.keys.clone(), place.step.clone());
    let (keyed, turned) = mapped(rows, "keys", place, move |updates: &[(Packed, Inner, isize)], out| {
        let rows = codec.unpack(updates.iter().map(|(row, ..)| row)).map_err(|e| OperatorError::kernel(&step, e))?;
        let columns: Vec<ArrayRef> = keys.iter().map(|&c| rows.column(c).clone()).collect();
        // Without columns there are no rows to pack, but all have one key.
        let packed = if columns.is_empty() { None } else { Some(key_codec.pack(&columns).map_err(|e| OperatorError::kernel(&step, e))?) };
        fold.pack(&rows, |row, value| {
            let key = packed.as_ref().map_or_else(|| Packed::new(&[]), |p| Packed::new(p.row(row).data()));
            out.rows.push(((key, Packed::new(value)), updates[row].1, updates[row].2));
        })
    });
    rejects.push(turned);
    let mut fold = Fold::new(&place.step, op, input, output)?;
    let reduced = keyed.reduce_named(&format!("{}: rows of a key", place.step), move |_, values, out| {
        let values = values.iter().map(|(value, times)| (value.bytes(), *times as i64));
        out.extend(fold.fold(values).map(|result| (Packed::new(result), 1isize)));
    });
    let fold = Fold::new(&place.step, op, input, output)?;
    let (key_codec, codec) = (place.codec(&of(output, &places)?)?, place.codec(output)?);
    let step: Arc<str> = place.step.as_str().into();
    let (results, turned) = mapped(reduced, "results", place, move |updates: &[((Packed, Packed), Inner, isize)], out| {
        let keys = key_codec.unpack(updates.iter().map(|((key, _), ..)| key)).map_err(|e| OperatorError::kernel(&step, e))?;
        let results: Vec<&[u8]> = updates.iter().map(|((_, result), ..)| result.bytes()).collect();
        let (rows, mut failures) = fold.results(keys.columns(), &results)?;
        failures.sort_by_key(|(row, _)| *row);
        failures.dedup_by_key(|(row, _)| *row);
        let (rows, left) = without(rows, &failures).map_err(|e| OperatorError::kernel(&step, e))?;
        for (row, message) in failures {
            let mut reject = Rejects::default();
            reject.push(RejectReason::Expression, &step, message, &Batch::of(keys.clone()), row);
            out.turned.extend(reject.take().into_iter().map(|r| ((r.message, r.row), updates[row].1, updates[row].2)));
        }
        super::mapped::pack(&codec, rows.columns(), updates, left.into_iter(), &mut out.rows).map_err(|e| OperatorError::kernel(&step, e))
    });
    rejects.push(turned);
    Ok(results)
}

/// Rows but for those that failed, and which they are.
fn without(rows: RecordBatch, failures: &[(usize, String)]) -> Result<(RecordBatch, Vec<usize>), arrow::error::ArrowError> {
    let failed = |row: usize| failures.binary_search_by_key(&row, |(at, _)| *at).is_ok();
    let left: Vec<usize> = (0..rows.num_rows()).filter(|&row| !failed(row)).collect();
    if failures.is_empty() {
        return Ok((rows, left));
    }
    let mask: BooleanArray = (0..rows.num_rows()).map(|row| Some(!failed(row))).collect();
    Ok((filter_record_batch(&rows, &mask)?, left))
}
