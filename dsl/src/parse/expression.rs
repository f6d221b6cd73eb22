//! Expressions: found, not parsed.
//!
//! SQL's own grammar belongs to the planner. Here an expression ends at depth 0 of its brackets and of `case … end`: at a comma (in lists),
//! at a word that begins one of the clauses that may follow, or at the end of the line. What can be seen without SQL's grammar is said
//! here already, because it can be said better: unbalanced brackets, a mistyped clause word, a habit of another language.

use super::{
    cursor::{Cursor, Parse, Reported},
    lexer::Token,
    stop::Stop,
};
use crate::{
    ast::{Expr, NamedExpr, Span, Spanned},
    codes,
    suggest::closest,
    syntax::SyntaxKind::*,
};

/// Deepest nesting of brackets in an expression.
pub(crate) const MAX_NESTING: usize = 64;

/// Words of SQL after which an operand is still to come, or which themselves may follow an operand.
const SQL_WORDS: [&str; 45] = [
    "and",
    "or",
    "not",
    "is",
    "in",
    "like",
    "ilike",
    "similar",
    "between",
    "as",
    "collate",
    "at",
    "filter",
    "over",
    "within",
    "then",
    "else",
    "when",
    "end",
    "asc",
    "desc",
    "nulls",
    "first",
    "last",
    "escape",
    "overlaps",
    "isnull",
    "notnull",
    "to",
    "distinct",
    "precision",
    "varying",
    "zone",
    "with",
    "without",
    "time",
    "respect",
    "ignore",
    "day",
    "hour",
    "minute",
    "second",
    "month",
    "year",
    "div",
];

/// Words after an operand that belong to a query, and how it is said here.
const QUERY_WORDS: [(&str, &str); 10] = [
    ("where", "filter rows with `@when …` before the step's actions, or with `@do keep …` between them"),
    ("group", "write `by` where SQL writes `group by`"),
    ("order", "order matters only in `@do top n by …` and `@do deduplicate … order by …`"),
    ("limit", "write `@do top n by …`"),
    ("from", "a step says what it reads with `from=` in its `@step(…)`"),
    ("select", "a query stands in `@do sql \"\"\"…\"\"\"`"),
    ("join", "a join is a line of its own: `@do join <input> on …`"),
    ("union", "a union is a line of its own: `@do union <input>`"),
    ("window", "a window is written `in tumbling(1m)`"),
    ("partition", "groups are written `per …` (top) or `by …`"),
];

impl Cursor<'_, '_> {
    /// An expression up to one of the stops. `what` names it in messages: "a condition after `having`".
    pub(crate) fn expr(&mut self, what: &str, stops: &[Stop]) -> Parse<Expr> {
        let start = self.place();
        let mut value = String::new();
        self.node(EXPR, |c| c.expr_tokens(what, stops, &mut value))?;
        Ok(Spanned::new(value, self.since(start)))
    }

    fn expr_tokens(&mut self, what: &str, stops: &[Stop], value: &mut String) -> Parse<()> {
        let mut open: Vec<Token> = Vec::new();
        let mut cases: Vec<Token> = Vec::new();
        let mut previous: Option<Token> = None;
        while let Some(token) = self.nth(0) {
            let dotted = self.before().is_some_and(|b| b.end == token.start && &self.out.text[b.start..b.end] == ".") && previous.is_some();
            let level = open.is_empty() && cases.is_empty();
            if level && !dotted && (previous.is_some() || self.punct(0, ",")) && stops.iter().any(|s| s.begins(self)) {
                break;
            }
            // A clause right away: the expression is missing.
            if previous.is_none() && stops.iter().any(|s| s.begins(self)) && !self.could_be_column() {
                break;
            }
            match token.kind {
                PUNCT => self.bracket(token, &mut open)?,
                IDENT if !dotted => {
                    if self.word(0, "case") {
                        cases.push(token);
                    } else if self.word(0, "end") {
                        cases.pop();
                    } else if level && previous.is_some_and(|p| self.is_operand(p)) {
                        self.juxtaposed(stops)?;
                    }
                }
                TRIPLE_STRING => {
                    let d = self
                        .error_here(codes::EXPECTED, "a `\"\"\"` text cannot stand in an expression")
                        .hint("texts stand in single quotes");
                    return self.fail(d);
                }
                _ => {}
            }
            if let Some(previous) = previous {
                self.gap(previous.end, token.start, value);
            }
            value.push_str(self.text(0));
            previous = Some(token);
            self.bump();
        }
        if let Some(opened) = open.first() {
            let text = &self.out.text[opened.start..opened.end];
            let d = self
                .out
                .error(codes::UNCLOSED_BRACKET, Span::new(opened.start, opened.end), format!("this `{text}` is not closed"))
                .hint(format!("close it with `{}`", closing(text)));
            return self.fail(d);
        }
        if let Some(case) = cases.first() {
            let d = self
                .out
                .error(codes::UNCLOSED_BRACKET, Span::new(case.start, case.end), "this `case` has no `end`")
                .hint("write `case when … then … else … end`");
            return self.fail(d);
        }
        if previous.is_none() {
            let message = format!("expected {what}, found {}", self.found());
            let d = self.error_here(codes::EXPRESSION_MISSING, message);
            return self.fail(d);
        }
        Ok(())
    }

    /// Whether the next word, though it could begin a clause, stands where only a column can.
    fn could_be_column(&self) -> bool {
        self.kind(0) == Some(IDENT) && (self.kind(1).is_none() || (self.kind(1) == Some(PUNCT) && !self.punct(1, "(")))
    }

    fn bracket(&mut self, token: Token, open: &mut Vec<Token>) -> Parse<()> {
        let text = self.text(0);
        match text {
            "(" | "[" | "{" => {
                if open.len() >= MAX_NESTING {
                    let d = self
                        .error_here(codes::NESTED_TOO_DEEP, format!("brackets are nested more than {MAX_NESTING} deep"))
                        .hint("compute parts of it in lines before: `@do set part = …`");
                    return self.fail(d);
                }
                open.push(token);
            }
            ")" | "]" | "}" => match open.pop() {
                Some(opened) if closing(&self.out.text[opened.start..opened.end]) == text => {}
                Some(opened) => {
                    let was = &self.out.text[opened.start..opened.end];
                    let d = self.error_here(codes::UNMATCHED_BRACKET, format!("expected `{}`, found `{text}`", closing(was))).related(
                        self.out.file,
                        Span::new(opened.start, opened.end),
                        format!("`{was}` is opened here"),
                    );
                    return self.fail(d);
                }
                None => {
                    let d = self
                        .error_here(codes::UNMATCHED_BRACKET, format!("this `{text}` closes nothing"))
                        .hint("remove it, or open it where it belongs");
                    return self.fail(d);
                }
            },
            "==" => return self.habit("compare with `=`, not `==`", "write `=`"),
            "&&" => return self.habit("`&&` is not an operator here", "write `and`"),
            "=>" => return self.habit("`=>` is not an operator here", "write `>=` to compare"),
            ";" => return self.habit("a line does not end with `;`", "remove the `;`"),
            "@" => return self.habit("`@` cannot stand in an expression", "begin a new line for `@when`, `@do`, `@then`"),
            "`" => return self.habit("names are not quoted with backticks", "quote names with `\"`"),
            "," if open.is_empty() => {
                let d = self.error_here(codes::TRAILING, "this `,` does not separate anything").hint("use `and` to join conditions");
                return self.fail(d);
            }
            _ => {}
        }
        Ok(())
    }

    fn habit<T>(&mut self, message: &str, hint: &str) -> Parse<T> {
        let d = self.error_here(codes::OTHER_LANGUAGE, message).hint(hint);
        self.fail(d)
    }

    /// Whether a token ends an operand, so that a bare word after it must be an operator or a clause.
    fn is_operand(&self, token: Token) -> bool {
        let text = &self.out.text[token.start..token.end];
        match token.kind {
            NUMBER | STRING | SQL_STRING | VARIABLE => true,
            PUNCT => text == ")" || text == "]",
            IDENT => {
                !SQL_WORDS.iter().any(|w| w.eq_ignore_ascii_case(text))
                    && !["any", "all", "some", "exists", "double", "character", "timestamp", "interval", "date"]
                        .iter()
                        .any(|w| w.eq_ignore_ascii_case(text))
            }
            _ => false,
        }
    }

    /// A bare word after an operand: an operator of SQL, or a mistake.
    fn juxtaposed(&mut self, stops: &[Stop]) -> Result<(), Reported> {
        let word = self.text(0);
        if SQL_WORDS.iter().any(|w| w.eq_ignore_ascii_case(word)) {
            return Ok(());
        }
        if let Some((_, hint)) = QUERY_WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)) {
            return self.habit(&format!("`{word}` is not part of an expression here"), hint);
        }
        if let Some(stop) = stops.iter().find(|s| !s.word().is_empty() && s.word().eq_ignore_ascii_case(word)) {
            let d = self
                .error_here(codes::EXPECTED, format!("`{word}` is not followed by what it needs"))
                .hint(format!("write {}", stop.usage()));
            return self.fail(d);
        }
        let clauses = stops.iter().map(|s| s.word()).filter(|w| !w.is_empty());
        let operators = ["and", "or", "is", "in", "like", "between", "not"];
        let d = self.error_here(codes::EXPECTED, format!("expected an operator or a clause, found `{word}`"));
        let d = match closest(word, clauses.chain(operators)) {
            Some(meant) => d.hint(format!("did you mean `{meant}`?")),
            None => d.hint("texts stand in single quotes: 'like this'"),
        };
        self.fail(d)
    }

    /// Copies the blanks between two tokens, and blanks out comments: `#` is an operator for SQL, and offsets stay as they are.
    fn gap(&self, from: usize, to: usize, value: &mut String) {
        let mut comment = false;
        for c in self.out.text[from..to].chars() {
            comment = (comment || c == '#') && c != '\n';
            if comment {
                value.extend(std::iter::repeat_n(' ', c.len_utf8()));
            } else {
                value.push(c);
            }
        }
    }

    /// `name = expr`, `expr as name`, or `expr`. `stops` tell where the whole item ends; `as` among them begins a clause of the line.
    pub(crate) fn named_expr(&mut self, what: &str, stops: &[Stop]) -> Parse<NamedExpr> {
        let mut inner: Vec<Stop> = Vec::with_capacity(stops.len() + 1);
        inner.extend_from_slice(stops);
        inner.push(Stop::As);
        self.node(ITEM, |c| {
            let name = if c.begins_with_name_and_equals() {
                let name = c.name("a name", false)?;
                c.bump();
                Some(name)
            } else {
                None
            };
            let expr = c.expr(what, &inner)?;
            if stops.contains(&Stop::As) || !Stop::As.begins(c) {
                return Ok(NamedExpr { name, expr });
            }
            if let Some(name) = name {
                let d = c
                    .error_here(codes::CLAUSE_TWICE, format!("this column is called `{}` already", name.value))
                    .hint("write either `name = …` or `… as name`");
                return c.fail(d);
            }
            c.keywords(1);
            let name = c.name("a name after `as`", false)?;
            Ok(NamedExpr { name: Some(name), expr })
        })
    }

    fn begins_with_name_and_equals(&self) -> bool {
        let mut n = match self.kind(0) {
            Some(IDENT | STRING | VARIABLE) => 1,
            _ => return false,
        };
        while matches!(self.kind(n), Some(IDENT | VARIABLE | NUMBER)) && self.glued(n) {
            n += 1;
        }
        self.punct(n, "=")
    }

    /// Named expressions with commas between them.
    pub(crate) fn named_exprs(&mut self, what: &str, stops: &[Stop]) -> Parse<Vec<NamedExpr>> {
        let mut inner: Vec<Stop> = Vec::with_capacity(stops.len() + 1);
        inner.push(Stop::Comma);
        inner.extend_from_slice(stops);
        let mut items = vec![self.named_expr(what, &inner)?];
        while self.eat(",") {
            items.push(self.named_expr(what, &inner)?);
        }
        Ok(items)
    }

    /// Names that must have been given: `set` and `aggregate` make columns.
    pub(crate) fn all_named(&mut self, items: &[NamedExpr], example: &str) -> Parse<()> {
        for item in items {
            if item.name.is_none() {
                let d = self.out.error(codes::OUTPUT_NAME, item.expr.span, "this column has no name").hint(format!("write `{example}`"));
                return self.fail(d);
            }
        }
        Ok(())
    }

    /// Everything up to the end of the line, as written (comments blanked).
    pub(crate) fn raw_rest(&mut self, what: &str) -> Parse<Spanned<String>> {
        let start = self.place();
        if self.done() {
            let d = self.expected(what);
            return self.fail(d);
        }
        let mut value = String::new();
        self.node(EXPR, |c| {
            let mut end = start;
            while let Some(token) = c.nth(0) {
                c.gap(end, token.start, &mut value);
                value.push_str(c.text(0));
                end = token.end;
                c.bump();
            }
        });
        Ok(Spanned::new(value, self.since(start)))
    }
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}
