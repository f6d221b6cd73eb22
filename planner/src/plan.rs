//! The dataflow plan: what the engine builds, with everything that planning found out about each node.
//!
//! A plan is a list of nodes in an order in which every input stands before its reader. Expressions are DataFusion's,
//! resolved (unqualified column names of the node's own input), typed, coerced and simplified; every schema has unique
//! field names. The engine adds nothing of meaning: it turns expressions into kernels and nodes into operators.

use crate::{CheckOp, Fed, FirstOp, IterateOp, MatchOp, NeighbourOp, RankOp, RunningOp, StreamJoinOp};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion_expr::{AggregateUDF, Expr};
use runink_connector_api::{Delivery, Options, Predicate, RejectReason};
use runink_dsl::{FileId, ast::Span};
use std::sync::Arc;

/// A node's place in [`Plan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeId(pub usize);

/// A scenario, planned.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The scenario's title.
    pub scenario: String,
    /// Inputs stand before their readers.
    pub nodes: Vec<Node>,
}

impl Plan {
    /// The node at a place of this plan.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The node that carries a step's (or source's, or `Step.port`'s) final output, if a node ends there.
    pub fn output_of(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().rposition(|n| n.name == name && !matches!(n.op, Op::Sink(_))).map(NodeId)
    }
}

/// One operator of the dataflow.
#[derive(Debug, Clone)]
pub struct Node {
    /// The source, step, `Step.port` or sink whose output this is. Several nodes may carry one step's work; the last is its output.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<NodeId>,
    /// What comes out.
    pub schema: SchemaRef,
    /// Whether rows come that take others back.
    pub kind: StreamKind,
    /// The event time of the rows that come out, if they have one.
    pub time: Option<EventTime>,
    /// The sources whose watermark holds this node's (their minimum counts). Sorted.
    pub watermark_of: Vec<NodeId>,
    /// What it keeps, and what bounds it.
    pub state: StateBound,
    /// Every input ends.
    pub bounded: bool,
    /// Where each column comes from.
    pub lineage: Vec<ColumnLineage>,
    /// Where the text says it: the source, step or sink that a diagnostic about this node points to.
    pub at: Option<(FileId, Span)>,
}

/// What kind of stream it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum StreamKind {
    /// Every row is new and stays.
    AppendOnly,
    /// Every row replaces the one before it with the same key (a keyed source, read as a table). Columns by name.
    Upsert {
        /// The key columns.
        key: Vec<String>,
    },
    /// Rows come with multiplicities; their sum per row is the state. Columns by name.
    Changelog {
        /// The key columns: at most one row of a key is live at an epoch's end.
        key: Vec<String>,
    },
}

/// Which column is the event time, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EventTime {
    /// Its index in the node's schema (a Timestamp without zone, or Date32).
    pub column: usize,
    /// Added to the column's value, in microseconds: a window's result lies just inside its window, at `window_end` - 1 µs.
    pub shift_us: i64,
}

/// What an operator keeps.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub enum StateBound {
    /// Nothing.
    Stateless,
    /// Per key and open window: at most `windows_per_key` at once as long as time goes on, each for `lifetime_us` of event time.
    Windowed {
        /// How many windows a key can have open.
        windows_per_key: u64,
        /// From a window's first row to its end of life, lateness included; a session's is not known.
        lifetime_us: Option<i64>,
    },
    /// One row per key of a table.
    PerKey {
        /// How long a key is kept after its last change; for ever where absent, which [`crate::sanity`] refuses on an unbounded input.
        ttl_us: Option<i64>,
    },
    /// One row per key of a table, never forgotten, because the text says so (`keep for ever`).
    ForEver,
    /// Everything until the bounded input ends.
    UntilEnd,
    /// Rows of a join's or a pattern's inputs, each as long as it can meet others.
    Rows {
        /// How long: after its event time where the join is bounded by time, else after it came; for ever where absent, which [`crate::sanity`] refuses
        /// on an unbounded input.
        lifetime_us: Option<i64>,
    },
    /// All rows of a join's or a pattern's inputs, because the text says so (`keep for ever`).
    RowsForEver,
    /// Some rows of each key.
    RowsPerKey {
        /// How many at most; without a number, all of them.
        rows: Option<u64>,
        /// How long a key is kept after its last change; for ever where absent, which [`crate::sanity`] refuses on an unbounded input.
        ttl_us: Option<i64>,
        /// For ever, because the text says so (`keep for ever`).
        for_ever: bool,
    },
}

/// Where a column comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ColumnLineage {
    /// The column.
    pub column: String,
    /// (source, column) pairs, sorted.
    pub from: Vec<(String, String)>,
    /// It is handed on unchanged.
    pub direct: bool,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum Op {
    /// Reads rows.
    Source(SourceOp),
    /// Rows through stages, one after the other: no state, no exchange. One input.
    Rows(Vec<RowStage>),
    /// All rows of all inputs; the inputs' schemas equal the node's (the planner projects them before).
    Union,
    /// Groups, in windows or over all time. One input.
    Aggregate(AggregateOp),
    /// Makes a changelog of a keyed source: a row takes the one before it with the same key back. One input, of kind `Upsert`; the node's schema is its.
    Changes(ChangesOp),
    /// Looks rows of input 0 (a stream) up in input 1 (a table: `Upsert` or `Changelog`).
    TableJoin(TableJoinOp),
    /// Joins two streams.
    StreamJoin(StreamJoinOp),
    /// The first rows of each key. One input.
    Rank(RankOp),
    /// The first row of each key, for good. One input.
    First(FirstOp),
    /// Values of rows before or behind. One input.
    Neighbour(NeighbourOp),
    /// Gives each row aggregates over those before it and itself. One input.
    Running(RunningOp),
    /// Finds rows that follow each other in a certain way. One input.
    Match(Box<MatchOp>),
    /// Applies a round to what it has found itself, until nothing new comes. Input 0 is what it starts from.
    Iterate(Box<IterateOp>),
    /// Inside a recursion: rows that a round reads.
    Fed(Fed),
    /// Says of each window of its input's rows whether an expectation holds. One input; nobody reads what comes out.
    Check(CheckOp),
    /// Writes changes as rows that stay, for a sink: what comes out is append-only. One input.
    Form(FormOp),
    /// The scenario's reject stream: schema [`crate::rejected_schema`]. No input in the plan: the engine feeds it from every node.
    Rejected,
    /// Hands rows on without change, so that they can be read under this name (a step that tests observe).
    Output,
    /// Writes rows. One input; its schema is the input's.
    Sink(SinkOp),
}

/// See [`Op::Source`]. The node's schema is the projected one.
#[derive(Debug, Clone)]
pub struct SourceOp {
    /// The connector's name.
    pub connector: String,
    /// Checked options of the connector.
    pub options: Options,
    /// All columns that the source has.
    pub full_schema: SchemaRef,
    /// The columns that the plan reads, ascending indices into `full_schema`.
    pub projection: Vec<usize>,
    /// What the source may leave out; the plan filters again.
    pub predicates: Vec<Predicate>,
    /// Rows may come that much later than newer ones, in microseconds.
    pub lateness_us: i64,
    /// A partition without rows for that long, with evidence, no longer holds the watermark, in microseconds.
    pub idle_us: i64,
    /// When all partitions are idle, the wall clock carries the watermark on.
    pub advance_when_idle: bool,
    /// A bounded table: read completely before any source that is not one delivers its first row.
    pub preload: bool,
    /// It is not read but asked for the rows of keys, by the joins that read it; no other node does.
    pub lookup: bool,
}

/// One stage of [`Op::Rows`].
#[derive(Debug, Clone)]
pub struct RowStage {
    /// The step (or source) it belongs to, for the books and the rejects.
    pub step: String,
    /// What it does.
    pub kind: RowStageKind,
    /// What comes out.
    pub schema: SchemaRef,
}

/// What a row stage does.
#[derive(Debug, Clone)]
pub enum RowStageKind {
    /// Rows for which it is true go on (null is not true); the others count as filtered. A row on which it fails is rejected.
    Filter(Expr),
    /// New columns. A row on which one fails is rejected with reason `expression`.
    Project(Vec<(Expr, String)>),
    /// What must hold.
    Expect(ExpectStage),
    /// One row per element of a list column. The schema says the element column's name (in the list column's place) and the ordinality column (last, Int64, from 1).
    Unnest {
        /// The list column's index in the stage's input.
        column: usize,
        /// Whether an ordinality column is appended.
        ordinality: bool,
        /// Rows with a null or empty list stay, with a null element.
        keep_empty: bool,
    },
    /// Every row once for each grouping set. Behind its columns come, for each key, a column that has the key's value where the set has the key, else null; and
    /// last a `UInt8` that tells the sets apart: a bit for each key, the first key's the highest, 1 where the set does not have it.
    Expand {
        /// The key columns' indices in the stage's input; at most [`MAX_GROUPING_KEYS`].
        keys: Vec<usize>,
        /// Each set says of every key whether it has it. No two are alike.
        sets: Vec<Vec<bool>>,
    },
}

/// How many keys grouping sets may be made of: each has a bit in a column of eight.
pub const MAX_GROUPING_KEYS: usize = 8;

/// The number that tells a grouping set from others.
pub fn grouping_id(set: &[bool]) -> u8 {
    set.iter().fold(0, |id, has| id << 1 | u8::from(!has))
}

/// An expectation on rows.
#[derive(Debug, Clone)]
pub struct ExpectStage {
    /// Must be true; null is not true.
    pub predicate: Expr,
    /// As the text says it, for messages.
    pub text: String,
    /// `Contract` for a contract's rules, else `Expectation`.
    pub reason: RejectReason,
    /// What happens where it does not hold.
    pub otherwise: ExpectAction,
}

/// What happens where an expectation does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectAction {
    /// The row goes to `rejected`.
    Reject,
    /// The row stays; the last column of the stage's schema, a Boolean of this name, is true for it (false for the others).
    Tag(String),
    /// The row stays and is counted.
    Alert,
    /// The scenario stops with an error that shows the row.
    Fail,
}

/// See [`Op::Aggregate`]. Output schema: key columns, then aggregates, then (windowed) `window_start` and `window_end`
/// as Timestamps of the time column's unit (microseconds for processing time). `having` and the like follow as row stages.
#[derive(Debug, Clone)]
pub struct AggregateOp {
    /// Key columns, as indices into the input (the planner computes key expressions in a projection before).
    pub keys: Vec<usize>,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// Over which windows; all time where absent.
    pub window: Option<WindowSpec>,
    /// When results go out.
    pub emit: EmitMode,
    /// How long a closed window takes late rows and corrects itself, in microseconds.
    pub allowed_lateness_us: i64,
    /// How long a key without window is kept after its last change, in microseconds; `None` for ever (or until the end).
    pub ttl_us: Option<i64>,
    /// Aggregate on each worker before the exchange, then merge: the plan's judgement that it pays and changes no result.
    pub two_phase: bool,
    /// The input takes rows back: a result is that of the rows that are there, and goes when its last row goes.
    pub retracts: bool,
}

impl AggregateOp {
    /// Results go out only as windows close or the input ends, once each: which of the epochs before brought a row can no longer be told from them.
    pub fn gathers(&self) -> bool {
        let corrects = self.window.is_some() && self.allowed_lateness_us > 0;
        let ages = self.window.is_none() && self.ttl_us.is_some();
        self.emit == EmitMode::OnClose && !corrects && !ages && !self.retracts
    }
}

/// One aggregate.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: Arc<AggregateUDF>,
    /// Column references into the input, or literals; already coerced.
    pub args: Vec<Expr>,
    /// `count(distinct x)`.
    pub distinct: bool,
    /// `filter (where …)`: a Boolean column of the input.
    pub filter: Option<usize>,
    /// `order by` inside the call: input column, ascending, nulls first.
    pub order_by: Vec<(usize, bool, bool)>,
    /// Nulls are skipped (`ignore nulls`).
    pub ignore_nulls: bool,
    /// The output column.
    pub name: String,
}

/// A window, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WindowSpec {
    /// Its shape.
    pub shape: WindowShape,
    /// By what time; `None` is processing time. The column is of the input.
    pub time: Option<EventTime>,
}

/// The shape of a window; all lengths in microseconds, positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub enum WindowShape {
    Tumbling {
        size: i64,
        offset: i64,
    },
    /// `slide <= size`.
    Hopping {
        size: i64,
        slide: i64,
        offset: i64,
    },
    Session {
        gap: i64,
    },
    /// `step` divides `size`.
    Cumulating {
        size: i64,
        step: i64,
        offset: i64,
    },
}

/// When results go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum EmitMode {
    /// Once, when the window closes (or a bounded input ends): append-only, unless lateness is allowed (then corrections make a changelog).
    OnClose,
    /// At the end of every epoch that changed something: a changelog.
    OnChange,
    /// At most every so many microseconds of the window's time (processing time without a window), and when it closes: a changelog.
    Every(i64),
}

/// See [`Op::Changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesOp {
    /// The key columns, by index.
    pub key: Vec<usize>,
    /// How long a row stays after it came, in microseconds; for ever where absent. Then it is taken back.
    pub ttl_us: Option<i64>,
}

/// See [`Op::TableJoin`]. Output schema: the stream's columns, then the chosen table columns (none for semi and anti).
#[derive(Debug, Clone)]
pub struct TableJoinOp {
    /// Inner, left, semi or anti, seen from the stream.
    pub kind: TableJoinKind,
    /// Equal pairs: (stream column, table column), of the same type.
    pub on: Vec<(usize, usize)>,
    /// A further condition over the stream's columns followed by the table's (names as in `condition_schema`).
    pub condition: Option<(Expr, SchemaRef)>,
    /// Which table columns come out.
    pub table_columns: Vec<usize>,
    /// The table's key columns, by index.
    pub table_key: Vec<usize>,
    /// Every worker holds the whole table and the stream is not exchanged (bounded tables), else both go by key.
    pub broadcast: bool,
    /// How long a table row is kept after its last change, in microseconds.
    pub ttl_us: Option<i64>,
}

/// See [`TableJoinOp::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub enum TableJoinKind {
    Inner,
    Left,
    Semi,
    Anti,
}

/// See [`Op::Form`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormOp {
    /// How changes are written.
    pub form: ChangeForm,
    /// The columns that tell rows apart, by index.
    pub key: Vec<usize>,
}

/// How changes are written as rows. In one epoch a row that comes and goes does not come out at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeForm {
    /// Every change: the row, and as the last column how often it is added (above zero) or taken back (below), as [`DIFF`].
    Retract,
    /// The newest row of each key, and as the last column whether the key is gone, as [`DELETED`]; of a key that is gone all other columns are null.
    Upsert,
    /// As Debezium writes it: the row before, the row after, and `c`, `u` or `d` as the operation.
    Debezium,
}

impl ChangeForm {
    /// All of them, by the words that the language has for them.
    pub const ALL: [(&'static str, ChangeForm); 3] =
        [("retract", ChangeForm::Retract), ("upsert", ChangeForm::Upsert), ("debezium", ChangeForm::Debezium)];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, form)| *form == self).map_or("", |(word, _)| word)
    }

    /// The columns of rows in this form, of those that come; `key` as in [`FormOp::key`].
    pub fn fields(self, input: &[FieldRef], key: &[usize]) -> Vec<FieldRef> {
        let may_miss = |f: &FieldRef| f.as_ref().clone().with_nullable(true);
        match self {
            ChangeForm::Retract => input.iter().cloned().chain([Arc::new(Field::new(DIFF, DataType::Int64, false))]).collect(),
            ChangeForm::Upsert => {
                let column = |(i, f): (usize, &FieldRef)| if key.contains(&i) { f.clone() } else { Arc::new(may_miss(f)) };
                let deleted = Arc::new(Field::new(DELETED, DataType::Boolean, false));
                input.iter().enumerate().map(column).chain([deleted]).collect()
            }
            ChangeForm::Debezium => {
                let row = DataType::Struct(input.iter().map(may_miss).collect());
                let sides = ["before", "after"].map(|name| Arc::new(Field::new(name, row.clone(), true)));
                sides.into_iter().chain([Arc::new(Field::new("op", DataType::Utf8, false))]).collect()
            }
        }
    }
}

/// See [`ChangeForm::Retract`].
pub const DIFF: &str = "_diff";
/// See [`ChangeForm::Upsert`].
pub const DELETED: &str = "_deleted";

/// See [`Op::Sink`].
#[derive(Debug, Clone)]
pub struct SinkOp {
    /// The connector's name.
    pub connector: String,
    /// Checked options of the connector.
    pub options: Options,
    /// Key columns, where the text or the stream gives them.
    pub key: Vec<String>,
    /// What the connector promises for these options.
    pub delivery: Delivery,
}

/// The schema of a scenario's `rejected` stream: why and where (`reason`, `step`, `source`, `place`, `position`, `message`), then the row as text
/// (`row`: bytes that are not UTF-8 replaced) and its original bytes (`raw`).
pub fn rejected_schema() -> SchemaRef {
    use arrow::datatypes::Schema;
    static SCHEMA: std::sync::OnceLock<SchemaRef> = std::sync::OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            Arc::new(Schema::new(vec![
                Field::new("reason", DataType::Utf8, false),
                Field::new("step", DataType::Utf8, false),
                Field::new("source", DataType::Utf8, true),
                Field::new("place", DataType::Utf8, true),
                Field::new("position", DataType::UInt64, true),
                Field::new("message", DataType::Utf8, false),
                Field::new("row", DataType::Utf8, false),
                Field::new("raw", DataType::Binary, false),
            ]))
        })
        .clone()
}
