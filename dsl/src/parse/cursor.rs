//! A walk over the tokens of one logical line of code.
//!
//! A cursor cannot leave its line, so that a broken line costs itself and nothing after it. Every token it passes goes into the tree.

use super::{lexer::Token, out::Out};
use crate::{
    Diagnostic,
    ast::Span,
    codes,
    suggest::{did_you_mean, list_of},
    syntax::SyntaxKind::{self, *},
};

/// The error has been reported; the caller gives up on its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported;

pub(crate) type Parse<T> = Result<T, Reported>;

/// Longest piece of text that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 40;

pub(crate) struct Cursor<'o, 't> {
    pub out: &'o mut Out<'t>,
    tokens: &'o [Token],
    /// Positions in `tokens` of those that are not trivia.
    code: Vec<usize>,
    /// Next one in `code`.
    at: usize,
    /// Next one in `tokens` that is not in the tree yet.
    emitted: usize,
    /// An error has been reported: what follows from it is not.
    pub muted: bool,
    /// An error of this line has been reported.
    pub failed: bool,
    /// Tokens themselves are broken, so that nothing that is found after can be trusted.
    broken_tokens: bool,
    /// End of the last token passed.
    pub last_end: usize,
}

impl<'o, 't> Cursor<'o, 't> {
    /// Over the tokens of a line; reports what is wrong with the tokens themselves.
    pub(crate) fn new(out: &'o mut Out<'t>, tokens: &'o [Token]) -> Self {
        let code = tokens.iter().enumerate().filter(|(_, t)| !t.kind.is_trivia()).map(|(i, _)| i).collect();
        let last_end = tokens.first().map_or(0, |t| t.start);
        let mut cursor = Cursor { out, tokens, code, at: 0, emitted: 0, muted: false, failed: false, broken_tokens: false, last_end };
        if let Some(token) = tokens.iter().find(|t| t.kind == UNKNOWN) {
            cursor.unknown_token(*token);
            cursor.broken_tokens = true;
        }
        cursor
    }

    fn unknown_token(&mut self, token: Token) {
        let text = self.str(token);
        let span = Span::new(token.start, token.end);
        let opening = |n: usize| Span::new(token.start, token.start + n);
        let diagnostic = if text.starts_with("\"\"\"") {
            self.out
                .error(codes::UNCLOSED_TRIPLE, opening(3), "this `\"\"\"` text has no end")
                .hint("close it with `\"\"\"` before the next `@` line or heading")
        } else if text.starts_with('"') || text.starts_with('\'') {
            let quote = &text[..1];
            self.out
                .error(codes::UNCLOSED_STRING, opening(1), format!("this {quote} is not closed on its line"))
                .hint(format!("close the text with {quote}"))
        } else if text.starts_with("${") {
            self.out.error(codes::UNCLOSED_VARIABLE, opening(2), "this `${` is not closed").hint("close it with `}`")
        } else {
            let meant = match text {
                "“" | "”" | "„" | "«" | "»" => Some("use straight quotes: `\"`"),
                "‘" | "’" => Some("use straight quotes: `'`"),
                "–" | "—" | "−" => Some("use the plain minus `-`"),
                "≥" => Some("write `>=`"),
                "≤" => Some("write `<=`"),
                "≠" => Some("write `<>`"),
                "×" => Some("write `*`"),
                _ => None,
            };
            let d = self.out.error(codes::EXPECTED, span, format!("`{text}` is not a character of the language here"));
            match meant {
                Some(hint) => d.hint(hint),
                None => d.hint("put texts into quotes"),
            }
        };
        self.report(diagnostic);
    }

    fn str(&self, token: Token) -> &'t str {
        &self.out.text[token.start..token.end]
    }

    /// The `n`th token from here, 0 being the next.
    pub(crate) fn nth(&self, n: usize) -> Option<Token> {
        self.code.get(self.at + n).and_then(|i| self.tokens.get(*i)).copied()
    }

    /// The kind of the `n`th token from here.
    pub(crate) fn kind(&self, n: usize) -> Option<SyntaxKind> {
        self.nth(n).map(|t| t.kind)
    }

    /// The text of the `n`th token from here; empty at the end.
    pub(crate) fn text(&self, n: usize) -> &'t str {
        self.nth(n).map_or("", |t| self.str(t))
    }

    /// Whether nothing is left.
    pub(crate) fn done(&self) -> bool {
        self.at >= self.code.len()
    }

    /// Whether the `n`th token is this word, in whatever case.
    pub(crate) fn word(&self, n: usize, word: &str) -> bool {
        self.kind(n) == Some(IDENT) && self.text(n).eq_ignore_ascii_case(word)
    }

    /// Whether the next tokens are these words.
    pub(crate) fn words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, w)| self.word(n, w))
    }

    /// Whether the `n`th token is this punctuation.
    pub(crate) fn punct(&self, n: usize, text: &str) -> bool {
        self.kind(n) == Some(PUNCT) && self.text(n) == text
    }

    /// Whether the `n`th token follows the one before it without a gap.
    pub(crate) fn glued(&self, n: usize) -> bool {
        match (self.at + n).checked_sub(1).and_then(|i| self.code.get(i)).and_then(|i| self.tokens.get(*i)) {
            Some(before) => self.nth(n).is_some_and(|t| t.start == before.end),
            None => false,
        }
    }

    /// The token before the next one.
    pub(crate) fn before(&self) -> Option<Token> {
        self.at.checked_sub(1).and_then(|i| self.code.get(i)).and_then(|i| self.tokens.get(*i)).copied()
    }

    /// Where the next token begins, or the place after the last one.
    pub(crate) fn place(&self) -> usize {
        self.nth(0).map_or(self.last_end, |t| t.start)
    }

    /// The span of the next token; an empty one after the last.
    pub(crate) fn here(&self) -> Span {
        self.nth(0).map_or(Span::new(self.last_end, self.last_end), |t| Span::new(t.start, t.end))
    }

    /// From a place to the end of the last token passed.
    pub(crate) fn since(&self, start: usize) -> Span {
        Span::new(start.min(self.last_end), self.last_end)
    }

    /// The rest of the line, from the next token to the last.
    pub(crate) fn rest(&self) -> Span {
        let end = self.code.last().and_then(|i| self.tokens.get(*i)).map_or(self.last_end, |t| t.end);
        Span::new(self.place(), end.max(self.place()))
    }

    fn trivia(&mut self, until: usize) {
        while self.emitted < until {
            if let Some(t) = self.tokens.get(self.emitted) {
                self.out.token(t.kind, t.end);
            }
            self.emitted += 1;
        }
    }

    /// Passes the next token.
    pub(crate) fn bump(&mut self) -> Option<Token> {
        let token = self.nth(0)?;
        self.bump_as(token.kind)
    }

    /// Passes the next token and writes it as another kind.
    pub(crate) fn bump_as(&mut self, kind: SyntaxKind) -> Option<Token> {
        let index = self.code.get(self.at).copied()?;
        self.trivia(index);
        let token = self.tokens.get(index).copied()?;
        self.out.token(kind, token.end);
        self.emitted = index + 1;
        self.at += 1;
        self.last_end = token.end;
        Some(token)
    }

    /// Passes `n` words of the grammar.
    pub(crate) fn keywords(&mut self, n: usize) {
        for _ in 0..n {
            self.bump_as(KEYWORD);
        }
    }

    /// Passes this punctuation if it comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let there = self.punct(0, text);
        if there {
            self.bump();
        }
        there
    }

    /// Passes this word of the grammar if it comes next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let there = self.word(0, word);
        if there {
            self.keywords(1);
        }
        there
    }

    /// Parses a piece as one node. Trivia before it stays outside.
    pub(crate) fn node<T>(&mut self, kind: SyntaxKind, parse: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(index) = self.code.get(self.at).copied() {
            self.trivia(index);
        }
        self.out.start(kind);
        let result = parse(self);
        self.out.finish();
        result
    }

    /// Passes what is left of the line, as an error node where there is code in it.
    pub(crate) fn finish(mut self) {
        if !self.done() {
            self.node(ERROR, |c| while c.bump().is_some() {});
        }
        self.trivia(self.tokens.len());
    }

    /// Reports, unless an error of this line has been reported already.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if !self.muted {
            self.muted = true;
            self.failed = true;
            self.out.report(diagnostic);
        }
    }

    /// A new piece begins that has nothing to do with the errors before it.
    pub(crate) fn unmute(&mut self) {
        self.muted = self.broken_tokens;
    }

    /// Reports and gives up.
    pub(crate) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Parse<T> {
        self.report(diagnostic);
        Err(Reported)
    }

    /// An error at the next token.
    pub(crate) fn error_here(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.out.error(code, self.here(), message)
    }

    /// What comes next, for messages.
    pub(crate) fn found(&self) -> String {
        if self.done() { "the end of the line".into() } else { quote(self.text(0)) }
    }

    /// "expected …, found …".
    pub(crate) fn expected(&self, what: &str) -> Diagnostic {
        self.error_here(codes::EXPECTED, format!("expected {what}, found {}", self.found()))
    }

    /// "expected `a`, `b` or `c`, found …; did you mean …?".
    pub(crate) fn expected_words(&self, words: &[&str]) -> Diagnostic {
        let d = self.expected(&list_of(words));
        match did_you_mean(self.text(0), words.iter().copied()) {
            Some(hint) => d.hint(hint),
            None => d,
        }
    }

    /// Passes one punctuation that must come.
    pub(crate) fn expect(&mut self, text: &str, why: &str) -> Parse<()> {
        if self.eat(text) {
            return Ok(());
        }
        let d = self.expected(&format!("`{text}` {why}"));
        self.fail(d)
    }

    /// Passes one word that must come.
    pub(crate) fn expect_word(&mut self, word: &str) -> Parse<()> {
        if self.eat_word(word) {
            return Ok(());
        }
        let d = self.expected_words(&[word]);
        self.fail(d)
    }

    /// Nothing may follow.
    pub(crate) fn expect_end(&mut self) -> Parse<()> {
        if self.done() {
            return Ok(());
        }
        let d = self.trailing();
        self.fail(d)
    }

    fn trailing(&self) -> Diagnostic {
        if self.punct(0, ";") {
            return self.error_here(codes::OTHER_LANGUAGE, "a line does not end with `;`").hint("remove the `;`");
        }
        self.out.error(codes::TRAILING, self.rest(), format!("expected the end of the line, found {}", self.found()))
    }
}

/// A piece of text between backticks, cut to a readable length.
pub(crate) fn quote(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut cut: String = line.chars().take(MAX_QUOTED_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{cut}`")
}
