//! Row groups that statistics rule out.
//!
//! Only what is certain counts: statistics leave NaN out, may cut long text, and know nothing of unsigned order in old files. In doubt a row group is read.

use crate::{ReadSpec, keep::holds};
use arrow::datatypes::{DataType, SchemaRef};
use parquet::file::{metadata::ParquetMetaData, statistics::Statistics};
use runink_connector_api::{CompareOp, Literal, Predicate};
use std::cmp::Ordering;

/// Whether some row of a row group may fulfil the predicates.
pub(super) fn may_match(metadata: &ParquetMetaData, schema: &SchemaRef, row_group: usize, spec: &ReadSpec) -> bool {
    !spec.predicates.iter().any(|p| ruled_out(metadata, schema, row_group, spec, p).unwrap_or(false))
}

fn ruled_out(metadata: &ParquetMetaData, schema: &SchemaRef, row_group: usize, spec: &ReadSpec, predicate: &Predicate) -> Option<bool> {
    let (root, field) = schema.column_with_name(&predicate.column)?;
    let wanted = spec.schema.field_with_name(&predicate.column).ok()?;
    if field.data_type() != wanted.data_type() && !(is_text(field.data_type()) && is_text(wanted.data_type())) {
        return None;
    }
    let parquet = metadata.file_metadata().schema_descr();
    let mut leaves = (0..parquet.num_columns()).filter(|leaf| parquet.get_column_root_idx(*leaf) == root);
    let (leaf, None) = (leaves.next()?, leaves.next()) else { return None };
    let group = metadata.row_groups().get(row_group)?;
    let statistics = group.column(leaf).statistics()?;
    if statistics.null_count_opt() == u64::try_from(group.num_rows()).ok() {
        return Some(true);
    }
    let (least, most) = compare(statistics, field.data_type(), &predicate.value)?;
    let exact = statistics.min_is_exact() && statistics.max_is_exact();
    Some(match predicate.op {
        CompareOp::Eq => least.is_gt() || most.is_lt(),
        CompareOp::Ne => exact && least.is_eq() && most.is_eq() && !matches!(predicate.value, Literal::Float(_)),
        CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge if matches!(predicate.value, Literal::Float(_)) => false,
        op @ (CompareOp::Lt | CompareOp::Le) => !holds(op, least),
        op @ (CompareOp::Gt | CompareOp::Ge) => !holds(op, most),
    })
}

/// How the least and the greatest value compare with a constant.
fn compare(statistics: &Statistics, data_type: &DataType, literal: &Literal) -> Option<(Ordering, Ordering)> {
    match (statistics, literal) {
        (Statistics::Int32(s), Literal::Int(v)) if is_signed(data_type) => {
            Some((i64::from(*s.min_opt()?).cmp(v), i64::from(*s.max_opt()?).cmp(v)))
        }
        (Statistics::Int64(s), Literal::Int(v)) if is_signed(data_type) => Some((s.min_opt()?.cmp(v), s.max_opt()?.cmp(v))),
        (Statistics::Float(s), Literal::Float(v)) => {
            Some((f64::from(*s.min_opt()?).partial_cmp(v)?, f64::from(*s.max_opt()?).partial_cmp(v)?))
        }
        (Statistics::Double(s), Literal::Float(v)) => Some((s.min_opt()?.partial_cmp(v)?, s.max_opt()?.partial_cmp(v)?)),
        (Statistics::Boolean(s), Literal::Bool(v)) => Some((s.min_opt()?.cmp(v), s.max_opt()?.cmp(v))),
        (Statistics::ByteArray(s), Literal::Text(v)) if is_text(data_type) && !statistics.is_min_max_deprecated() => {
            Some((s.min_opt()?.data().cmp(v.as_bytes()), s.max_opt()?.data().cmp(v.as_bytes())))
        }
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Types whose statistics are ordered as their values are.
fn is_signed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(..)
            | DataType::Time32(_)
            | DataType::Time64(_)
    )
}
