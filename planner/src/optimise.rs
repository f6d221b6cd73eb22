//! Rewrites that change no result: the same rows, the same rejects, whatever the data.
//!
//! A list of small passes, each a function from plan to plan. The law that binds all of them: a row that an expression, an expectation or a
//! window turns away is turned away after the rewrite as well, by the same step. [`fallible`] says which expressions cannot fail; only those
//! move, merge or disappear.

mod dead;
mod fallible;
mod fuse;
mod predicates;
mod prune;
mod push_filters;
mod recursion;
mod rewrite;
mod share;
mod simplify;
mod two_phase;
mod validate;

pub use validate::{PlanFault, validate};

use crate::Plan;
use datafusion_common::tree_node::Transformed;

/// How often the passes that feed each other are repeated at most. Each round moves a filter past at least one node, so that only a scenario
/// of more steps than this could need more; it stays right, only less fast.
pub const MAX_ROUNDS: usize = 64;

type Pass = fn(Plan, &[String]) -> Transformed<Plan>;

/// Passes that feed each other, repeated until none changes anything.
const REPEATED: [(&str, Pass); 5] = [
    ("simplify", simplify::pass),
    ("fuse", fuse::pass),
    ("push filters", push_filters::pass),
    ("share", share::pass),
    ("remove dead nodes", dead::pass),
];

/// Passes over the settled shape, once each. Pruning can leave stages and nodes that do nothing: they are fused away after it.
const FINAL: [(&str, Pass); 6] = [
    ("rounds of recursions", recursion::pass),
    ("share", share::pass),
    ("prune columns", prune::pass),
    ("fuse", fuse::pass),
    ("source predicates", predicates::pass),
    ("two phases", two_phase::pass),
];

/// Makes a plan cheaper. `observe` names the steps, ports and sources whose output must stay readable.
pub fn optimise(plan: Plan, observe: &[String]) -> Plan {
    optimise_watched(plan, observe, &mut |pass, plan| {
        if cfg!(any(test, debug_assertions)) {
            assert_eq!(validate(plan), Ok(()), "after `{pass}`");
        }
    })
}

/// Like [`optimise`]; `watch` sees the plan after every pass that changed it.
pub fn optimise_watched(mut plan: Plan, observe: &[String], watch: &mut dyn FnMut(&'static str, &Plan)) -> Plan {
    let mut run = |plan: Plan, (name, pass): &(&'static str, Pass)| {
        let rewritten = pass(plan, observe);
        if rewritten.transformed {
            watch(name, &rewritten.data);
        }
        rewritten
    };
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for pass in &REPEATED {
            let rewritten = run(plan, pass);
            changed |= rewritten.transformed;
            plan = rewritten.data;
        }
        if !changed {
            break;
        }
    }
    FINAL.iter().fold(plan, |plan, pass| run(plan, pass).data)
}
