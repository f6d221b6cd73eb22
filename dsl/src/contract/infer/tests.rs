//! Inference: samples of JSON and CSV, and the contracts that are proposed for them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::contract::canonical_text;

fn of_json(rows: &[&str]) -> String {
    let mut inference = Inference::new("T");
    rows.iter().for_each(|r| inference.observe_json(r).unwrap());
    canonical_text(&inference.finish())
}

fn of_csv(header: &[&str], rows: &[&[&str]]) -> String {
    let mut inference = Inference::new("T");
    for row in rows {
        for (column, cell) in header.iter().zip(*row) {
            inference.observe_text(column, (!cell.is_empty()).then_some(cell)).unwrap();
        }
    }
    canonical_text(&inference.finish())
}

#[test]
fn json_rows_give_types_in_the_order_of_the_data() {
    let text = of_json(&[
        r#"{"z":1,"a":"x","ok":true,"at":"2026-01-01T00:00:00.123456Z","day":"2026-01-01","n":1.5,"tags":["a","b"],"who":{"id":7,"name":null}}"#,
        r#"{"z":2,"a":null,"ok":false,"at":"2026-01-01T00:00:01Z","day":"2026-01-02","n":2,"tags":[],"who":{"id":8,"name":"n"},"new":[]}"#,
    ]);
    assert_eq!(
        text,
        "Contract: T version 1
  | field | type                            | rules                |
  | z     | int64                           | required             |
  | a     | string                          |                      |
  | ok    | boolean                         | required             |
  | at    | timestamp(us)                   | required, event time |
  | day   | date                            | required             |
  | n     | float64                         | required             |
  | tags  | list<string>                    | required             |
  | who   | struct<id: int64, name: string> | required             |
  | new   | json                            |                      |
"
    );
}

#[test]
fn csv_cells_give_the_narrowest_type_that_takes_all() {
    let text = of_csv(
        &["id", "code", "price", "mixed", "when", "seen"],
        &[&["1", "007", "1", "1", "2026-01-01 10:00", "2026-01-01"], &["2", "12", "1.5", "x", "2026-01-01 10:00:00.5", ""]],
    );
    assert_eq!(
        text,
        "Contract: T version 1
  | field | type          | rules                |
  | id    | int64         | required             |
  | code  | string        | required             |
  | price | float64       | required             |
  | mixed | string        | required             |
  | when  | timestamp(ms) | required, event time |
  | seen  | date          |                      |
"
    );
}

#[test]
fn few_values_are_listed_only_when_each_was_seen_often() {
    let rows = |n: usize| -> String {
        let words = ["late", "on time", "required"];
        let cells: Vec<[&str; 1]> = (0..n).map(|i| [words[i % 3]]).collect();
        let rows: Vec<&[&str]> = cells.iter().map(|c| &c[..]).collect();
        of_csv(&["state"], &rows)
    };
    assert!(rows(60).contains("| required, one of late, 'on time', 'required' |"), "{}", rows(60));
    assert!(!rows(59).contains("one of"));
}

#[test]
fn two_timestamps_leave_the_choice_of_event_time_open() {
    let text = of_json(&[r#"{"a":"2026-01-01T00:00:00Z","b":"2026-01-01T00:00:00Z"}"#]);
    assert!(!text.contains("event time"), "{text}");
}

#[test]
fn mixtures_are_json_and_large_numbers_keep_their_digits() {
    let text = of_json(&[r#"{"m":1,"u":18446744073709551615,"l":[1,"a"]}"#, r#"{"m":{"x":1},"u":0,"l":[]}"#]);
    assert_eq!(
        text,
        "Contract: T version 1
  | field | type       | rules    |
  | m     | json       | required |
  | u     | uint64     | required |
  | l     | list<json> | required |
"
    );
}

#[test]
fn objects_used_as_maps_and_deep_nesting_become_json() {
    let wide: Vec<String> = (0..=MAX_STRUCT_PARTS).map(|i| format!("\"k{i}\":1")).collect();
    let mut deep = "1".to_owned();
    for _ in 0..50 {
        deep = format!("{{\"d\":{deep}}}");
    }
    let text = of_json(&[&format!("{{\"map\":{{{}}},\"deep\":{deep}}}", wide.join(","))]);
    assert!(text.contains("| map   | json "), "{text}");
    assert!(text.contains("| struct<d: struct<"), "{text}");
    assert!(text.contains(": json>>>>>>>> |"), "{text}");
}

#[test]
fn rows_that_are_not_objects_are_refused() {
    let mut inference = Inference::new("T");
    assert_eq!(inference.observe_json("[1]"), Err(InferError::NotAnObject { row: 1, found: "a list" }));
    assert!(matches!(inference.observe_json("{"), Err(InferError::NotJson { row: 1, .. })));
    assert!(matches!(inference.observe_text(&"x".repeat(300), None), Err(InferError::NameTooLong { bytes: 300 })));
    for name in ["", " a", "a\nb"] {
        assert!(matches!(inference.observe_text(name, None), Err(InferError::Name { .. })));
    }
    for i in 0..MAX_FIELDS {
        inference.observe_text(&format!("c{i}"), None).unwrap();
    }
    assert_eq!(inference.observe_text("one more", None), Err(InferError::TooManyFields));
}

#[test]
fn a_typed_file_gives_its_schema() {
    let fields = [
        ("id".to_owned(), Type::Int { bits: 32, signed: true }, false),
        ("price".to_owned(), Type::Decimal { precision: 10, scale: 2 }, true),
    ];
    let text = canonical_text(&Inference::from_schema("Trade", &fields).unwrap().finish());
    assert_eq!(
        text,
        "Contract: Trade version 1
  | field | type           | rules    |
  | id    | int32          | required |
  | price | decimal(10, 2) |          |
"
    );
}
