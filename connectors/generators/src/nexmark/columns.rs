//! Columns of events, written straight into Arrow buffers.

use super::{
    model::{Event, Events, Kind, field},
    words,
};
use arrow::array::{ArrayRef, Int64Array, StringBuilder, TimestampMicrosecondArray};
use std::{fmt::Write, sync::Arc};

/// How long an event's texts are together, on the average, in bytes: what `extra` fills up to.
const PERSON_BYTES: usize = 200;
const AUCTION_BYTES: usize = 500;
const BID_BYTES: usize = 100;

/// A column by its place in the kind's schema.
pub(crate) fn column(kind: Kind, column: usize, events: &Events<'_>) -> ArrayRef {
    match (kind, column) {
        (Kind::Person, 0) => numbers(events, |e| e.person()),
        (Kind::Person, 1) => texts(events, 16, words::name),
        (Kind::Person, 2) => texts(events, 20, words::email),
        (Kind::Person, 3) => texts(events, 19, words::credit_card),
        (Kind::Person, 4) => texts(events, 12, words::city),
        (Kind::Person, 5) => texts(events, 2, words::state),
        (Kind::Person, 6) => times(events, |e| e.time_us()),
        (Kind::Person, _) => extra(events, PERSON_BYTES, 8 + 16 + 20 + 19 + 12 + 2 + 8),
        (Kind::Auction, 0) => numbers(events, |e| e.auction()),
        (Kind::Auction, 1) => texts(events, 20, words::item),
        (Kind::Auction, 2) => texts(events, 60, words::description),
        (Kind::Auction, 3) => numbers(events, |e| e.price(field::PRICE)),
        (Kind::Auction, 4) => numbers(events, |e| e.price(field::PRICE) + e.price(field::PRICE_2)),
        (Kind::Auction, 5) => times(events, |e| e.time_us()),
        (Kind::Auction, 6) => times(events, |e| e.expires_us()),
        (Kind::Auction, 7) => numbers(events, |e| e.seller()),
        (Kind::Auction, 8) => numbers(events, |e| e.category()),
        (Kind::Auction, _) => extra(events, AUCTION_BYTES, 7 * 8 + 20 + 60),
        (Kind::Bid, 0) => numbers(events, |e| e.bid_on()),
        (Kind::Bid, 1) => numbers(events, |e| e.bidder()),
        (Kind::Bid, 2) => numbers(events, |e| e.price(field::PRICE)),
        (Kind::Bid, 3) => texts(events, 10, words::channel),
        (Kind::Bid, 4) => texts(events, 50, words::url),
        (Kind::Bid, 5) => times(events, |e| e.time_us()),
        (Kind::Bid, _) => extra(events, BID_BYTES, 4 * 8 + 10 + 50),
    }
}

fn numbers(events: &Events<'_>, value: impl Fn(&Event<'_>) -> u64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(events.iter().map(|e| value(&e) as i64)))
}

fn times(events: &Events<'_>, value: impl Fn(&Event<'_>) -> i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(events.iter().map(|e| value(&e))))
}

fn texts(events: &Events<'_>, expected_bytes: usize, write: impl Fn(&Event<'_>, &mut StringBuilder) -> std::fmt::Result) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(events.numbers.len(), events.numbers.len() * expected_bytes);
    for event in events.iter() {
        // Writing into a growing buffer cannot fail.
        let _ = write(&event, &mut builder);
        builder.append_value("");
    }
    Arc::new(builder.finish())
}

/// Padding, so that an event has about so many bytes: a fifth more or less.
fn extra(events: &Events<'_>, wanted: usize, have: usize) -> ArrayRef {
    let missing = wanted.saturating_sub(have);
    texts(events, missing, |event, out| {
        let spread = (missing / 5) as u64;
        let length = missing as u64 - spread + event.draw.below(field::EXTRA, 2 * spread + 1);
        out.write_str(words::letters(event.draw.bits(field::EXTRA + 1), length as usize))
    })
}
