//! One file that is being written.

use super::publish::Staged;
use crate::{
    compression::{Compression, Compressor},
    error,
};
use arrow::{
    array::Int64Array,
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use runink_connector_api::{ConnectorError, SinkSummary};
use runink_formats::{EncodeError, Encoder, OutputFormat};
use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How much is handed to the operating system at once, in bytes.
const WRITE_BUFFER_BYTES: usize = 256 << 10;

/// How parts are written.
#[derive(Debug, Clone)]
pub(crate) struct PartFormat {
    pub(crate) output: OutputFormat,
    pub(crate) compression: Compression,
    /// Of names, without the dot: `json.gz`.
    pub(crate) ending: String,
    pub(crate) changelog: bool,
}

/// A file that is being written. Where it has a final name, dropping it removes it.
pub(crate) struct Part {
    path: PathBuf,
    encoder: Encoder<Compressor<BufWriter<File>>>,
    staged: Option<Staged>,
}

impl Part {
    /// A file that gets its name when it is published.
    pub(crate) fn create(path: &Path, format: &PartFormat, schema: &SchemaRef) -> Result<Self, ConnectorError> {
        let (staged, file) = Staged::create(path)?;
        Ok(Part { staged: Some(staged), ..Part::through(path, file, format, schema)? })
    }

    /// A file that is written through.
    pub(crate) fn through(path: &Path, file: File, format: &PartFormat, schema: &SchemaRef) -> Result<Self, ConnectorError> {
        let out = Compressor::new(BufWriter::with_capacity(WRITE_BUFFER_BYTES, file), format.compression)
            .map_err(|cause| error::cannot_write(path, cause))?;
        let encoder = Encoder::new(&format.output, schema, format.changelog, out).map_err(|e| failed(path, e))?;
        Ok(Part { path: path.to_owned(), encoder, staged: None })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        self.encoder.write(batch, diffs).map_err(|e| failed(&self.path, e))
    }

    pub(crate) fn flush(&mut self) -> Result<(), ConnectorError> {
        self.encoder.flush().map_err(|e| failed(&self.path, e))
    }

    /// Completes it, and makes sure that the disk has it. Not published yet.
    pub(crate) fn finish(self) -> Result<(Option<Staged>, SinkSummary), ConnectorError> {
        let Part { path, encoder, staged } = self;
        let (out, summary) = encoder.finish().map_err(|e| failed(&path, e))?;
        let written = out.finish().and_then(|buffer| buffer.into_inner().map_err(|e| e.into_error())).and_then(|file| match staged {
            Some(_) => file.sync_all(),
            None => Ok(()),
        });
        written.map_err(|cause| error::cannot_write(&path, cause))?;
        Ok((staged, summary))
    }
}

/// An encoder's error, with the file that it happened to.
pub(crate) fn failed(path: &Path, cause: EncodeError) -> ConnectorError {
    match cause {
        EncodeError::Io(cause) => error::cannot_write(path, cause),
        EncodeError::Format(mut cause) => {
            cause.message = format!("{}: {}", error::shown(path), cause.message);
            cause
        }
    }
}

/// A schema without some columns.
pub(crate) fn schema_without(schema: &SchemaRef, left_out: &[usize]) -> SchemaRef {
    if left_out.is_empty() {
        return schema.clone();
    }
    let kept = schema.fields().iter().enumerate().filter(|(i, _)| !left_out.contains(i)).map(|(_, f)| f.clone());
    Arc::new(Schema::new(kept.collect::<Vec<_>>()))
}
