//! Keyed sources as changelogs, for lines that need to know what a row replaces.

use super::{Lowering, NewNode, step::Work};
use crate::{ChangesOp, Op, StateBound, StreamKind};
use runink_dsl::ast::{Retention, Spanned};

impl Lowering<'_> {
    /// Makes a changelog of a step's flow where it is a keyed source; `keep`: how long its rows count, or that they always do.
    pub(super) fn as_changelog(&mut self, work: &mut Work<'_>, keep: Option<&Spanned<Retention>>) {
        let StreamKind::Upsert { key } = work.flow.stream.kind.clone() else { return };
        self.flush(&mut work.flow);
        let input = work.flow.stream.clone();
        let columns = key.iter().filter_map(|k| input.columns.iter().position(|c| c.name() == k)).collect();
        let (ttl_us, state) = match keep.map(|k| &k.value) {
            Some(Retention::For(ttl)) => (Some(ttl.value.0), StateBound::PerKey { ttl_us: Some(ttl.value.0) }),
            Some(Retention::Forever) => (None, StateBound::ForEver),
            None if input.bounded => (None, StateBound::UntilEnd),
            None => (None, StateBound::PerKey { ttl_us: None }),
        };
        let row_wise = input.row_wise;
        let stream = self.push(NewNode {
            name: work.flow.step.clone(),
            op: Op::Changes(ChangesOp { key: columns, ttl_us }),
            inputs: vec![input.node],
            columns: input.columns,
            kind: StreamKind::Changelog { key },
            time: input.time,
            state,
            at: work.flow.at,
        });
        work.flow.stream = super::stream::Stream { row_wise: row_wise && stream.row_wise, ..stream };
    }
}
