//! The constant text before a JSON value.

use super::json::write_string;

/// `"name":`, with a comma before it but for the first.
pub(super) fn member_prefix(name: &str, first: bool) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(name.len() + 4);
    if !first {
        prefix.push(b',');
    }
    write_string(name.as_bytes(), &mut prefix);
    prefix.push(b':');
    prefix
}
