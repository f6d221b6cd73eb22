//! Answers: written down by the oracle, read from what a scenario wrote, and compared.
//!
//! A row is `column=value;…` in the order of the columns' names, numbers by what they are; `oracle.py` makes the same text of its rows.

use crate::support::root;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// Rows as text, with how many times they are there; never zero.
pub(crate) type Rows = BTreeMap<String, i64>;

/// What the oracle says.
pub(crate) struct Answer {
    pub(crate) events: u64,
    pub(crate) event_rate: u64,
    rows: i64,
    hash: String,
    /// All rows, where they are few.
    all: Option<Vec<String>>,
}

impl Answer {
    pub(crate) fn written_down(query: &str) -> Answer {
        let path = root().join("tests/tests/nexmark/answers").join(query).with_extension("json");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; `oracle.py` writes it", path.display()));
        let answer: Value = serde_json::from_str(&text).unwrap();
        let all = answer["all"].as_array().map(|rows| rows.iter().map(|r| r.as_str().unwrap().to_owned()).collect());
        Answer {
            events: answer["events"].as_u64().unwrap(),
            event_rate: answer["event_rate"].as_u64().unwrap(),
            rows: answer["rows"].as_i64().unwrap(),
            hash: answer["hash"].as_str().unwrap().to_owned(),
            all,
        }
    }

    pub(crate) fn compare(&self, what: &str, found: &Rows) {
        let gone = found.iter().find(|(_, times)| **times < 0);
        assert!(gone.is_none(), "{what}: more is taken back than was there: {gone:?}");
        if let Some(all) = &self.all {
            let found: Vec<&String> = found.iter().flat_map(|(row, times)| std::iter::repeat_n(row, *times as usize)).collect();
            assert_eq!(found, all.iter().collect::<Vec<_>>(), "{what}");
        }
        let first = || found.iter().take(3).collect::<Vec<_>>();
        assert_eq!(found.values().sum::<i64>(), self.rows, "{what}: rows; the first are {:#?}", first());
        assert_eq!(hash(found), self.hash, "{what}: the rows are others than they should be; the first are {:#?}", first());
    }
}

/// FNV-1a of each row, mixed once more, added up.
fn hash(rows: &Rows) -> String {
    let sum = rows.iter().fold(0u64, |sum, (row, times)| {
        let fnv = row.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
        let mixed = (fnv ^ fnv >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum.wrapping_add((mixed ^ mixed >> 29).wrapping_mul(*times as u64))
    });
    format!("{sum:016x}")
}

/// Marks a text that was a number.
const NUMBER: char = '\u{1}';

/// A line of JSON with its numbers as texts: JSON's own reader may miss a float by its last bit.
fn with_numbers_as_text(line: &str) -> String {
    let (mut out, mut in_text, mut escaped, mut in_number) = (String::with_capacity(line.len() * 2), false, false, false);
    for c in line.chars() {
        let is_number = !in_text && matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E') && (in_number || c == '-' || c.is_ascii_digit());
        match (in_number, is_number) {
            (false, true) => out.push_str("\"\\u0001"),
            (true, false) => out.push('"'),
            _ => {}
        }
        in_number = is_number;
        in_text ^= c == '"' && !escaped;
        escaped = in_text && c == '\\' && !escaped;
        out.push(c);
    }
    out
}

fn cell(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let Some(number) = text.strip_prefix(NUMBER) else { return text.clone() };
    if let Ok(whole) = number.parse::<i64>() {
        return whole.to_string();
    }
    let float: f64 = number.parse().unwrap();
    match float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
        true => (float as i64).to_string(),
        false => format!("{:016x}", float.to_bits()),
    }
}

fn row<'a>(columns: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let sorted: BTreeMap<&str, String> = columns.into_iter().collect();
    sorted.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
}

/// What a scenario wrote: `out/NAME.jsonl`, or a folder `out/NAME` of CSV files in folders that are named after columns. Consolidated.
pub(crate) fn of_output(out: &Path, name: &str) -> Rows {
    let mut rows = Rows::new();
    let lines = out.join(name).with_extension("jsonl");
    if lines.exists() {
        for line in fs::read_to_string(&lines).unwrap().lines() {
            let parsed: serde_json::Map<String, Value> = serde_json::from_str(&with_numbers_as_text(line)).unwrap();
            let times = parsed.get("_diff").map_or(1, |d| cell(d).parse().unwrap());
            let columns = parsed.iter().filter(|(name, _)| *name != "_diff").map(|(name, value)| (name.as_str(), cell(value)));
            *rows.entry(row(columns)).or_default() += times;
        }
    } else {
        of_folder(&out.join(name), &[], &mut rows);
    }
    rows.retain(|_, times| *times != 0);
    rows
}

fn of_folder(folder: &Path, above: &[(String, String)], rows: &mut Rows) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some((column, value)) = name.split_once('=').filter(|_| path.is_dir()) {
            let inside = [above, &[(column.to_owned(), value.replace("%3A", ":"))]].concat();
            of_folder(&path, &inside, rows);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        for line in lines {
            let cells = header.iter().copied().zip(line.split(',').map(str::to_owned));
            let partition = above.iter().map(|(column, value)| (column.as_str(), value.clone()));
            *rows.entry(row(cells.chain(partition))).or_default() += 1;
        }
    }
}
