//! What `match_recognize` says that the parser does not take as it is written.
//!
//! `within interval '10' minute` behind the pattern becomes the first definition, under the name [`WITHIN`]; `b?` becomes `b{0,1}`.

use crate::{catalogue as codes, expr::Places};
use datafusion_sql::sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};
use runink_dsl::Diagnostic;

/// The name of the definition that stands for `within`. No name of SQL has a blank in it unless it is quoted.
pub(crate) const WITHIN: &str = "within interval";

/// Brings the brackets behind `match_recognize` into the parser's form. `at` is the opening bracket; gives the place behind the closing one.
pub(super) fn recognized(
    places: &Places<'_>,
    tokens: &[TokenWithSpan],
    at: usize,
    prepared: &mut Vec<TokenWithSpan>,
) -> Result<usize, Box<Diagnostic>> {
    let end = closing(tokens, at);
    let Some(pattern) = (at + 1..end).find(|&i| super::text::word(tokens, i).as_deref() == Some("pattern") && opens(tokens, i + 1)) else {
        prepared.extend_from_slice(&tokens[at..end]);
        return Ok(end);
    };
    let pattern_end = closing(tokens, pattern + 1);
    prepared.extend_from_slice(&tokens[at..pattern + 2]);
    for i in pattern + 2..pattern_end {
        let token = &tokens[i];
        let before = &tokens[i - 1].token;
        match &token.token {
            Token::Question if !matches!(before, Token::Mul | Token::Plus | Token::RBrace | Token::Question) => {
                let number = |n: &str| Token::Number(n.to_owned(), false);
                let most = [Token::LBrace, number("0"), Token::Comma, number("1"), Token::RBrace];
                prepared.extend(most.map(|made| TokenWithSpan { token: made, span: token.span }));
            }
            Token::Question | Token::CustomBinaryOperator(_) => {
                let message = format!("`{}` in a pattern is more than this SQL has", token.token);
                let hint =
                    "put a blank between `+` or `*` and what follows; as few rows as possible can be said by `@do match a+? then b …`";
                return Err(Box::new(places.error(codes::PATTERN, places.span(token.span), message).hint(hint)));
            }
            // The parser knows it in capitals only.
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("permute") && opens(tokens, i + 1) => {
                let capitals = Word { value: "PERMUTE".to_owned(), ..w.clone() };
                prepared.push(TokenWithSpan { token: Token::Word(capitals), span: token.span });
            }
            _ => prepared.push(token.clone()),
        }
    }
    let mut next = pattern_end;
    if super::text::word(tokens, next).as_deref() == Some("within") {
        let define = (next..end).find(|&i| super::text::word(tokens, i).as_deref() == Some("define")).unwrap_or(end);
        let span = tokens[next].span;
        let word = |value: &str, quote_style, keyword| Token::Word(Word { value: value.to_owned(), quote_style, keyword });
        let mut push = |token| prepared.push(TokenWithSpan { token, span });
        push(word("define", None, Keyword::DEFINE));
        push(word(WITHIN, Some('"'), Keyword::NoKeyword));
        push(word("as", None, Keyword::AS));
        prepared.extend_from_slice(&tokens[next + 1..define]);
        if define < end {
            prepared.push(TokenWithSpan { token: Token::Comma, span });
        }
        next = (define + 1).min(end);
        if define >= end {
            prepared.push(TokenWithSpan { token: Token::RParen, span });
            return Ok(end);
        }
    }
    prepared.extend_from_slice(&tokens[next..end]);
    Ok(end)
}

fn opens(tokens: &[TokenWithSpan], at: usize) -> bool {
    tokens.get(at).is_some_and(|t| t.token == Token::LParen)
}

/// The place behind the bracket that closes the one here; the end where none does.
fn closing(tokens: &[TokenWithSpan], at: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}
