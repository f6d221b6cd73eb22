//! Arrow IPC: record batches that are read where they lie.

use super::{ColumnarFile, UnitReader, file::SharedFile, fit::Fit, guarded};
use crate::{Decoded, ReadSpec, error};
use arrow::{
    buffer::Buffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        Block, MetadataVersion,
        convert::fb_to_schema,
        reader::{FileDecoder, read_footer_length},
        root_as_footer, root_as_message,
    },
    record_batch::RecordBatch,
};
use parquet::file::reader::Length;
use runink_connector_api::ConnectorError;
use std::sync::Arc;

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8] = b"ARROW1";
/// What every message, and so a stream, begins with.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// Before a message's metadata: the continuation and the metadata's length.
pub(super) const PREFIX_BYTES: usize = 8;
/// After a file's footer: its length and the magic.
const TRAILER_BYTES: usize = 10;
/// What the format is called in messages.
pub(super) const NAME: &str = "Arrow IPC";

/// Where everything lies.
pub(super) struct Index {
    pub(super) schema: SchemaRef,
    pub(super) version: MetadataVersion,
    pub(super) dictionaries: Vec<Block>,
    pub(super) batches: Vec<Batch>,
}

/// One record batch.
pub(super) struct Batch {
    pub(super) block: Block,
    /// How many dictionaries were there before it; a later one may replace one of them.
    pub(super) dictionaries: usize,
    pub(super) first_row: u64,
    pub(super) rows: u64,
}

/// A file or a stream.
pub(super) struct IpcFile {
    shared: Arc<Shared>,
}

struct Shared {
    index: Index,
    file: SharedFile,
}

/// Reads the footer of a file, and how many rows its batches have.
pub(super) fn index_of_file(file: &SharedFile) -> Result<Index, ConnectorError> {
    let cut = |e| error::damaged(NAME, "the footer", e);
    let trailer_at =
        file.len().checked_sub(TRAILER_BYTES as u64).filter(|at| *at >= MAGIC.len() as u64).ok_or_else(|| error::cut_off(NAME))?;
    let trailer = file.range(trailer_at, TRAILER_BYTES).map_err(|e| error::unreadable(NAME, e))?;
    let trailer: [u8; TRAILER_BYTES] = trailer.try_into().map_err(|_| error::cut_off(NAME))?;
    if !trailer.ends_with(MAGIC) {
        return Err(error::cut_off(NAME));
    }
    let len = guarded(NAME, "the footer", || read_footer_length(trailer))?;
    let footer = trailer_at.checked_sub(len as u64).ok_or_else(|| error::cut_off(NAME))?;
    let bytes = file.range(footer, len).map_err(cut)?;
    let (schema, version, dictionaries, blocks) = guarded(NAME, "the footer", || {
        let footer = root_as_footer(&bytes).map_err(|e| ArrowError::ParseError(e.to_string()))?;
        let schema = footer.schema().ok_or_else(|| ArrowError::ParseError("there is no schema".into()))?;
        let dictionaries: Vec<Block> = footer.dictionaries().iter().flatten().copied().collect();
        let batches: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
        Ok::<_, ArrowError>((Arc::new(fb_to_schema(schema)), footer.version(), dictionaries, batches))
    })?;
    let mut batches = Vec::with_capacity(blocks.len());
    let mut first_row = 0;
    for block in blocks {
        let place = format!("record batch {}", batches.len());
        let (start, length) = metadata_range(&block).ok_or_else(|| error::cut_off(NAME))?;
        let metadata = file.range(start, length).map_err(|e| error::damaged(NAME, &place, e))?;
        let rows = guarded(NAME, &place, || rows_of(&metadata))?;
        batches.push(Batch { block, dictionaries: dictionaries.len(), first_row, rows });
        first_row += rows;
    }
    Ok(Index { schema, version, dictionaries, batches })
}

/// A message's metadata without its prefix: where, and how long.
fn metadata_range(block: &Block) -> Option<(u64, usize)> {
    let length = usize::try_from(block.metaDataLength()).ok()?.checked_sub(PREFIX_BYTES)?;
    Some((u64::try_from(block.offset()).ok()? + PREFIX_BYTES as u64, length))
}

/// How many rows a record batch has, by its metadata.
pub(super) fn rows_of(metadata: &[u8]) -> Result<u64, ArrowError> {
    let message = root_as_message(metadata).map_err(|e| ArrowError::ParseError(e.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| ArrowError::ParseError("the message is no record batch".into()))?;
    u64::try_from(batch.length()).map_err(|e| ArrowError::ParseError(e.to_string()))
}

impl IpcFile {
    pub(super) fn open(index: Index, file: SharedFile) -> Self {
        IpcFile { shared: Arc::new(Shared { index, file }) }
    }
}

impl Shared {
    /// A message with its body.
    fn block(&self, block: &Block, place: &str) -> Result<Buffer, ConnectorError> {
        let length = i64::from(block.metaDataLength()).checked_add(block.bodyLength()).and_then(|l| usize::try_from(l).ok());
        let (Ok(start), Some(length)) = (u64::try_from(block.offset()), length) else { return Err(error::cut_off(NAME)) };
        Ok(Buffer::from_vec(self.file.range(start, length).map_err(|e| error::damaged(NAME, place, e))?))
    }

    fn batch(&self, unit: usize, columns: &[usize]) -> Result<Option<RecordBatch>, ConnectorError> {
        let Some(batch) = self.index.batches.get(unit) else { return Ok(None) };
        let place = format!("record batch {unit}");
        let mut decoder = FileDecoder::new(self.index.schema.clone(), self.index.version).with_projection(columns.to_vec());
        for dictionary in &self.index.dictionaries[..batch.dictionaries] {
            let bytes = self.block(dictionary, "a dictionary")?;
            guarded(NAME, "a dictionary", || decoder.read_dictionary(dictionary, &bytes))?;
        }
        let bytes = self.block(&batch.block, &place)?;
        let decoded = guarded(NAME, &place, || decoder.read_record_batch(&batch.block, &bytes))?;
        match decoded {
            Some(rows) if rows.num_rows() as u64 != batch.rows => {
                let cause = format!("it has {} rows, where {} were announced", rows.num_rows(), batch.rows);
                Err(error::damaged(NAME, &place, cause))
            }
            decoded => Ok(decoded),
        }
    }
}

impl ColumnarFile for IpcFile {
    fn schema(&self) -> SchemaRef {
        self.shared.index.schema.clone()
    }

    fn units(&self) -> usize {
        self.shared.index.batches.len()
    }

    fn unit_bytes(&self, unit: usize) -> u64 {
        self.shared
            .index
            .batches
            .get(unit)
            .map_or(0, |b| u64::try_from(i64::from(b.block.metaDataLength()).saturating_add(b.block.bodyLength())).unwrap_or(0))
    }

    fn read(&self, unit: usize, spec: &ReadSpec) -> Result<Box<dyn UnitReader>, ConnectorError> {
        let (fit, columns) = Fit::new(&self.shared.index.schema, spec)?;
        Ok(Box::new(IpcUnit { shared: self.shared.clone(), unit, fit, columns, batch_rows: spec.batch_rows.max(1), batch: None, given: 0 }))
    }
}

/// Reads one record batch, in pieces where it is large.
struct IpcUnit {
    shared: Arc<Shared>,
    unit: usize,
    fit: Fit,
    columns: Vec<usize>,
    batch_rows: usize,
    batch: Option<RecordBatch>,
    given: usize,
}

impl UnitReader for IpcUnit {
    fn next(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        let batch = match &self.batch {
            Some(batch) => batch,
            None => match self.shared.batch(self.unit, &self.columns)? {
                Some(batch) => self.batch.insert(batch),
                None => return Ok(None),
            },
        };
        let rows = self.batch_rows.min(batch.num_rows() - self.given);
        if rows == 0 {
            return Ok(None);
        }
        let piece = batch.slice(self.given, rows);
        let first_row = self.shared.index.batches[self.unit].first_row + self.given as u64;
        self.given += rows;
        // Damage may show only when values are converted.
        guarded(NAME, "the rows", || Ok::<_, std::io::Error>(self.fit.apply(&piece, first_row)))?.map(Some)
    }
}
