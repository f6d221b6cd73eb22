//! `match`: events become columns and conditions over what is known of a match; what comes out of it becomes a projection behind it.

use super::{
    Heard, Lowering, NewNode, Said,
    aggregate::{Arguments, Item},
    step::Work,
    stream::{Column, Flow, Origin, Projected, column_expr, columns_read, free_name},
};
use crate::{
    AfterMatch, AggregateCall, MatchEvent, MatchOp, Op, Pattern, Pick, Reference, StateBound, StreamKind, catalogue as codes,
    expr::{self, Place, Places, Typed},
    pattern::{Automaton, PatternError},
    types,
};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::{
    DFSchema, ScalarValue,
    tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Expr, ExprSchemable,
    expr::{AggregateFunction, NullTreatment},
    utils::split_conjunction,
};
use runink_dsl::ast::{self, Name, NamedExpr, Retention, Span, Spanned};
use std::{collections::BTreeMap, sync::Arc};

const MATCH_START: &str = "match_start";
const MATCH_END: &str = "match_end";

/// What the names in a pattern's expressions stand for: the columns of the row, and those of each event.
struct Names {
    columns: Vec<Column>,
    /// By name: the event, and the column of the input.
    of_events: BTreeMap<String, (usize, String)>,
}

/// References as they are found, each once.
struct References<'a> {
    names: &'a Names,
    schema: DFSchema,
    found: Vec<(Expr, Reference, Column)>,
    prefix: &'static str,
}

/// What is wrong with a reference, and what to do.
type Wrong = (String, String);

impl Lowering<'_> {
    pub(super) fn match_rows(&mut self, work: &mut Work<'_>, span: Span, found: &ast::Match) -> Heard<()> {
        let file = work.texts.file;
        self.match_input_fits(work, span)?;
        let Some(time) = work.flow.stream.time.clone().filter(|t| types::is_event_time(work.flow.columns()[t.column].field.data_type()))
        else {
            let message = "`match` puts rows in order of their event time, and the rows here have none";
            let hint = "give the source `time=<column>`, and keep that column in the steps before";
            return Err(self.error(codes::WINDOW_TIME, file, span, message, hint));
        };
        let state = self.match_bound(work, found)?;
        let events = self.event_names(work, found)?;
        let at = |name: &str| events.iter().position(|e| e == name).unwrap_or_default();
        let numbers = |name: &Name| at(&self.event_name(work, name));
        let pattern = found.pattern.value.map(&numbers);
        let ending: Vec<usize> = found.ending.iter().map(numbers).collect();
        let after = found.after.as_ref().map_or(AfterMatch::PastLastRow, |after| after.value.map(&numbers));
        self.automaton_fits(work, found, &pattern, &ending)?;

        let keys = self.items(work, &found.per, Place::Row)?;
        let order = match &found.order {
            Some(order) => {
                let text = self.text(work.texts, &order.value, order.span, true)?;
                self.heard(expr::plan_order(&text, file, work.flow.columns()))?
            }
            None => Vec::new(),
        };
        let partial = found.partial.as_ref().map(|name| self.name(work.texts, name).map(|n| (n, name.span))).transpose()?;
        let ends: Vec<Column> = [MATCH_START, MATCH_END]
            .into_iter()
            .map(|name| {
                let column = &work.flow.columns()[time.column];
                let field = Field::new(name, column.field.data_type().clone(), true);
                Column { from: column.from.clone(), ..Column::new(field) }
            })
            .chain(partial.iter().map(|(name, _)| Column::new(Field::new(name, DataType::Boolean, true))))
            .collect();
        self.match_names(work, &keys, &found.give, partial.as_ref())?;

        let counted = work.flow.columns()[time.column].name().to_owned();
        let names = Names::new(work.flow.columns(), &events, &ends);
        let mut arguments = Arguments { flow: &work.flow, computed: Vec::new() };
        let key_columns: Vec<usize> = keys.iter().map(|k| arguments.column(&k.typed.expr, "key")).collect();
        let order: Vec<(usize, bool, bool)> =
            order.iter().map(|o| (arguments.column(&o.typed.expr, "order"), !o.descending, o.nulls_first)).collect();
        let mut references = self.references(work, &names, "__match")?;
        let mut made: Vec<MatchEvent> = events.iter().map(|name| MatchEvent { name: name.clone(), own: None, joint: None }).collect();
        let mut failed = false;
        for condition in &found.conditions {
            let event = at(&self.event_name(work, &condition.event));
            match self.event_condition(work, &condition.condition, event, &counted, &mut references, &mut arguments) {
                Ok((own, joint)) => (made[event].own, made[event].joint) = (own, joint),
                Err(Said) => failed = true,
            }
        }
        let mut outputs = self.references(work, &names, "__give")?;
        let mut results = Vec::new();
        for item in &found.give {
            match self.match_output(work, item, &counted, &mut outputs, &mut arguments) {
                Ok(result) => results.push(result),
                Err(Said) => failed = true,
            }
        }
        if failed {
            return Err(Said);
        }
        let (references, outputs) = (references.found, outputs.found);
        let computed = arguments.computed;
        if !computed.is_empty() {
            self.compute(work, computed)?;
        }
        self.flush(&mut work.flow);

        let input = work.flow.stream.clone();
        let mut columns: Vec<Column> = keys.iter().zip(&key_columns).map(|(key, &at)| input.columns[at].renamed(&key.name)).collect();
        columns.extend(outputs.iter().map(|(_, _, column)| column.clone()));
        columns.extend(ends.iter().cloned());
        let fields = input.columns.iter().map(|c| c.field.clone()).chain(references.iter().map(|(_, r, _)| r.field.clone()));
        let op = MatchOp {
            keys: key_columns,
            time,
            order,
            events: made,
            condition_schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            references: references.into_iter().map(|(_, r, _)| r).collect(),
            outputs: outputs.into_iter().map(|(_, r, _)| r).collect(),
            pattern,
            ending,
            within_us: found.within.as_ref().map(|w| w.value.0),
            after,
            partial: partial.is_some(),
        };
        let match_end = op.keys.len() + op.outputs.len() + 1;
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let stream = self.push(NewNode {
            name: step.clone(),
            inputs: vec![input.node],
            time: op.output_time(match_end),
            columns,
            kind: StreamKind::AppendOnly,
            state: if state == StateBound::UntilEnd && !input.bounded { StateBound::Rows { lifetime_us: None } } else { state },
            op: Op::Match(Box::new(op)),
            at,
        });
        work.flow = Flow::new(stream, &step, at);
        self.match_outputs(work, span, keys.len(), ends.len(), results)
    }

    fn match_input_fits(&mut self, work: &Work<'_>, span: Span) -> Heard<()> {
        let hint = match work.flow.stream.kind {
            StreamKind::AppendOnly => return Ok(()),
            StreamKind::Upsert { .. } => "read the source without `key=`, so that every row is an event",
            StreamKind::Changelog { .. } => "let the aggregate before it emit `on close`, without `allowed lateness`",
        };
        let message = "`match` is about rows that stay, and here rows replace or take back earlier ones";
        Err(self.error(codes::KEYED_STREAM, work.texts.file, span, message, hint))
    }

    /// What bounds the state; `UntilEnd` where nothing but the input's end does.
    fn match_bound(&mut self, work: &Work<'_>, found: &ast::Match) -> Heard<StateBound> {
        let file = work.texts.file;
        let within = found.within.as_ref().map(|w| w.value.0);
        if within.is_none() {
            let needs = |what: &str| format!("{what} is known when the time of a match is over, and there is no `within`");
            let hint = "say how long a match may take: `within 10m`";
            if let Some(name) = found.ending.first() {
                return Err(self.error(codes::PATTERN, file, name.span, needs(&format!("that no `{}` comes", name.value)), hint));
            }
            if let Some(name) = &found.partial {
                return Err(self.error(codes::PATTERN, file, name.span, needs("that a match stays partial"), hint));
            }
        }
        match (&found.keep_state, within) {
            (None, Some(us)) => Ok(StateBound::Rows { lifetime_us: Some(us) }),
            (None, None) => Ok(StateBound::UntilEnd),
            (Some(Spanned { value: Retention::Forever, .. }), None) => Ok(StateBound::RowsForEver),
            (Some(keep), Some(_)) => {
                let message = "rows of a pattern are kept as long as its `within` says";
                Err(self.error(codes::EMIT, file, keep.span, message, "leave `keep` out, or `within`"))
            }
            (Some(keep), None) => {
                let message = "a pattern keeps what has begun until its time is over";
                let hint = "say how long a match may take (`within 7d`), or `keep for ever`";
                Err(self.error(codes::EMIT, file, keep.span, message, hint))
            }
        }
    }

    /// A name of an event, its variables put in place; wrong ones are said by [`Self::event_names`].
    fn event_name(&self, work: &Work<'_>, name: &Name) -> String {
        if !name.value.contains("${") {
            return name.value.clone();
        }
        runink_dsl::variables::substitute(&name.value, name.span, false, work.texts.arguments, self.input.variables).0.text
    }

    fn event_names(&mut self, work: &Work<'_>, found: &ast::Match) -> Heard<Vec<String>> {
        let mut all: Vec<&Name> = Vec::new();
        found.pattern.value.events(&mut |name| all.push(name));
        let mut events: Vec<String> = Vec::new();
        for name in all.into_iter().chain(&found.ending).chain(found.conditions.iter().map(|c| &c.event)) {
            let name = self.name(work.texts, name)?;
            if !events.contains(&name) {
                events.push(name);
            }
        }
        Ok(events)
    }

    fn automaton_fits(&mut self, work: &Work<'_>, found: &ast::Match, pattern: &Pattern, ending: &[usize]) -> Heard<()> {
        let Err(error) = Automaton::new(pattern, ending) else { return Ok(()) };
        let hint = match error {
            PatternError::Empty => "let at least one row come: write `a+` for `a*`, or another event before or behind it",
            PatternError::TooLarge => "let parts repeat less often, or count rows in windows before and match the counts",
        };
        Err(self.error(codes::PATTERN, work.texts.file, found.pattern.span, error.to_string(), hint))
    }

    /// The columns that come out have different names.
    fn match_names(&mut self, work: &Work<'_>, keys: &[Item], give: &[NamedExpr], partial: Option<&(String, Span)>) -> Heard<()> {
        let mut seen: Vec<String> = vec![MATCH_START.to_owned(), MATCH_END.to_owned()];
        let mut named: Vec<(String, Span)> = keys.iter().map(|k| (k.name.clone(), k.span)).collect();
        for name in give.iter().filter_map(|item| item.name.as_ref()) {
            named.push((self.name(work.texts, name)?, name.span));
        }
        named.extend(partial.cloned());
        for (name, span) in named {
            if seen.contains(&name) {
                let message = format!("there would be two columns `{name}`");
                let hint = match name.as_str() {
                    MATCH_START | MATCH_END => "the times of a match's first and last row have this name; choose another",
                    _ => "give one of them another name: `other = …`; the columns of `per` come out anyhow",
                };
                return Err(self.error(codes::DUPLICATE_COLUMN, work.texts.file, span, message, hint));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn references<'n>(&mut self, work: &Work<'_>, names: &'n Names, prefix: &'static str) -> Heard<References<'n>> {
        match expr::df_schema(&names.columns) {
            Ok(schema) => Ok(References { names, schema, found: Vec::new(), prefix }),
            Err(e) => Err(self.error(
                codes::INTERNAL,
                work.texts.file,
                work.flow.at.1,
                format!("planning failed: {}", e.strip_backtrace()),
                "this is a bug of Runink: please report it",
            )),
        }
    }

    /// What of an event's condition is about the row alone, as a column, and the rest.
    fn event_condition(
        &mut self,
        work: &Work<'_>,
        condition: &ast::Expr,
        event: usize,
        counted: &str,
        references: &mut References<'_>,
        arguments: &mut Arguments<'_>,
    ) -> Heard<(Option<usize>, Option<Expr>)> {
        let typed = self.matched(work, condition, &references.names.columns, counted, true)?;
        let (mut own, mut joint) = (Vec::new(), Vec::new());
        for part in split_conjunction(&typed.expr) {
            let replaced = references.replace(part, Some(event), arguments);
            let part = replaced.map_err(|(message, hint)| self.error(codes::PATTERN, work.texts.file, condition.span, message, hint))?;
            let reads = |name: &String| references.found.iter().any(|(_, r, _)| r.field.name() == name);
            if columns_read(&part).iter().any(reads) { joint.push(part) } else { own.push(part) }
        }
        let own = own.into_iter().reduce(Expr::and).map(|own| arguments.column(&own, "is"));
        Ok((own, joint.into_iter().reduce(Expr::and)))
    }

    /// An expression over the rows of a match.
    fn matched(&mut self, work: &Work<'_>, expr: &ast::Expr, columns: &[Column], counted: &str, condition: bool) -> Heard<Typed> {
        let file = work.texts.file;
        if let Some((sql, places)) = self.parsed(work.texts, expr) {
            let typed = expr::plan_matched_parsed(sql, &places, columns, counted);
            let typed = typed.and_then(|t| if condition { expr::must_be_condition(t, &places) } else { Ok(t) });
            return self.heard(typed);
        }
        let text = self.text(work.texts, &expr.value, expr.span, true)?;
        let typed = expr::plan_matched(&text, file, columns, counted);
        let typed = typed.and_then(|t| if condition { expr::must_be_condition(t, &Places::new(file, &text)) } else { Ok(t) });
        self.heard(typed)
    }

    fn match_output(
        &mut self,
        work: &Work<'_>,
        item: &NamedExpr,
        counted: &str,
        outputs: &mut References<'_>,
        arguments: &mut Arguments<'_>,
    ) -> Heard<(Expr, arrow::datatypes::FieldRef)> {
        let typed = self.matched(work, &item.expr, &outputs.names.columns, counted, false)?;
        let name = match &item.name {
            Some(name) => self.name(work.texts, name)?,
            None => item.expr.value.clone(),
        };
        let replaced = outputs.replace(&typed.expr, None, arguments);
        let expr = replaced.map_err(|(message, hint)| self.error(codes::PATTERN, work.texts.file, item.expr.span, message, hint))?;
        Ok((expr, typed.named(&name)))
    }

    /// One projection over keys, what was given of the match, and its ends.
    fn match_outputs(
        &mut self,
        work: &mut Work<'_>,
        span: Span,
        keys: usize,
        ends: usize,
        results: Vec<(Expr, arrow::datatypes::FieldRef)>,
    ) -> Heard<()> {
        if results.is_empty() {
            return Ok(());
        }
        let width = work.flow.columns().len();
        let mut projected: Vec<Projected> = (0..keys).map(|i| work.flow.keep(i)).collect();
        for (expr, field) in results {
            projected.push(work.flow.make(expr, field));
        }
        projected.extend((width - ends..width).map(|i| work.flow.keep(i)));
        self.project(work, span, projected)
    }
}

impl Names {
    fn new(columns: &[Column], events: &[String], ends: &[Column]) -> Names {
        let mut all: Vec<Column> = columns.to_vec();
        // An event's name comes before that of the step's input.
        for column in &mut all {
            column.origins.retain(|o| !events.contains(&o.relation));
        }
        all.extend(ends.iter().filter(|end| columns.iter().all(|c| c.name() != end.name())).cloned());
        let mut of_events = BTreeMap::new();
        for (event, name) in events.iter().enumerate() {
            for column in columns {
                let mut own = column.renamed(&free_name(&all, &format!("{name}.{}", column.name())));
                own.origins = vec![Origin { relation: name.clone(), column: column.name().to_owned() }];
                own.direct = false;
                of_events.insert(own.name().to_owned(), (event, column.name().to_owned()));
                all.push(own);
            }
        }
        Names { columns: all, of_events }
    }
}

impl References<'_> {
    /// An expression over the row and references. `own`: the event that the row is asked about; without one it is about a whole match.
    fn replace(&mut self, expr: &Expr, own: Option<usize>, arguments: &mut Arguments<'_>) -> Result<Expr, Wrong> {
        let mut wrong = None;
        let replaced = expr.clone().transform_down(|e| {
            let made = match &e {
                Expr::AggregateFunction(f) => self.aggregate(&e, f, arguments),
                Expr::Column(c) => match self.names.of_events.get(&c.name) {
                    Some((event, column)) if own == Some(*event) => Ok(Some(column_expr(column))),
                    Some((event, column)) => {
                        let at = arguments.column(&column_expr(column), "arg");
                        self.reference(&e, Some(*event), Pick::Last { column: at, skip: 0 }).map(Some)
                    }
                    // The columns of a match's ends are there already.
                    None if own.is_some() || arguments.flow.columns().iter().all(|k| k.name() != c.name) => Ok(Some(e.clone())),
                    None => {
                        let at = arguments.column(&e, "arg");
                        self.reference(&e, None, Pick::Last { column: at, skip: 0 }).map(Some)
                    }
                },
                _ => Ok(None),
            };
            Ok(match made {
                Ok(Some(made)) => Transformed::new(made, true, TreeNodeRecursion::Jump),
                Ok(None) => Transformed::no(e),
                Err(why) => {
                    wrong.get_or_insert(why);
                    Transformed::new(e, false, TreeNodeRecursion::Stop)
                }
            })
        });
        match (wrong, replaced.data()) {
            (Some(wrong), _) => Err(wrong),
            (None, Ok(expr)) => Ok(expr),
            (None, Err(e)) => Err((e.strip_backtrace(), "write it in another way".into())),
        }
    }

    fn aggregate(&mut self, whole: &Expr, f: &AggregateFunction, arguments: &mut Arguments<'_>) -> Result<Option<Expr>, Wrong> {
        let mut of: Vec<Option<usize>> =
            columns_read(whole).iter().map(|name| self.names.of_events.get(name).map(|(event, _)| *event)).collect();
        of.sort_unstable();
        of.dedup();
        if of.len() > 1 {
            let message = format!("`{}` reads rows of several events at once", f.func.name());
            return Err((message, "aggregate one event: `sum(b.x)`; or all rows: `sum(x)`".into()));
        }
        let event = of.first().copied().flatten();
        let of_row = |expr: &Expr| {
            let renamed = expr.clone().transform_down(|e| {
                Ok(match &e {
                    Expr::Column(c) => match self.names.of_events.get(&c.name) {
                        Some((_, column)) => Transformed::yes(column_expr(column)),
                        None => Transformed::no(e),
                    },
                    _ => Transformed::no(e),
                })
            });
            renamed.data().map_err(|e| (e.strip_backtrace(), "write it in another way".to_owned()))
        };
        let args = f.params.args.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        let ignore_nulls = f.params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let plain = !f.params.distinct && f.params.filter.is_none() && f.params.order_by.is_empty() && !ignore_nulls;
        let pick = match (f.func.name(), args.as_slice(), plain) {
            ("first_value", [arg], true) => Pick::First { column: arguments.column(arg, "arg"), skip: 0 },
            ("last_value", [arg], true) => Pick::Last { column: arguments.column(arg, "arg"), skip: 0 },
            ("nth_value", [arg, Expr::Literal(ScalarValue::Int64(Some(nth)), _)], true) if *nth != 0 => {
                let skip = usize::try_from(nth.unsigned_abs() - 1).unwrap_or(usize::MAX);
                let column = arguments.column(arg, "arg");
                if *nth > 0 { Pick::First { column, skip } } else { Pick::Last { column, skip } }
            }
            _ => {
                let filter = f.params.filter.as_deref().map(of_row).transpose()?;
                let order = f.params.order_by.iter().map(|s| Ok((of_row(&s.expr)?, s.asc, s.nulls_first)));
                let order = order.collect::<Result<Vec<_>, Wrong>>()?;
                Pick::Call(AggregateCall {
                    function: f.func.clone(),
                    args: args.iter().map(|a| arguments.argument(a)).collect(),
                    distinct: f.params.distinct,
                    filter: filter.as_ref().map(|f| arguments.column(f, "filter")),
                    order_by: order.iter().map(|(e, asc, first)| (arguments.column(e, "order"), *asc, *first)).collect(),
                    ignore_nulls,
                    name: f.func.name().to_owned(),
                })
            }
        };
        self.reference(whole, event, pick).map(Some)
    }

    /// The column of a reference; the same one is made once.
    fn reference(&mut self, whole: &Expr, event: Option<usize>, mut pick: Pick) -> Result<Expr, Wrong> {
        if let Some((_, reference, _)) = self.found.iter().find(|(e, ..)| e == whole) {
            return Ok(column_expr(reference.field.name()));
        }
        let (_, field) = whole.to_field(&self.schema).map_err(|e| (e.strip_backtrace(), "give it other arguments".to_owned()))?;
        let name = free_name(&self.names.columns, &format!("{}_{}", self.prefix, self.found.len()));
        if let Pick::Call(call) = &mut pick {
            call.name.clone_from(&name);
        }
        let field = Arc::new(Field::new(&name, types::plain_type(field.data_type()), true));
        let mut column = Column::new(field.clone());
        column.from = columns_read(whole)
            .iter()
            .flat_map(|n| self.names.columns.iter().filter(move |c| c.name() == n))
            .flat_map(|c| c.from.clone())
            .collect();
        self.found.push((whole.clone(), Reference { event, pick, field }, column));
        Ok(column_expr(&name))
    }
}
