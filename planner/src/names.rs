//! Names that are close to others, and lists of them, for hints.

use runink_dsl::suggest::closest;

/// How many names a hint lists at most.
const LISTED_NAMES_MAX: usize = 12;

/// "did you mean `x`?", then what there is.
pub(crate) fn hint<'a>(wrong: &str, what: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let there = list(&names).map_or_else(|| format!("there are no {what}"), |list| format!("{what}: {list}"));
    match closest(wrong, names) {
        Some(close) => format!("did you mean `{close}`? {there}"),
        None => there,
    }
}

/// Names in back ticks, the first few of them; `None` where there are none.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let mut text = names.iter().take(LISTED_NAMES_MAX).map(|n| format!("`{}`", n.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_NAMES_MAX {
        text.push_str(&format!(" and {} more", names.len() - LISTED_NAMES_MAX));
    }
    (!names.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_close_and_another_word_is_not() {
        assert_eq!(hint("amout", "columns", ["status", "amount"]), "did you mean `amount`? columns: `status`, `amount`");
        assert_eq!(hint("city", "columns", ["status"]), "columns: `status`");
        assert_eq!(hint("city", "columns", []), "there are no columns");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|i| format!("c{i}")).collect();
        let text = list(&names).unwrap_or_default();
        assert!(text.ends_with("`c11` and 8 more"), "{text}");
    }
}
