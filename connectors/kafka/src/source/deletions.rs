//! Messages without a value, in a keyed source: deletions of what their keys stand for.

use super::{columns::Columns, raw::Tombstone};
use crate::error;
use arrow::{
    array::{Array, ArrayRef, Int64Array, UInt64Array, new_null_array},
    compute::interleave,
    datatypes::{Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Options, Reject, RejectReason};
use runink_formats::{CsvFormat, Header, MessageDecoder, MessageFormat, Messages, ReadSpec, message_decoder};
use std::sync::Arc;

/// What never stands in a key: with these as delimiter and quote, all of a text is one cell.
const NEVER: [u8; 2] = [0x1f, 0x1e];

/// Reads the key columns from the keys of messages.
pub(crate) struct Deletions {
    decoder: Box<dyn MessageDecoder>,
    /// For each column of a batch, its place in the key.
    places: Vec<Option<usize>>,
    schema: SchemaRef,
}

/// Rows of a chunk, with deletions among them.
pub(crate) struct WithDeletions {
    pub(crate) batch: RecordBatch,
    pub(crate) diffs: Int64Array,
    pub(crate) offsets: UInt64Array,
    pub(crate) rejects: Vec<Reject>,
}

impl Deletions {
    /// `None` where no key is named: then a message without a value says nothing.
    pub(crate) fn new(options: &Options, schema: &SchemaRef, columns: &Columns, key: &[String]) -> Result<Option<Self>, ConnectorError> {
        if key.is_empty() {
            return Ok(None);
        }
        let fields = key.iter().map(|name| {
            let field = schema.field_with_name(name).map_err(|_| error::bug(format!("there is no key column `{name}`")))?;
            Ok(Arc::new(Field::clone(field).with_nullable(true)))
        });
        let fields = fields.collect::<Result<Vec<_>, ConnectorError>>()?;
        let format = match (options.text("key_format"), key) {
            (Some("json"), _) => MessageFormat::Json,
            (_, [_]) => MessageFormat::Csv(CsvFormat { delimiter: NEVER[0], quote: NEVER[1], header: Header::Absent, null: "\0".into() }),
            _ => return Err(error::options("a key of several columns has no plain text", "add `key_format=json`")),
        };
        let decoder = message_decoder(&format, &ReadSpec::all(Arc::new(Schema::new(fields)), usize::MAX))?;
        let places = columns.projected().fields().iter().map(|f| key.iter().position(|k| k == f.name())).collect();
        Ok(Some(Deletions { decoder, places, schema: columns.projected().clone() }))
    }

    /// Puts deletions between the rows. `before` gives for each row how many messages with a value stand before its own.
    pub(crate) fn put_between(
        &mut self,
        rows: &RecordBatch,
        diffs: Option<&Int64Array>,
        before: impl Fn(usize) -> usize,
        offsets: impl Fn(usize) -> u64,
        tombstones: &[Tombstone],
    ) -> Result<WithDeletions, ConnectorError> {
        let mut keys = Messages::default();
        let mut rejects = Vec::new();
        let mut known = Vec::new();
        for tombstone in tombstones {
            match &tombstone.key {
                Some(key) => {
                    keys.push(key);
                    known.push(tombstone);
                }
                None => rejects.push(reject(tombstone, RejectReason::Decode, "the message has neither a value nor a key".into())),
            }
        }
        let (mut parts, mut of) = (Vec::new(), Vec::new());
        self.decoder.decode(&keys, &mut |decoded| {
            for bad in &decoded.rows.rejects {
                if let Some(tombstone) = known.get(bad.position as usize) {
                    rejects.push(reject(tombstone, bad.reason, format!("the key of a deletion: {}", bad.message)));
                }
            }
            of.extend((0..decoded.rows.batch.num_rows()).filter_map(|row| known.get(decoded.message_of(row)).copied()));
            parts.push(decoded.rows.batch);
        })?;
        let internal = |e| error::bug(format!("deletions: {e}"));
        let count = of.len();
        // One column after the other: that of the key, or nulls.
        let column = |at: usize| -> Result<ArrayRef, ConnectorError> {
            match self.places[at] {
                Some(place) => {
                    let columns: Vec<&dyn Array> = parts.iter().map(|p| p.column(place).as_ref()).collect();
                    match columns.as_slice() {
                        [] => Ok(new_null_array(self.schema.field(at).data_type(), 0)),
                        several => arrow::compute::concat(several).map_err(internal),
                    }
                }
                None => Ok(new_null_array(self.schema.field(at).data_type(), count)),
            }
        };
        // Rows and deletions in the order of their messages.
        let mut order: Vec<(usize, usize, usize)> = (0..rows.num_rows()).map(|row| (before(row) * 2 + 1, 0, row)).collect();
        order.extend(of.iter().enumerate().map(|(i, t)| (t.after * 2, 1, i)));
        order.sort_by_key(|(place, ..)| *place);
        let from: Vec<(usize, usize)> = order.iter().map(|(_, which, at)| (*which, *at)).collect();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for at in 0..self.schema.fields().len() {
            let gone = column(at)?;
            if gone.null_count() > 0 && !self.schema.field(at).is_nullable() {
                let message = format!("`{}` cannot be null, and a deletion has its key only", self.schema.field(at).name());
                return Err(error::column(message, "leave `required` to the contract's rules, which do not look at deletions"));
            }
            columns.push(interleave(&[rows.column(at).as_ref(), gone.as_ref()], &from).map_err(internal)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(from.len()));
        Ok(WithDeletions {
            batch: RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(internal)?,
            diffs: from.iter().map(|(which, at)| if *which == 1 { -1 } else { diffs.map_or(1, |d| d.value(*at)) }).collect(),
            offsets: from.iter().map(|(which, at)| if *which == 1 { of[*at].offset.unsigned_abs() } else { offsets(*at) }).collect(),
            rejects,
        })
    }
}

/// A message without a value that is no deletion.
pub(crate) fn reject(tombstone: &Tombstone, reason: RejectReason, message: String) -> Reject {
    let key = tombstone.key.as_deref().unwrap_or_default();
    let raw = key[..key.len().min(Reject::MAX_RAW_BYTES)].to_vec();
    Reject { reason, position: tombstone.offset.unsigned_abs(), message, raw }
}
