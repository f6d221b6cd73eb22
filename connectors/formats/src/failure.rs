//! Why a row does not decode, before it is put into words.

/// Why a row does not decode.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The bytes are not of the format.
    Syntax {
        /// Where, as an offset into the buffer.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A value is not of its column's type.
    Misfit(Box<Misfit>),
}

/// A value that is not of its column's type.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// The column, with the names of members inside it: `a.b[].c`.
    pub(crate) path: String,
    /// Its type, in the words of a contract.
    pub(crate) expected: String,
    /// The value as written, cut.
    pub(crate) found: Found,
}

/// What was there instead.
#[derive(Debug)]
pub(crate) enum Found {
    /// This text.
    Value(String),
    /// Nothing, where something is required.
    Nothing,
}

/// How much of a value a message shows, in characters.
const SHOWN_CHARS: usize = 60;

impl Failure {
    pub(crate) fn syntax(at: usize, expected: &'static str) -> Self {
        Failure::Syntax { at, expected }
    }

    /// A value that does not fit the member `path`.
    #[cold]
    pub(crate) fn value(path: &str, expected: String, value: &[u8]) -> Self {
        Failure::Misfit(Box::new(Misfit { path: path.into(), expected, found: Found::Value(shown(value)) }))
    }

    /// No value where one is required.
    #[cold]
    pub(crate) fn nothing(path: &str) -> Self {
        Failure::Misfit(Box::new(Misfit { path: path.into(), expected: String::new(), found: Found::Nothing }))
    }

    /// The same, seen from the member around it.
    #[cold]
    pub(crate) fn inside(mut self, outer: &str, separator: &str) -> Self {
        if let Failure::Misfit(misfit) = &mut self {
            misfit.path = format!("{outer}{separator}{}", misfit.path);
        }
        self
    }
}

impl Misfit {
    /// As a sentence.
    pub(crate) fn message(&self) -> String {
        match &self.found {
            Found::Value(value) => format!("column `{}`: expected {}, found {value}", self.path, self.expected),
            Found::Nothing => required(&self.path),
        }
    }
}

/// What is said of a required column without a value.
pub(crate) fn required(column: &str) -> String {
    format!("column `{column}` is required, but the row has no value for it")
}

/// The beginning of a value, for people.
pub(crate) fn shown(value: &[u8]) -> String {
    // A character has at most four bytes.
    let head = String::from_utf8_lossy(&value[..value.len().min(4 * SHOWN_CHARS + 4)]);
    let mut text: String = head.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.len() < value.len() && head.chars().count() > SHOWN_CHARS {
        text.push('…');
    }
    text
}
