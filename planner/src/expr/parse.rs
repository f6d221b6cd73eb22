//! An expression's text to SQL's syntax tree, with the places of its parts.

use super::dialect::StreamingSql;
use crate::catalogue as codes;
use datafusion_sql::sqlparser::{
    ast::{Expr as SqlExpr, OrderByExpr, Query},
    dialect::PostgreSqlDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Span as SqlSpan, Token, TokenWithSpan, Tokenizer},
};
use runink_dsl::{Diagnostic, FileId, ast::Span, variables::Substituted};
use std::ops::Range;

/// How many bytes an expression may have.
pub(crate) const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// How many tokens may stand between two commas or brackets: what bounds the depth of `a + a + …` before there is a tree.
const CHAIN_TOKENS_MAX: usize = 1_000;
/// How deep brackets and the like may nest.
const NESTING_MAX: usize = 50;

/// A text in which places are found.
pub(crate) struct Places<'a> {
    pub(crate) file: FileId,
    pub(crate) text: &'a Substituted,
    line_starts: Vec<usize>,
    /// Which part of the text is looked at: all of it, or one expression of a query.
    part: Range<usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(file: FileId, text: &'a Substituted) -> Self {
        let line_starts = std::iter::once(0).chain(text.text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Places { file, text, line_starts, part: 0..text.text.len() }
    }

    /// The places of one part of the text.
    pub(crate) fn within(mut self, part: Range<usize>) -> Self {
        self.part = part;
        self
    }

    /// The part that is looked at, as written.
    pub(crate) fn written(&self) -> &str {
        self.text.text.get(self.part.clone()).unwrap_or(&self.text.text).trim()
    }

    /// The place of a literal as it is written.
    pub(crate) fn find(&self, written: &str) -> Span {
        let found = self.text.text.get(self.part.clone()).and_then(|part| part.find(written)).map(|i| self.part.start + i);
        found.map_or_else(|| self.whole(), |i| self.text.span_of(i, i + written.len()))
    }

    fn offset(&self, at: Location) -> Option<usize> {
        let line = usize::try_from(at.line.checked_sub(1)?).ok()?;
        let start = *self.line_starts.get(line)?;
        let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
        let rest = &self.text.text[start..];
        Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i))
    }

    /// The byte range in the text of a place that the SQL parser knows.
    pub(crate) fn range(&self, span: SqlSpan) -> Option<Range<usize>> {
        let (start, end) = (self.offset(span.start)?, self.offset(span.end)?);
        (start <= end).then_some(start..end)
    }

    /// The place in the file; the whole expression where the SQL parser does not know.
    pub(crate) fn span(&self, span: SqlSpan) -> Span {
        self.range(span).map_or_else(|| self.whole(), |r| self.text.span_of(r.start, r.end))
    }

    /// What is written there.
    pub(crate) fn slice(&self, span: SqlSpan) -> &str {
        self.range(span).and_then(|r| self.text.text.get(r)).map_or_else(|| self.written(), str::trim)
    }

    /// The place of a call, its closing bracket included.
    pub(crate) fn call(&self, span: SqlSpan) -> Span {
        let Some(range) = self.range(span) else { return self.whole() };
        let rest = &self.text.text[range.end..];
        let closed = rest.trim_start().starts_with(')').then(|| rest.len() - rest.trim_start().len() + 1);
        self.text.span_of(range.start, range.end + closed.unwrap_or(0))
    }

    /// The place of the whole expression.
    pub(crate) fn whole(&self) -> Span {
        self.text.span_of(self.part.start, self.part.end)
    }

    pub(crate) fn error(&self, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }
}

/// What a text is parsed as, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Expression,
    Query,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Expression => "expression",
            What::Query => "query",
        }
    }

    /// What to do where it is too long or too deep.
    fn shorten(self) -> &'static str {
        match self {
            What::Expression => "compute parts of it in `@do set` lines before",
            What::Query => "put parts of it into steps of their own, and read those",
        }
    }
}

/// Parses one expression; all of the text must be it.
pub(crate) fn parse(places: &Places<'_>) -> Result<SqlExpr, Box<Diagnostic>> {
    with_parser(places, What::Expression, Ok, |parser| parser.parse_expr())
}

/// Parses one query; all of the text must be it. `prepare` sees the tokens before.
pub(crate) fn parse_query(
    places: &Places<'_>,
    prepare: impl FnOnce(Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Box<Diagnostic>>,
) -> Result<Query, Box<Diagnostic>> {
    with_parser(places, What::Query, prepare, |parser| parser.parse_query().map(|q| *q))
}

/// Parses what rows are ordered by; all of the text must be it.
pub(crate) fn parse_order(places: &Places<'_>) -> Result<Vec<OrderByExpr>, Box<Diagnostic>> {
    with_parser(places, What::Expression, Ok, |parser| parser.parse_comma_separated(Parser::parse_order_by_expr))
}

fn with_parser<T>(
    places: &Places<'_>,
    what: What,
    prepare: impl FnOnce(Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Box<Diagnostic>>,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, Box<Diagnostic>> {
    let text = &places.text.text;
    let word = what.word();
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("this {word} has {} bytes, more than the {EXPRESSION_BYTES_MAX} that one may have", text.len());
        return Err(Box::new(places.error(codes::TOO_LONG, places.whole(), message).hint(what.shorten())));
    }
    if text.trim().is_empty() {
        return Err(Box::new(places.error(
            codes::SYNTAX,
            places.whole(),
            format!("{} {word} is missing here", if what == What::Query { "a" } else { "an" }),
        )));
    }
    let dialect = StreamingSql(PostgreSqlDialect {});
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|e| {
        let at = places.span(SqlSpan::new(e.location, e.location));
        let hint = if e.message.contains("nterminated") { "close the quote" } else { "write SQL, as PostgreSQL has it" };
        Box::new(places.error(codes::SYNTAX, at, lower_first(&e.message)).hint(hint))
    })?;
    check_chains(places, what, &tokens)?;
    let tokens = prepare(tokens)?;
    if let Some(wrong) = tokens.iter().find_map(|t| habit(t, what).map(|hint| (t, hint))) {
        let message = format!("`{}` is not SQL", wrong.0.token);
        return Err(Box::new(places.error(codes::SYNTAX, places.span(wrong.0.span), message).hint(wrong.1)));
    }
    let places_of_tokens: Vec<SqlSpan> = tokens.iter().map(|t| t.span).collect();
    let mut parser = Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|e| Box::new(syntax_error(places, what, &places_of_tokens, &e)))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("`{}` cannot follow here", next.token);
        let hint = match what {
            What::Expression => "is an operator or a comma missing before it?",
            What::Query => "is an operator or a comma missing before it, or does this clause stand after one that must follow it?",
        };
        return Err(Box::new(places.error(codes::SYNTAX, places.span(next.span), message).hint(hint)));
    }
    Ok(parsed)
}

/// Operators of other languages.
fn habit(token: &TokenWithSpan, what: What) -> Option<&'static str> {
    if matches!(token.token, Token::Placeholder(_) | Token::Question) {
        return Some("name the column, or a parameter of a reusable step as `${name}`");
    }
    match token.token.to_string().as_str() {
        "==" => Some("write `=` to compare"),
        "&&" => Some("write `and`"),
        "!" => Some("write `not`"),
        ";" if what == What::Query => Some("leave the semicolon out: a step has one query"),
        ";" => Some("leave the semicolon out: an expression is not a statement"),
        _ => None,
    }
}

fn check_chains(places: &Places<'_>, what: What, tokens: &[TokenWithSpan]) -> Result<(), Box<Diagnostic>> {
    let mut chains = vec![0usize];
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => chains.push(0),
            Token::RParen | Token::RBracket | Token::RBrace if chains.len() > 1 => {
                chains.pop();
            }
            Token::Comma => {
                if let Some(last) = chains.last_mut() {
                    *last = 0;
                }
            }
            // A clause of a query begins a chain of its own.
            Token::Word(w)
                if what == What::Query && matches!(w.keyword, Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::GROUP) =>
            {
                if let Some(last) = chains.last_mut() {
                    *last = 0;
                }
            }
            _ => {}
        }
        let Some(last) = chains.last_mut() else { continue };
        *last += 1;
        if *last > CHAIN_TOKENS_MAX {
            let message = format!("more than {CHAIN_TOKENS_MAX} words and operators stand in one chain");
            let hint = format!("use `in (…)` for a long list of values, or {}", what.shorten());
            return Err(Box::new(places.error(codes::TOO_LONG, places.span(token.span), message).hint(hint)));
        }
    }
    Ok(())
}

fn syntax_error(places: &Places<'_>, what: What, tokens: &[SqlSpan], error: &ParserError) -> Diagnostic {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let message = format!("this {} nests deeper than {NESTING_MAX} levels", what.word());
            return places.error(codes::TOO_LONG, places.whole(), message).hint(what.shorten());
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let (message, location) = split_location(text);
    let message = message.strip_prefix("Expected: ").map_or_else(|| lower_first(message), |rest| format!("expected {rest}"));
    let end = format!("the end of the {}", what.word());
    let message = message.replace("found: EOF", &format!("found {end}")).replace("found: ", "found ");
    let span = match location {
        Some(at) => places.span(tokens.iter().copied().find(|t| t.start == at).unwrap_or_else(|| SqlSpan::new(at, at))),
        None => {
            let end = places.text.text.trim_end().len();
            places.text.span_of(end, end)
        }
    };
    let hint = if message.contains(&end) {
        "something is missing: an operand, or a closing bracket"
    } else {
        "write SQL, as PostgreSQL has it; a column whose name is a word of SQL goes in double quotes"
    };
    places.error(codes::SYNTAX, span, message).hint(hint)
}

/// "… at Line: 1, Column: 5", apart.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let location =
        place.split_once(", Column: ").and_then(|(l, c)| Some(Location { line: l.trim().parse().ok()?, column: c.trim().parse().ok()? }));
    (message, location)
}

pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
