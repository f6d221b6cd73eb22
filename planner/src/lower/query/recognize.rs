//! `match_recognize`: the line `match` in SQL's words.

use super::{Part, Scope, columns, from::Clauses};
use crate::{
    catalogue as codes,
    expr::function_name,
    lower::{Heard, Lowering},
    sql,
};
use datafusion_sql::sqlparser::ast::{
    AfterMatchSkip, Expr as SqlExpr, Ident, MatchRecognizePattern as SqlPattern, MatchRecognizeSymbol as Symbol, OrderByExpr,
    RepetitionQuantifier, RowsPerMatch, Spanned as _, TableFactor,
};
use runink_dsl::ast::{self, Action, AfterMatch, EventCondition, Gap, Match, Name, NamedExpr, Pattern, Span, Spanned};

/// How many rows `permute` may put into every order: 120 orders of five.
const PERMUTED_MAX: usize = 5;

/// Functions about a row's place in a match that streams have no answer to here, with what to write instead.
const PLACES: [(&str, &str); 4] = [
    ("prev", "give the row before a name in the pattern, and write `last(a.price)`; the `a` before the last one is `last(a.price, 1)`"),
    ("next", "give the row behind a name in the pattern, and compare there"),
    ("classifier", "measure what tells the rows apart: `count(a.*) as a_rows`"),
    ("match_number", "number the matches behind it: `row_number() over (partition by … order by …)`"),
];

impl Lowering<'_> {
    /// `t match_recognize (…)`.
    pub(super) fn recognized<'t>(&mut self, scope: &mut Scope<'t>, factor: &TableFactor, clauses: &mut Clauses<'_>) -> Heard<Part<'t>> {
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols,
            alias: _,
        } = factor
        else {
            let message = "this is not an input that a stream can be read from";
            return Err(self.refuse(scope, codes::QUERY_INPUT, scope.line, message, "read a source or a step"));
        };
        let whole = scope.span(factor.span());
        let mut part = self.relation(scope, table, clauses)?.part;
        if matches!(rows_per_match, Some(RowsPerMatch::AllRows(_))) {
            let message = "a match comes out as one row";
            let hint = "write `one row per match`, and measure what is needed: `first(a.price) as began, count(a.*) as rows`";
            return Err(self.refuse(scope, codes::QUERY_KIND, whole, message, hint));
        }
        let order = self.order_in_time(scope, &part, order_by)?;
        let found = self.pattern_of(scope, pattern, whole)?;
        let mut events: Vec<String> = Vec::new();
        found.events(&mut |name| {
            if !events.contains(&name.value) {
                events.push(name.value.clone());
            }
        });
        let within = symbols.iter().find(|s| s.symbol.value == sql::WITHIN);
        let within = within.map(|w| self.length(scope, &w.definition)).transpose()?;
        let mut conditions = Vec::new();
        for symbol in symbols.iter().filter(|s| s.symbol.value != sql::WITHIN) {
            let event = self.event(scope, &events, &symbol.symbol)?;
            self.no_places(scope, &symbol.definition)?;
            conditions.push(EventCondition { event, condition: self.handed(scope, &symbol.definition) });
        }
        let mut per = Vec::new();
        for expr in partition_by {
            let name = if columns::path(expr).is_some() { None } else { Some(self.name_of_value(scope, expr)?) };
            per.push(NamedExpr { name, expr: self.handed(scope, expr) });
        }
        let mut give = Vec::new();
        for measure in measures {
            self.no_places(scope, &measure.expr)?;
            let name = Name::new(measure.alias.value.clone(), scope.span(measure.alias.span));
            give.push(NamedExpr { name: Some(name), expr: self.handed(scope, &measure.expr) });
        }
        let after = match after_match_skip {
            None => None,
            Some(AfterMatchSkip::PastLastRow) => Some(AfterMatch::PastLastRow),
            Some(AfterMatchSkip::ToNextRow) => Some(AfterMatch::ToNextRow),
            Some(AfterMatchSkip::ToFirst(event)) => Some(AfterMatch::ToFirst(self.event(scope, &events, event)?)),
            Some(AfterMatchSkip::ToLast(event)) => Some(AfterMatch::ToLast(self.event(scope, &events, event)?)),
        };
        let keep_state = if within.is_some() { None } else { scope.keep() };
        let line = Match {
            pattern: Spanned::new(found, whole),
            ending: Vec::new(),
            conditions,
            per,
            order,
            within,
            after: after.map(|a| Spanned::new(a, whole)),
            partial: None,
            give,
            keep_state,
        };
        self.line_at(&mut part, whole, Action::Match(Box::new(line)))?;
        Ok(part)
    }

    /// Rows are taken in order of their event time; what stands behind it orders rows of the same time.
    fn order_in_time(&mut self, scope: &Scope<'_>, part: &Part<'_>, order: &[OrderByExpr]) -> Heard<Option<ast::Expr>> {
        let Some((first, rest)) = order.split_first() else { return Ok(None) };
        let columns = part.work.flow.columns();
        let time = part.work.flow.stream.time.as_ref().map(|t| columns[t.column].name());
        let by_time = columns::column(&first.expr, columns).is_some_and(|c| Some(c.name()) == time);
        if !by_time || first.options.asc == Some(false) {
            let at = scope.place_of(&first.expr);
            let message = "rows of a stream are put in order of their event time, and this is another order";
            let hint = match time {
                Some(time) => format!("write `order by {time}`; what stands behind it orders rows of the same time"),
                None => "the rows here have no event time: give the source `time=<column>`".to_owned(),
            };
            return Err(self.refuse(scope, codes::WINDOW_TIME, at, message, hint));
        }
        if rest.is_empty() {
            return Ok(None);
        }
        self.order(scope, part, rest).map(Some)
    }

    /// The event of the pattern that a name means.
    fn event(&mut self, scope: &Scope<'_>, events: &[String], name: &Ident) -> Heard<Name> {
        let span = scope.span(name.span);
        match events.iter().find(|e| e.eq_ignore_ascii_case(&name.value)) {
            Some(event) => Ok(Name::new(event.clone(), span)),
            None => {
                let message = format!("there is no `{}` in the pattern", name.value);
                let hint = crate::names::hint(&name.value, "events of the pattern", events.iter().map(String::as_str));
                Err(self.refuse(scope, codes::PATTERN, span, message, hint))
            }
        }
    }

    fn no_places(&mut self, scope: &Scope<'_>, expr: &SqlExpr) -> Heard<()> {
        let mut found = None;
        sql::replaced(expr, &mut |e| {
            if let SqlExpr::Function(f) = e
                && let Some(place) = PLACES.iter().find(|(name, _)| *name == function_name(f))
            {
                found.get_or_insert((*place, scope.span(f.name.span())));
            }
            None
        });
        let Some(((name, hint), at)) = found else { return Ok(()) };
        Err(self.refuse(scope, codes::PATTERN, at, format!("`{name}` is not part of this SQL"), hint))
    }

    fn pattern_of(&mut self, scope: &Scope<'_>, pattern: &SqlPattern, whole: Span) -> Heard<Pattern> {
        Ok(match pattern {
            SqlPattern::Symbol(symbol) => self.symbol(scope, symbol, whole)?,
            SqlPattern::Group(inner) => self.pattern_of(scope, inner, whole)?,
            SqlPattern::Concat(parts) => {
                let parts = parts.iter().map(|p| self.pattern_of(scope, p, whole)).collect::<Heard<Vec<_>>>()?;
                sequence(parts)
            }
            SqlPattern::Alternation(arms) => {
                Pattern::Choice(arms.iter().map(|p| self.pattern_of(scope, p, whole)).collect::<Heard<Vec<_>>>()?)
            }
            SqlPattern::Permute(symbols) if symbols.len() <= PERMUTED_MAX => {
                let parts = symbols.iter().map(|s| self.symbol(scope, s, whole)).collect::<Heard<Vec<_>>>()?;
                let mut orders: Vec<Pattern> = orders(&parts).into_iter().map(sequence).collect();
                if orders.len() == 1 { orders.remove(0) } else { Pattern::Choice(orders) }
            }
            SqlPattern::Permute(_) => {
                let message = format!("`permute` of more than {PERMUTED_MAX} rows has too many orders");
                let hint = "let the rows come in any order, `(a | b | …){n}`, and count each in a condition of the last one";
                return Err(self.refuse(scope, codes::PATTERN, whole, message, hint));
            }
            SqlPattern::Exclude(_) => {
                let message = "`{- … -}` leaves rows out of what comes out of a match, and a match comes out as one row";
                return Err(self.refuse(scope, codes::PATTERN, whole, message, "write the name without the marks, and measure the others"));
            }
            SqlPattern::Repetition(of, quantifier) => {
                let (least, most) = match *quantifier {
                    RepetitionQuantifier::ZeroOrMore => (0, None),
                    RepetitionQuantifier::OneOrMore => (1, None),
                    RepetitionQuantifier::AtMostOne => (0, Some(1)),
                    RepetitionQuantifier::Exactly(n) => (n, Some(n)),
                    RepetitionQuantifier::AtLeast(n) => (n, None),
                    RepetitionQuantifier::AtMost(n) => (0, Some(n)),
                    RepetitionQuantifier::Range(least, most) => (least, Some(most)),
                };
                if most.is_some_and(|most| most == 0 || most < least) {
                    let message = format!("`{quantifier}` allows no number of rows");
                    return Err(self.refuse(
                        scope,
                        codes::PATTERN,
                        whole,
                        message,
                        "write the smaller number first, and the larger one from 1",
                    ));
                }
                let of = Box::new(self.pattern_of(scope, of, whole)?);
                Pattern::Repeat { of, least: u64::from(least), most: most.map(u64::from), reluctant: false, gap: Gap::Next }
            }
        })
    }

    fn symbol(&mut self, scope: &Scope<'_>, symbol: &Symbol, whole: Span) -> Heard<Pattern> {
        match symbol {
            Symbol::Named(name) => Ok(Pattern::Event(Name::new(name.value.clone(), scope.span(name.span)))),
            Symbol::Start | Symbol::End => {
                let message = format!("`{symbol}` is an end of all rows, and a stream goes on");
                Err(self.refuse(
                    scope,
                    codes::PATTERN,
                    whole,
                    message,
                    "leave it out; a condition on a row's own columns can say where to begin",
                ))
            }
        }
    }
}

/// One after the other.
fn sequence(mut parts: Vec<Pattern>) -> Pattern {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let gaps = parts.iter().skip(1).map(|_| Gap::Next).collect();
    Pattern::Sequence { parts, gaps }
}

/// All orders, those that keep what stands first come first.
fn orders<T: Clone>(parts: &[T]) -> Vec<Vec<T>> {
    if parts.len() <= 1 {
        return vec![parts.to_vec()];
    }
    let mut all = Vec::new();
    for (i, first) in parts.iter().enumerate() {
        let rest: Vec<T> = parts[..i].iter().chain(&parts[i + 1..]).cloned().collect();
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_orders_come_in_the_order_of_their_parts() {
        assert_eq!(
            super::orders(&['a', 'b', 'c']).iter().map(|o| o.iter().collect::<String>()).collect::<Vec<_>>(),
            ["abc", "acb", "bac", "bca", "cab", "cba"]
        );
    }
}
