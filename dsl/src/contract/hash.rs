//! The hash of a contract's meaning: the same for two texts that promise the same, whatever their layout and prose.

use super::{literal::Literal, text::rule_text};
use crate::ast::{Contract, Rule};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Changes whenever the hashed form does, so that hashes of different forms never meet.
const FORM: &str = "runink-contract/1";

/// SHA-256 of a contract's meaning. Shown as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContractHash([u8; 32]);

impl ContractHash {
    /// The first twelve hexadecimal digits: enough to tell versions apart by eye.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(12);
        hex
    }
}

impl fmt::Display for ContractHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for ContractHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The hash over name, version, fields in order (name, type, rules, tags) and the promise of compatibility.
/// Prose, owner and other metadata, layout, the order of rules and of tags, and how a literal is written do not count.
pub fn hash(contract: &Contract) -> ContractHash {
    let fields: Vec<_> = contract
        .fields
        .iter()
        .map(|f| {
            let mut rules: Vec<String> = f.rules.iter().flat_map(|r| meaning(&r.value)).collect();
            rules.sort();
            rules.dedup();
            let mut tags: Vec<&str> = f.tags.iter().map(|t| t.value.as_str()).collect();
            tags.sort_unstable();
            tags.dedup();
            (f.name.value.as_str(), f.ty.value.to_string(), rules, tags)
        })
        .collect();
    let promise = super::diff::Promise::of(contract);
    // JSON keeps the parts apart, so that no two meanings have one form.
    let form = serde_json::json!([FORM, contract.name.value, contract.version.value, fields, promise.to_string()]);
    ContractHash(Sha256::digest(form.to_string().as_bytes()).into())
}

/// A rule in one form: `between` is two comparisons, literals are normalised, the order of `one of` does not matter.
fn meaning(rule: &Rule) -> Vec<String> {
    let compare = |op: &str, value: &str| format!("{op} {}", Literal::of(value).canonical());
    match rule {
        Rule::Compare { op, value } => vec![compare(op, value)],
        Rule::Between { low, high } => vec![compare(">=", low), compare("<=", high)],
        Rule::Default(value) => vec![compare("default", value)],
        Rule::OneOf(values) => {
            let mut values = values.clone();
            values.sort();
            values.dedup();
            vec![rule_text(&Rule::OneOf(values))]
        }
        Rule::Required | Rule::Key | Rule::EventTime | Rule::Unique | Rule::Matches(_) | Rule::Length { .. } => vec![rule_text(rule)],
    }
}
