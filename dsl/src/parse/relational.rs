//! The actions that see more than one row: aggregates, joins, the first of a group, duplicates.

use super::{
    cursor::{Cursor, Parse},
    stop::Stop,
};
use crate::{
    ast::{Aggregate, Deduplicate, DurationUs, Expr, Join, JoinKind, JoinTime, NamedExpr, Neighbours, Spanned, Top},
    codes,
    suggest::did_you_mean,
    syntax::SyntaxKind::*,
};
use std::collections::HashMap;

const AGGREGATE_STOPS: [Stop; 6] = [Stop::By, Stop::In, Stop::Having, Stop::Emit, Stop::Allowed, Stop::Keep];

impl Cursor<'_, '_> {
    pub(super) fn aggregate(&mut self) -> Parse<Aggregate> {
        let outputs = self.named_exprs("an aggregate like `n = count(*)`", &AGGREGATE_STOPS)?;
        self.all_named(&outputs, "n = count(*)")?;
        let mut found = Aggregate {
            outputs,
            by: Vec::new(),
            grouping_sets: Vec::new(),
            window: None,
            having: None,
            emit: None,
            allowed_lateness: None,
            keep_state: None,
        };
        let mut by = None;
        while !self.done() {
            if Stop::By.begins(self) {
                self.once(&by, "by")?;
                by = Some(());
                self.node(CLAUSE, |c| {
                    c.keywords(1);
                    if c.words(&["grouping", "sets"]) {
                        c.grouping_sets(&mut found)
                    } else {
                        found.by = c.named_exprs("a column to group by", &AGGREGATE_STOPS)?;
                        Ok(())
                    }
                })?;
            } else if Stop::In.begins(self) {
                self.once(&found.window, "in")?;
                found.window = Some(self.in_window()?);
            } else if Stop::Having.begins(self) {
                self.once(&found.having, "having")?;
                found.having = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.expr("a condition after `having`", &AGGREGATE_STOPS)
                })?);
            } else if Stop::Emit.begins(self) {
                self.once(&found.emit, "emit")?;
                found.emit = Some(self.emit()?);
            } else if Stop::Allowed.begins(self) {
                self.once(&found.allowed_lateness, "allowed lateness")?;
                found.allowed_lateness = Some(self.allowed_lateness()?);
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep")?;
                found.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        Ok(found)
    }

    /// `grouping sets ((a, b), (a), ())`.
    fn grouping_sets(&mut self, found: &mut Aggregate) -> Parse<()> {
        self.keywords(2);
        self.expect("(", "before the sets")?;
        let mut keys: HashMap<String, usize> = HashMap::new();
        loop {
            self.expect("(", "before a set of columns")?;
            let mut set = Vec::new();
            while !self.punct(0, ")") {
                let name = self.name("a column", true)?;
                let key = *keys.entry(name.value.clone()).or_insert(found.by.len());
                set.push(key);
                if key == found.by.len() {
                    found.by.push(NamedExpr { name: None, expr: name });
                }
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")", "after a set of columns")?;
            found.grouping_sets.push(set);
            if !self.eat(",") {
                return self.expect(")", "after the sets");
            }
        }
    }

    pub(super) fn join(&mut self) -> Parse<Join> {
        let kinds = [
            ("inner", JoinKind::Inner),
            ("left", JoinKind::Left),
            ("right", JoinKind::Right),
            ("full", JoinKind::Full),
            ("semi", JoinKind::Semi),
            ("anti", JoinKind::Anti),
        ];
        let kind = kinds.iter().find(|(word, _)| self.eat_word(word));
        let (word, kind) = kind.copied().unwrap_or(("inner", JoinKind::Inner));
        if self.word(0, "outer") || self.word(0, "cross") {
            let hint =
                if self.word(0, "cross") { "every join has a condition: `join b on …`".into() } else { format!("write `{word} join`") };
            return self.fail(self.error_here(codes::OTHER_LANGUAGE, format!("`{}` is not written here", self.text(0))).hint(hint));
        }
        self.expect_word("join")?;
        let input = self.name("a source or a step to join", true)?;
        let alias = if self.word(0, "as") && !self.word(1, "of") {
            Some(self.node(CLAUSE, |c| {
                c.keywords(1);
                c.name("a name after `as`", false)
            })?)
        } else {
            None
        };
        if !self.word(0, "on") {
            let d = self.expected("`on` and the join's condition");
            let d = if self.word(0, "using") {
                d.hint(format!("write `on {0}.column = column`", input.value))
            } else {
                d.hint(did_you_mean(self.text(0), ["on", "as"]).unwrap_or_else(|| format!("write `join {} on …`", input.value)))
            };
            return self.fail(d);
        }
        let stops = [Stop::In, Stop::Within, Stop::AsOf, Stop::Keep];
        let on = self.node(CLAUSE, |c| {
            c.keywords(1);
            c.expr("a condition after `on`", &stops)
        })?;
        let mut join = Join { kind, input, alias, on, time: None, keep_state: None };
        while !self.done() {
            if Stop::Keep.begins(self) {
                self.once(&join.keep_state, "keep")?;
                join.keep_state = Some(self.keep_state()?);
                continue;
            }
            let timed = Stop::In.begins(self) || Stop::Within.begins(self) || Stop::AsOf.begins(self);
            if timed && join.time.is_some() {
                let d = self
                    .error_here(codes::CLAUSE_TWICE, "time bounds a join in one way only")
                    .hint("keep one of `in`, `within` and `as of`");
                return self.fail(d);
            }
            if Stop::In.begins(self) {
                let window = self.in_window()?;
                join.time = Some(Spanned::new(JoinTime::Window(window.value), window.span));
            } else if Stop::Within.begins(self) {
                join.time = Some(self.within()?);
            } else if Stop::AsOf.begins(self) {
                join.time = Some(self.node(CLAUSE, |c| {
                    let start = c.place();
                    c.keywords(2);
                    let time = c.time_domain("a column or `processing time` after `as of`")?.value;
                    Ok(Spanned::new(JoinTime::AsOf(time), c.since(start)))
                })?);
            } else {
                break;
            }
        }
        Ok(join)
    }

    /// `within -5s to 10m`, `within 10m` (to both sides).
    fn within(&mut self) -> Parse<Spanned<JoinTime>> {
        self.node(CLAUSE, |c| {
            let start = c.place();
            c.keywords(1);
            let first = c.signed_duration("where the interval begins")?;
            let (from, to) = if c.eat_word("to") {
                (first, c.signed_duration("where the interval ends")?)
            } else {
                match DurationUs(first).reference() {
                    Some((_, false)) => (opposite(first), first),
                    Some((_, true)) => (first, opposite(first)),
                    None => (opposite(first).min(first), first.max(opposite(first))),
                }
            };
            let span = c.since(start);
            let known = [from, to].iter().all(|us| DurationUs(*us).reference().is_none());
            if known && from > to {
                let d = c
                    .out
                    .error(codes::DURATION, span, "the interval ends before it begins")
                    .hint("write the smaller bound first: `within -5s to 10m`");
                return c.fail(d);
            }
            Ok(Spanned::new(JoinTime::Within { from, to }, span))
        })
    }

    fn signed_duration(&mut self, what: &str) -> Parse<i64> {
        let negative = self.eat("-");
        let value = self.duration(what)?.value.0;
        Ok(if negative { opposite(value) } else { value })
    }

    /// `top 3 by price desc per auction …` and `rank position by price desc per auction …`.
    pub(super) fn top(&mut self) -> Parse<Top> {
        let ranks = self.word(0, "rank");
        self.keywords(1);
        let (count, mut rank_as) = if ranks {
            let name = self.name("the name of the rank column", false)?;
            (Spanned::new(u64::MAX, name.span), Some(name))
        } else {
            (self.count("how many rows")?, None)
        };
        if count.value == 0 {
            let d = self.out.error(codes::EXPECTED, count.span, "the first 0 rows are none").hint("write a number from 1 on");
            return self.fail(d);
        }
        let stops = [Stop::Per, Stop::WithTies, Stop::In, Stop::As, Stop::Keep];
        if !self.word(0, "by") {
            let d = self.expected_words(&["by"]);
            return self.fail(d);
        }
        let order = self.node(CLAUSE, |c| {
            c.keywords(1);
            c.order(&stops)
        })?;
        let mut top = Top { count, order, per: Vec::new(), with_ties: false, rank_as: None, window: None, keep_state: None };
        let mut per = None;
        while !self.done() {
            if Stop::Per.begins(self) {
                self.once(&per, "per")?;
                per = Some(());
                top.per = self.per(&stops)?;
            } else if Stop::WithTies.begins(self) {
                self.once(&top.with_ties.then_some(()), "with ties")?;
                self.node(CLAUSE, |c| c.keywords(2));
                top.with_ties = true;
            } else if Stop::As.begins(self) {
                self.once(&rank_as, "as")?;
                rank_as = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.name("the name of the rank column", false)
                })?);
            } else if Stop::In.begins(self) {
                self.once(&top.window, "in")?;
                top.window = Some(self.in_window()?);
            } else if Stop::Keep.begins(self) {
                self.once(&top.keep_state, "keep")?;
                top.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        top.rank_as = rank_as;
        Ok(top)
    }

    /// `lag previous = price by 1 per auction …` and `lead …`.
    pub(super) fn neighbours(&mut self) -> Parse<Neighbours> {
        let ahead = self.word(0, "lead");
        self.keywords(1);
        let stops = [Stop::By, Stop::Per, Stop::OrderBy, Stop::In, Stop::Keep];
        let values = self.named_exprs("what to take of the other row, like `previous = price`", &stops)?;
        self.all_named(&values, if ahead { "next = price" } else { "previous = price" })?;
        let mut found = Neighbours { ahead, values, distance: None, per: Vec::new(), order: None, window: None, keep_state: None };
        let mut per = None;
        while !self.done() {
            if Stop::By.begins(self) {
                self.once(&found.distance, "by")?;
                let distance = self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.count("how many rows away")
                })?;
                if distance.value == 0 {
                    let d =
                        self.out.error(codes::EXPECTED, distance.span, "0 rows away is the row itself").hint("write a number from 1 on");
                    return self.fail(d);
                }
                found.distance = Some(distance);
            } else if Stop::Per.begins(self) {
                self.once(&per, "per")?;
                per = Some(());
                found.per = self.per(&stops)?;
            } else if Stop::OrderBy.begins(self) {
                self.once(&found.order, "order by")?;
                found.order = Some(self.order_by(&stops)?);
            } else if Stop::In.begins(self) {
                self.once(&found.window, "in")?;
                found.window = Some(self.in_window()?);
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep")?;
                found.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        Ok(found)
    }

    /// What rows are ordered by: expressions with `asc`, `desc`, `nulls first`, `nulls last`, and commas between them; one text.
    pub(super) fn order(&mut self, stops: &[Stop]) -> Parse<Expr> {
        let mut inner = vec![Stop::Comma];
        inner.extend_from_slice(stops);
        let start = self.place();
        let mut text = String::new();
        let mut end = start;
        loop {
            let part = self.expr("what to order by", &inner)?;
            text.push_str(&" ".repeat((part.span.start as usize).saturating_sub(end)));
            text.push_str(&part.value);
            end = part.span.end as usize;
            if !self.punct(0, ",") {
                return Ok(Spanned::new(text, self.since(start)));
            }
            text.push_str(&" ".repeat(self.place().saturating_sub(end)));
            text.push(',');
            self.bump();
            end = self.last_end;
        }
    }

    pub(super) fn deduplicate(&mut self) -> Parse<Deduplicate> {
        let stops = [Stop::KeepRow, Stop::Keep, Stop::OrderBy, Stop::Within];
        self.expect_word("by")?;
        let by = self.named_exprs("a key column", &stops)?;
        let mut found = Deduplicate { by, keep_last: false, order: None, within: None, keep_state: None };
        let mut which = None;
        while !self.done() {
            if Stop::KeepRow.begins(self) {
                self.once(&which, "keep first` or `keep last")?;
                which = Some(());
                found.keep_last = self.word(1, "last");
                self.node(CLAUSE, |c| c.keywords(2));
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep state")?;
                found.keep_state = Some(self.keep_state()?);
            } else if Stop::OrderBy.begins(self) {
                self.once(&found.order, "order by")?;
                found.order = Some(self.order_by(&stops)?);
            } else if Stop::Within.begins(self) {
                self.once(&found.within, "within")?;
                found.within = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.positive_duration("the horizon")
                })?);
            } else {
                break;
            }
        }
        Ok(found)
    }
}

/// A span of time into the other direction.
fn opposite(us: i64) -> i64 {
    match DurationUs(us).reference() {
        Some((at, negated)) => DurationUs::of_reference(at, !negated).0,
        None => us.saturating_neg(),
    }
}
