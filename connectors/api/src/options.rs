//! Options of sources and sinks: declared once, checked by the planner, read by the connector.

use crate::Delivery;
use serde::Serialize;
use std::collections::BTreeMap;

/// A connector's name, and what its sources and sinks accept.
#[derive(Debug, Serialize)]
pub struct ConnectorSpec {
    /// `type=`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Options of a source; `None` where it has none to offer.
    pub source: Option<&'static [OptionSpec]>,
    /// Options of a sink; `None` where it has none to offer.
    pub sink: Option<&'static [OptionSpec]>,
    /// The source never ends (may depend on an option: see [`crate::Source::boundedness`] for the truth at run time).
    /// Given the options, tells whether the source ends; the planner needs it without I/O.
    #[serde(skip)]
    pub bounded: fn(&Options) -> bool,
    /// The sink takes changelogs (retractions) as they are.
    pub sink_takes_retractions: bool,
    /// Its sources are not read but asked for the rows of keys ([`crate::Connector::lookup`]).
    pub lookup: bool,
    /// What a sink of these options promises; asked only where there is a sink.
    #[serde(skip)]
    pub delivery: fn(&Options) -> Delivery,
    /// The schema that the source has whatever its data (generators); `None` where a contract or the data gives it.
    #[serde(skip)]
    pub fixed_schema: fn(&Options) -> Option<arrow::datatypes::SchemaRef>,
    /// The event-time column of a source with a fixed schema.
    #[serde(skip)]
    pub fixed_time: fn(&Options) -> Option<&'static str>,
}

/// One option.
#[derive(Debug, Serialize)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// What it accepts.
    pub kind: OptionKind,
    /// Must be given.
    pub required: bool,
    /// Its default, as one would write it.
    pub default: Option<&'static str>,
    /// One sentence, with the unit.
    pub about: &'static str,
}

/// What an option accepts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A path, relative to the scenario's folder.
    Path,
    /// A whole number, zero or more.
    Count,
    /// Any number.
    Number,
    /// `true` or `false`.
    Flag,
    /// `5s`, in microseconds.
    Duration,
    /// `64MiB`, in bytes.
    Bytes,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of column names (or one).
    Columns,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum OptionValue {
    /// Text, path or word.
    Text(String),
    /// Count.
    Count(u64),
    /// Number.
    Number(f64),
    /// Flag.
    Flag(bool),
    /// Microseconds.
    Duration(i64),
    /// Bytes.
    Bytes(u64),
    /// Names.
    Columns(Vec<String>),
}

/// Checked options: every name is in the spec and every value fits its kind; defaults are filled in where the spec has one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Options(pub BTreeMap<String, OptionValue>);

impl Options {
    /// The value of an option, if given.
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.0.get(name)
    }

    /// A text, path or word.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            OptionValue::Text(t) => Some(t),
            _ => None,
        }
    }

    /// A count or a size in bytes.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            OptionValue::Count(n) | OptionValue::Bytes(n) => Some(*n),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            OptionValue::Number(n) => Some(*n),
            OptionValue::Count(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// A flag; `false` where absent.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(OptionValue::Flag(true)))
    }

    /// A duration in microseconds.
    pub fn duration_us(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            OptionValue::Duration(us) => Some(*us),
            _ => None,
        }
    }

    /// Column names.
    pub fn columns(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(OptionValue::Columns(c)) => c,
            _ => &[],
        }
    }
}
