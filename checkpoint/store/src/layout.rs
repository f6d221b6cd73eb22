//! Which keys the database has: `docs/checkpoint-format.md`, "Keys". Nodes and shapes are known by small numbers, which a checkpoint keeps beside the rows.

use crate::{StoreError, codec};
use arrow::ipc::{reader::StreamReader, writer::StreamWriter};
use runink_checkpoint::{Boundary, CheckpointNumber, HeldOutput, Namespace, TableShape};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// What a key begins with.
const META: u8 = 0;
const ROWS: u8 = 1;
const FACTS: u8 = 2;
const OUTBOXES: u8 = 3;

/// The kinds of entries under [`META`].
const META_NODE: u8 = b'n';
const META_SHAPE: u8 = b's';

/// A node's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeNumber(pub(crate) u32);

/// A stored shape's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShapeNumber(pub(crate) u32);

fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A namespace so that bytes have the order of numbers.
fn ordered(namespace: Namespace) -> [u8; 8] {
    ((namespace.0 as u64) ^ (1 << 63)).to_be_bytes()
}

/// The key of a table's row.
pub(crate) fn row_key(node: NodeNumber, namespace: Namespace, encoded: &[u8]) -> Vec<u8> {
    key(&[&[ROWS], &node.0.to_be_bytes(), &ordered(namespace), encoded])
}

/// All rows of some namespaces.
pub(crate) fn namespaces(node: NodeNumber, range: &Range<Namespace>) -> Range<Vec<u8>> {
    row_key(node, range.start, &[])..row_key(node, range.end, &[])
}

/// All rows of a node.
pub(crate) fn rows_of(node: NodeNumber) -> Range<Vec<u8>> {
    prefix(key(&[&[ROWS], &node.0.to_be_bytes()]))
}

/// What follows a node's number in the key of a row.
pub(crate) fn read_row_key(bytes: &[u8]) -> Result<(Namespace, &[u8]), StoreError> {
    match bytes.split_at_checked(5).and_then(|(_, rest)| rest.split_first_chunk::<8>()) {
        Some((namespace, encoded)) => Ok((Namespace((u64::from_be_bytes(*namespace) ^ (1 << 63)) as i64), encoded)),
        None => Err(StoreError::damaged("a row", "its key is too short")),
    }
}

/// The value of a row: its group, its shape, its value columns.
pub(crate) fn row_value(group: u16, shape: ShapeNumber, encoded: &[u8]) -> Vec<u8> {
    key(&[&group.to_le_bytes(), &shape.0.to_le_bytes(), encoded])
}

/// See [`row_value`].
pub(crate) fn read_row_value(bytes: &[u8]) -> Result<(u16, ShapeNumber, &[u8]), StoreError> {
    let parts =
        bytes.split_first_chunk::<2>().and_then(|(group, rest)| rest.split_first_chunk::<4>().map(|(shape, rest)| (group, shape, rest)));
    match parts {
        Some((group, shape, rest)) => Ok((u16::from_le_bytes(*group), ShapeNumber(u32::from_le_bytes(*shape)), rest)),
        None => Err(StoreError::damaged("a row", "its value is too short")),
    }
}

/// The key of a fact.
pub(crate) fn fact_key(node: NodeNumber, name: &str) -> Vec<u8> {
    key(&[&[FACTS], &node.0.to_be_bytes(), name.as_bytes()])
}

/// All facts of a node.
pub(crate) fn facts_of(node: NodeNumber) -> Range<Vec<u8>> {
    prefix(key(&[&[FACTS], &node.0.to_be_bytes()]))
}

/// A fact's name by its key.
pub(crate) fn read_fact_key(bytes: &[u8]) -> Result<String, StoreError> {
    let name = bytes.get(5..).ok_or_else(|| StoreError::damaged("a fact", "its key is too short"))?;
    String::from_utf8(name.to_vec()).map_err(|_| StoreError::damaged("a fact", "its name is not UTF-8"))
}

/// Where a held output stands: outputs are sorted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OutboxPlace {
    pub(crate) number: CheckpointNumber,
    pub(crate) node: NodeNumber,
    pub(crate) boundary: Boundary,
    pub(crate) worker: u32,
    pub(crate) nth: u32,
}

impl OutboxPlace {
    pub(crate) fn key(&self) -> Vec<u8> {
        let (number, boundary) = (self.number.0.to_be_bytes(), self.boundary.0.to_be_bytes());
        key(&[&[OUTBOXES], &number, &self.node.0.to_be_bytes(), &boundary, &self.worker.to_be_bytes(), &self.nth.to_be_bytes()])
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<OutboxPlace, StoreError> {
        let short = || StoreError::damaged("an outbox", "its key has another length");
        let (_, rest) = bytes.split_at_checked(1).ok_or_else(short)?;
        let (number, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (node, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (boundary, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (worker, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let nth: &[u8; 4] = rest.try_into().map_err(|_| short())?;
        Ok(OutboxPlace {
            number: CheckpointNumber(u64::from_be_bytes(*number)),
            node: NodeNumber(u32::from_be_bytes(*node)),
            boundary: Boundary(u64::from_be_bytes(*boundary)),
            worker: u32::from_be_bytes(*worker),
            nth: u32::from_be_bytes(*nth),
        })
    }
}

/// All outboxes.
pub(crate) fn all_outboxes() -> Range<Vec<u8>> {
    prefix(vec![OUTBOXES])
}

/// A held output's value.
pub(crate) fn outbox_value(held: &HeldOutput) -> Vec<u8> {
    key(&[&held.rows.to_le_bytes(), &held.hash.to_le_bytes(), &held.bytes])
}

/// See [`outbox_value`].
pub(crate) fn read_outbox_value(bytes: &[u8]) -> Result<HeldOutput, StoreError> {
    let parts =
        bytes.split_first_chunk::<8>().and_then(|(rows, rest)| rest.split_first_chunk::<8>().map(|(hash, rest)| (rows, hash, rest)));
    match parts {
        Some((rows, hash, rest)) => {
            Ok(HeldOutput { rows: u64::from_le_bytes(*rows), hash: u64::from_le_bytes(*hash), bytes: rest.to_vec() })
        }
        None => Err(StoreError::damaged("an outbox", "its value is too short")),
    }
}

/// All keys that begin so.
fn prefix(start: Vec<u8>) -> Range<Vec<u8>> {
    let mut end = start.clone();
    // Carried to the left past bytes that are full; prefixes here begin with a small byte, so there is always one that is not.
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    start..end
}

/// A key and value that are to be written.
type Written = (Vec<u8>, Vec<u8>);

/// The nodes and shapes that a checkpoint knows.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    nodes: BTreeMap<Arc<str>, NodeNumber>,
    shapes: BTreeMap<ShapeNumber, (NodeNumber, TableShape)>,
}

impl Names {
    /// The keys under which they stand.
    pub(crate) fn keys() -> Range<Vec<u8>> {
        prefix(vec![META])
    }

    /// Takes an entry of the database.
    pub(crate) fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let bad = |how: &str| StoreError::damaged("the list of steps", how);
        match (key.get(1), key.get(2..)) {
            (Some(&META_NODE), Some(name)) => {
                let name = std::str::from_utf8(name).map_err(|_| bad("a step's name is not UTF-8"))?;
                let number = value.try_into().map(u32::from_le_bytes).map_err(|_| bad("a step's number has another length"))?;
                self.nodes.insert(name.into(), NodeNumber(number));
                Ok(())
            }
            (Some(&META_SHAPE), Some(number)) => {
                let number = number.try_into().map(u32::from_be_bytes).map_err(|_| bad("a shape's number has another length"))?;
                self.shapes.insert(ShapeNumber(number), read_shape(value)?);
                Ok(())
            }
            _ => Err(bad("an entry is of no known kind")),
        }
    }

    pub(crate) fn node(&self, name: &str) -> Option<NodeNumber> {
        self.nodes.get(name).copied()
    }

    pub(crate) fn name(&self, node: NodeNumber) -> Option<Arc<str>> {
        self.nodes.iter().find(|(_, n)| **n == node).map(|(name, _)| name.clone())
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Arc<str>, NodeNumber)> {
        self.nodes.iter().map(|(name, number)| (name, *number))
    }

    /// All shapes that a node's rows may have, oldest first.
    pub(crate) fn shapes_of(&self, node: NodeNumber) -> impl DoubleEndedIterator<Item = (ShapeNumber, &TableShape)> {
        self.shapes.iter().filter(move |(_, (n, _))| *n == node).map(|(number, (_, shape))| (*number, shape))
    }

    /// A node's number; where it is new, the entry that says so.
    pub(crate) fn enter_node(&mut self, name: &Arc<str>) -> (NodeNumber, Option<Written>) {
        if let Some(number) = self.node(name) {
            return (number, None);
        }
        let number = NodeNumber(self.nodes.values().map(|n| n.0 + 1).max().unwrap_or(0));
        self.nodes.insert(name.clone(), number);
        (number, Some((key(&[&[META, META_NODE], name.as_bytes()]), number.0.to_le_bytes().to_vec())))
    }

    /// The number of a shape of a node; where it is not the newest of the node, the entry that makes it so.
    pub(crate) fn enter_shape(&mut self, node: NodeNumber, shape: &TableShape) -> Result<(ShapeNumber, Option<Written>), StoreError> {
        if let Some((number, _)) = self.shapes_of(node).next_back().filter(|(_, s)| *s == shape) {
            return Ok((number, None));
        }
        let number = ShapeNumber(self.shapes.keys().next_back().map_or(0, |n| n.0 + 1));
        let value = shape_value(node, shape)?;
        self.shapes.insert(number, (node, shape.clone()));
        Ok((number, Some((shape_key(number), value))))
    }

    /// Forgets a node's shapes; the keys of their entries.
    pub(crate) fn forget_shapes(&mut self, node: NodeNumber) -> Vec<Vec<u8>> {
        let gone: Vec<ShapeNumber> = self.shapes_of(node).map(|(number, _)| number).collect();
        gone.iter().for_each(|number| drop(self.shapes.remove(number)));
        gone.into_iter().map(shape_key).collect()
    }
}

fn shape_key(number: ShapeNumber) -> Vec<u8> {
    key(&[&[META, META_SHAPE], &number.0.to_be_bytes()])
}

fn shape_value(node: NodeNumber, shape: &TableShape) -> Result<Vec<u8>, StoreError> {
    let name = || format!("table {}", node.0);
    for field in shape.schema.fields() {
        codec::supported(field.data_type()).map_err(|source| StoreError::Value { node: name(), source })?;
    }
    let arrow = |e: arrow::error::ArrowError| StoreError::State { node: name(), source: e.into() };
    let mut schema = Vec::new();
    StreamWriter::try_new(&mut schema, &shape.schema).and_then(|mut w| w.finish()).map_err(arrow)?;
    let mut value = key(&[&node.0.to_le_bytes(), &(shape.key_columns as u32).to_le_bytes(), &schema]);
    // Arrow's reader trusts what it reads.
    value.extend(crc32fast::hash(&value).to_le_bytes());
    Ok(value)
}

fn read_shape(value: &[u8]) -> Result<(NodeNumber, TableShape), StoreError> {
    let bad = |how: &str| StoreError::damaged("a table's shape", how);
    let (covered, checksum) = value.split_last_chunk::<4>().ok_or_else(|| bad("it is too short"))?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return Err(bad("its checksum is wrong"));
    }
    let (node, rest) = covered.split_first_chunk::<4>().ok_or_else(|| bad("it is too short"))?;
    let (keys, rest) = rest.split_first_chunk::<4>().ok_or_else(|| bad("it is too short"))?;
    let schema = StreamReader::try_new(rest, None).map_err(|e| bad(&e.to_string()))?.schema();
    let key_columns = u32::from_le_bytes(*keys) as usize;
    if schema.fields().len() < TableShape::LEADING.saturating_add(key_columns) {
        return Err(bad("it has fewer columns than its key"));
    }
    Ok((NodeNumber(u32::from_le_bytes(*node)), TableShape { schema, key_columns }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    fn shape(value: DataType) -> TableShape {
        let fields = vec![
            Field::new("key_group", DataType::UInt16, false),
            Field::new("namespace", DataType::Int64, false),
            Field::new("k", DataType::Utf8, true),
            Field::new("v", value, true),
        ];
        TableShape { schema: Arc::new(Schema::new(fields)), key_columns: 1 }
    }

    #[test]
    fn namespaces_have_the_order_of_their_numbers() {
        let at = |n| row_key(NodeNumber(7), Namespace(n), b"");
        let order = [i64::MIN, -1, 0, 1, i64::MAX].map(at);
        assert!(order.is_sorted());
        assert!(rows_of(NodeNumber(7)).contains(&at(i64::MAX)) && !rows_of(NodeNumber(8)).contains(&at(i64::MIN)));
        assert!(rows_of(NodeNumber(u32::MAX)).contains(&row_key(NodeNumber(u32::MAX), Namespace(3), b"\xff")));
    }

    #[test]
    fn names_are_read_as_they_were_entered() {
        let mut names = Names::default();
        let mut entries = Vec::new();
        for name in ["Totals", "Joined"] {
            let (node, entry) = names.enter_node(&name.into());
            entries.extend(entry);
            for value in [DataType::Int64, DataType::Utf8] {
                entries.extend(names.enter_shape(node, &shape(value)).unwrap().1);
            }
        }
        assert_eq!(entries.len(), 6);
        assert!(names.enter_node(&"Totals".into()).1.is_none());
        let mut read = Names::default();
        entries.iter().for_each(|(k, v)| read.read(k, v).unwrap());
        assert_eq!(format!("{names:?}"), format!("{read:?}"));
        assert_eq!(read.forget_shapes(NodeNumber(0)).len(), 2);
    }

    #[test]
    fn a_shape_that_comes_back_is_the_newest_again() {
        let mut names = Names::default();
        let (node, _) = names.enter_node(&"Totals".into());
        let (first, _) = names.enter_shape(node, &shape(DataType::Int64)).unwrap();
        names.enter_shape(node, &shape(DataType::Utf8)).unwrap();
        let (again, entry) = names.enter_shape(node, &shape(DataType::Int64)).unwrap();
        assert!(again > first && entry.is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64), flip in 0usize..2000, bit in 0u8..8) {
            let _either = (read_row_key(&bytes), read_row_value(&bytes), read_fact_key(&bytes), OutboxPlace::read(&bytes), read_outbox_value(&bytes));
            let mut names = Names::default();
            let _either = names.read(&bytes, &bytes);
            let mut value = shape_value(NodeNumber(1), &shape(DataType::Int64)).unwrap();
            let at = flip % value.len();
            value[at] ^= 1 << bit;
            prop_assert!(read_shape(&value).is_err());
        }
    }
}
