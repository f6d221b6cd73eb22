//! "Did you mean": the closest of the names that would have been right.

/// Names longer than this are not compared; nobody mistypes them, and the work stays bounded.
pub const MAX_COMPARED_CHARS: usize = 64;

/// The closest candidate, if one is close enough to be what was meant: a different case, or a distance of at most a third of the length
/// (one for short words). Of equally close ones the first wins.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length == 0 || length > MAX_COMPARED_CHARS {
        return None;
    }
    let lower = word.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let size = candidate.chars().count();
        if size == 0 || size > MAX_COMPARED_CHARS || candidate == word {
            continue;
        }
        let allowed = (length.max(size) / 3).clamp(usize::from(length.max(size) > 2), 3);
        if length.abs_diff(size) > allowed {
            continue;
        }
        let distance = distance(&lower, &candidate.to_lowercase());
        if distance <= allowed && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", where one is close.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(word, candidates).map(|found| format!("did you mean `{found}`?"))
}

/// "`a`, `b` or `c`".
pub fn list_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|n| format!("`{n}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_found_and_other_words_are_not() {
        let verbs = ["set", "select", "aggregate", "join", "mask"];
        assert_eq!(closest("agregate", verbs), Some("aggregate"));
        assert_eq!(closest("SELECT", verbs), Some("select"));
        assert_eq!(closest("jion", verbs), Some("join"));
        assert_eq!(closest("filter", verbs), None);
        assert_eq!(closest("x", verbs), None);
        assert_eq!(closest("", verbs), None);
        assert_eq!(closest(&"a".repeat(1000), verbs), None);
        assert_eq!(closest("mask", verbs), None, "the very same word is not a suggestion");
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(list_of(&["a"]), "`a`");
        assert_eq!(list_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
