//! `@then` lines: what must hold after a step.

use super::{
    cursor::{Cursor, Parse},
    stop::Stop,
};
use crate::{
    ast::{Expectation, Otherwise, Spanned},
    codes,
    suggest::did_you_mean,
    syntax::SyntaxKind::*,
};

const CHOICES: [&str; 4] = ["reject", "tag", "alert", "fail"];

impl Cursor<'_, '_> {
    /// What comes after `@then`, up to the end of the line.
    pub(crate) fn expectation(&mut self) -> Parse<Spanned<Expectation>> {
        let start = self.place();
        let found = if self.words(&["share", "of"]) {
            self.share()?
        } else if self.word(0, "at") && self.kind(1) == Some(IDENT) && !self.word(1, "time") {
            self.volume()?
        } else {
            let expr = self.expr("a condition after `@then`", &[Stop::Otherwise])?;
            Expectation::Row { expr, otherwise: self.otherwise(Otherwise::Reject)? }
        };
        self.expect_end()?;
        Ok(Spanned::new(found, self.since(start)))
    }

    /// `share of <expr> < 1% over 10m otherwise alert`.
    fn share(&mut self) -> Parse<Expectation> {
        self.keywords(2);
        // The comparison belongs to the share, not to the expression: it is the last one before `over`.
        let Some((operator, percent)) = self.share_bound() else {
            let d = self
                .out
                .error(codes::EXPECTATION, self.rest(), "a share is compared with a bound over a window")
                .hint("write for example `share of email is null < 1% over 10m otherwise alert`");
            return self.fail(d);
        };
        let bound = self.nth(operator).map_or(self.last_end, |t| t.start);
        let expr = self.expr("a condition after `share of`", &[Stop::At(bound)])?;
        let op = self.text(0).to_owned();
        self.bump();
        let number = self.text(0);
        let span = self.here();
        let bound = number.replace('_', "").parse::<f64>().ok().map(|n| if percent { n / 100.0 } else { n });
        self.bump();
        if percent {
            self.bump();
        }
        let bound = match bound {
            Some(bound) if (0.0..=1.0).contains(&bound) => bound,
            _ => {
                let message = format!("a share lies between 0% and 100%, found `{number}`");
                let d = self.out.error(codes::EXPECTATION, span, message).hint(format!("write `{number}%` for a percentage"));
                return self.fail(d);
            }
        };
        let over = self.node(CLAUSE, |c| {
            c.keywords(1);
            c.positive_duration("the window of the share")
        })?;
        let otherwise = self.otherwise_for_windows("a share")?;
        Ok(Expectation::Share { expr, op, bound, over, otherwise })
    }

    /// How many tokens from here the bound's operator stands, and whether it is a percentage.
    fn share_bound(&self) -> Option<(usize, bool)> {
        let mut n = 0;
        let mut depth = 0_usize;
        loop {
            self.kind(n)?;
            if self.punct(n, "(") {
                depth += 1;
            } else if self.punct(n, ")") {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && self.word(n, "over") && self.kind(n + 1) == Some(NUMBER) {
                break;
            }
            n += 1;
        }
        let percent = n.checked_sub(1).is_some_and(|i| self.punct(i, "%"));
        let number = n.checked_sub(if percent { 2 } else { 1 })?;
        let operator = number.checked_sub(1)?;
        let compares = ["<", "<=", ">", ">="].iter().any(|op| self.punct(operator, op));
        (compares && self.kind(number) == Some(NUMBER)).then_some((operator, percent))
    }

    /// `at least 1000 rows per 1h otherwise alert`.
    fn volume(&mut self) -> Parse<Expectation> {
        self.keywords(1);
        let at_least = self.word(0, "least");
        if !at_least && !self.word(0, "most") {
            let d = self.expected_words(&["least", "most"]);
            return self.fail(d);
        }
        self.keywords(1);
        let rows = self.count("how many rows")?.value;
        if !(self.word(0, "rows") || self.word(0, "row")) {
            let d = self.expected_words(&["rows"]);
            return self.fail(d);
        }
        self.keywords(1);
        if !self.word(0, "per") {
            let d = self.expected("`per` and a duration").hint("write for example `at least 1000 rows per 1h`");
            return self.fail(d);
        }
        let per = self.node(CLAUSE, |c| {
            c.keywords(1);
            c.positive_duration("the window of the count")
        })?;
        let otherwise = self.otherwise_for_windows("a number of rows")?;
        Ok(Expectation::Volume { at_least, rows, per, otherwise })
    }

    /// What is known only when a window is over cannot change its rows.
    fn otherwise_for_windows(&mut self, what: &str) -> Parse<Otherwise> {
        let span = self.rest();
        let found = self.otherwise(Otherwise::Alert)?;
        if matches!(found, Otherwise::Alert | Otherwise::Fail) {
            return Ok(found);
        }
        let d = self
            .out
            .error(codes::OTHERWISE, span, format!("{what} is known only when its window is over: its rows have gone on"))
            .hint("write `otherwise alert` or `otherwise fail`");
        self.fail(d)
    }

    /// `otherwise reject | tag <name> | alert | fail`.
    fn otherwise(&mut self, default: Otherwise) -> Parse<Otherwise> {
        if self.done() {
            return Ok(default);
        }
        if !self.word(0, "otherwise") {
            return self.no_such_clause(&["otherwise"]);
        }
        self.node(CLAUSE, |c| {
            c.keywords(1);
            let choice = CHOICES.into_iter().find(|w| c.word(0, w));
            if choice.is_some() {
                c.keywords(1);
            }
            match choice {
                Some("reject") => Ok(Otherwise::Reject),
                Some("alert") => Ok(Otherwise::Alert),
                Some("fail") => Ok(Otherwise::Fail),
                Some(_) => Ok(Otherwise::Tag(c.name("the name of the tag's column", false)?)),
                None => {
                    let d =
                        c.error_here(codes::OTHERWISE, format!("expected `reject`, `tag <name>`, `alert` or `fail`, found {}", c.found()));
                    let habits = [
                        ("drop", "reject"),
                        ("discard", "reject"),
                        ("quarantine", "reject"),
                        ("warn", "alert"),
                        ("stop", "fail"),
                        ("abort", "fail"),
                    ];
                    let habit = habits.iter().find(|(word, _)| c.word(0, word)).map(|(_, meant)| format!("write `otherwise {meant}`"));
                    match habit.or_else(|| did_you_mean(c.text(0), CHOICES)) {
                        Some(hint) => c.fail(d.hint(hint)),
                        None => c.fail(d),
                    }
                }
            }
        })
    }
}
