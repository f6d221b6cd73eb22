//! The last look at a plan: what cannot run, or cannot run for long, is refused with a hint how to mend it.
//!
//! Lowering has made sure that the plan means what the text says. Here it is asked whether that can work: whether state has a bound, whether
//! windows ever close, whether a sink can take what it gets.

use crate::{
    AggregateOp, ChangesOp, EmitMode, JoinBound, Node, NodeId, Op, Plan, SinkOp, StateBound, StreamJoinOp, StreamKind, TableJoinOp,
    WindowShape,
};
use arrow::datatypes::DataType;
use runink_connector_api::ConnectorSpec;
use runink_dsl::{CodeEntry, Diagnostic, FileId, ast::Span};

/// How many windows a row may fall into, and of how many slices a window may be made. More would cost more memory than it is worth; a longer
/// slide gives the same curve with fewer points.
pub const MAX_WINDOWS_PER_ROW: i64 = 10_000;

const UNBOUNDED_GROUPS: &str = "PLN201";
const UNBOUNDED_TABLE: &str = "PLN202";
const UNBOUNDED_VALUES: &str = "PLN203";
const RETRACTIONS: &str = "PLN204";
const NO_WATERMARK: &str = "PLN205";
const SINK_KEY: &str = "PLN206";
const TIME_TYPE: &str = "PLN207";
const NEVER_EMITS: &str = "PLN208";
const WINDOW_SIZES: &str = "PLN209";
const TOO_MANY_WINDOWS: &str = "PLN210";
const UNBOUNDED_ROWS: &str = "PLN211";
const LOOKUP: &str = crate::catalogue::LOOKUP;
const UNBOUNDED_ORDER: &str = "PLN220";

/// The codes of this module, for the catalogue.
pub(crate) const CODES: &[CodeEntry] = &[
    CodeEntry {
        code: UNBOUNDED_GROUPS,
        meaning: "an aggregate over all time keeps every key of an input that never ends",
        remedy: "add a window, or `keep state for …`, or `keep for ever`",
    },
    CodeEntry {
        code: UNBOUNDED_TABLE,
        meaning: "a join or an aggregate keeps every key of a table that never ends",
        remedy: "add `keep state for …` or `keep for ever` to the joining step",
    },
    CodeEntry {
        code: UNBOUNDED_VALUES,
        meaning: "an aggregate over all time keeps every value of an input that never ends",
        remedy: "add a window, or use a function that keeps one value per key",
    },
    CodeEntry {
        code: RETRACTIONS,
        meaning: "rows that are taken back go to a sink that only appends",
        remedy: "give the sink a key, or emit on close",
    },
    CodeEntry {
        code: NO_WATERMARK,
        meaning: "a window waits for a watermark that no source gives",
        remedy: "give the source an event time",
    },
    CodeEntry {
        code: SINK_KEY,
        meaning: "a sink's key is no column of its input",
        remedy: "name a column of the input, or keep the column",
    },
    CodeEntry { code: TIME_TYPE, meaning: "an event time is neither a timestamp nor a date", remedy: "cast it, or name another column" },
    CodeEntry {
        code: NEVER_EMITS,
        meaning: "an aggregate gives its result at the end of an input that never ends",
        remedy: "add a window, or `emit on change`, or `emit every …`",
    },
    CodeEntry { code: WINDOW_SIZES, meaning: "the lengths of a window do not go together", remedy: "change them as the message says" },
    CodeEntry {
        code: TOO_MANY_WINDOWS,
        meaning: "a row falls into too many windows",
        remedy: "use a longer slide or step, or a shorter window",
    },
    CodeEntry {
        code: UNBOUNDED_ROWS,
        meaning: "a join or a pattern keeps every row of streams that never end",
        remedy: "say how far apart in time rows can be, or add `keep state for …` or `keep for ever`",
    },
    CodeEntry {
        code: UNBOUNDED_ORDER,
        meaning: "a line about the order of rows keeps rows of every key of an input that never ends",
        remedy: "add a window, or `within …`, or `keep state for …`, or `keep for ever`",
    },
];

/// Functions whose state grows with every value they see.
const COLLECTING: [&str; 8] =
    ["array_agg", "string_agg", "median", "percentile_cont", "quantile_cont", "first_value", "last_value", "nth_value"];
/// Those of them that hold one value as long as the call has no `order by` and no `distinct`.
const ONE_VALUE: [&str; 2] = ["first_value", "last_value"];

/// Everything that is wrong with a plan, in the order of its nodes.
pub fn check(plan: &Plan, connectors: &[&'static ConnectorSpec]) -> Vec<Diagnostic> {
    let mut findings = Findings { plan, found: Vec::new() };
    for (id, node) in plan.nodes.iter().enumerate() {
        findings.event_time(node);
        match &node.op {
            Op::Aggregate(op) => findings.aggregate(node, op),
            Op::Changes(op) => findings.changes(node, op),
            Op::TableJoin(op) => findings.table_join(node, op),
            Op::StreamJoin(op) => findings.stream_join(node, op),
            Op::Rank(op) => {
                if let Some(window) = op.window() {
                    findings.window_sizes(node, window.shape);
                    if window.time.is_some() {
                        findings.watermark(node, "the windows", "close");
                    }
                } else {
                    let all = op.count.is_none() || op.ties || op.changelog;
                    findings.order(node, &op.keys, all, "a window (`in tumbling(1m)`)");
                }
            }
            Op::First(op) => {
                if op.settled {
                    findings.watermark(node, "rows", "go");
                }
                findings.order(node, &op.keys, false, "how far duplicates lie apart (`within 1h`)");
            }
            Op::Neighbour(op) => {
                findings.watermark(node, "rows", "go");
                findings.order(node, &op.keys, false, "a window (`in tumbling(1m)`)");
            }
            Op::Running(op) => {
                findings.watermark(node, "rows", "go");
                findings.order(node, &op.keys, false, "how far back rows count (`within 1h`)");
            }
            Op::Match(_) => findings.matches(node),
            Op::Iterate(_) => findings.recursion(node),
            Op::Sink(op) => findings.sink(node, op, connectors),
            Op::Source(op) if op.lookup => findings.lookup(node, NodeId(id)),
            Op::Source(_) | Op::Rows(_) | Op::Union | Op::Form(_) | Op::Check(_) | Op::Rejected | Op::Output | Op::Fed(_) => {}
        }
    }
    findings.found
}

struct Findings<'a> {
    plan: &'a Plan,
    found: Vec<Diagnostic>,
}

impl Findings<'_> {
    fn add(&mut self, node: &Node, code: &'static str, message: String, label: &str, hint: String) {
        let (file, span) = node.at.unwrap_or((FileId(0), Span::default()));
        self.found.push(Diagnostic::error(code, file, span, message).label(label).hint(hint));
    }

    fn input(&self, node: &Node, index: usize) -> Option<&Node> {
        node.inputs.get(index).map(|&i| self.plan.node(i))
    }

    fn event_time(&mut self, node: &Node) {
        let (Op::Source(_), Some(time)) = (&node.op, &node.time) else { return };
        let Some(field) = node.schema.fields().get(time.column) else { return };
        if !matches!(field.data_type(), DataType::Timestamp(_, None) | DataType::Date32) {
            let message = format!("`{}` cannot be the event time of `{}`: it is {}", field.name(), node.name, field.data_type());
            let hint = "name a column of type timestamp or date with `time=`, or give it such a type in the contract";
            self.add(node, TIME_TYPE, message, "not a point in time", hint.into());
        }
    }

    fn aggregate(&mut self, node: &Node, op: &AggregateOp) {
        if let Some(window) = &op.window {
            self.window_sizes(node, window.shape);
            if window.time.is_some() {
                self.watermark(node, "the windows", "close");
            }
            return;
        }
        if node.bounded {
            return;
        }
        if op.emit == EmitMode::OnClose {
            let message = format!("`{}` would never give a result: it aggregates over all time, and its input never ends", node.name);
            let hint = "add a window (`in tumbling(1m)`), or say `emit on change` or `emit every 10s`";
            self.add(node, NEVER_EMITS, message, "emits when the input ends", hint.into());
        }
        let unbounded = node.state == StateBound::PerKey { ttl_us: None } || node.state == StateBound::UntilEnd;
        if unbounded && !op.keys.is_empty() {
            let keys = self.input(node, 0).map(|i| names(i, &op.keys)).unwrap_or_default();
            let message = format!("the state of `{}` has no bound: it keeps every {keys} that it ever sees", node.name);
            let hint = "add a window (`in tumbling(1m)`), say how long a key is kept (`keep state for 7d`), or say `keep for ever`";
            self.add(node, UNBOUNDED_GROUPS, message, "one entry for each key, for ever", hint.into());
        } else if unbounded && let Some(call) = op.calls.iter().find(|c| collects(c, op.retracts)) {
            let message = format!("the state of `{}` has no bound: `{}` keeps every value that it ever sees", node.name, call.name);
            let hint =
                "add a window (`in tumbling(1m)`), use a function that keeps one value (such as `approx_distinct`), or say `keep for ever`";
            self.add(node, UNBOUNDED_VALUES, message, "all values, for ever", hint.into());
        }
    }

    /// A window on event time closes only where every source that holds its watermark has an event time, or ends.
    fn watermark(&mut self, node: &Node, what: &str, never: &str) {
        let timeless = |&&id: &&NodeId| self.plan.node(id).time.is_none() && !self.plan.node(id).bounded;
        let holder = node.watermark_of.iter().find(timeless).map(|&id| self.plan.node(id).name.clone());
        let message = match (holder, node.watermark_of.is_empty() && !node.bounded) {
            (Some(source), _) => format!("{what} of `{}` would never {never}: `{source}` has no event time and never ends", node.name),
            (None, true) => format!("{what} of `{}` would never {never}: none of its sources has an event time", node.name),
            (None, false) => return,
        };
        let hint = "give the source an event time (`time=`, or `event time` in its contract), or use `on processing time`";
        self.add(node, NO_WATERMARK, message, "waits for a watermark", hint.into());
    }

    fn window_sizes(&mut self, node: &Node, shape: WindowShape) {
        let (size, step, what, words) = match shape {
            WindowShape::Tumbling { .. } | WindowShape::Session { .. } => return,
            WindowShape::Hopping { size, slide, .. } => (size, slide, "slide", "hopping"),
            WindowShape::Cumulating { size, step, .. } => (size, step, "step", "cumulating"),
        };
        if step <= 0 || step > size || (what == "step" && size % step != 0) {
            let message = format!("the {words} window of `{}` has a {what} of {} in a size of {}", node.name, span(step), span(size));
            let hint = match what {
                "step" => "the step must divide the size: `cumulating(1h, 10m)`",
                _ => "the slide must not be longer than the size: `hopping(10m, 1m)`",
            };
            return self.add(node, WINDOW_SIZES, message, "these lengths do not go together", hint.into());
        }
        let slices = size / greatest_common_divisor(size, step);
        if slices > MAX_WINDOWS_PER_ROW {
            let message = format!(
                "the {words} window of `{}` is made of {slices} pieces of {}; at most {MAX_WINDOWS_PER_ROW} are allowed",
                node.name,
                span(greatest_common_divisor(size, step))
            );
            let hint = format!(
                "use a {what} of at least {} that divides {}, or a shorter window",
                span(ceil(size, MAX_WINDOWS_PER_ROW)),
                span(size)
            );
            self.add(node, TOO_MANY_WINDOWS, message, "too fine for this size", hint);
        }
    }

    fn changes(&mut self, node: &Node, op: &ChangesOp) {
        if node.bounded || op.ttl_us.is_some() || node.state == StateBound::ForEver {
            return;
        }
        let table = self.input(node, 0).map(|n| n.name.clone()).unwrap_or_default();
        let message = format!("the state of `{}` has no bound: it keeps every {} of `{table}`", node.name, names(node, &op.key));
        let hint = "say how long a row of the table counts after it came (`keep state for 30d`), or say `keep for ever`";
        self.add(node, UNBOUNDED_TABLE, message, "one row for each key, for ever", hint.into());
    }

    /// What is looked up has no rows of its own: only joins ask for them.
    fn lookup(&mut self, node: &Node, id: NodeId) {
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for (reader, read) in self.plan.nodes.iter().enumerate().filter(|(_, n)| n.inputs.contains(&at)) {
                match &read.op {
                    Op::Rows(_) | Op::Output => open.push(NodeId(reader)),
                    Op::TableJoin(_) if read.inputs.first() != Some(&at) => {}
                    _ => {
                        let message = format!(
                            "`{}` has no rows to read: it is an outside system that is asked by key, and `{}` reads it",
                            node.name, read.name
                        );
                        let hint = "join it to rows that stay, by its key: `left join t on t.id = x`";
                        return self.add(node, LOOKUP, message, "asked, not read", hint.into());
                    }
                }
            }
        }
    }

    fn table_join(&mut self, node: &Node, op: &TableJoinOp) {
        let Some(table) = self.input(node, 1) else { return };
        if table.bounded || op.ttl_us.is_some() || node.state == StateBound::ForEver {
            return;
        }
        let message =
            format!("the state of `{}` has no bound: it keeps every {} of `{}`", node.name, names(table, &op.table_key), table.name);
        let hint = "say how long a row of the table is kept after its last change (`keep state for 30d`), or say `keep for ever`";
        self.add(node, UNBOUNDED_TABLE, message, "one row for each key, for ever", hint.into());
    }

    fn stream_join(&mut self, node: &Node, op: &StreamJoinOp) {
        if op.bound.times().is_some() {
            self.watermark(node, "rows", "go");
        }
        let Some(right) = self.input(node, 1) else { return };
        match (&op.bound, &node.state) {
            (JoinBound::AsOf { .. }, StateBound::PerKey { ttl_us: None }) if !right.bounded => {
                let columns: Vec<usize> = op.on.iter().map(|on| on.1).collect();
                let message = format!(
                    "the state of `{}` has no bound: it keeps the newest row of every {} of `{}`",
                    node.name,
                    names(right, &columns),
                    right.name
                );
                self.add(
                    node,
                    UNBOUNDED_TABLE,
                    message,
                    "one row for each key, for ever",
                    "say `keep for ever` if there are few keys".into(),
                );
            }
            (JoinBound::Unbounded { .. }, StateBound::Rows { lifetime_us: None }) if !node.bounded => {
                // A keyed source is known by its own name, not by that of the step that reads it.
                let named = |node: &Node| match (&node.op, self.input(node, 0)) {
                    (Op::Changes(_), Some(table)) => table.name.clone(),
                    _ => node.name.clone(),
                };
                let (left, right) = (self.input(node, 0).map(named).unwrap_or_default(), named(right));
                let message = format!("the state of `{}` has no bound: it keeps every row of `{left}` and `{right}`", node.name);
                let hint = "say when rows can meet (`within 10m`, or `in tumbling(1m)`), or how long they are kept (`keep state for 1d`), or say `keep \
                            for ever`; if the other input is a table, give its source `key=<column>`";
                self.add(node, UNBOUNDED_ROWS, message, "all rows, for ever", hint.into());
            }
            _ => {}
        }
    }

    fn recursion(&mut self, node: &Node) {
        if node.bounded || node.state != (StateBound::Rows { lifetime_us: None }) {
            return;
        }
        let named = |&id: &NodeId| {
            let input = self.plan.node(id);
            let of = if input.name == node.name { self.input(input, 0).unwrap_or(input) } else { input };
            format!("`{}`", of.name)
        };
        let mut inputs: Vec<String> = node.inputs.iter().map(named).collect();
        inputs.dedup();
        let message = format!("the state of `{}` has no bound: it keeps every row of {}", node.name, inputs.join(" and "));
        let hint = "say `keep for ever` behind `iterate`, or behind the query; rows go when their stream takes them back";
        self.add(node, UNBOUNDED_ROWS, message, "all rows, for ever", hint.into());
    }

    /// Rows of each key are kept; `all` of them, or few.
    fn order(&mut self, node: &Node, keys: &[usize], all: bool, instead: &str) {
        let unbounded = matches!(node.state, StateBound::RowsPerKey { ttl_us: None, for_ever: false, .. });
        if node.bounded || !unbounded || (keys.is_empty() && !all) {
            return;
        }
        let kept = match (self.input(node, 0).filter(|_| !keys.is_empty()).map(|i| names(i, keys)), all) {
            (Some(keys), true) => format!("all rows of every {keys}"),
            (Some(keys), false) => format!("rows of every {keys} that it ever sees"),
            (None, _) => "all rows".to_owned(),
        };
        let message = format!("the state of `{}` has no bound: it keeps {kept}", node.name);
        let hint = format!("say {instead}, or how long a key is kept (`keep state for 7d`), or say `keep for ever`");
        self.add(node, UNBOUNDED_ORDER, message, "kept for each key, for ever", hint);
    }

    fn matches(&mut self, node: &Node) {
        self.watermark(node, "matches", "come out");
        if node.state == (StateBound::Rows { lifetime_us: None }) && !node.bounded {
            let message = format!("the state of `{}` has no bound: it keeps what has begun until the match is complete", node.name);
            let hint = "say how long a match may take (`within 10m`), or say `keep for ever`";
            self.add(node, UNBOUNDED_ROWS, message, "what has begun waits for ever", hint.into());
        }
    }

    fn sink(&mut self, node: &Node, op: &SinkOp, connectors: &[&'static ConnectorSpec]) {
        let Some(input) = self.input(node, 0) else { return };
        let (kind, from) = (input.kind.clone(), input.name.clone());
        let columns: Vec<String> = input.schema.fields().iter().map(|f| f.name().clone()).collect();
        for key in op.key.iter().filter(|k| !columns.contains(k)) {
            let message = format!("`{key}`, a key of the sink `{}`, is no column of `{from}`", node.name);
            self.add(node, SINK_KEY, message, "this key is not there", format!("the columns of `{from}` are {}", list(&columns)));
        }
        let takes_back = kind != StreamKind::AppendOnly;
        let takes = connectors.iter().find(|c| c.name == op.connector).is_some_and(|c| c.sink_takes_retractions);
        if takes_back && !takes && op.key.is_empty() {
            let message = format!("`{from}` takes rows back, and the sink `{}` ({}) can only append", node.name, op.connector);
            let hint = "give the sink a key (`key=…`), or let the aggregate `emit on close` without allowed lateness";
            self.add(node, RETRACTIONS, message, "a changelog comes here", hint.into());
        }
    }
}

/// Functions that can forget a value without keeping it.
const SUBTRACTING: [&str; 3] = ["count", "sum", "avg"];

/// Whether a call keeps all values; `retracts`: they can be taken back.
fn collects(call: &crate::AggregateCall, retracts: bool) -> bool {
    let name = call.function.name();
    if retracts && !SUBTRACTING.contains(&name) {
        return true;
    }
    let ordered = call.distinct || !call.order_by.is_empty();
    (call.distinct && !matches!(name, "min" | "max")) || (COLLECTING.contains(&name) && (ordered || !ONE_VALUE.contains(&name)))
}

fn names(node: &Node, columns: &[usize]) -> String {
    list(&columns.iter().filter_map(|&c| node.schema.fields().get(c)).map(|f| f.name().clone()).collect::<Vec<_>>())
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        all => all.concat(),
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

fn ceil(a: i64, b: i64) -> i64 {
    a / b + i64::from(a % b != 0)
}

fn span(us: i64) -> String {
    crate::explain::duration(us)
}
