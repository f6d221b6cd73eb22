//! What parsing makes: the green tree and the diagnostics, written in one walk.

use crate::{
    Diagnostic, FileId,
    ast::{DurationParam, Span},
    codes,
    syntax::SyntaxKind,
};
use rowan::{GreenNode, GreenNodeBuilder};

/// At most this many diagnostics are kept for one file; a last one says so.
pub(crate) const MAX_DIAGNOSTICS: usize = 200;

/// The tree and diagnostics under construction.
pub(crate) struct Out<'t> {
    pub text: &'t str,
    pub file: FileId,
    pub diagnostics: Vec<Diagnostic>,
    /// Parameters that stand for durations; nothing outside of reusable steps.
    pub durations: Option<Vec<DurationParam>>,
    builder: GreenNodeBuilder<'static>,
    /// How far the tree has come: every byte goes in once and in order.
    written: usize,
}

impl<'t> Out<'t> {
    pub(crate) fn new(file: FileId, text: &'t str) -> Self {
        Out { text, file, diagnostics: Vec::new(), durations: None, builder: GreenNodeBuilder::new(), written: 0 }
    }

    /// Opens a node.
    pub(crate) fn start(&mut self, kind: SyntaxKind) {
        self.builder.start_node(rowan::SyntaxKind(kind as u16));
    }

    /// Closes the node that was opened last.
    pub(crate) fn finish(&mut self) {
        self.builder.finish_node();
    }

    /// Writes the text from where the tree stands up to `end` as one token; nothing for an empty piece.
    pub(crate) fn token(&mut self, kind: SyntaxKind, end: usize) {
        if end > self.written {
            self.builder.token(rowan::SyntaxKind(kind as u16), &self.text[self.written..end]);
            self.written = end;
        }
    }

    /// Writes blanks from where the tree stands up to `end`.
    pub(crate) fn blank(&mut self, end: usize) {
        self.token(SyntaxKind::WHITESPACE, end);
    }

    /// Adds a diagnostic, within the bound.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        } else if self.diagnostics.len() == MAX_DIAGNOSTICS {
            let message = format!("only the first {MAX_DIAGNOSTICS} findings of this file are listed");
            self.diagnostics.push(Diagnostic::error(codes::TOO_MANY, self.file, diagnostic.span, message));
        }
    }

    /// An error at a place, to be completed and reported.
    pub(crate) fn error(&self, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }

    /// Up to where the tree stands.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// The finished tree.
    pub(crate) fn tree(self) -> (GreenNode, Vec<Diagnostic>) {
        (self.builder.finish(), self.diagnostics)
    }
}
