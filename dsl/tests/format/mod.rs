//! The formatter: ugly texts as recorded, and what must hold of every text.

mod properties;

use crate::golden;
use runink_dsl::format;

/// `name.dsl` is what somebody wrote, `name.formatted` what becomes of it.
#[test]
fn ugly_texts_become_as_recorded() {
    let cases = golden::files("format/ugly", "dsl");
    assert!(cases.len() >= 8, "{} cases", cases.len());
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let formatted = format(&text);
        golden::check(&case.with_extension("formatted"), &formatted);
        assert_eq!(format(&formatted), formatted, "{} is not formatted after formatting", case.display());
    }
}

#[test]
fn nothing_stays_nothing() {
    for text in ["", "\n", "  \n\n\t\n", "\u{feff}"] {
        assert_eq!(format(text), "");
    }
}
