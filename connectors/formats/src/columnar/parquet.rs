//! Parquet: row groups in slices, with only the leaves that are wanted.

use super::{ColumnarFile, UNIT_ROWS, UnitReader, file::SharedFile, fit::Fit, guarded, prune};
use crate::{Decoded, ReadSpec, error};
use arrow::{
    datatypes::{DataType, Field, SchemaRef},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
        },
    },
    file::{metadata::PageIndexPolicy, reader::Length},
    schema::types::SchemaDescriptor,
};
use runink_connector_api::ConnectorError;
use std::sync::{Arc, Mutex, PoisonError};

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// What the format is called in messages.
const NAME: &str = "Parquet";

/// A file.
pub(super) struct ParquetFile {
    shared: Arc<Shared>,
}

struct Shared {
    file: SharedFile,
    metadata: ArrowReaderMetadata,
    units: Vec<Unit>,
    /// A row group that is being read and may go on with a later unit.
    open: Mutex<Open>,
}

/// A slice of a row group.
#[derive(Debug, Clone, Copy)]
struct Unit {
    row_group: usize,
    /// Where it starts in its row group, in rows.
    offset: usize,
    rows: usize,
    first_row: u64,
}

/// What was read last.
#[derive(Default)]
struct Open {
    last_unit: Option<usize>,
    reader: Option<GroupReader>,
}

/// Reads some units of one row group, at a constant distance from each other.
struct GroupReader {
    rows: ParquetRecordBatchReader,
    next_unit: usize,
    step: usize,
    spec: ReadSpec,
    /// Rows that were read beyond a unit's end.
    rest: Option<RecordBatch>,
}

impl ParquetFile {
    pub(super) fn open(file: SharedFile) -> Result<Self, ConnectorError> {
        let end =
            file.len().checked_sub(MAGIC.len() as u64).filter(|end| *end >= MAGIC.len() as u64).ok_or_else(|| error::cut_off(NAME))?;
        if file.range(end, MAGIC.len()).map_err(|e| error::unreadable(NAME, e))? != MAGIC {
            return Err(error::cut_off(NAME));
        }
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = guarded(NAME, "the footer", || ArrowReaderMetadata::load(&file, options))?;
        let mut units = Vec::new();
        let mut first_row = 0u64;
        for (row_group, group) in metadata.metadata().row_groups().iter().enumerate() {
            let total = usize::try_from(group.num_rows()).map_err(|e| error::damaged(NAME, "the footer", e))?;
            for offset in (0..total).step_by(UNIT_ROWS) {
                let rows = UNIT_ROWS.min(total - offset);
                units.push(Unit { row_group, offset, rows, first_row: first_row + offset as u64 });
            }
            first_row += total as u64;
        }
        Ok(ParquetFile { shared: Arc::new(Shared { file, metadata, units, open: Mutex::default() }) })
    }
}

impl ColumnarFile for ParquetFile {
    fn schema(&self) -> SchemaRef {
        self.shared.metadata.schema().clone()
    }

    fn units(&self) -> usize {
        self.shared.units.len()
    }

    fn unit_bytes(&self, unit: usize) -> u64 {
        let Some(unit) = self.shared.units.get(unit) else { return 0 };
        let group = self.shared.metadata.metadata().row_group(unit.row_group);
        let bytes = u128::try_from(group.compressed_size()).unwrap_or(0);
        let share = |rows: usize| (bytes * rows as u128 / (group.num_rows().unsigned_abs() as u128).max(1)) as u64;
        // Shares of a row group's units add up to all of it.
        share(unit.offset + unit.rows) - share(unit.offset)
    }

    fn read(&self, unit: usize, spec: &ReadSpec) -> Result<Box<dyn UnitReader>, ConnectorError> {
        let (schema, metadata) = (self.shared.metadata.schema(), self.shared.metadata.metadata());
        let (fit, _) = Fit::new(schema, spec)?;
        // Where rows may be rejected, each must be looked at: what is rejected does not depend on predicates.
        let wanted = self.shared.units.get(unit).filter(|u| !fit.is_exact() || prune::may_match(metadata, schema, u.row_group, spec));
        let remaining = wanted.map_or(0, |u| u.rows);
        let reader = if remaining > 0 { Some(self.shared.reader(unit, spec)?) } else { None };
        Ok(Box::new(ParquetUnit { shared: self.shared.clone(), unit, fit, reader, remaining }))
    }
}

impl Shared {
    /// A reader whose next row is the unit's first: the one that read up to there, or a new one.
    fn reader(&self, unit: usize, spec: &ReadSpec) -> Result<GroupReader, ConnectorError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let step = open.last_unit.and_then(|last| unit.checked_sub(last)).filter(|step| *step > 0);
        open.last_unit = Some(unit);
        if let Some(reader) = open.reader.take_if(|r| r.next_unit == unit && step == Some(r.step) && same(&r.spec, spec)) {
            return Ok(reader);
        }
        drop(open);
        self.new_reader(unit, step.unwrap_or(1), spec)
    }

    fn new_reader(&self, unit: usize, step: usize, spec: &ReadSpec) -> Result<GroupReader, ConnectorError> {
        let row_group = self.units[unit].row_group;
        let mut selectors = Vec::new();
        let mut at = 0;
        for slice in self.units[unit..].iter().step_by(step).take_while(|u| u.row_group == row_group) {
            selectors.push(RowSelector::skip(slice.offset - at));
            selectors.push(RowSelector::select(slice.rows));
            at = slice.offset + slice.rows;
        }
        let schema = self.metadata.schema();
        let mask = mask(self.metadata.parquet_schema(), schema, spec);
        let rows = guarded(NAME, &self.place(unit), || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_row_groups(vec![row_group])
                .with_row_selection(RowSelection::from(selectors))
                .with_projection(mask)
                .with_batch_size(spec.batch_rows.max(1))
                .build()
        })?;
        Ok(GroupReader { rows, next_unit: unit, step, spec: spec.clone(), rest: None })
    }

    fn place(&self, unit: usize) -> String {
        format!("row group {}", self.units[unit].row_group)
    }
}

/// Whether a reader for one serves the other.
fn same(a: &ReadSpec, b: &ReadSpec) -> bool {
    Arc::ptr_eq(&a.schema, &b.schema) && a.projection == b.projection && a.batch_rows == b.batch_rows
}

/// Reads one unit.
struct ParquetUnit {
    shared: Arc<Shared>,
    unit: usize,
    fit: Fit,
    reader: Option<GroupReader>,
    /// Rows still to come.
    remaining: usize,
}

impl UnitReader for ParquetUnit {
    fn next(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let place = self.shared.place(self.unit);
        let next = match reader.rest.take() {
            Some(rest) => Some(rest),
            None => guarded(NAME, &place, || reader.rows.next().transpose())?,
        };
        let Some(batch) = next.filter(|b| b.num_rows() > 0) else {
            self.reader = None;
            return Err(error::damaged(NAME, &place, std::io::Error::other(format!("{} rows are missing", self.remaining))));
        };
        let unit = self.shared.units[self.unit];
        let first_row = unit.first_row + (unit.rows - self.remaining) as u64;
        let rows = batch.num_rows().min(self.remaining);
        if rows < batch.num_rows() {
            reader.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.remaining -= rows;
        let decoded = guarded(NAME, "the rows", || Ok::<_, std::io::Error>(self.fit.apply(&batch.slice(0, rows), first_row)))??;
        if self.remaining == 0
            && let Some(mut reader) = self.reader.take()
        {
            reader.next_unit = self.unit + reader.step;
            if self.shared.units.get(reader.next_unit).is_some_and(|next| next.row_group == unit.row_group) {
                self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).reader = Some(reader);
            }
        }
        Ok(Some(decoded))
    }
}

/// The leaves to read. Of a struct only wanted members are, but never none of them: whether the struct is null is known by its leaves.
fn mask(parquet: &SchemaDescriptor, schema: &SchemaRef, spec: &ReadSpec) -> ProjectionMask {
    let mut leaves = Vec::new();
    for &column in &spec.projection {
        let wanted = spec.schema.field(column);
        let Ok(root) = schema.index_of(wanted.name()) else { continue };
        let all: Vec<usize> = (0..parquet.num_columns()).filter(|leaf| parquet.get_column_root_idx(*leaf) == root).collect();
        let part: Vec<usize> = all.iter().copied().filter(|leaf| wants(&parquet.column(*leaf).path().parts()[1..], wanted)).collect();
        leaves.extend(if part.is_empty() { all } else { part });
    }
    ProjectionMask::leaves(parquet, leaves)
}

/// Whether a wanted field has the member that the rest of a leaf's path names.
fn wants(path: &[String], wanted: &Field) -> bool {
    match (wanted.data_type(), path) {
        (DataType::Struct(fields), [member, rest @ ..]) => fields.iter().any(|f| f.name() == member && wants(rest, f)),
        _ => true,
    }
}
