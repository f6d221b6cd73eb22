//! From `path` to files: patterns, their order, and what to say when there is nothing.

use crate::error;
use glob::{MatchOptions, Pattern};
use runink_connector_api::ConnectorError;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many names of a folder are looked at for a "did you mean".
const NAMES_COMPARED: usize = 1_000;

/// Names that begin with a dot are not matched by `*`: they are what tools (this one included) use for files that are not complete.
const MATCH: MatchOptions = MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What a source's `path` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `-`.
    StandardInput,
    /// One file.
    File(PathBuf),
    /// Files by a pattern: the pattern as it is matched, and as the text gave it.
    Pattern { full: String, given: String },
}

impl Target {
    /// Reads a `path` option. A file that exists under that very name wins over the pattern that the name might be.
    pub(crate) fn of(path: &str, base_dir: &Path) -> Result<Target, ConnectorError> {
        if path == "-" {
            return Ok(Target::StandardInput);
        }
        let joined = base_dir.join(path);
        if !path.contains(['*', '?', '[']) || joined.exists() {
            return Ok(Target::File(joined));
        }
        let is_whole = Path::new(path).is_absolute() || base_dir.as_os_str().is_empty();
        let full = if is_whole { path.to_owned() } else { format!("{}/{path}", Pattern::escape(&base_dir.to_string_lossy())) };
        Pattern::new(&full).map_err(|cause| bad_pattern(&full, path, cause))?;
        Ok(Target::Pattern { full, given: path.to_owned() })
    }

    /// The files that there are now, in sorted order. A single file that is missing is in the list: opening it says so.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, ConnectorError> {
        match self {
            Target::StandardInput => Ok(Vec::new()),
            Target::File(path) => Ok(vec![path.clone()]),
            Target::Pattern { full, given } => {
                let entries = glob::glob_with(full, MATCH).map_err(|cause| bad_pattern(full, given, cause))?;
                let mut files = Vec::new();
                for entry in entries {
                    let path = entry.map_err(|cause| {
                        let path = cause.path().to_owned();
                        error::cannot_read(&path, cause.into())
                    })?;
                    if !path.is_dir() {
                        files.push(path);
                    }
                }
                files.sort();
                Ok(files)
            }
        }
    }
}

/// The place is told in what the text gave, which is the end of the full pattern.
fn bad_pattern(full: &str, given: &str, cause: glob::PatternError) -> ConnectorError {
    let before = full.chars().count().saturating_sub(given.chars().count());
    error::bad_pattern(given, cause.pos.saturating_sub(before) + 1, cause)
}

/// A file that is there, with what it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// As chunks and messages name it.
    pub(crate) origin: Arc<str>,
    /// In bytes; `None` for a pipe or device.
    pub(crate) length: Option<u64>,
    modified: Option<std::time::SystemTime>,
}

impl Found {
    /// Looks at a file.
    pub(crate) fn at(path: &Path, base_dir: &Path) -> Result<Found, ConnectorError> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(error::missing(path, nearest(path)));
            }
            Err(cause) => return Err(error::cannot_read(path, cause)),
        };
        if metadata.is_dir() {
            return Err(error::folder(path, format!("Name the files in it with a pattern: `{}`.", path.join("*").display())));
        }
        let shown = path.strip_prefix(base_dir).unwrap_or(path);
        Ok(Found {
            path: path.to_owned(),
            origin: shown.to_string_lossy().as_ref().into(),
            length: metadata.is_file().then_some(metadata.len()),
            modified: metadata.modified().ok(),
        })
    }

    /// Makes sure that it is still what it was.
    pub(crate) fn unchanged(&self, file: &std::fs::File) -> Result<(), ConnectorError> {
        let Some(length) = self.length else { return Ok(()) };
        let now = file.metadata().map_err(|cause| error::cannot_read(&self.path, cause))?;
        if now.len() < length {
            return Err(error::changed(&self.path, "became shorter"));
        }
        if now.len() > length {
            return Err(error::changed(&self.path, "grew"));
        }
        if now.modified().ok() != self.modified {
            return Err(error::changed(&self.path, "was written"));
        }
        Ok(())
    }
}

/// What to say next when a file is missing: the closest name, or the folder that is missing as well.
fn nearest(path: &Path) -> String {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("The folder `{}` is not there either. Paths are relative to the scenario's folder.", folder.display());
    };
    let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().take(NAMES_COMPARED).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let most = (wanted.chars().count() / 3).max(2);
    match names.iter().map(|n| (distance(n, &wanted), n)).filter(|(d, _)| *d <= most).min() {
        Some((_, name)) => format!("Did you mean `{name}`?"),
        None => format!("Look what is in `{}`. Paths are relative to the scenario's folder.", folder.display()),
    }
}

/// How many characters must be put in, taken out or changed to make one text from the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pattern_gives_files_in_order_without_folders_and_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", "c.csv", ".d.json"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("e.json")).unwrap();
        let files = Target::of("*.json", dir.path()).unwrap().files().unwrap();
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.json", "b.json"]);
    }

    #[test]
    fn a_file_whose_name_looks_like_a_pattern_is_that_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a[1].json"), "").unwrap();
        assert_eq!(Target::of("a[1].json", dir.path()).unwrap(), Target::File(dir.path().join("a[1].json")));
        assert!(matches!(Target::of("a[2].json", dir.path()).unwrap(), Target::Pattern { .. }));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("flights.json", "flihgts.json"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
