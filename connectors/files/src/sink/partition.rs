//! Folders of parts: each worker writes its own, by the values of the partition columns where there are any.
//!
//! Names are those of Hive: `country=DE/day=2026-01-01/part-0-0.parquet`. The partition columns stand in the path only.

use super::{
    ledger::sync_folder_of,
    part::{Part, PartFormat, schema_without},
    publish::{Publication, Staged, part_name, part_name_of_run},
    staged_parts,
};
use crate::error;
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatchOptions, UInt32Array},
    compute::take,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use runink_connector_api::{ConnectorError, Outbox, SinkSummary, SinkWriter};
use runink_formats::CellText;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many parts a writer has open at once, at most: the one that was used the longest ago is completed for the next.
pub(crate) const MAX_OPEN_PARTS: usize = 128;
/// How many partitions a writer knows, at most.
const MAX_PARTITIONS: usize = 16_384;
/// How many parts a writer makes, at most.
const MAX_PARTS: usize = 65_536;
/// How long a folder's name may be, in bytes: what file systems take.
const MAX_FOLDER_NAME_BYTES: usize = 255;
/// The folder of nulls.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

const _: () = assert!(MAX_OPEN_PARTS <= MAX_PARTITIONS && MAX_PARTITIONS <= MAX_PARTS);

/// The partition columns, as indices.
pub(crate) fn columns(names: &[String], schema: &SchemaRef) -> Result<Vec<usize>, ConnectorError> {
    let known: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let bad = |name: &str, why: &str| Err(error::bad_partition_column(name, why, &known));
    let mut columns: Vec<usize> = Vec::new();
    for name in names {
        let Ok(column) = schema.index_of(name) else { return bad(name, "there is no such column") };
        if columns.contains(&column) {
            return bad(name, "it is named twice");
        }
        if matches!(
            schema.field(column).data_type(),
            DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..) | DataType::Binary | DataType::LargeBinary
        ) {
            return bad(name, "its values cannot name folders");
        }
        columns.push(column);
    }
    if !columns.is_empty() && columns.len() == known.len() {
        return bad(&names[0], "no column is left to be written");
    }
    Ok(columns)
}

/// Writes one worker's parts.
pub(crate) struct PartitionedWriter {
    folder: PathBuf,
    worker: usize,
    format: PartFormat,
    schema: SchemaRef,
    columns: Arc<[usize]>,
    kept: Vec<usize>,
    rows: Option<RowConverter>,
    by_key: HashMap<Box<[u8]>, usize>,
    partitions: Vec<Partition>,
    /// Partitions with an open part, and how many there may be.
    open: usize,
    most_open: usize,
    uses: u64,
    staged: Vec<Staged>,
    summary: SinkSummary,
    publication: Arc<Publication>,
    /// Parts are held back for checkpoints, under names of this run.
    run: Option<Arc<str>>,
}

struct Partition {
    folder: PathBuf,
    part: Option<Part>,
    parts: usize,
    last_use: u64,
    /// Its rows in the batch at hand.
    selected: Vec<u32>,
}

fn internal(cause: ArrowError) -> ConnectorError {
    ConnectorError::bug("FIL092", format!("rows could not be partitioned: {cause}")).caused_by(cause)
}

impl PartitionedWriter {
    pub(crate) fn new(
        folder: &Path,
        worker: usize,
        format: PartFormat,
        schema: &SchemaRef,
        columns: &Arc<[usize]>,
        most_open: usize,
        publication: Arc<Publication>,
    ) -> Result<Self, ConnectorError> {
        let fields = columns.iter().map(|&c| SortField::new(schema.field(c).data_type().clone())).collect();
        Ok(PartitionedWriter {
            folder: folder.to_owned(),
            worker,
            format,
            schema: schema_without(schema, columns),
            columns: columns.clone(),
            kept: (0..schema.fields().len()).filter(|c| !columns.contains(c)).collect(),
            rows: if columns.is_empty() { None } else { Some(RowConverter::new(fields).map_err(internal)?) },
            by_key: HashMap::new(),
            partitions: Vec::new(),
            open: 0,
            most_open,
            uses: 0,
            staged: Vec::new(),
            summary: SinkSummary::default(),
            publication,
            run: None,
        })
    }

    /// Holds its parts back for checkpoints; `run` makes their names differ from those of other runs.
    pub(crate) fn held(self, run: Arc<str>) -> Self {
        PartitionedWriter { run: Some(run), ..self }
    }

    /// Deals the batch's rows to partitions; returns those that got some, in order of their first row.
    fn select(&mut self, batch: &RecordBatch) -> Result<Vec<usize>, ConnectorError> {
        let rows_of_batch = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let Some(converter) = &mut self.rows else {
            if self.partitions.is_empty() {
                self.partitions.push(Partition { folder: self.folder.clone(), part: None, parts: 0, last_use: 0, selected: Vec::new() });
            }
            self.partitions[0].selected.extend(0..rows_of_batch);
            return Ok(vec![0]);
        };
        let values: Vec<ArrayRef> = self.columns.iter().map(|&c| batch.column(c).clone()).collect();
        let keys = converter.convert_columns(&values).map_err(internal)?;
        let mut touched = Vec::new();
        let mut last: Option<usize> = None;
        for row in 0..batch.num_rows() {
            let key = keys.row(row);
            let partition = match last {
                Some(partition) if row > 0 && keys.row(row - 1) == key => partition,
                _ => match self.by_key.get(key.as_ref()) {
                    Some(&partition) => partition,
                    None => {
                        if self.partitions.len() == MAX_PARTITIONS {
                            return Err(error::too_many_partitions(&self.folder, MAX_PARTITIONS));
                        }
                        let folder = folder_of(&self.folder, batch, &self.columns, row)?;
                        self.partitions.push(Partition { folder, part: None, parts: 0, last_use: 0, selected: Vec::new() });
                        self.by_key.insert(key.as_ref().into(), self.partitions.len() - 1);
                        self.partitions.len() - 1
                    }
                },
            };
            last = Some(partition);
            let selected = &mut self.partitions[partition].selected;
            if selected.is_empty() {
                touched.push(partition);
            }
            selected.push(u32::try_from(row).unwrap_or(u32::MAX));
        }
        Ok(touched)
    }

    /// The open part of a partition.
    fn part(&mut self, partition: usize) -> Result<&mut Part, ConnectorError> {
        self.uses += 1;
        self.partitions[partition].last_use = self.uses;
        if self.partitions[partition].part.is_none() {
            if self.open == self.most_open {
                let oldest =
                    (0..self.partitions.len()).filter(|&p| self.partitions[p].part.is_some()).min_by_key(|&p| self.partitions[p].last_use);
                if let Some(oldest) = oldest {
                    self.close(oldest)?;
                }
            }
            if self.staged.len() + self.open >= MAX_PARTS {
                return Err(error::too_many_partitions(&self.folder, MAX_PARTS));
            }
        }
        let Partition { folder, part, parts, .. } = &mut self.partitions[partition];
        match part {
            Some(part) => Ok(part),
            None => {
                self.publication.make_folder(folder)?;
                let (worker, ending) = (self.worker, &self.format.ending);
                let name = match &self.run {
                    Some(run) => part_name_of_run(run, worker, *parts, ending),
                    None => part_name(worker, *parts, ending),
                };
                let path = folder.join(name);
                let created = Part::create(&path, &self.format, &self.schema)?;
                *parts += 1;
                self.open += 1;
                Ok(part.insert(created))
            }
        }
    }

    fn close(&mut self, partition: usize) -> Result<(), ConnectorError> {
        if let Some(part) = self.partitions[partition].part.take() {
            self.open -= 1;
            let (staged, summary) = part.finish()?;
            self.staged.extend(staged);
            self.summary.rows += summary.rows;
            self.summary.bytes += summary.bytes;
        }
        Ok(())
    }
}

impl SinkWriter for PartitionedWriter {
    fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>) -> Result<(), ConnectorError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let touched = self.select(batch)?;
        let kept = batch.project(&self.kept).map_err(internal)?;
        for partition in touched {
            let selected = std::mem::take(&mut self.partitions[partition].selected);
            if selected.len() == kept.num_rows() {
                self.part(partition)?.write(&kept, diffs)?;
                self.partitions[partition].selected = selected;
                self.partitions[partition].selected.clear();
                continue;
            }
            let indices = UInt32Array::from(selected);
            let pick = |column: &ArrayRef| take(column, &indices, None).map_err(internal);
            let columns = kept.columns().iter().map(pick).collect::<Result<Vec<_>, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
            let rows = RecordBatch::try_new_with_options(kept.schema(), columns, &options).map_err(internal)?;
            let diffs = diffs.map(|diffs| Int64Array::from_iter_values(indices.values().iter().map(|&i| diffs.value(i as usize))));
            self.part(partition)?.write(&rows, diffs.as_ref())?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Outbox>, ConnectorError> {
        let before = self.summary.rows;
        for partition in 0..self.partitions.len() {
            self.close(partition)?;
        }
        let parts: Vec<_> = std::mem::take(&mut self.staged).into_iter().map(Staged::leave).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        parts.iter().try_for_each(|(hidden, _)| sync_folder_of(hidden))?;
        staged_parts::outbox(&self.folder, &parts, self.summary.rows - before).map(Some)
    }

    fn finish(mut self: Box<Self>) -> Result<SinkSummary, ConnectorError> {
        if self.run.is_some() {
            return Ok(self.summary);
        }
        for partition in 0..self.partitions.len() {
            self.close(partition)?;
        }
        self.publication.writer_done(std::mem::take(&mut self.staged))?;
        Ok(self.summary)
    }
}

/// The folder of a row's values.
fn folder_of(root: &Path, batch: &RecordBatch, columns: &[usize], row: usize) -> Result<PathBuf, ConnectorError> {
    let mut folder = root.to_owned();
    let schema = batch.schema();
    for &column in columns {
        let field = schema.field(column);
        let mut name = String::new();
        escape(field.name().as_bytes(), &mut name);
        name.push('=');
        let mut value = Vec::new();
        match CellText::new(field, batch.column(column).as_ref())?.write(row, &mut value) {
            true => escape(&value, &mut name),
            false => name.push_str(NULL_FOLDER),
        }
        if name.len() > MAX_FOLDER_NAME_BYTES {
            let cut: String = name.chars().take(40).collect();
            return Err(error::bad_target(
                root,
                &format!("the folder `{cut}…` would have a name of {} bytes", name.len()),
                "Partition by a column with shorter values.",
            ));
        }
        folder.push(name);
    }
    Ok(folder)
}

/// Appends text with everything that a path or Hive takes for its own as `%XX`. Bytes that are not ASCII stay, as they came from text.
fn escape(text: &[u8], out: &mut String) {
    let special = |b: u8| b.is_ascii_control() || b"\"#%'*/:=?\\{}[]^".contains(&b);
    for part in String::from_utf8_lossy(text).chars() {
        match u8::try_from(part) {
            Ok(byte) if special(byte) => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(part),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compression::Compression;
    use arrow::{
        array::StringArray,
        datatypes::{Field, Schema},
    };
    use runink_formats::OutputFormat;

    #[test]
    fn the_part_that_was_used_the_longest_ago_is_completed_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("k", DataType::Utf8, true)]));
        let format = PartFormat { output: OutputFormat::Json, compression: Compression::None, ending: "json".into(), changelog: false };
        let publication = Arc::new(Publication::of_folder(dir.path().to_owned(), 1, "json".into()).unwrap());
        publication.join();
        let mut writer = PartitionedWriter::new(dir.path(), 0, format, &schema, &Arc::from([1]), 2, publication).unwrap();
        for (id, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "a"), (6, "b")] {
            let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![id])), Arc::new(StringArray::from(vec![key]))];
            writer.write(&RecordBatch::try_new(schema.clone(), columns).unwrap(), None).unwrap();
            assert!(writer.open <= 2);
        }
        assert_eq!(Box::new(writer).finish().unwrap().rows, 6);
        let part = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(part("k=a/part-0-0.json"), "{\"id\":1}\n{\"id\":3}\n{\"id\":5}\n");
        assert_eq!((part("k=b/part-0-0.json"), part("k=b/part-0-1.json")), ("{\"id\":2}\n".into(), "{\"id\":6}\n".into()));
    }

    #[test]
    fn values_never_leave_their_folder() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape(text.as_bytes(), &mut out);
            out
        };
        assert_eq!(escaped("../a=b"), "..%2Fa%3Db");
        assert_eq!(escaped("12:30 100%"), "12%3A30 100%25");
        assert_eq!(escaped("Zürich\n"), "Zürich%0A");
    }
}
