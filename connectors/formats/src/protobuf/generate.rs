//! A type of messages for columns that are to be written, in Protobuf's language.
//!
//! Fields are numbered in the order of the columns. A column that may be null is `optional`. What Protobuf has no type for is text: dates, times of day, decimals.

use super::NAME;
use crate::{
    EncodeError,
    column::MAX_TYPE_DEPTH,
    encode::{canonical, with_multiplicity},
    error,
};
use arrow::datatypes::{DataType, Fields, SchemaRef};
use runink_connector_api::ConnectorError;
use std::fmt::Write as _;

/// How far a message's body stands to the right, for each message around it.
const INDENT: &str = "  ";

/// The schema of rows, in Protobuf's language. The message's name may begin with that of a package: `shop.Order`.
///
/// # Errors
/// Where a column, or the name, has no form in Protobuf.
pub fn proto_schema(schema: &SchemaRef, changelog: bool, name: &str) -> Result<String, EncodeError> {
    let schema = if changelog { with_multiplicity(schema)? } else { schema.clone() };
    let (package, message) = name.rsplit_once('.').map_or((None, name), |(package, message)| (Some(package), message));
    if let Some(bad) = name.split('.').find(|part| !is_name(part)) {
        let message = format!("`{bad}` cannot be a name in Protobuf");
        return Err(ConnectorError::user("FMT025", message)
            .hint("names have letters, digits and `_`, and do not begin with a digit")
            .into());
    }
    let mut text = String::from("syntax = \"proto3\";\n");
    if let Some(package) = package {
        let _ = writeln!(text, "package {package};");
    }
    let mut body = String::new();
    write_message(message, schema.fields(), 0, &mut body)?;
    if body.contains("google.protobuf.Timestamp") {
        text.push_str("import \"google/protobuf/timestamp.proto\";\n");
    }
    text.push_str(&body);
    Ok(text)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn write_message(name: &str, fields: &Fields, depth: usize, out: &mut String) -> Result<(), ConnectorError> {
    let indent = INDENT.repeat(depth);
    let _ = writeln!(out, "{indent}message {name} {{");
    let mut inner: Vec<String> = Vec::new();
    let mut lines = String::new();
    for (at, field) in fields.iter().enumerate() {
        if !is_name(field.name()) {
            return Err(ConnectorError::user("FMT025", format!("the column `{}` has a name that Protobuf has no form for", field.name()))
                .hint("give the column another name with `rename`: letters, digits and `_`"));
        }
        let unsupported = || error::type_not_supported(NAME, field.name(), field.data_type());
        let wanted = canonical(field.data_type()).ok_or_else(unsupported)?;
        let (label, item) = match &wanted {
            DataType::List(item) => ("repeated ", item.as_ref().clone()),
            DataType::Struct(_) => ("", field.as_ref().clone().with_data_type(wanted.clone())),
            DataType::Timestamp(..) => ("", field.as_ref().clone()),
            _ if field.is_nullable() => ("optional ", field.as_ref().clone()),
            _ => ("", field.as_ref().clone()),
        };
        let type_name = match canonical(item.data_type()).ok_or_else(unsupported)? {
            DataType::Struct(members) if depth < MAX_TYPE_DEPTH => {
                let mut own = inner_name(field.name());
                while inner.contains(&own) || own == name {
                    own.push('_');
                }
                write_message(&own, &members, depth + 1, out)?;
                inner.push(own.clone());
                own
            }
            other => scalar(&other).ok_or_else(unsupported)?.to_owned(),
        };
        let _ = writeln!(lines, "{indent}{INDENT}{label}{type_name} {} = {};", field.name(), number(at));
    }
    out.push_str(&lines);
    let _ = writeln!(out, "{indent}}}");
    Ok(())
}

/// The number of a field, by its place: those from 19,000 to 19,999 are Protobuf's own.
fn number(at: usize) -> usize {
    if at + 1 < 19_000 { at + 1 } else { at + 1_001 }
}

/// The name of a message for a column: `ship_to` is `ShipTo`.
fn inner_name(column: &str) -> String {
    let parts = column.split('_').filter(|part| !part.is_empty());
    let name: String = parts.flat_map(|part| part[..1].to_ascii_uppercase().chars().chain(part[1..].chars()).collect::<Vec<_>>()).collect();
    if is_name(&name) { name } else { format!("_{name}") }
}

fn scalar(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Timestamp(..) => "google.protobuf.Timestamp",
        DataType::Utf8 | DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Decimal128(..) => "string",
        DataType::Binary => "bytes",
        _ => return None,
    })
}
