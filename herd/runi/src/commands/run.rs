//! `runi run`: one worker group, one `create` for each scenario, and a look at them until they end.

use super::{durable::Durable, planned};
use crate::{
    Exit,
    cli::{Output, Run},
    interrupt,
    progress::Progress,
    registry::registry,
    screen::Screen,
    summary,
};
use runink_engine::{Drain, Durability, Ending, EngineError, GroupConfig, ScenarioHandle, ScenarioSpec, WorkerGroup};
use runink_files::NOBODY_READS;
use runink_planner::Op;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How often progress is shown and Ctrl-C is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Run, screen: &Screen) -> Exit {
    start(arguments, screen).unwrap_or_else(|exit| exit)
}

fn start(arguments: &Run, screen: &Screen) -> Result<Exit, Exit> {
    let fail = |error: &EngineError| failed(error, screen);
    let picked = planned::pick(&arguments.pick, screen)?;
    let (registry, variables) = (registry(), planned::variables(&arguments.pick.set, false));
    let base_dir = picked.loaded.folder_of(picked.file);
    let mut specs = Vec::new();
    for scenario in &picked.scenarios {
        let plan = planned::plan(&picked, scenario, &registry, &variables, screen)?;
        let title = scenario.title.value.clone();
        let durability = if arguments.keep.state.is_some() { Durability::Checkpoints } else { Durability::None };
        let mut spec = ScenarioSpec::open(plan, &registry, &base_dir, durability).map_err(|e| fail(&e))?;
        let durable = match &arguments.keep.state {
            Some(folder) => Some(Durable::open(&arguments.keep, folder, &title, &mut spec, screen)?),
            None => None,
        };
        specs.push((title, spec, durable));
    }
    if let Err(error) = interrupt::listen() {
        screen.error(&format!("RUN009: Ctrl-C cannot be listened for: {error}"), None);
        return Err(Exit::Operator);
    }
    let workers = arguments.workers.map_or_else(|| thread::available_parallelism().map_or(1, Into::into), usize::from);
    let started = Instant::now();
    // A table on the terminal and a line of progress would write over each other.
    let shows_rows = specs.iter().any(|(_, spec, _)| spec.writes_to("stdout"));
    let group = WorkerGroup::start(GroupConfig { workers }).map_err(|e| fail(&e))?;
    let mut running = Vec::new();
    for (title, spec, durable) in specs {
        let only_shown = spec.plan.nodes.iter().all(|n| !matches!(&n.op, Op::Sink(sink) if sink.connector != "stdout"));
        let keeps_rejects = spec.plan.nodes.iter().any(|n| matches!(n.op, Op::Rejected));
        let handle = group.create(spec).map_err(|e| fail(&e))?;
        if let Some(durable) = &durable {
            durable.runs(&handle);
        }
        running.push(Running { title, only_shown, keeps_rejects, handle, durable });
    }
    let mut progress = Progress::new(arguments.output, screen, shows_rows);
    let mut exit = Exit::Done;
    let mut stopping = false;
    while let Some(first) = running.first() {
        first.handle.wait_for(LOOK_EVERY);
        if interrupt::asked() && !stopping {
            stopping = true;
            let drain = if arguments.drain { Drain::Yes } else { Drain::No };
            running.iter().for_each(|r| r.handle.stop(drain));
        }
        for durable in running.iter_mut().filter_map(|r| r.durable.as_mut()) {
            progress.aside(|| durable.look(screen));
        }
        progress.show(running.iter().map(|r| (r.title.as_str(), r.handle.metrics())));
        // Each is told of when it ends: others may go on for ever.
        let (ended, others): (Vec<_>, Vec<_>) = running.into_iter().partition(|r| r.handle.has_ended());
        running = others;
        if running.is_empty() {
            progress.end();
        }
        for one in ended {
            progress.aside(|| exit = exit.and(one.report(arguments.output, screen, started.elapsed())));
        }
    }
    match group.shutdown() {
        Ok(()) => Ok(exit),
        Err(error) => Err(failed(&error, screen)),
    }
}

fn failed(error: &EngineError, screen: &Screen) -> Exit {
    screen.error(&error.to_string(), error.hint().as_deref());
    Exit::from(error.who())
}

/// One scenario on the workers.
struct Running {
    title: String,
    /// Standard output is all that it writes to.
    only_shown: bool,
    /// A sink has its rejected rows.
    keeps_rejects: bool,
    handle: ScenarioHandle,
    /// Where it makes checkpoints.
    durable: Option<Durable>,
}

impl Running {
    /// Says how it ended.
    fn report(self, output: Output, screen: &Screen, elapsed: Duration) -> Exit {
        let rejects = self.handle.rejects_shown();
        match self.handle.wait() {
            Ok(outcome) => {
                if let Some(durable) = self.durable
                    && let Err(exit) = durable.finish(screen)
                {
                    return exit;
                }
                match output {
                    Output::Json => screen.err(&summary::json(&self.title, &outcome, &rejects, elapsed)),
                    Output::Text if screen.err_is_terminal() => {
                        screen.err(&summary::text(&self.title, &outcome, &rejects, elapsed, screen.err_color()));
                    }
                    Output::Text if self.keeps_rejects => {}
                    Output::Text => {
                        if let Some(message) = summary::lost_rejects(&self.title, &outcome, &rejects) {
                            screen.warning(
                                &message,
                                "write them out: `@sink(name=Rejected, type=file, path=\"rejected.jsonl\", from=rejected)`",
                            );
                        }
                    }
                }
                if outcome.ending == Ending::Stopped && interrupt::asked() { Exit::Interrupted } else { Exit::Done }
            }
            // `runi run … | head`: the reader has what it wanted, and nothing else was to be written.
            Err(error) if error.code() == NOBODY_READS && self.only_shown => Exit::Done,
            Err(error) => failed(&error, screen),
        }
    }
}
