//! Queries that join: one side in a hash map, the other one streamed past it.

use super::{
    Give,
    changes::{Changes, Touched},
    columns::{GIVEN_ROWS, Place, all_picked, from_floats, from_ints, ints, texts, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use arrow::{array::ArrayRef, record_batch::RecordBatch};
use hashbrown::HashMap;

const CATEGORY: i64 = 10;

/// What is known of an auction that runs, and the best price so far.
pub(super) struct Running {
    pub(super) id: i64,
    from: i64,
    pub(super) expires: i64,
    pub(super) place: Place,
    pub(super) best: Option<(i64, Place)>,
}

impl Running {
    /// Whether a bid at that time counts.
    fn takes(&self, at: i64) -> bool {
        (self.from..=self.expires).contains(&at)
    }
}

/// An auction that has a better bid, and what was the best one before.
pub(super) type Better<'a> = (&'a Running, Option<(i64, Place)>);

/// Each auction with its highest bid while it ran, of equal ones the first: epoch by epoch those that have a better one.
pub(super) fn highest(
    tables: &Tables,
    mut each: impl FnMut(&mut dyn Iterator<Item = Better<'_>>) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let (auctions, bids) = (tables.get("auction")?, tables.get("bid")?);
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut running: Vec<Running> = Vec::new();
    let mut touched = Touched::default();
    for [new, offers] in tables.epochs(["auction", "bid"])? {
        for b in new {
            let batch = &auctions[b];
            let (id, from, expires) = (ints(batch, "id")?, times(batch, "date_time")?, times(batch, "expires")?);
            for row in 0..id.len() {
                numbers.insert(id[row], running.len() as u32);
                running.push(Running { id: id[row], from: from[row], expires: expires[row], place: (b, row), best: None });
            }
        }
        for b in offers {
            let batch = &bids[b];
            let (auction, price, at) = (ints(batch, "auction")?, ints(batch, "price")?, times(batch, "date_time")?);
            for row in 0..auction.len() {
                let Some(&number) = numbers.get(&auction[row]) else { continue };
                let found = &mut running[number as usize];
                if found.takes(at[row]) && found.best.is_none_or(|(best, _)| best < price[row]) {
                    touched.touch(number, || found.best);
                    found.best = Some((price[row], (b, row)));
                }
            }
        }
        each(&mut touched.end().into_iter().map(|(number, before)| (&running[number as usize], before)))?;
    }
    Ok(())
}

pub(super) fn average_price(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let auctions = tables.get("auction")?;
    let categories = auctions.iter().map(|b| ints(b, "category")).collect::<Result<Vec<_>, _>>()?;
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut sums: Vec<(i64, i64, i64)> = Vec::new();
    let mut touched = Touched::default();
    highest(tables, |better| {
        for (Running { place: (batch, row), best, .. }, before) in better {
            let category = categories[*batch][*row];
            let number = *numbers.entry(category).or_insert_with(|| {
                sums.push((category, 0, 0));
                sums.len() as u32 - 1
            });
            let (_, sum, count) = &mut sums[number as usize];
            touched.touch(number, || (*count > 0).then_some((category, *sum as f64 / *count as f64)));
            *sum += best.map_or(0, |b| b.0) - before.map_or(0, |b| b.0);
            *count += i64::from(before.is_none());
        }
        let mut changes = Changes::default();
        for (number, before) in touched.end() {
            let (category, sum, count) = sums[number as usize];
            changes.push(before, Some((category, sum as f64 / count as f64)));
        }
        let (rows, diffs) = changes.split();
        let (category, average) = rows.into_iter().unzip();
        give.changes(&[from_ints(category), from_floats(average)], &diffs);
        Ok(())
    })
}

/// Pairs of rows, given in pieces.
struct Pairs<'a> {
    left: (&'a [RecordBatch], &'a [&'a str], Vec<Place>),
    right: (&'a [RecordBatch], &'a [&'a str], Vec<Place>),
}

impl<'a> Pairs<'a> {
    fn new(left: (&'a [RecordBatch], &'a [&'a str]), right: (&'a [RecordBatch], &'a [&'a str])) -> Self {
        Pairs { left: (left.0, left.1, Vec::new()), right: (right.0, right.1, Vec::new()) }
    }
    fn push(&mut self, left: Place, right: Place, give: &mut Give<'_>) -> Result<(), BenchError> {
        self.left.2.push(left);
        self.right.2.push(right);
        if self.left.2.len() == GIVEN_ROWS { self.flush(give) } else { Ok(()) }
    }
    fn flush(&mut self, give: &mut Give<'_>) -> Result<(), BenchError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (batches, names, places) in [&mut self.left, &mut self.right] {
            columns.extend(all_picked(batches, names, places)?);
            places.clear();
        }
        give.rows(&columns);
        Ok(())
    }
}

pub(super) fn local_sellers(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut people: HashMap<i64, Place> = HashMap::new();
    for (b, batch) in tables.get("person")?.iter().enumerate() {
        let state = texts(batch, "state")?;
        for (row, &id) in ints(batch, "id")?.iter().enumerate() {
            if matches!(state.value(row), "OR" | "ID" | "CA") {
                people.insert(id, (b, row));
            }
        }
    }
    let mut pairs = Pairs::new((tables.get("person")?, &["name", "city", "state"]), (tables.get("auction")?, &["id"]));
    for (b, batch) in tables.get("auction")?.iter().enumerate() {
        let category = ints(batch, "category")?;
        for (row, seller) in ints(batch, "seller")?.iter().enumerate() {
            if category[row] == CATEGORY
                && let Some(&person) = people.get(seller)
            {
                pairs.push(person, (b, row), give)?;
            }
        }
    }
    pairs.flush(give)
}

pub(super) fn with_auction(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut auctions: HashMap<i64, Place> = HashMap::new();
    for (b, batch) in tables.get("auction")?.iter().enumerate() {
        let category = ints(batch, "category")?;
        for (row, &id) in ints(batch, "id")?.iter().enumerate() {
            if category[row] == CATEGORY {
                auctions.insert(id, (b, row));
            }
        }
    }
    let bid = ["auction", "bidder", "price", "channel", "url", "date_time", "extra"];
    let auction = ["item_name", "description", "initial_bid", "reserve", "date_time", "expires", "seller", "category", "extra"];
    let mut pairs = Pairs::new((tables.get("bid")?, &bid), (tables.get("auction")?, &auction));
    for (b, batch) in tables.get("bid")?.iter().enumerate() {
        for (row, id) in ints(batch, "auction")?.iter().enumerate() {
            if let Some(&found) = auctions.get(id) {
                pairs.push((b, row), found, give)?;
            }
        }
    }
    pairs.flush(give)
}

pub(super) fn bidders_who_sell(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut people: HashMap<i64, Place> = HashMap::new();
    for (b, batch) in tables.get("person")?.iter().enumerate() {
        people.extend(ints(batch, "id")?.iter().enumerate().map(|(row, &id)| (id, (b, row))));
    }
    let mut sellers: HashMap<i64, Vec<Place>> = HashMap::new();
    for (b, batch) in tables.get("auction")?.iter().enumerate() {
        for (row, &seller) in ints(batch, "seller")?.iter().enumerate() {
            sellers.entry(seller).or_default().push((b, row));
        }
    }
    let bid = ["bidder", "price", "channel", "url", "extra"];
    let person = ["id", "name", "email_address", "credit_card", "city", "state", "extra"];
    let auction = ["item_name", "description", "initial_bid", "reserve", "date_time", "expires", "seller", "category", "extra"];
    let (mut bids, mut bidders, mut auctions) = (Vec::new(), Vec::new(), Vec::new());
    let mut flush = |bids: &mut Vec<Place>, bidders: &mut Vec<Place>, auctions: &mut Vec<Place>| -> Result<(), BenchError> {
        let mut columns = all_picked(tables.get("bid")?, &bid, bids)?;
        columns.extend(all_picked(tables.get("person")?, &person, bidders)?);
        columns.extend(all_picked(tables.get("auction")?, &auction, auctions)?);
        give.rows(&columns);
        bids.clear();
        bidders.clear();
        auctions.clear();
        Ok(())
    };
    for (b, batch) in tables.get("bid")?.iter().enumerate() {
        for (row, bidder) in ints(batch, "bidder")?.iter().enumerate() {
            let (Some(&person), Some(sold)) = (people.get(bidder), sellers.get(bidder)) else { continue };
            for &auction in sold {
                bids.push((b, row));
                bidders.push(person);
                auctions.push(auction);
                if bids.len() == GIVEN_ROWS {
                    flush(&mut bids, &mut bidders, &mut auctions)?;
                }
            }
        }
    }
    flush(&mut bids, &mut bidders, &mut auctions)
}
