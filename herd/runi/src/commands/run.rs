//! `runi run`: one worker group, one `create` for each scenario, and a look at them until they end.

use super::planned;
use crate::{
    Exit,
    cli::{Output, Run},
    interrupt,
    progress::Progress,
    registry::registry,
    screen::Screen,
    summary,
};
use runink_engine::{Drain, Ending, EngineError, GroupConfig, ScenarioHandle, ScenarioSpec, WorkerGroup};
use std::{thread, time::{Duration, Instant}};

/// How often progress is shown and Ctrl-C is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Run, screen: &Screen) -> Exit {
    start(arguments, screen).unwrap_or_else(|exit| exit)
}

fn start(arguments: &Run, screen: &Screen) -> Result<Exit, Exit> {
    let fail = |error: &EngineError| {
        screen.error(&error.to_string(), error.hint().as_deref());
        Exit::from(error.who())
    };
    let picked = planned::pick(&arguments.pick, screen)?;
    let (registry, variables) = (registry(), planned::variables(&arguments.set, false));
    let base_dir = picked.loaded.folder_of(picked.file);
    let mut specs = Vec::new();
    for scenario in &picked.scenarios {
        let plan = planned::plan(&picked, scenario, &registry, &variables, screen)?;
        specs.push((scenario.title.value.clone(), ScenarioSpec::open(plan, &registry, &base_dir).map_err(|e| fail(&e))?));
    }
    if let Err(error) = interrupt::listen() {
        screen.error(&format!("RUN009: Ctrl-C cannot be listened for: {error}"), None);
        return Err(Exit::Operator);
    }
    let workers = arguments.workers.map_or_else(|| thread::available_parallelism().map_or(1, Into::into), usize::from);
    let started = Instant::now();
    // A table on the terminal and a line of progress would write over each other.
    let shows_rows = specs.iter().any(|(_, spec)| spec.writes_to("stdout"));
    let group = WorkerGroup::start(GroupConfig { workers }).map_err(|e| fail(&e))?;
    let mut running = Vec::new();
    for (title, spec) in specs {
        running.push((title, group.create(spec).map_err(|e| fail(&e))?));
    }
    let mut progress = Progress::new(arguments.output, screen, shows_rows);
    watch(&running, arguments, &mut progress);
    progress.end();
    let mut exit = Exit::Done;
    for (title, handle) in running {
        let rejects = handle.rejects_shown();
        match handle.wait() {
            Ok(outcome) => {
                if outcome.ending == Ending::Stopped && interrupt::asked() {
                    exit = exit.and(Exit::Interrupted);
                }
                match arguments.output {
                    Output::Json => screen.err(&summary::json(&title, &outcome, &rejects, started.elapsed())),
                    Output::Text if screen.err_is_terminal() => {
                        screen.err(&summary::text(&title, &outcome, &rejects, started.elapsed(), screen.err_color()));
                    }
                    Output::Text => {}
                }
            }
            Err(error) => exit = exit.and(fail(&error)),
        }
    }
    match group.shutdown() {
        Ok(()) => Ok(exit),
        Err(error) => Err(fail(&error)),
    }
}

fn watch(running: &[(String, ScenarioHandle)], arguments: &Run, progress: &mut Progress) {
    let mut stopping = false;
    for (_, handle) in running {
        while !handle.wait_for(LOOK_EVERY) {
            if interrupt::asked() && !stopping {
                stopping = true;
                let drain = if arguments.drain { Drain::Yes } else { Drain::No };
                running.iter().for_each(|(_, handle)| handle.stop(drain));
            }
            progress.show(running.iter().map(|(title, handle)| (title.as_str(), handle.metrics())));
        }
    }
}
