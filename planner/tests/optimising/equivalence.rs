//! Random plans over random rows: after optimising, the same rows come out and the same rows are turned away.

use super::{
    build::{Build, Stage, count_all, max_of, optimised},
    interpret::{Value, run},
};
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, cast, col, lit, when};
use proptest::prelude::*;
use runink_planner::{ExpectAction, NodeId, StreamJoinKind, TableJoinKind};
use std::collections::BTreeMap;

/// Choices that a list of bytes makes; when it is used up, the first of everything.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn among(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |&b| usize::from(b)) % n
    }

    fn number(&mut self, depth: usize, extra: bool) -> Expr {
        let constants = [0, 1, 2, -3, i64::MAX];
        match self.among(if depth == 0 { 3 } else { 8 }) {
            0 => col("a"),
            1 => col(if extra { "b" } else { "a" }),
            2 => lit(constants[self.among(constants.len())]),
            3 => self.number(depth - 1, extra) + self.number(depth - 1, extra),
            4 => self.number(depth - 1, extra) * self.number(depth - 1, extra),
            5 => self.number(depth - 1, extra) / self.number(depth - 1, extra),
            6 => cast(self.text(), DataType::Int64),
            _ => {
                let (condition, yes, no) = (self.truth(depth - 1, extra), self.number(depth - 1, extra), self.number(depth - 1, extra));
                when(condition, yes).otherwise(no).unwrap()
            }
        }
    }

    fn text(&mut self) -> Expr {
        match self.among(4) {
            0 | 1 => col("s"),
            2 => lit("1"),
            _ => lit("x"),
        }
    }

    fn truth(&mut self, depth: usize, extra: bool) -> Expr {
        match self.among(if depth == 0 { 5 } else { 10 }) {
            0 => self.number(depth.saturating_sub(1), extra).gt(self.number(0, extra)),
            1 => self.number(0, extra).eq(lit(1_i64)),
            2 => self.text().eq(lit("x")),
            3 => col("a").is_null(),
            4 => [lit(true), lit(false), lit(ScalarValue::Boolean(None))][self.among(3)].clone(),
            5 => self.truth(depth - 1, extra).and(self.truth(depth - 1, extra)),
            6 => self.truth(depth - 1, extra).or(self.truth(depth - 1, extra)),
            7 => !self.truth(depth - 1, extra),
            8 => self.number(depth - 1, extra).between(lit(0_i64), lit(2_i64)),
            _ => self.number(depth - 1, extra).in_list(vec![lit(0_i64), lit(2_i64), lit(5_i64)], self.among(2) == 0),
        }
    }

    /// A stage; `columns` says whether there is a column `b`, `tags` counts this step's tags.
    fn stage(&mut self, step: &str, columns: &mut bool, tags: &mut usize) -> Stage {
        match self.among(8) {
            0 | 1 => Stage::Filter(self.truth(2, *columns)),
            2 => {
                let b = if std::mem::replace(columns, true) { "b" } else { "a" };
                Stage::Project(vec![(col("a"), "a"), (col("s"), "s"), (col(b), "b")])
            }
            3 => {
                let exprs = vec![(self.number(1, *columns), "a"), (col("s"), "s"), (self.number(2, *columns), "b")];
                *columns = true;
                Stage::Project(exprs)
            }
            4 => {
                let exprs = vec![(col("s"), "s"), (self.number(0, *columns), "a")];
                *columns = false;
                Stage::Project(exprs)
            }
            5 => Stage::Expect(self.truth(1, *columns), ExpectAction::Reject),
            6 => {
                *tags += 1;
                Stage::Expect(self.truth(1, *columns), ExpectAction::Tag(format!("{step} tag {tags}")))
            }
            _ => Stage::Expect(self.truth(1, *columns), ExpectAction::Alert),
        }
    }
}

/// A plan as some bytes choose it, and what is watched in it.
fn plan_of(bytes: &[u8]) -> (Build, Vec<&'static str>) {
    const STEPS: [&str; 6] = ["S0", "S1", "S2", "S3", "S4", "S5"];
    let mut choices = Choices(bytes.iter());
    let fields = [("a", DataType::Int64), ("b", DataType::Int64), ("s", DataType::Utf8)];
    let mut b = Build::default();
    // Each node with whether it has column `b`; all have `a` and `s`.
    let mut streams: Vec<(NodeId, bool)> = vec![(b.source("one", &fields, None), true), (b.source("two", &fields, None), true)];
    let table = b.table("table", &[("k", DataType::Int64), ("v", DataType::Int64), ("w", DataType::Utf8)], "k");
    let mut watched = Vec::new();
    for step in STEPS.iter().take(1 + choices.among(STEPS.len())) {
        let (input, mut columns) = streams[choices.among(streams.len())];
        let (other, _) = streams[choices.among(streams.len())];
        let mut tags = 0;
        let made = match choices.among(10) {
            // As lowering does, which refuses to mix keys.
            0 if b.is_append_only(input) && b.is_append_only(other) => {
                let plain = |b: &mut Build, n| b.rows(step, n, vec![Stage::Project(vec![(col("a"), "a"), (col("s"), "s")])]);
                let inputs = [plain(&mut b, input), plain(&mut b, other)];
                columns = false;
                b.union(step, &inputs)
            }
            1 => {
                let kinds = [TableJoinKind::Inner, TableJoinKind::Left, TableJoinKind::Semi, TableJoinKind::Anti];
                let kind = kinds[choices.among(kinds.len())];
                let plain = b.rows(step, input, vec![Stage::Project(vec![(col("a"), "a"), (col("s"), "s")])]);
                let take: &[&str] = if matches!(kind, TableJoinKind::Inner | TableJoinKind::Left) { &["w", "v"] } else { &[] };
                columns = false;
                b.join(step, plain, table, ("a", "k"), kind, take)
            }
            2 => {
                let sums = b.aggregate(step, input, &["a", "s"], vec![count_all("n"), max_of("a", "m")], None);
                columns = true;
                b.rows(step, sums, vec![Stage::Project(vec![(col("a"), "a"), (col("s"), "s"), (col("n"), "b")])])
            }
            3 => {
                let changes = b.changes(step, table);
                let plain = b.rows(step, changes, vec![Stage::Project(vec![(col("k"), "a"), (col("w"), "s")])]);
                b.keyed_by(plain, &["a"]);
                columns = false;
                plain
            }
            4 => {
                let sets = vec![vec![true, true], vec![true, false], vec![false, false]];
                let each = b.rows(step, input, vec![Stage::Expand(vec!["a", "s"], sets)]);
                b.keyed_by(each, &[]);
                let sums = b.aggregate(step, each, &["of a", "of s", "set"], vec![count_all("n"), max_of("a", "m")], None);
                columns = true;
                let plain = b.rows(step, sums, vec![Stage::Project(vec![(col("of a"), "a"), (col("of s"), "s"), (col("n"), "b")])]);
                b.keyed_by(plain, &[]);
                plain
            }
            6 => {
                let kinds = [StreamJoinKind::Inner, StreamJoinKind::Left, StreamJoinKind::Semi, StreamJoinKind::Anti];
                let kind = kinds[choices.among(kinds.len())];
                let base = b.rows(step, input, vec![Stage::Project(vec![(col("a"), "a"), (col("s"), "s")])]);
                let more = vec![(col("a"), "k"), (col("s"), "t"), (choices.number(1, false), "unread")];
                let beside = b.rows(step, other, vec![Stage::Project(more)]);
                b.keyed_by(base, &["a", "s"]);
                b.keyed_by(beside, &["k", "t"]);
                let mut stages = vec![Stage::Filter(choices.truth(1, false))];
                stages.extend((choices.among(2) == 1).then(|| Stage::Filter(choices.truth(2, false))));
                let next = if matches!(kind, StreamJoinKind::Inner | StreamJoinKind::Left) { ("k", "t") } else { ("a", "s") };
                let to = [col(next.0), choices.number(1, false)][choices.among(2)].clone();
                stages.push(Stage::Project(vec![(to, "a"), (col(next.1), "s")]));
                columns = false;
                b.iterate(step, base, beside, kind, stages)
            }
            5 => b.rank(step, input, &["s"], "a", 1 + choices.among(2) as u64),
            _ => {
                let stages = (0..1 + choices.among(4)).map(|_| choices.stage(step, &mut columns, &mut tags)).collect();
                b.rows(step, input, stages)
            }
        };
        let made = if choices.among(4) == 1 {
            watched.push(*step);
            b.output(step, made)
        } else {
            made
        };
        streams.push((made, columns));
    }
    if choices.among(3) == 1 {
        let (seen, columns) = streams[choices.among(streams.len())];
        let of = choices.truth(1, columns);
        b.check("expected", seen, of, "a");
    }
    let (last, _) = streams[streams.len() - 1];
    b.sink("last", last);
    if choices.among(2) == 1 {
        let (other, _) = streams[choices.among(streams.len())];
        b.sink("other", other);
    }
    (b, watched)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![4 => (-1_i64..4).prop_map(Value::Int), 1 => Just(Value::Null), 1 => Just(Value::Int(i64::MAX))]
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Text("x".into())), Just(Value::Text("1".into())), Just(Value::Null)]
}

fn rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    prop::collection::vec((number(), number(), text()).prop_map(|(a, b, s)| vec![a, b, s]), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn optimising_changes_no_result(
        choices in prop::collection::vec(any::<u8>(), 0..120),
        one in rows(),
        two in rows(),
        table in rows(),
    ) {
        let (build, watched) = plan_of(&choices);
        let plan = build.plan();
        let sources = BTreeMap::from([("one".to_owned(), one), ("two".to_owned(), two), ("table".to_owned(), table)]);
        let observe: Vec<String> = watched.iter().map(|w| (*w).to_owned()).collect();
        let before = run(&plan, &sources, &observe);
        let after = run(&optimised(plan, &watched), &sources, &observe);
        prop_assert_eq!(before, after);
    }
}
