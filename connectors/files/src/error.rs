//! The errors of files: one place for their codes, so that none is used for two things.

use runink_connector_api::ConnectorError;
use std::{
    fmt::Display,
    io::{Error, ErrorKind},
    path::Path,
};

/// A path, as messages show it.
pub(crate) fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// There is no such file.
pub(crate) fn missing(path: &Path, hint: String) -> ConnectorError {
    ConnectorError::user("FIL001", format!("there is no file {}", shown(path))).hint(hint)
}

/// A pattern that matches no file.
pub(crate) fn no_match(pattern: &str, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("FIL002", format!("no file matches `{pattern}`")).hint(hint)
}

/// A folder where a file was expected.
pub(crate) fn folder(path: &Path, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("FIL003", format!("{} is a folder, not a file", shown(path))).hint(hint)
}

/// The format cannot be told.
pub(crate) fn unknown_format(what: impl Display, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("FIL005", format!("cannot tell the format of {what}")).hint(hint)
}

/// Options that do not go together, or a value that means nothing.
pub(crate) fn options(message: impl Into<String>, hint: impl Into<String>) -> ConnectorError {
    ConnectorError::user("FIL006", message).hint(hint)
}

/// Compressed data that ends too soon or makes no sense.
pub(crate) fn damaged(origin: &str, compression: &str, raw_offset: u64, cause: Error) -> ConnectorError {
    let what = match cause.kind() {
        ErrorKind::UnexpectedEof => "ends in the middle of its compressed data",
        _ => "has damaged compressed data",
    };
    ConnectorError::user("FIL007", format!("`{origin}` {what} ({compression}, near byte {raw_offset} of the file)"))
        .hint("The rows before that place are whole, but more may be lost: get the file again, or repair it, and run again.")
        .caused_by(cause)
}

/// A file that is not what it was when it was opened.
pub(crate) fn changed(path: &Path, what: &str) -> ConnectorError {
    ConnectorError::user("FIL008", format!("{} {what} while it was read", shown(path)))
        .hint("Read a file that is complete, or add `follow=true` to read a text file as it grows.")
}

/// The machine does not let us read.
pub(crate) fn cannot_read(path: &Path, cause: Error) -> ConnectorError {
    if cause.kind() == ErrorKind::PermissionDenied {
        return ConnectorError::operator("FIL004", format!("no right to read {}", shown(path)))
            .hint("Give the user that runs this the right to read it (and to enter the folders above it).")
            .caused_by(cause);
    }
    ConnectorError::operator("FIL009", format!("cannot read {}: {cause}", shown(path)))
        .hint("Look at the disk or the network share that it lies on.")
        .caused_by(cause)
}

/// A pattern that is not one.
pub(crate) fn bad_pattern(pattern: &str, at_character: usize, cause: glob::PatternError) -> ConnectorError {
    ConnectorError::user("FIL010", format!("`{pattern}` is not a pattern: {}, at character {at_character}", cause.msg))
        .hint("`*` stands for any characters of a name, `**` for any folders, `?` for one character, `[ab]` for a or b.")
        .caused_by(cause)
}

/// Nothing to infer a schema from.
pub(crate) fn no_sample(what: impl Display, why: &str) -> ConnectorError {
    ConnectorError::user("FIL011", format!("cannot find the columns of {what}: {why}"))
        .hint("Say what it holds: write a contract and name it with `contract=`.")
}

/// The machine does not let us write.
pub(crate) fn cannot_write(path: &Path, cause: Error) -> ConnectorError {
    let (code, hint) = match cause.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ("FIL020", "Give the user that runs this the right to write there, or choose another `path`.")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ("FIL021", "Make room on that disk, or choose another `path`, and run again."),
        _ => ("FIL022", "Look at the disk or the network share that it lies on."),
    };
    let error = ConnectorError::operator(code, format!("cannot write {}: {cause}", shown(path))).hint(hint);
    let error = if code == "FIL021" { error.passing() } else { error };
    error.caused_by(cause)
}

/// A sink's path that cannot be a target.
pub(crate) fn bad_target(path: &Path, what: &str, hint: &str) -> ConnectorError {
    ConnectorError::user("FIL023", format!("cannot write to {}: {what}", shown(path))).hint(hint)
}

/// More folders at once than are kept open.
pub(crate) fn too_many_partitions(path: &Path, most: usize) -> ConnectorError {
    ConnectorError::user("FIL024", format!("`partition_by` makes more than {most} folders below {}", shown(path)))
        .hint("Partition by a column with fewer values (a date in place of a time, a country in place of a city).")
}

/// A column that cannot name folders.
pub(crate) fn bad_partition_column(column: &str, why: &str, columns: &[String]) -> ConnectorError {
    ConnectorError::user("FIL025", format!("`partition_by` names `{column}`: {why}"))
        .hint(format!("The columns are {}.", columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")))
}

/// Two sinks that would write over each other.
pub(crate) fn two_sinks(path: &Path) -> ConnectorError {
    ConnectorError::user("FIL026", format!("another sink that is open writes to {} too", shown(path)))
        .hint("Give each sink its own `path`; `union` puts the rows of several steps into one.")
}

/// An output's ledger that cannot be used.
pub(crate) fn bad_ledger(path: &Path, why: &str) -> ConnectorError {
    ConnectorError::operator("FIL027", format!("{} does not say which checkpoint the output beside it has: {why}", shown(path)))
        .hint("Bring it back from where it was saved; or move it and the output away, and start with a new state folder.")
}

/// An output that another scenario writes.
pub(crate) fn others_output(path: &Path, scenario: &str) -> ConnectorError {
    ConnectorError::user("FIL028", format!("{} is the output of another scenario, `{scenario}`", shown(path)))
        .hint("Give each scenario its own `path`; where the scenario has a new title, move the old output away.")
}

/// A newer incarnation writes the output.
pub(crate) fn fenced(path: &Path, theirs: u64, ours: u64) -> ConnectorError {
    ConnectorError::user(
        "FIL029",
        format!("{} is written by a newer run of this scenario (generation {theirs}, this is {ours})", shown(path)),
    )
    .hint("Let the newer run go on; this one has to end.")
}

/// An output that was there before the first checkpoint.
pub(crate) fn not_of_a_checkpoint(path: &Path) -> ConnectorError {
    ConnectorError::user("FIL033", format!("{} is there already, and no run with checkpoints has written it", shown(path)))
        .hint("Move it away, or choose another `path`: a run with `--state` appends, and must know where its own output begins.")
}

/// An output that lost bytes that it had.
pub(crate) fn shortened(path: &Path, wanted: u64, found: u64) -> ConnectorError {
    ConnectorError::operator("FIL031", format!("{} has {found} bytes, but {wanted} had been written: somebody cut it", shown(path)))
        .hint("Bring the file back; or move it and its ledger away, and start with a new state folder.")
}

/// An outbox that this version did not write.
pub(crate) fn bad_outbox() -> ConnectorError {
    ConnectorError::operator("FIL032", "the checkpoint holds output in a form that this Runink does not know")
        .hint("Run the version that wrote the checkpoint, or a newer one.")
}

/// A file that is followed, cut while nobody followed it.
pub(crate) fn cut(path: &Path, read: u64, found: u64) -> ConnectorError {
    ConnectorError::operator(
        "FIL034",
        format!("{} has {found} bytes, but {read} had been read: it was cut or written anew while the scenario did not run", shown(path)),
    )
    .hint("What it held beyond that place may be missing. Bring the old file back, under a name that `path` matches; or start with a new state folder.")
}

/// A file that was followed, and is not there any more.
pub(crate) fn moved_away(name: &str, read: u64) -> ConnectorError {
    ConnectorError::operator(
        "FIL035",
        format!("the file that was followed as `{name}` and read up to byte {read} is gone: what was written to it since may be missing"),
    )
    .hint("Bring it back, under a name that `path` matches (a pattern such as `app.log*` finds files that were rotated); or start with a new state folder.")
}

/// A position of another source.
pub(crate) fn not_a_place(text: &str) -> ConnectorError {
    ConnectorError::operator("FIL036", format!("the checkpoint has a position that no followed file has: `{text}`"))
        .hint("Was `follow` added since? Start with a new state folder, or leave the source as it was; or run the newer Runink that wrote the checkpoint.")
}
