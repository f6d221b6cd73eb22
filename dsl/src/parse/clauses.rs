//! Clauses that several actions share: keys and orders, windows, when results go out, how long state is kept.

use super::{
    cursor::{Cursor, Parse},
    stop::Stop,
};
use crate::{
    ast::{Duration, Emit, Expr, NamedExpr, Retention, Spanned, TimeDomain, Window, WindowShape},
    codes,
    suggest::{did_you_mean, list_of},
    syntax::SyntaxKind::*,
};

const SHAPES: [&str; 4] = ["tumbling", "hopping", "session", "cumulating"];

impl Cursor<'_, '_> {
    /// Refuses a clause that has been given before.
    pub(crate) fn once<T>(&mut self, slot: &Option<T>, clause: &str) -> Parse<()> {
        if slot.is_none() {
            return Ok(());
        }
        let d = self.error_here(codes::CLAUSE_TWICE, format!("`{clause}` is given twice"));
        self.fail(d)
    }

    /// `per a, b`, from `per` on.
    pub(crate) fn per(&mut self, stops: &[Stop]) -> Parse<Vec<NamedExpr>> {
        self.node(CLAUSE, |c| {
            c.keywords(1);
            c.named_exprs("a column after `per`", stops)
        })
    }

    /// `order by a desc, b`, from `order` on.
    pub(crate) fn order_by(&mut self, stops: &[Stop]) -> Parse<Expr> {
        self.node(CLAUSE, |c| {
            c.keywords(2);
            c.order(stops)
        })
    }

    /// `in tumbling(1m) [offset 5m] [on <column> | on processing time]`, from `in` on.
    pub(crate) fn in_window(&mut self) -> Parse<Spanned<Window>> {
        self.node(CLAUSE, |c| {
            c.keywords(1);
            let start = c.place();
            let shape = c.window_shape()?;
            let offset = if c.eat_word("offset") { Some(c.duration("the offset")?) } else { None };
            let on = if c.word(0, "on") {
                c.keywords(1);
                Some(c.time_domain("a column or `processing time` after `on`")?)
            } else {
                None
            };
            Ok(Spanned::new(Window { shape, offset, on }, c.since(start)))
        })
    }

    fn window_shape(&mut self) -> Parse<WindowShape> {
        let shape = self.text(0);
        let Some(shape) = SHAPES.into_iter().find(|s| self.kind(0) == Some(IDENT) && s.eq_ignore_ascii_case(shape)) else {
            let habits =
                [("sliding", "hopping"), ("hop", "hopping"), ("tumble", "tumbling"), ("slide", "hopping"), ("cumulate", "cumulating")];
            let d = self.error_here(codes::WINDOW, format!("expected a window, found {}", self.found()));
            let hint = habits
                .iter()
                .find(|(habit, _)| habit.eq_ignore_ascii_case(shape))
                .map(|(_, meant)| format!("did you mean `{meant}`?"))
                .or_else(|| did_you_mean(shape, SHAPES))
                .unwrap_or_else(|| "write for example `in tumbling(1m)`; there are tumbling, hopping, session and cumulating".into());
            return self.fail(d.hint(hint));
        };
        self.keywords(1);
        if !self.punct(0, "(") {
            let example = if self.kind(0) == Some(NUMBER) { format!("{shape}({})", self.text(0)) } else { format!("{shape}(1m)") };
            let d = self
                .error_here(codes::WINDOW, format!("expected `(` after `{shape}`, found {}", self.found()))
                .hint(format!("write `in {example}`"));
            return self.fail(d);
        }
        let open = self.here();
        self.bump();
        let written = self.text(0);
        let size = self.positive_duration(if shape == "session" { "the gap of the session" } else { "the size of the window" })?;
        let every = match shape {
            "hopping" | "cumulating" => {
                self.eat(",");
                let example = format!("write `{shape}({written}, every …)`");
                if !self.word(0, "every") {
                    let d =
                        self.error_here(codes::WINDOW, format!("expected `every` and a duration, found {}", self.found())).hint(example);
                    return self.fail(d);
                }
                self.keywords(1);
                Some(self.positive_duration("what comes after `every`")?)
            }
            _ => None,
        };
        if !self.eat(")") {
            let d = if self.done() {
                self.out.error(codes::UNCLOSED_BRACKET, open, "this `(` is not closed").hint("close it with `)`")
            } else {
                let hint = match shape {
                    "tumbling" if self.punct(0, ",") => "windows that overlap are written `hopping(size, every slide)`",
                    _ => "close the window with `)`",
                };
                self.error_here(codes::WINDOW, format!("expected `)`, found {}", self.found())).hint(hint)
            };
            return self.fail(d);
        }
        Ok(match (shape, every) {
            ("hopping", Some(every)) => WindowShape::Hopping { size, every },
            ("cumulating", Some(every)) => WindowShape::Cumulating { size, every },
            ("session", _) => WindowShape::Session(size),
            _ => WindowShape::Tumbling(size),
        })
    }

    /// A column (`paid_at`, `orders.at`) or `processing time`.
    pub(crate) fn time_domain(&mut self, what: &str) -> Parse<Spanned<TimeDomain>> {
        let start = self.place();
        if self.words(&["processing", "time"]) {
            self.keywords(2);
            return Ok(Spanned::new(TimeDomain::Processing, self.since(start)));
        }
        let name = self.name(what, true)?;
        Ok(Spanned::new(TimeDomain::Column(name.value), name.span))
    }

    /// `emit …`, from `emit` on.
    pub(crate) fn emit(&mut self) -> Parse<Spanned<Emit>> {
        self.node(CLAUSE, |c| {
            let start = c.place();
            c.keywords(1);
            let early = if c.eat_word("every") {
                Some(c.positive_duration("how often results go out")?)
            } else {
                c.expect_word("on")?;
                if c.eat_word("close") {
                    return Ok(Spanned::new(Emit::OnClose, c.since(start)));
                }
                if !c.eat_word("change") {
                    let d = c.expected_words(&["close", "change"]);
                    return c.fail(d);
                }
                None
            };
            if !c.word(0, "and") {
                return Ok(Spanned::new(early.map_or(Emit::OnChange, Emit::Every), c.since(start)));
            }
            c.keywords(1);
            c.expect_word("on")?;
            c.expect_word("close")?;
            Ok(Spanned::new(Emit::EarlyAndOnClose(early), c.since(start)))
        })
    }

    /// `allowed lateness d`, from `allowed` on.
    pub(crate) fn allowed_lateness(&mut self) -> Parse<Duration> {
        self.node(CLAUSE, |c| {
            c.keywords(2);
            c.duration("the allowed lateness")
        })
    }

    /// `keep state for 7d`, `keep for ever`, from `keep` on.
    pub(crate) fn keep_state(&mut self) -> Parse<Spanned<Retention>> {
        self.node(CLAUSE, |c| {
            let start = c.place();
            c.keywords(1);
            c.eat_word("state");
            if !c.eat_word("for") {
                let kept = if c.kind(0) == Some(NUMBER) { c.text(0) } else { "7d" };
                let d = c.expected("`for` and a duration, or `for ever`").hint(format!("write `keep state for {kept}`"));
                return c.fail(d);
            }
            if c.eat_word("ever") {
                return Ok(Spanned::new(Retention::Forever, c.since(start)));
            }
            let kept = c.positive_duration("how long state is kept (or `ever`)")?;
            Ok(Spanned::new(Retention::For(kept), c.since(start)))
        })
    }

    /// What no clause begins with: said with the clauses that could have stood here.
    pub(crate) fn no_such_clause<T>(&mut self, words: &[&str]) -> Parse<T> {
        let d = self.error_here(codes::TRAILING, format!("expected a clause or the end of the line, found {}", self.found()));
        let hint = did_you_mean(self.text(0), words.iter().copied()).unwrap_or_else(|| format!("here can stand {}", list_of(words)));
        self.fail(d.hint(hint))
    }
}
