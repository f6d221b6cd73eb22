//! Recursions on random graphs whose links come, change and go: after every epoch each result is that of the rounds done from nothing, whatever the number of workers,
//! and wherever the workers crash.

use crate::folder::Folder;
use proptest::prelude::*;
use runink_dsl::{Project, SourceFile};
use runink_examples::{Runner, render as render_report};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// A link's number, its ends (a node below 0: the link is gone), and its cost.
type Link = (i64, i64, i64, i64);

#[derive(Debug, Clone)]
struct EpochCase {
    links: Vec<Link>,
    closed: Vec<i64>,
    crash: bool,
}

const SCENARIO: &str = "Feature: Random graphs
  Scenario: Random
    @source(name=links, type=file, path=\"links.jsonl\", contract=Hop@1, key=link)
    @source(name=closed, type=file, path=\"closed.jsonl\", contract=Closed@1)
    @step(name=Reached, from=links)
      @when a >= 0
      @do select a, nullif(b, 3) as b
      @do iterate
      @do join links on links.a = Reached.b
      @do select Reached.a, nullif(links.b, 3) as b
    @step(name=Least, from=links)
      @do keep a >= 0
      @do select a as node, a as least
      @do iterate least = min(least), most = max(least), n = count(distinct least) by node
      @do join links on links.a = Least.node and links.b <> links.cost
      @do select links.b as node, Least.least
    @step(name=Paths, from=links)
      @do keep a >= 0 and a < b
      @do select a, b, 1 as paths
      @do iterate paths = sum(paths) by a, b at most 20 rounds
      @do join links on links.a = Paths.b
      @do keep links.b > links.a
      @do select Paths.a, links.b, Paths.paths
    @step(name=Costs, from=links)
      @do keep a = 0
      @do select b as node, cast(cost as double) as cost
      @do iterate cost = min(cost) by node at most 40 rounds
      @do anti join closed on closed.node = Costs.node
      @do left join links on links.a = Costs.node
      @do select coalesce(links.b, 99) as node, Costs.cost + coalesce(links.cost, 0) as cost
    @sink(type=blackhole, from=Reached)
    @sink(type=blackhole, from=Least)
    @sink(type=blackhole, from=Paths)
    @sink(type=blackhole, from=Costs)

    Examples: random
";

const CONTRACTS: &str = "
Contract: Hop version 1
  | field | type  | rules    |
  | link  | int64 | required |
  | a     | int64 | required |
  | b     | int64 | required |
  | cost  | int64 | required |

Contract: Closed version 1
  | field | type  | rules    |
  | node  | int64 | required |
";

/// What is there, and every result from nothing.
#[derive(Default)]
struct Reference {
    links: BTreeMap<i64, (i64, i64, i64)>,
    closed: BTreeSet<i64>,
}

impl Reference {
    fn there(&self) -> impl Iterator<Item = (i64, i64, i64)> + '_ {
        self.links.values().copied().filter(|(a, ..)| *a >= 0)
    }

    fn reached(&self) -> Vec<Vec<Option<i64>>> {
        let named = |b: i64| (b != 3).then_some(b);
        let mut all: BTreeSet<(i64, Option<i64>)> = self.there().map(|(a, b, _)| (a, named(b))).collect();
        loop {
            let round = all.iter().flat_map(|&(a, b)| self.there().filter(move |l| Some(l.0) == b).map(move |l| (a, named(l.1))));
            let next: BTreeSet<_> = round.chain(all.iter().copied()).collect();
            if next == all {
                return all.into_iter().map(|(a, b)| vec![Some(a), b]).collect();
            }
            all = next;
        }
    }

    /// Of each node: the least, the greatest and the number of different labels that its start and one hop's neighbours' least labels give.
    fn least(&self) -> Vec<Vec<Option<i64>>> {
        let mut least: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        loop {
            let mut next: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
            for (a, ..) in self.there() {
                next.entry(a).or_default().insert(a);
            }
            for (node, labels) in &least {
                let label = *labels.first().unwrap();
                for (_, b, _) in self.there().filter(|(a, b, cost)| a == node && b != cost) {
                    next.entry(b).or_default().insert(label);
                }
            }
            if next == least {
                let row = |(node, labels): (i64, BTreeSet<i64>)| {
                    vec![Some(node), labels.first().copied(), labels.last().copied(), Some(labels.len() as i64)]
                };
                return least.into_iter().map(row).collect();
            }
            least = next;
        }
    }

    fn paths(&self) -> Vec<Vec<Option<i64>>> {
        let hops: Vec<(i64, i64)> = self.there().filter(|(a, b, _)| a < b).map(|(a, b, _)| (a, b)).collect();
        let mut paths: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        loop {
            let mut next: BTreeMap<(i64, i64), i64> = BTreeMap::new();
            hops.iter().for_each(|&hop| *next.entry(hop).or_default() += 1);
            for (&(a, b), n) in &paths {
                hops.iter().filter(|hop| hop.0 == b).for_each(|hop| *next.entry((a, hop.1)).or_default() += n);
            }
            if next == paths {
                return paths.into_iter().map(|((a, b), n)| vec![Some(a), Some(b), Some(n)]).collect();
            }
            paths = next;
        }
    }

    fn costs(&self) -> Vec<Vec<Option<i64>>> {
        let mut costs: BTreeMap<i64, i64> = BTreeMap::new();
        loop {
            let mut next: BTreeMap<i64, i64> = BTreeMap::new();
            let mut found = |node: i64, cost: i64| {
                next.entry(node).and_modify(|c| *c = cost.min(*c)).or_insert(cost);
            };
            self.there().filter(|l| l.0 == 0).for_each(|(_, b, cost)| found(b, cost));
            for (&node, &cost) in costs.iter().filter(|(node, _)| !self.closed.contains(node)) {
                let onward: Vec<_> = self.there().filter(|l| l.0 == node).collect();
                onward.iter().for_each(|l| found(l.1, cost + l.2));
                if onward.is_empty() {
                    found(99, cost);
                }
            }
            if next == costs {
                return costs.into_iter().map(|(node, cost)| vec![Some(node), Some(cost)]).collect();
            }
            costs = next;
        }
    }
}

fn table(out: &mut String, columns: &str, rows: &[Vec<Option<i64>>]) {
    writeln!(out, "        | {columns} |").unwrap();
    for row in rows {
        let cells = row.iter().map(|cell| cell.map_or(String::new(), |v| v.to_string()));
        writeln!(out, "        | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
}

fn expected(out: &mut String, step: &str, columns: &str, rows: &[Vec<Option<i64>>]) {
    if rows.is_empty() {
        writeln!(out, "      Then {step} is empty").unwrap();
    } else {
        writeln!(out, "      Then {step} is").unwrap();
        table(out, columns, rows);
    }
}

fn text(epochs: &[EpochCase]) -> String {
    let mut reference = Reference::default();
    let mut out = SCENARIO.to_owned();
    for epoch in epochs {
        if epoch.crash {
            out.push_str("      When the worker crashes\n");
        }
        if !epoch.links.is_empty() {
            out.push_str("      Given links\n");
            let rows: Vec<_> = epoch.links.iter().map(|&(link, a, b, cost)| [link, a, b, cost].map(Some).to_vec()).collect();
            table(&mut out, "link | a | b | cost", &rows);
        }
        if !epoch.closed.is_empty() {
            out.push_str("      Given closed\n");
            table(&mut out, "node", &epoch.closed.iter().map(|&node| vec![Some(node)]).collect::<Vec<_>>());
        }
        reference.links.extend(epoch.links.iter().map(|&(link, a, b, cost)| (link, (a, b, cost))));
        reference.closed.extend(&epoch.closed);
        expected(&mut out, "Reached", "a | b", &reference.reached());
        expected(&mut out, "Least", "node | least | most | n", &reference.least());
        expected(&mut out, "Paths", "a | b | paths", &reference.paths());
        expected(&mut out, "Costs", "node | cost", &reference.costs());
    }
    out + CONTRACTS
}

fn epochs() -> impl Strategy<Value = Vec<EpochCase>> {
    let link = (0..9i64, -1..6i64, 0..6i64, 0..4i64);
    let epoch = (prop::collection::vec(link, 0..5), prop::collection::vec(0..6i64, 0..2), prop::bool::weighted(0.3));
    let epoch = epoch.prop_map(|(links, closed, crash)| EpochCase { links, closed, crash });
    prop::collection::vec(epoch, 1..6)
}

thread_local! {
    static RUNNER: RefCell<Runner> = RefCell::new(Runner::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_epoch_has_the_fixed_point_of_what_is_there(epochs in epochs(), workers in 1..5usize) {
        let text = text(&epochs);
        let folder = Folder::of_project(Project::new(vec![SourceFile { path: "random.dsl".into(), text: text.clone() }]));
        let shown: Vec<String> = folder.project.diagnostics.iter().map(|d| d.message.clone()).collect();
        prop_assert!(shown.is_empty(), "{shown:?}\n{text}");
        for scenario in folder.scenarios() {
            let reports = RUNNER.with_borrow_mut(|runner| folder.run(runner, &scenario, Some(workers), false));
            prop_assert_eq!(reports.len(), 1);
            for report in &reports {
                prop_assert!(report.passed(), "{}\n{text}", render_report(report, &folder.project.sources, false));
            }
        }
    }
}
