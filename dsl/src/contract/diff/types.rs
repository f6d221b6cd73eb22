//! Types of two versions: which can be read as which without loss, part by part.

use super::{Change, ChangeKind, Effect};
use crate::ast::{TimeUnit, Type};

/// How deep parts are compared one by one; deeper ones only as a whole. The parser's own bound lies below it.
const MAX_DEPTH: usize = 64;

/// Reports every part of a field's type that changed.
pub(super) fn compare(path: &str, old: &Type, new: &Type, changes: &mut Vec<Change>) {
    compare_at(path, old, new, 0, changes);
}

fn compare_at(path: &str, old: &Type, new: &Type, depth: usize, changes: &mut Vec<Change>) {
    match (old, new) {
        _ if old == new => {}
        (Type::List(before), Type::List(after)) if depth < MAX_DEPTH => {
            compare_at(&format!("{path}[]"), before, after, depth + 1, changes);
        }
        (Type::Struct(before), Type::Struct(after)) if depth < MAX_DEPTH => compare_structs(path, before, after, depth, changes),
        _ => changes.push(Change {
            kind: ChangeKind::Type,
            field: Some(path.to_owned()),
            message: format!("type changed from {old} to {new}"),
            backward: effect(new, old),
            forward: effect(old, new),
            hint: None,
        }),
    }
}

/// Parts of a struct have no rules: an absent one reads as null, an unknown one is ignored.
fn compare_structs(path: &str, old: &[(String, Type)], new: &[(String, Type)], depth: usize, changes: &mut Vec<Change>) {
    let find = |fields: &[(String, Type)], name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, ty)| ty.clone());
    let start = changes.len();
    for (name, before) in old {
        let part = format!("{path}.{name}");
        match find(new, name) {
            Some(after) => compare_at(&part, before, &after, depth + 1, changes),
            None => changes.push(Change::note(ChangeKind::Removed, Some(&part), format!("{before} removed, optional"))),
        }
    }
    for (name, after) in new.iter().filter(|(n, _)| find(old, n).is_none()) {
        changes.push(Change::note(ChangeKind::Added, Some(&format!("{path}.{name}")), format!("{after} added, optional")));
    }
    if changes.len() == start {
        changes.push(Change::note(ChangeKind::Order, Some(path), "parts stand in another order".to_owned()));
    }
}

fn effect(reader: &Type, writer: &Type) -> Effect {
    match cannot_read(reader, writer) {
        None => Effect::Compatible,
        Some(reason) => Effect::Breaking(reason),
    }
}

/// Why a reader of one type cannot read every value of the other; `None` where it can.
fn cannot_read(reader: &Type, writer: &Type) -> Option<String> {
    let unless = |fits: bool| (!fits).then(|| format!("not every {writer} fits into {reader}"));
    match (reader, writer) {
        (Type::Int { bits: r, signed: rs }, Type::Int { bits: w, signed: ws }) => unless(match (rs, ws) {
            (true, true) | (false, false) => r >= w,
            (true, false) => r > w,
            (false, true) => false,
        }),
        (Type::Float { bits: r }, Type::Float { bits: w }) => unless(r >= w),
        (Type::Float { bits: r }, Type::Int { bits: w, .. }) => unless(*w <= exact_integer_bits(*r)),
        (Type::Decimal { precision, scale }, Type::Int { bits, signed }) => {
            unless(i16::from(*precision) - i16::from(*scale) >= integer_digits(*bits, *signed))
        }
        (Type::Decimal { precision: rp, scale: rs }, Type::Decimal { precision: wp, scale: ws }) => {
            unless(rs >= ws && i16::from(*rp) - i16::from(*rs) >= i16::from(*wp) - i16::from(*ws))
        }
        (Type::Timestamp(r), Type::Timestamp(w)) | (Type::Time(r), Type::Time(w)) => unless(digits(*r) >= digits(*w)),
        _ => Some(format!("{writer} is not read as {reader}")),
    }
}

/// The widest integer of the type list that a float holds exactly.
fn exact_integer_bits(float_bits: u8) -> u8 {
    if float_bits >= 64 { 32 } else { 16 }
}

/// Decimal digits of the largest integer.
fn integer_digits(bits: u8, signed: bool) -> i16 {
    match (bits, signed) {
        (8, _) => 3,
        (16, _) => 5,
        (32, _) => 10,
        (_, true) => 19,
        (_, false) => 20,
    }
}

/// Digits of a second's fraction.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
