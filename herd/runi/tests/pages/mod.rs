//! Pages of the book that state what the code says: they are compared with it, and rewritten where `UPDATE_GOLDEN=1` is set.

mod connectors;
mod errors;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A page of the book with parts that are generated: what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
struct Page {
    path: PathBuf,
    text: String,
    expected: String,
}

impl Page {
    fn open(name: &str) -> Self {
        let path = root().join("docs").join(name);
        let text = fs::read_to_string(&path).unwrap();
        Page { path, expected: text.clone(), text }
    }

    /// Says what a part should be.
    fn part(&mut self, name: &str, content: &str) {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let parts = self.expected.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
        let (before, after) = parts.unwrap_or_else(|| panic!("{} has no part `{name}` between its two comments", self.path.display()));
        self.expected = format!("{before}{open}{}\n\n{close}{after}", content.trim_end());
    }

    /// The page must be as said.
    fn compare(self) {
        if self.text != self.expected && env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&self.path, &self.expected).unwrap();
            return;
        }
        let differs = self.text.lines().zip(self.expected.lines()).enumerate().find(|(_, (a, b))| a != b);
        assert!(
            self.text == self.expected,
            "{} is not what the code says; first at {differs:#?}\nset UPDATE_GOLDEN=1 to write it",
            self.path.display()
        );
    }
}

/// A row of a table.
fn row(cells: &[&str]) -> String {
    let cells: Vec<_> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |")
}
