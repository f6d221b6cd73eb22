//! Keyed sources as changelogs, for lines that need to know what a row replaces.

use super::{Lowering, NewNode, step::Work, stream::Stream};
use crate::{ChangesOp, Op, StateBound, StreamKind};
use runink_dsl::{
    FileId,
    ast::{Retention, Span, Spanned},
};

impl Lowering<'_> {
    /// Makes a changelog of a step's flow where it is a keyed source; `keep`: how long its rows count, or that they always do.
    pub(super) fn as_changelog(&mut self, work: &mut Work<'_>, keep: Option<&Spanned<Retention>>) {
        if matches!(work.flow.stream.kind, StreamKind::Upsert { .. }) {
            self.flush(&mut work.flow);
            work.flow.stream = self.changelog_of(work.flow.stream.clone(), (&work.flow.step, work.flow.at), keep);
        }
    }

    /// The same of a whole stream, for a step.
    pub(super) fn changelog_of(&mut self, input: Stream, (step, at): (&str, (FileId, Span)), keep: Option<&Spanned<Retention>>) -> Stream {
        let StreamKind::Upsert { key } = input.kind.clone() else { return input };
        let columns = key.iter().filter_map(|k| input.columns.iter().position(|c| c.name() == k)).collect();
        let (ttl_us, state) = match keep.map(|k| &k.value) {
            Some(Retention::For(ttl)) => (Some(ttl.value.0), StateBound::PerKey { ttl_us: Some(ttl.value.0) }),
            Some(Retention::Forever) => (None, StateBound::ForEver),
            None if input.bounded => (None, StateBound::UntilEnd),
            None => (None, StateBound::PerKey { ttl_us: None }),
        };
        let row_wise = input.row_wise;
        let stream = self.push(NewNode {
            name: step.to_owned(),
            op: Op::Changes(ChangesOp { key: columns, ttl_us }),
            inputs: vec![input.node],
            columns: input.columns,
            kind: StreamKind::Changelog { key },
            time: input.time,
            state,
            at,
        });
        Stream { row_wise: row_wise && stream.row_wise, ..stream }
    }
}
