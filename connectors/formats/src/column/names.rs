//! Types as the language of contracts writes them, for messages.

use super::is_json;
use arrow::datatypes::{DataType, Field, TimeUnit};

/// A field's type in the words of a contract.
pub(crate) fn type_name(field: &Field) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match field.data_type() {
        DataType::Utf8 if is_json(field) => "json".into(),
        DataType::Utf8 => "string".into(),
        DataType::Binary => "bytes".into(),
        DataType::Date32 => "date".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Time32(u) | DataType::Time64(u) => format!("time({})", unit(u)),
        DataType::Timestamp(u, _) => format!("timestamp({})", unit(u)),
        DataType::List(item) => format!("list<{}>", type_name(item)),
        DataType::Struct(fields) => {
            let members: Vec<_> = fields.iter().map(|f| format!("{}: {}", f.name(), type_name(f))).collect();
            format!("struct<{}>", members.join(", "))
        }
        other => other.to_string().to_lowercase(),
    }
}
