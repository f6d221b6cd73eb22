//! Types that text writes as other types: Arrow has several layouts for the same values.

use arrow::datatypes::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// The type that a type is cast to before it is written as text; the same where it is written as it is. `None` where it has no form.
pub(crate) fn canonical(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => canonical(values)?,
        DataType::RunEndEncoded(_, values) => canonical(values.data_type())?,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        // A length of time is written as its number of units.
        DataType::Duration(_) => DataType::Int64,
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(canonical_field(item)?))
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| canonical_field(f).map(Arc::new)).collect::<Option<Vec<_>>>()?.into())
        }
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Time64(_) => data_type.clone(),
        _ => return None,
    })
}

fn canonical_field(field: &Field) -> Option<Field> {
    Some(field.clone().with_data_type(canonical(field.data_type())?))
}
