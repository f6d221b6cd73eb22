//! Any text at all: no panic, the lossless tree is the text, every place is inside the text.

use crate::golden;
use proptest::prelude::*;
use runink_dsl::{Diagnostic, FileId, Project, SourceFile, parse, render, to_json};

/// What must hold of every text.
fn holds(text: &str) {
    let parsed = parse(FileId(0), text);
    assert_eq!(parsed.syntax().text(), text);
    check_places(text, &parsed.diagnostics);
    let project = Project::new(vec![SourceFile { path: "a.dsl".into(), text: text.to_owned() }]);
    check_places(text, &project.diagnostics);
    for diagnostic in &project.diagnostics {
        assert!(render(diagnostic, &project.sources, false).contains(diagnostic.code));
        assert!(to_json(diagnostic, &project.sources).is_object());
    }
    for scenario in project.scenarios().into_iter().map(|id| project.scenario(id).unwrap()) {
        // Positions inside an expression are positions in the file.
        for when in scenario.steps.iter().flat_map(|s| &s.body.when) {
            assert_eq!(when.value.len(), when.span.range().len());
        }
    }
    let tree = serde_json::to_value(&parsed.document).unwrap();
    check_spans(text, &tree);
}

fn check_places(text: &str, diagnostics: &[Diagnostic]) {
    for d in diagnostics {
        for span in std::iter::once(d.span).chain(d.related.iter().map(|r| r.span)) {
            assert!(text.get(span.range()).is_some(), "{}: {span:?} of {} bytes: {}", d.code, text.len(), d.message);
        }
    }
}

/// Every span of the typed tree is a piece of the text.
fn check_spans(text: &str, tree: &serde_json::Value) {
    match tree {
        serde_json::Value::Object(map) => {
            if let (Some(start), Some(end), 2) =
                (map.get("start").and_then(|v| v.as_u64()), map.get("end").and_then(|v| v.as_u64()), map.len())
            {
                assert!(text.get(start as usize..end as usize).is_some(), "{start}..{end} of {} bytes", text.len());
            }
            map.values().for_each(|v| check_spans(text, v));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| check_spans(text, v)),
        _ => {}
    }
}

/// The good texts, and the wrong ones: both are close to what people write.
fn seeds() -> Vec<String> {
    let mut files = golden::files("parse", "dsl");
    files.extend(golden::files("errors", "dsl"));
    files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
}

/// Cuts a text into words, blanks, line ends and single characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| (c.is_alphanumeric() && first.is_alphanumeric()) || (c == ' ' && first == ' ');
        let end = rest.find(|c| !same(c)).filter(|n| *n > 0).unwrap_or(if same(first) { rest.len() } else { first.len_utf8() });
        let (piece, after) = rest.split_at(end);
        found.push(piece);
        rest = after;
    }
    found
}

/// Changes some pieces: removed, doubled, swapped with another one, or replaced by something odd.
fn mutate(text: &str, changes: &[(usize, usize, u8)], lines: bool) -> String {
    let mut parts: Vec<&str> = if lines { text.split_inclusive('\n').collect() } else { pieces(text) };
    const ODD: [&str; 16] = ["(", ")", "\"", "'", "\"\"\"", "${", "}", "|", "@", "#", "\n", "\t", "é", "\u{feff}", "\r\n", ","];
    for (at, other, what) in changes {
        if parts.is_empty() {
            break;
        }
        let (at, other) = (at % parts.len(), other % parts.len());
        match what % 4 {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[other]),
            2 => parts.swap(at, other),
            _ => parts[at] = ODD[other % ODD.len()],
        }
    }
    parts.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        holds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn characters_of_the_language(text in "(Feature:|Scenario:|Step: |Contract: |Examples:|Given |Then |@do |@when |@then |@step|@source|[a-z=,()\\[\\]|@#\"'${}.:<>0-9 \t\n\r\\\\é]){0,120}") {
        holds(&text);
    }

    #[test]
    fn changed_words(seed in 0..usize::MAX, changes in proptest::collection::vec(any::<(usize, usize, u8)>(), 1..6)) {
        let seeds = seeds();
        holds(&mutate(&seeds[seed % seeds.len()], &changes, false));
    }

    #[test]
    fn changed_lines(seed in 0..usize::MAX, changes in proptest::collection::vec(any::<(usize, usize, u8)>(), 1..6)) {
        let seeds = seeds();
        holds(&mutate(&seeds[seed % seeds.len()], &changes, true));
    }

    #[test]
    fn texts_that_end_anywhere(seed in 0..usize::MAX, end in 0..usize::MAX) {
        let seeds = seeds();
        let text = &seeds[seed % seeds.len()];
        let mut end = end % (text.len() + 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        holds(&text[..end]);
    }
}

/// Long repetitions of what opens, separates or continues something. Work that grew with the square of the length would not end here.
#[test]
fn long_and_deep_texts_end() {
    const TIMES: usize = 20_000;
    let step = "Feature: a\n  Scenario: b\n    @source(name=s, type=t)\n    @step(name=A)\n      ";
    let example = format!("{step}@when a\n    Examples: c\n      ");
    let contract = "Contract: A version 1\n  | field | type | rules |\n  | a | ";
    let repeated = [
        format!("{step}@when {}", "(".repeat(TIMES)),
        format!("{step}@when {}", "case when ".repeat(TIMES)),
        format!("{step}@when a{}", " and a in (1)".repeat(TIMES)),
        format!("{step}@do select {}", "a = b, ".repeat(TIMES)),
        format!("{step}@do aggregate n = count(*) by {}", "a, ".repeat(TIMES)),
        format!("{step}@do split {}", (0..TIMES).map(|i| format!("p{i} when a, ")).collect::<String>()),
        format!("{step}@do aggregate n = count(*) by grouping sets ({})", (0..TIMES).map(|i| format!("(k{i}), ")).collect::<String>()),
        format!("{step}@when {}", "\"\"\" ".repeat(TIMES)),
        format!("{step}{}", "@do sql \"\"\"\n".repeat(TIMES)),
        format!("{step}@when a{}", "\n        # b".repeat(TIMES)),
        format!("{step}{}", "@when a\n        # b\n".repeat(TIMES)),
        format!("{step}@when a{}", "${b}".repeat(TIMES)),
        format!("{step}@when {}", "${".repeat(TIMES)),
        format!("Feature: a\n  @x({})", (0..TIMES).map(|i| format!("k{i}=1, ")).collect::<String>()),
        format!("Feature: a\n  @x(a={})", "[".repeat(TIMES)),
        format!("Feature: a\n  @x(a={})", "a-".repeat(TIMES)),
        format!("Feature: a\n{}", "  @x(\n".repeat(TIMES)),
        format!("Feature: a\n{}", "  # b\n".repeat(TIMES)),
        format!("Feature: a\n{}", (0..TIMES).map(|i| format!("  K{i}: v\n")).collect::<String>()),
        format!("Feature: a\n{}", "  some prose\n\n".repeat(TIMES)),
        "Feature: a\n".repeat(TIMES),
        "Scenario: a\n".repeat(TIMES),
        format!("{example}{}", "Given s\n".repeat(TIMES)),
        format!("{example}Given s\n{}", "  | a |\n".repeat(TIMES)),
        format!("{example}Given s\n  {}", "| a ".repeat(TIMES)),
        format!("{example}Given s\n  | {}", "\\|".repeat(TIMES)),
        format!("{contract}{} | |", "list<".repeat(TIMES)),
        format!("{contract}{} | |", "int[]".repeat(TIMES)),
        format!("{contract}struct<{} | |", (0..TIMES).map(|i| format!("f{i}: int, ")).collect::<String>()),
        format!("{contract}int | {} |", "required, ".repeat(TIMES)),
        format!("{contract}string | one of {} |", (0..TIMES).map(|i| format!("v{i}, ")).collect::<String>()),
        format!("Step: A({})", (0..TIMES).map(|i| format!("p{i}, ")).collect::<String>()),
        "@".repeat(TIMES),
        "|".repeat(TIMES),
        "\r".repeat(TIMES),
        "\t\n".repeat(TIMES),
    ];
    for text in repeated {
        let parsed = parse(FileId(0), &text);
        assert_eq!(parsed.syntax().text().len(), rowan::TextSize::of(&text));
        check_places(&text, &parsed.diagnostics);
    }
}
