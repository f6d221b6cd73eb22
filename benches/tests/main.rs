//! A short soak: the long one is `cargo run --release -p runink-benches --bin soak`.
#![allow(clippy::unwrap_used, missing_docs)]

use runink_benches::soak::{Settings, soak};

#[test]
fn nothing_is_lost_or_doubled_whatever_dies() {
    let mut told = Vec::new();
    let report = soak(Settings { kills: 6, seed: 5, broker_every: 3, rate: 1000 }, &mut told).unwrap();
    assert_eq!((report.kills(), report.broker_restarts()), (6, 1), "{report}");
    assert!(report.kept.is_none() && report.windows.is_none(), "{report}");
}
