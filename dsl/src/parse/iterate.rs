//! `iterate`: what stands for the rows of a key in a recursion, and how long it may go on. The lines of a round are those after it.

use super::{
    cursor::{Cursor, Parse},
    stop::Stop,
};
use crate::{ast::Iterate, syntax::SyntaxKind::*};

/// The words that its clauses begin with, for messages.
pub(super) const ITERATE_WORDS: [&str; 3] = ["by", "at", "keep"];

const ITERATE_STOPS: [Stop; 3] = [Stop::By, Stop::AtMost, Stop::Keep];

impl Cursor<'_, '_> {
    /// What comes after the verb.
    pub(super) fn iterate(&mut self) -> Parse<Iterate> {
        let mut found = Iterate { outputs: Vec::new(), by: Vec::new(), rounds: None, keep_state: None };
        if !self.done() && !ITERATE_STOPS.iter().any(|stop| stop.begins(self)) {
            found.outputs = self.named_exprs("an aggregate like `least = min(least)`", &ITERATE_STOPS)?;
            self.all_named(&found.outputs, "least = min(least)")?;
        }
        let mut by = None;
        while !self.done() {
            if Stop::By.begins(self) {
                self.once(&by, "by")?;
                by = Some(());
                found.by = self.node(CLAUSE, |c| {
                    c.keywords(1);
                    c.named_exprs("a column that is the key", &ITERATE_STOPS)
                })?;
            } else if Stop::AtMost.begins(self) {
                self.once(&found.rounds, "at most")?;
                found.rounds = Some(self.node(CLAUSE, |c| {
                    c.keywords(2);
                    let rounds = c.count("how many rounds there may be")?;
                    if !c.eat_word("round") {
                        c.expect_word("rounds")?;
                    }
                    Ok(rounds)
                })?);
            } else if Stop::Keep.begins(self) {
                self.once(&found.keep_state, "keep")?;
                found.keep_state = Some(self.keep_state()?);
            } else {
                break;
            }
        }
        Ok(found)
    }
}
