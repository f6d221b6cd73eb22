//! Formatting changes blanks and nothing else: not the tokens, not what the text says, and not a formatted text.

use crate::{docs, golden};
use proptest::prelude::*;
use runink_dsl::{FileId, format, parse, syntax::SyntaxKind};
use serde_json::Value;
use std::sync::OnceLock;

/// Good and bad texts of this crate's tests and of the documentation.
fn corpus() -> &'static [String] {
    static CORPUS: OnceLock<Vec<String>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let folders = ["format/ugly", "contract/diff", "contract/text", "parse", "errors"];
        let mut texts: Vec<String> = folders
            .iter()
            .filter(|f| golden::path(f).is_dir())
            .flat_map(|f| golden::files(f, "dsl"))
            .map(|p| std::fs::read_to_string(p).unwrap())
            .collect();
        texts.extend(docs::texts().into_iter().map(|t| t.text));
        texts
    })
}

/// The tokens of a text without its blanks; comments and free text without blanks at their end.
fn tokens(text: &str) -> Vec<(SyntaxKind, String)> {
    parse(FileId(0), text)
        .syntax()
        .descendants_with_tokens()
        .filter_map(|e| e.into_token())
        .filter(|t| !matches!(t.kind(), SyntaxKind::WHITESPACE | SyntaxKind::NEWLINE))
        .map(|t| (t.kind(), t.text().trim_end().to_owned()))
        .collect()
}

/// What a text says, without places and blanks: that no two tokens run together is the token test's.
fn meaning(text: &str) -> Value {
    let mut value = serde_json::to_value(parse(FileId(0), text).document).unwrap();
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("span");
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        Value::String(text) => text.retain(|c| !c.is_whitespace()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let formatted = format(text);
    prop_assert_eq!(format(&formatted), formatted.clone(), "not idempotent:\n{}\n---\n{}", text, formatted);
    prop_assert_eq!(tokens(&formatted), tokens(text), "other tokens:\n{}\n---\n{}", text, formatted);
    prop_assert_eq!(meaning(&formatted), meaning(text), "another meaning:\n{}\n---\n{}", text, formatted);
    let trailing = formatted.lines().any(|l| l.ends_with(' ') && !formatted.contains("\"\"\""));
    prop_assert!(!trailing && !formatted.contains("\n\n\n") || formatted.contains("\"\"\""), "blanks:\n{}", formatted);
    prop_assert!(formatted.is_empty() || formatted.ends_with('\n'));
    Ok(())
}

#[test]
fn formatting_the_corpus_changes_only_blanks() {
    for text in corpus() {
        holds(text).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// What happens to a text on its way through an editor.
#[derive(Debug, Clone)]
enum Edit {
    DeleteLine(usize),
    DuplicateLine(usize),
    SwapLines(usize, usize),
    Indent(usize, usize),
    Insert(usize, &'static str),
    DeleteChar(usize),
    JoinLines(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop_oneof![
        Just("\n"),
        Just("  "),
        Just("\t"),
        Just("("),
        Just(")"),
        Just("|"),
        Just("#"),
        Just("'"),
        Just("\""),
        Just("\"\"\""),
        Just(" # c\n"),
        Just("@"),
        Just(":"),
        Just(","),
        Just("="),
        Just("\r"),
        Just("\\"),
        Just("${"),
        Just("é"),
        Just("\u{a0}"),
        Just("\n\n\n"),
        Just("@do "),
        Just("Examples:"),
    ];
    let n = 0..10_000_usize;
    prop_oneof![
        n.clone().prop_map(Edit::DeleteLine),
        n.clone().prop_map(Edit::DuplicateLine),
        (n.clone(), n.clone()).prop_map(|(a, b)| Edit::SwapLines(a, b)),
        (n.clone(), 0..16_usize).prop_map(|(a, b)| Edit::Indent(a, b)),
        (n.clone(), piece).prop_map(|(a, p)| Edit::Insert(a, p)),
        n.clone().prop_map(Edit::DeleteChar),
        n.prop_map(Edit::JoinLines),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let count = lines.len();
    match edit {
        Edit::DeleteLine(i) => drop(lines.remove(i % count)),
        Edit::DuplicateLine(i) => lines.insert(i % count, lines[i % count].clone()),
        Edit::SwapLines(a, b) => lines.swap(a % count, b % count),
        Edit::Indent(i, columns) => lines[i % count] = format!("{}{}", " ".repeat(*columns), lines[i % count].trim_start()),
        Edit::JoinLines(i) if i % count + 1 < count => {
            let next = lines.remove(i % count + 1);
            lines[i % count].push_str(&next);
        }
        Edit::JoinLines(_) => {}
        Edit::Insert(at, piece) => {
            let at = floor(text, *at);
            return format!("{}{piece}{}", &text[..at], &text[at..]);
        }
        Edit::DeleteChar(at) => {
            let at = floor(text, *at);
            let width = text[at..].chars().next().map_or(0, char::len_utf8);
            return format!("{}{}", &text[..at], &text[at + width..]);
        }
    }
    lines.join("\n")
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #[test]
    fn formatting_an_edited_text_changes_only_blanks(which in any::<prop::sample::Index>(), edits in prop::collection::vec(edit(), 1..8)) {
        let text = edits.iter().fold(which.get(corpus()).clone(), |text, e| apply(&text, e));
        holds(&text)?;
    }

    #[test]
    fn formatting_shuffled_lines_changes_only_blanks(picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..14_usize), 1..30)) {
        let text: String = picks
            .iter()
            .map(|(which, line, columns)| {
                let lines: Vec<&str> = which.get(corpus()).lines().collect();
                let line = if lines.is_empty() { "" } else { line.get(&lines) };
                format!("{}{}\n", " ".repeat(*columns), line.trim_start())
            })
            .collect();
        holds(&text)?;
    }

    #[test]
    fn formatting_any_text_changes_only_blanks(text in "\\PC{0,80}") {
        holds(&text)?;
    }
}
