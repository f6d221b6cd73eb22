//! A comparison for people, and for machines.

use super::{Change, ContractDiff, Effect};
use serde_json::{Value, json};
use std::fmt;
use unicode_width::UnicodeWidthStr;

impl ContractDiff {
    /// For machines: the sides, every change with its effects, the directions as a whole, and the verdict.
    pub fn to_json(&self) -> Value {
        let direction = |compatible: bool| if compatible { "compatible" } else { "breaking" };
        json!({
            "old": self.old,
            "new": self.new,
            "changes": self.changes,
            "backward": direction(self.is_backward_compatible()),
            "forward": direction(self.is_forward_compatible()),
            "full": direction(self.is_fully_compatible()),
            "promise": self.promise,
            "verdict": self.verdict,
        })
    }
}

impl fmt::Display for ContractDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} version {} ({}) -> {} version {} ({})",
            self.old.name,
            self.old.version,
            self.old.hash.short(),
            self.new.name,
            self.new.version,
            self.new.hash.short()
        )?;
        if self.old.hash == self.new.hash {
            return writeln!(f, "\nThe two say the same.");
        }
        if self.changes.is_empty() {
            writeln!(f, "\nNothing changed that readers or writers could notice.")?;
        } else {
            write_changes(f, &self.changes)?;
        }
        let word = |compatible: bool| if compatible { "compatible" } else { "BREAKING" };
        writeln!(f, "\nbackward (new readers, old data): {}", word(self.is_backward_compatible()))?;
        writeln!(f, "forward  (old readers, new data): {}", word(self.is_forward_compatible()))?;
        if self.verdict.holds {
            return writeln!(f, "verdict: version {} may follow, promise `{}`", self.new.version, self.promise);
        }
        writeln!(f, "verdict: version {} may not follow", self.new.version)?;
        self.verdict.problems.iter().try_for_each(|problem| writeln!(f, "  - {problem}"))
    }
}

fn write_changes(f: &mut fmt::Formatter<'_>, changes: &[Change]) -> fmt::Result {
    let title = |c: &Change| match &c.field {
        Some(field) => format!("{field}: {}", c.message),
        None => c.message.clone(),
    };
    let titles: Vec<String> = changes.iter().map(title).collect();
    let width = titles.iter().map(|t| t.width()).max().unwrap_or(0).max("change".len());
    let row = |f: &mut fmt::Formatter<'_>, title: &str, backward: &str, forward: &str| {
        let pad = width - title.width();
        writeln!(f, "  {title}{:pad$}  {backward:<8}  {forward}", "")
    };
    writeln!(f)?;
    row(f, "change", "backward", "forward")?;
    let word = |e: &Effect| if e.is_breaking() { "BREAKING" } else { "ok" };
    for (change, title) in changes.iter().zip(&titles) {
        row(f, title, word(&change.backward), word(&change.forward))?;
        for (direction, effect) in [("backward", &change.backward), ("forward", &change.forward)] {
            if let Effect::Breaking(reason) = effect {
                writeln!(f, "      {direction}: {reason}")?;
            }
        }
        if let Some(hint) = &change.hint {
            writeln!(f, "      hint: {hint}")?;
        }
    }
    Ok(())
}
