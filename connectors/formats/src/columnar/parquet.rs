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
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

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

/// Units that were decoded for others wait for them. Of more than so many the first is let go, and decoded again by who wants it.
const WAITING_UNITS_MAX: usize = 16;

/// What is being read, by all who read the file together: the pages of a row group are decoded once, by whoever needs their next rows.
#[derive(Default)]
struct Open {
    spec: Option<ReadSpec>,
    reader: Option<GroupReader>,
    /// Units that were on the way to a wanted one.
    waiting: BTreeMap<usize, Vec<RecordBatch>>,
    /// The unit behind the last one that was decoded.
    behind_last: Option<usize>,
}

/// Reads the units of one row group, in order.
struct GroupReader {
    rows: ParquetRecordBatchReader,
    next_unit: usize,
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
        let batches = if remaining > 0 { self.shared.decoded(unit, spec)? } else { Vec::new() };
        Ok(Box::new(ParquetUnit { batches: batches.into_iter(), fit, next_row: wanted.map_or(0, |u| u.first_row) }))
    }
}

impl Shared {
    /// A unit's rows. Whoever wants a unit decodes those before it that the reader has not come to.
    fn decoded(&self, unit: usize, spec: &ReadSpec) -> Result<Vec<RecordBatch>, ConnectorError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.spec.as_ref().is_some_and(|s| same(s, spec)) {
            *open = Open { spec: Some(spec.clone()), ..Open::default() };
        }
        if let Some(batches) = open.waiting.remove(&unit) {
            return Ok(batches);
        }
        let near = |from: usize| from <= unit && unit - from <= WAITING_UNITS_MAX;
        let mut reader = match open.reader.take().filter(|r| near(r.next_unit)) {
            Some(reader) => reader,
            None => self.new_reader(open.behind_last.filter(|&unit| near(unit)).unwrap_or(unit), spec)?,
        };
        loop {
            let at = reader.next_unit;
            let batches = self.next_unit(&mut reader)?;
            open.behind_last = Some(reader.next_unit);
            let goes_on = self.units.get(reader.next_unit).is_some_and(|next| next.row_group == self.units[at].row_group);
            if at == unit {
                // A row group that has come to its end is let go, with its pages.
                open.reader = goes_on.then_some(reader);
                return Ok(batches);
            }
            open.waiting.insert(at, batches);
            if open.waiting.len() > WAITING_UNITS_MAX {
                open.waiting.pop_first();
            }
            if !goes_on {
                // Row groups in between are wanted by nobody: they were ruled out.
                let group = self.units[unit].row_group;
                let first = self.units.partition_point(|u| u.row_group < group);
                reader = self.new_reader(first.max(reader.next_unit), spec)?;
            }
        }
    }

    /// A reader of the rest of a row group, from a unit on.
    fn new_reader(&self, unit: usize, spec: &ReadSpec) -> Result<GroupReader, ConnectorError> {
        let Unit { row_group, offset, .. } = self.units[unit];
        let total = self.units[unit..].iter().take_while(|u| u.row_group == row_group).map(|u| u.rows).sum();
        let schema = self.metadata.schema();
        let mask = mask(self.metadata.parquet_schema(), schema, spec);
        let rows = guarded(NAME, &self.place(unit), || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_row_groups(vec![row_group])
                .with_row_selection(RowSelection::from(vec![RowSelector::skip(offset), RowSelector::select(total)]))
                .with_projection(mask)
                .with_batch_size(spec.batch_rows.max(1))
                .build()
        })?;
        Ok(GroupReader { rows, next_unit: unit, rest: None })
    }

    /// Decodes the reader's next unit.
    fn next_unit(&self, reader: &mut GroupReader) -> Result<Vec<RecordBatch>, ConnectorError> {
        let place = self.place(reader.next_unit);
        let mut remaining = self.units[reader.next_unit].rows;
        let mut batches = Vec::new();
        while remaining > 0 {
            let next = match reader.rest.take() {
                Some(rest) => Some(rest),
                None => guarded(NAME, &place, || reader.rows.next().transpose())?,
            };
            let Some(batch) = next.filter(|b| b.num_rows() > 0) else {
                return Err(error::damaged(NAME, &place, std::io::Error::other(format!("{remaining} rows are missing"))));
            };
            let rows = batch.num_rows().min(remaining);
            if rows < batch.num_rows() {
                reader.rest = Some(batch.slice(rows, batch.num_rows() - rows));
            }
            remaining -= rows;
            batches.push(batch.slice(0, rows));
        }
        reader.next_unit += 1;
        Ok(batches)
    }

    fn place(&self, unit: usize) -> String {
        format!("row group {}", self.units[unit].row_group)
    }
}

/// Whether a reader for one serves the other.
fn same(a: &ReadSpec, b: &ReadSpec) -> bool {
    Arc::ptr_eq(&a.schema, &b.schema) && a.projection == b.projection && a.batch_rows == b.batch_rows
}

/// Gives one unit.
struct ParquetUnit {
    batches: std::vec::IntoIter<RecordBatch>,
    fit: Fit,
    next_row: u64,
}

impl UnitReader for ParquetUnit {
    fn next(&mut self) -> Result<Option<Decoded>, ConnectorError> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        guarded(NAME, "the rows", || Ok::<_, std::io::Error>(self.fit.apply(&batch, first_row)))?.map(Some)
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
