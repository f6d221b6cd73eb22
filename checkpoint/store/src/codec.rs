//! How a row's columns stand in bytes on disk: `docs/checkpoint-format.md`, "Rows". Equal values have equal bytes, so that an encoded key is the key.
//!
//! The code is our own, not Arrow's row format: the form on disk must not move with a library, and reading must be safe on any bytes.

use arrow::{
    array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, NullArray, StructArray, make_array},
    buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
};
use std::sync::Arc;

#[cfg(target_endian = "big")]
compile_error!("values on disk are little-endian, and so are Arrow's buffers only on little-endian machines");

/// How deep lists and structs may lie in each other: what bounds the recursion.
const MAX_DEPTH: usize = 32;

/// Why bytes are not rows of a schema.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The type has no form on disk.
    #[error("values of type {0} cannot be kept in a checkpoint")]
    Type(DataType),
    /// Lengths on disk have 32 bits.
    #[error("a row of {0} bytes is larger than the 4 GiB that can be kept")]
    TooLarge(usize),
    /// The bytes end too early or go on too long, or are none of the type's.
    #[error("damaged row: {0}")]
    Damaged(&'static str),
    /// Columns could not be made of them.
    #[error("damaged row: {0}")]
    Arrow(#[from] ArrowError),
}

/// Rows in bytes, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// Where each row begins, and where the last ends.
    offsets: Vec<usize>,
}

impl Encoded {
    /// One row's bytes.
    pub(crate) fn row(&self, i: usize) -> &[u8] {
        match (self.offsets.get(i), self.offsets.get(i + 1)) {
            (Some(&from), Some(&to)) => &self.bytes[from..to],
            _ => &[],
        }
    }
}

/// The type as which a column is kept: dictionaries and views as what they stand for.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// How wide a fixed-width value is; `None` for all others.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(n) => usize::try_from(*n).ok(),
        other => other.primitive_width(),
    }
}

/// Whether columns of the type can be kept.
///
/// # Errors
/// The type that cannot.
pub(crate) fn supported(data_type: &DataType) -> Result<(), CodecError> {
    fn at(data_type: &DataType, depth: usize) -> Result<(), CodecError> {
        if depth > MAX_DEPTH {
            return Err(CodecError::Type(data_type.clone()));
        }
        let data_type = &plain(data_type);
        if width(data_type).is_some() {
            return Ok(());
        }
        match data_type {
            DataType::Null | DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => Ok(()),
            DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::Map(f, _) => {
                at(f.data_type(), depth + 1)
            }
            DataType::Struct(fields) => fields.iter().try_for_each(|f| at(f.data_type(), depth + 1)),
            other => Err(CodecError::Type(other.clone())),
        }
    }
    at(data_type, 0)
}

/// Encodes the rows of some columns.
///
/// # Errors
/// Where a type has no form on disk, or a row is larger than 4 GiB.
pub(crate) fn encode(columns: &[ArrayRef], rows: usize) -> Result<Encoded, CodecError> {
    let cells = columns.iter().map(|c| Cells::of(c, 0)).collect::<Result<Vec<_>, _>>()?;
    join(&cells, rows)
}

fn join(cells: &[Cells], rows: usize) -> Result<Encoded, CodecError> {
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut end = 0;
    offsets.push(0);
    let mut lengths = vec![0usize; rows];
    for column in cells {
        column.lengths(&mut lengths);
    }
    for length in lengths {
        u32::try_from(length).map_err(|_| CodecError::TooLarge(length))?;
        end += length;
        offsets.push(end);
    }
    let mut bytes = vec![0; end];
    let mut at = offsets[..rows].to_vec();
    for column in cells {
        column.write(&mut bytes, &mut at);
    }
    Ok(Encoded { bytes, offsets })
}

/// A column, ready to be written cell by cell.
enum Cells {
    Null,
    Boolean(BooleanArray),
    Fixed {
        width: usize,
        bytes: Buffer,
        first: usize,
        nulls: Option<NullBuffer>,
    },
    /// Bytes of any length.
    Bytes {
        offsets: Vec<usize>,
        bytes: Buffer,
        nulls: Option<NullBuffer>,
    },
    /// Each cell is a part of a list of encoded items.
    Items {
        offsets: Vec<usize>,
        items: Encoded,
        nulls: Option<NullBuffer>,
    },
    Struct {
        rows: Encoded,
        nulls: Option<NullBuffer>,
    },
}

fn valid(nulls: Option<&NullBuffer>, i: usize) -> bool {
    nulls.is_none_or(|n| n.is_valid(i))
}

impl Cells {
    fn of(array: &ArrayRef, depth: usize) -> Result<Cells, CodecError> {
        if depth > MAX_DEPTH {
            return Err(CodecError::Type(array.data_type().clone()));
        }
        let kept = plain(array.data_type());
        let array = if kept == *array.data_type() { array.clone() } else { cast(array, &kept)? };
        let nulls = array.nulls().filter(|n| n.null_count() > 0).cloned();
        if let Some(width) = width(&kept) {
            let data = array.to_data();
            let bytes = data.buffers().first().cloned().unwrap_or_default();
            return Ok(Cells::Fixed { width, bytes, first: data.offset(), nulls });
        }
        let wide = |offsets: &[i32]| offsets.iter().map(|&o| o as usize).collect::<Vec<_>>();
        let large = |offsets: &[i64]| offsets.iter().map(|&o| o as usize).collect::<Vec<_>>();
        let items = |offsets: Vec<usize>, values: &ArrayRef| -> Result<Cells, CodecError> {
            let items = join(&[Cells::of(values, depth + 1)?], values.len())?;
            Ok(Cells::Items { offsets, items, nulls: nulls.clone() })
        };
        Ok(match &kept {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(array.as_boolean().clone()),
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                Cells::Bytes { offsets: wide(array.value_offsets()), bytes: array.values().clone(), nulls }
            }
            DataType::LargeUtf8 => {
                let array = array.as_string::<i64>();
                Cells::Bytes { offsets: large(array.value_offsets()), bytes: array.values().clone(), nulls }
            }
            DataType::Binary => {
                let array = array.as_binary::<i32>();
                Cells::Bytes { offsets: wide(array.value_offsets()), bytes: array.values().clone(), nulls }
            }
            DataType::LargeBinary => {
                let array = array.as_binary::<i64>();
                Cells::Bytes { offsets: large(array.value_offsets()), bytes: array.values().clone(), nulls }
            }
            DataType::List(_) => items(wide(array.as_list::<i32>().value_offsets()), array.as_list::<i32>().values())?,
            DataType::LargeList(_) => items(large(array.as_list::<i64>().value_offsets()), array.as_list::<i64>().values())?,
            DataType::FixedSizeList(_, n) => {
                let each = usize::try_from(*n).unwrap_or(0);
                items((0..=array.len()).map(|i| i * each).collect(), array.as_fixed_size_list().values())?
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let entries: ArrayRef = Arc::new(map.entries().clone());
                items(wide(map.value_offsets()), &entries)?
            }
            DataType::Struct(_) => {
                let columns = array.as_struct().columns();
                let cells = columns.iter().map(|c| Cells::of(c, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                Cells::Struct { rows: join(&cells, array.len())?, nulls }
            }
            other => return Err(CodecError::Type(other.clone())),
        })
    }

    fn lengths(&self, lengths: &mut [usize]) {
        match self {
            Cells::Null => {}
            Cells::Boolean(_) => lengths.iter_mut().for_each(|l| *l += 1),
            Cells::Fixed { width, nulls, .. } => {
                lengths.iter_mut().enumerate().for_each(|(i, l)| *l += 1 + if valid(nulls.as_ref(), i) { *width } else { 0 });
            }
            Cells::Bytes { offsets, nulls, .. } => {
                for (i, length) in lengths.iter_mut().enumerate() {
                    *length += 1 + if valid(nulls.as_ref(), i) { 4 + offsets[i + 1] - offsets[i] } else { 0 };
                }
            }
            Cells::Items { offsets, items, nulls } => {
                for (i, length) in lengths.iter_mut().enumerate() {
                    let (from, to) = (offsets[i], offsets[i + 1]);
                    let here = || 4 + 4 * (to - from) + items.offsets[to] - items.offsets[from];
                    *length += 1 + if valid(nulls.as_ref(), i) { here() } else { 0 };
                }
            }
            Cells::Struct { rows, nulls } => {
                lengths.iter_mut().enumerate().for_each(|(i, l)| *l += 1 + if valid(nulls.as_ref(), i) { rows.row(i).len() } else { 0 });
            }
        }
    }

    /// Writes each row's cell where `at` says, and moves `at` behind it.
    fn write(&self, out: &mut [u8], at: &mut [usize]) {
        let put = |out: &mut [u8], at: &mut usize, bytes: &[u8]| {
            out[*at..*at + bytes.len()].copy_from_slice(bytes);
            *at += bytes.len();
        };
        match self {
            Cells::Null => {}
            Cells::Boolean(array) => {
                for (i, at) in at.iter_mut().enumerate() {
                    out[*at] = if array.is_null(i) { 0 } else { 1 + u8::from(array.value(i)) };
                    *at += 1;
                }
            }
            Cells::Fixed { width, bytes, first, nulls } => {
                for (i, at) in at.iter_mut().enumerate() {
                    let there = valid(nulls.as_ref(), i);
                    put(out, at, &[u8::from(there)]);
                    if there {
                        let from = (first + i) * width;
                        put(out, at, &bytes[from..from + width]);
                    }
                }
            }
            Cells::Bytes { offsets, bytes, nulls } => {
                for (i, at) in at.iter_mut().enumerate() {
                    let there = valid(nulls.as_ref(), i);
                    put(out, at, &[u8::from(there)]);
                    if there {
                        let value = &bytes[offsets[i]..offsets[i + 1]];
                        put(out, at, &(value.len() as u32).to_le_bytes());
                        put(out, at, value);
                    }
                }
            }
            Cells::Items { offsets, items, nulls } => {
                for (i, at) in at.iter_mut().enumerate() {
                    let there = valid(nulls.as_ref(), i);
                    put(out, at, &[u8::from(there)]);
                    if there {
                        put(out, at, &((offsets[i + 1] - offsets[i]) as u32).to_le_bytes());
                        for item in offsets[i]..offsets[i + 1] {
                            let item = items.row(item);
                            put(out, at, &(item.len() as u32).to_le_bytes());
                            put(out, at, item);
                        }
                    }
                }
            }
            Cells::Struct { rows, nulls } => {
                for (i, at) in at.iter_mut().enumerate() {
                    let there = valid(nulls.as_ref(), i);
                    put(out, at, &[u8::from(there)]);
                    if there {
                        put(out, at, rows.row(i));
                    }
                }
            }
        }
    }
}

/// Reads rows back: one array for each field.
///
/// # Errors
/// Where the bytes are not rows of these fields.
pub(crate) fn decode(fields: &[FieldRef], rows: &[&[u8]]) -> Result<Vec<ArrayRef>, CodecError> {
    let mut left = rows.to_vec();
    let columns = fields.iter().map(|f| column(f.data_type(), &mut left, 0)).collect::<Result<Vec<_>, _>>()?;
    if left.iter().any(|row| !row.is_empty()) {
        return Err(CodecError::Damaged("a row is longer than its columns"));
    }
    Ok(columns)
}

/// Takes some bytes from the front.
fn take<'a>(row: &mut &'a [u8], n: usize) -> Result<&'a [u8], CodecError> {
    let (front, rest) = row.split_at_checked(n).ok_or(CodecError::Damaged("a row ends inside a value"))?;
    *row = rest;
    Ok(front)
}

fn there(row: &mut &[u8]) -> Result<bool, CodecError> {
    match take(row, 1)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(CodecError::Damaged("a value is neither there nor null")),
    }
}

fn number(row: &mut &[u8]) -> Result<usize, CodecError> {
    let bytes = take(row, 4)?.try_into().map_err(|_| CodecError::Damaged("a length is cut"))?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn nulls_of(present: Vec<bool>) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(BooleanBuffer::from(present));
    (nulls.null_count() > 0).then_some(nulls)
}

fn column(data_type: &DataType, rows: &mut [&[u8]], depth: usize) -> Result<ArrayRef, CodecError> {
    if depth > MAX_DEPTH {
        return Err(CodecError::Type(data_type.clone()));
    }
    let kept = plain(data_type);
    if kept != *data_type {
        return Ok(cast(&column(&kept, rows, depth)?, data_type)?);
    }
    if let Some(width) = width(data_type) {
        return fixed(data_type, width, rows);
    }
    match data_type {
        DataType::Null => Ok(Arc::new(NullArray::new(rows.len()))),
        DataType::Boolean => {
            let mut values = Vec::with_capacity(rows.len());
            for row in rows.iter_mut() {
                values.push(match take(row, 1)? {
                    [0] => None,
                    [1] => Some(false),
                    [2] => Some(true),
                    _ => return Err(CodecError::Damaged("a value is neither true, false nor null")),
                });
            }
            Ok(Arc::new(BooleanArray::from(values)))
        }
        DataType::Utf8 | DataType::Binary => bytes::<i32>(data_type, rows),
        DataType::LargeUtf8 | DataType::LargeBinary => bytes::<i64>(data_type, rows),
        DataType::List(f) => items::<i32>(data_type, f, rows, depth),
        DataType::LargeList(f) => items::<i64>(data_type, f, rows, depth),
        DataType::Map(f, _) => items::<i32>(data_type, f, rows, depth),
        DataType::FixedSizeList(f, n) => fixed_items(data_type, f, usize::try_from(*n).unwrap_or(0), rows, depth),
        DataType::Struct(fields) => structs(fields, rows, depth),
        other => Err(CodecError::Type(other.clone())),
    }
}

fn fixed(data_type: &DataType, width: usize, rows: &mut [&[u8]]) -> Result<ArrayRef, CodecError> {
    let mut values = vec![0u8; rows.len() * width];
    let mut present = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter_mut().enumerate() {
        let there = there(row)?;
        present.push(there);
        if there {
            values[i * width..(i + 1) * width].copy_from_slice(take(row, width)?);
        }
    }
    let data = ArrayData::builder(data_type.clone()).len(rows.len()).add_buffer(Buffer::from(values)).nulls(nulls_of(present));
    // Wider than a byte vector is aligned to: moved where it must be.
    Ok(make_array(data.align_buffers(true).build()?))
}

fn bytes<O: arrow::array::OffsetSizeTrait>(data_type: &DataType, rows: &mut [&[u8]]) -> Result<ArrayRef, CodecError> {
    let mut values: Vec<u8> = Vec::new();
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    offsets.push(O::usize_as(0));
    let mut present = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        let there = there(row)?;
        present.push(there);
        if there {
            let length = number(row)?;
            values.extend_from_slice(take(row, length)?);
        }
        offsets.push(O::from_usize(values.len()).ok_or(CodecError::Damaged("more bytes than a column can hold"))?);
    }
    let offsets = ScalarBuffer::from(offsets).into_inner();
    let data = ArrayData::builder(data_type.clone()).len(rows.len()).add_buffer(offsets).add_buffer(Buffer::from(values));
    Ok(make_array(data.nulls(nulls_of(present)).build()?))
}

/// The items of all rows' lists, one after the other.
struct Parts<'a> {
    items: Vec<&'a [u8]>,
    /// How many each row has.
    counts: Vec<usize>,
    present: Vec<bool>,
}

fn parts<'a>(rows: &mut [&'a [u8]]) -> Result<Parts<'a>, CodecError> {
    let mut items = Vec::new();
    let mut counts = Vec::with_capacity(rows.len());
    let mut present = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        let there = there(row)?;
        present.push(there);
        let count = if there { number(row)? } else { 0 };
        // Every item has at least its length's bytes: a count beyond that is damage, found before anything is reserved for it.
        if count > row.len() / 4 {
            return Err(CodecError::Damaged("a list is longer than its row"));
        }
        for _ in 0..count {
            let length = number(row)?;
            items.push(take(row, length)?);
        }
        counts.push(count);
    }
    Ok(Parts { items, counts, present })
}

fn child(field: &Field, mut items: Vec<&[u8]>, depth: usize) -> Result<ArrayRef, CodecError> {
    let values = column(field.data_type(), &mut items, depth + 1)?;
    if items.iter().any(|item| !item.is_empty()) {
        return Err(CodecError::Damaged("an item is longer than its type"));
    }
    Ok(values)
}

fn items<O: arrow::array::OffsetSizeTrait>(
    data_type: &DataType,
    field: &Field,
    rows: &mut [&[u8]],
    depth: usize,
) -> Result<ArrayRef, CodecError> {
    let Parts { items, counts, present } = parts(rows)?;
    O::from_usize(items.len()).ok_or(CodecError::Damaged("more items than a column can hold"))?;
    let offsets = OffsetBuffer::<O>::from_lengths(counts).into_inner().into_inner();
    let values = child(field, items, depth)?.to_data();
    let data = ArrayData::builder(data_type.clone()).len(rows.len()).add_buffer(offsets).add_child_data(values);
    Ok(make_array(data.nulls(nulls_of(present)).build()?))
}

fn fixed_items(data_type: &DataType, field: &Field, each: usize, rows: &mut [&[u8]], depth: usize) -> Result<ArrayRef, CodecError> {
    let Parts { items, counts, present } = parts(rows)?;
    if counts.iter().zip(&present).any(|(&count, &there)| there && count != each) {
        return Err(CodecError::Damaged("a list of fixed size has another size"));
    }
    let some = child(field, items, depth)?;
    // A list that is null has room in the column all the same.
    let mut at = 0u64;
    let mut picks = Vec::with_capacity(rows.len() * each);
    for &there in &present {
        for _ in 0..each {
            picks.push(there.then_some(at));
            at += u64::from(there);
        }
    }
    let values = arrow::compute::take(&some, &arrow::array::UInt64Array::from(picks), None)?.to_data();
    let data = ArrayData::builder(data_type.clone()).len(rows.len()).add_child_data(values);
    Ok(make_array(data.nulls(nulls_of(present)).build()?))
}

fn structs(fields: &Fields, rows: &mut [&[u8]], depth: usize) -> Result<ArrayRef, CodecError> {
    let mut present = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        present.push(there(row)?);
    }
    let mut some: Vec<&[u8]> = rows.iter().zip(&present).filter(|(_, there)| **there).map(|(row, _)| *row).collect();
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        columns.push(column(field.data_type(), &mut some, depth + 1)?);
    }
    let mut left = some.into_iter();
    for (row, _) in rows.iter_mut().zip(&present).filter(|(_, there)| **there) {
        *row = left.next().unwrap_or_default();
    }
    let mut at = 0u64;
    let picks: arrow::array::UInt64Array = present
        .iter()
        .map(|&there| {
            let pick = there.then_some(at);
            at += u64::from(there);
            pick
        })
        .collect();
    let columns = columns.iter().map(|c| arrow::compute::take(c, &picks, None)).collect::<Result<Vec<_>, _>>()?;
    let data = ArrayData::builder(DataType::Struct(fields.clone())).len(rows.len());
    let data = columns.iter().fold(data, |data, c| data.add_child_data(c.to_data())).nulls(nulls_of(present));
    Ok(Arc::new(StructArray::from(data.build()?)))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
