//! What is wrong with a text, where, why, and how to mend it: the same shape for the parser, the planner and whoever else reads it.

use crate::ast::Span;
use serde::Serialize;

/// A file of a project, by its place in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FileId(pub u32);

/// A text and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as people know it, relative to the project's folder, with `/`.
    pub path: String,
    /// Its text. Bytes that are not UTF-8 have been replaced by whoever read it.
    pub text: String,
}

/// All texts of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Texts in their order; [`FileId`]s count from 0.
    pub fn new(files: Vec<SourceFile>) -> Self {
        Sources { files }
    }

    /// A file, if there is one of that number.
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// All files with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(i, f)| (FileId(u32::try_from(i).unwrap_or(u32::MAX)), f))
    }

    /// Line and column (from 1, in characters) of a byte offset.
    pub fn position(&self, file: FileId, offset: u32) -> (u32, u32) {
        let text = self.get(file).map_or("", |f| f.text.as_str());
        let mut end = (offset as usize).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (clamp(line), clamp(before[start..].chars().count() + 1))
    }
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs before it is mended.
    Error,
    /// It runs, but probably not as meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// Another place that explains a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Which file.
    pub file: FileId,
    /// Where in it.
    pub span: Span,
    /// What is there.
    pub message: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable: `DSL0xx` of the text, `PLN0xx` of the plan; `docs/errors.md` lists all.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// Which file.
    pub file: FileId,
    /// Where in it; an empty span points between two characters.
    pub span: Span,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What stands under the caret, where it says more than the message: the reason.
    pub label: Option<String>,
    /// What to do next; "did you mean `x`?" where a name is close.
    pub hint: Option<String>,
    /// Other places that explain it.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, file: FileId, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { code, severity: Severity::Error, file, span, message: message.into(), label: None, hint: None, related: Vec::new() }
    }

    /// A warning.
    pub fn warning(code: &'static str, file: FileId, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, file, span, message) }
    }

    /// Says why, under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points to another place.
    #[must_use]
    pub fn related(mut self, file: FileId, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { file, span, message: message.into() });
        self
    }

    /// Whether it keeps things from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
