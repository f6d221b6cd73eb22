//! Why rows of a contract cannot be made up.

/// See the module. Every one of them is for the contract's author, or for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FakeError {
    /// A rule does not fit its field's type; `runi check` says so as well where a scenario reads it.
    #[error("FAK001: the rule `{rule}` of `{field}` does not fit its type")]
    Rule {
        /// The field.
        field: String,
        /// The rule as the contract writes it.
        rule: String,
    },
    /// A pattern uses what the generator does not know.
    #[error("FAK002: no text can be made up for `{field} matches '{pattern}'`: {why}")]
    Pattern {
        /// The field.
        field: String,
        /// The pattern.
        pattern: String,
        /// What it does not know.
        why: String,
    },
    /// No value was found that keeps all rules of a field.
    #[error("FAK003: no value was found that keeps all rules of `{field}`: {rules}")]
    NoValue {
        /// The field.
        field: String,
        /// Its rules.
        rules: String,
    },
    /// A key or a unique field has fewer values than rows are wanted.
    #[error("FAK004: `{field}` must differ in every row, and no further value was found after {rows} rows")]
    Exhausted {
        /// The field, or the fields of the key.
        field: String,
        /// How many rows there are.
        rows: u64,
    },
    /// Invalid rows are wanted of a contract without a rule that a row can break alone.
    #[error("FAK005: `{contract}` has no rule that a row could break, so no row of it is invalid")]
    NothingToBreak {
        /// The contract.
        contract: String,
    },
    /// A column could not be put together.
    #[error("FAK006: the rows could not be put into columns: {0}")]
    Columns(String),
}

impl FakeError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            FakeError::Rule { .. } => "change the rule, or the field's type",
            FakeError::Pattern { .. } => {
                "patterns can have literals, classes, `\\d` `\\w` `\\s`, groups, `|`, `?` `*` `+` `{n,m}`, and `^` and `$` at their ends"
            }
            FakeError::NoValue { .. } => "the rules contradict each other, or few values keep them: `one of` would list them",
            FakeError::Exhausted { .. } => "ask for fewer rows, or let the field have more values",
            FakeError::NothingToBreak { .. } => "leave `--invalid` out, or give a field a rule: `required`, `>= 0`, `one of …`",
            FakeError::Columns(_) => "this is a bug of Runink: please report it with the contract",
        }
    }
}
