//! Good texts: their typed trees as recorded, and their lossless trees to the last byte.

use crate::golden;
use runink_dsl::{FileId, Severity, parse};

/// `name.dsl` is the text, `name.tree.json` what it says.
#[test]
fn good_texts_say_what_is_recorded() {
    for case in golden::files("parse", "dsl") {
        let text = std::fs::read_to_string(&case).unwrap();
        let parsed = parse(FileId(0), &text);
        let errors: Vec<_> = parsed.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", case.display());
        assert_eq!(parsed.syntax().text(), text.as_str(), "{}", case.display());
        let tree = serde_json::to_string_pretty(&parsed.document).unwrap();
        golden::check(&case.with_extension("tree.json"), &(tree + "\n"));
    }
}

/// Line ends of another system, and a byte order mark, change nothing.
#[test]
fn other_line_ends_say_the_same() {
    for case in golden::files("parse", "dsl") {
        let text = std::fs::read_to_string(&case).unwrap();
        let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let parsed = parse(FileId(0), &other);
        assert!(!parsed.diagnostics.iter().any(|d| d.is_error()), "{}: {:#?}", case.display(), parsed.diagnostics);
        let meaning = |text: &str| {
            let mut tree = serde_json::to_value(parse(FileId(0), text).document).unwrap();
            without_places(&mut tree);
            tree.to_string().replace("\\r\\n", "\\n")
        };
        assert_eq!(meaning(&text), meaning(&other), "{}", case.display());
    }
}

fn without_places(tree: &mut serde_json::Value) {
    match tree {
        serde_json::Value::Object(map) => {
            map.remove("span");
            map.values_mut().for_each(without_places);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_places),
        _ => {}
    }
}

/// Prose is prose, even where it begins like something else.
#[test]
fn prose_is_not_taken_for_code() {
    let text = "
Feature: Cards
  As an analyst I want to see bursts.
  Future: unknown
  Samples: none
  Contact: cards@example.com
  Scenario: Bursts
    Cards are blocked
    when three payments are declined,
    then the owner is told. See issue #12
    @source(name=s, type=file)
    @step(name=A)
      Rows are looked at in turn; we
      keep only what was declined.
      @when status = 'declined'
    Examples: one
      The card is new. They are all new.
      Then A is empty
";
    let parsed = parse(FileId(0), text);
    assert_eq!(parsed.diagnostics, Vec::new());
    let feature = parsed.document.feature.unwrap();
    let scenario = &feature.scenarios[0];
    assert_eq!(feature.metadata.len(), 3);
    assert_eq!(scenario.prose, "Cards are blocked\nwhen three payments are declined,\nthen the owner is told. See issue #12");
    assert_eq!(scenario.steps[0].prose, "Rows are looked at in turn; we\nkeep only what was declined.");
    assert_eq!(scenario.examples[0].prose, "The card is new. They are all new.");
}

/// The lossless tree of one text, as it is shown: a change of its shape concerns the formatter and editors.
#[test]
fn the_lossless_tree_is_as_recorded() {
    let case = golden::path("parse/card_risk.dsl");
    let text = std::fs::read_to_string(&case).unwrap();
    let shown = format!("{:#?}", parse(FileId(0), &text).syntax());
    golden::check(&case.with_extension("syntax"), &shown);
}
