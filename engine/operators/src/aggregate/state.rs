//! An aggregation's state as a checkpoint sees it: one row per (namespace, key).
//!
//! `key_group`, `namespace` (the slice's or session's end in µs, 0 without windows), the keys; then whether the key has rows in the slice
//! and its accumulators' states; then, where rows can be taken back, how many it has; then, where results can be taken back, what was given out for the window that ends there. Names that begin
//! with a dot are ours, so that they cannot meet a column's.

use super::{
    AggregateOperator, Shape,
    grouping::{Grouping, rows_field},
    keys::KeyRows,
    pane::{CAPTURED, CHANGED, DIRTY, Given, KNOWN, PRESENT, Pane, SCHEDULED},
    panes::{Panes, ROOM_MAX},
    sessions::Sessions,
    settings::Settings,
    window::END_OF_TIME,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt16Array},
    compute::{concat, concat_batches, filter, sort_to_indices, take_record_batch},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion_common::DataFusionError;
use runink_checkpoint::{Namespace, SpillTable, StateChanges, StateError, StateTable};
use runink_planner::EmitMode;
use std::{ops::Range, sync::Arc};

pub(super) fn failed(error: impl Into<DataFusionError>) -> StateError {
    StateError::Operator(error.into().strip_backtrace())
}

pub(super) fn namespace(end: i64) -> i64 {
    if end == END_OF_TIME { 0 } else { end }
}

/// Where the parts of a row stand.
pub(super) struct Layout {
    pub(super) keys: Range<usize>,
    present: usize,
    states: Range<usize>,
    rows: Option<usize>,
    given: Option<GivenLayout>,
    touched: Option<usize>,
    start: Option<usize>,
    schema: SchemaRef,
}

struct GivenLayout {
    flag: usize,
    columns: Range<usize>,
    at: Option<usize>,
}

impl Layout {
    fn of(grouping: &Grouping, settings: &Settings, ages: bool) -> Self {
        let field = |name: &str, data_type: DataType| -> FieldRef { Arc::new(Field::new(name, data_type, true)) };
        let mut fields: Vec<FieldRef> =
            vec![Arc::new(Field::new("key_group", DataType::UInt16, false)), Arc::new(Field::new("namespace", DataType::Int64, false))];
        fields.extend(grouping.key_fields.iter().cloned());
        let keys = 2..fields.len();
        fields.push(Arc::new(Field::new(".present", DataType::Boolean, false)));
        fields.extend(grouping.calls.iter().flat_map(|c| c.state.iter().cloned()));
        let states = keys.end + 1..fields.len();
        let rows = grouping.retracts.then(|| {
            fields.push(rows_field());
            fields.len() - 1
        });
        let given = settings.changelog.then(|| {
            let flag = fields.len();
            fields.push(Arc::new(Field::new(".given", DataType::Boolean, false)));
            fields.extend(grouping.calls.iter().map(|c| field(&format!(".given.{}", c.name), c.output.clone())));
            if grouping.gap.is_some() {
                fields.extend([field(".given.start_us", DataType::Int64), field(".given.end_us", DataType::Int64)]);
            }
            let columns = flag + 1..fields.len();
            let at = matches!(settings.emit, EmitMode::Every(_)).then(|| {
                fields.push(field(".given_at_us", DataType::Int64));
                fields.len() - 1
            });
            GivenLayout { flag, columns, at }
        });
        let mut optional = |wanted: bool, name: &str| {
            wanted.then(|| {
                fields.push(field(name, DataType::Int64));
                fields.len() - 1
            })
        };
        let touched = optional(ages, ".touched_us");
        let start = optional(grouping.gap.is_some(), ".start_us");
        Layout { present: keys.end, keys, states, rows, given, touched, start, schema: Arc::new(Schema::new(fields)) }
    }
}

/// The columns of `given` for groups.
fn given_columns(layout: &GivenLayout, given: &Given, groups: &[u32], into: &mut Vec<ArrayRef>) -> Result<(), DataFusionError> {
    into.push(Arc::new(groups.iter().map(|&g| Some(given.rows.has(g))).collect::<BooleanArray>()));
    into.extend(given.rows.get(groups)?);
    if layout.at.is_some() {
        let at = groups.iter().map(|&g| given.rows.has(g).then(|| given.at.get(g as usize).copied()).flatten());
        into.push(Arc::new(at.collect::<Int64Array>()));
    }
    Ok(())
}

/// Puts captured `given` columns back, for groups in the order of the rows.
fn restore_given(layout: &GivenLayout, given: &mut Given, rows: &RecordBatch, groups: &[u32]) -> Result<(), DataFusionError> {
    let flags = rows.column(layout.flag).as_boolean();
    let own: Vec<u32> = groups.iter().zip(flags.values().iter()).filter(|(_, f)| *f).map(|(&g, _)| g).collect();
    let columns = rows.columns()[layout.columns.clone()].iter().map(|c| filter(c, flags)).collect::<Result<_, _>>()?;
    given.rows.put(&own, columns)?;
    if let Some(at) = layout.at {
        let at = rows.column(at).as_primitive::<Int64Type>();
        groups.iter().enumerate().filter(|(i, _)| flags.value(*i)).for_each(|(i, &g)| given.stamp(g, at.value(i)));
    }
    Ok(())
}

/// `namespace`, then the keys.
fn deleted_batch(layout: &Layout, parts: Vec<(Vec<i64>, Vec<ArrayRef>)>) -> Result<Option<RecordBatch>, StateError> {
    if parts.is_empty() {
        return Ok(None);
    }
    let fields: Vec<FieldRef> = layout.schema.fields()[1..layout.keys.end].to_vec();
    let ends: Int64Array = parts.iter().flat_map(|(ends, _)| ends.iter().copied()).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(ends)];
    for key in 0..layout.keys.len() {
        columns.push(concat(&parts.iter().map(|(_, keys)| keys[key].as_ref() as &dyn Array).collect::<Vec<_>>())?);
    }
    Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
}

impl AggregateOperator {
    pub(super) fn layout(&self) -> Layout {
        let ages = matches!(&self.shape, Shape::Panes(panes) if panes.age.is_some());
        Layout::of(&self.grouping, &self.settings, ages)
    }
}

impl StateTable for AggregateOperator {
    fn schema(&self) -> SchemaRef {
        self.layout().schema
    }

    fn key_columns(&self) -> usize {
        self.grouping.keys.len()
    }

    fn capture(&mut self) -> Result<StateChanges, StateError> {
        let layout = self.layout();
        let grouping = &self.grouping;
        match &mut self.shape {
            Shape::Panes(panes) => {
                let expired = panes.expired_to.take().map(|end| match namespace(end) {
                    0 if end == END_OF_TIME => Namespace(0)..Namespace(1),
                    end => Namespace(i64::MIN)..Namespace(end + 1),
                });
                let deleted = std::mem::take(&mut panes.deleted);
                let deleted = deleted.into_iter().map(|(end, keys)| (vec![end; keys.first().map_or(1, |k| k.len())], keys)).collect();
                let number = panes.spill.as_mut().map(|spill| spill.shelved.capture());
                let mut pieces = Vec::new();
                for (&end, pane) in &mut panes.panes {
                    let age = panes.age.as_ref().map(|a| a.touched_at.as_slice());
                    pieces.extend(capture_pane(grouping, &layout, end, pane, age, number).map_err(failed)?);
                }
                Ok(StateChanges {
                    expired: expired.into_iter().collect(),
                    deleted: deleted_batch(&layout, deleted)?,
                    upserted: joined(&layout, &pieces)?,
                })
            }
            Shape::Sessions { sessions, .. } => {
                let expired = sessions.expired_to.take().map(|end| Namespace(i64::MIN)..Namespace(end.saturating_add(1)));
                let piece = capture_sessions(grouping, &layout, sessions).map_err(failed)?;
                let deleted = std::mem::take(&mut sessions.deleted);
                Ok(StateChanges {
                    expired: expired.into_iter().collect(),
                    deleted: deleted_batch(&layout, deleted)?,
                    upserted: joined(&layout, piece.as_slice())?,
                })
            }
        }
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), StateError> {
        let layout = self.layout();
        if rows.schema() != layout.schema {
            return Err(StateError::Schema(format!("expected {:?}, found {:?}", layout.schema, rows.schema())));
        }
        // Namespace by namespace, in order of time.
        let order = sort_to_indices(rows.column(1), None, None)?;
        let rows = take_record_batch(rows, &order)?;
        let ends = rows.column(1).as_primitive::<Int64Type>().clone();
        let mut first = 0;
        for run in ends.values().chunk_by(|a, b| a == b) {
            let part = rows.slice(first, run.len());
            first += run.len();
            let restored = match &mut self.shape {
                Shape::Panes(panes) => restore_pane(&self.grouping, &self.settings, &layout, panes, &part, run[0]),
                Shape::Sessions { sessions, .. } => restore_sessions(&self.grouping, &self.settings, &layout, sessions, &part, run[0]),
            };
            restored.map_err(failed)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.shape {
            Shape::Panes(panes) => panes.panes.values().map(Pane::bytes).sum(),
            Shape::Sessions { sessions, .. } => sessions.bytes(),
        }
    }

    fn keys(&self) -> usize {
        match &self.shape {
            Shape::Panes(panes) => panes.panes.values().map(|p| p.present).sum(),
            Shape::Sessions { sessions, .. } => sessions.alive(),
        }
    }

    fn spilling(&mut self) -> Option<&mut dyn SpillTable> {
        if self.spills { Some(self) } else { None }
    }
}

fn joined(layout: &Layout, pieces: &[RecordBatch]) -> Result<Option<RecordBatch>, StateError> {
    Ok(if pieces.is_empty() { None } else { Some(concat_batches(&layout.schema, pieces)?) })
}

fn capture_pane(
    grouping: &Grouping,
    layout: &Layout,
    end: i64,
    pane: &mut Pane,
    touched_at: Option<&[i64]>,
    number: Option<u32>,
) -> Result<Option<RecordBatch>, DataFusionError> {
    let mut ids = std::mem::take(&mut pane.dirty);
    ids.retain(|&id| pane.has(id, DIRTY));
    ids.sort_unstable();
    ids.dedup();
    for &id in &ids {
        pane.clear(id, DIRTY);
        pane.set(id, CAPTURED);
    }
    if ids.is_empty() {
        return Ok(None);
    }
    if let Some(number) = number {
        pane.stamp(&ids, number);
    }
    let group = |&id: &u32| grouping.groups.of_hash(pane.keys.hash(id)).0;
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(ids.iter().map(group).collect::<UInt16Array>()), Arc::new(Int64Array::from_value(namespace(end), ids.len()))];
    columns.extend(pane.keys.columns(&ids)?);
    columns.push(Arc::new(ids.iter().map(|&id| Some(pane.has(id, PRESENT) || pane.weight(id) != 0)).collect::<BooleanArray>()));
    for accumulator in &mut pane.accumulators {
        columns.extend(accumulator.state(&ids)?);
    }
    if layout.rows.is_some() {
        columns.push(Arc::new(ids.iter().map(|&id| Some(pane.weight(id))).collect::<Int64Array>()));
    }
    if let Some(given) = &layout.given {
        given_columns(given, &pane.given, &ids, &mut columns)?;
    }
    if let Some(touched_at) = touched_at {
        columns.push(Arc::new(ids.iter().map(|&id| touched_at.get(id as usize).copied()).collect::<Int64Array>()));
    }
    Ok(Some(RecordBatch::try_new(layout.schema.clone(), columns)?))
}

fn restore_pane(
    grouping: &Grouping,
    settings: &Settings,
    layout: &Layout,
    panes: &mut Panes,
    rows: &RecordBatch,
    end: i64,
) -> Result<(), DataFusionError> {
    let end = if grouping.windowed { end } else { END_OF_TIME };
    let mut pane = panes.panes.remove(&end).map_or_else(|| Pane::new(grouping, rows.num_rows().min(ROOM_MAX)), Ok)?;
    let ids = restore_groups(grouping, layout, &mut pane, rows)?;
    if let EmitMode::Every(period) = settings.emit {
        // What was given out may have changed since; what was not would have been given out at once.
        for &id in ids.iter().filter(|&&id| pane.given.rows.has(id)).collect::<Vec<_>>() {
            pane.set(id, CHANGED);
            panes.due.entry(pane.given.due(id, period)).or_default().push((end, id));
        }
    }
    if let (Some(age), Some(column)) = (&mut panes.age, layout.touched) {
        let touched = rows.column(column).as_primitive::<Int64Type>();
        for (&id, &at) in ids.iter().zip(touched.values()) {
            age.touch(id, at);
            pane.set(id, SCHEDULED);
            age.calendar.entry(at.saturating_add(age.ttl)).or_default().push(id);
        }
    }
    panes.panes.insert(end, pane);
    Ok(())
}

/// Puts captured groups into a pane that does not have them; their numbers.
pub(super) fn restore_groups(
    grouping: &Grouping,
    layout: &Layout,
    pane: &mut Pane,
    rows: &RecordBatch,
) -> Result<Vec<u32>, DataFusionError> {
    let mut keys = KeyRows::default();
    grouping.layout.prepare(&rows.columns()[layout.keys.clone()], rows.num_rows(), &mut keys)?;
    let mut ids = Vec::new();
    pane.keys.intern(&keys, 0..rows.num_rows(), &mut ids);
    let present = rows.column(layout.present).as_boolean();
    let own: Vec<u32> = ids.iter().zip(present.values().iter()).filter(|(_, p)| *p).map(|(&id, _)| id).collect();
    let states = rows.columns()[layout.states.clone()].iter().map(|s| filter(s, present)).collect::<Result<Vec<_>, _>>()?;
    let bound = pane.keys.bound();
    for (accumulator, states) in pane.accumulators.iter_mut().zip(grouping.by_call(&states)) {
        accumulator.merge(states, &own, bound)?;
    }
    if let Some(column) = layout.rows {
        pane.restore_weights(&ids, rows.column(column).as_primitive::<Int64Type>().values());
        pane.settle(&ids);
    } else {
        for &id in &own {
            pane.present += usize::from(pane.set(id, PRESENT));
        }
    }
    for &id in &ids {
        pane.set(id, CAPTURED);
        pane.set(id, KNOWN);
    }
    if let Some(given) = &layout.given {
        restore_given(given, &mut pane.given, rows, &ids)?;
    }
    Ok(ids)
}

fn capture_sessions(grouping: &Grouping, layout: &Layout, sessions: &mut Sessions) -> Result<Option<RecordBatch>, DataFusionError> {
    let mut ids = std::mem::take(&mut sessions.dirty);
    ids.retain(|&id| sessions.sessions[id as usize].alive && std::mem::take(&mut sessions.sessions[id as usize].dirty));
    if ids.is_empty() {
        return Ok(None);
    }
    let all =
        |what: fn(&super::sessions::Session) -> i64| ids.iter().map(|&id| what(&sessions.sessions[id as usize])).collect::<Int64Array>();
    let (start, end) = (all(|s| s.start), all(|s| s.end));
    let keys: Vec<u32> = ids.iter().map(|&id| sessions.sessions[id as usize].key).collect();
    let groups = keys.iter().map(|&key| grouping.groups.of_hash(sessions.keys.hash(key)).0).collect::<UInt16Array>();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(groups), Arc::new(end.clone())];
    columns.extend(sessions.keys.columns(&keys)?);
    columns.push(Arc::new(BooleanArray::from(vec![true; ids.len()])));
    for accumulator in &mut sessions.accumulators {
        columns.extend(accumulator.state(&ids)?);
    }
    if let Some(given) = &layout.given {
        given_columns(given, &sessions.given, &ids, &mut columns)?;
    }
    columns.push(Arc::new(start));
    // A session whose end moved stands under its old one.
    for (&id, &end) in ids.iter().zip(end.values()) {
        let session = &mut sessions.sessions[id as usize];
        if let Some(old) = session.captured.replace(end).filter(|&old| old != end) {
            sessions.deleted.push((vec![old], sessions.keys.columns(&[session.key])?));
        }
    }
    Ok(Some(RecordBatch::try_new(layout.schema.clone(), columns)?))
}

fn restore_sessions(
    grouping: &Grouping,
    settings: &Settings,
    layout: &Layout,
    sessions: &mut Sessions,
    rows: &RecordBatch,
    end: i64,
) -> Result<(), DataFusionError> {
    let mut keys = KeyRows::default();
    grouping.layout.prepare(&rows.columns()[layout.keys.clone()], rows.num_rows(), &mut keys)?;
    let mut ids = Vec::new();
    sessions.keys.intern(&keys, 0..rows.num_rows(), &mut ids);
    sessions.of_key.resize(sessions.keys.bound().max(sessions.of_key.len()), Vec::new());
    let start = layout.start.map(|s| rows.column(s).as_primitive::<Int64Type>().clone());
    let start = start.ok_or_else(|| DataFusionError::Internal("session state without a start".into()))?;
    let own: Vec<u32> = ids.iter().zip(start.values()).map(|(&key, &start)| sessions.restore(key, start, end)).collect();
    let bound = sessions.bound();
    let states = rows.columns()[layout.states.clone()].to_vec();
    for (accumulator, states) in sessions.accumulators.iter_mut().zip(grouping.by_call(&states)) {
        accumulator.merge(states, &own, bound)?;
    }
    if let Some(given) = &layout.given {
        restore_given(given, &mut sessions.given, rows, &own)?;
    }
    if let EmitMode::Every(period) = settings.emit {
        own.iter().for_each(|&id| sessions.expect(id, period));
    }
    Ok(())
}
