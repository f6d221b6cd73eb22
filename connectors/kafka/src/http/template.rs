//! URLs with the columns of a key in them.

use crate::error;
use arrow::{
    error::ArrowError,
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use runink_connector_api::ConnectorError;
use std::fmt::Write;

/// `https://host/cards/{card_id}`.
#[derive(Debug)]
pub(super) struct Template {
    /// What stands before each column: the key's column, by its place.
    parts: Vec<(String, usize)>,
    /// What stands behind the last.
    end: String,
}

impl Template {
    /// Reads a template; `key` are the columns that it must have.
    pub(super) fn parse(text: &str, key: &[String]) -> Result<Self, ConnectorError> {
        let example = || format!("write `https://host/…/{{{}}}`", key.join("}/{"));
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Err(error::http_options(format!("`url` is `{text}`, which is no URL"), example()));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(error::http_options(format!("a brace of `{text}` is not closed"), example()));
            };
            let Some(column) = key.iter().position(|k| k == name) else {
                let message = format!("`url` has `{{{name}}}`, which is no column of the key ({})", key.join(", "));
                return Err(error::http_options(message, "a secret goes into `authorization`; other columns into `key`"));
            };
            parts.push((before.to_owned(), column));
            rest = after;
        }
        if let Some(missing) = (0..key.len()).find(|at| !parts.iter().any(|(_, column)| column == at)) {
            return Err(error::http_options(format!("`url` does not say where `{}` of the key goes", key[missing]), example()));
        }
        Ok(Template { parts, end: rest.to_owned() })
    }

    /// The URL of each key.
    pub(super) fn urls(&self, keys: &RecordBatch) -> Result<Vec<String>, ArrowError> {
        let options = FormatOptions::default();
        let columns = keys.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options)).collect::<Result<Vec<_>, _>>()?;
        let (mut urls, mut value) = (Vec::with_capacity(keys.num_rows()), String::new());
        for row in 0..keys.num_rows() {
            let mut url = String::new();
            for (before, column) in &self.parts {
                url.push_str(before);
                value.clear();
                columns[*column].value(row).write(&mut value)?;
                escape(&value, &mut url);
            }
            url.push_str(&self.end);
            urls.push(url);
        }
        Ok(urls)
    }
}

/// All but letters, digits, `-`, `.`, `_` and `~` as `%XX`. A value of nothing but dots would be a step in a path.
fn escape(value: &str, url: &mut String) {
    let steps = matches!(value, "." | "..");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && !steps) {
            url.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    fn key() -> Vec<String> {
        vec!["id".into(), "name".into()]
    }

    #[test]
    fn keys_stand_in_urls_as_they_are_and_nothing_else_does() {
        let template = Template::parse("http://h/{name}/x?id={id}&k", &key()).unwrap();
        let names = ["a/b c", "ü?&", "..", "v1.2"];
        let columns: Vec<(&str, ArrayRef)> =
            vec![("id", Arc::new(Int64Array::from(vec![1, -2, 3, 4]))), ("name", Arc::new(StringArray::from(names.to_vec())))];
        let urls = template.urls(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        assert_eq!(
            urls,
            ["http://h/a%2Fb%20c/x?id=1&k", "http://h/%C3%BC%3F%26/x?id=-2&k", "http://h/%2E%2E/x?id=3&k", "http://h/v1.2/x?id=4&k"]
        );
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, said) in [
            ("ftp://h/{id}/{name}", "no URL"),
            ("http://h/{id", "not closed"),
            ("http://h/{id}/{other}", "no column of the key"),
            ("http://h/{id}", "where `name`"),
        ] {
            let error = Template::parse(text, &key()).unwrap_err();
            assert!(error.code == "HTT001" && error.message.contains(said), "{error}");
        }
    }
}
