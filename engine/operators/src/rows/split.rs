//! `split_part` of a column of texts, where delimiter and position are constants: delimiters are found in eight bytes at a time, and no row costs
//! more than its own bytes.

use super::strict::replace;
use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    buffer::{Buffer, OffsetBuffer},
    datatypes::{DataType, FieldRef, Schema},
    record_batch::RecordBatch,
};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions::Literal};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The function's name; there is one of this name.
const NAME: &str = "split_part";
const LANES: usize = size_of::<u64>();
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A part of a text, from the front.
#[derive(Debug, Eq)]
struct SplitPart {
    /// The call as the library has it.
    inner: Arc<dyn PhysicalExpr>,
    delimiter: String,
    /// How many delimiters stand before the part.
    skipped: usize,
}

impl PartialEq for SplitPart {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Hash for SplitPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

/// The same with calls of `split_part` that this file knows.
pub(super) fn split_parts(kernel: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(replace(kernel, |node| {
        let call = node.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.fun().name() == NAME)?;
        let [text, delimiter, position] = call.args() else { return None };
        if !matches!(text.data_type(schema), Ok(DataType::Utf8)) {
            return None;
        }
        let constant = |e: &Arc<dyn PhysicalExpr>| e.downcast_ref::<Literal>().map(|l| l.value().clone());
        let (Some(ScalarValue::Utf8(Some(delimiter))), Some(ScalarValue::Int64(Some(position)))) =
            (constant(delimiter), constant(position))
        else {
            return None;
        };
        let skipped = usize::try_from(position).ok()?.checked_sub(1)?;
        (!delimiter.is_empty()).then(|| Arc::new(SplitPart { inner: node.clone(), delimiter, skipped }) as Arc<dyn PhysicalExpr>)
    })?
    .data)
}

/// The next place of a byte, at or behind `from`.
#[inline]
fn next(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    let (words, rest) = bytes.get(from..)?.as_chunks::<LANES>();
    let same = u64::from(byte) * ONES;
    for (at, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ same;
        // The lowest marked byte is one of zeros; above it a borrow may mark others.
        let marked = other.wrapping_sub(ONES) & !other & HIGH;
        if marked != 0 {
            return Some(from + at * LANES + marked.trailing_zeros() as usize / LANES);
        }
    }
    let start = from + words.len() * LANES;
    rest.iter().position(|b| *b == byte).map(|at| start + at)
}

/// The next delimiter at or behind `from`.
#[inline]
fn find(bytes: &[u8], from: usize, delimiter: &[u8]) -> Option<usize> {
    let (&first, rest) = delimiter.split_first()?;
    let mut at = from;
    loop {
        at = next(bytes, at, first)?;
        if bytes.get(at + 1..).is_some_and(|b| b.starts_with(rest)) {
            return Some(at);
        }
        at += 1;
    }
}

/// From where to where the part goes; nothing where there are not so many delimiters.
#[inline]
fn part(bytes: &[u8], delimiter: &[u8], skipped: usize) -> (usize, usize) {
    let mut start = 0;
    for _ in 0..skipped {
        match find(bytes, start, delimiter) {
            Some(at) => start = at + delimiter.len(),
            None => return (0, 0),
        }
    }
    (start, find(bytes, start, delimiter).unwrap_or(bytes.len()))
}

/// The part of each text. A null has none.
fn parts(texts: &StringArray, delimiter: &str, skipped: usize) -> Result<StringArray> {
    let (offsets, values) = (texts.value_offsets(), texts.value_data());
    let mut ends = Vec::with_capacity(offsets.len());
    ends.push(0i32);
    let mut out: Vec<u8> = Vec::with_capacity(texts.len() * LANES);
    for row in 0..texts.len() {
        let bytes = &values[offsets[row] as usize..offsets[row + 1] as usize];
        let (from, to) = part(bytes, delimiter.as_bytes(), skipped);
        out.extend_from_slice(&bytes[from..to]);
        // Not more bytes than the texts have, whose places fit.
        ends.push(out.len() as i32);
    }
    Ok(StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(out), texts.nulls().cloned())?)
}

impl fmt::Display for SplitPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for SplitPart {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }
    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let children = self.inner.children();
        let Some(text) = children.first() else { return internal_err!("`{}` has no operand", self.inner) };
        let text: ArrayRef = text.evaluate(batch)?.into_array(batch.num_rows())?;
        match text.as_string_opt::<i32>() {
            Some(texts) => Ok(ColumnarValue::Array(Arc::new(parts(texts, &self.delimiter, self.skipped)?))),
            None => internal_err!("a text of type {}", text.data_type()),
        }
    }
    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.inner.children()
    }
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = self.inner.clone().with_new_children(children)?;
        Ok(Arc::new(SplitPart { inner, delimiter: self.delimiter.clone(), skipped: self.skipped }))
    }
    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
