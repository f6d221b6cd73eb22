//! Messages that are Arrow IPC streams: each a schema and record batches, complete in itself. All rows of a message stand at the message.

use super::{DecodedMessages, MessageDecoder, Messages, raw_of};
use crate::{
    Decoded, ReadSpec,
    columnar::{Fit, guarded},
    error,
};
use arrow::{array::UInt64Array, error::ArrowError, ipc::reader::StreamReader, record_batch::RecordBatch};
use runink_connector_api::{ConnectorError, Positions, Reject, RejectReason};

/// What the format is called in messages.
const NAME: &str = "Arrow IPC";

/// See the module.
pub(super) struct ArrowMessages {
    spec: ReadSpec,
}

impl ArrowMessages {
    pub(super) fn new(spec: &ReadSpec) -> Self {
        ArrowMessages { spec: spec.clone() }
    }

    fn batches(bytes: &[u8]) -> Result<Vec<RecordBatch>, ConnectorError> {
        guarded(NAME, "a message", || StreamReader::try_new(bytes, None)?.collect::<Result<Vec<_>, ArrowError>>())
    }

    fn one(&self, message: usize, bytes: &[u8], emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let mut fitted = Vec::new();
        for batch in Self::batches(bytes)? {
            let (fit, columns) = Fit::new(&batch.schema(), &self.spec)?;
            let batch = batch.project(&columns).map_err(error::batch)?;
            fitted.push(fit.apply(&batch, 0)?);
        }
        for Decoded { batch, mut rejects, .. } in fitted {
            for reject in &mut rejects {
                reject.position = message as u64;
            }
            let positions = Positions::Each(UInt64Array::from_value(message as u64, batch.num_rows()));
            emit(DecodedMessages { rows: Decoded { batch, rejects, positions }, diffs: None });
        }
        Ok(())
    }
}

impl MessageDecoder for ArrowMessages {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        for message in 0..messages.len() {
            let bytes = messages.get(message);
            if let Err(why) = self.one(message, bytes, emit) {
                let reject = Reject {
                    reason: RejectReason::Decode,
                    position: message as u64,
                    message: format!("not Arrow IPC of these columns: {}", why.message),
                    raw: raw_of(bytes),
                };
                let batch = RecordBatch::new_empty(self.spec.projected());
                emit(DecodedMessages { rows: Decoded { batch, rejects: vec![reject], positions: Positions::From(0) }, diffs: None });
            }
        }
        Ok(())
    }
}
