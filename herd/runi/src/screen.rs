//! Where output goes, and whether it may be coloured. The only place that writes to standard output and standard error.

use crate::cli::Color;
use runink_dsl::{Diagnostic, Sources};
use std::io::{self, IsTerminal, Write};

/// Standard output and standard error of one command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    color: Color,
}

impl Screen {
    pub(crate) fn new(color: Color) -> Self {
        Screen { color }
    }

    /// Whether text on standard output is coloured.
    pub(crate) fn out_color(&self) -> bool {
        self.colored(io::stdout().is_terminal())
    }

    /// Whether text on standard error is coloured.
    pub(crate) fn err_color(&self) -> bool {
        self.colored(io::stderr().is_terminal())
    }

    fn colored(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        }
    }

    /// A person is looking at standard error.
    pub(crate) fn err_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// What was asked for. A reader that has gone away (`runi … | head`) is not an error: nobody is left to tell.
    pub(crate) fn out(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Where data goes that is written bit by bit. Whoever writes hears of a reader that has gone away.
    pub(crate) fn out_writer(&self) -> impl Write + Send + use<> {
        io::stdout()
    }

    /// What goes with it: findings, errors, progress.
    pub(crate) fn err(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _gone = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// An error that is not about a place in a text.
    pub(crate) fn error(&self, message: &str, hint: Option<&str>) {
        self.say("\x1b[1;31m", "error", message, hint);
    }

    /// What went well, but probably not as it was meant.
    pub(crate) fn warning(&self, message: &str, hint: &str) {
        self.say("\x1b[1;33m", "warning", message, Some(hint));
    }

    /// What is good to know.
    pub(crate) fn note(&self, message: &str) {
        self.say("\x1b[1;36m", "note", message, None);
    }

    fn say(&self, color: &str, severity: &str, message: &str, hint: Option<&str>) {
        let (color, dim, off) = if self.err_color() { (color, "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        self.err(&format!("{color}{severity}{off}: {message}\n"));
        if let Some(hint) = hint {
            self.err(&format!("  {dim}hint: {hint}{off}\n"));
        }
    }

    /// Findings about texts, on standard error.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        let color = self.err_color();
        for diagnostic in diagnostics {
            self.err(&format!("{}\n", runink_dsl::render(diagnostic, sources, color)));
        }
    }
}
