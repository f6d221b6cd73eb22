//! What parts hand over, put into the keys and values of the database. The only place that knows both.

use crate::{
    StoreError, codec,
    layout::{self, Names, NodeNumber, OutboxPlace, ShapeNumber},
    unsaved::Unsaved,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    datatypes::{Int64Type, UInt16Type},
    record_batch::RecordBatch,
};
use runink_checkpoint::{Boundary, CheckpointNumber, Namespace, Part, Piece, StateChanges, StateError, TableShape};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the database has beside rows, and the changes that it has not got yet.
#[derive(Default)]
pub(crate) struct Merged {
    pub(crate) names: Names,
    /// All held outputs that are not known to be outside.
    pub(crate) outboxes: BTreeSet<OutboxPlace>,
    pub(crate) unsaved: Unsaved,
    /// The shape that each node's rows have now, of those that have a table.
    now: BTreeMap<Arc<str>, (NodeNumber, ShapeNumber, TableShape)>,
    /// Whether what a changed scenario no longer has was let go.
    settled: bool,
}

impl Merged {
    /// As a checkpoint has them.
    pub(crate) fn of(names: Names, outboxes: BTreeSet<OutboxPlace>) -> Self {
        Merged { names, outboxes, ..Merged::default() }
    }

    /// All parts are there: enters what is new, and lets go what the scenario does not have any more. Does so once.
    pub(crate) fn settle(&mut self, nodes: &BTreeSet<Arc<str>>, shapes: &BTreeMap<Arc<str>, TableShape>) -> Result<(), StoreError> {
        if std::mem::replace(&mut self.settled, true) {
            return Ok(());
        }
        let old: Vec<(Arc<str>, NodeNumber)> = self.names.nodes().map(|(name, number)| (name.clone(), number)).collect();
        for (name, number) in old {
            let fits = shapes.get(&name).is_some_and(|now| self.names.shapes_of(number).all(|(_, then)| now.adapt_from(then).is_ok()));
            if !fits && self.names.shapes_of(number).next().is_some() {
                // Rows that cannot be read as the table is now were not restored either: they must not come back among its new rows.
                self.unsaved.delete_range(layout::rows_of(number));
                self.names.forget_shapes(number).into_iter().for_each(|key| self.unsaved.delete(key));
            }
            if !nodes.contains(&name) {
                self.unsaved.delete_range(layout::facts_of(number));
            }
        }
        for name in nodes {
            self.node(name);
        }
        for (name, shape) in shapes {
            let node = self.node(name);
            let (number, entry) = self.names.enter_shape(node, shape)?;
            if let Some((key, value)) = entry {
                self.unsaved.put(key, value);
            }
            self.now.insert(name.clone(), (node, number, shape.clone()));
        }
        Ok(())
    }

    fn node(&mut self, name: &Arc<str>) -> NodeNumber {
        let (number, entry) = self.names.enter_node(name);
        if let Some((key, value)) = entry {
            self.unsaved.put(key, value);
        }
        number
    }

    /// Output that is known to be outside goes.
    pub(crate) fn committed(&mut self, committed: &BTreeMap<String, CheckpointNumber>) {
        for (sink, up_to) in committed {
            let Some(node) = self.names.node(sink) else { continue };
            let gone: Vec<OutboxPlace> = self.outboxes.iter().filter(|o| o.node == node && o.number <= *up_to).copied().collect();
            for place in gone {
                self.outboxes.remove(&place);
                self.unsaved.delete(place.key());
            }
        }
    }

    /// What was handed over for one boundary, by all parts. `number` is what its outboxes are called by.
    pub(crate) fn boundary(
        &mut self,
        boundary: Boundary,
        mut pieces: Vec<(Part, Piece)>,
        number: CheckpointNumber,
    ) -> Result<(), StoreError> {
        // In order of workers and names, whichever thread was first; what one part handed over stays in its order.
        pieces.sort_by(|(a, _), (b, _)| (a.worker, &a.node).cmp(&(b.worker, &b.node)));
        let mut changes: Vec<(Arc<str>, StateChanges)> = Vec::new();
        for (part, piece) in pieces {
            match piece {
                Piece::Table(change) => changes.push((part.node, change)),
                Piece::Facts(facts) => {
                    let node = self.node(&part.node);
                    facts.into_iter().for_each(|(name, value)| self.unsaved.put(layout::fact_key(node, &name), value));
                }
                Piece::Outbox(held) => {
                    let worker = part.worker as u32;
                    let mut place = OutboxPlace { number, node: self.node(&part.node), boundary, worker, nth: 0 };
                    while self.outboxes.contains(&place) {
                        place.nth += 1;
                    }
                    self.outboxes.insert(place);
                    self.unsaved.put(place.key(), layout::outbox_value(&held));
                }
            }
        }
        // One worker's word about time holds for all: what is gone goes before what any of them has written.
        for (name, change) in &changes {
            let (node, ..) = self.table(name)?;
            change.expired.iter().for_each(|range| self.unsaved.delete_range(layout::namespaces(node, range)));
        }
        for (name, change) in &changes {
            let (node, _, shape) = self.table(name)?;
            if let Some(deleted) = &change.deleted {
                for key in row_keys(name, node, &shape, deleted, 0)? {
                    self.unsaved.delete(key);
                }
            }
        }
        for (name, change) in &changes {
            let (node, number, shape) = self.table(name)?;
            if let Some(upserted) = &change.upserted {
                let keys = row_keys(name, node, &shape, upserted, 1)?;
                for (key, value) in keys.into_iter().zip(row_values(name, number, &shape, upserted)?) {
                    self.unsaved.put(key, value);
                }
            }
        }
        Ok(())
    }

    fn table(&self, name: &Arc<str>) -> Result<(NodeNumber, ShapeNumber, TableShape), StoreError> {
        self.now.get(name).cloned().ok_or_else(|| misfit(name, "it was not said to have a table".to_owned()))
    }
}

fn misfit(node: &str, how: String) -> StoreError {
    StoreError::State { node: node.to_owned(), source: StateError::Schema(how) }
}

/// The columns from `at` on must be the table's from `from` on.
fn check(node: &str, shape: &TableShape, batch: &RecordBatch, from: usize, upto: usize) -> Result<(), StoreError> {
    let expected = shape.schema.fields()[from..upto].iter().map(|f| f.data_type());
    let found = batch.columns().iter().map(|c| c.data_type());
    if expected.clone().eq(found.clone()) {
        return Ok(());
    }
    let say = |types: Vec<&arrow::datatypes::DataType>| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(misfit(node, format!("expected columns ({}), found ({})", say(expected.collect()), say(found.collect()))))
}

/// The keys of rows; `namespace_at` is where the namespace stands.
pub(crate) fn row_keys(
    name: &str,
    node: NodeNumber,
    shape: &TableShape,
    batch: &RecordBatch,
    namespace_at: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys = TableShape::LEADING + shape.key_columns;
    let (from, upto) = if namespace_at == 0 { (1, keys) } else { (0, shape.schema.fields().len()) };
    check(name, shape, batch, from, upto)?;
    let namespaces: &Int64Array = batch.column(namespace_at).as_primitive::<Int64Type>();
    let columns = &batch.columns()[namespace_at + 1..namespace_at + 1 + shape.key_columns];
    let encoded = encode(name, columns, batch.num_rows())?;
    Ok((0..batch.num_rows()).map(|i| layout::row_key(node, Namespace(namespaces.value(i)), encoded.row(i))).collect())
}

fn row_values(name: &str, number: ShapeNumber, shape: &TableShape, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, StoreError> {
    let groups = batch.column(0).as_primitive::<UInt16Type>();
    if groups.null_count() > 0 {
        return Err(misfit(name, "a row has no key group".to_owned()));
    }
    let columns = &batch.columns()[TableShape::LEADING + shape.key_columns..];
    let encoded = encode(name, columns, batch.num_rows())?;
    Ok((0..batch.num_rows()).map(|i| layout::row_value(groups.value(i), number, encoded.row(i))).collect())
}

fn encode(name: &str, columns: &[ArrayRef], rows: usize) -> Result<codec::Encoded, StoreError> {
    codec::encode(columns, rows).map_err(|source| StoreError::Value { node: name.to_owned(), source })
}
