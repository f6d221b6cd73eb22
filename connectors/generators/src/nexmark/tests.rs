//! Nexmark: the same events whatever the range, kind and projection, with the benchmark's skew.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::timeline::Timeline;
use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
    util::display::{ArrayFormatter, FormatOptions},
};
use std::{fmt::Write as _, path::Path};

fn model(kind: Option<Kind>, seed: u64) -> Nexmark {
    let run = Run { seed, events: Some(1_000), timeline: Timeline::new(1_767_225_600_000_000, PER_SECOND), paced: false, from_now: false };
    Nexmark { run, kind }
}

fn rows(model: &Nexmark, events: Range<u64>) -> RecordBatch {
    let all: Vec<usize> = (0..schema_of(model.kind).fields().len()).collect();
    model.rows(events, &all).unwrap().0
}

fn text(batch: &RecordBatch) -> String {
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let cells = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default()).unwrap();
            writeln!(out, "{}: {}", field.name(), cells.value(row)).unwrap();
        }
        out.push('\n');
    }
    out
}

/// What is generated never changes: whoever compares runs relies on it.
#[test]
fn events_are_as_they_always_were() {
    let mut shown = String::new();
    for kind in [Some(Kind::Person), Some(Kind::Auction), Some(Kind::Bid), None] {
        writeln!(shown, "## {kind:?}\n").unwrap();
        shown.push_str(&text(&rows(&model(kind, 1), 0..6)));
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/nexmark/events.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(&golden).unwrap());
}

#[test]
fn an_event_is_the_same_in_every_range() {
    let model = model(None, 3);
    let whole = rows(&model, 0..500);
    for (from, to) in [(0, 1), (1, 64), (64, 65), (65, 500)] {
        assert_eq!(text(&rows(&model, from..to)), text(&whole.slice(from as usize, (to - from) as usize)));
    }
    assert_ne!(text(&whole), text(&rows(&super::tests::model(None, 4), 0..500)));
}

#[test]
fn one_kind_is_what_all_have_of_it() {
    let all = rows(&model(None, 1), 0..500);
    for (kind, column) in [(Kind::Person, 1), (Kind::Auction, 2), (Kind::Bid, 3)] {
        let alone = rows(&model(Some(kind), 1), 0..500);
        let part = all.column(column).as_struct();
        let there: Vec<usize> = (0..500).filter(|&i| part.is_valid(i)).collect();
        assert_eq!(there.len(), alone.num_rows());
        for (name, values) in alone.schema().fields().iter().zip(alone.columns()) {
            let inside = part.column_by_name(name.name()).unwrap();
            for (row, &place) in there.iter().enumerate() {
                assert_eq!(values.slice(row, 1).as_ref(), inside.slice(place, 1).as_ref());
            }
        }
    }
}

#[test]
fn a_projection_gives_the_same_columns() {
    let model = model(Some(Kind::Bid), 1);
    let whole = rows(&model, 0..200);
    let (part, numbers) = model.rows(0..200, &[2, 4]).unwrap();
    assert_eq!(part, whole.project(&[2, 4]).unwrap());
    assert_eq!(numbers.unwrap().value(0), 4);
    assert_eq!(model.rows(0..200, &[]).unwrap().0.num_rows(), whole.num_rows());
}

#[test]
fn bids_are_skewed_and_prices_spread() {
    let bids = rows(&model(Some(Kind::Bid), 1), 100_000..110_000);
    let auctions = bids.column(0).as_primitive::<Int64Type>();
    let mut counts = std::collections::HashMap::new();
    auctions.values().iter().for_each(|a| *counts.entry(a).or_insert(0) += 1);
    let hottest = *counts.values().max().unwrap();
    assert!(hottest * 20 > bids.num_rows(), "{hottest} of {}", bids.num_rows());
    let prices = bids.column(2).as_primitive::<Int64Type>();
    let cheap = prices.values().iter().filter(|&&p| p < 1_000).count();
    assert!(prices.values().iter().all(|&p| (100..100_000_000).contains(&p)));
    assert!((bids.num_rows() / 8..bids.num_rows() / 4).contains(&cheap), "{cheap}");
}
