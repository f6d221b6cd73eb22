//! One file of text that grows with each checkpoint: rows are held back, encoded, until their checkpoint is published, and are then appended.
//!
//! The file and its ledger agree after every commit. Whatever a crash leaves behind the length that the ledger knows is cut off before the next.

use super::{
    ledger::Ledger,
    part::{PartFormat, failed},
};
use crate::{
    compression::{Compression, Compressor},
    error,
};
use arrow::{array::Int64Array, datatypes::SchemaRef, record_batch::RecordBatch};
use runink_connector_api::{
    CheckpointNumber, CommitIdentity, Committer, ConnectorError, Outbox, SinkSummary, SinkWriter, Witness, row_hash,
};
use runink_formats::{CsvFormat, Encoder, Header, OutputFormat};
use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The version of an outbox's form: this byte, the length of the header row (u32, little endian), the header row, the rows.
const VERSION: u8 = 1;

/// Encodes rows and holds them back.
pub(crate) struct HeldWriter {
    path: PathBuf,
    format: PartFormat,
    schema: SchemaRef,
    encoder: Option<Encoder<Vec<u8>>>,
    summary: SinkSummary,
    _claim: Arc<super::Publication>,
}

impl HeldWriter {
    pub(crate) fn new(path: &Path, format: PartFormat, schema: SchemaRef, claim: Arc<super::Publication>) -> Self {
        HeldWriter { path: path.to_owned(), format, schema, encoder: None, summary: SinkSummary::default(), _claim: claim }
    }

    fn encoder(&self, header: bool) -> Result<Encoder<Vec<u8>>, ConnectorError> {
        let output = match &self.format.output {
            OutputFormat::Csv(csv) if !header => OutputFormat::Csv(CsvFormat { header: Header::Absent, ..csv.clone() }),
            other => other.clone(),
        };
        Encoder::new(&output, &self.schema, self.format.changelog, Vec::new()).map_err(|e| failed(&self.path, e))
    }

    fn compress(&self, text: &[u8]) -> Result<Vec<u8>, ConnectorError> {
        if text.is_empty() || self.format.compression == Compression::None {
            return Ok(text.to_vec());
        }
        let written = Compressor::new(Vec::new(), self.format.compression).and_then(|mut out| {
            out.write_all(text)?;
            out.finish()
        });
        written.map_err(|cause| error::cannot_write(&self.path, cause))
    }
}

impl SinkWriter for HeldWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        if self.encoder.is_none() {
            self.encoder = Some(self.encoder(false)?);
        }
        match &mut self.encoder {
            Some(encoder) => encoder.write(batch, diffs).map_err(|e| failed(&self.path, e)),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Outbox>, ConnectorError> {
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        let (text, summary) = encoder.finish().map_err(|e| failed(&self.path, e))?;
        let (header, _) = self.encoder(true)?.finish().map_err(|e| failed(&self.path, e))?;
        let hash = text.split_inclusive(|b| *b == b'\n').fold(0u64, |sum, line| sum.wrapping_add(row_hash(line)));
        let (header, rows) = (self.compress(&header)?, self.compress(&text)?);
        self.summary.rows += summary.rows;
        self.summary.bytes += rows.len() as u64;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&u32::try_from(header.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&rows);
        Ok(Some(Outbox { bytes, rows: summary.rows, hash }))
    }

    fn finish(self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        Ok(self.summary)
    }
}

/// The header row and the rows of an outbox.
fn opened(outbox: &Outbox) -> Result<(&[u8], &[u8]), ConnectorError> {
    let split = || {
        let (version, rest) = outbox.bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).filter(|_| *version == VERSION)
    };
    split().ok_or_else(error::bad_outbox)
}

/// Appends what was held back.
pub(crate) struct FileCommitter {
    path: PathBuf,
    ledger: Ledger,
}

impl FileCommitter {
    pub(crate) fn new(path: &Path, identity: CommitIdentity) -> Self {
        FileCommitter { path: path.to_owned(), ledger: Ledger::of_file(path, identity) }
    }

    fn open(&self) -> Result<(File, u64), ConnectorError> {
        let failed = |cause| error::cannot_write(&self.path, cause);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok((file, length))
    }
}

impl Committer for FileCommitter {
    fn recover(&mut self) -> Result<Witness, ConnectorError> {
        let wanted = self.ledger.read()?.map(|entry| entry.bytes);
        let length = std::fs::metadata(&self.path).map_or(0, |m| m.len());
        match wanted {
            None if length > 0 => Err(error::not_of_a_checkpoint(&self.path)),
            None => {
                self.ledger.begin()?;
                Ok(Witness::Nothing)
            }
            Some(bytes) if length < bytes => Err(error::shortened(&self.path, bytes, length)),
            Some(bytes) => {
                if length > bytes {
                    let (file, _) = self.open()?;
                    file.set_len(bytes).and_then(|()| file.sync_all()).map_err(|cause| error::cannot_write(&self.path, cause))?;
                }
                Ok(self.ledger.witness())
            }
        }
    }

    fn commit(&mut self, checkpoint: CheckpointNumber, outboxes: &[Outbox]) -> Result<(), ConnectorError> {
        if self.ledger.has(checkpoint)? {
            return Ok(());
        }
        let known = self.ledger.entry().map_or(0, |entry| entry.bytes);
        let (mut file, length) = self.open()?;
        if length < known {
            return Err(error::shortened(&self.path, known, length));
        }
        let failed = |cause| error::cannot_write(&self.path, cause);
        file.set_len(known).and_then(|()| file.seek(SeekFrom::Start(known))).map_err(failed)?;
        let mut bytes = known;
        for outbox in outboxes {
            let (header, rows) = opened(outbox)?;
            let header = if bytes == 0 { header } else { &[] };
            for part in [header, rows] {
                file.write_all(part).map_err(failed)?;
                bytes += part.len() as u64;
            }
        }
        file.sync_all().map_err(failed)?;
        super::ledger::sync_folder_of(&self.path)?;
        self.ledger.write(checkpoint, bytes)
    }
}
