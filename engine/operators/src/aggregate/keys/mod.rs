//! Group keys: each distinct key gets a small number, by which accumulators hold their vectors.
//!
//! Keys of fixed width that fit into 16 bytes lie in the hash table itself. One text (or binary) column beside at most 16 such bytes is
//! interned as it is. Everything else goes through arrow's row format. Nulls are a key value of their own.

mod bytes;
mod columns;
mod fixed;
mod table;

use crate::hash::{key_hashes, no_key};
use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, StringArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};
use bytes::BytesKeys;
pub use columns::normal;
use columns::{pack, unpack, width};
use fixed::FixedKeys;
use std::{ops::Range, sync::Arc};

/// How keys of some column types are held. Shared by all tables of an operator.
#[derive(Debug)]
pub(crate) struct KeyLayout {
    types: Vec<DataType>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// No columns: there is one key.
    One,
    /// At most 8 bytes.
    Word,
    /// At most 16 bytes.
    Wide,
    /// One text or binary column; the others at most 16 bytes.
    Text(usize),
    /// Arrow's rows.
    Rows(RowConverter),
}

/// What is asked of the columns that are packed: they fit into this many bytes, and there is a bit for each in a null mask.
const WIDE_BYTES: usize = 16;

/// The keys of a batch, ready for tables.
#[derive(Debug, Default)]
pub(crate) struct KeyRows {
    rows: usize,
    /// See [`crate::hash`].
    pub(crate) hashes: Vec<u64>,
    words: Vec<u64>,
    wides: Vec<u128>,
    /// Which columns are null, a bit each; empty where none is.
    nulls: Vec<u16>,
    text: Text,
    /// The text column's bit in the null mask.
    text_bit: u16,
}

#[derive(Debug, Default)]
enum Text {
    #[default]
    None,
    Utf8(StringArray),
    Binary(BinaryArray),
    Rows(Rows),
}

impl KeyLayout {
    /// For columns of these types.
    ///
    /// # Errors
    /// Where a type cannot be a key.
    pub(crate) fn new(types: Vec<DataType>) -> Result<Arc<Self>, ArrowError> {
        let texts: Vec<usize> = (0..types.len()).filter(|&i| is_text(&types[i])).collect();
        let others = types.iter().filter(|t| !is_text(t)).map(width).sum::<Option<usize>>();
        let form = match (types.len(), texts.as_slice(), others) {
            (0, _, _) => Form::One,
            (_, [], Some(bytes)) if bytes <= 8 => Form::Word,
            (_, [], Some(bytes)) if bytes <= WIDE_BYTES => Form::Wide,
            (_, [text], Some(bytes)) if bytes <= WIDE_BYTES && types.len() <= u16::BITS as usize => Form::Text(*text),
            _ => Form::Rows(RowConverter::new(types.iter().map(|t| SortField::new(t.clone())).collect())?),
        };
        Ok(Arc::new(KeyLayout { types, form }))
    }

    /// Makes a batch's key columns ready; `rows` counts where there is no column.
    ///
    /// # Errors
    /// Where columns are not of the layout's types.
    pub(crate) fn prepare(&self, columns: &[ArrayRef], rows: usize, out: &mut KeyRows) -> Result<(), ArrowError> {
        out.rows = rows;
        key_hashes(columns, &mut out.hashes)?;
        if columns.is_empty() {
            out.hashes.resize(rows, no_key());
        }
        out.nulls.clear();
        out.text = Text::None;
        out.text_bit = 0;
        match &self.form {
            Form::One => {}
            Form::Word => pack(columns, rows, &mut out.words, &mut out.nulls)?,
            Form::Wide => pack(columns, rows, &mut out.wides, &mut out.nulls)?,
            Form::Text(text) => {
                let others: Vec<ArrayRef> = columns.iter().enumerate().filter(|(i, _)| i != text).map(|(_, c)| c.clone()).collect();
                out.wides.clear();
                if !others.is_empty() {
                    pack(&others, rows, &mut out.wides, &mut out.nulls)?;
                }
                out.text_bit = 1 << others.len();
                let column = &columns[*text];
                if let Some(nulls) = column.nulls().filter(|n| n.null_count() > 0) {
                    out.nulls.resize(rows, 0);
                    let bit = out.text_bit;
                    out.nulls.iter_mut().enumerate().filter(|(i, _)| nulls.is_null(*i)).for_each(|(_, mask)| *mask |= bit);
                }
                out.text = match self.types[*text] {
                    DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                        Text::Utf8(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
                    }
                    _ => Text::Binary(cast(column, &DataType::Binary)?.as_binary::<i32>().clone()),
                };
            }
            Form::Rows(converter) => {
                let columns: Vec<ArrayRef> = columns.iter().map(normal).collect();
                out.text = Text::Rows(converter.convert_columns(&columns)?);
            }
        }
        Ok(())
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

/// Where a key was looked for and not found.
pub(crate) const NOT_FOUND: u32 = u32::MAX;

/// The distinct keys of a group of rows, numbered from 0 as they come; numbers of removed keys are used again.
#[derive(Debug)]
pub(crate) struct KeyTable {
    layout: Arc<KeyLayout>,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    One { seen: bool },
    Word(FixedKeys<u64>),
    Wide(FixedKeys<u128>),
    Bytes(BytesKeys),
}

impl KeyTable {
    pub(crate) fn new(layout: &Arc<KeyLayout>) -> Self {
        KeyTable::with_room(layout, 0)
    }

    /// A table that will probably get so many keys: growing into them would take longer than all else that is done with a key.
    pub(crate) fn with_room(layout: &Arc<KeyLayout>, keys: usize) -> Self {
        let keys = match layout.form {
            Form::One => Keys::One { seen: false },
            Form::Word => Keys::Word(FixedKeys::with_room(keys)),
            Form::Wide => Keys::Wide(FixedKeys::with_room(keys)),
            Form::Text(_) | Form::Rows(_) => Keys::Bytes(BytesKeys::with_room(keys)),
        };
        KeyTable { layout: layout.clone(), keys }
    }

    /// One more than the highest number in use so far.
    pub(crate) fn bound(&self) -> usize {
        match &self.keys {
            Keys::One { seen } => usize::from(*seen),
            Keys::Word(keys) => keys.bound(),
            Keys::Wide(keys) => keys.bound(),
            Keys::Bytes(keys) => keys.bound(),
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        match &self.keys {
            Keys::One { seen } => usize::from(*seen),
            Keys::Word(keys) => keys.len(),
            Keys::Wide(keys) => keys.len(),
            Keys::Bytes(keys) => keys.len(),
        }
    }

    /// The numbers of a range's keys, appended; new keys get one.
    pub(crate) fn intern(&mut self, rows: &KeyRows, range: Range<usize>, ids: &mut Vec<u32>) {
        debug_assert!(range.end <= rows.rows);
        match &mut self.keys {
            Keys::One { seen } => {
                *seen |= !range.is_empty();
                ids.resize(ids.len() + range.len(), 0);
            }
            Keys::Word(keys) => keys.intern(&rows.words, &rows.nulls, &rows.hashes, range, ids),
            Keys::Wide(keys) => keys.intern(&rows.wides, &rows.nulls, &rows.hashes, range, ids),
            Keys::Bytes(keys) => {
                let KeyRows { hashes, wides, nulls, text_bit, .. } = rows;
                // What lies under a null is not part of the key.
                let is_null = |row: usize| nulls.get(row).is_some_and(|mask| mask & text_bit != 0);
                match &rows.text {
                    Text::None => {}
                    Text::Utf8(texts) => {
                        let text = |row: usize| if is_null(row) { &[] } else { texts.value(row).as_bytes() };
                        keys.intern_rows(range, hashes, wides, nulls, text, ids);
                    }
                    Text::Binary(texts) => {
                        let text = |row: usize| if is_null(row) { &[] } else { texts.value(row) };
                        keys.intern_rows(range, hashes, wides, nulls, text, ids);
                    }
                    Text::Rows(texts) => keys.intern_rows(range, hashes, wides, nulls, |row| texts.row(row).data(), ids),
                }
            }
        }
    }

    /// The numbers here of another table's keys, appended; new keys get one.
    pub(crate) fn intern_from(&mut self, other: &KeyTable, of: &[u32], ids: &mut Vec<u32>) {
        match (&mut self.keys, &other.keys) {
            (Keys::One { seen }, Keys::One { .. }) => {
                *seen |= !of.is_empty();
                ids.resize(ids.len() + of.len(), 0);
            }
            (Keys::Word(keys), Keys::Word(other)) => keys.intern_from(other, of, ids),
            (Keys::Wide(keys), Keys::Wide(other)) => keys.intern_from(other, of, ids),
            (Keys::Bytes(keys), Keys::Bytes(other)) => keys.intern_from(other, of, ids),
            _ => debug_assert!(false, "tables of one layout"),
        }
    }

    /// The numbers here of another table's keys, appended; [`NOT_FOUND`] for keys that are not here.
    pub(crate) fn find_from(&self, other: &KeyTable, of: &[u32], ids: &mut Vec<u32>) {
        match (&self.keys, &other.keys) {
            (Keys::One { seen }, Keys::One { .. }) => ids.resize(ids.len() + of.len(), if *seen { 0 } else { NOT_FOUND }),
            (Keys::Word(keys), Keys::Word(other)) => keys.find_from(other, of, ids),
            (Keys::Wide(keys), Keys::Wide(other)) => keys.find_from(other, of, ids),
            (Keys::Bytes(keys), Keys::Bytes(other)) => keys.find_from(other, of, ids),
            _ => debug_assert!(false, "tables of one layout"),
        }
    }

    /// Lets a key go; its number will be given to another.
    pub(crate) fn remove(&mut self, id: u32) {
        match &mut self.keys {
            Keys::One { seen } => *seen = false,
            Keys::Word(keys) => keys.remove(id),
            Keys::Wide(keys) => keys.remove(id),
            Keys::Bytes(keys) => keys.remove(id),
        }
    }

    /// The hash of a key.
    pub(crate) fn hash(&self, id: u32) -> u64 {
        match &self.keys {
            Keys::One { .. } => no_key(),
            Keys::Word(keys) => keys.hash(id),
            Keys::Wide(keys) => keys.hash(id),
            Keys::Bytes(keys) => keys.hash(id),
        }
    }

    /// The key columns for numbers.
    ///
    /// # Errors
    /// Where columns cannot be put together.
    pub(crate) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let types = &self.layout.types;
        match (&self.keys, &self.layout.form) {
            (Keys::Word(keys), _) => unpack(types, ids.iter().map(|&id| keys.key(id)).unzip()),
            (Keys::Wide(keys), _) => unpack(types, ids.iter().map(|&id| keys.key(id)).unzip()),
            (Keys::Bytes(keys), Form::Text(text)) => {
                let others: Vec<DataType> = types.iter().enumerate().filter(|(i, _)| i != text).map(|(_, t)| t.clone()).collect();
                let bit = 1u16 << others.len();
                let mut columns = unpack(&others, ids.iter().map(|&id| keys.fixed(id)).unzip::<u128, u16, Vec<_>, Vec<_>>())?;
                let mut values = BinaryBuilder::with_capacity(ids.len(), 0);
                for &id in ids {
                    if keys.fixed(id).1 & bit == 0 { keys.with_text(id, |t| values.append_value(t)) } else { values.append_null() }
                }
                let values = values.finish();
                columns.insert(*text, cast(&values, &types[*text])?);
                Ok(columns)
            }
            (Keys::Bytes(keys), Form::Rows(converter)) => {
                let mut bytes = BinaryBuilder::with_capacity(ids.len(), 0);
                ids.iter().for_each(|&id| keys.with_text(id, |t| bytes.append_value(t)));
                let (bytes, parser) = (bytes.finish(), converter.parser());
                let columns = converter.convert_rows(bytes.iter().flatten().map(|row| parser.parse(row)))?;
                columns.iter().zip(types).map(|(c, t)| if c.data_type() == t { Ok(c.clone()) } else { cast(c, t) }).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    /// An estimate of the memory held.
    pub(crate) fn bytes(&self) -> usize {
        match &self.keys {
            Keys::One { .. } => 0,
            Keys::Word(keys) => keys.bytes(),
            Keys::Wide(keys) => keys.bytes(),
            Keys::Bytes(keys) => keys.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
