//! Wrong texts, of the kind that people write: what they are told.

use crate::golden;
use runink_dsl::{Diagnostic, FileId, Project, SourceFile, catalogue, parse, render, to_json, variables};
use std::collections::BTreeSet;

/// The fewest failing inputs that the language is shown to explain.
const MIN_CASES: usize = 60;

/// A text together with the reusable steps of the folder `steps`.
fn project(name: &str, text: String) -> Project {
    let steps = std::fs::read_to_string(golden::path("errors/steps/finance.dsl")).unwrap();
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    Project::new(vec![file(name, text), file("steps/finance.dsl", steps)])
}

/// What a project is told, with what substituting the variables of conditions adds.
fn findings(project: &Project) -> Vec<Diagnostic> {
    let mut found = project.diagnostics.clone();
    for scenario in project.scenarios().into_iter().filter_map(|id| project.scenario(id)) {
        for step in &scenario.steps {
            for when in &step.body.when {
                let none = variables::Variables::default();
                let (_, errors) = variables::substitute(&when.value, when.span, true, &step.arguments, &none);
                found.extend(errors.into_iter().map(|e| e.diagnostic(step.body_file)));
            }
        }
    }
    found.dedup();
    found
}

fn rendered(project: &Project) -> String {
    let texts: Vec<String> = findings(project).iter().map(|d| render(d, &project.sources, false)).collect();
    texts.join("\n")
}

#[test]
fn wrong_texts_are_explained_as_recorded() {
    let cases = golden::files("errors", "dsl");
    assert!(cases.len() >= MIN_CASES, "{} cases", cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let project = project(name, std::fs::read_to_string(&case).unwrap());
        let text = rendered(&project);
        assert!(!text.is_empty(), "{name} has nothing wrong");
        golden::check(&case.with_extension("expected"), &text);
    }
}

/// Texts that are too large to be kept as files.
#[test]
fn bounds_are_explained_as_recorded() {
    let many = "Feature: a\n".to_owned() + &"  @do\n".repeat(1000);
    let found = findings(&project("many.dsl", many));
    golden::check(&golden::path("errors/many.expected"), &last(&found, "many.dsl"));
    let large = findings(&project("large.dsl", " ".repeat((16 << 20) + 1)));
    golden::check(&golden::path("errors/large.expected"), &last(&large, "large.dsl"));
}

fn last(found: &[Diagnostic], name: &str) -> String {
    let sources = runink_dsl::Sources::new(vec![SourceFile { path: name.to_owned(), text: "\n".to_owned() }]);
    let last = found.iter().max_by_key(|d| (d.code == "DSL002", d.code)).unwrap();
    format!("{}{} findings\n", render(last, &sources, false), found.len())
}

/// Every code of the catalogue is shown by a recorded case, and no case shows one that is not in it.
#[test]
fn every_code_has_a_case() {
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for case in golden::files("errors", "expected") {
        let text = std::fs::read_to_string(&case).unwrap();
        shown.extend(
            text.split('[').skip(1).filter_map(|t| t.split_once(']')).map(|(code, _)| code.to_owned()).filter(|c| c.starts_with("DSL")),
        );
    }
    let listed: BTreeSet<String> = catalogue().iter().map(|e| e.code.to_owned()).collect();
    assert_eq!(shown, listed);
}

/// Codes stand in the catalogue only; the rest of the code names them.
#[test]
fn codes_are_written_once() {
    let mut folders = vec![golden::path("../src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|n| n != "codes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("\"DSL0"), "{}: use the constant of `codes`", path.display());
            }
        }
    }
}

#[test]
fn machines_get_the_same_as_people() {
    let text = "Feature: a\n\tBackground:\n    @source(name=ü, type=file, contract=A@1)\n".to_owned();
    let project = project("a.dsl", text);
    let all: Vec<_> = project.diagnostics.iter().map(|d| to_json(d, &project.sources)).collect();
    golden::check(&golden::path("errors/machine.json"), &(serde_json::to_string_pretty(&all).unwrap() + "\n"));
}

#[test]
fn colours_change_nothing_but_colours() {
    let text = std::fs::read_to_string(golden::path("errors/cycle.dsl")).unwrap();
    let project = project("cycle.dsl", text);
    for diagnostic in &project.diagnostics {
        let plain = render(diagnostic, &project.sources, false);
        let mut coloured = render(diagnostic, &project.sources, true);
        assert!(coloured.contains("\u{1b}["));
        while let Some(start) = coloured.find('\u{1b}') {
            let end = start + coloured[start..].find('m').unwrap();
            coloured.replace_range(start..=end, "");
        }
        assert_eq!(coloured, plain);
    }
}

/// Carets stand under what is meant, whatever the width of the characters before it and the length of the line.
#[test]
fn carets_stand_where_they_should() {
    for (text, line, marks) in [
        ("日本\tx = 'open", "日本    x = 'open", "            ^"),
        (&format!("{}'open", "a ".repeat(5000)), "", ""),
        ("'open\r", "'open", "^"),
    ] {
        let file = format!("Feature: a\n  Scenario: b\n  @step(name=A)\n  @when {text}\n");
        let sources = runink_dsl::Sources::new(vec![SourceFile { path: "a.dsl".into(), text: file.clone() }]);
        let parsed = parse(FileId(0), &file);
        let found = parsed.diagnostics.iter().find(|d| d.code == "DSL003").unwrap();
        let shown = render(found, &sources, false);
        let lines: Vec<&str> = shown.lines().collect();
        let (content, caret) = (lines[3].split_once("| ").unwrap().1, lines[4].split_once("| ").unwrap().1);
        if line.is_empty() {
            assert!(content.chars().count() < 130 && content.starts_with('…'), "{content}");
            let under: String = content.chars().skip(caret.chars().count() - 1).take(5).collect();
            assert_eq!(under, "'open");
        } else {
            assert_eq!((content.trim_start(), caret), (format!("@when {line}").as_str(), format!("        {marks}").as_str()));
        }
    }
}
