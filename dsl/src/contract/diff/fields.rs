//! Fields of two versions, matched by name: added, removed, changed; keys and event time as a whole.

use super::{Change, ChangeKind, rules, types};
use crate::ast::{Contract, Field, Rule};

/// Compares all fields.
pub(super) fn compare(old: &Contract, new: &Contract, changes: &mut Vec<Change>) {
    for before in &old.fields {
        match find(new, &before.name.value) {
            Some(after) => compare_field(before, after, changes),
            None => changes.push(removed(before, old, new)),
        }
    }
    for after in new.fields.iter().filter(|f| find(old, &f.name.value).is_none()) {
        changes.push(added(after));
    }
    compare_order(old, new, changes);
    compare_key(old, new, changes);
    compare_event_time(old, new, changes);
}

fn find<'a>(contract: &'a Contract, name: &str) -> Option<&'a Field> {
    contract.fields.iter().find(|f| f.name.value == name)
}

fn has(field: &Field, rule: &Rule) -> bool {
    field.rules.iter().any(|r| r.value == *rule)
}

/// Whether every row must bring a value: `required`, and no default stands in.
pub(super) fn demands_value(field: &Field) -> bool {
    has(field, &Rule::Required) && !field.rules.iter().any(|r| matches!(r.value, Rule::Default(_)))
}

fn added(field: &Field) -> Change {
    let name = &field.name.value;
    let ty = &field.ty.value;
    if demands_value(field) {
        return Change::note(ChangeKind::Added, Some(name), format!("required {ty} added"))
            .backward("old data does not have it, and it is required without a default");
    }
    let how = if field.rules.iter().any(|r| matches!(r.value, Rule::Default(_))) { "with a default" } else { "optional" };
    Change::note(ChangeKind::Added, Some(name), format!("{ty} added, {how}"))
}

fn removed(field: &Field, old: &Contract, new: &Contract) -> Change {
    let name = &field.name.value;
    let ty = &field.ty.value;
    let mut change = Change::note(ChangeKind::Removed, Some(name), format!("{ty} removed"));
    if demands_value(field) {
        change = change.forward("old readers require it, and new data does not have it");
    }
    let same_type = new.fields.iter().find(|f| find(old, &f.name.value).is_none() && f.ty.value == *ty);
    change.hint = same_type.map(|f| {
        format!("`{}` is new and has the same type: a renamed field is a removed and an added one; keep both for a while", f.name.value)
    });
    change
}

fn compare_field(before: &Field, after: &Field, changes: &mut Vec<Change>) {
    let name = &before.name.value;
    types::compare(name, &before.ty.value, &after.ty.value, changes);
    rules::compare(name, before, after, changes);
    let tags = |f: &Field| {
        let mut tags: Vec<String> = f.tags.iter().map(|t| t.value.clone()).collect();
        tags.sort();
        tags.dedup();
        tags
    };
    let (old_tags, new_tags) = (tags(before), tags(after));
    if old_tags != new_tags {
        let message = format!("tags changed from {} to {}", list(&old_tags), list(&new_tags));
        changes.push(Change::note(ChangeKind::Tags, Some(name), message));
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn compare_order(old: &Contract, new: &Contract, changes: &mut Vec<Change>) {
    let common = |of: &Contract, other: &Contract| -> Vec<String> {
        of.fields.iter().map(|f| f.name.value.clone()).filter(|n| find(other, n).is_some()).collect()
    };
    if common(old, new) != common(new, old) {
        let mut change = Change::note(ChangeKind::Order, None, "fields stand in another order".to_owned());
        change.hint = Some("fields are known by name; only text files without a header depend on their order".to_owned());
        changes.push(change);
    }
}

fn names_with(contract: &Contract, rule: &Rule) -> Vec<String> {
    contract.fields.iter().filter(|f| has(f, rule)).map(|f| f.name.value.clone()).collect()
}

fn compare_key(old: &Contract, new: &Contract, changes: &mut Vec<Change>) {
    let (before, after) = (names_with(old, &Rule::Key), names_with(new, &Rule::Key));
    let (mut sorted_before, mut sorted_after) = (before.clone(), after.clone());
    sorted_before.sort();
    sorted_after.sort();
    if sorted_before == sorted_after {
        return;
    }
    let mut change = Change::note(ChangeKind::Key, None, format!("key changed from {} to {}", list(&before), list(&after)));
    if !after.is_empty() {
        change = change.backward("new readers take the new key for what tells rows apart; old data was not written by it");
    }
    if !before.is_empty() {
        change = change.forward("old readers take the old key for what tells rows apart; new data is not written by it");
    }
    changes.push(change);
}

fn compare_event_time(old: &Contract, new: &Contract, changes: &mut Vec<Change>) {
    let (before, after) = (names_with(old, &Rule::EventTime), names_with(new, &Rule::EventTime));
    if before == after {
        return;
    }
    let mut change = Change::note(ChangeKind::EventTime, None, format!("event time changed from {} to {}", list(&before), list(&after)));
    if !after.is_empty() {
        change = change.backward("new readers order old data by a time that it was not written by");
    }
    if !before.is_empty() {
        change = change.forward("old readers order new data by a time that it is no longer written by");
    }
    changes.push(change);
}
