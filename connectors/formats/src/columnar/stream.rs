//! The stream form of Arrow IPC: messages one after the other, without a footer. They are walked over once, so that batches can be read as those of a
//! file.

use super::{
    file::SharedFile,
    guarded,
    ipc::{Batch, CONTINUATION, Index, NAME, PREFIX_BYTES, rows_of},
};
use crate::error;
use arrow::{
    error::ArrowError,
    ipc::{Block, MessageHeader, MetadataVersion, convert::fb_to_schema, root_as_message},
};
use parquet::file::reader::Length;
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// A message, but for its body.
struct Message {
    metadata: Vec<u8>,
    body_bytes: i64,
    header: MessageHeader,
    version: MetadataVersion,
}

/// Finds the messages of a stream.
pub(super) fn index_of_stream(file: &SharedFile) -> Result<Index, ConnectorError> {
    let mut at = 0u64;
    let Some(first) = message_at(file, at)? else { return Err(error::cut_off(NAME)) };
    let schema = guarded(NAME, "the schema", || {
        let message = root_as_message(&first.metadata).map_err(|e| ArrowError::ParseError(e.to_string()))?;
        let schema = message.header_as_schema().ok_or_else(|| ArrowError::ParseError("the first message is no schema".into()))?;
        Ok::<_, ArrowError>(Arc::new(fb_to_schema(schema)))
    })?;
    let mut index = Index { schema, version: first.version, dictionaries: Vec::new(), batches: Vec::new() };
    let mut first_row = 0;
    let mut message = Some(first);
    while let Some(Message { metadata, body_bytes, header, .. }) = message {
        let metadata_bytes = metadata.len() + PREFIX_BYTES;
        let place = format!("the message at byte {at}");
        let end = u64::try_from(body_bytes).ok().and_then(|b| (at + metadata_bytes as u64).checked_add(b)).filter(|end| *end <= file.len());
        let (Some(end), Ok(offset), Ok(length)) = (end, i64::try_from(at), i32::try_from(metadata_bytes)) else {
            return Err(error::cut_off(NAME));
        };
        let block = Block::new(offset, length, body_bytes);
        match header {
            MessageHeader::DictionaryBatch => index.dictionaries.push(block),
            MessageHeader::RecordBatch => {
                let rows = guarded(NAME, &place, || rows_of(&metadata))?;
                index.batches.push(Batch { block, dictionaries: index.dictionaries.len(), first_row, rows });
                first_row += rows;
            }
            _ => {}
        }
        at = end;
        message = message_at(file, at)?;
    }
    Ok(index)
}

/// The message that starts there; `None` at the stream's end.
fn message_at(file: &SharedFile, at: u64) -> Result<Option<Message>, ConnectorError> {
    if at == file.len() {
        return Ok(None);
    }
    let place = format!("the message at byte {at}");
    let damaged = |e| error::damaged(NAME, &place, e);
    let prefix = file.range(at, PREFIX_BYTES).map_err(damaged)?;
    let Some((&CONTINUATION, &length)) = prefix.split_first_chunk::<4>().and_then(|(c, l)| Some((c, l.first_chunk::<4>()?))) else {
        return Err(damaged(std::io::Error::other("a message does not begin where it should")));
    };
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 {
        return Ok(None);
    }
    let metadata = file.range(at + PREFIX_BYTES as u64, length).map_err(damaged)?;
    let (body_bytes, header, version) = guarded(NAME, &place, || {
        let message = root_as_message(&metadata).map_err(|e| ArrowError::ParseError(e.to_string()))?;
        Ok::<_, ArrowError>((message.bodyLength(), message.header_type(), message.version()))
    })?;
    Ok(Some(Message { metadata, body_bytes, header, version }))
}
