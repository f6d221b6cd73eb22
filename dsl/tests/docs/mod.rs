//! The examples of the documentation: every one of them is a text without errors, in the formatter's layout.

use runink_dsl::{FileId, SourceFile, Sources, format, parse, render};

/// A block of a page, completed to a whole file.
pub(crate) struct Text {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// What stands around a fragment: the lines before it, and how far it is indented.
const WRAPPERS: [(&str, &str, usize); 5] = [
    ("", "", 0),
    ("background", "Feature: F\n  Background:\n", 4),
    ("scenario", "Feature: F\n  Scenario: S\n", 4),
    ("step", "Feature: F\n  Scenario: S\n    @step(name=A)\n", 6),
    ("examples", "Feature: F\n  Scenario: S\n    Examples: E\n", 6),
];

/// All ` ```gherkin ` blocks of the pages about the language. ` ```gherkin,step ` and its like are fragments of a file.
pub(crate) fn texts() -> Vec<Text> {
    let pages = [("language.md", include_str!("../../../docs/language.md")), ("contracts.md", include_str!("../../../docs/contracts.md"))];
    let mut texts = Vec::new();
    for (page, content) in pages {
        let mut block: Option<(usize, &str, Vec<&str>)> = None;
        for (number, line) in content.lines().enumerate() {
            match (&mut block, line.strip_prefix("```")) {
                (None, Some(info)) if info.starts_with("gherkin") => block = Some((number + 1, info, Vec::new())),
                (None, _) => {}
                (Some((_, _, lines)), None) => lines.push(line),
                (Some((start, info, lines)), Some(_)) => {
                    let kind = info.strip_prefix("gherkin").unwrap_or_default().trim_start_matches(',');
                    let (_, before, columns) =
                        WRAPPERS.iter().find(|(k, _, _)| *k == kind).unwrap_or_else(|| panic!("{page}: no wrapper `{kind}`"));
                    let body: String =
                        lines.iter().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("{:columns$}{l}\n", "") }).collect();
                    texts.push(Text { place: format!("docs/{page}:{start}"), text: format!("{before}{body}") });
                    block = None;
                }
            }
        }
    }
    texts
}

#[test]
fn every_example_of_the_documentation_parses() {
    let texts = texts();
    assert!(texts.len() >= 15, "{} blocks", texts.len());
    for Text { place, text } in texts {
        let parsed = parse(FileId(0), &text);
        let sources = Sources::new(vec![SourceFile { path: place, text }]);
        let found: Vec<String> = parsed.diagnostics.iter().filter(|d| d.is_error()).map(|d| render(d, &sources, false)).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn every_example_of_the_documentation_is_formatted() {
    for Text { place, text } in texts() {
        assert!(text.contains("\"\"\"") || format(&text).replace("\n\n", "\n") == text.replace("\n\n", "\n"), "{place}\n{}", format(&text));
    }
}

/// The grammar stands twice, for readers of the code and of the book, and says the same.
#[test]
fn the_grammar_of_the_documentation_is_the_parsers() {
    let head: Vec<&str> =
        include_str!("../../src/parse.rs").lines().map_while(|l| l.strip_prefix("//!")).map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
    let block = |lines: &[&str], opening: &str| -> String {
        let start = lines.iter().position(|l| *l == opening).unwrap() + 1;
        lines[start..].iter().take_while(|l| **l != "```").map(|l| format!("{l}\n")).collect()
    };
    let page: Vec<&str> = include_str!("../../../docs/language.md").lines().collect();
    assert_eq!(block(&page, "```ebnf"), block(&head, "```text"));
}
