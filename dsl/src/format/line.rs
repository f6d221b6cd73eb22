//! One logical line: the blanks between its tokens, and the indentation of its continuation lines.

use super::blocks::{columns, push_blanks};
use crate::syntax::{
    SyntaxKind::{self, *},
    SyntaxNode, SyntaxToken,
};

/// `@when`, `@do` and `@then` are padded to this width, so that what they say stands in one column.
const KEYWORD_COLUMNS: usize = 6;
/// Continuation lines stand this much deeper than their line: just inside what it says.
const CONTINUATION: usize = KEYWORD_COLUMNS + 2;
/// Columns per level inside a continuation.
const INDENT: usize = 2;
/// Words that a window's parenthesis follows without a blank.
const WINDOW_WORDS: [&str; 4] = ["tumbling", "hopping", "session", "cumulating"];

/// A line of the source: its blanks at the front, and its tokens up to its end.
struct Physical<'a> {
    column: usize,
    tokens: Vec<&'a SyntaxToken>,
}

impl<'a> Physical<'a> {
    /// The first token that is no comment.
    fn code(&self) -> Option<&'a SyntaxToken> {
        self.tokens.iter().copied().find(|t| t.kind() != COMMENT)
    }
}

/// Appends a logical line with its continuation lines.
pub(super) fn write(kind: SyntaxKind, tokens: &[SyntaxToken], indent: usize, out: &mut String) {
    let lines = physical_lines(tokens);
    // A heading without its colon is only guessed to be one.
    let guessed = kind == HEADING && !tokens.iter().any(|t| t.kind() == COLON);
    let understood = kind != ERROR && !guessed && !tokens.iter().any(is_not_understood);
    let mut layout = Layout { kind, indent, understood, lines: &lines, indents: Vec::with_capacity(lines.len()) };
    for (i, line) in lines.iter().enumerate() {
        let columns = layout.indent_of(i);
        layout.indents.push(columns);
        if !line.tokens.is_empty() {
            push_blanks(out, columns);
            write_tokens(kind, &line.tokens, understood, i == 0, out);
        }
        out.push('\n');
    }
}

fn is_not_understood(token: &SyntaxToken) -> bool {
    token.kind() == UNKNOWN || token.parent_ancestors().any(|n| n.kind() == ERROR)
}

fn physical_lines(tokens: &[SyntaxToken]) -> Vec<Physical<'_>> {
    let mut lines: Vec<Physical<'_>> = Vec::new();
    for part in tokens.split_inclusive(|t| t.kind() == NEWLINE) {
        let mut part: Vec<&SyntaxToken> = part.iter().filter(|t| t.kind() != NEWLINE).collect();
        while part.last().is_some_and(|t| t.kind() == WHITESPACE) {
            part.pop();
        }
        let blanks = part.iter().take_while(|t| t.kind() == WHITESPACE).count();
        let column = part.drain(..blanks).map(|t| columns(t.text())).sum();
        lines.push(Physical { column, tokens: part });
    }
    lines
}

struct Layout<'a> {
    kind: SyntaxKind,
    indent: usize,
    understood: bool,
    lines: &'a [Physical<'a>],
    /// Of the lines so far.
    indents: Vec<usize>,
}

impl Layout<'_> {
    fn indent_of(&self, i: usize) -> usize {
        if i == 0 {
            return self.indent;
        }
        let Some(first) = self.lines[i].code() else {
            // A comment stands as deep as what it stands above.
            return match self.lines.get(i + 1) {
                Some(_) => self.indent_of(i + 1),
                None => self.base(),
            };
        };
        if !self.understood {
            let least = self.lines[1..].iter().filter(|l| l.code().is_some()).map(|l| l.column).min().unwrap_or(0);
            return self.base() + self.lines[i].column.saturating_sub(least);
        }
        if self.kind == ANNOTATION {
            let closes = first.text() == ")" && first.parent().is_some_and(|p| p.kind() == ANNOTATION);
            return if closes && self.breaks_after_paren() { self.indent } else { self.base() };
        }
        match enclosing_expression(first) {
            Some(expression) if expression.first_token().as_ref() != Some(first) => self.inside_expression(&expression, i),
            _ => self.below_its_clause(first, i),
        }
    }

    /// Where continuation lines stand.
    fn base(&self) -> usize {
        if self.kind != ANNOTATION {
            return self.indent + CONTINUATION;
        }
        if self.breaks_after_paren() {
            return self.indent + INDENT;
        }
        // Arguments stand below the first one.
        let to_paren: usize = self.lines[0]
            .tokens
            .iter()
            .take_while(|t| t.kind() != PUNCT)
            .filter(|t| t.kind() != WHITESPACE)
            .map(|t| t.text().chars().count())
            .sum();
        self.indent + to_paren + 1
    }

    /// The first line ends with the annotation's `(`.
    fn breaks_after_paren(&self) -> bool {
        self.lines[0].tokens.iter().rev().find(|t| !t.kind().is_trivia()).is_some_and(|t| t.text() == "(")
    }

    /// Lines inside an expression keep their shape: their indentation relative to the least of them.
    fn inside_expression(&self, expression: &SyntaxNode, i: usize) -> usize {
        let range = expression.text_range();
        let inside = |t: &SyntaxToken| range.contains(t.text_range().start()) && t.text_range().start() != range.start();
        let starts_inside = |l: &&Physical<'_>| l.code().is_some_and(inside);
        let least = self.lines.iter().filter(starts_inside).map(|l| l.column).min().unwrap_or(0);
        let line = self.line_of(range.start());
        let anchor = if line == 0 { self.base() } else { self.indents.get(line).copied().unwrap_or(self.base()) + INDENT };
        anchor + self.lines[i].column.saturating_sub(least)
    }

    /// A clause or an item that began on a continuation line has what goes on below it one level deeper.
    fn below_its_clause(&self, first: &SyntaxToken, i: usize) -> usize {
        let start = first.text_range().start();
        let begun = first
            .parent_ancestors()
            .filter(|n| n.text_range().start() < start)
            .map(|n| self.line_of(n.text_range().start()))
            .filter(|line| (1..i).contains(line))
            .min();
        match begun {
            Some(line) => self.indents.get(line).copied().unwrap_or(self.base()) + INDENT,
            None => self.base(),
        }
    }

    /// The physical line that a place of the text is in.
    fn line_of(&self, offset: rowan::TextSize) -> usize {
        self.lines.iter().rposition(|l| l.tokens.first().is_some_and(|t| t.text_range().start() <= offset)).unwrap_or(0)
    }
}

/// The outermost expression that a token is in.
fn enclosing_expression(token: &SyntaxToken) -> Option<SyntaxNode> {
    token.parent_ancestors().filter(|n| n.kind() == EXPR).last()
}

fn write_tokens(line: SyntaxKind, tokens: &[&SyntaxToken], understood: bool, first_line: bool, out: &mut String) {
    let mut gap: Option<&SyntaxToken> = None;
    let mut before: Option<&SyntaxToken> = None;
    for (i, token) in tokens.iter().enumerate() {
        if token.kind() == WHITESPACE {
            gap = Some(token);
            continue;
        }
        if let Some(before) = before {
            let blanks = gap.map_or("", |g| g.text());
            let pads =
                understood && first_line && matches!(line, WHEN | DO | THEN) && before.kind() == KEYWORD && first_keyword(tokens, before);
            if pads {
                let width = before.text().chars().count() + 1;
                push_blanks(out, KEYWORD_COLUMNS.saturating_sub(width).max(1));
            } else {
                push_gap(before, token, blanks, understood, out);
            }
        }
        let last = i + 1 == tokens.len();
        let text = if last && matches!(token.kind(), TEXT | COMMENT | UNKNOWN) { token.text().trim_end() } else { token.text() };
        out.push_str(text);
        before = Some(token);
        gap = None;
    }
}

/// Whether it is the `do` of `@do`. In a broken line the first word may be another: blanks after that one could change what the line says.
fn first_keyword(tokens: &[&SyntaxToken], token: &SyntaxToken) -> bool {
    matches!(token.text(), "when" | "do" | "then") && tokens.iter().copied().find(|t| t.kind() == KEYWORD) == Some(token)
}

fn push_gap(before: &SyntaxToken, after: &SyntaxToken, blanks: &str, understood: bool, out: &mut String) {
    if understood && after.kind() == COMMENT {
        out.push_str("  ");
        return;
    }
    let kept = !understood || (enclosing_expression(before).is_some() && enclosing_expression(before) == enclosing_expression(after));
    if kept {
        out.push_str(blanks);
        return;
    }
    if wants_blank(before, after).unwrap_or(!blanks.is_empty()) {
        out.push(' ');
    }
}

/// Whether a blank stands between two tokens outside of expressions; `None` where the text decides.
fn wants_blank(before: &SyntaxToken, after: &SyntaxToken) -> Option<bool> {
    let is = |t: &SyntaxToken, text: &str| t.kind() == PUNCT && t.text() == text;
    let quantifier = |t: &SyntaxToken| t.parent().is_some_and(|p| p.kind() == QUANTIFIER);
    if quantifier(after) || (is(before, "(") && before.parent().is_some_and(|p| p.kind() == PATTERN)) {
        return Some(false);
    }
    if after.kind() == COLON || is(after, ",") || is(after, ")") || is(after, "]") || is(before, "(") || is(before, "[") {
        return Some(false);
    }
    if before.kind() == COLON || is(before, ",") {
        return Some(true);
    }
    if is(before, "=") || is(after, "=") {
        let equals = if is(before, "=") { before } else { after };
        return match equals.parent()?.kind() {
            ARG => Some(false),
            ITEM | PARAM => Some(true),
            _ => None,
        };
    }
    if is(after, "(") {
        let parent = after.parent().map(|p| p.kind());
        let window = WINDOW_WORDS.iter().any(|w| before.text().eq_ignore_ascii_case(w));
        return (window || matches!(parent, Some(ANNOTATION | HEADING))).then_some(false);
    }
    None
}
