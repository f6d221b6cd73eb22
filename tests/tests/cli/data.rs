//! `runi data fake`: whatever a contract says, its valid rows are taken by a scenario that reads them, and its invalid ones are rejected, every one.

use super::bench::Bench;
use crate::support::{Ran, ran, runi};
use serde_json::Value;

const PAYMENT: &str = "
Contract: Payment version 2
  | field   | type          | rules                                 |
  | id      | int64         | required, key                         |
  | card_id | string        | required, matches '^c[0-9]{4,}$'      |
  | email   | string        | length <= 60                          |
  | status  | string        | required, one of approved, declined   |
  | amount  | decimal(9, 2) | required, > 0, <= 1000                |
  | score   | float         | between 0 and 1                       |
  | paid_at | timestamp(ms) | required, event time                  |
";

const ODD: &str = "
Contract: Odd version 1
  | field   | type         | rules                                          |
  | a       | uint8        | >= 3, <> 7                                     |
  | b       | string       | required, unique, matches '[A-F]{3}-\\\\d\\|x.{9}' |
  | c       | date         | between '2024-02-01' and '2024-02-29'          |
  | d       | boolean      | required, = true                               |
  | e       | string       | length >= 2, length < 5, <> 'no'               |
  | f       | float32      | > 0.25                                         |
  | g       | time(ms)     | < '12:00:00'                                   |
  | h       | int32        | one of 4, 8, 15, 16, 23, 42                    |
  | i       | bytes        | required                                       |
  | j       | json         | required                                       |
";

/// Types that CSV has no form for.
const NESTED: &str = "
Contract: Nested version 1
  | field | type                         | rules                |
  | at    | timestamp(us)                | required, event time |
  | names | list<string>                 | required             |
  | place | struct<city: string, n: int> |                      |
";

fn scenario(contract: &str, extension: &str) -> String {
    format!(
        "Feature: Reads\n  Scenario: Reads\n    @source(name=rows, type=file, path=\"rows.{extension}\", contract={contract})\n    \
         @sink(type=file, path=\"good.jsonl\")\n    @sink(name=Bad, type=file, path=\"bad.jsonl\", from=rejected)\n"
    )
}

fn fake(bench: &Bench, arguments: &[&str]) -> Ran {
    ran(runi(bench.folder(), &["data", "fake"]).args(arguments))
}

#[test]
fn valid_rows_are_taken_and_invalid_ones_are_rejected() {
    for (text, name, formats) in [
        (PAYMENT, "Payment@2", &["jsonl", "csv", "parquet"][..]),
        (ODD, "Odd@1", &["jsonl", "csv", "parquet"]),
        (NESTED, "Nested@1", &["jsonl", "parquet"]),
    ] {
        for (seed, extension) in ["1", "2"].into_iter().flat_map(|seed| formats.iter().map(move |f| (seed, *f))) {
            let bench = Bench::new(&[&scenario(name, extension), text]);
            let file = format!("rows.{extension}");
            let made = fake(&bench, &[name, "--rows", "400", "--seed", seed, "--invalid", "10%", "--lateness", "3s", "--to", &file]);
            assert_eq!(made.code, 0, "{name} {extension}: {}", made.err);
            assert!(made.err.starts_with(&format!("400 rows of {name}, seed {seed}: 360 valid, 40 invalid\n")), "{}", made.err);
            let ran = bench.run(&[]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            let bad = bench.rows("bad.jsonl");
            let reasons: Vec<&Value> = bad.iter().map(|row| &row["reason"]).filter(|r| *r != "contract").collect();
            assert!(reasons.is_empty(), "{name} {extension}: {reasons:?}");
            assert_eq!((bench.lines("good.jsonl").len(), bad.len()), (360, 40), "{name} {extension} {seed}: {:?}", bad.last());
        }
    }
}

#[test]
fn a_seed_makes_the_same_bytes_and_the_output_is_a_pipe() {
    let bench = Bench::new(&[PAYMENT]);
    let made = |arguments: &[&str]| fake(&bench, &[&["s.dsl", "--rows", "20"], arguments].concat());
    let first = made(&["--seed", "5"]);
    assert_eq!((first.code, first.out.lines().count()), (0, 20), "{}", first.err);
    assert_eq!(first.out, made(&["--seed", "5"]).out);
    assert_ne!(first.out, made(&["--seed", "6"]).out);
    let row: Value = serde_json::from_str(first.out.lines().next().unwrap()).unwrap();
    assert!(row["paid_at"].as_str().unwrap().starts_with("2026-01-01T00:0"), "{row}");
    assert!(made(&["--format", "csv"]).out.starts_with("id,card_id,email,"));
    // A reader that has enough is no error.
    let piped = bench.shell("runi data fake s.dsl --rows 100000 | head -n 1");
    assert_eq!((piped.code, piped.out.lines().count()), (0, 1), "{}", piped.err);
}

#[test]
fn what_cannot_be_made_is_said() {
    let bench = Bench::new(&[
        PAYMENT,
        "\nContract: Flag version 1\n  | field | type | rules |\n  | on | string | required, unique, one of yes, no |\n",
        "\nContract: Strange version 1\n  | field | type | rules |\n  | a | string | matches '(?i)x' |\n",
        "\nContract: Free version 1\n  | field | type | rules |\n  | a | string | |\n",
    ]);
    for (arguments, code, said) in [
        (&["Nobody@1"][..], 3, "RUN001"),
        (&["s.dsl"], 3, "RUN031"),
        (&["s.dsl:Flag", "--rows", "3", "--to", "flags.csv"], 3, "FAK004"),
        (&["s.dsl:Strange@1"], 3, "FAK002"),
        (&["Free@1", "--invalid", "1%"], 3, "FAK005"),
        (&["Free@1", "--to", "rows.txt"], 2, "RUN062"),
        (&["Free@1", "--format", "parquet"], 2, "RUN063"),
        (&["Free@1", "--to", "s.dsl/rows.csv"], 4, "RUN060"),
        (&["Free@1", "--invalid", "5"], 2, "like `5%`"),
    ] {
        let ran = fake(&bench, arguments);
        assert!(ran.code == code && ran.err.contains(said), "{arguments:?}: {} {}", ran.code, ran.err);
        assert_eq!(bench.files(), ["s.dsl"], "{arguments:?}");
    }
}
