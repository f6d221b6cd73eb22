//! Debezium's change events, as its JSON converter writes them: `{"before": …, "after": …, "op": "c"}`, alone or as the `payload` beside a `schema`.
//!
//! A creation, an update and a row of a snapshot put the row `after` in the place of its key; a deletion takes `before` away. Of both only the columns that are
//! read are decoded. Whatever else an event says (source, transaction, times) is passed over.

use super::{DecodedMessages, MessageDecoder, Messages, raw_of, text::TextMessages};
use crate::{Decoded, ReadSpec, error, json::JsonRows, output::positions};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, StructArray},
    compute::interleave,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Reject, RejectReason};
use std::sync::Arc;

/// See the module.
pub(super) struct DebeziumMessages {
    schema: SchemaRef,
    json: TextMessages<JsonRows>,
}

/// Where a row's values stand.
#[derive(Clone, Copy)]
enum Side {
    After,
    Before,
}

impl DebeziumMessages {
    pub(super) fn new(spec: &ReadSpec) -> Result<Self, ConnectorError> {
        let schema = spec.projected();
        let row: Fields = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let row = |name: &str| Field::new(name, DataType::Struct(row.clone()), true);
        let event = [row("before"), row("after"), Field::new("op", DataType::Utf8, true)];
        let payload = Field::new("payload", DataType::Struct(event.to_vec().into()), true);
        let whole = Arc::new(Schema::new(event.into_iter().chain([payload]).collect::<Vec<_>>()));
        Ok(DebeziumMessages { schema, json: TextMessages::json(&ReadSpec::all(whole, spec.batch_rows))? })
    }
}

impl MessageDecoder for DebeziumMessages {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let schema = &self.schema;
        let mut failed = Ok(());
        self.json.decode(messages, &mut |events| match rows_of(schema, events, messages) {
            Ok(rows) => emit(rows),
            Err(e) => failed = Err(e),
        })?;
        failed
    }
}

/// The rows that events put or take away.
fn rows_of(schema: &SchemaRef, events: DecodedMessages, messages: &Messages) -> Result<DecodedMessages, ConnectorError> {
    let batch = &events.rows.batch;
    let structs = |columns: &[ArrayRef]| -> Option<[StructArray; 2]> {
        Some([columns.first()?.as_struct_opt()?.clone(), columns.get(1)?.as_struct_opt()?.clone()])
    };
    let payload = batch.column(3).as_struct();
    let (Some([before, after]), Some([inner_before, inner_after])) = (structs(batch.columns()), structs(payload.columns())) else {
        return Err(ConnectorError::bug("FMT090", "an event without its two rows"));
    };
    let (op, inner_op) = (batch.column(2).as_string::<i32>(), payload.column(2).as_string::<i32>());
    // The four places where a row can stand; an index says which one.
    let places = [&after, &before, &inner_after, &inner_before];
    let (mut from, mut diffs, mut of, mut rejects) = (Vec::new(), Vec::new(), Vec::new(), events.rows.rejects.clone());
    for row in 0..batch.num_rows() {
        let message = events.message_of(row);
        let inner = payload.is_valid(row) && op.is_null(row);
        let what = match inner {
            true => inner_op.is_valid(row).then(|| inner_op.value(row)),
            false => op.is_valid(row).then(|| op.value(row)),
        };
        let wanted = match what {
            Some("c" | "r" | "u") => Ok((Side::After, 1)),
            Some("d") => Ok((Side::Before, -1)),
            Some("t") => Err("a truncated table: which keys are gone, it does not say".to_owned()),
            Some(other) => Err(format!("`op` is `{other}`, which is no change of a row")),
            None => Err("it has no `op`".to_owned()),
        };
        let found = wanted.and_then(|(side, diff)| {
            let place = usize::from(matches!(side, Side::Before)) + if inner { 2 } else { 0 };
            let name = if matches!(side, Side::Before) { "before" } else { "after" };
            if places[place].is_null(row) { Err(format!("`{name}` is missing")) } else { Ok((place, diff)) }
        });
        let missing = |place: usize| {
            let column =
                schema.fields().iter().zip(places[place].columns()).find(|(field, column)| !field.is_nullable() && column.is_null(row));
            column.map(|(field, _)| crate::failure::required(field.name()))
        };
        let reject = match found {
            Ok((place, diff)) => match missing(place) {
                None => {
                    from.push((place, row));
                    diffs.push(diff);
                    of.push(message as u64);
                    continue;
                }
                Some(message) => (RejectReason::Contract, message),
            },
            Err(why) => (RejectReason::Decode, format!("not a change of Debezium's: {why}")),
        };
        rejects.push(Reject { reason: reject.0, position: message as u64, message: reject.1, raw: raw_of(messages.get(message)) });
    }
    rejects.sort_by_key(|r| r.position);
    let column = |at: usize| {
        let columns: Vec<&dyn Array> = places.iter().map(|p| p.column(at).as_ref()).collect();
        interleave(&columns, &from)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>, _>>().map_err(error::batch)?;
    let options = RecordBatchOptions::new().with_row_count(Some(from.len()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(error::batch)?;
    Ok(DecodedMessages { rows: Decoded { batch, rejects, positions: positions(of) }, diffs: Some(Int64Array::from(diffs)) })
}
