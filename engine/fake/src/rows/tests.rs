//! Made-up rows against the rules of their contract, and what cannot be made up.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::check::Check;
use proptest::prelude::*;
use runink_dsl::{FileId, parse};

fn contract(rows: &str) -> Contract {
    let parsed = parse(FileId(0), &format!("Contract: Made version 1\n  | field | type | rules |\n{}", rows.trim_start_matches('\n')));
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    parsed.document.contracts.into_iter().next().unwrap()
}

const PAYMENT: &str = "
  | id       | int64          | key, required                        |
  | email    | string         | required, length <= 40               |
  | card     | string         | matches '^c[0-9]{3,}$', required     |
  | status   | string         | one of approved, declined            |
  | amount   | decimal(12, 2) | required, >= 0, < 500                |
  | rating   | float          | between 0 and 5                      |
  | tags     | list<string>   |                                      |
  | place    | struct<city: string, zip: int> |                      |
  | paid_at  | timestamp(ms)  | required, event time                 |
";

/// The row's values, made again from a faker of the same seed.
fn values(contract: &Contract, settings: Settings, rows: usize) -> (Vec<Vec<Value>>, Summary) {
    let mut faker = Faker::new(contract, settings).unwrap();
    let rows = (0..rows).map(|_| faker.row().unwrap()).collect();
    (rows, faker.summary)
}

fn checks(contract: &Contract) -> Vec<Vec<Check>> {
    let schema = contract_schema(contract);
    let of = |(field, column): (&runink_dsl::ast::Field, &arrow::datatypes::FieldRef)| {
        field.rules.iter().filter_map(|r| Check::of(&field.name.value, column.data_type(), &r.value).unwrap()).collect()
    };
    contract.fields.iter().zip(schema.fields()).map(of).collect()
}

/// Which rules a row breaks.
fn broken(checks: &[Vec<Check>], row: &[Value]) -> Vec<String> {
    let fields = checks.iter().zip(row);
    fields.flat_map(|(checks, value)| checks.iter().filter(|c| !c.holds(value)).map(|c| c.text.clone())).collect()
}

#[test]
fn a_seed_makes_the_same_rows_and_columns_of_the_contract() {
    let contract = contract(PAYMENT);
    let settings = Settings { seed: 3, invalid_per_million: 50_000, ..Settings::default() };
    let batch = |settings| Faker::new(&contract, settings).unwrap().batch(200).unwrap();
    assert_eq!(batch(settings), batch(settings));
    assert_ne!(batch(settings), batch(Settings { seed: 4, ..settings }));
    assert_eq!(batch(settings).schema(), contract_schema(&contract));
}

#[test]
fn invalid_rows_break_one_rule_each_and_every_rule_has_its_turn() {
    let contract = contract(PAYMENT);
    let (rows, summary) = values(&contract, Settings { invalid_per_million: 100_000, ..Settings::default() }, 1_000);
    let checks = checks(&contract);
    let invalid: Vec<Vec<String>> = rows.iter().map(|row| broken(&checks, row)).filter(|b| !b.is_empty()).collect();
    assert_eq!((invalid.len(), summary.valid), (100, 900));
    assert!(invalid.iter().all(|b| b.len() == 1), "{invalid:?}");
    assert_eq!(summary.invalid.len(), 11, "{summary:?}");
    assert!(summary.unbroken.is_empty(), "{summary:?}");
}

#[test]
fn keys_differ_and_event_times_grow_within_lateness() {
    let contract = contract(PAYMENT);
    let lateness_us = 5_000_000;
    let (rows, _) = values(&contract, Settings { lateness_us, ..Settings::default() }, 2_000);
    let ids: HashSet<&Value> = rows.iter().map(|r| &r[0]).collect();
    assert_eq!(ids.len(), rows.len());
    let times: Vec<i128> = rows.iter().map(|r| if let Value::Whole(n) = r[8] { n } else { panic!("{r:?}") }).collect();
    let mut newest = times[0];
    let mut late = 0;
    for time in times {
        assert!(newest - time <= 5_000, "{newest} {time}");
        late += i32::from(time < newest);
        newest = newest.max(time);
    }
    assert!(late > 100);
    let (rows, _) = values(&contract, Settings::default(), 500);
    assert!(rows.is_sorted_by_key(|r| if let Value::Whole(n) = r[8] { n } else { 0 }));
}

#[test]
fn keys_of_several_fields_differ_together() {
    let contract = contract("  | a | int | required, key, between 1 and 10 |\n  | b | string | required, key, one of x, y, z |\n");
    let mut faker = Faker::new(&contract, Settings::default()).unwrap();
    let rows: HashSet<Vec<Value>> = (0..25).map(|_| faker.row().unwrap()).collect();
    assert_eq!(rows.len(), 25);
    let ended = (0..20).find_map(|_| faker.row().err());
    assert!(matches!(ended, Some(FakeError::Exhausted { field, .. }) if field == "a, b"));
}

#[test]
fn what_cannot_be_is_said() {
    let new = |rows: &str, invalid_per_million| Faker::new(&contract(rows), Settings { invalid_per_million, ..Settings::default() });
    let first = |rows: &str| new(rows, 0).unwrap().row().unwrap_err();
    assert!(matches!(new("  | a | string | matches '(?i)x' |\n", 0), Err(FakeError::Pattern { .. })));
    assert!(matches!(new("  | a | int | |\n", 1), Err(FakeError::NothingToBreak { contract }) if contract == "Made@1"));
    assert!(matches!(first("  | a | int | required, > 5, < 3 |\n"), FakeError::NoValue { .. }));
    let mut flags = new("  | a | string | unique, one of yes, no |\n", 0).unwrap();
    assert!(flags.batch(2).is_ok());
    assert_eq!(flags.batch(1), Err(FakeError::Exhausted { field: "a".into(), rows: 2 }));
}

fn field() -> impl Strategy<Value = String> {
    let rule = |some: &[&str]| proptest::sample::subsequence(some.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), 0..=some.len());
    let with = |ty: &'static str, some: &[&str]| rule(some).prop_map(move |rules| format!("{ty} | {}", rules.join(", ")));
    prop_oneof![
        with("int8", &["required", ">= -5", "<= 100", "<> 7"]),
        with("uint64", &["required", "unique", "> 3"]),
        with("decimal(20, 4)", &["required", "between -1.5 and 20", "<> 0"]),
        with("float32", &["> 0.5", "< 0.75"]),
        with("float", &["required", ">= -1"]),
        with("string", &["required", "length >= 2", "length <= 9", "<> 'x'"]),
        with("string", &["required", "matches '^[a-f]{2,4}-\\\\d+$'", "length < 12"]),
        with("string", &["required", "unique", "matches 'x[a-z]{6}\\|y[0-9]{6,}$'"]),
        with("string", &["required", "one of red, green, ''"]),
        with("int", &["one of 1, 5, 9"]),
        with("boolean", &["required", "= true"]),
        with("date", &["required", "between '2020-01-01' and '2020-12-31'"]),
        with("time(ms)", &["required"]),
        with("timestamp(us)", &["required", "event time"]),
        with("timestamp(s)", &["< '2030-01-01T00:00:00Z'", "default '2025-01-01T00:00:00Z'", "required"]),
        with("bytes", &["required"]),
        with("json", &["required"]),
        with("list<int>", &["required"]),
        with("struct<a: int, city: string>", &["required"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn valid_rows_keep_every_rule_and_invalid_ones_break_theirs(
        fields in proptest::collection::vec(field(), 1..6),
        seed in 0u64..1_000,
        invalid in prop_oneof![Just(0u32), Just(300_000)],
    ) {
        // A contract has one event time at most.
        let mut timed = false;
        let fields = fields.into_iter().filter(|f| !f.ends_with("event time") || !std::mem::replace(&mut timed, true));
        let rows: String = fields.enumerate().map(|(i, f)| format!("  | f{i} | {f} |\n")).collect();
        let contract = contract(&rows);
        let settings = Settings { seed, invalid_per_million: invalid, lateness_us: 3_000_000, ..Settings::default() };
        match Faker::new(&contract, settings) {
            Err(FakeError::NothingToBreak { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
            Ok(mut faker) => {
                let checks = checks(&contract);
                let mut valid = 0;
                for _ in 0..100 {
                    valid += u64::from(broken(&checks, &faker.row().unwrap()).is_empty());
                }
                // A missing value that a default fills in is none that is missing.
                let defaulted = rows.contains("default") && rows.contains("required");
                prop_assert!(defaulted || valid == faker.summary.valid, "{valid} {:?}", faker.summary);
                prop_assert_eq!(faker.summary.rows(), 100);
                prop_assert_eq!(faker.batch(10).unwrap().num_rows(), 10);
            }
        }
    }
}
