//! Which inputs a query names, before anything is known of them: steps are put into order by it.

use super::{parse, window};
use crate::expr::Places;
use datafusion_sql::sqlparser::ast::{Expr as SqlExpr, ObjectName, Query, SetExpr, TableFactor, Visit, Visitor};
use runink_dsl::{FileId, variables::Substituted};
use std::ops::ControlFlow;

/// A name in a `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    /// An input, a port of one (`Step.port`), or something that `with` defines.
    pub(crate) name: String,
    /// It is joined to what stands before it.
    pub(crate) joined: bool,
}

/// The names that a query reads. One that does not parse reads nothing; it is said when it is lowered.
pub(crate) fn inputs(text: &Substituted, file: FileId) -> Vec<Read> {
    let mut found = Found { read: Vec::new(), asked: Vec::new() };
    if let Ok(query) = parse(&Places::new(file, text)) {
        let _ = Visit::visit(&query, &mut found);
    }
    found.read
}

/// A name as the scenario has it.
pub(super) fn name_of(name: &ObjectName) -> String {
    let parts: Vec<&str> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
    parts.join(".")
}

struct Found {
    read: Vec<Read>,
    /// Queries inside conditions that have not been entered yet: what they read is looked up.
    asked: Vec<Query>,
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let asked = self.asked.iter().position(|q| q == query).map(|i| self.asked.swap_remove(i)).is_some();
        self.set(&query.body, asked);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<()> {
        if let SqlExpr::InSubquery { subquery, .. } | SqlExpr::Exists { subquery, .. } = expr {
            self.asked.push(subquery.as_ref().clone());
        }
        ControlFlow::Continue(())
    }
}

impl Found {
    fn set(&mut self, body: &SetExpr, asked: bool) {
        match body {
            SetExpr::Select(select) => {
                for (i, from) in select.from.iter().enumerate() {
                    self.factor(&from.relation, asked || i > 0);
                    from.joins.iter().for_each(|j| self.factor(&j.relation, true));
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left, asked);
                self.set(right, asked);
            }
            // Queries inside are visited by themselves.
            _ => {}
        }
    }

    fn factor(&mut self, factor: &TableFactor, joined: bool) {
        if let Some(Ok(call)) = window::table_window(factor) {
            if let Some(name) = call.table_name() {
                self.read.push(Read { name, joined });
            }
            return;
        }
        match factor {
            TableFactor::Table { name, .. } => self.read.push(Read { name: name_of(name), joined }),
            TableFactor::MatchRecognize { table, .. } => self.factor(table, joined),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.factor(&table_with_joins.relation, joined);
                table_with_joins.joins.iter().for_each(|j| self.factor(&j.relation, true));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use runink_dsl::ast::Span;

    fn read(text: &str) -> Vec<String> {
        let text = Substituted { text: text.to_owned(), parts: vec![(0, Span::new(0, text.len()))] };
        inputs(&text, FileId(0)).into_iter().map(|r| if r.joined { format!("+{}", r.name) } else { r.name }).collect()
    }

    #[test]
    fn names_are_found_wherever_a_query_reads() {
        assert_eq!(read("select * from a join b on a.x = b.x, c"), ["a", "+b", "+c"]);
        assert_eq!(read("select * from Routed.big r union all select * from b"), ["Routed.big", "b"]);
        assert_eq!(read("select * from (select x from a) t where x in (select y from b)"), ["a", "+b"]);
        assert_eq!(read("select * from table(tumble(table a, descriptor(t), interval '1' minute))"), ["a"]);
        assert_eq!(read("select * from a join b for system_time as of a.t as v on v.x = a.x"), ["a", "+b"]);
        assert_eq!(read("with w as (select * from a) select * from w"), ["w", "a"]);
        assert_eq!(read("select * from"), [""; 0]);
    }
}
