//! The catalogue of what can be wrong with an example itself (what fails is a mismatch, not one of these).

use runink_dsl::CodeEntry;

macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $remedy:literal;)*) => {
        $(#[doc = $meaning] pub(crate) const $name: &str = $code;)*

        const CATALOGUE: &[CodeEntry] = &[$(CodeEntry { code: $code, meaning: $meaning, remedy: $remedy }),*];
    };
}

/// All codes of examples, in order.
pub fn catalogue() -> &'static [CodeEntry] {
    CATALOGUE
}

// One line per code: this table is the definition of the constants and of the catalogue.
#[rustfmt::skip]
codes! {
    NOT_A_SOURCE "EXA001" "An example names a source that the scenario does not read." "Give rows to a source that a step reads.";
    NOT_AN_OUTPUT "EXA002" "An example expects rows of something that has no output." "Name a source, a step, a `Step.port` or `rejected`.";
    UNKNOWN_COLUMN "EXA003" "A table or file has a column that the stream does not have." "Correct the column's name.";
    CELL "EXA004" "An expected cell is not a value of its column's type." "Write it as the column's type is written.";
    TIME "EXA005" "A time is not one." "Write it like `2026-01-01T00:00:00Z`.";
    FILE "EXA006" "A file of an example cannot be read." "Check its path (relative to the `.dsl` file) and its content.";
    FILE_FORMAT "EXA007" "A file of an example has a format that examples do not read." "Use `.jsonl` or `.csv`.";
    AFTER_END "EXA008" "Something happens after the input has ended." "Move the line before `When the input ends`.";
    CRASHES "EXA009" "The worker crashes more often than it can in one example." "Split the example.";
    WORKERS "EXA010" "An example asks for a number of workers that it cannot have." "Ask for 1 to 64, once, before the first `When`.";
    NOT_IDLE_YET "EXA011" "A source is said to be idle for less than its idle time." "Wait longer, or give the source a shorter `idle=`.";
    NO_SCHEMA "EXA012" "A source has no contract, and no example gives it rows to tell its columns from." "Give it a contract, or rows.";
    NO_ROWS_TO_COMPARE "EXA013" "The rows of a stream have no form as text." "Expect a step after it that leaves the column out.";
    TOO_LONG "EXA014" "An example has more clauses or rows than one example can have." "Split it.";
    CHAOS "EXA015" "The rows of an example could not be put into another order: a bug of Runink." "Report it with the example.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_used_once() {
        for (i, entry) in catalogue().iter().enumerate() {
            assert_eq!(entry.code, format!("EXA{:03}", i + 1));
        }
    }
}
