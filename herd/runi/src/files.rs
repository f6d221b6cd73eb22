//! Finding and reading the texts of a project.
//!
//! A scenario's project is the closest folder above it that has `steps/` or `contracts/` in it, else its own folder. All `.dsl` files below
//! belong to it, but for hidden folders.

use crate::Exit;
use runink_dsl::{Diagnostic, FileId, Project, SourceFile};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How many files a project has at most; more is taken for a mistake in the path.
const MAX_FILES: usize = 10_000;
/// How deep folders are searched.
const MAX_DEPTH: usize = 32;
/// How far up a project's folder is looked for.
const MAX_ASCENT: usize = 8;
/// How large a text is at most, in bytes.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// What keeps texts from being read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("RUN001: there is no file or folder `{0}`")]
    Missing(String),
    #[error("RUN002: `{path}` could not be read: {error}")]
    Read { path: String, error: std::io::Error },
    #[error("RUN003: `{path}` is larger than {} MiB", MAX_TEXT_BYTES / 1024 / 1024)]
    TooLarge { path: String },
    #[error("RUN004: `{path}` has more than {MAX_FILES} `.dsl` files")]
    TooMany { path: String },
    #[error("RUN005: no `.dsl` file in `{0}`")]
    Empty(String),
    #[error("RUN020: `{path}` is not UTF-8 text")]
    NotText { path: String },
    #[error("RUN021: `{path}` could not be written: {error}")]
    Write { path: String, error: std::io::Error },
}

impl FilesError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            FilesError::Read { .. } | FilesError::Write { .. } => Exit::Operator,
            _ => Exit::User,
        }
    }

    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            FilesError::Empty(_) => Some("`runi init NAME` makes a project to start from"),
            FilesError::TooMany { .. } => Some("name the project's own folder"),
            FilesError::NotText { .. } => Some("save it as UTF-8"),
            _ => None,
        }
    }
}

/// A project as it lies on disk.
pub(crate) struct LoadedProject {
    pub(crate) project: Project,
    /// Its folder.
    pub(crate) root: PathBuf,
    /// The paths of its texts, by [`FileId`].
    pub(crate) paths: Vec<PathBuf>,
}

impl LoadedProject {
    /// The number of a file.
    pub(crate) fn file(&self, path: &Path) -> Option<FileId> {
        let wanted = fs::canonicalize(path).ok()?;
        let at = self.paths.iter().position(|p| fs::canonicalize(p).is_ok_and(|p| p == wanted))?;
        u32::try_from(at).ok().map(FileId)
    }

    /// The folder of a file: where its relative paths start.
    pub(crate) fn folder_of(&self, file: FileId) -> PathBuf {
        let folder = self.paths.get(file.0 as usize).and_then(|p| p.parent()).unwrap_or(&self.root);
        if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
    }

    /// Findings that concern one scenario file: its own, and those of files without a feature (contracts, reusable steps).
    pub(crate) fn findings_for(&self, file: FileId) -> Vec<Diagnostic> {
        let shared = |f: FileId| self.project.documents.get(f.0 as usize).is_some_and(|d| d.feature.is_none());
        self.project.diagnostics.iter().filter(|d| d.file == file || shared(d.file)).cloned().collect()
    }
}

/// The project that a file or folder belongs to.
pub(crate) fn load(path: &Path) -> Result<LoadedProject, FilesError> {
    let shown = path.display().to_string();
    if !path.exists() {
        return Err(FilesError::Missing(shown));
    }
    let root = if path.is_dir() { path.to_owned() } else { root_of(path) };
    let mut paths = Vec::new();
    collect(&root, 0, &mut paths)?;
    if !path.is_dir() && !paths.iter().any(|p| same(p, path)) {
        paths.push(path.to_owned());
    }
    paths.sort();
    if paths.is_empty() {
        return Err(FilesError::Empty(shown));
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        files.push(SourceFile { path: shown_path(path), text: read_text(path)? });
    }
    Ok(LoadedProject { project: Project::new(files), root, paths })
}

/// The `.dsl` files of some paths, each once, sorted.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FilesError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, 0, &mut found)?;
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(FilesError::Missing(path.display().to_string()));
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let shown = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(FilesError::Empty(shown));
    }
    Ok(found)
}

/// A text; bytes that are not UTF-8 are replaced, and the parser says so where they matter.
pub(crate) fn read_text(path: &Path) -> Result<String, FilesError> {
    let failed = |error| FilesError::Read { path: path.display().to_string(), error };
    if fs::metadata(path).map_err(failed)?.len() > MAX_TEXT_BYTES {
        return Err(FilesError::TooLarge { path: path.display().to_string() });
    }
    Ok(String::from_utf8_lossy(&fs::read(path).map_err(failed)?).into_owned())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn shown_path(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

fn root_of(file: &Path) -> PathBuf {
    let own = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let is_root = |folder: &Path| ["steps", "contracts"].iter().any(|f| folder.join(f).is_dir());
    let above = own.ancestors().filter(|a| !a.as_os_str().is_empty()).take(MAX_ASCENT).find(|a| is_root(a)).map(Path::to_owned);
    above.unwrap_or(own)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), FilesError> {
    let failed = |error| FilesError::Read { path: folder.display().to_string(), error };
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden && entry.file_name() != "target" {
            collect(&path, depth + 1, found)?;
        } else if !kind.is_dir() && !hidden && path.extension().is_some_and(|e| e == "dsl") {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(FilesError::TooMany { path: folder.display().to_string() });
        }
    }
    Ok(())
}
