//! `tests/errors/*.dsl` with what is said about them, `tests/plans/*.dsl` with their plans. `UPDATE_GOLDEN=1` writes what is expected.

use super::{planned, rendered};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// All texts of a folder of tests, by name.
fn texts(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut found: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "dsl")).collect();
    found.sort();
    found.into_iter().map(|p| (p.clone(), fs::read_to_string(p).unwrap())).collect()
}

/// Holds results against files beside the texts; says all that differ.
fn hold(results: Vec<(PathBuf, String)>) {
    let mut wrong = Vec::new();
    for (path, got) in results {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &got).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "these differ (UPDATE_GOLDEN=1 accepts them):\n{}", wrong.join("\n"));
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn mistakes_are_said_as_expected() {
    let mut codes = BTreeSet::new();
    let mut silent = Vec::new();
    let mut results = Vec::new();
    for (path, text) in texts("errors") {
        let (project, planned) = planned(&name(&path), &text, &[]);
        if planned.diagnostics.is_empty() {
            let said: Vec<&str> = project.diagnostics.iter().map(|d| d.message.as_str()).collect();
            silent.push(format!("{}: the language says {said:?}", name(&path)));
            continue;
        }
        codes.extend(planned.diagnostics.iter().map(|d| d.code));
        results.push((path.with_extension("expected"), rendered(&project, &planned)));
    }
    assert!(silent.is_empty(), "the planner finds nothing wrong with\n{}", silent.join("\n"));
    hold(results);
    let known: BTreeSet<&str> = runink_planner::catalogue().iter().map(|e| e.code).collect();
    assert!(codes.is_subset(&known), "{codes:?}");
    // Sanity's own goldens are beside it; a bug of ours and what cannot happen to a text have none.
    let elsewhere = |c: &&str| c.starts_with("PLN2") || *c == "PLN999";
    let missing: Vec<&str> = known.iter().copied().filter(|c| !elsewhere(c) && !codes.contains(c)).collect();
    assert!(missing.is_empty(), "codes without a golden: {missing:?}");
}

#[test]
fn plans_are_as_expected() {
    let mut results = Vec::new();
    for (path, text) in texts("plans") {
        let (project, planned) = planned(&name(&path), &text, &[]);
        assert!(!project.has_errors(), "{}: {:#?}", path.display(), project.diagnostics);
        let plan = planned.plan.as_ref().unwrap_or_else(|| panic!("{}: {}", path.display(), rendered(&project, &planned)));
        results.push((path.with_extension("plan"), format!("{}{}", rendered(&project, &planned), runink_planner::explain::text(plan))));
    }
    hold(results);
}
