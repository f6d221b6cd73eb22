//! Work of a round on many rows at once: what timely brings together is unpacked, goes through kernels, and is packed again.

use super::{Inner, InnerRows, Turned, codec::Codec, packed::Packed};
use crate::{EngineError, driver::guarded, scenario::Shared};
use arrow::{array::ArrayRef, datatypes::SchemaRef, record_batch::RecordBatch};
use differential_dataflow::{AsCollection, Data, VecCollection};
use runink_connector_api::Positions;
use runink_operators::{Batch, OperatorError, Origin, Rejects, rows::RowPipeline};
use runink_planner::RowStage;
use std::sync::Arc;
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        channels::pact::Pipeline,
        operators::generic::{OutputBuilder, builder_rc::OperatorBuilder},
    },
    progress::frontier::MutableAntichain,
};

/// How many rows go through the kernels at once at most.
const BATCH_ROWS: usize = 8192;

/// Rows with the round that they belong to, and how often they come or go.
pub(super) type Updates<D> = Vec<(D, Inner, isize)>;

/// Where a round's operators run, and where they say what goes wrong.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) step: String,
    pub(super) shared: Arc<Shared>,
}

impl Place {
    pub(super) fn codec(&self, schema: &SchemaRef) -> Result<Codec, OperatorError> {
        Codec::new(schema).map_err(|e| OperatorError::kernel(&self.step, e))
    }
}

/// What an operator gives.
pub(super) struct Out<D> {
    pub(super) rows: Updates<D>,
    pub(super) turned: Updates<Turned>,
}

/// Applies `work` to rows, as many as there are together.
pub(super) fn mapped<'scope, A: Data, B: Data>(
    rows: VecCollection<'scope, Inner, A, isize>,
    name: &str,
    place: &Place,
    mut work: impl FnMut(&[(A, Inner, isize)], &mut Out<B>) -> Result<(), OperatorError> + 'static,
) -> (VecCollection<'scope, Inner, B, isize>, VecCollection<'scope, Inner, Turned, isize>) {
    let mut builder = OperatorBuilder::new(format!("{}: {name}", place.step), rows.inner.scope());
    let mut input = builder.new_input(rows.inner, Pipeline);
    let (output, stream) = builder.new_output::<Updates<B>>();
    let (turned_output, turned_stream) = builder.new_output::<Updates<Turned>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(output);
    let mut turned_output = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(turned_output);
    let place = place.clone();
    builder.build(move |_| {
        let mut came = Vec::new();
        let mut out = Out { rows: Vec::new(), turned: Vec::new() };
        move |_: &[MutableAntichain<Inner>]| {
            input.for_each_stamp(|cap, messages| {
                came.clear();
                messages.for_each(|updates| came.append(updates));
                if place.shared.has_failed() {
                    return;
                }
                guarded(&place.shared, &place.step, || {
                    for some in came.chunks(BATCH_ROWS) {
                        work(some, &mut out).map_err(EngineError::from)?;
                    }
                    Ok(())
                });
                if !out.rows.is_empty() {
                    output.activate().session(&cap).give_iterator(out.rows.drain(..));
                }
                if !out.turned.is_empty() {
                    turned_output.activate().session(&cap).give_iterator(out.turned.drain(..));
                }
            });
        }
    });
    (stream.as_collection(), turned_stream.as_collection())
}

/// Row stages over packed rows.
pub(super) struct Stages {
    codec: Codec,
    pipeline: RowPipeline,
    step: String,
}

impl Stages {
    /// # Errors
    /// Where stages do not fit the columns.
    pub(super) fn new(stages: &[RowStage], schema: &SchemaRef, place: &Place) -> Result<Self, OperatorError> {
        Ok(Stages { codec: place.codec(schema)?, pipeline: RowPipeline::new(stages, schema)?, step: place.step.clone() })
    }

    /// The rows that are left, and for each of them which update it comes from. Those that fail are turned away.
    pub(super) fn run(
        &mut self,
        updates: &[(Packed, Inner, isize)],
        turned: &mut Updates<Turned>,
    ) -> Result<Option<(RecordBatch, Vec<usize>)>, OperatorError> {
        let rows = self.codec.unpack(updates.iter().map(|(row, ..)| row)).map_err(|e| OperatorError::kernel(&self.step, e))?;
        // Positions stay with their rows through all stages.
        let origin = Origin { source: "".into(), place: "".into(), positions: Positions::From(0) };
        let mut rejects = Rejects::default();
        let left = self.pipeline.run(Batch { origin: Some(origin), ..Batch::of(rows) }, &mut rejects)?;
        for reject in rejects.take() {
            let (_, round, diff) = &updates[reject.position.unwrap_or_default() as usize];
            turned.push(((reject.message, reject.row), *round, *diff));
        }
        let Some(batch) = left else { return Ok(None) };
        let from = match &batch.origin {
            Some(origin) => (0..batch.len()).map(|row| origin.position(row) as usize).collect(),
            None => return Err(OperatorError::plan(&self.step, "a stage lost where its rows come from")),
        };
        Ok(Some((batch.rows, from)))
    }
}

/// Row stages.
///
/// # Errors
/// Where they do not fit the columns.
pub(super) fn staged<'scope>(
    rows: InnerRows<'scope>,
    name: &str,
    stages: &[RowStage],
    (input, output): (&SchemaRef, &SchemaRef),
    place: &Place,
) -> Result<(InnerRows<'scope>, VecCollection<'scope, Inner, Turned, isize>), OperatorError> {
    let mut stages = Stages::new(stages, input, place)?;
    let codec = place.codec(output)?;
    let step = place.step.clone();
    Ok(mapped(rows, name, place, move |updates, out| {
        let Some((rows, from)) = stages.run(updates, &mut out.turned)? else { return Ok(()) };
        pack(&codec, rows.columns(), updates, from.into_iter(), &mut out.rows).map_err(|e| OperatorError::kernel(&step, e))
    }))
}

/// Packs columns; `from` says of each row which update it comes from.
pub(super) fn pack<A>(
    codec: &Codec,
    columns: &[ArrayRef],
    updates: &[(A, Inner, isize)],
    from: impl Iterator<Item = usize>,
    out: &mut Updates<Packed>,
) -> Result<(), arrow::error::ArrowError> {
    let rows = codec.pack(columns)?;
    out.extend(rows.iter().zip(from).map(|(row, from)| (Packed::new(row.data()), updates[from].1, updates[from].2)));
    Ok(())
}
