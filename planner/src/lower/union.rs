//! `union`: the rows of several inputs, by column name.

use super::{
    Heard, Lowering, NewNode,
    step::Work,
    stream::{Column, Flow, Origin, Projected, Stream, column_expr},
};
use crate::{EventTime, Op, StateBound, StreamKind, catalogue as codes, names, types};
use arrow::datatypes::DataType;
use datafusion_expr::cast;
use runink_dsl::{
    FileId,
    ast::{Name, Span},
};
use std::{collections::BTreeSet, sync::Arc};

impl Lowering<'_> {
    pub(super) fn union(&mut self, work: &mut Work<'_>, span: Span, inputs: &[Name]) -> Heard<()> {
        let mut streams: Vec<(String, Span, Stream)> = Vec::new();
        for input in inputs {
            let name = self.name(work.texts, input)?;
            work.unused.retain(|n| n.value != name);
            streams.push((name.clone(), input.span, self.input_stream(&name, work.texts.file, input.span)?));
        }
        self.union_with(work, span, streams)
    }

    /// Adds the rows of streams, each with what it is called in messages and where the text says it.
    pub(super) fn union_with(&mut self, work: &mut Work<'_>, span: Span, streams: Vec<(String, Span, Stream)>) -> Heard<()> {
        let file = work.texts.file;
        for (name, at, stream) in
            streams.iter().map(|(n, a, s)| (n.as_str(), *a, s)).chain([("this step's input", span, &work.flow.stream)])
        {
            if matches!(stream.kind, StreamKind::Upsert { .. }) {
                let message =
                    format!("`{name}` is a keyed source: each of its rows replaces one before it, and a union would mix them with others'");
                let hint = "read the source without `key=`";
                return Err(self.error(codes::KEYED_STREAM, file, at, message, hint));
            }
        }
        let mut columns = work.flow.columns().to_vec();
        for (name, at, stream) in &streams {
            self.same_columns(work, &columns, name, *at, stream)?;
            for column in &mut columns {
                let Some(other) = stream.columns.iter().find(|c| c.name() == column.name()) else { continue };
                let Some(ty) = types::common_type(column.field.data_type(), other.field.data_type()) else {
                    let (here, there) = (types::type_name(column.field.data_type()), types::type_name(other.field.data_type()));
                    let message = format!("`{}` is {here} so far and {there} in `{name}`", column.name());
                    let hint = format!(
                        "cast one of them in its step, for example `@do set {0} = cast({0} as {1})`",
                        column.name(),
                        crate::expr::sql_type(column.field.data_type())
                    );
                    return Err(self.error(codes::UNION_TYPES, file, *at, message, hint));
                };
                merge(column, other, &ty);
            }
        }
        let time = common_time(&work.flow.stream, &streams, &columns);
        let kind = union_kind(std::iter::once(&work.flow.stream).chain(streams.iter().map(|(_, _, s)| s)), &columns);
        let mut nodes = vec![self.branch(work.texts.file, span, &mut work.flow, &columns)?];
        for (_, at, stream) in streams {
            let mut branch = Flow::new(stream, &work.flow.step, work.flow.at);
            nodes.push(self.branch(work.texts.file, at, &mut branch, &columns)?);
        }
        let row_wise = nodes.iter().all(|n| n.row_wise);
        let stream = self.push(NewNode {
            name: work.flow.step.clone(),
            op: Op::Union,
            inputs: nodes.iter().map(|n| n.node).collect(),
            columns,
            kind,
            time,
            state: StateBound::Stateless,
            at: work.flow.at,
        });
        work.flow.stream = Stream { row_wise, ..stream };
        Ok(())
    }

    fn same_columns(&mut self, work: &Work<'_>, columns: &[Column], name: &str, at: Span, stream: &Stream) -> Heard<()> {
        let lacks = |has: &[Column], wants: &[Column]| -> Vec<String> {
            wants.iter().filter(|w| !has.iter().any(|c| c.name() == w.name())).map(|w| w.name().to_owned()).collect()
        };
        let (there, here) = (lacks(&stream.columns, columns), lacks(columns, &stream.columns));
        if there.is_empty() && here.is_empty() {
            return Ok(());
        }
        let lacking = |missing: &[String], verb: &str| names::list(missing).map(|l| format!("{verb} {l}"));
        let parts: Vec<String> = [lacking(&there, "lacks"), lacking(&here, "has besides")].into_iter().flatten().collect();
        let message = format!("`{name}` {}, so its rows do not fit", parts.join(" and "));
        let hint = "bring all inputs to the same columns with `@do select …` before";
        Err(self.error(codes::UNION_COLUMNS, work.texts.file, at, message, hint))
    }

    /// One input, with the union's columns in their order and of their types.
    fn branch(&mut self, file: FileId, at: Span, flow: &mut Flow, columns: &[Column]) -> Heard<Stream> {
        let same = flow.columns().len() == columns.len() && flow.columns().iter().zip(columns).all(|(a, b)| a.field == b.field);
        if !same {
            let projected = columns.iter().filter_map(|target| {
                let index = flow.columns().iter().position(|c| c.name() == target.name())?;
                let mut kept = flow.keep(index);
                if kept.column.field.data_type() != target.field.data_type() {
                    kept = Projected {
                        expr: cast(column_expr(target.name()), target.field.data_type().clone()),
                        column: Column { direct: false, ..kept.column },
                    };
                }
                kept.column.field = target.field.clone();
                Some(kept)
            });
            let projected = projected.collect();
            if let Err(lost) = flow.project(projected) {
                let message = format!("`{lost}` is part of the key of a changelog, and this union would convert it");
                let hint = format!("bring `{lost}` to one type before the changelog begins");
                return Err(self.error(codes::KEY_LOST, file, at, message, hint));
            }
        }
        self.flush(flow);
        Ok(flow.stream.clone())
    }
}

/// Rows are taken back where an input takes rows back. Inputs with keys of the same columns are told apart by a column that is another constant in each;
/// all other rows by all that they are.
fn union_kind<'s>(inputs: impl Iterator<Item = &'s Stream> + Clone, columns: &[Column]) -> StreamKind {
    if inputs.clone().all(Stream::is_append_only) {
        return StreamKind::AppendOnly;
    }
    let all = || columns.iter().map(|c| c.name().to_owned()).collect();
    let keys: Vec<BTreeSet<&String>> = inputs.clone().map(|s| s.key().iter().collect()).collect();
    if inputs.clone().any(Stream::is_append_only) || keys.windows(2).any(|w| w[0] != w[1]) {
        return StreamKind::Changelog { key: all() };
    }
    let tells_apart = |column: &&Column| {
        let of = |s: &Stream| s.columns.iter().find(|c| c.name() == column.name()).and_then(|c| c.constant.clone());
        let values: Vec<_> = inputs.clone().map(of).collect();
        values.iter().all(Option::is_some) && (1..values.len()).all(|i| !values[..i].contains(&values[i]))
    };
    let Some(column) = columns.iter().find(tells_apart) else { return StreamKind::Changelog { key: all() } };
    let own = inputs.clone().next().map_or(&[][..], Stream::key);
    let others = own.iter().filter(|k| *k != column.name()).cloned();
    StreamKind::Changelog { key: std::iter::once(column.name().to_owned()).chain(others).collect() }
}

fn merge(column: &mut Column, other: &Column, ty: &DataType) {
    column.direct &= column.field.data_type() == ty && other.field.data_type() == ty;
    let mut field = column.field.as_ref().clone().with_data_type(ty.clone());
    field.set_nullable(column.field.is_nullable() || other.field.is_nullable());
    if column.field.metadata() != other.field.metadata() {
        field = field.with_metadata(Default::default());
    }
    column.field = Arc::new(field);
    column.direct &= other.direct;
    column.constant = column.constant.take().filter(|value| other.constant.as_ref() == Some(value));
    column.from.extend(other.from.iter().cloned());
    let new: Vec<Origin> = other.origins.iter().filter(|o| !column.origins.contains(o)).cloned().collect();
    column.origins.extend(new);
}

/// The event time, where it is the same column in all inputs.
fn common_time(first: &Stream, others: &[(String, Span, Stream)], columns: &[Column]) -> Option<EventTime> {
    let name = first.time_column()?;
    let shift_us = first.time.as_ref()?.shift_us;
    let same = |s: &Stream| s.time_column() == Some(name) && s.time.as_ref().is_some_and(|t| t.shift_us == shift_us);
    let column = columns.iter().position(|c| c.name() == name)?;
    (others.iter().all(|(_, _, s)| same(s)) && types::is_event_time(columns[column].field.data_type()))
        .then_some(EventTime { column, shift_us })
}
