//! Goldens: plain files, compared line by line, rewritten where `UPDATE_GOLDEN=1` is set.

use std::path::PathBuf;

/// Compares a text with the golden of that path under `planner/tests`.
#[track_caller]
pub(crate) fn matches(path: &str, found: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, found).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(wanted == found, "{path} differs; look, then set UPDATE_GOLDEN=1\n--- wanted\n{wanted}\n--- found\n{found}");
}
