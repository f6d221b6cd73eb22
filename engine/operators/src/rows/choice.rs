//! `case text when 'a' then '1' when 'b' then '2' else … end`, where all but the text and the rest are constants: each row is compared in one pass,
//! and the rest is evaluated once, on the rows that no constant meets.

use super::{
    instead::{Instead, Way},
    strict::replace,
};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray},
    buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer},
    compute::filter_record_batch,
    datatypes::{DataType, Schema},
    error::ArrowError,
    record_batch::RecordBatch,
};
use datafusion_common::{
    Result, ScalarValue, internal_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{CaseExpr, Column, Literal},
    utils::collect_columns,
};
use std::sync::Arc;

/// With more constants than that, a table of the library finds them faster than one comparison after the other.
const CONSTANTS_MAX: usize = 16;

/// A choice by constants.
#[derive(Debug)]
struct Choice {
    text: Arc<dyn PhysicalExpr>,
    /// What is compared with, and what is given for it.
    constants: Vec<(String, Option<String>)>,
    /// The rest, over the columns that it reads alone.
    rest: Arc<dyn PhysicalExpr>,
    reads: Vec<usize>,
}

/// The same with choices that this file knows.
pub(super) fn choices(kernel: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let is_text = |e: &Arc<dyn PhysicalExpr>| matches!(e.data_type(schema), Ok(DataType::Utf8));
    let known = |node: &Arc<dyn PhysicalExpr>| {
        let choice = choice(node)?;
        (is_text(&choice.text) && is_text(node)).then(|| Instead::of(node.clone(), choice))
    };
    Ok(replace(kernel, known)?.data)
}

fn constant(expr: &Arc<dyn PhysicalExpr>) -> Option<Option<String>> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) => Some(text.clone()),
        _ => None,
    }
}

/// A choice whose text and rest are texts.
fn choice(node: &Arc<dyn PhysicalExpr>) -> Option<Choice> {
    let case = node.downcast_ref::<CaseExpr>()?;
    let (text, rest) = (case.expr()?, case.else_expr()?);
    // Where all is constant, the library has a table.
    if constant(rest).is_some() || case.when_then_expr().len() > CONSTANTS_MAX {
        return None;
    }
    let constants = case.when_then_expr().iter().map(|(when, then)| Some((constant(when)??, constant(then)?)));
    let constants = constants.collect::<Option<Vec<_>>>()?;
    let mut reads: Vec<usize> = collect_columns(rest).iter().map(Column::index).collect();
    reads.sort_unstable();
    reads.dedup();
    let narrow = rest.clone().transform_up(|e| {
        let Some(column) = e.downcast_ref::<Column>() else { return Ok(Transformed::no(e)) };
        let at = reads.binary_search(&column.index()).unwrap_or_default();
        Ok(Transformed::yes(Arc::new(Column::new(column.name(), at)) as Arc<dyn PhysicalExpr>))
    });
    Some(Choice { text: text.clone(), constants, rest: narrow.ok()?.data, reads })
}

impl Choice {
    /// Which constant each row meets; those that meet none have `constants.len()`. A null meets none.
    fn met(&self, texts: &StringArray) -> Vec<u8> {
        let of = |row: usize| {
            if texts.is_null(row) {
                return self.constants.len();
            }
            let text = texts.value(row);
            self.constants.iter().position(|(when, _)| when == text).unwrap_or(self.constants.len())
        };
        // `CONSTANTS_MAX` fits.
        (0..texts.len()).map(|row| of(row) as u8).collect()
    }

    fn rest(&self, batch: &RecordBatch, left: &BooleanArray) -> Result<ArrayRef> {
        let rows = filter_record_batch(&batch.project(&self.reads)?, left)?;
        self.rest.evaluate(&rows)?.into_array(rows.num_rows())
    }
}

/// The constant of each row that meets one, and what is left in its order for the others.
fn merged(met: &[u8], constants: &[(String, Option<String>)], rest: &StringArray) -> Result<StringArray> {
    let mut ends = Vec::with_capacity(met.len() + 1);
    ends.push(0);
    let mut out = Vec::with_capacity(rest.value_data().len() + met.len());
    let mut others = 0;
    let nullable = rest.null_count() > 0 || constants.iter().any(|(_, then)| then.is_none());
    let mut valid = Vec::with_capacity(if nullable { met.len() } else { 0 });
    for &at in met {
        let given = match constants.get(usize::from(at)) {
            Some((_, then)) => then.as_deref(),
            None => {
                others += 1;
                rest.is_valid(others - 1).then(|| rest.value(others - 1))
            }
        };
        out.extend_from_slice(given.unwrap_or_default().as_bytes());
        ends.push(i32::try_from(out.len()).map_err(|_| ArrowError::OffsetOverflowError(out.len()))?);
        if nullable {
            valid.push(given.is_some());
        }
    }
    let nulls = nullable.then(|| NullBuffer::from(valid));
    Ok(StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(out), nulls)?)
}

impl Way for Choice {
    /// All of it follows from the library's expression.
    fn same(&self, _: &Self) -> bool {
        true
    }

    fn evaluate(expr: &Instead<Self>, batch: &RecordBatch) -> Result<ColumnarValue> {
        let choice = &expr.way;
        let text = choice.text.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(texts) = text.as_string_opt::<i32>() else { return internal_err!("a text of type {}", text.data_type()) };
        let met = choice.met(texts);
        let left = BooleanArray::new(BooleanBuffer::collect_bool(met.len(), |row| usize::from(met[row]) == choice.constants.len()), None);
        let rest = match left.has_true() {
            true => choice.rest(batch, &left)?,
            false => Arc::new(StringArray::new_null(0)),
        };
        match rest.as_string_opt::<i32>() {
            Some(rest) => Ok(ColumnarValue::Array(Arc::new(merged(&met, &choice.constants, rest)?))),
            None => internal_err!("a text of type {}", rest.data_type()),
        }
    }

    fn over(&self, inner: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        // Where another operand is no constant, the library's own form gives the same.
        match choice(&inner) {
            Some(choice) => Instead::of(inner, choice),
            None => inner,
        }
    }
}
