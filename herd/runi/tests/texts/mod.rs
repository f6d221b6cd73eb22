//! Commands about texts: `fmt`, `check`, `init`, `contract`.

mod contracts;

use crate::command::{runi, runi_with_input, write};
use serde_json::Value;
use std::fs;

const UGLY: &str = "Feature:F\n Scenario:  S\n  @source(name=a,type=file,path=\"a.csv\")\n  @sink(type=stdout)\n";
const NICE: &str = "Feature: F\n\n  Scenario: S\n    @source(name=a, type=file, path=\"a.csv\")\n    @sink(type=stdout)\n";

#[test]
fn fmt_changes_files_once_and_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("ugly.dsl", UGLY), ("deep/nice.dsl", NICE)]);
    let checked = runi(folder.path(), &["fmt", "--check"]).ended(1);
    assert!(checked.out.contains("would change") && checked.out.contains("ugly.dsl"), "{}", checked.out);
    assert!(!checked.out.contains("nice.dsl"), "{}", checked.out);
    assert_eq!(fs::read_to_string(folder.path().join("ugly.dsl")).unwrap(), UGLY);
    let formatted = runi(folder.path(), &["fmt"]).ended(0);
    assert!(formatted.out.contains("formatted"), "{}", formatted.out);
    assert_eq!(fs::read_to_string(folder.path().join("ugly.dsl")).unwrap(), NICE);
    assert_eq!(runi(folder.path(), &["fmt", "--check"]).ended(0).out, "");
    // Nothing else is left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn fmt_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(runi_with_input(folder.path(), &["fmt", "-"], UGLY.as_bytes()).ended(0).out, NICE);
    runi_with_input(folder.path(), &["fmt", "--check", "-"], UGLY.as_bytes()).ended(1);
    runi_with_input(folder.path(), &["fmt", "--check", "-"], NICE.as_bytes()).ended(0);
}

#[test]
fn fmt_leaves_alone_what_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.dsl"), b"Feature: \xff\n").unwrap();
    let refused = runi(folder.path(), &["fmt"]).ended(3);
    assert!(refused.err.contains("RUN020") && refused.err.contains("UTF-8"), "{}", refused.err);
    assert_eq!(fs::read(folder.path().join("a.dsl")).unwrap(), b"Feature: \xff\n");
    assert!(runi(folder.path(), &["fmt", "nowhere"]).ended(3).err.contains("RUN001"));
}

#[test]
fn check_says_everything_that_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[(
            "a.dsl",
            "Feature: F\n  Scenario: S\n    @source(name=a, type=file, path=\"a.csv\")\n    @step(name=A)\n      @do agregate n = count(*)\n",
        )],
    );
    let found = runi(folder.path(), &["check"]).ended(1);
    assert!(found.err.contains("a.dsl:5:11") && found.err.contains("did you mean `aggregate`?"), "{}", found.err);
    assert!(found.err.contains("1 text checked"), "{}", found.err);
    let json: Value = serde_json::from_str(&runi(folder.path(), &["check", "--output", "json"]).ended(1).out).unwrap();
    let first = &json["diagnostics"][0];
    assert_eq!((first["path"].as_str(), first["line"].as_u64()), (Some("a.dsl"), Some(5)), "{json:#}");
}

#[test]
fn check_plans_what_contracts_describe_and_tells_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = |contract: &str| {
        format!(
            "Feature: F\n\n  Scenario: S\n    @source(name=a, type=file, path=\"a.csv\"{contract})\n    @step(name=Kept)\n      @when amout > 0\n    @sink(type=stdout)\n"
        )
    };
    let contract = "Contract: A version 1\n  | field  | type  |\n  | amount | int64 |\n";
    write(folder.path(), &[("a.dsl", &scenario(", contract=A@1")), ("contracts/a.dsl", contract)]);
    let found = runi(folder.path(), &["check", "."]).ended(1);
    assert!(found.err.contains("amout") && found.err.contains("did you mean `amount`?"), "{}", found.err);
    write(folder.path(), &[("a.dsl", &scenario(""))]);
    let found = runi(folder.path(), &["check", "."]).ended(0);
    assert!(found.err.contains("checked without types"), "{}", found.err);
}

#[test]
fn a_new_project_passes_its_own_checks() {
    let folder = tempfile::tempdir().unwrap();
    let made = runi(folder.path(), &["init", "shop"]).ended(0);
    assert!(made.out.contains("runi run revenue.dsl"), "{}", made.out);
    let shop = folder.path().join("shop");
    assert!(fs::read_to_string(shop.join("README.md")).unwrap().starts_with("# shop\n"));
    assert!(shop.join(".github/workflows/runink.yml").is_file());
    runi(&shop, &["fmt", "--check"]).ended(0);
    let checked = runi(&shop, &["check"]).ended(0);
    assert!(checked.err.contains("0 errors, 0 warnings"), "{}", checked.err);
    runi(&shop, &["explain", "revenue.dsl"]).ended(0);
    runi(&shop, &["test"]).ended(0);
    let ran = runi(&shop, &["run", "revenue.dsl"]).ended(0);
    let rows: Vec<Value> = ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(rows.iter().any(|r| r["country"] == "CA"), "{}", ran.out);
}

#[test]
fn a_project_is_never_made_over_something() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("shop/mine.txt", "mine")]);
    let refused = runi(folder.path(), &["init", "shop"]).ended(3);
    assert!(refused.err.contains("RUN050"), "{}", refused.err);
    assert_eq!(fs::read_dir(folder.path().join("shop")).unwrap().count(), 1);
    // An empty folder may be used.
    fs::create_dir(folder.path().join("empty")).unwrap();
    runi(&folder.path().join("empty"), &["init", "."]).ended(0);
    assert!(fs::read_to_string(folder.path().join("empty/README.md")).unwrap().starts_with("# empty\n"));
}
