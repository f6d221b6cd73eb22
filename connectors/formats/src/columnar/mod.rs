//! Columnar formats: files that are read from their footer, by units that do not depend on each other.
//!
//! Reading and fitting are apart: each format gives batches of the file's own types (`parquet`, `ipc`), and `fit` makes the wanted types of them,
//! the same way for all.

mod convert;
mod file;
mod fit;
mod ipc;
mod parquet;
mod prune;
mod stream;

use crate::{Decoded, ReadSpec, error};
use ::parquet::file::reader::Length;
use arrow::datatypes::SchemaRef;
use file::SharedFile;
pub(crate) use fit::Fit;
use runink_connector_api::ConnectorError;
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How many rows a unit of a Parquet file has at most. (Asked for by the files connector: a unit is what one epoch holds.)
pub const UNIT_ROWS: usize = 32 << 10;

/// A columnar format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnarFormat {
    /// Apache Parquet; its units are slices of row groups, each of at most [`UNIT_ROWS`] rows (a row group of 1 M rows is 31 units, so that several
    /// workers read one row group side by side and an epoch, which is one unit, stays small).
    Parquet,
    /// Arrow IPC, as a file or as a stream; its units are the record batches.
    Arrow,
}

/// An opened file. It may be shared by threads.
pub trait ColumnarFile: Send + Sync {
    /// Its own schema.
    fn schema(&self) -> SchemaRef;

    /// How many units it has.
    fn units(&self) -> usize;

    /// A unit's size in the file, in bytes.
    fn unit_bytes(&self, unit: usize) -> u64;

    /// Reads one unit. Columns are matched by name and cast to the types wanted. A unit whose statistics show that no row can fulfil the predicates gives no rows.
    /// Units are read fastest in ascending order, by one reader or by several that share the file and keep near each other: pages are then decoded once.
    ///
    /// # Errors
    /// Where the file lacks a column, or has one that can never be cast.
    fn read(&self, unit: usize, spec: &ReadSpec) -> Result<Box<dyn UnitReader>, ConnectorError>;
}

/// Reads a unit's rows. Positions are row numbers in the whole file, from 0.
pub trait UnitReader: Send {
    /// The next rows; `None` at the unit's end.
    ///
    /// # Errors
    /// Where the file is damaged.
    fn next(&mut self) -> Result<Option<Decoded>, ConnectorError>;
}

/// Opens a file: reads its footer, not its rows.
///
/// # Errors
/// Where the file is not of that format, is cut off, or is damaged.
pub fn open(format: ColumnarFormat, file: File) -> Result<Arc<dyn ColumnarFile>, ConnectorError> {
    let name = format.name();
    let file = SharedFile::new(file).map_err(|e| error::unreadable(name, e))?;
    let magic: &[u8] = match format {
        ColumnarFormat::Parquet => parquet::MAGIC,
        ColumnarFormat::Arrow => ipc::MAGIC,
    };
    let head = file.range(0, (magic.len() as u64).min(file.len()) as usize).map_err(|e| error::unreadable(name, e))?;
    Ok(match format {
        ColumnarFormat::Parquet if head != magic => return Err(error::other_format(name, &head)),
        ColumnarFormat::Parquet => Arc::new(parquet::ParquetFile::open(file)?),
        ColumnarFormat::Arrow if head == magic => Arc::new(ipc::IpcFile::open(ipc::index_of_file(&file)?, file)),
        ColumnarFormat::Arrow if head.starts_with(&ipc::CONTINUATION) => {
            Arc::new(ipc::IpcFile::open(stream::index_of_stream(&file)?, file))
        }
        ColumnarFormat::Arrow => return Err(error::other_format(name, &head)),
    })
}

impl ColumnarFormat {
    fn name(self) -> &'static str {
        match self {
            ColumnarFormat::Parquet => "Parquet",
            ColumnarFormat::Arrow => "Arrow IPC",
        }
    }
}

/// Runs code of a library on bytes from outside. Damaged bytes may make it panic; that is an error like any other.
pub(crate) fn guarded<T, E>(format: &'static str, place: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, ConnectorError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(error::damaged(format, place, e)),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
            Err(error::damaged(format, place, std::io::Error::other(said.unwrap_or_else(|| "its reader gave up".into()))))
        }
    }
}
