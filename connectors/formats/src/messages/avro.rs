//! Avro messages in the wire format of schema registries: a zero byte, the schema's number (u32, big-endian), and the value in Avro's binary form.
//!
//! A value is read with the schema that it was written with, which somebody else looks up ([`WriterSchemas`]); its fields become columns by name, a field that
//! the writer did not know yet is null. Messages of one schema are decoded together; where one of them is bad, each alone.

use super::{DecodedMessages, MessageDecoder, Messages, WriterSchemas, raw_of};
use crate::{
    ReadSpec,
    columnar::{Fit, guarded},
    error,
};
use arrow::{
    array::{ArrayRef, NullArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use arrow_avro::{
    reader::{Decoder, ReaderBuilder},
    schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore},
};
use runink_connector_api::{ConnectorError, Positions, Reject, RejectReason};
use std::{collections::HashMap, sync::Arc};

/// What the format is called in messages.
pub(crate) const NAME: &str = "Avro";

/// The number of the schema that a message was written with.
pub fn schema_id(message: &[u8]) -> Option<u32> {
    match message {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// How messages of one writer schema are read.
struct Known {
    id: u32,
    schema: AvroSchema,
    decoder: Decoder,
    /// The decoder has given up in the middle of a value.
    broken: bool,
    fit: Fit,
    /// The columns that are read, of those of the writer and then those that it did not know.
    columns: Vec<usize>,
    /// With the columns that the writer did not know.
    arrow: SchemaRef,
    batch_rows: usize,
}

/// See the module.
pub(super) struct AvroMessages {
    spec: ReadSpec,
    schemas: Box<dyn WriterSchemas>,
    /// By number; or why messages of that number cannot be read.
    known: HashMap<u32, Result<Box<Known>, String>>,
}

impl AvroMessages {
    pub(super) fn new(spec: &ReadSpec, schemas: Box<dyn WriterSchemas>) -> Self {
        AvroMessages { spec: spec.clone(), schemas, known: HashMap::new() }
    }

    fn look_up(&mut self, id: u32) -> Result<(), ConnectorError> {
        if self.known.contains_key(&id) {
            return Ok(());
        }
        let known = match self.schemas.schema(id)? {
            None => Err(format!("there is no schema {id} in the registry")),
            Some(schema) => Known::new(id, schema.text, &self.spec).map(Box::new).map_err(|e| e.message),
        };
        self.known.insert(id, known);
        Ok(())
    }
}

impl Known {
    fn new(id: u32, json: String, spec: &ReadSpec) -> Result<Self, ConnectorError> {
        let schema = AvroSchema::new(json);
        let decoder = decoder(id, &schema, spec.batch_rows)?;
        let own = decoder.schema();
        let missing =
            spec.projected().fields().iter().filter(|f| f.is_nullable() && own.index_of(f.name()).is_err()).cloned().collect::<Vec<_>>();
        let unknown = missing.iter().map(|f| Arc::new(Field::new(f.name(), DataType::Null, true)));
        let arrow: SchemaRef = Arc::new(Schema::new(own.fields().iter().cloned().chain(unknown).collect::<Vec<_>>()));
        let (fit, columns) = Fit::new(&arrow, spec)?;
        Ok(Known { id, schema, decoder, broken: false, fit, columns, arrow, batch_rows: spec.batch_rows })
    }

    /// Decodes messages; `None` where one of them is bad.
    fn rows(&mut self, messages: &Messages, from: usize, to: usize) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.broken {
            self.decoder = decoder(self.id, &self.schema, self.batch_rows)?;
            self.broken = false;
        }
        for message in from..to {
            let bytes = messages.get(message);
            let decoder = &mut self.decoder;
            let before = decoder.capacity();
            let whole = match guarded(NAME, "a message", || decoder.decode(bytes)) {
                Ok(read) => read == bytes.len() && decoder.capacity() + 1 == before,
                Err(_) => false,
            };
            if !whole {
                self.broken = true;
                return Ok(None);
            }
        }
        let decoder = &mut self.decoder;
        let Ok(Some(batch)) = guarded(NAME, "a message", || decoder.flush()) else {
            self.broken = true;
            return Ok(None);
        };
        let rows = batch.num_rows();
        let nulls = (batch.num_columns()..self.arrow.fields().len()).map(|_| Arc::new(NullArray::new(rows)) as ArrayRef);
        let all: Vec<ArrayRef> = batch.columns().iter().cloned().chain(nulls).collect();
        let columns = self.columns.iter().map(|c| all[*c].clone()).collect();
        let schema = self.arrow.project(&self.columns).map(Arc::new).map_err(error::batch)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, columns, &options).map(Some).map_err(error::batch)
    }

    /// Rows as they are wanted. The first one is of that message, and each one after of the next.
    fn fitted(&self, batch: &RecordBatch, first: usize, messages: &Messages) -> Result<DecodedMessages, ConnectorError> {
        let mut rows = self.fit.apply(batch, first as u64)?;
        for reject in &mut rows.rejects {
            reject.raw = raw_of(messages.get(reject.position as usize));
        }
        Ok(DecodedMessages { rows, diffs: None })
    }
}

/// See [`super::avro_columns`].
pub(super) fn columns(json: &str) -> Result<SchemaRef, ConnectorError> {
    Ok(decoder(0, &AvroSchema::new(json.to_owned()), 1)?.schema())
}

fn decoder(id: u32, schema: &AvroSchema, batch_rows: usize) -> Result<Decoder, ConnectorError> {
    let unusable = |e: arrow::error::ArrowError| {
        ConnectorError::user("FMT023", format!("the Avro schema {id} cannot be read: {e}"))
            .hint("see the schema in the registry; it must be a record whose types Arrow has")
    };
    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store.set(Fingerprint::Id(id), schema.clone()).map_err(unusable)?;
    let build = || ReaderBuilder::new().with_batch_size(batch_rows).with_writer_schema_store(store).build_decoder();
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)) {
        Ok(built) => built.map_err(unusable),
        Err(_) => Err(unusable(arrow::error::ArrowError::SchemaError("its reader gave up".into()))),
    }
}

impl MessageDecoder for AvroMessages {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let empty = RecordBatch::new_empty(self.spec.projected());
        let reject = |message: usize, why: String| {
            let raw = raw_of(messages.get(message));
            let reject = Reject { reason: RejectReason::Decode, position: message as u64, message: format!("not Avro: {why}"), raw };
            let rows = crate::Decoded { batch: empty.clone(), rejects: vec![reject], positions: Positions::From(0) };
            DecodedMessages { rows, diffs: None }
        };
        let mut from = 0;
        while from < messages.len() {
            let Some(id) = schema_id(messages.get(from)) else {
                emit(reject(from, "the message does not begin with a zero and a schema's number".into()));
                from += 1;
                continue;
            };
            self.look_up(id)?;
            let most = (from + self.spec.batch_rows).min(messages.len());
            let to = (from..most).find(|m| schema_id(messages.get(*m)) != Some(id)).unwrap_or(most);
            match self.known.get_mut(&id) {
                Some(Ok(known)) => match known.rows(messages, from, to)? {
                    Some(batch) => emit(known.fitted(&batch, from, messages)?),
                    None => {
                        for message in from..to {
                            match known.rows(messages, message, message + 1)? {
                                Some(batch) => emit(known.fitted(&batch, message, messages)?),
                                None => emit(reject(message, format!("the value is none of schema {id}"))),
                            }
                        }
                    }
                },
                Some(Err(why)) => (from..to).for_each(|message| emit(reject(message, why.clone()))),
                None => return Err(ConnectorError::bug("FMT090", "a schema that was looked up is not known")),
            }
            from = to;
        }
        Ok(())
    }
}
