//! `match`: patterns of rows that follow each other, and the clauses around them.

use super::{
    cursor::{Cursor, Parse},
    expression::MAX_NESTING,
    stop::Stop,
};
use crate::{
    ast::{AfterMatch, EventCondition, Gap, Match, Name, Pattern, Span, Spanned},
    codes,
    suggest::{did_you_mean, list_of},
    syntax::SyntaxKind::*,
};
use std::collections::HashMap;

const STOPS: [Stop; 8] = [Stop::Where, Stop::Per, Stop::OrderBy, Stop::Within, Stop::AfterMatch, Stop::WithPartial, Stop::Give, Stop::Keep];
/// The words that the clauses begin with.
pub(super) const MATCH_WORDS: [&str; 8] = ["where", "per", "order by", "within", "after match", "with partial", "give", "keep for ever"];
/// Words of a pattern, which no event is called by.
const PATTERN_WORDS: [&str; 6] = ["then", "followed", "without", "or", "apart", "not"];
/// How often a part of a pattern can be asked for by a number.
const MAX_TIMES: u64 = 1_000;

/// What other languages write between events.
const GAP_HABITS: [(&str, &str); 6] = [
    ("->", "write `then` for the next row, or `followed by` for a later one"),
    (">>", "write `then` for the next row, or `followed by` for a later one"),
    (",", "write `then` for the next row, or `followed by` for a later one"),
    ("next", "write `then`"),
    ("followedby", "write `followed by`"),
    ("and", "write `then` for the next row, or `followed by` for a later one"),
];

impl Cursor<'_, '_> {
    /// What comes after `match`.
    pub(super) fn match_rows(&mut self) -> Parse<Match> {
        let start = self.place();
        let pattern = self.node(PATTERN, |c| c.choice(0))?;
        let ending = if self.word(0, "without") { self.node(CLAUSE, |c| c.without())? } else { Vec::new() };
        self.pattern_ends()?;
        let pattern = Spanned::new(pattern, self.since(start));
        let mut found = Match {
            pattern,
            ending,
            conditions: Vec::new(),
            per: Vec::new(),
            order: None,
            within: None,
            after: None,
            partial: None,
            give: Vec::new(),
            keep_state: None,
        };
        let (mut conditions, mut per, mut give) = (None, None, None);
        while !self.done() {
            if Stop::Where.begins(self) {
                self.once(&conditions, "where")?;
                conditions = Some(());
                found.conditions = self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.event_conditions()
                })?;
            } else if Stop::Per.begins(self) {
                self.once(&per, "per")?;
                per = Some(());
                found.per = self.per(&STOPS)?;
            } else if Stop::OrderBy.begins(self) {
                self.once(&found.order, "order by")?;
                found.order = Some(self.order_by(&STOPS)?);
            } else if Stop::Within.begins(self) {
                self.once(&found.within, "within")?;
                found.within = Some(self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.positive_duration("how long a match may take")
                })?);
            } else if Stop::AfterMatch.begins(self) {
                self.once(&found.after, "after match")?;
                found.after = Some(self.node(CLAUSE, |c| c.after_match())?);
            } else if Stop::WithPartial.begins(self) {
                self.once(&found.partial, "with partial")?;
                found.partial = Some(self.node(CLAUSE, |c| {
                    c.keywords(2);
                    c.expect_word("as")?;
                    c.name("the name of a column that is true for partial matches", false)
                })?);
            } else if Stop::Give.begins(self) {
                self.once(&give, "give")?;
                give = Some(());
                found.give = self.node(CLAUSE, |c| {
                    c.keywords(1);
                    let items = c.named_exprs("an expression after `give`", &STOPS)?;
                    c.all_named(&items, "give name = expression")?;
                    Ok(items)
                })?;
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep")?;
                found.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        self.events_are_known(&found)?;
        Ok(found)
    }

    /// Conditions, and where the next match begins, name events of the pattern.
    fn events_are_known(&mut self, found: &Match) -> Parse<()> {
        let mut events: Vec<&str> = found.ending.iter().map(|n| n.value.as_str()).collect();
        found.pattern.value.events(&mut |name| events.push(&name.value));
        let target = match found.after.as_ref().map(|a| &a.value) {
            Some(AfterMatch::ToFirst(name) | AfterMatch::ToLast(name)) => Some(name),
            _ => None,
        };
        for name in found.conditions.iter().map(|c| &c.event).chain(target) {
            if !events.contains(&name.value.as_str()) {
                let d = self.out.error(codes::PATTERN, name.span, format!("the pattern has no event `{}`", name.value));
                let hint =
                    did_you_mean(&name.value, events.iter().copied()).unwrap_or_else(|| format!("its events are {}", list_of(&events)));
                return self.fail(d.hint(hint));
            }
        }
        Ok(())
    }

    /// `a or b`.
    fn choice(&mut self, depth: usize) -> Parse<Pattern> {
        let mut arms = vec![self.sequence(depth)?];
        while self.eat_word("or") {
            arms.push(self.sequence(depth)?);
        }
        Ok(if arms.len() == 1 { arms.swap_remove(0) } else { Pattern::Choice(arms) })
    }

    /// `a then b without c followed by d`.
    fn sequence(&mut self, depth: usize) -> Parse<Pattern> {
        let mut parts = vec![self.part(depth)?];
        let mut gaps = Vec::new();
        while let Some(gap) = self.gap_before_part()? {
            gaps.push(gap);
            parts.push(self.part(depth)?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Pattern::Sequence { parts, gaps } })
    }

    fn gap_before_part(&mut self) -> Parse<Option<Gap>> {
        if self.eat_word("then") {
            return Ok(Some(Gap::Next));
        }
        let not = if self.without_before("followed") { self.without()? } else { Vec::new() };
        if self.word(0, "followed") {
            self.keywords(1);
            self.expect_word("by")?;
            return Ok(Some(Gap::Later(not)));
        }
        let found = self.text(0);
        if let Some((_, hint)) = GAP_HABITS.iter().find(|(habit, _)| habit.eq_ignore_ascii_case(found)) {
            return self.fail(self.error_here(codes::OTHER_LANGUAGE, format!("`{found}` is not written between events")).hint(*hint));
        }
        Ok(None)
    }

    /// Whether `without a or b` comes here, and then this word.
    fn without_before(&self, word: &str) -> bool {
        if !self.word(0, "without") {
            return false;
        }
        let mut n = 2;
        while self.word(n, "or") {
            n += 2;
        }
        self.word(n, word)
    }

    /// `without a or b`.
    fn without(&mut self) -> Parse<Vec<Name>> {
        self.keywords(1);
        let mut names = vec![self.event_name()?];
        while self.eat_word("or") {
            names.push(self.event_name()?);
        }
        Ok(names)
    }

    /// An event or a group, and how often.
    fn part(&mut self, depth: usize) -> Parse<Pattern> {
        let inner = if self.punct(0, "(") {
            let open = self.here();
            if depth >= MAX_NESTING {
                let d = self
                    .error_here(codes::NESTED_TOO_DEEP, format!("brackets are nested more than {MAX_NESTING} deep"))
                    .hint("match in two steps, one after the other");
                return self.fail(d);
            }
            self.bump();
            let inner = self.choice(depth + 1)?;
            if !self.eat(")") {
                if self.done() {
                    let d = self.out.error(codes::UNCLOSED_BRACKET, open, "this `(` is not closed").hint("close it with `)`");
                    return self.fail(d);
                }
                let mut d = self.expected("`then`, `followed by`, `or` or `)`");
                if self.word(0, "without") {
                    d = d.hint("inside brackets, `without` stands before `followed by` or `apart`");
                }
                return self.fail(d);
            }
            inner
        } else {
            Pattern::Event(self.event_name()?)
        };
        let Some((least, most, reluctant)) = self.node_if_quantified()? else { return Ok(inner) };
        let gap = if self.without_before("apart") {
            let not = self.without()?;
            self.keywords(1);
            Gap::Later(not)
        } else if self.eat_word("apart") {
            Gap::Later(Vec::new())
        } else {
            Gap::Next
        };
        Ok(Pattern::Repeat { of: Box::new(inner), least, most, reluctant, gap })
    }

    fn event_name(&mut self) -> Parse<Name> {
        if let Some(word) = PATTERN_WORDS.iter().find(|w| self.word(0, w)) {
            let d = self.expected("the name of an event");
            let d = match *word {
                "not" => d.hint("write `a without b followed by c`: no `b` between `a` and `c`"),
                word => d.hint(format!("`{word}` is a word of patterns; give the event another name")),
            };
            return self.fail(d);
        }
        if self.punct(0, "!") || self.punct(0, "^") {
            let d = self.expected("the name of an event").hint("write `a without b followed by c`: no `b` between `a` and `c`");
            return self.fail(d);
        }
        self.name("the name of an event", false)
    }

    /// `?`, `*`, `+`, `{n}`, `{n,}`, `{n,m}`, and a `?` for as few as possible: least, most, reluctant.
    fn node_if_quantified(&mut self) -> Parse<Option<(u64, Option<u64>, bool)>> {
        if !["?", "*", "+", "{"].iter().any(|q| self.punct(0, q)) {
            return Ok(None);
        }
        self.node(QUANTIFIER, |c| {
            let open = c.here();
            let (least, most) = if c.eat("?") {
                (0, Some(1))
            } else if c.eat("*") {
                (0, None)
            } else if c.eat("+") {
                (1, None)
            } else {
                c.bump();
                let least = c.count("how often")?;
                let most = match c.eat(",") {
                    false => Some(least.clone()),
                    true if c.punct(0, "}") => None,
                    true => Some(c.count("how often at most")?),
                };
                if !c.eat("}") {
                    let d = match c.done() {
                        true => c.out.error(codes::UNCLOSED_BRACKET, open, "this `{` is not closed").hint("close it with `}`"),
                        false => c.expected("`}`").hint("write `a{3}`, `a{2,}` or `a{2,5}`"),
                    };
                    return c.fail(d);
                }
                for times in [Some(&least), most.as_ref()].into_iter().flatten() {
                    if times.value > MAX_TIMES {
                        let d = c.out.error(codes::PATTERN, times.span, format!("a pattern repeats at most {MAX_TIMES} times"));
                        return c.fail(d.hint("aggregate the rows first, and match the counts"));
                    }
                }
                if let Some(most) = most.as_ref().filter(|most| most.value < least.value.max(1)) {
                    let message = format!("{} to {} times is no number of rows", least.value, most.value);
                    let d = c.out.error(codes::PATTERN, most.span, message).hint("write the smaller number first, as in `a{2,5}`");
                    return c.fail(d);
                }
                (least.value, most.map(|m| m.value))
            };
            let reluctant = c.punct(0, "?") && c.glued(0) && c.eat("?");
            Ok(Some((least, most, reluctant)))
        })
    }

    /// After a pattern stands a clause, or nothing.
    fn pattern_ends(&mut self) -> Parse<()> {
        if self.done() || STOPS.iter().any(|s| s.begins(self)) {
            return Ok(());
        }
        let found = self.text(0).to_owned();
        let d = self.expected("`then`, `followed by`, `or`, a clause or the end of the line");
        let d = match found.as_str() {
            ")" => self.error_here(codes::UNMATCHED_BRACKET, "this `)` closes nothing").hint("remove it, or open it where it belongs"),
            _ if self.word(0, "with") => d.hint("write `with partial as name`"),
            _ if self.word(0, "after") => d.hint("write `after match skip to next row`"),
            "define" | "DEFINE" => d.hint("write `where a is <condition>, …`"),
            "measures" | "MEASURES" => d.hint("write `give name = expression, …`"),
            "partition" | "PARTITION" => d.hint("write `per <column>`"),
            word => match did_you_mean(word, ["then", "followed", "without", "or", "where", "per", "within", "give"]) {
                Some(hint) => d.hint(hint),
                None => d.hint("for example `match small then large where small is amount < 1, large is amount > 500`"),
            },
        };
        self.fail(d)
    }

    /// `a is <condition>, b is <condition>`.
    fn event_conditions(&mut self) -> Parse<Vec<EventCondition>> {
        let mut found: Vec<EventCondition> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut stops = vec![Stop::Comma];
        stops.extend(STOPS);
        loop {
            let condition = self.node(ITEM, |c| {
                let event = c.event_name()?;
                if !c.word(0, "is") {
                    let d = c.expected("`is` and a condition").hint(format!("write `where {} is <condition>`", event.value));
                    return c.fail(d);
                }
                c.keywords(1);
                let condition = c.expr("a condition after `is`", &stops)?;
                Ok(EventCondition { event, condition })
            })?;
            if let Some(first) = seen.insert(condition.event.value.clone(), condition.event.span) {
                let message = format!("`{}` has two conditions", condition.event.value);
                let d = self.out.error(codes::DUPLICATE_NAME, condition.event.span, message);
                return self.fail(d.related(self.out.file, first, "the first one").hint("join them with `and`"));
            }
            found.push(condition);
            if !self.eat(",") {
                return Ok(found);
            }
        }
    }

    /// `after match skip past last row`, `… to next row`, `… to first b`, `… to last b`.
    fn after_match(&mut self) -> Parse<Spanned<AfterMatch>> {
        let start = self.place();
        self.keywords(2);
        self.expect_word("skip")?;
        let after = if self.eat_word("past") {
            self.expect_word("last")?;
            self.expect_word("row")?;
            AfterMatch::PastLastRow
        } else if self.eat_word("to") {
            if self.words(&["next", "row"]) {
                self.keywords(2);
                AfterMatch::ToNextRow
            } else if self.eat_word("first") {
                AfterMatch::ToFirst(self.event_name()?)
            } else if self.eat_word("last") {
                AfterMatch::ToLast(self.event_name()?)
            } else {
                let d = self.expected_words(&["next row", "first", "last"]);
                return self.fail(d);
            }
        } else {
            let d = self.expected_words(&["past last row", "to next row"]);
            return self.fail(d);
        };
        Ok(Spanned::new(after, self.since(start)))
    }
}
