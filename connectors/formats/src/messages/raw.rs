//! Raw messages: the bytes are the value of the only column.

use super::{DecodedMessages, MessageDecoder, Messages, raw_of};
use crate::{Decoded, ReadSpec, error, output::positions};
use arrow::{
    array::{ArrayRef, BinaryBuilder, StringBuilder},
    datatypes::{DataType, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Reject, RejectReason};
use std::sync::Arc;

/// See the module.
pub(super) struct RawMessages {
    schema: SchemaRef,
    text: bool,
    batch_rows: usize,
}

impl RawMessages {
    pub(super) fn new(spec: &ReadSpec) -> Result<Self, ConnectorError> {
        let [field] = spec.schema.fields().as_ref() else {
            let names: Vec<_> = spec.schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
            let message = format!("raw messages are one column, and {} are to be read from them: {}", names.len(), names.join(", "));
            return Err(ConnectorError::user("FMT021", message)
                .hint("give the contract one column of type `bytes` or `string` for the message, beside those that have other origins"));
        };
        let text = match field.data_type() {
            DataType::Utf8 => true,
            DataType::Binary => false,
            other => return Err(error::type_not_supported("a raw message", field.name(), other)),
        };
        Ok(RawMessages { schema: spec.projected(), text, batch_rows: spec.batch_rows })
    }

    fn batch(&self, column: Option<ArrayRef>, rows: usize) -> Result<RecordBatch, ConnectorError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = if self.schema.fields().is_empty() { Vec::new() } else { column.into_iter().collect() };
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(error::batch)
    }
}

impl MessageDecoder for RawMessages {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let mut start = 0;
        while start < messages.len() {
            let end = (start + self.batch_rows).min(messages.len());
            let mut rejects = Vec::new();
            let mut kept = Vec::with_capacity(end - start);
            let column: ArrayRef = if self.text {
                let mut values = StringBuilder::with_capacity(end - start, 0);
                for i in start..end {
                    match std::str::from_utf8(messages.get(i)) {
                        Ok(text) => {
                            values.append_value(text);
                            kept.push(i as u64);
                        }
                        Err(e) => rejects.push(Reject {
                            reason: RejectReason::Decode,
                            position: i as u64,
                            message: format!("not UTF-8 from byte {} on", e.valid_up_to() + 1),
                            raw: raw_of(messages.get(i)),
                        }),
                    }
                }
                Arc::new(values.finish())
            } else {
                let mut values = BinaryBuilder::with_capacity(end - start, 0);
                for i in start..end {
                    values.append_value(messages.get(i));
                    kept.push(i as u64);
                }
                Arc::new(values.finish())
            };
            let batch = self.batch(Some(column), kept.len())?;
            emit(DecodedMessages { rows: Decoded { batch, rejects, positions: positions(kept) }, diffs: None });
            start = end;
        }
        Ok(())
    }
}
