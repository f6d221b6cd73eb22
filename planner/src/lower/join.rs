//! `join`: rows of a stream looked up in a table; `stream_join` has the joins of two streams.
//!
//! Columns of the other input whose names the stream has come out as `table_column`; expressions may always say `table.column`.

use super::{
    Heard, Lowering, NewNode,
    rows::own_column,
    step::Work,
    stream::{Column, Flow, Projected, Stream, column_expr, columns_read, free_name, schema_of},
};
use crate::{NodeId, Op, SourceOp, StateBound, TableJoinKind, TableJoinOp, catalogue as codes, expr::Place, names, types};
use arrow::datatypes::DataType;
use datafusion_expr::{BinaryExpr, Expr, Operator, cast, utils::split_conjunction};
use runink_connector_api::Caching;
use runink_dsl::{
    FileId,
    ast::{Join, JoinKind, JoinTime, Retention, Span, Spanned, TimeDomain},
};
use std::{collections::BTreeSet, ops::Range, sync::Arc};

/// What one equality of the condition compares.
pub(super) struct Equality {
    /// Over the stream's columns.
    pub(super) stream: Expr,
    /// A column of the table, by its name in the joined columns.
    pub(super) table: String,
    /// What both are compared as.
    pub(super) ty: DataType,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, work: &mut Work<'_>, span: Span, join: &Join) -> Heard<()> {
        let file = work.texts.file;
        let input = self.name(work.texts, &join.input)?;
        work.unused.retain(|n| n.value != input);
        let other = self.input_stream(&input, file, join.input.span)?;
        let alias = match &join.alias {
            Some(alias) => self.name(work.texts, alias)?,
            None => input.rsplit_once('.').map_or_else(|| input.clone(), |(_, port)| port.to_owned()),
        };
        let other = if join.alias.is_some() { other.called(&[&alias]) } else { other };
        if work.flow.columns().iter().flat_map(|c| &c.origins).any(|o| o.relation == alias) {
            let message = format!("`{alias}` is a name of this step's input already");
            let at = join.alias.as_ref().map_or(join.input.span, |a| a.span);
            return Err(self.error(codes::JOIN_ALIAS, file, at, message, format!("give it another name: `join {input} as t on …`")));
        }
        self.join_with(work, span, join, other, &alias)
    }

    /// Joins a stream, whose columns are called as the condition calls them.
    pub(super) fn join_with(&mut self, work: &mut Work<'_>, span: Span, join: &Join, mut other: Stream, alias: &str) -> Heard<()> {
        if self.is_looked_up(&other) {
            return self.look_up(work, span, join, other, alias);
        }
        if let Some(Spanned { value: JoinTime::AsOf(TimeDomain::Processing), span: at }) = &join.time {
            return self.as_it_is(work, span, join, *at, other, alias);
        }
        let whenever = join.time.is_none();
        if whenever {
            // Each of its rows takes the place of the one before it.
            self.as_changelog(work, join.keep_state.as_ref());
        }
        // Where rows of both sides come and go, and where rows of a table come out that meet none, the join is kept up to date with both.
        let both_change = !work.flow.stream.is_append_only() && !other.is_append_only() && !self.can_preload(&other, &work.flow.stream);
        let gives_table = matches!(join.kind, JoinKind::Right | JoinKind::Full) && !other.is_append_only();
        if whenever && (both_change || gives_table) {
            other = self.changelog_of(other, (&work.flow.step, work.flow.at), join.keep_state.as_ref());
        }
        if !whenever || other.is_append_only() || both_change || gives_table {
            self.stream_join(work, span, join, other, alias)
        } else {
            self.table_join(work, span, join, other, alias)
        }
    }

    /// `as of processing time`: each row meets the table's row of its key as the table is when the row comes.
    fn as_it_is(&mut self, work: &mut Work<'_>, span: Span, join: &Join, at: Span, table: Stream, alias: &str) -> Heard<()> {
        let refusal = if !work.flow.stream.is_append_only() {
            Some((
                "this step's input takes rows back, and what a row met as of processing time would not be found again".to_owned(),
                "leave `as of` out and say `keep state for …`: then the result follows both sides",
            ))
        } else if table.is_append_only() {
            Some((
                format!("`{alias}` is no table: none of its rows replaces another, so it has no newest row"),
                "give its source `key=<column>`, or say `as of <event time>`",
            ))
        } else if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
            Some((
                format!("as of processing time a row of `{alias}` is only looked up, and does not come out on its own"),
                "use `left join`; or leave `as of` out and say `keep state for …`: then the result follows both sides",
            ))
        } else {
            None
        };
        match refusal {
            Some((message, hint)) => Err(self.error(codes::JOIN_BOUND, work.texts.file, at, message, hint)),
            None => self.table_join(work, span, join, table, alias),
        }
    }

    /// What a source is. Nodes that stand for it inside a recursion are none.
    fn source_op(&self, id: NodeId) -> Option<&SourceOp> {
        match &self.nodes.get(id.0)?.op {
            Op::Source(op) => Some(op),
            _ => None,
        }
    }

    /// Whether a table is asked for rows by key, in place of being read.
    fn is_looked_up(&self, table: &Stream) -> bool {
        table.row_wise && table.sources.iter().any(|source| self.source_op(*source).is_some_and(|op| op.lookup))
    }

    /// How long an answer counts of a table that is asked.
    fn answers_count_us(&self, table: &Stream) -> Option<i64> {
        table
            .sources
            .iter()
            .filter(|_| self.is_looked_up(table))
            .find_map(|&source| Some(Caching::of(&self.source_op(source)?.options).found_us))
    }

    /// A join with an outside system: each row meets what that says of its key when the row comes.
    fn look_up(&mut self, work: &mut Work<'_>, span: Span, join: &Join, table: Stream, alias: &str) -> Heard<()> {
        let by_clock = |time: &Spanned<JoinTime>| matches!(time.value, JoinTime::AsOf(TimeDomain::Processing));
        let refusal = if !work.flow.stream.is_append_only() {
            Some((
                join.input.span,
                "what was answered before could not be taken back, but this step's input takes rows back",
                "look up before the aggregate, or let it `emit on close`",
            ))
        } else if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
            Some((join.input.span, "its own rows are not known, so that they cannot come out without a partner", "use `left join`"))
        } else if let Some(time) = join.time.as_ref().filter(|time| !by_clock(time)) {
            Some((time.span, "only what it says now is known, and nothing of other times", "leave the bound out"))
        } else {
            let keep = join.keep_state.as_ref();
            keep.map(|keep| (keep.span, "its source says how long an answer is kept", "leave `keep` out, and give the source `cache=10m`"))
        };
        match refusal {
            Some((at, why, hint)) => {
                let message = format!("`{alias}` is an outside system that is asked by key: {why}");
                Err(self.error(codes::LOOKUP, work.texts.file, at, message, hint))
            }
            None => self.table_join(work, span, join, table, alias),
        }
    }

    fn table_join(&mut self, work: &mut Work<'_>, span: Span, join: &Join, table: Stream, alias: &str) -> Heard<()> {
        let file = work.texts.file;
        let kind = match join.kind {
            JoinKind::Left => TableJoinKind::Left,
            JoinKind::Semi => TableJoinKind::Semi,
            JoinKind::Anti => TableJoinKind::Anti,
            JoinKind::Inner => TableJoinKind::Inner,
            JoinKind::Right | JoinKind::Full => {
                let message = "a join that gives rows of its table was to look rows up in it";
                return Err(self.error(codes::INTERNAL, file, span, message, "this is a bug of Runink: please report it"));
            }
        };
        let stream_width = work.flow.columns().len();
        let joined = joined_columns(work.flow.columns(), &table, alias);
        let condition = self.condition(work.texts, &join.on, &joined, Place::Row)?;
        let (equalities, rest) = split(&condition.expr, &joined, stream_width);
        self.covers_key(file, join.on.span, alias, &table, &joined[stream_width..], &equalities)?;
        let (table, on) = self.prepare(work, join, table, &joined, stream_width, equalities)?;
        let hidden = work.flow.columns().len() - stream_width;

        let stream = work.flow.stream.clone();
        let from_table: Vec<usize> = match kind {
            TableJoinKind::Inner | TableJoinKind::Left => (0..table.columns.len()).collect(),
            TableJoinKind::Semi | TableJoinKind::Anti => Vec::new(),
        };
        // The columns as they are behind the join: helpers of the condition still among them.
        let table_columns: Vec<Column> = table
            .columns
            .iter()
            .zip(&joined[stream_width..])
            .map(|(typed, named)| {
                let mut column = named.or_null();
                // A left join may find nothing.
                column.field = Arc::new(typed.field.as_ref().clone().with_name(named.name()).with_nullable(true));
                column
            })
            .collect();
        let whole: Vec<Column> = stream.columns.iter().chain(&table_columns).cloned().collect();
        let columns: Vec<Column> = stream.columns.iter().cloned().chain(from_table.iter().map(|&i| table_columns[i].clone())).collect();
        // Each key is asked for by one worker.
        let looked_up = self.is_looked_up(&table);
        let bounded_table = self.preload(&table, &stream) && !looked_up;
        let table_key = table.key().iter().filter_map(|k| table.columns.iter().position(|c| c.name() == k)).collect();
        let (ttl_us, state) = match &join.keep_state {
            Some(Spanned { value: Retention::For(ttl), .. }) => (Some(ttl.value.0), StateBound::PerKey { ttl_us: Some(ttl.value.0) }),
            Some(Spanned { value: Retention::Forever, .. }) => (None, StateBound::ForEver),
            None => (None, StateBound::PerKey { ttl_us: self.answers_count_us(&table) }),
        };
        let (step, at) = (work.flow.step.clone(), work.flow.at);
        let made = self.push(NewNode {
            name: step.clone(),
            op: Op::TableJoin(TableJoinOp {
                kind,
                on,
                condition: rest.map(|rest| (rest, schema_of(&whole))),
                table_columns: from_table,
                table_key,
                broadcast: bounded_table,
                ttl_us,
            }),
            inputs: vec![stream.node, table.node],
            columns,
            kind: stream.kind,
            time: stream.time,
            state,
            at,
        });
        work.flow = Flow::new(made, &step, at);
        self.drop_helpers(work, span, stream_width..stream_width + hidden)
    }

    /// Lets go of columns that only the condition needed.
    pub(super) fn drop_helpers(&mut self, work: &mut Work<'_>, span: Span, helpers: Range<usize>) -> Heard<()> {
        if helpers.is_empty() {
            return Ok(());
        }
        let kept = (0..work.flow.columns().len()).filter(|i| !helpers.contains(i)).map(|i| work.flow.keep(i)).collect();
        self.project(work, span, kept)
    }

    /// `named` are the table's columns under the names that they have in the condition.
    pub(super) fn covers_key(
        &mut self,
        file: FileId,
        on: Span,
        alias: &str,
        table: &Stream,
        named: &[Column],
        equalities: &[Equality],
    ) -> Heard<()> {
        let compared = |key: &String| {
            let name = table.columns.iter().position(|c| c.name() == key).map(|i| named[i].name());
            name.is_some_and(|name| equalities.iter().any(|e| e.table == name))
        };
        let missing: Vec<String> = table.key().iter().filter(|k| !compared(k)).map(|k| format!("{alias}.{k}")).collect();
        if table.key().is_empty() {
            let message = format!("`{alias}` is one row for everything and has no key to look it up by");
            return Err(self.error(codes::JOIN_KEY, file, on, message, "aggregate it `by` a key, and compare that key here"));
        }
        let Some(list) = names::list(&missing) else { return Ok(()) };
        let message = format!("the condition does not say what {list} equals, and that is the key of `{alias}`");
        let hint = format!(
            "compare every key column: `on {} = …`; conditions on other columns may follow with `and`",
            missing.first().map_or("key", String::as_str)
        );
        Err(self.error(codes::JOIN_KEY, file, on, message, hint))
    }

    /// Both sides of each equality as columns of one type: what is more than a column of the stream is computed before the join; a table's key that is
    /// narrower than what it is compared with is widened.
    pub(super) fn prepare(
        &mut self,
        work: &mut Work<'_>,
        join: &Join,
        mut table: Stream,
        joined: &[Column],
        stream_width: usize,
        equalities: Vec<Equality>,
    ) -> Heard<(Stream, Vec<(usize, usize)>)> {
        let mut on = Vec::new();
        let mut helpers: Vec<Projected> = Vec::new();
        let mut widened: BTreeSet<usize> = BTreeSet::new();
        for equality in equalities {
            let Some(t) = joined[stream_width..].iter().position(|c| c.name() == equality.table) else { continue };
            if table.columns[t].field.data_type() != &equality.ty {
                widened.insert(t);
                let field = table.columns[t].field.as_ref().clone().with_data_type(equality.ty.clone());
                table.columns[t].field = Arc::new(field);
            }
            let s = match &equality.stream {
                Expr::Column(c) => work.flow.columns().iter().position(|k| k.name() == c.name),
                _ => None,
            };
            let s = s.unwrap_or_else(|| {
                let taken: Vec<Column> = work.flow.columns().iter().cloned().chain(helpers.iter().map(|h| h.column.clone())).collect();
                let name = own_column(&taken, "on");
                let field = arrow::datatypes::Field::new(name, equality.ty.clone(), true);
                helpers.push(work.flow.make(equality.stream.clone(), Arc::new(field)));
                stream_width + helpers.len() - 1
            });
            on.push((s, t));
        }
        if !helpers.is_empty() {
            let mut projected: Vec<Projected> = (0..stream_width).map(|i| work.flow.keep(i)).collect();
            projected.extend(helpers);
            self.project(work, join.on.span, projected)?;
        }
        self.flush(&mut work.flow);
        if !widened.is_empty() {
            let types: Vec<_> = table.columns.iter().map(|c| c.field.clone()).collect();
            let columns = self.nodes[table.node.0].schema.fields().clone();
            for (column, original) in table.columns.iter_mut().zip(&columns) {
                column.field = original.clone();
            }
            let mut flow = Flow::new(table, &work.flow.step, work.flow.at);
            let exprs = types.iter().enumerate().map(|(i, field)| {
                let column = column_expr(field.name());
                let expr = if widened.contains(&i) { cast(column, field.data_type().clone()) } else { column };
                (expr, field.name().clone())
            });
            let exprs: Vec<_> = exprs.collect();
            for (column, field) in flow.stream.columns.iter_mut().zip(types) {
                column.direct &= column.field == field;
                column.field = field;
            }
            // A wider key is the same key: the projection keeps it in its place.
            flow.stage(crate::RowStageKind::Project(exprs));
            self.flush(&mut flow);
            table = flow.stream;
        }
        Ok((table, on))
    }

    /// Whether a table can be read completely before the stream: it ends, nothing but rows' own work stands before it, and the stream does not come from it.
    fn can_preload(&self, table: &Stream, stream: &Stream) -> bool {
        table.bounded && table.row_wise && table.sources.is_disjoint(&stream.sources)
    }

    /// Marks the table's sources to be read first, where that can be.
    fn preload(&mut self, table: &Stream, stream: &Stream) -> bool {
        let can = self.can_preload(table, stream);
        for NodeId(id) in table.sources.iter().filter(|_| can) {
            if let Op::Source(source) = &mut self.nodes[*id].op {
                source.preload = true;
            }
        }
        can
    }
}

/// The stream's columns, then the other input's, under names that are free.
pub(super) fn joined_columns(stream: &[Column], other: &Stream, alias: &str) -> Vec<Column> {
    let mut joined = stream.to_vec();
    for column in &other.columns {
        let name = match joined.iter().any(|c| c.name() == column.name()) {
            true => free_name(&joined, &format!("{alias}_{}", column.name())),
            false => column.name().to_owned(),
        };
        let mut renamed = column.renamed(&name);
        renamed.origins.clone_from(&column.origins);
        joined.push(renamed);
    }
    joined
}

/// The equalities between a stream expression and a table column, and what remains.
pub(super) fn split(condition: &Expr, joined: &[Column], stream_width: usize) -> (Vec<Equality>, Option<Expr>) {
    let table: BTreeSet<&str> = joined[stream_width..].iter().map(Column::name).collect();
    let of_stream = |e: &Expr| columns_read(e).iter().all(|c| !table.contains(c.as_str()));
    let mut equalities = Vec::new();
    let mut rest = Vec::new();
    for part in split_conjunction(condition) {
        let sides = match part {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if of_stream(left) => Some((left, right)),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if of_stream(right) => Some((right, left)),
            _ => None,
        };
        let equality = sides.and_then(|(stream, other)| {
            // Coercion may have put a cast around the table's column: then the table's side is widened.
            let (column, cast_to) = match other.as_ref() {
                Expr::Column(c) => (c, None),
                Expr::Cast(c) => match c.expr.as_ref() {
                    Expr::Column(column) => (column, Some(c.field.data_type().clone())),
                    _ => return None,
                },
                _ => return None,
            };
            let own = joined[stream_width..].iter().find(|c| c.name() == column.name)?.field.data_type();
            let ty = cast_to.unwrap_or_else(|| own.clone());
            (types::common_type(own, &ty).as_ref() == Some(&ty)).then(|| Equality {
                stream: stream.as_ref().clone(),
                table: column.name.clone(),
                ty,
            })
        });
        match equality {
            Some(equality) => equalities.push(equality),
            None => rest.push(part.clone()),
        }
    }
    (equalities, rest.into_iter().reduce(Expr::and))
}
