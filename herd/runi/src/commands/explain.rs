//! `runi explain`.

use super::planned;
use crate::{
    Exit,
    cli::{Explain, ExplainAs},
    registry::registry,
    screen::Screen,
};

pub(crate) fn run(arguments: &Explain, screen: &Screen) -> Exit {
    match explain(arguments, screen) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn explain(arguments: &Explain, screen: &Screen) -> Result<(), Exit> {
    let picked = planned::pick(&arguments.pick, screen)?;
    let (registry, variables) = (registry(), planned::variables(&arguments.pick.set, false));
    let mut plans = Vec::new();
    for scenario in &picked.scenarios {
        plans.push(planned::plan(&picked, scenario, &registry, &variables, screen)?);
    }
    match arguments.output {
        ExplainAs::Text => {
            let texts: Vec<_> = plans.iter().map(runink_planner::explain::text).collect();
            screen.out(&texts.join("\n"));
        }
        ExplainAs::Mermaid => plans.iter().for_each(|plan| screen.out(&runink_planner::explain::mermaid(plan))),
        ExplainAs::Json => {
            let all: Vec<_> = plans.iter().map(runink_planner::explain::json).collect();
            screen.out(&format!("{:#}\n", serde_json::Value::Array(all)));
        }
    }
    Ok(())
}
