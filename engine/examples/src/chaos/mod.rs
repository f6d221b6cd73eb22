//! Chaos: an example's rows in other orders, epochs, batches, on other numbers of workers and with crashes, as its sources allow. The results must stay.
//!
//! Each run is held against what the example itself expects, and against a recomputation from scratch: all rows that may come together in one epoch, on one
//! worker. A difference is shrunk to its smallest case and told as an example that can be pasted. Everything follows from a seed.

mod case;
mod paste;
mod random;
mod shrink;
mod timeline;

use crate::{
    compare::{Demand, Difference, compare},
    evaluate::{Evaluation, Looked},
    plan::{ExamplePlan, REJECTED},
    report::{Against, Finding, Mismatch, MismatchKind, Outcome, Symptom},
    rows::Row,
    runner::{Request, Runner},
    script::{Expected, Moment, Script},
};
use arrow::{datatypes::SchemaRef, error::ArrowError};
use case::Case;
use paste::{Expecting, Paste};
use random::Random;
use runink_dsl::{
    Diagnostic, FileId,
    ast::{Examples, Span},
};
use runink_engine::EngineError;
use std::collections::BTreeSet;
use timeline::{Timeline, gives_every_so_often};

/// What of a rejected row is the same whatever the order: the words of a message may tell where the watermark stood.
const REJECT_COLUMNS: [&str; 4] = ["reason", "step", "source", "position"];

/// How examples are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chaos {
    /// What all chance follows from.
    pub seed: u64,
    /// How many cases of each example.
    pub runs: usize,
}

/// What a case came to.
enum Seen {
    Looked(Vec<Looked>),
    Stopped(EngineError),
}

/// An example that passes as it is written, about to be tried.
pub(crate) struct Trial<'t, 'a> {
    runner: &'t mut Runner,
    request: &'t Request<'t>,
    planned: &'t ExamplePlan,
    script: &'t Script<'a>,
    example: &'t Examples,
    file: FileId,
    timeline: Timeline,
    schemas: Vec<SchemaRef>,
    lateness_us: Vec<i64>,
}

impl<'t, 'a> Trial<'t, 'a> {
    pub(crate) fn new(
        runner: &'t mut Runner,
        request: &'t Request<'t>,
        planned: &'t ExamplePlan,
        script: &'t Script<'a>,
        example: &'t Examples,
    ) -> Result<Self, Vec<Diagnostic>> {
        let file = request.scenario.id.file;
        let timeline =
            Timeline::of(script, &planned.sources, &planned.plan).map_err(|e| vec![bug(file, example.title.span, &e.to_string())])?;
        let schemas = planned.sources.values().map(|s| s.schema.clone()).collect();
        let lateness_us = planned.sources.values().map(|s| s.lateness_us).collect();
        Ok(Trial { runner, request, planned, script, example, file, timeline, schemas, lateness_us })
    }

    /// Tries cases until one fails.
    pub(crate) fn run(mut self, chaos: Chaos) -> Result<Outcome, Vec<Diagnostic>> {
        let at_once = Case::at_once(&self.timeline);
        let recomputed = self.look(&at_once)?;
        if let Some((expectation, symptom)) = self.breaks_expectation(&recomputed) {
            let broken = Broken { run: 0, against: Against::Expectation, expectation, symptom };
            return self.told(chaos, broken, at_once);
        }
        let mut random = Random::of(chaos.seed, &format!("{}\n{}", self.request.scenario.title.value, self.example.title.value));
        for run in 1..=chaos.runs {
            let case = Case::random(&self.timeline, &self.lateness_us, &mut random);
            let seen = self.look(&case)?;
            let broken = match (self.breaks_expectation(&seen), self.differ(&recomputed, &seen)) {
                (Some((expectation, symptom)), _) => Broken { run, against: Against::Expectation, expectation, symptom },
                (None, Some((expectation, symptom))) => Broken { run, against: Against::Recomputation, expectation, symptom },
                (None, None) => continue,
            };
            return self.told(chaos, broken, case);
        }
        Ok(Outcome::Passed)
    }

    /// Shrinks a case that fails, and tells of it.
    fn told(&mut self, chaos: Chaos, broken: Broken, case: Case) -> Result<Outcome, Vec<Diagnostic>> {
        // The example passes as it is written, so whatever breaks its expectations differs from that as well.
        let oracle = match broken.against {
            Against::Expectation => Case::as_written(&self.timeline),
            Against::Recomputation => Case::at_once(&self.timeline),
        };
        let of = case.rows().len();
        let case = shrink::shrink(case, &mut |smaller| Ok::<bool, Vec<Diagnostic>>(self.against(&oracle, smaller)?.is_some()))?;
        let rows = case.rows();
        // Where another expectation of the example is broken than the one that the oracle can tell of, the case has not been shrunk.
        let (expectation, symptom) = self.against(&oracle, &case)?.unwrap_or((broken.expectation, broken.symptom));
        let example = match self.look(&oracle.only(&rows))? {
            Seen::Looked(looked) => self.paste(chaos, &case, &rows, expectation, looked.get(expectation)),
            Seen::Stopped(_) => String::new(),
        };
        let expected = &self.script.expectations[expectation];
        let finding = Finding {
            seed: chaos.seed,
            run: broken.run,
            against: broken.against,
            symptom,
            rows: rows.len(),
            of,
            workers: case.workers,
            example,
        };
        let kind = MismatchKind::Chaos(Box::new(finding));
        let mismatch = Mismatch { output: expected.output.value.clone(), span: expected.span, workers: case.workers, kind };
        Ok(Outcome::Failed(vec![mismatch]))
    }

    fn paste(&self, chaos: Chaos, case: &Case, rows: &BTreeSet<usize>, expectation: usize, looked: Option<&Looked>) -> String {
        let Some(looked) = looked else { return String::new() };
        let expected = &self.script.expectations[expectation];
        if matches!(expected.expected, Expected::WatermarkUs(_)) {
            return String::new();
        }
        let (columns, expected_rows) = comparable(&expected.output.value, looked);
        let text = self.request.project.sources.get(self.file).map_or("", |f| f.text.as_str());
        let paste = Paste { timeline: &self.timeline, script: self.script, schemas: &self.schemas, text };
        let expecting = Expecting {
            output: &expected.output.value,
            columns: &columns,
            rows: &expected_rows,
            after: self.timeline.segment_at(expected),
        };
        let title = format!("{} (chaos, seed {}, {} rows)", self.example.title.value, chaos.seed, rows.len());
        paste.example(&title, case, &expecting)
    }

    /// How a case differs from the oracle, both with the case's rows only.
    fn against(&mut self, oracle: &Case, case: &Case) -> Result<Option<(usize, Symptom)>, Vec<Diagnostic>> {
        let expected = self.look(&oracle.only(&case.rows()))?;
        let seen = self.look(case)?;
        Ok(self.differ(&expected, &seen))
    }

    fn look(&mut self, case: &Case) -> Result<Seen, Vec<Diagnostic>> {
        let failed = |e: ArrowError| vec![bug(self.file, self.example.title.span, &e.to_string())];
        let script = case.script(&self.timeline, self.script, &self.schemas).map_err(failed)?;
        let observed = match self.runner.execute(self.planned, &script, case.workers) {
            Ok(observed) => observed,
            Err(error) => return Ok(Seen::Stopped(error)),
        };
        let evaluation = Evaluation {
            file: self.file,
            plan: &self.planned.plan,
            observed: &observed,
            read: self.request.read,
            accept: false,
            asks_for_rejects: true,
        };
        script.expectations.iter().map(|e| evaluation.look(e)).collect::<Result<_, _>>().map(Seen::Looked)
    }

    /// The first expectation of the example that does not hold.
    fn breaks_expectation(&self, seen: &Seen) -> Option<(usize, Symptom)> {
        let looked = match seen {
            Seen::Stopped(error) => return self.stopped(error),
            Seen::Looked(looked) => looked,
        };
        looked.iter().enumerate().filter(|(i, _)| self.counts(*i)).find_map(|(i, looked)| match looked.mismatch.as_ref()?.kind {
            MismatchKind::Rows { ref difference, .. } => Some((i, Symptom::Rows(difference.clone()))),
            MismatchKind::Watermark { expected_us, actual_us } => Some((i, Symptom::Watermark { expected_us, actual_us })),
            _ => None,
        })
    }

    fn differ(&self, expected: &Seen, seen: &Seen) -> Option<(usize, Symptom)> {
        let (expected, seen) = match (expected, seen) {
            (Seen::Looked(expected), Seen::Looked(seen)) => (expected, seen),
            (Seen::Looked(_), Seen::Stopped(error)) => return self.stopped(error),
            // Where rows are missing that the scenario cannot do without, nothing can be said.
            (Seen::Stopped(_), _) => return None,
        };
        expected.iter().zip(seen).enumerate().filter(|(i, _)| self.counts(*i)).find_map(|(i, (expected, seen))| {
            let output = &self.script.expectations[i].output.value;
            let (columns, expected) = comparable(output, expected);
            let difference: Difference = compare(&columns, &expected, &comparable(output, seen).1, &[], Demand::Exactly)?;
            Some((i, Symptom::Rows(difference)))
        })
    }

    fn stopped(&self, error: &EngineError) -> Option<(usize, Symptom)> {
        (!self.script.expectations.is_empty()).then(|| (0, Symptom::Stopped(error.to_string())))
    }

    /// Whether what an expectation looks at must be the same in every order.
    fn counts(&self, expectation: usize) -> bool {
        let expectation = &self.script.expectations[expectation];
        let node = self.planned.plan.output_of(&expectation.output.value);
        expectation.moment == Moment::End || !node.is_some_and(|id| gives_every_so_often(&self.planned.plan, id))
    }
}

/// A case that fails.
struct Broken {
    run: usize,
    against: Against,
    expectation: usize,
    symptom: Symptom,
}

/// What of an output must be the same in every order.
fn comparable(output: &str, looked: &Looked) -> (Vec<String>, Vec<Row>) {
    if output != REJECTED || looked.columns.len() <= REJECT_COLUMNS.len() {
        return (looked.columns.clone(), looked.rows.clone());
    }
    let at: Vec<usize> = REJECT_COLUMNS.iter().filter_map(|c| looked.columns.iter().position(|l| l == c)).collect();
    let pick = |row: &Row| at.iter().filter_map(|&c| row.get(c).cloned()).collect();
    (REJECT_COLUMNS.map(str::to_owned).to_vec(), looked.rows.iter().map(pick).collect())
}

fn bug(file: FileId, span: Span, message: &str) -> Diagnostic {
    Diagnostic::error(crate::codes::CHAOS, file, span, format!("the rows of the example could not be arranged: {message}"))
        .hint("this is a bug of Runink: please report it with the example")
}
