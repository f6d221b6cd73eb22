//! Which event is what, and who is hot: numbers only.

use crate::{draw::Draw, options::Run};

/// The stream repeats itself in groups of so many events: the person first, then the auctions, then the bids.
const GROUP: u64 = 50;
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;
const _: () = assert!(PERSONS == 1 && PERSONS + AUCTIONS < GROUP);

const FIRST_PERSON_ID: u64 = 1_000;
const FIRST_AUCTION_ID: u64 = 1_000;
const FIRST_CATEGORY_ID: u64 = 10;
const CATEGORIES: u64 = 5;

/// People that still do something.
const ACTIVE_PEOPLE: u64 = 1_000;
/// Auctions that still run.
const AUCTIONS_IN_FLIGHT: u64 = 100;
/// Ids that are named before their event comes.
const ID_LEAD: u64 = 10;
/// One in so many auctions (and people) is hot.
const HOT_ONE_IN: u64 = 100;
/// All but one of so many bids go to the hot auction; likewise for bidders and sellers.
const HOT_AUCTION_RATIO: u64 = 2;
const HOT_BIDDER_RATIO: u64 = 4;
const HOT_SELLER_RATIO: u64 = 4;

/// A kind of event; its number is the event's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

impl Kind {
    pub(crate) fn of(event: u64) -> Kind {
        match event % GROUP {
            n if n < PERSONS => Kind::Person,
            n if n < PERSONS + AUCTIONS => Kind::Auction,
            _ => Kind::Bid,
        }
    }
}

/// Events of one kind.
pub(crate) struct Events<'a> {
    pub(crate) run: &'a Run,
    pub(crate) numbers: &'a [u64],
}

impl Events<'_> {
    /// Each event with its random numbers.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.numbers.iter().map(|&number| Event { run: self.run, number, draw: Draw::new(self.run.seed, number) })
    }
}

/// One event.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    run: &'a Run,
    pub(crate) number: u64,
    pub(crate) draw: Draw,
}

/// The draws of an event, by what they are for. Texts of several words take the numbers after theirs.
pub(crate) mod field {
    pub(crate) const HOT: u64 = 0;
    pub(crate) const WHO: u64 = 1;
    pub(crate) const HOT_2: u64 = 2;
    pub(crate) const WHICH: u64 = 3;
    pub(crate) const PRICE: u64 = 4;
    pub(crate) const PRICE_2: u64 = 6;
    pub(crate) const CATEGORY: u64 = 8;
    pub(crate) const LENGTH: u64 = 9;
    pub(crate) const EXTRA: u64 = 10;
    pub(crate) const CHANNEL: u64 = 13;
    pub(crate) const TEXT: u64 = 20;
}

/// The last person that has come by that event: each group begins with one.
fn last_person(event: u64) -> u64 {
    event / GROUP
}

/// The last auction that has begun by that event; the first one before any has.
fn last_auction(event: u64) -> u64 {
    let before = event / GROUP * AUCTIONS;
    match event % GROUP {
        offset if offset < PERSONS => before.saturating_sub(1),
        offset => before + (offset - PERSONS).min(AUCTIONS - 1),
    }
}

impl Event<'_> {
    pub(crate) fn time_us(&self) -> i64 {
        self.run.timeline.at_us(self.number)
    }

    /// The person's own id.
    pub(crate) fn person(&self) -> u64 {
        FIRST_PERSON_ID + last_person(self.number)
    }

    /// The auction's own id.
    pub(crate) fn auction(&self) -> u64 {
        FIRST_AUCTION_ID + last_auction(self.number)
    }

    /// Somebody who is active.
    fn somebody(&self) -> u64 {
        let people = last_person(self.number) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + self.draw.below(field::WHO, active + ID_LEAD)
    }

    pub(crate) fn seller(&self) -> u64 {
        let hot = self.draw.below(field::HOT, HOT_SELLER_RATIO) > 0;
        FIRST_PERSON_ID + if hot { last_person(self.number) / HOT_ONE_IN * HOT_ONE_IN } else { self.somebody() }
    }

    pub(crate) fn bidder(&self) -> u64 {
        let hot = self.draw.below(field::HOT, HOT_BIDDER_RATIO) > 0;
        FIRST_PERSON_ID + if hot { last_person(self.number) / HOT_ONE_IN * HOT_ONE_IN + 1 } else { self.somebody() }
    }

    /// The auction that is bid on.
    pub(crate) fn bid_on(&self) -> u64 {
        let last = last_auction(self.number);
        let hot = self.draw.below(field::HOT_2, HOT_AUCTION_RATIO) > 0;
        let least = last.saturating_sub(AUCTIONS_IN_FLIGHT);
        FIRST_AUCTION_ID
            + if hot { last / HOT_ONE_IN * HOT_ONE_IN } else { least + self.draw.below(field::WHICH, last - least + 1 + ID_LEAD) }
    }

    pub(crate) fn category(&self) -> u64 {
        FIRST_CATEGORY_ID + self.draw.below(field::CATEGORY, CATEGORIES)
    }

    /// A price in cents: each of the six decades from 1.00 on is as likely as the others.
    pub(crate) fn price(&self, field: u64) -> u64 {
        let decade = 10u64.pow(self.draw.below(field, 6) as u32);
        100 * decade + self.draw.below(field + 1, 900 * decade)
    }

    /// When the auction ends: most often while about as many others run as should.
    pub(crate) fn expires_us(&self) -> i64 {
        let events = AUCTIONS_IN_FLIGHT * GROUP / AUCTIONS;
        let horizon_us = self.run.timeline.offset_us(self.number.saturating_add(events)) - self.run.timeline.offset_us(self.number);
        self.time_us().saturating_add_unsigned(1_000 + self.draw.below(field::LENGTH, (2 * horizon_us).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_fifty_events_one_is_a_person_and_three_are_auctions() {
        let count = |kind| (0..5_000).filter(|&n| Kind::of(n) == kind).count();
        assert_eq!([Kind::Person, Kind::Auction, Kind::Bid].map(count), [100, 300, 4_600]);
    }

    #[test]
    fn ids_go_up_one_by_one() {
        let ids = |kind, id: fn(u64) -> u64| (0..1_000).filter(|&n| Kind::of(n) == kind).map(id).collect::<Vec<_>>();
        assert_eq!(ids(Kind::Person, last_person), (0..20).collect::<Vec<_>>());
        assert_eq!(ids(Kind::Auction, last_auction), (0..60).collect::<Vec<_>>());
    }
}
