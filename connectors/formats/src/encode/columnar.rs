//! Parquet and Arrow IPC.

use super::ParquetCompression;
use crate::EncodeError;
use arrow::{
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::writer::{FileWriter, StreamWriter},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use runink_connector_api::ConnectorError;
use std::io::{self, Write};

/// How many rows a row group has at most.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// How many bytes of a row group are held in memory at most, before it is written.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// A writer of a columnar format.
pub(super) enum Columnar<W: Write + Send> {
    Parquet(Box<ArrowWriter<Counted<W>>>),
    File(Box<FileWriter<Counted<W>>>),
    Stream(Box<StreamWriter<Counted<W>>>),
}

/// Counts the bytes that go through. A writer of Parquet gives its own writer back only without the reason of a failure, so it is taken out of here.
pub(super) struct Counted<W> {
    /// `None` at the end.
    out: Option<W>,
    bytes: u64,
}

impl<W> Counted<W> {
    fn new(out: W) -> Self {
        Counted { out: Some(out), bytes: 0 }
    }

    fn out(&mut self) -> io::Result<&mut W> {
        self.out.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out()?.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out()?.flush()
    }
}

impl<W: Write + Send> Columnar<W> {
    pub(super) fn parquet(compression: ParquetCompression, schema: &SchemaRef, out: W) -> Result<Self, EncodeError> {
        let compression = match compression {
            ParquetCompression::None => Compression::UNCOMPRESSED,
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_created_by("Runink".into())
            .build();
        let writer = ArrowWriter::try_new(Counted::new(out), schema.clone(), Some(properties)).map_err(parquet_failed)?;
        Ok(Columnar::Parquet(Box::new(writer)))
    }

    pub(super) fn arrow_file(schema: &SchemaRef, out: W) -> Result<Self, EncodeError> {
        Ok(Columnar::File(Box::new(FileWriter::try_new(Counted::new(out), schema).map_err(arrow_failed)?)))
    }

    pub(super) fn arrow_stream(schema: &SchemaRef, out: W) -> Result<Self, EncodeError> {
        Ok(Columnar::Stream(Box::new(StreamWriter::try_new(Counted::new(out), schema).map_err(arrow_failed)?)))
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), EncodeError> {
        match self {
            Columnar::Parquet(writer) => writer.write(batch).map_err(parquet_failed),
            Columnar::File(writer) => writer.write(batch).map_err(arrow_failed),
            Columnar::Stream(writer) => writer.write(batch).map_err(arrow_failed),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), EncodeError> {
        match self {
            // A row group that is written early makes the file slower to read for ever.
            Columnar::Parquet(_) => Ok(()),
            Columnar::File(writer) => writer.flush().map_err(arrow_failed),
            Columnar::Stream(writer) => writer.flush().map_err(arrow_failed),
        }
    }

    /// The writer, and how many bytes it got.
    pub(super) fn finish(self) -> Result<(W, u64), EncodeError> {
        let mut counted = match self {
            Columnar::Parquet(mut writer) => {
                writer.finish().map_err(parquet_failed)?;
                let counted = writer.inner_mut();
                Counted { out: counted.out.take(), bytes: counted.bytes }
            }
            Columnar::File(writer) => writer.into_inner().map_err(arrow_failed)?,
            Columnar::Stream(writer) => writer.into_inner().map_err(arrow_failed)?,
        };
        counted.flush()?;
        let out = counted.out.take().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok((out, counted.bytes))
    }
}

fn parquet_failed(e: ParquetError) -> EncodeError {
    match e {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(io) => EncodeError::Io(*io),
            Err(other) => refused("Parquet", other),
        },
        other => refused("Parquet", other),
    }
}

fn arrow_failed(e: ArrowError) -> EncodeError {
    match e {
        ArrowError::IoError(_, io) => EncodeError::Io(io),
        other => refused("Arrow IPC", other),
    }
}

fn refused(format: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EncodeError {
    let cause = cause.into();
    ConnectorError::user("FMT008", format!("{format} cannot hold these rows: {cause}"))
        .hint("give the columns types that the format has, or write another format")
        .caused_by(cause)
        .into()
}
