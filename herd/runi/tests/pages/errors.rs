//! `docs/errors.md` lists every code that a user can see.

use super::{Page, root, row};
use runink_dsl::CodeEntry;
use std::{collections::BTreeSet, fs, path::Path};

/// A sentence, whether its author wrote it as one or not.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn table(entries: &[CodeEntry]) -> String {
    let mut text = format!("{}|---|---|---|\n", row(&["code", "what it means", "what to do"]));
    for entry in entries {
        text += &row(&[&format!("`{}`", entry.code), &sentence(entry.meaning), &sentence(entry.remedy)]);
    }
    text
}

#[test]
fn the_page_says_what_the_catalogues_say() {
    let mut page = Page::open("errors.md");
    page.part("codes of the language", &table(runink_dsl::catalogue()));
    page.part("codes of the planner", &table(&runink_planner::catalogue()));
    page.part("codes of examples", &table(runink_examples::catalogue()));
    page.compare();
}

/// `ABC123` at the start of a text.
fn code(text: &str) -> Option<&str> {
    let code = text.get(..6)?;
    let (family, number) = code.split_at_checked(3)?;
    let is_code = family.bytes().all(|b| b.is_ascii_uppercase()) && number.bytes().all(|b| b.is_ascii_digit());
    (is_code && !text[6..].starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(code)
}

/// Codes that string literals of the sources begin with.
fn codes_in(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, codes);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            codes.extend(text.split('"').skip(1).filter_map(code).map(str::to_owned));
        }
    }
}

/// The `src` folders of the workspace's crates.
fn sources(folder: &Path, depth: usize, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "src" && path.is_dir() {
            codes_in(&path, codes);
        } else if path.is_dir() && depth > 0 && !name.starts_with('.') && !["target", "benches"].contains(&name.as_str()) {
            sources(&path, depth - 1, codes);
        }
    }
}

#[test]
fn the_page_lists_every_code_and_no_other() {
    let mut in_code = BTreeSet::new();
    sources(&root(), 2, &mut in_code);
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let listed: Vec<_> = page.lines().filter_map(|l| code(l.strip_prefix("| `")?)).map(str::to_owned).collect();
    let on_page: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), on_page.len(), "a code is listed twice");
    let missing: Vec<_> = in_code.difference(&on_page).collect();
    let gone: Vec<_> = on_page.difference(&in_code).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not on the page: {missing:?}; not in the code: {gone:?}");
    assert!(in_code.len() > 150, "codes are no longer found: {in_code:?}");
}
