//! Protobuf messages: bare ones of one type, or in the wire format of schema registries: a zero byte, the schema's number (u32, big-endian), which type of the
//! schema it is, and the message.
//!
//! A registered message is read with the schema that it was written with. Its fields become columns by name, and a field that the writer did not know yet is null.

use super::{DecodedMessages, MessageDecoder, Messages, WriterSchemas, avro::schema_id, raw_of};
use crate::{
    ReadSpec,
    failure::Found,
    output::Output,
    protobuf::{Bad, MessagePlan, NAME, ProtoFile, ProtoMessage, message_indexes},
    text::MAX_LINE_BYTES,
};
use arrow::datatypes::Fields;
use runink_connector_api::{ConnectorError, RejectReason};
use std::collections::HashMap;

/// What messages are made of.
pub enum ProtobufTypes {
    /// All are of this type, and nothing stands before them.
    Bare(ProtoMessage),
    /// Each says which registered schema it was written with.
    Registered(Box<dyn WriterSchemas>),
}

/// See the module.
pub(super) struct ProtobufMessages {
    out: Output,
    plans: Plans,
}

enum Plans {
    Bare(MessagePlan),
    Registered(Box<Registered>),
}

struct Registered {
    schemas: Box<dyn WriterSchemas>,
    columns: Fields,
    files: HashMap<u32, Result<ProtoFile, String>>,
    /// By what stands before a message, or why it cannot be read.
    plans: HashMap<Vec<u8>, Result<MessagePlan, String>>,
    /// What stood before the last message, which says where it ends itself.
    prefix: Vec<u8>,
}

impl ProtobufMessages {
    pub(super) fn new(spec: &ReadSpec, types: ProtobufTypes) -> Result<Self, ConnectorError> {
        let columns = spec.projected().fields().clone();
        let plans = match types {
            ProtobufTypes::Bare(message) => Plans::Bare(message.plan(&columns)?),
            ProtobufTypes::Registered(schemas) => Plans::Registered(Box::new(Registered {
                schemas,
                columns,
                files: HashMap::new(),
                plans: HashMap::new(),
                prefix: Vec::new(),
            })),
        };
        Ok(ProtobufMessages { out: Output::new(NAME, spec, 0, MAX_LINE_BYTES)?, plans })
    }

    fn hand_on(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let Some(mut rows) = self.out.take()? else { return Ok(()) };
        for reject in &mut rows.rejects {
            reject.raw = raw_of(messages.get(reject.position as usize));
        }
        emit(DecodedMessages { rows, diffs: None });
        Ok(())
    }
}

impl Registered {
    /// How a message is read, and where it begins.
    fn plan(&mut self, message: &[u8]) -> Result<Result<(&mut MessagePlan, usize), String>, ConnectorError> {
        if self.prefix.is_empty() || !message.starts_with(&self.prefix) {
            let Some(id) = schema_id(message) else {
                return Ok(Err("the message does not begin with a zero and a schema's number".into()));
            };
            let Some((path, from)) = message_indexes(message, 5) else {
                return Ok(Err("behind the schema's number stands no type of it".into()));
            };
            self.prefix.clear();
            self.prefix.extend_from_slice(&message[..from]);
            if !self.plans.contains_key(&self.prefix) {
                let plan = self.look_up(id, &path)?;
                self.plans.insert(self.prefix.clone(), plan);
            }
        }
        Ok(match self.plans.get_mut(&self.prefix) {
            Some(Ok(plan)) => Ok((plan, self.prefix.len())),
            Some(Err(why)) => Err(why.clone()),
            None => Err("its schema is not known".into()),
        })
    }

    fn look_up(&mut self, id: u32, path: &[usize]) -> Result<Result<MessagePlan, String>, ConnectorError> {
        if !self.files.contains_key(&id) {
            let file = match self.schemas.schema(id)? {
                None => Err(format!("there is no schema {id} in the registry")),
                Some(schema) => ProtoFile::parse(&schema.text, schema.imports).map_err(|e| e.message),
            };
            self.files.insert(id, file);
        }
        Ok(match self.files.get(&id) {
            Some(Ok(file)) => match file.at(path) {
                Some(message) => message.plan(&self.columns).map_err(|e| e.message),
                None => Err(format!("schema {id} has no type at {path:?}")),
            },
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("there is no schema {id} in the registry")),
        })
    }
}

impl MessageDecoder for ProtobufMessages {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        for message in 0..messages.len() {
            let bytes = messages.get(message);
            self.out.line = message as u64;
            let planned = match &mut self.plans {
                Plans::Bare(plan) => Ok((plan, 0)),
                Plans::Registered(registered) => registered.plan(bytes)?,
            };
            match planned {
                Ok((plan, from)) => match plan.read(bytes, from, &mut self.out.rows) {
                    Ok(()) => self.out.complete(self.out.rows.members.len(), bytes),
                    Err(bad) => {
                        let (reason, why) = in_words(&bad, bytes);
                        self.out.reject(reason, why, bytes);
                    }
                },
                Err(why) => self.out.reject(RejectReason::Decode, format!("not {NAME}: {why}"), bytes),
            }
            if self.out.is_full() {
                self.hand_on(messages, emit)?;
            }
        }
        self.hand_on(messages, emit)
    }
}

fn in_words(bad: &Bad, bytes: &[u8]) -> (RejectReason, String) {
    match bad {
        Bad::Misfit(misfit) => {
            let reason = if matches!(misfit.found, Found::Nothing) { RejectReason::Contract } else { RejectReason::Decode };
            (reason, misfit.message())
        }
        Bad::Bytes { at, expected } => {
            let found = match bytes.get(*at) {
                Some(byte) => format!("at byte {}, found {byte:#04x}", at + 1),
                None => format!("but the message ends behind byte {}", bytes.len()),
            };
            let comma = if bytes.get(*at).is_some() { " " } else { ", " };
            (RejectReason::Decode, format!("not {NAME}: expected {expected}{comma}{found}"))
        }
    }
}
