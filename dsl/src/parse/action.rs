//! `@do` lines: one verb each.

use super::{
    cursor::{Cursor, Parse, quote},
    stop::Stop,
};
use crate::{
    ast::{Action, Name, Privacy, Span, Spanned, SplitArm, Sql, Unnest},
    codes,
    suggest::did_you_mean,
    syntax::SyntaxKind::*,
};
use std::collections::HashMap;

/// All verbs, for messages.
pub(crate) const VERBS: [&str; 33] = [
    "set",
    "select",
    "drop",
    "rename",
    "keep",
    "unnest",
    "union",
    "split",
    "aggregate",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "semi",
    "anti",
    "top",
    "rank",
    "deduplicate",
    "mask",
    "hash",
    "tokenise",
    "truncate",
    "redact",
    "encrypt",
    "decrypt",
    "sql",
    "match",
    "iterate",
    "call",
    "lag",
    "lead",
    "running",
];

/// What people write for a verb, and how it is said here.
const VERB_HABITS: [(&str, &str); 33] = [
    ("filter", "filter with `@when …` before the step's actions, or with `@do keep …` between them"),
    ("where", "filter with `@when …` before the step's actions, or with `@do keep …` between them"),
    ("having", "write `having …` at the end of `@do aggregate …`, or `@do keep …` after it"),
    ("group", "write `@do aggregate … by …`"),
    ("groupby", "write `@do aggregate … by …`"),
    ("count", "write `@do aggregate n = count(*) by …`"),
    ("sum", "write `@do aggregate total = sum(…) by …`"),
    ("avg", "write `@do aggregate mean = avg(…) by …`"),
    ("map", "write `@do set name = expression`"),
    ("let", "write `@do set name = expression`"),
    ("add", "write `@do set name = expression`"),
    ("compute", "write `@do set name = expression`"),
    ("update", "write `@do set name = expression`"),
    ("transform", "write `@do set name = expression`"),
    ("project", "write `@do select …`"),
    ("delete", "write `@do drop column` for columns and `@do keep condition` for rows"),
    ("remove", "write `@do drop column`"),
    ("explode", "write `@do unnest column`"),
    ("flatten", "write `@do unnest column`"),
    ("distinct", "write `@do deduplicate by …`"),
    ("dedup", "write `@do deduplicate by …`"),
    ("sort", "order matters only in `@do top n by …` and `@do deduplicate … order by …`"),
    ("order", "order matters only in `@do top n by …` and `@do deduplicate … order by …`"),
    ("limit", "write `@do top n by …`"),
    ("lookup", "write `@do join <source> on …`"),
    ("enrich", "write `@do join <source> on …`"),
    ("route", "write `@do split port when condition, rest otherwise`"),
    ("window", "a window is part of an aggregate: `@do aggregate … in tumbling(1m)`"),
    ("tokenize", "write `@do tokenise …`"),
    ("match_recognize", "write `@do match a then b where a is …, b is …`"),
    ("recursive", "write `@do iterate`, and after it the lines of one round"),
    ("loop", "write `@do iterate`, and after it the lines of one round"),
    ("pattern", "write `@do match a then b where a is …, b is …`"),
];

const AGGREGATE_WORDS: [&str; 6] = ["by", "in", "having", "emit", "allowed", "keep"];

impl Cursor<'_, '_> {
    /// What comes after `@do`, up to the end of the line.
    pub(crate) fn action(&mut self) -> Parse<Spanned<Action>> {
        let start = self.place();
        if self.kind(0) != Some(IDENT) {
            let mut d = self.error_here(codes::VERB, format!("expected a verb after `@do`, found {}", self.found()));
            if self.done() {
                d = d.hint("for example `@do set total = amount * 2`");
            }
            return self.fail(d);
        }
        let verb = Spanned::new(self.text(0).to_ascii_lowercase(), self.here());
        let action = match verb.value.as_str() {
            "set" => {
                self.keywords(1);
                let items = self.named_exprs("an expression", &[])?;
                self.all_named(&items, "@do set name = expression")?;
                Action::Set(items)
            }
            "select" => {
                self.keywords(1);
                Action::Select(self.named_exprs("a column or an expression", &[])?)
            }
            "drop" => {
                self.keywords(1);
                Action::Drop(self.names("a column", true)?)
            }
            "rename" => {
                self.keywords(1);
                self.rename()?
            }
            "keep" => {
                self.keywords(1);
                Action::Keep(self.expr("a condition after `keep`", &[])?)
            }
            "unnest" => {
                self.keywords(1);
                self.unnest()?
            }
            "union" => {
                self.keywords(1);
                Action::Union(self.names("a source or a step", true)?)
            }
            "split" => {
                self.keywords(1);
                self.split()?
            }
            "aggregate" => {
                self.keywords(1);
                Action::Aggregate(self.aggregate()?)
            }
            "join" | "inner" | "left" | "right" | "full" | "semi" | "anti" | "cross" | "outer" => Action::Join(self.join()?),
            "top" | "rank" => Action::Top(self.top()?),
            "deduplicate" => {
                self.keywords(1);
                Action::Deduplicate(self.deduplicate()?)
            }
            "mask" | "hash" | "tokenise" | "truncate" | "redact" | "encrypt" | "decrypt" => {
                self.keywords(1);
                let columns = self.names("a column", true)?;
                let with = if self.word(0, "with") {
                    self.node(CLAUSE, |c| {
                        c.keywords(1);
                        c.raw_rest("a method after `with`").map(Some)
                    })?
                } else {
                    None
                };
                Action::Privacy(Privacy { verb, columns, with })
            }
            "sql" => {
                self.keywords(1);
                self.sql()?
            }
            "lag" | "lead" => Action::Neighbours(self.neighbours()?),
            "running" => {
                self.keywords(1);
                Action::Running(self.running()?)
            }
            "match" => {
                self.keywords(1);
                Action::Match(Box::new(self.match_rows()?))
            }
            "iterate" => {
                self.keywords(1);
                Action::Iterate(self.iterate()?)
            }
            "call" => {
                self.keywords(1);
                let text = self.raw_rest(&format!("what to {}", verb.value))?;
                Action::Other { verb, text }
            }
            _ => return self.no_verb(&verb),
        };
        if !self.done() {
            let words: &[&str] = match &action {
                Action::Privacy(_) => &["with"],
                Action::Join(_) => &["in", "within", "as", "keep"],
                Action::Aggregate(_) => &AGGREGATE_WORDS,
                Action::Top(_) => &["per", "with", "in", "as", "keep"],
                Action::Deduplicate(_) => &["keep", "order", "within"],
                Action::Neighbours(_) => &["by", "per", "order", "in", "keep"],
                Action::Running(_) => &["per", "order", "within", "in", "keep"],
                Action::Match(_) => &super::pattern::MATCH_WORDS,
                Action::Iterate(_) => &super::iterate::ITERATE_WORDS,
                Action::Unnest(_) => &["as", "with", "keep"],
                _ => {
                    self.expect_end()?;
                    &[]
                }
            };
            return self.no_such_clause(words);
        }
        Ok(Spanned::new(action, self.since(start)))
    }

    fn no_verb<T>(&mut self, verb: &Name) -> Parse<T> {
        let d = self.error_here(codes::VERB, format!("`{}` is not a verb", self.text(0)));
        let habit = VERB_HABITS.iter().find(|(word, _)| *word == verb.value).map(|(_, hint)| (*hint).to_owned());
        let looks_like_set = self.punct(1, "=").then(|| format!("write `@do set {} = …`", self.text(0)));
        let hint = habit
            .or_else(|| did_you_mean(&verb.value, VERBS))
            .or(looks_like_set)
            .unwrap_or_else(|| "verbs are for example set, select, keep, aggregate, join, union, split, unnest, drop, rename".into());
        self.fail(d.hint(hint))
    }

    fn rename(&mut self) -> Parse<Action> {
        let mut pairs = Vec::new();
        loop {
            let pair = self.node(ITEM, |c| {
                let old = c.name("a column", true)?;
                if c.word(0, "as") || c.punct(0, "=") || c.punct(0, "->") {
                    let d = c.error_here(codes::OTHER_LANGUAGE, format!("expected `to`, found {}", c.found())).hint(format!(
                        "write `rename {} to {}`",
                        old.value,
                        c.text(1)
                    ));
                    return c.fail(d);
                }
                c.expect_word("to")?;
                let new = c.name("the new name", false)?;
                Ok((old, new))
            })?;
            pairs.push(pair);
            if !self.eat(",") {
                return Ok(Action::Rename(pairs));
            }
        }
    }

    fn unnest(&mut self) -> Parse<Action> {
        let column = self.name("a list column", true)?;
        let mut unnest = Unnest { column, alias: None, ordinality: None, keep_empty: false };
        loop {
            if self.word(0, "as") {
                self.once(&unnest.alias, "as")?;
                unnest.alias = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.name("a name after `as`", false)
                })?);
            } else if self.word(0, "with") {
                self.once(&unnest.ordinality, "with ordinality")?;
                unnest.ordinality = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.expect_word("ordinality")?;
                    c.expect_word("as")?;
                    c.name("a name for the counting column", false)
                })?);
            } else if self.word(0, "keep") {
                self.once(&unnest.keep_empty.then_some(()), "keep empty")?;
                self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.expect_word("empty")
                })?;
                unnest.keep_empty = true;
            } else {
                return Ok(Action::Unnest(unnest));
            }
        }
    }

    fn split(&mut self) -> Parse<Action> {
        let mut arms: Vec<SplitArm> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let arm = self.node(ITEM, |c| {
                let port = c.name("the name of an output", false)?;
                if let Some(first) = seen.insert(port.value.clone(), port.span) {
                    let d = c.out.error(codes::DUPLICATE_NAME, port.span, format!("`{}` is the name of two outputs", port.value)).related(
                        c.out.file,
                        first,
                        "it is first used here",
                    );
                    return c.fail(d);
                }
                if c.eat_word("otherwise") {
                    return Ok(SplitArm { port, when: None });
                }
                if !c.word(0, "when") {
                    let d = c.expected_words(&["when", "otherwise"]);
                    return c.fail(d);
                }
                c.keywords(1);
                let when = c.expr("a condition after `when`", &[Stop::Comma])?;
                Ok(SplitArm { port, when: Some(when) })
            })?;
            let last = arm.when.is_none();
            arms.push(arm);
            if !self.punct(0, ",") {
                return Ok(Action::Split(arms));
            }
            if last {
                let d = self
                    .error_here(codes::TRAILING, "nothing can follow the `otherwise` output")
                    .hint("move it to the end: the first condition that holds wins");
                return self.fail(d);
            }
            self.bump();
        }
    }

    /// `sql """ … """ [keep …]`: the text between the quotes.
    fn sql(&mut self) -> Parse<Action> {
        let span = self.here();
        if self.kind(0) != Some(TRIPLE_STRING) {
            let d =
                self.expected("`\"\"\"` and a query").hint(format!("write `sql \"\"\"{} …\"\"\"`", quote(self.text(0)).trim_matches('`')));
            return self.fail(d);
        }
        let text = self.text(0);
        let inner = text.get(3..text.len().saturating_sub(3)).unwrap_or("").to_owned();
        let place = Span::new(span.start as usize + 3, (span.end as usize).saturating_sub(3));
        self.bump();
        if inner.trim().is_empty() {
            let d = self.out.error(codes::EXPRESSION_MISSING, span, "the query is empty").hint("write a `select`");
            return self.fail(d);
        }
        let mut sql = Sql { text: Spanned::new(inner, place), keep_state: None };
        while !self.done() {
            if !Stop::Keep.begins(self) {
                return self.no_such_clause(&["keep"]);
            }
            self.once(&sql.keep_state, "keep")?;
            sql.keep_state = Some(self.keep_state()?);
        }
        Ok(Action::Sql(sql))
    }
}
