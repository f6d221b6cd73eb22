//! Joins inside a round: pairs of rows whose keys are equal, and what follows from them for rows that meet none.

use super::{
    Inner, InnerRows, Rejected,
    mapped::{Place, Stages, mapped, pack},
    packed::Packed,
};
use arrow::{
    array::{Array, ArrayRef, new_null_array},
    datatypes::{Schema, SchemaRef},
};
use differential_dataflow::VecCollection;
use runink_operators::OperatorError;
use runink_planner::{RowStage, RowStageKind, StreamJoinKind, StreamJoinOp};
use std::sync::Arc;

/// A join of two collections.
///
/// # Errors
/// Where the plan does not fit the columns.
pub(super) fn joined<'scope>(
    [left, right]: [InnerRows<'scope>; 2],
    op: &StreamJoinOp,
    [left_schema, right_schema]: [&SchemaRef; 2],
    output: &SchemaRef,
    place: &Place,
    rejects: &mut Rejected<'scope>,
) -> Result<InnerRows<'scope>, OperatorError> {
    let (left_on, right_on): (Vec<usize>, Vec<usize>) = op.on.iter().copied().unzip();
    let left_keyed = keyed(left.clone(), left_schema, &left_on, place, rejects)?;
    let right_keyed = keyed(right.clone(), right_schema, &right_on, place, rejects)?;
    let pairs = left_keyed.join_map(right_keyed, |_, left, right| Packed::joined(left.bytes(), right.bytes()));
    let whole = match &op.condition {
        Some((_, schema)) => schema.clone(),
        None => both(left_schema, right_schema),
    };
    let pairs = match &op.condition {
        None => pairs,
        Some((condition, _)) => {
            let stage = RowStage { step: place.step.clone(), kind: RowStageKind::Filter(condition.clone()), schema: whole.clone() };
            let (pairs, turned) = super::mapped::staged(pairs, "condition", &[stage], (&whole, &whole), place)?;
            rejects.push(turned);
            pairs
        }
    };
    let width = left_schema.fields().len();
    let lefts: Vec<usize> = (0..width).collect();
    let rights: Vec<usize> = (width..width + right_schema.fields().len()).collect();
    let mut picked = |columns: &[usize]| chosen(pairs.clone(), &whole, columns, place, rejects);
    Ok(match op.kind {
        StreamJoinKind::Semi => meeting(left, picked(&lefts)?),
        StreamJoinKind::Anti => alone(left, picked(&lefts)?),
        kind => {
            let columns: Vec<usize> = lefts.iter().copied().chain(op.right_columns.iter().map(|c| width + c)).collect();
            let mut all = vec![picked(&columns)?];
            if matches!(kind, StreamJoinKind::Left | StreamJoinKind::Full) {
                let rows = alone(left, picked(&lefts)?);
                let places: Vec<Option<usize>> = (0..output.fields().len()).map(|c| (c < width).then_some(c)).collect();
                all.push(padded(rows, left_schema, &places, output, place, rejects)?);
            }
            if matches!(kind, StreamJoinKind::Right | StreamJoinKind::Full) {
                let met = chosen(pairs.clone(), &whole, &rights, place, rejects)?;
                let rows = alone(right, met);
                let places: Vec<Option<usize>> = lefts.iter().map(|_| None).chain(op.right_columns.iter().map(|&c| Some(c))).collect();
                all.push(padded(rows, right_schema, &places, output, place, rejects)?);
            }
            let first = all.remove(0);
            first.concatenate(all)
        }
    })
}

/// The columns of two sides, under names that nobody reads.
fn both(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    let fields = left.fields().iter().chain(right.fields()).enumerate();
    Arc::new(Schema::new(fields.map(|(i, f)| f.as_ref().clone().with_name(i.to_string())).collect::<Vec<_>>()))
}

/// Each row with its key in front. A row with a null in it has none.
fn keyed<'scope>(
    rows: InnerRows<'scope>,
    schema: &SchemaRef,
    on: &[usize],
    place: &Place,
    rejects: &mut Rejected<'scope>,
) -> Result<VecCollection<'scope, Inner, (Packed, Packed), isize>, OperatorError> {
    let codec = place.codec(schema)?;
    let key_schema = Arc::new(schema.project(on).map_err(|e| OperatorError::kernel(&place.step, e))?);
    let (key_codec, on, step) = (place.codec(&key_schema)?, on.to_vec(), place.step.clone());
    let (keyed, turned) = mapped(rows, "keys", place, move |updates: &[(Packed, Inner, isize)], out| {
        let mut work = || -> Result<(), arrow::error::ArrowError> {
            let rows = codec.unpack(updates.iter().map(|(row, ..)| row))?;
            let keys: Vec<ArrayRef> = on.iter().map(|&c| rows.column(c).clone()).collect();
            let packed = key_codec.pack(&keys)?;
            let whole = |row: usize| keys.iter().all(|k| k.is_valid(row));
            let each = updates.iter().enumerate().filter(|(row, _)| whole(*row));
            out.rows.extend(each.map(|(row, (bytes, round, diff))| ((Packed::new(packed.row(row).data()), bytes.clone()), *round, *diff)));
            Ok(())
        };
        work().map_err(|e| OperatorError::kernel(&step, e))
    });
    rejects.push(turned);
    Ok(keyed)
}

/// Some columns of pairs.
fn chosen<'scope>(
    pairs: InnerRows<'scope>,
    whole: &SchemaRef,
    columns: &[usize],
    place: &Place,
    rejects: &mut Rejected<'scope>,
) -> Result<InnerRows<'scope>, OperatorError> {
    if columns.iter().copied().eq(0..whole.fields().len()) {
        return Ok(pairs);
    }
    let schema = Arc::new(whole.project(columns).map_err(|e| OperatorError::kernel(&place.step, e))?);
    let places: Vec<Option<usize>> = columns.iter().map(|&c| Some(c)).collect();
    padded(pairs, whole, &places, &schema, place, rejects)
}

/// Rows with their columns in other places, and nulls in those that they have none for.
fn padded<'scope>(
    rows: InnerRows<'scope>,
    schema: &SchemaRef,
    places: &[Option<usize>],
    output: &SchemaRef,
    place: &Place,
    rejects: &mut Rejected<'scope>,
) -> Result<InnerRows<'scope>, OperatorError> {
    let mut stages = Stages::new(&[], schema, place)?;
    let codec = place.codec(output)?;
    let (places, output, step) = (places.to_vec(), output.clone(), place.step.clone());
    let (rows, turned) = mapped(rows, "columns", place, move |updates, out| {
        let Some((rows, from)) = stages.run(updates, &mut out.turned)? else { return Ok(()) };
        let column = |(to, at): (usize, &Option<usize>)| match at {
            Some(at) => rows.column(*at).clone(),
            None => new_null_array(output.field(to).data_type(), rows.num_rows()),
        };
        let columns: Vec<ArrayRef> = places.iter().enumerate().map(column).collect();
        pack(&codec, &columns, updates, from.into_iter(), &mut out.rows).map_err(|e| OperatorError::kernel(&step, e))
    });
    rejects.push(turned);
    Ok(rows)
}

/// Rows that are among others.
fn meeting<'scope>(rows: InnerRows<'scope>, met: InnerRows<'scope>) -> InnerRows<'scope> {
    rows.map(|row| (row, ())).semijoin(met.distinct()).map(|(row, ())| row)
}

/// Rows that are not.
fn alone<'scope>(rows: InnerRows<'scope>, met: InnerRows<'scope>) -> InnerRows<'scope> {
    rows.map(|row| (row, ())).antijoin(met.distinct()).map(|(row, ())| row)
}
