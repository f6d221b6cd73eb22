//! Contracts of every kind: the canonical text says the same contract, and hash and comparison agree with each other.

use super::contract;
use proptest::prelude::*;
use runink_dsl::{
    ast::{Contract, Field, Metadata, Rule, Span, Spanned, TimeUnit, Type},
    contract::{Promise, canonical_text, diff, hash},
};
use std::collections::{BTreeMap, BTreeSet};

fn at<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

fn unit() -> impl Strategy<Value = TimeUnit> {
    prop_oneof![Just(TimeUnit::Second), Just(TimeUnit::Millisecond), Just(TimeUnit::Microsecond), Just(TimeUnit::Nanosecond)]
}

fn ty() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Boolean),
        (prop_oneof![Just(8_u8), Just(16), Just(32), Just(64)], any::<bool>()).prop_map(|(bits, signed)| Type::Int { bits, signed }),
        prop_oneof![Just(32_u8), Just(64)].prop_map(|bits| Type::Float { bits }),
        (1..=38_u8).prop_flat_map(|p| (0..=p).prop_map(move |s| Type::Decimal { precision: p, scale: s as i8 })),
        Just(Type::String),
        Just(Type::Bytes),
        Just(Type::Date),
        unit().prop_map(Type::Time),
        unit().prop_map(Type::Timestamp),
        Just(Type::Json),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| Type::List(Box::new(t))),
            proptest::collection::btree_map("[a-z_][a-z0-9_]{0,5}", inner, 1..3)
                .prop_map(|parts| Type::Struct(parts.into_iter().collect())),
        ]
    })
}

/// Rules that fit their type, as the parser would give them.
fn rules(ty: &Type) -> BoxedStrategy<Vec<Rule>> {
    let op = prop_oneof![Just("<"), Just("<="), Just(">"), Just(">="), Just("<>")].prop_map(str::to_owned);
    let rule = match ty {
        Type::Int { .. } | Type::Float { .. } => prop_oneof![
            (op, 0..100_u32).prop_map(|(op, n)| Rule::Compare { op, value: n.to_string() }),
            (0..50_u32, 50..99_u32).prop_map(|(a, b)| Rule::Between { low: a.to_string(), high: b.to_string() }),
            (0..9_u32).prop_map(|n| Rule::Default(n.to_string())),
        ]
        .boxed(),
        Type::String => prop_oneof![
            proptest::collection::btree_set("[a-zA-Z0-9 '_|,\\\\-]{1,8}", 1..4).prop_map(|v| Rule::OneOf(v.into_iter().collect())),
            "[a-z0-9^$+'|\\\\]{1,8}".prop_map(Rule::Matches),
            (op, 0..100_u64).prop_map(|(op, value)| Rule::Length { op, value }),
            Just(Rule::Unique),
        ]
        .boxed(),
        _ => Just(Rule::Required).boxed(),
    };
    (any::<bool>(), proptest::option::of(rule))
        .prop_map(|(required, rule)| {
            let mut rules: Vec<Rule> = rule.into_iter().collect();
            if required && !rules.contains(&Rule::Required) {
                rules.insert(0, Rule::Required);
            }
            rules
        })
        .boxed()
}

fn field(name: String) -> impl Strategy<Value = Field> {
    ty().prop_flat_map(move |ty| {
        let name = name.clone();
        (rules(&ty), proptest::collection::btree_set("[a-z]{2,4}", 0..3)).prop_map(move |(rules, tags)| Field {
            name: at(name.clone()),
            ty: at(ty.clone()),
            rules: rules.into_iter().map(at).collect(),
            tags: tags.into_iter().map(at).collect(),
            more: BTreeMap::new(),
        })
    })
}

fn any_contract() -> impl Strategy<Value = Contract> {
    let fields = proptest::collection::btree_set("[a-z][a-z0-9_]{0,6}", 1..5)
        .prop_flat_map(|names: BTreeSet<String>| names.into_iter().map(field).collect::<Vec<_>>());
    let promise = prop_oneof![Just(None), Just(Some("backward")), Just(Some("forward")), Just(Some("full")), Just(Some("none"))];
    ("[A-Z][a-z]{1,6}", 1..50_u32, fields, promise).prop_map(|(name, version, fields, promise)| Contract {
        name: at(name),
        version: at(version),
        prose: String::new(),
        metadata: promise.map(|p| Metadata { key: at("Compatibility".to_owned()), value: at(p.to_owned()) }).into_iter().collect(),
        fields,
        span: Span::default(),
    })
}

/// Name, type, rules in one order, and tags: what a contract says about its fields.
fn meaning(contract: &Contract) -> Vec<(String, Type, Vec<String>, Vec<String>)> {
    let fields = contract.fields.iter();
    fields
        .map(|f| {
            let mut rules: Vec<String> = f.rules.iter().map(|r| format!("{:?}", r.value)).collect();
            rules.sort();
            (f.name.value.clone(), f.ty.value.clone(), rules, f.tags.iter().map(|t| t.value.clone()).collect())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_canonical_text_says_the_same(original in any_contract()) {
        let text = canonical_text(&original);
        let read = contract(&text);
        prop_assert_eq!(meaning(&read), meaning(&original), "{}", text);
        prop_assert_eq!(hash(&read), hash(&original));
        prop_assert_eq!(canonical_text(&read), text);
    }

    #[test]
    fn a_contract_may_follow_itself(original in any_contract()) {
        let mut next = original.clone();
        next.version.value += 1;
        for found in [diff(&original, &original), diff(&original, &next)] {
            prop_assert!(found.changes.is_empty() && found.verdict.holds, "{}", found);
        }
    }

    /// What breaks in one direction breaks in the other when the sides are swapped.
    #[test]
    fn directions_mirror_each_other(mut a in any_contract(), mut b in any_contract()) {
        for (contract, version) in [(&mut a, 1), (&mut b, 2)] {
            contract.name.value = "Same".to_owned();
            contract.version.value = version;
        }
        let there = diff(&a, &b);
        let back = diff(&b, &a);
        prop_assert_eq!(there.is_backward_compatible(), back.is_forward_compatible(), "{}\n{}", there, back);
        prop_assert_eq!(there.is_forward_compatible(), back.is_backward_compatible(), "{}\n{}", there, back);
    }

    /// Contracts with one hash have no changes between them.
    #[test]
    fn one_hash_means_no_changes(a in any_contract(), b in any_contract()) {
        let mut b = b;
        b.name = a.name.clone();
        b.version = a.version.clone();
        let changed = !diff(&a, &b).changes.is_empty() || Promise::of(&a) != Promise::of(&b);
        prop_assert_eq!(hash(&a) == hash(&b), !changed);
    }
}
