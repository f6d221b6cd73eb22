//! The errors of formats, by code. Each says what is wrong with the input as a whole; bad rows are rejects.

use crate::failure::shown;
use arrow::{datatypes::DataType, error::ArrowError};
use runink_connector_api::ConnectorError;

/// Why rows could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The writer refused the bytes (a full disk, a closed pipe).
    #[error("cannot write: {0}")]
    Io(#[from] std::io::Error),
    /// The rows do not fit the format.
    #[error(transparent)]
    Format(#[from] ConnectorError),
}

/// `FMT001`: a column's type has no form in a format.
pub(crate) fn type_not_supported(format: &str, column: &str, data_type: &DataType) -> ConnectorError {
    ConnectorError::user("FMT001", format!("{format} has no form for column `{column}` of type {data_type}"))
        .hint("give the column another type in its contract, or leave it out with `drop`")
}

/// `FMT002`: the input lacks a column.
pub(crate) fn column_missing<'a>(place: &str, wanted: &str, present: impl Iterator<Item = &'a str> + Clone) -> ConnectorError {
    let near = present
        .clone()
        .map(|name| (distance(wanted, name), name))
        .min()
        .filter(|(d, _)| *d <= MAX_DISTANCE.min(wanted.chars().count() / 2));
    let error = ConnectorError::user("FMT002", format!("{place} has no column `{wanted}`"));
    match near {
        Some((_, name)) => error.hint(format!("did you mean `{name}`?")),
        None => {
            let mut names: Vec<&str> = present.take(MAX_NAMES_SHOWN + 1).collect();
            if names.len() > MAX_NAMES_SHOWN {
                names[MAX_NAMES_SHOWN] = "…";
            }
            error.hint(format!("it has: {}", names.join(", ")))
        }
    }
}

/// How many edits apart a name may be to be proposed.
const MAX_DISTANCE: usize = 3;
/// How many names a hint lists.
const MAX_NAMES_SHOWN: usize = 20;

/// How many edits two names are apart, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// `FMT009`: the system refuses to read.
pub(crate) fn unreadable(format: &str, cause: std::io::Error) -> ConnectorError {
    ConnectorError::operator("FMT009", format!("cannot read the {format} file: {cause}")).caused_by(cause)
}

/// `FMT010`: the input is of another format.
pub(crate) fn other_format(format: &str, head: &[u8]) -> ConnectorError {
    if head.is_empty() {
        return ConnectorError::user("FMT010", format!("the file is empty, where {format} is expected"))
            .hint("see whether its writer has finished");
    }
    ConnectorError::user("FMT010", format!("the file is not {format}: it begins with `{}`", shown(head)))
        .hint("name its real format with `format=`")
}

/// `FMT011`: the input ends too early.
pub(crate) fn cut_off(format: &str) -> ConnectorError {
    ConnectorError::user("FMT011", format!("the {format} file is cut off: its end is missing"))
        .hint("see whether its writer has finished, or copy it again from where it comes from")
}

/// `FMT012`: the input is damaged, or uses what is not supported.
pub(crate) fn damaged(format: &str, place: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    let cause = cause.into();
    ConnectorError::user("FMT012", format!("the {format} file cannot be read, at {place}: {}", cause.to_string().trim_end()))
        .hint("the file is damaged, or it uses a compression or encoding that is not supported; write it again")
        .caused_by(cause)
}

/// `FMT013`: a column can never have the type wanted.
pub(crate) fn cannot_convert(column: &str, from: &DataType, wanted: &str) -> ConnectorError {
    ConnectorError::user("FMT013", format!("column `{column}` has the type {from} in the file, of which no {wanted} can be made"))
        .hint("change the column's type in the contract")
}

/// `FMT014`: the input says nothing of its schema.
pub(crate) fn nothing_to_infer(message: impl Into<String>) -> ConnectorError {
    ConnectorError::user("FMT014", message).hint("name a contract on the source (`contract=…`), which gives the columns and their types")
}

/// `FMT090`: columns that were decoded do not make a batch.
pub(crate) fn batch(e: ArrowError) -> ConnectorError {
    ConnectorError::bug("FMT090", format!("decoded columns do not make a batch: {e}"))
        .hint("please report this with the input that shows it")
        .caused_by(e)
}
