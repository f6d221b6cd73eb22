//! The rules of the house that no compiler knows: which crate may depend on which, what may be linked, how files begin and how long they are.

use crate::support::root;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Which of our crates may depend on which: `docs/architecture.md`, as data. Dependencies run one way.
const EDGES: &[(&str, &[&str])] = &[
    ("runink-dsl", &[]),
    ("runink-connector-api", &[]),
    ("runink-checkpoint", &[]),
    ("runink-store", &["runink-checkpoint"]),
    ("runink-formats", &["runink-connector-api"]),
    ("runink-files", &["runink-connector-api", "runink-formats"]),
    ("runink-generators", &["runink-connector-api"]),
    ("runink-kafka", &["runink-connector-api", "runink-formats"]),
    ("runink-planner", &["runink-dsl", "runink-connector-api"]),
    ("runink-operators", &["runink-checkpoint", "runink-connector-api", "runink-planner"]),
    ("runink-engine", &["runink-checkpoint", "runink-connector-api", "runink-operators", "runink-planner"]),
    ("runink-examples", &["runink-dsl", "runink-planner", "runink-engine", "runink-connector-api", "runink-formats"]),
    ("runink-fake", &["runink-dsl", "runink-planner", "runink-connector-api", "runink-formats"]),
    (
        "runi",
        &[
            "runink-dsl",
            "runink-planner",
            "runink-engine",
            "runink-examples",
            "runink-connector-api",
            "runink-formats",
            "runink-files",
            "runink-generators",
            "runink-kafka",
            "runink-checkpoint",
            "runink-store",
            "runink-fake",
        ],
    ),
];

/// What crates must not link, because they must not know it.
const UNKNOWN_TO: &[(&str, &[&str])] = &[
    ("runink-dsl", &["arrow", "timely", "tokio", "datafusion-common"]),
    ("runink-planner", &["timely", "tokio"]),
    ("runink-connector-api", &["timely", "datafusion-common"]),
    ("runink-checkpoint", &["timely", "datafusion-common"]),
    ("runink-store", &["timely", "datafusion-common"]),
    ("runink-kafka", &["timely", "datafusion-common"]),
    ("runink-operators", &["timely", "tokio"]),
];

/// Licences that may be linked (`deny.toml` says the same to cargo-deny).
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "MIT-0",
];

/// Top level of the repository, but for files.
const TOP_LEVEL: &[&str] = &["benches", "checkpoint", "connectors", "deploy", "docs", "dsl", "engine", "herd", "planner", "tests"];

/// How long a source file may be.
const MAX_LINES: usize = 800;

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Normal and build dependencies of each workspace member, by name.
fn dependencies(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<&str> = metadata["workspace_members"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let packages = metadata["packages"].as_array().unwrap().iter().filter(|p| members.contains(text(p, "id")));
    packages
        .map(|p| {
            let normal = p["dependencies"].as_array().unwrap().iter().filter(|d| text(d, "kind") != "dev");
            (text(p, "name").to_owned(), normal.map(|d| text(d, "name").to_owned()).collect())
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let metadata = metadata();
    let all = dependencies(&metadata);
    let free = ["runink-benches", "runink-tests"];
    let mut wrong = Vec::new();
    for (name, dependencies) in all.iter().filter(|(name, _)| !free.contains(&name.as_str())) {
        let Some((_, allowed)) = EDGES.iter().find(|(n, _)| n == name) else {
            wrong.push(format!("{name} is not in the drawing: say in docs/architecture.md and here what it may know"));
            continue;
        };
        for other in dependencies.iter().filter(|d| all.contains_key(*d) && !allowed.contains(&d.as_str())) {
            wrong.push(format!("{name} must not depend on {other}"));
        }
    }
    for (name, unknown) in UNKNOWN_TO {
        for other in all[*name].iter().filter(|d| unknown.contains(&d.as_str())) {
            wrong.push(format!("{name} must not know {other}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_free_licences_are_linked() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = text(package, "license");
        let fits = licence.split([' ', '/', '(', ')']).filter(|w| !["", "OR", "AND", "WITH", "LLVM-exception"].contains(w));
        let parts: Vec<_> = fits.collect();
        let enough =
            if licence.contains(" AND ") { parts.iter().all(|l| LICENCES.contains(l)) } else { parts.iter().any(|l| LICENCES.contains(l)) };
        if !enough {
            wrong.push(format!("{}: {licence}", text(package, "name")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_columns_have_one_version() {
    let metadata = metadata();
    for name in ["arrow", "parquet", "datafusion-common", "datafusion-expr", "timely", "serde", "serde_json", "tokio"] {
        let versions: BTreeSet<_> =
            metadata["packages"].as_array().unwrap().iter().filter(|p| text(p, "name") == name).map(|p| text(p, "version")).collect();
        assert!(versions.len() <= 1, "{name} has versions {versions:?}");
    }
}

fn tracked() -> Vec<PathBuf> {
    let out = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output().expect("git runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).lines().map(|l| root().join(l)).filter(|p| p.exists()).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn the_top_level_is_as_designed() {
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for path in tracked() {
        let relative = relative(&path);
        if let Some((top, _)) = relative.split_once('/') {
            folders.insert(top.to_owned());
        }
    }
    let strange: Vec<_> = folders.iter().filter(|f| !f.starts_with('.') && !TOP_LEVEL.contains(&f.as_str())).collect();
    assert!(strange.is_empty(), "folders that are not part of the design: {strange:?}");
}

#[test]
fn modules_say_what_they_are_for_and_stay_short() {
    let mut wrong = Vec::new();
    for path in tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let name = relative(&path);
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: open it with `//!` and its purpose"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{name}: {lines} lines; split it by concern"));
        }
        for (needle, why) in
            [("todo!(", "finish it"), ("unimplemented!(", "refuse it with an error"), ("// TODO", "do it or file it"), ("FIXME", "mend it")]
        {
            // This very list is not a finding.
            if text.contains(needle) && !name.ends_with("house.rs") {
                wrong.push(format!("{name}: `{needle}`: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
