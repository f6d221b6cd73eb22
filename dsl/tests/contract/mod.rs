//! Contracts: text, hash and differences, from the texts that people write.

mod properties;

use crate::golden;
use runink_dsl::{
    FileId,
    ast::Contract,
    contract::{canonical_text, diff, hash},
    parse,
};

fn contracts(text: &str) -> Vec<Contract> {
    let parsed = parse(FileId(0), text);
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|d| d.is_error()).collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    parsed.document.contracts
}

fn contract(text: &str) -> Contract {
    let mut found = contracts(text);
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

/// Each file has two versions of a contract; beside it stand the comparison as text and as JSON.
#[test]
fn differences_are_as_recorded() {
    let cases = golden::files("contract/diff", "dsl");
    assert!(cases.len() >= 12, "{} cases", cases.len());
    for case in cases {
        let found = contracts(&std::fs::read_to_string(&case).unwrap());
        let [old, new] = &found[..] else { panic!("{} needs two contracts", case.display()) };
        let result = diff(old, new);
        golden::check(&case.with_extension("txt"), &result.to_string());
        golden::check(&case.with_extension("json"), &format!("{:#}\n", result.to_json()));
    }
}

#[test]
fn the_canonical_text_is_as_recorded() {
    for case in golden::files("contract/text", "dsl") {
        let found = contract(&std::fs::read_to_string(&case).unwrap());
        golden::check(&case.with_extension("canonical"), &canonical_text(&found));
    }
}

const PAYMENT: &str = "Contract: Payment version 2
  | field  | type           | rules                                     | tags      |
  | status | string         | required, one of approved, declined       | pii, risk |
  | amount | decimal(12, 2) | required, >= 0, <= 10                     |           |
  Compatibility: backward
";

#[test]
fn layout_prose_and_spelling_do_not_change_the_hash() {
    let base = hash(&contract(PAYMENT));
    for (what, text) in [
        ("order of rules and values", PAYMENT.replace("required, one of approved, declined", "required, one of declined, approved")),
        ("order of tags", PAYMENT.replace("pii, risk", "risk, pii")),
        ("literals", PAYMENT.replace(">= 0, <= 10", "<= 10.00, >= 0.0")),
        ("between", PAYMENT.replace(">= 0, <= 10", "between 0 and 10")),
        ("owner and prose", PAYMENT.replace("version 2\n", "version 2\n  Some words.\n  Owner: payments-team\n")),
        (
            "more columns",
            PAYMENT
                .replace("tags      |", "tags      | description |")
                .replace("|           |", "|           | paid |")
                .replace("risk |", "risk | state |"),
        ),
        ("blanks", PAYMENT.replace("  |", "|")),
    ] {
        assert_eq!(hash(&contract(&text)), base, "{what}: {text}");
    }
}

#[test]
fn every_promise_changes_the_hash() {
    let base = hash(&contract(PAYMENT));
    for (what, text) in [
        ("name", PAYMENT.replace("Payment", "Payments")),
        ("version", PAYMENT.replace("version 2", "version 3")),
        ("field", PAYMENT.replace("| status", "| state ")),
        ("type", PAYMENT.replace("decimal(12, 2)", "decimal(12, 3)")),
        ("rule", PAYMENT.replace(">= 0", "> 0 ")),
        ("tag", PAYMENT.replace("pii, risk", "pii")),
        ("promise", PAYMENT.replace("backward", "full")),
        ("no promise", PAYMENT.replace("  Compatibility: backward\n", "")),
    ] {
        assert_ne!(hash(&contract(&text)), base, "{what}");
    }
}

#[test]
fn the_hash_of_a_contract_stays_the_same_over_releases() {
    let found = hash(&contract(PAYMENT));
    golden::check(&golden::path("contract/payment.hash"), &format!("{found}\n"));
    assert_eq!(found.short(), found.to_string()[..12]);
}

#[test]
fn a_length_that_is_left_out_is_compared_as_such() {
    let of = |version: u32, rules: &str| {
        contract(&format!(
            "Contract: Name version {version}\n  Compatibility: full\n  | field | type   | rules |\n  | a     | string | {rules} |\n"
        ))
    };
    assert!(diff(&of(1, "length <> 0"), &of(2, "length <> 0")).changes.is_empty());
    let tighter = diff(&of(1, "length <= 9"), &of(2, "length <= 9, length <> 0"));
    assert!(!tighter.is_backward_compatible() && tighter.is_forward_compatible(), "{tighter}");
}
