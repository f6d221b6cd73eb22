//! Protobuf: what messages are (`schema`), the wire format (`wire`), messages into columns (`plan`, `read`), and rows into messages (`generate`, `write`).
//!
//! A message is read against a plan that is made once, of field numbers and the columns that they fill. Fields that no column wants are stepped over; none of
//! them is decoded, and nothing is allocated for a message.

mod generate;
mod plan;
mod read;
mod schema;
mod wire;
mod write;

pub use generate::proto_schema;
pub(crate) use plan::MessagePlan;
pub(crate) use read::Bad;
pub use schema::{ProtoFile, ProtoMessage};
pub(crate) use wire::message_indexes;
pub(crate) use write::ProtoWriter;

/// What the format is called in messages.
pub(crate) const NAME: &str = "Protobuf";
