//! Runs examples on worker groups that live as long as the runner: an example costs what building and dropping its dataflow costs.

use crate::{
    chaos::{Chaos, Trial},
    evaluate::{Evaluation, Looked, Observed, disagreement},
    files::ReadFile,
    plan::{self, ExamplePlan, REJECTED},
    report::{ExampleReport, GoldenFile, Mismatch, MismatchKind, Outcome},
    script::{Expectation, MAX_WORKERS, PlacesOf, Script, at},
};
use runink_connector_api::{ConnectorSpec, Source};
use runink_dsl::{Diagnostic, Project, ResolvedScenario, ast::Examples, variables::Variables};
use runink_engine::{
    EngineError, GroupConfig, ScenarioSpec, Tap, VirtualClock, WorkerGroup,
    testing::{MemoryCheckpoints, ScriptedSource},
};
use runink_planner::{NodeId, Op};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// On how many workers an example runs that does not say it: one, and two, which must agree.
const DEFAULT_WORKERS: [usize; 2] = [1, 2];
/// How many epochs a source may be ahead: an example's rows are in memory already, and waiting would only cost time.
const EPOCHS_IN_FLIGHT: usize = 1 << 20;

/// What to run.
pub struct Request<'a> {
    /// Where contracts are found.
    pub project: &'a Project,
    /// Whose examples to run.
    pub scenario: &'a ResolvedScenario,
    /// Which connectors there are: their options are checked, but none is opened.
    pub connectors: &'a [&'static ConnectorSpec],
    /// What `${env.X}` stands for.
    pub variables: &'a Variables,
    /// Reads the files that examples name.
    pub read: ReadFile<'a>,
    /// Golden files become what came out ([`ExampleReport::accepted`]).
    pub accept: bool,
    /// On how many workers examples run that do not say it; `None` for one and then two.
    pub workers: Option<usize>,
    /// Examples that pass are tried in other orders, epochs and on other numbers of workers.
    pub chaos: Option<Chaos>,
    /// Which examples.
    pub wanted: &'a dyn Fn(&Examples) -> bool,
}

/// Runs examples. Its worker groups start when they are first needed and end with it.
#[derive(Default)]
pub struct Runner {
    groups: BTreeMap<usize, WorkerGroup>,
}

impl Runner {
    /// A runner without workers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the wanted examples of a scenario, in the order of the text.
    pub fn run(&mut self, request: &Request<'_>) -> Vec<ExampleReport> {
        let wanted: Vec<&Examples> = request.scenario.examples.iter().filter(|e| (request.wanted)(e)).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let planned = plan::plan(request.project, request.scenario, request.connectors, request.variables, request.read);
        let mut reports = Vec::with_capacity(wanted.len());
        for example in wanted {
            let started = Instant::now();
            let mut report = ExampleReport {
                scenario: request.scenario.title.value.clone(),
                title: example.title.clone(),
                file: request.scenario.id.file,
                outcome: Outcome::Passed,
                duration: Duration::ZERO,
                workers: Vec::new(),
                accepted: Vec::new(),
                cases: 0,
            };
            report.outcome = match &planned {
                Err(diagnostics) => Outcome::Broken(diagnostics.clone()),
                Ok(planned) => self.example(request, planned, example, &mut report).unwrap_or_else(Outcome::Broken),
            };
            report.duration = started.elapsed();
            reports.push(report);
        }
        reports
    }

    fn example(
        &mut self,
        request: &Request<'_>,
        planned: &ExamplePlan,
        example: &Examples,
        report: &mut ExampleReport,
    ) -> Result<Outcome, Vec<Diagnostic>> {
        let script = Script::of(example, report.file, &planned.sources, request.read)?;
        report.workers = match script.workers.or(request.workers) {
            Some(workers) => vec![workers],
            None => DEFAULT_WORKERS.to_vec(),
        };
        let mut first: Option<(usize, Vec<Looked>)> = None;
        for workers in report.workers.clone() {
            let observed = match self.execute(planned, &script, workers) {
                Ok(observed) => observed,
                Err(error) => return Ok(Outcome::Failed(vec![stopped(example, workers, &error)])),
            };
            let evaluation = Evaluation {
                file: report.file,
                plan: &planned.plan,
                observed: &observed,
                read: request.read,
                accept: request.accept,
                asks_for_rejects: script.expectations.iter().any(|e| e.output.value == REJECTED),
            };
            let (mut looked, mut wrong) = (Vec::new(), Vec::new());
            for expectation in &script.expectations {
                match evaluation.look(expectation) {
                    Ok(one) => looked.push(one),
                    Err(diagnostics) => wrong.extend(diagnostics),
                }
            }
            if !wrong.is_empty() {
                return Err(wrong);
            }
            let mut mismatches: Vec<Mismatch> = looked.iter_mut().filter_map(|l| l.mismatch.take()).collect();
            if let Some((other, before)) = &first {
                mismatches.extend(disagreements(&script.expectations, before, &looked, *other, workers));
            }
            if !mismatches.is_empty() {
                return Ok(Outcome::Failed(mismatches));
            }
            if first.is_none() {
                report.accepted = looked.iter_mut().filter_map(|l| l.golden.take()).collect::<Vec<GoldenFile>>();
                first = Some((workers, looked));
            }
        }
        match request.chaos {
            Some(chaos) => {
                report.cases = chaos.runs;
                Trial::new(self, request, planned, &script, example)?.run(chaos)
            }
            None => Ok(Outcome::Passed),
        }
    }

    /// Runs a script. After each crash another number of workers goes on.
    pub(crate) fn execute(&mut self, planned: &ExamplePlan, script: &Script<'_>, workers: usize) -> Result<Observed, EngineError> {
        let observed = Observed {
            workers,
            outputs: planned.outputs.iter().filter_map(|name| planned.plan.output_of(name)).map(|id| (id, Arc::default())).collect(),
            rejected: Arc::default(),
            watermarks: Arc::default(),
        };
        let parts = script.parts();
        let mut checkpoints = (parts.len() > 1).then(MemoryCheckpoints::new);
        for (number, places) in parts.into_iter().enumerate() {
            let mut spec = part(planned, script, places, &observed)?;
            spec.checkpoints = checkpoints.as_ref().map(MemoryCheckpoints::checkpointing);
            let workers = if number % 2 == 0 { workers } else { other_number(workers) };
            let running = self.group(workers)?.create(spec)?;
            let (Some(crash), Some(made)) = (places.upto, &checkpoints) else {
                running.wait()?;
                continue;
            };
            if !made.wait_for(ScriptedSource::epoch_of(at(crash)), &running)? {
                running.wait()?;
                return Err(EngineError::GroupStopped("the scenario ended before it crashed".into()));
            }
            // The group's part of the scenario is dropped as it is.
            drop(running);
            checkpoints = Some(made.next()?);
        }
        Ok(observed)
    }

    fn group(&mut self, workers: usize) -> Result<&WorkerGroup, EngineError> {
        use std::collections::btree_map::Entry;
        match self.groups.entry(workers) {
            Entry::Occupied(group) => Ok(group.into_mut()),
            Entry::Vacant(none) => Ok(none.insert(WorkerGroup::start(GroupConfig { workers })?)),
        }
    }
}

/// On how many workers a scenario goes on that ran on so many.
fn other_number(workers: usize) -> usize {
    if workers < MAX_WORKERS { workers + 1 } else { workers - 1 }
}

/// A scenario that plays some places of a script.
fn part(planned: &ExamplePlan, script: &Script<'_>, places: PlacesOf, observed: &Observed) -> Result<ScenarioSpec, EngineError> {
    let mut sources: BTreeMap<NodeId, Arc<dyn Source>> = BTreeMap::new();
    for (id, node) in planned.plan.nodes.iter().enumerate() {
        let Op::Source(op) = &node.op else { continue };
        // A table that is read first is read as a whole, before the first crash.
        let own = if op.preload { PlacesOf { upto: None, ..places } } else { places };
        let events = match op.preload && places.after.is_some() {
            true => Vec::new(),
            false => script
                .events(&node.name, &op.projection, own)
                .map_err(|e| EngineError::Routing { step: node.name.clone(), message: e.to_string() })?,
        };
        let source = ScriptedSource::new("example", events);
        let source = match places.upto {
            Some(crash) if !op.preload => source.halting(at(crash + 1)),
            _ => source,
        };
        sources.insert(NodeId(id), Arc::new(source));
    }
    let mut spec = ScenarioSpec::new(planned.plan.clone(), sources, BTreeMap::new());
    spec.taps = observed.outputs.iter().map(|(id, collector)| (*id, collector.clone() as Arc<dyn Tap>)).collect();
    spec.rejected_tap = Some(observed.rejected.clone());
    spec.watermark_tap = Some(observed.watermarks.clone());
    spec.clock = Arc::new(VirtualClock::new(script.clock.iter().copied()));
    spec.settings.epochs_in_flight = EPOCHS_IN_FLIGHT;
    Ok(spec)
}

fn stopped(example: &Examples, workers: usize, error: &EngineError) -> Mismatch {
    let kind = MismatchKind::Stopped { code: error.code(), message: error.to_string(), hint: error.hint() };
    Mismatch { output: String::new(), span: example.title.span, workers, kind }
}

fn disagreements(expectations: &[Expectation<'_>], a: &[Looked], b: &[Looked], other: usize, workers: usize) -> Vec<Mismatch> {
    let pairs = expectations.iter().zip(a.iter().zip(b));
    let differ = pairs.filter_map(|(expectation, (a, b))| {
        let difference = disagreement(a, b)?;
        let kind = MismatchKind::DependsOnWorkers { other, difference };
        Some(Mismatch { output: expectation.output.value.clone(), span: expectation.span, workers, kind })
    });
    differ.collect()
}

#[cfg(test)]
mod tests {
    //! The order of time in an example, on a plan made by hand: a source, and a step that hands its rows on.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::script::SourceFacts;
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use runink_connector_api::Options;
    use runink_dsl::ast::{Check, Clause, DurationUs, Name, Rows, Span, Spanned, Table};
    use runink_engine::testing::WatermarkLog;
    use runink_planner::{EventTime, Node, Plan, SourceOp, StateBound, StreamKind};

    fn spanned<T>(value: T) -> Spanned<T> {
        Spanned::new(value, Span::default())
    }

    fn name(text: &str) -> Name {
        spanned(text.to_owned())
    }

    fn planned() -> ExamplePlan {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("at", time, true)]));
        let source = SourceOp {
            connector: "memory".into(),
            options: Options::default(),
            full_schema: schema.clone(),
            projection: vec![0, 1],
            predicates: vec![],
            lateness_us: 5_000_000,
            idle_us: 0,
            advance_when_idle: true,
            preload: false,
            lookup: false,
        };
        let node = |name: &str, op: Op, inputs: Vec<NodeId>| Node {
            name: name.into(),
            op,
            inputs,
            schema: schema.clone(),
            kind: StreamKind::AppendOnly,
            time: Some(EventTime { column: 1, shift_us: 0 }),
            watermark_of: vec![NodeId(0)],
            state: StateBound::Stateless,
            bounded: true,
            lineage: vec![],
            at: None,
        };
        let nodes = vec![node("in", Op::Source(source), vec![]), node("out", Op::Output, vec![NodeId(0)])];
        ExamplePlan {
            plan: Plan { scenario: "by hand".into(), nodes },
            sources: BTreeMap::from([(
                "in".to_owned(),
                SourceFacts { schema, idle_us: 10_000_000, lateness_us: 5_000_000, time: None, keyed: false },
            )]),
            outputs: vec!["out".into()],
        }
    }

    fn table(rows: &[[&str; 2]]) -> Table {
        let rows = rows.iter().map(|row| row.iter().map(|c| name(c)).collect()).collect();
        Table { columns: vec![name("k"), name("at")], rows, span: Span::default() }
    }

    fn given(rows: &[[&str; 2]]) -> Clause {
        Clause::Given { input: name("in"), rows: Rows::Table(table(rows)) }
    }

    fn watermark(at: &str) -> Clause {
        Clause::ThenWatermark { output: name("out"), at: name(at) }
    }

    fn outcome(clauses: Vec<Clause>, workers: usize) -> Outcome {
        let clauses = clauses.into_iter().map(spanned).collect();
        let example = Examples { title: name("an example"), prose: String::new(), clauses, span: Span::default() };
        let planned = planned();
        let script = Script::of(&example, runink_dsl::FileId(0), &planned.sources, &|_| Err("no files".into())).unwrap();
        let observed = Runner::new().execute(&planned, &script, workers).unwrap();
        let evaluation = Evaluation {
            file: runink_dsl::FileId(0),
            plan: &planned.plan,
            observed: &observed,
            read: &|_| Err("no files".into()),
            accept: false,
            asks_for_rejects: false,
        };
        let looked = script.expectations.iter().map(|e| evaluation.look(e).unwrap());
        let mismatches: Vec<Mismatch> = looked.filter_map(|l| l.mismatch).collect();
        if mismatches.is_empty() { Outcome::Passed } else { Outcome::Failed(mismatches) }
    }

    #[test]
    fn time_moves_as_the_example_says() {
        let clauses = || {
            vec![
                given(&[["a", "2026-01-01T00:00:30Z"]]),
                watermark("2026-01-01T00:00:25Z"),
                Clause::TimePasses(spanned(DurationUs(3_600_000_000))),
                watermark("2026-01-01T00:00:25Z"),
                Clause::Idle { input: name("in"), duration: Some(spanned(DurationUs(14_000_000))) },
                watermark("2026-01-01T00:00:29Z"),
                Clause::TimePasses(spanned(DurationUs(500_000))),
                watermark("2026-01-01T00:00:29.5Z"),
                given(&[["a", "2026-01-01T00:00:36Z"]]),
                watermark("2026-01-01T00:00:31Z"),
                Clause::TimePasses(spanned(DurationUs(500_000))),
                watermark("2026-01-01T00:00:31Z"),
                Clause::Idle { input: name("in"), duration: None },
                Clause::TimePasses(spanned(DurationUs(1_000_000))),
                watermark("2026-01-01T00:00:32Z"),
                Clause::Watermark { input: None, at: name("2026-01-01T00:00:40Z") },
                watermark("2026-01-01T00:00:40Z"),
                Clause::TimePasses(spanned(DurationUs(1_000_000))),
                watermark("2026-01-01T00:00:40Z"),
                Clause::Idle { input: name("in"), duration: Some(spanned(DurationUs(11_000_000))) },
                watermark("2026-01-01T00:00:41Z"),
            ]
        };
        for workers in 1..=4 {
            let outcome = outcome(clauses(), workers);
            assert!(matches!(outcome, Outcome::Passed), "on {workers} workers: {outcome:?}");
        }
    }

    #[test]
    fn a_then_sees_what_has_come_by_its_place() {
        let then = |rows: &[[&str; 2]]| Clause::Then { output: name("out"), check: Check::Is(Rows::Table(table(rows))) };
        let (a, b) = (["a", "2026-01-01T00:00:30Z"], ["", "2026-01-01 00:00:31.5"]);
        let clauses = || vec![then(&[]), given(&[a]), then(&[a]), given(&[b, a]), then(&[a, a, b]), Clause::End, then(&[a, a, b])];
        for workers in 1..=3 {
            let outcome = outcome(clauses(), workers);
            assert!(matches!(outcome, Outcome::Passed), "on {workers} workers: {outcome:?}");
        }
        assert!(matches!(outcome(vec![given(&[a]), then(&[b])], 1), Outcome::Failed(m) if m.len() == 1));
    }

    #[test]
    fn before_the_first_row_there_is_no_watermark() {
        let log = WatermarkLog::default();
        assert_eq!(log.at(runink_engine::Epoch(7), &[NodeId(0)]), None);
        assert!(matches!(outcome(vec![watermark("2026-01-01T00:00:00Z")], 2), Outcome::Failed(_)));
    }
}
