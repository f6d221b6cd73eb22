//! The formatter: one layout for every text.
//!
//! It walks the lossless tree line by line and decides only about blanks: how far a line is indented, what stands between two tokens,
//! where a blank line separates blocks. It never moves, adds or removes anything else, and never breaks or joins lines. What the parser did
//! not understand keeps its text and is only indented.

mod blocks;
mod line;
pub(crate) mod table;

use crate::{
    FileId,
    parse::{MAX_TEXT_BYTES, parse},
};
use blocks::Entry;

/// The text in its one layout. Idempotent; keeps comments and prose; a text with errors is changed only where it is understood.
/// A text that is too large to be parsed stays as it is; the parser says so.
pub fn format(text: &str) -> String {
    if text.len() > MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let entries = blocks::entries(&parse(FileId(0), text).syntax());
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 && wants_blank_line(&entries[i - 1], entry) {
            out.push('\n');
        }
        entry.write(&mut out);
    }
    out
}

/// One blank line before a block (and before the comments on top of it), none after a heading, and elsewhere one where the text had any.
fn wants_blank_line(before: &Entry, entry: &Entry) -> bool {
    // Comments on top of a block take the blank line before it.
    let goes_on = before.leads_to_block && !entry.blank_before;
    if entry.opens_block || entry.leads_to_block {
        return !goes_on;
    }
    entry.blank_before && !before.is_whole_heading()
}
