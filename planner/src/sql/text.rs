//! A query's text to SQL's syntax tree.
//!
//! The parser speaks PostgreSQL, which has no streams. What streaming SQL adds to it is brought into a form that it takes before it looks: `TABLE t` as an
//! argument of a window function becomes `t`, and `t for system_time as of x` becomes a call of `t` whose only argument is called [`SYSTEM_TIME`]; what
//! `match_recognize` needs stands in [`super::pattern`].

use crate::{
    catalogue as codes,
    expr::{Places, parse_query},
};
use datafusion_sql::sqlparser::{
    ast::Query,
    tokenizer::{Span as SqlSpan, Token, TokenWithSpan, Word},
};
use runink_dsl::Diagnostic;

/// The name of the argument that stands for `for system_time as of`. No name of SQL has a blank in it unless it is quoted.
pub(crate) const SYSTEM_TIME: &str = "system time";

/// Words that a statement begins with and a query does not.
const STATEMENTS: [(&str, &str); 9] = [
    ("insert", "leave `insert into …` out, and send the step's rows to a sink: `@sink(type=…)`"),
    ("create", "a view is a step of its own: `@step(name=…)`; a table is a source: `@source(…)`"),
    ("update", "a stream's rows stay as they are: write a `select` that gives the rows that you want"),
    ("delete", "a stream's rows stay as they are: write a `select … where …` that gives the rows that you want"),
    ("merge", "read both inputs with a join, and send the rows to a sink"),
    ("explain", "write the query alone, and run `runi explain`"),
    ("drop", "nothing has to be dropped: take the step out of the scenario"),
    ("set", "options stand at sources, steps and sinks"),
    ("show", "the scenario itself says which sources and steps there are"),
];

/// Parses a query.
pub(crate) fn parse(places: &Places<'_>) -> Result<Query, Box<Diagnostic>> {
    parse_query(places, |tokens| prepare(places, tokens))
}

fn prepare(places: &Places<'_>, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Box<Diagnostic>> {
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    if let Some(first) = word(&tokens, 0)
        && let Some((statement, hint)) = STATEMENTS.iter().find(|(s, _)| *s == first)
    {
        let message = format!("a query is needed here, and `{statement}` is a statement");
        return Err(Box::new(places.error(codes::QUERY_KIND, places.span(tokens[0].span), message).hint(*hint)));
    }
    let mut prepared = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let is = |offset: usize, wanted: &str| word(&tokens, at + offset).as_deref() == Some(wanted);
        if is(0, "table") && is_argument(&tokens, at) {
            partitioned(places, &tokens, at + 1)?;
            at += 1;
        } else if is(0, "for") && is(1, "system_time") && is(2, "as") && is(3, "of") {
            at = as_of(places, &tokens, at, &mut prepared)?;
        } else if is(0, "match_recognize") && tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen) {
            prepared.push(tokens[at].clone());
            at = super::pattern::recognized(places, &tokens, at + 1, &mut prepared)?;
        } else {
            prepared.push(tokens[at].clone());
            at += 1;
        }
    }
    Ok(prepared)
}

/// A word without quotes, in small letters.
pub(super) fn word(tokens: &[TokenWithSpan], at: usize) -> Option<String> {
    match &tokens.get(at)?.token {
        Token::Word(w) if w.quote_style.is_none() => Some(w.value.to_lowercase()),
        _ => None,
    }
}

/// `TABLE` before an argument of a function: `tumble(TABLE t`, `data => TABLE t`; not `from TABLE(tumble(…))`.
fn is_argument(tokens: &[TokenWithSpan], at: usize) -> bool {
    let before = at.checked_sub(1).map(|i| &tokens[i].token);
    let after = tokens.get(at + 1).map(|t| &t.token);
    matches!(
        (before, after),
        (Some(Token::LParen | Token::RArrow), Some(Token::Word(_) | Token::LParen)) | (Some(Token::Comma), Some(Token::Word(_)))
    )
}

/// `TABLE t PARTITION BY k`: what a session of SQL's is cut by; here it is the group's keys.
fn partitioned(places: &Places<'_>, tokens: &[TokenWithSpan], name: usize) -> Result<(), Box<Diagnostic>> {
    let end = end_of_path(tokens, name);
    if word(tokens, end).as_deref() != Some("partition") {
        return Ok(());
    }
    let message = "a window is cut by the keys of `group by`, not by a `partition by` of its own";
    let hint = "leave `partition by` out, and name the keys in `group by`";
    Err(Box::new(places.error(codes::QUERY_WINDOW, places.span(tokens[end].span), message).hint(hint)))
}

/// The token behind `a.b.c`.
fn end_of_path(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut end = start + 1;
    while matches!(tokens.get(end).map(|t| &t.token), Some(Token::Period)) {
        end += 2;
    }
    end.min(tokens.len())
}

/// `for system_time as of a.b` or `… of proctime()`; gives the place behind it.
fn as_of(places: &Places<'_>, tokens: &[TokenWithSpan], at: usize, prepared: &mut Vec<TokenWithSpan>) -> Result<usize, Box<Diagnostic>> {
    let start = at + 4;
    if !matches!(tokens.get(start).map(|t| &t.token), Some(Token::Word(_))) {
        let span = places.span(tokens[at].span.union(&tokens[at + 3].span));
        let message = "`for system_time as of` is followed by an event-time column of the other side";
        return Err(Box::new(places.error(codes::SYNTAX, span, message).hint("for example `for system_time as of o.ordered_at`")));
    }
    let mut end = end_of_path(tokens, start);
    let call = |offset: usize, wanted: Token| tokens.get(end + offset).is_some_and(|t| t.token == wanted);
    if call(0, Token::LParen) && call(1, Token::RParen) {
        end += 2;
    }
    let span: SqlSpan = tokens[at].span;
    let mut push = |token: Token| prepared.push(TokenWithSpan { token, span });
    push(Token::LParen);
    push(Token::Word(Word {
        value: SYSTEM_TIME.to_owned(),
        quote_style: Some('"'),
        keyword: datafusion_sql::sqlparser::keywords::Keyword::NoKeyword,
    }));
    push(Token::RArrow);
    prepared.extend(tokens[start..end].iter().cloned());
    prepared.push(TokenWithSpan { token: Token::RParen, span });
    Ok(end)
}
