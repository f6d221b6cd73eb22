//! Operators against slow references, on random rows, epochs, batch cuts, workers and restores.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod aggregate;
mod aggregate_cases;
mod changes;
mod check;
mod fold;
mod form;
mod hash;
mod held;
mod join;
mod order;
mod pattern;
mod reference;
mod rows;
mod stream_join;

/// Compares a text with its file in `tests/goldens`; `UPDATE_GOLDEN=1` writes the file.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
}
