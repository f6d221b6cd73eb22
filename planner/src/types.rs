//! Types: the contract's as Arrow's, Arrow's in the contract's words.

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use runink_dsl::ast;
use std::sync::Arc;

/// Metadata key of text columns that take any JSON value.
pub(crate) const JSON_METADATA: &str = "runink.json";

/// A contract's type in Arrow.
pub(crate) fn arrow_type(ty: &ast::Type) -> DataType {
    match ty {
        ast::Type::Boolean => DataType::Boolean,
        ast::Type::Int { bits: 8, signed: true } => DataType::Int8,
        ast::Type::Int { bits: 16, signed: true } => DataType::Int16,
        ast::Type::Int { bits: 32, signed: true } => DataType::Int32,
        ast::Type::Int { signed: true, .. } => DataType::Int64,
        ast::Type::Int { bits: 8, signed: false } => DataType::UInt8,
        ast::Type::Int { bits: 16, signed: false } => DataType::UInt16,
        ast::Type::Int { bits: 32, signed: false } => DataType::UInt32,
        ast::Type::Int { signed: false, .. } => DataType::UInt64,
        ast::Type::Float { bits: 32 } => DataType::Float32,
        ast::Type::Float { .. } => DataType::Float64,
        ast::Type::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
        ast::Type::String | ast::Type::Json => DataType::Utf8,
        ast::Type::Bytes => DataType::Binary,
        ast::Type::Date => DataType::Date32,
        ast::Type::Time(unit @ (ast::TimeUnit::Second | ast::TimeUnit::Millisecond)) => DataType::Time32(arrow_unit(*unit)),
        ast::Type::Time(unit) => DataType::Time64(arrow_unit(*unit)),
        ast::Type::Timestamp(unit) => DataType::Timestamp(arrow_unit(*unit), None),
        ast::Type::List(element) => DataType::List(Arc::new(arrow_field(Field::LIST_FIELD_DEFAULT_NAME, element))),
        ast::Type::Struct(fields) => DataType::Struct(fields.iter().map(|(name, ty)| arrow_field(name, ty)).collect()),
    }
}

/// A field of a contract. Always nullable: what must not be null is checked by a stage of its own, so that a missing value rejects its row.
pub(crate) fn arrow_field(name: &str, ty: &ast::Type) -> Field {
    let field = Field::new(name, arrow_type(ty), true);
    match ty {
        ast::Type::Json => field.with_metadata([(JSON_METADATA.to_owned(), "true".to_owned())].into()),
        _ => field,
    }
}

/// The columns of a contract. All may be null: see its rules.
pub fn contract_schema(contract: &ast::Contract) -> SchemaRef {
    Arc::new(Schema::new(contract.fields.iter().map(|f| arrow_field(&f.name.value, &f.ty.value)).collect::<Vec<_>>()))
}

fn arrow_unit(unit: ast::TimeUnit) -> TimeUnit {
    match unit {
        ast::TimeUnit::Second => TimeUnit::Second,
        ast::TimeUnit::Millisecond => TimeUnit::Millisecond,
        ast::TimeUnit::Microsecond => TimeUnit::Microsecond,
        ast::TimeUnit::Nanosecond => TimeUnit::Nanosecond,
    }
}

/// One type for each meaning: views, large offsets and dictionaries become their plain forms, timestamps lose their zone (they are UTC). A nullable field.
pub(crate) fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type())).with_nullable(true)
}

/// See [`plain_field`].
pub(crate) fn plain_type(ty: &DataType) -> DataType {
    let inner = |f: &FieldRef| Arc::new(plain_field(f));
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) | DataType::FixedSizeList(f, _) => {
            DataType::List(inner(f))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// Whether a column of this type can be an event time.
pub(crate) fn is_event_time(ty: &DataType) -> bool {
    matches!(ty, DataType::Timestamp(_, None) | DataType::Date32)
}

/// A type as a contract would say it.
pub(crate) fn type_name(ty: &DataType) -> String {
    let unit = |u: &TimeUnit| match u {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match ty {
        DataType::Null => "null".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ty.to_string().to_lowercase(),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => ty.to_string().to_lowercase(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ty.to_string().to_lowercase(),
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => format!("decimal({p}, {s})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytes".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Time32(u) | DataType::Time64(u) => format!("time({})", unit(u)),
        DataType::Timestamp(u, _) => format!("timestamp({})", unit(u)),
        DataType::Interval(_) => "interval".into(),
        DataType::Duration(u) => format!("duration({})", unit(u)),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => format!("list<{}>", type_name(f.data_type())),
        DataType::Struct(fields) => {
            let inner: Vec<String> = fields.iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect();
            format!("struct<{}>", inner.join(", "))
        }
        other => other.to_string(),
    }
}

/// The type that holds the values of both without loss of meaning; text never mixes with numbers or times.
pub(crate) fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    let textual = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Binary);
    match (a, b) {
        _ if a.equals_datatype(b) => Some(a.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        _ if textual(a) || textual(b) => None,
        _ => datafusion_expr::type_coercion::binary::type_union_coercion(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contracts_own() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Decimal128(12, 2), true)));
        assert_eq!(type_name(&list), "list<decimal(12, 2)>");
        assert_eq!(type_name(&DataType::Timestamp(TimeUnit::Millisecond, None)), "timestamp(ms)");
        assert_eq!(type_name(&DataType::UInt16), "uint16");
    }

    #[test]
    fn numbers_widen_and_text_stays_apart() {
        assert_eq!(common_type(&DataType::Int32, &DataType::Int64), Some(DataType::Int64));
        assert_eq!(common_type(&DataType::Utf8, &DataType::Int64), None);
        assert_eq!(common_type(&DataType::Utf8, &DataType::Timestamp(TimeUnit::Second, None)), None);
    }

    #[test]
    fn views_and_zones_become_plain() {
        let field = Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
        assert_eq!(plain_field(&field), Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true));
        assert_eq!(plain_type(&DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8))), DataType::Utf8);
    }
}
