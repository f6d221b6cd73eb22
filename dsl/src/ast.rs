//! The typed syntax tree: what a `.dsl` text says, with the span of every part.
//!
//! The parser lowers the lossless tree to these types; the planner reads nothing else. Expressions stay text
//! ([`Expr`]): their grammar is SQL's and belongs to the planner, which maps positions inside an expression back
//! through [`Expr::span`]. A tree exists for every input, however broken; what is missing or wrong is said by
//! diagnostics, and the parts that could be understood are here.

mod contract;
mod order;
mod pattern;

pub use contract::{Contract, Field, Rule, TimeUnit, Type};
pub use order::{Deduplicate, Neighbours, Running, RunningOver, Top};
pub use pattern::{AfterMatch, EventCondition, Gap, Match, Pattern};

use serde::Serialize;

/// A half-open byte range in one source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: clamp(start), end: clamp(end) }
    }

    /// The smallest range that covers both.
    pub fn cover(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// As a range for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }
}

/// A name with its place.
pub type Name = Spanned<String>;

/// A SQL scalar (or aggregate) expression, kept as text. Line breaks inside it are kept; comments are blanked out, so that offsets stay.
/// `${…}` references are still in it; [`crate::variables`] resolves them.
pub type Expr = Spanned<String>;

/// A length of time in microseconds: `250ms`, `5s`, `10m`, `1h`, `1d`, `1h30m`.
pub type Duration = Spanned<DurationUs>;

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DurationUs(pub i64);

impl DurationUs {
    /// How many durations of one reusable step can be parameters.
    pub const MAX_REFERENCES: usize = 1_000;

    /// Stands for a parameter in the lines of a reusable step, and nowhere else: lengths of time that no text can say. `negated` is its opposite.
    pub fn of_reference(at: usize, negated: bool) -> Self {
        let at = at.min(Self::MAX_REFERENCES - 1) + if negated { Self::MAX_REFERENCES } else { 0 };
        DurationUs(i64::MIN + at as i64)
    }

    /// Which of [`StepTemplate::durations`] it stands for, if it stands for one, and whether for its opposite.
    pub fn reference(self) -> Option<(usize, bool)> {
        let at = usize::try_from(self.0.wrapping_sub(i64::MIN)).ok().filter(|at| *at < 2 * Self::MAX_REFERENCES)?;
        Some((at % Self::MAX_REFERENCES, at >= Self::MAX_REFERENCES))
    }
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Document {
    /// The `Feature:` of the file, if it has one.
    pub feature: Option<Feature>,
    /// `Contract:` blocks.
    pub contracts: Vec<Contract>,
    /// `Step:` blocks: reusable steps.
    pub steps: Vec<StepTemplate>,
}

/// `Feature: <title>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feature {
    /// The text after the keyword.
    pub title: Name,
    /// Prose under the heading, one paragraph text.
    pub prose: String,
    /// `Key: value` lines (`Domain`, `Herd`, `Owner`, `Purpose`, `Classification`, `Slo`, and any other).
    pub metadata: Vec<Metadata>,
    /// `@module`, `@affinity`, `@requires` and other annotations of the feature.
    pub annotations: Vec<Annotation>,
    /// The `Background:` block: what every scenario shares.
    pub background: Option<Background>,
    /// `Scenario:` blocks.
    pub scenarios: Vec<Scenario>,
}

/// `Key: value`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metadata {
    /// The key as written.
    pub key: Name,
    /// The rest of the line.
    pub value: Spanned<String>,
}

/// `Background:`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Background {
    /// Prose under the heading.
    pub prose: String,
    /// `@source(…)` declarations.
    pub sources: Vec<Source>,
    /// Other annotations.
    pub annotations: Vec<Annotation>,
    /// Where the block stands.
    pub span: Span,
}

/// `Scenario: <title>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// The text after the keyword.
    pub title: Name,
    /// Prose under the heading.
    pub prose: String,
    /// `Key: value` lines.
    pub metadata: Vec<Metadata>,
    /// `@module`, `@affinity`, `@requires` and others.
    pub annotations: Vec<Annotation>,
    /// Sources declared in this scenario.
    pub sources: Vec<Source>,
    /// Steps in order of the text.
    pub steps: Vec<Step>,
    /// Sinks in order of the text.
    pub sinks: Vec<Sink>,
    /// Tests.
    pub examples: Vec<Examples>,
    /// Where the block stands.
    pub span: Span,
}

/// `@name(key=value, …)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Annotation {
    /// The name without `@`.
    pub name: Name,
    /// Its arguments in order.
    pub args: Vec<Arg>,
    /// Where it stands.
    pub span: Span,
}

impl Annotation {
    /// The value of an argument by name.
    pub fn get(&self, name: &str) -> Option<&Spanned<Value>> {
        self.args.iter().find(|a| a.name.value == name).map(|a| &a.value)
    }
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arg {
    /// The key.
    pub name: Name,
    /// The value.
    pub value: Spanned<Value>,
}

/// A value of an annotation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Value {
    /// `"…"`; may hold `${…}` references.
    Text(String),
    /// A bare word: `kafka`, `exactly-once`, `paid_at`, `v1.2`.
    Word(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `5s`.
    Duration(DurationUs),
    /// `64MiB`, in bytes.
    Bytes(u64),
    /// `Payment@2`.
    Versioned {
        /// The name before `@`.
        name: String,
        /// The number after it.
        version: u32,
    },
    /// `${env.X}`, `${secret.X}`, `${param}`, unquoted: what stands between the braces.
    Variable(String),
    /// `[a, b]` or `(a, b)`.
    List(Vec<Spanned<Value>>),
}

/// `@source(name=…, type=…, …)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// `name=`.
    pub name: Name,
    /// `type=`.
    pub connector: Name,
    /// The whole annotation; options other than `name` and `type` are the connector's and the planner's.
    pub annotation: Annotation,
}

/// `@sink(type=…, …)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sink {
    /// `name=`; the planner names it after its connector where it is absent.
    pub name: Option<Name>,
    /// `type=`.
    pub connector: Name,
    /// `from=`: which step's output; the last step before it where absent. `rejected` is the reject stream.
    pub from: Option<Name>,
    /// The whole annotation.
    pub annotation: Annotation,
}

/// `@step(name=…)` with its lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// `name=`.
    pub name: Name,
    /// `from=`: the inputs by name (`Step`, `source`, `Step.port`); empty means the step before, or the only source.
    pub from: Vec<Name>,
    /// Present where the step has no body: the reusable step it stands for.
    pub uses: Option<Use>,
    /// The step's lines.
    pub body: StepBody,
    /// Free prose inside the step.
    pub prose: String,
    /// The annotation (for `affinity`, `keep` and other options).
    pub annotation: Annotation,
    /// Where it stands, with its lines.
    pub span: Span,
}

/// `@step(name=Local, domain=finance, use=ValidateSIN, column=sin)`: an instance of a reusable step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Use {
    /// `domain=`: the file `steps/<domain>.dsl`; this very file where absent.
    pub domain: Option<Name>,
    /// `use=`, or the step's own name.
    pub template: Name,
    /// Arguments for its parameters.
    pub args: Vec<Arg>,
}

/// `Step: Name(param, other = default)` with lines: a reusable step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTemplate {
    /// Its name.
    pub name: Name,
    /// Parameters in order, with their defaults.
    pub params: Vec<Param>,
    /// Prose under the heading.
    pub prose: String,
    /// Its lines; `${param}` stands for an argument.
    pub body: StepBody,
    /// The parameters that stand for durations in its lines: [`DurationUs::reference`] gives a place in this list.
    pub durations: Vec<DurationParam>,
    /// Where it stands.
    pub span: Span,
}

/// `${horizon}` where a duration stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DurationParam {
    /// The parameter.
    pub param: Name,
    /// What the duration is, for messages.
    pub what: String,
    /// It must be longer than nothing.
    pub positive: bool,
}

/// A parameter of a reusable step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// What it is where the caller gives none.
    pub default: Option<Spanned<Value>>,
}

/// The lines of a step: which rows (`@when`), what is done (`@do`), what must hold afterwards (`@then`).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StepBody {
    /// `@when <expr>`: only rows for which it is true enter the step. Several are joined with `and`.
    pub when: Vec<Expr>,
    /// `@do <verb> …` in order.
    pub actions: Vec<Spanned<Action>>,
    /// `@then …` in order.
    pub expectations: Vec<Spanned<Expectation>>,
}

/// `name = expr`, or `expr as name`, or a bare `expr`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedExpr {
    /// The given name.
    pub name: Option<Name>,
    /// The expression; in `select` also `*` and `Relation.*`.
    pub expr: Expr,
}

/// What a `@do` line does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Action {
    /// `set a = expr, b = expr`: adds or replaces columns; every expression sees the columns from before the line.
    Set(Vec<NamedExpr>),
    /// `select expr as name, t.*, …`.
    Select(Vec<NamedExpr>),
    /// `drop a, b`.
    Drop(Vec<Name>),
    /// `rename old to new, …`.
    Rename(Vec<(Name, Name)>),
    /// `keep <expr>`: a filter between other actions.
    Keep(Expr),
    /// `unnest column [as name] [with ordinality as n] [keep empty]`.
    Unnest(Unnest),
    /// `union A, B`: appends the rows of other inputs, by column name.
    Union(Vec<Name>),
    /// `split big when amount > 100, small when amount > 0, rest otherwise`: first match wins; read as `Step.big`.
    Split(Vec<SplitArm>),
    /// `aggregate …`.
    Aggregate(Aggregate),
    /// `[inner|left|right|full|semi|anti] join …`.
    Join(Join),
    /// `top 3 by price desc per auction [with ties] [in <window>]` and `rank …`.
    Top(Top),
    /// `deduplicate by a, b keep first|last [order by t] [within d]`.
    Deduplicate(Deduplicate),
    /// `lag previous = price by 1 per auction` and `lead …`.
    Neighbours(Neighbours),
    /// `running total = sum(price) per bidder within 1h`.
    Running(Running),
    /// `mask|hash|tokenise|truncate|redact|encrypt|decrypt column with argument`.
    Privacy(Privacy),
    /// `match a then b+ where … per … within …`.
    Match(Box<Match>),
    /// `sql """ … """ [keep …]`.
    Sql(Sql),
    /// `iterate …`: the lines after it are one round of a recursion.
    Iterate(Iterate),
    /// A construct of the language kept as its verb and its text: `call`.
    Other {
        /// The verb.
        verb: Name,
        /// The rest of the line(s).
        text: Spanned<String>,
    },
}

/// See [`Action::Sql`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sql {
    /// The query, between the quotes.
    pub text: Spanned<String>,
    /// How long the state is kept that nothing in the query bounds.
    pub keep_state: Option<Spanned<Retention>>,
}

/// See [`Action::Unnest`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unnest {
    /// The list column.
    pub column: Name,
    /// The name of the element column; the list column's own where absent.
    pub alias: Option<Name>,
    /// The name of a column that counts from 1.
    pub ordinality: Option<Name>,
    /// Rows with a null or empty list stay, with a null element.
    pub keep_empty: bool,
}

/// See [`Action::Split`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitArm {
    /// The name of the output.
    pub port: Name,
    /// Its condition; `otherwise` where absent.
    pub when: Option<Expr>,
}

/// `aggregate x = count(*), … [by k, …] [in <window>] [having <expr>] [emit …] [allowed lateness d] [keep …]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aggregate {
    /// `name = aggregate`.
    pub outputs: Vec<NamedExpr>,
    /// Group keys.
    pub by: Vec<NamedExpr>,
    /// `by grouping sets ((a, b), (a), ())`: lists of keys, as positions into `by`; empty where not used.
    pub grouping_sets: Vec<Vec<usize>>,
    /// The window; over all time where absent.
    pub window: Option<Spanned<Window>>,
    /// A filter over the result.
    pub having: Option<Expr>,
    /// When results go out.
    pub emit: Option<Spanned<Emit>>,
    /// How long a closed window's state is kept for corrections.
    pub allowed_lateness: Option<Duration>,
    /// How long the state of a key is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// `iterate [x = min(x), … by k, …] [at most n rounds] [keep …]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Iterate {
    /// `name = aggregate`: what stands for all rows of a key. Without any, each different row counts once.
    pub outputs: Vec<NamedExpr>,
    /// The key.
    pub by: Vec<NamedExpr>,
    /// How many rounds may change the result.
    pub rounds: Option<Spanned<u64>>,
    /// How long the rows that it reads are kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// A window with its time domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Its shape.
    pub shape: WindowShape,
    /// `offset 5m`: shifts the window's edges.
    pub offset: Option<Duration>,
    /// `on <column>` or `on processing time`; the source's event time where absent.
    pub on: Option<Spanned<TimeDomain>>,
}

/// The shape of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum WindowShape {
    /// `tumbling(size)`.
    Tumbling(Duration),
    /// `hopping(size, every slide)`.
    Hopping {
        /// How long a window is.
        size: Duration,
        /// How far apart windows start.
        every: Duration,
    },
    /// `session(gap)`.
    Session(Duration),
    /// `cumulating(size, every step)`: windows that start together and grow by `step` up to `size`.
    Cumulating {
        /// How long the longest is.
        size: Duration,
        /// By how much they grow.
        every: Duration,
    },
}

/// What a window measures time by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TimeDomain {
    /// An event-time column.
    Column(String),
    /// The epoch's wall clock.
    Processing,
}

/// When a window's or a key's result goes out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Emit {
    /// `emit on close` (default with a window).
    OnClose,
    /// `emit on change` (default without a window): a changelog.
    OnChange,
    /// `emit every d`: a changelog at most every d of event or processing time.
    Every(Duration),
    /// `emit on change and on close` / `emit every d and on close`: early results, then the final one.
    EarlyAndOnClose(Option<Duration>),
}

/// How long state is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Retention {
    /// `keep state for 7d`.
    For(Duration),
    /// `keep for ever`.
    Forever,
}

/// `<kind> join <input> [as alias] on <expr> [in <window>] [within …] [as of …] [keep …]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Join {
    /// The kind.
    pub kind: JoinKind,
    /// The other input.
    pub input: Name,
    /// What expressions call it.
    pub alias: Option<Name>,
    /// The condition.
    pub on: Expr,
    /// How time bounds the join; none for a table or an unbounded join.
    pub time: Option<Spanned<JoinTime>>,
    /// How long state is kept.
    pub keep_state: Option<Spanned<Retention>>,
}

/// The kind of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

/// How time bounds a join.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum JoinTime {
    /// `in tumbling(1m)`: both sides in the same window.
    Window(Window),
    /// `within -5s to 10m`: other.time - this.time lies between the two, in microseconds.
    Within {
        /// Lower bound.
        from: i64,
        /// Upper bound.
        to: i64,
    },
    /// `as of <expr>` or `as of processing time`: the other side's version at that time.
    AsOf(TimeDomain),
}

/// See [`Action::Privacy`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Privacy {
    /// `mask`, `hash`, `tokenise`, `truncate`, `redact`, `encrypt`, `decrypt`.
    pub verb: Name,
    /// The columns.
    pub columns: Vec<Name>,
    /// `with …`, as written.
    pub with: Option<Spanned<String>>,
}

/// What a `@then` line demands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Expectation {
    /// `<expr> otherwise <action>`: of every row.
    Row {
        /// Must be true; null counts as not true.
        expr: Expr,
        /// What happens where it is not.
        otherwise: Otherwise,
    },
    /// `share of <expr> < 1% over 10m otherwise <action>`; `alert` where absent, and only `alert` and `fail` can stand here.
    Share {
        /// Which rows are counted.
        expr: Expr,
        /// `<`, `<=`, `>`, `>=`.
        op: String,
        /// As a fraction.
        bound: f64,
        /// The window.
        over: Duration,
        /// What happens where it does not hold.
        otherwise: Otherwise,
    },
    /// `at least 1000 rows per 1h otherwise <action>` (`at least` or `at most`); its action is as in a share.
    Volume {
        /// `true` for `at least`.
        at_least: bool,
        /// How many rows.
        rows: u64,
        /// The window.
        per: Duration,
        /// What happens where it does not hold.
        otherwise: Otherwise,
    },
}

/// `otherwise …` (default `reject`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Otherwise {
    /// The row goes to `rejected` with reason `expectation`.
    Reject,
    /// `tag <name>`: the row stays; the boolean column `<name>` tells whether the expectation was broken.
    Tag(Name),
    /// The row stays; it is counted and reported.
    Alert,
    /// The scenario stops.
    Fail,
}

/// `Examples: <title>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Examples {
    /// The text after the keyword.
    pub title: Name,
    /// Prose under the heading.
    pub prose: String,
    /// `Given`, `When`, `Then`, `And` in order; `And` takes the kind of the line before it.
    pub clauses: Vec<Spanned<Clause>>,
    /// Where it stands.
    pub span: Span,
}

/// One line of an example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Clause {
    /// `Given <input>` and a table, or `Given <input> from file "…"`.
    Given {
        /// The source.
        input: Name,
        /// Its rows.
        rows: Rows,
    },
    /// `When the watermark of <input> reaches <timestamp>`.
    Watermark {
        /// The source; all of them where absent (`When the watermark reaches …`).
        input: Option<Name>,
        /// An RFC 3339 timestamp, as written.
        at: Spanned<String>,
    },
    /// `When <input> is idle [for d]`.
    Idle {
        /// The source.
        input: Name,
        /// For how long.
        duration: Option<Duration>,
    },
    /// `When time passes 5s`: processing time.
    TimePasses(Duration),
    /// `When the input ends`.
    End,
    /// `When the worker crashes`.
    Crash,
    /// `Given 3 workers`.
    Workers(Spanned<u64>),
    /// `Then <step> is …`, `contains …`, `is empty`, `is file "…"`; `rejected` is a step here.
    Then {
        /// Which output.
        output: Name,
        /// How it is compared.
        check: Check,
    },
    /// `Then the watermark of <step> is <timestamp>`.
    ThenWatermark {
        /// Which stream.
        output: Name,
        /// As written.
        at: Spanned<String>,
    },
}

/// How an output is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Check {
    /// Exactly these rows, in any order.
    Is(Rows),
    /// At least these rows.
    Contains(Rows),
    /// No row.
    Empty,
}

/// Rows of an example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Rows {
    /// A table.
    Table(Table),
    /// `from file "…"` / `file "…"`, relative to the `.dsl` file.
    File(Spanned<String>),
}

/// A `|` table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// The header.
    pub columns: Vec<Name>,
    /// Rows of cells, trimmed; `\|`, `\\`, `\n` undone. An empty cell is null; `""` is the empty text.
    pub rows: Vec<Vec<Spanned<String>>>,
    /// Where it stands.
    pub span: Span,
}
