//! Running aggregates, from scratch after every epoch.

use super::reference::{Expected, Out, Reference, Row, add, by, contents, differences};
use arrow::datatypes::DataType;
use datafusion_expr::{AggregateUDF, col, lit};
use datafusion_functions_aggregate as udaf;
use runink_planner::{AggregateCall, RunningOp, RunningOver};
use std::{collections::BTreeMap, sync::Arc};

/// Calls that see values, texts, nulls and the order of rows, with the types of their results.
pub fn calls() -> Vec<(AggregateCall, DataType)> {
    let call = |function: Arc<AggregateUDF>, args, name: &str| AggregateCall {
        function,
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
        name: name.into(),
    };
    vec![
        (call(udaf::count::count_udaf(), vec![lit(1i64)], "rows"), DataType::Int64),
        (call(udaf::count::count_udaf(), vec![col("value")], "values"), DataType::Int64),
        (call(udaf::sum::sum_udaf(), vec![col("value")], "total"), DataType::Int64),
        (call(udaf::min_max::max_udaf(), vec![col("text")], "last text"), DataType::Utf8),
        (call(udaf::first_last::first_value_udaf(), vec![col("id")], "first"), DataType::Int64),
    ]
}

pub struct Running {
    op: RunningOp,
    rows: Vec<(i64, Row)>,
    given: BTreeMap<Out, i64>,
}

impl Running {
    pub fn new(op: RunningOp) -> Self {
        Running { op, rows: vec![], given: BTreeMap::new() }
    }

    /// Whether row `a` counts for row `b`, which does not come before it.
    fn counts(&self, settled: &[(i64, Row)], a: usize, b: usize) -> bool {
        let (then, now) = (settled[a].0, settled[b].0);
        match self.op.over {
            RunningOver::Time(us) => then >= now - us && then <= now,
            RunningOver::Window { size, offset } => then <= now && (then - offset).div_euclid(size) == (now - offset).div_euclid(size),
            RunningOver::Rows(rows) => {
                let alive = |w: &[(i64, Row)]| self.op.ttl_us.is_none_or(|ttl| w[1].0 < w[0].0 + ttl);
                a <= b && b - a < rows as usize && settled[a..=b].windows(2).all(alive)
            }
        }
    }

    fn out(&self, settled: &[(i64, Row)], at: usize) -> Out {
        let counted: Vec<&Row> = (0..settled.len()).filter(|&a| self.counts(settled, a, at)).map(|a| &settled[a].1).collect();
        let values: Vec<i64> = counted.iter().filter_map(|r| r.value).collect();
        let mut out = settled[at].1.out();
        out.push(Some(counted.len().to_string()));
        out.push(Some(values.len().to_string()));
        out.push((!values.is_empty()).then(|| values.iter().sum::<i64>().to_string()));
        out.push(counted.iter().filter_map(|r| r.text.clone()).max());
        out.push(counted.first().map(|r| r.id.to_string()));
        out
    }

    fn view(&self, watermark: i64) -> BTreeMap<Out, i64> {
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in self.rows.iter().filter(|(at, _)| *at < watermark) {
            keys.entry(row.1.key).or_default().push(row.clone());
        }
        let mut view = BTreeMap::new();
        for settled in keys.values_mut() {
            settled.sort_by(|(a, r), (b, s)| a.cmp(b).then(by(&self.op.order, r, s)).then(contents(r, s)));
            (0..settled.len()).for_each(|at| add(&mut view, self.out(settled, at), 1));
        }
        view
    }
}

impl Reference for Running {
    fn epoch(&mut self, rows: &[(Row, i64)], before: i64, watermark: i64, _: i64) -> Expected {
        let mut expected = Expected::default();
        for (row, _) in rows {
            match row.at() {
                None => expected.rejected += 1,
                Some(at) if at < before => expected.late += 1,
                Some(at) => self.rows.push((at, row.clone())),
            }
        }
        let view = self.view(watermark);
        expected.rows = differences(&self.given, &view);
        self.given = view;
        expected
    }
}
