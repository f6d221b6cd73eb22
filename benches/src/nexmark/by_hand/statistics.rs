//! Queries that count for each day, channel or auction.

use super::{
    Give,
    changes::{Changes, Touched},
    columns::{DAY_US, SECOND_US, from_days, from_floats, from_ints, ints, texts, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use hashbrown::HashMap;
use std::sync::Arc;

const MINUTE_US: i64 = 60 * SECOND_US;

/// Cheap, middling or dear.
fn rank(price: i64) -> usize {
    usize::from(price >= 10_000) + usize::from(price >= 1_000_000)
}

/// All of them, then those of each rank.
type Ranked = [i64; 4];

fn count(counts: &mut Ranked, rank: usize) {
    counts[0] += 1;
    counts[rank + 1] += 1;
}

/// Which ranks an id has been seen in, for each group.
#[derive(Default)]
struct Seen(HashMap<(u32, i64), u8>);

impl Seen {
    fn count(&mut self, counts: &mut Ranked, group: u32, id: i64, rank: usize) {
        let seen = self.0.entry((group, id)).or_default();
        counts[0] += i64::from(*seen == 0);
        counts[rank + 1] += i64::from(*seen >> rank & 1 == 0);
        *seen |= 1 << rank;
    }
}

#[derive(Clone, Copy, PartialEq, Default)]
struct Statistics {
    channel: u32,
    day: i64,
    latest: i64,
    bids: Ranked,
    bidders: Ranked,
    auctions: Ranked,
}

fn columns_of(groups: &[Statistics], of: impl Fn(&Statistics) -> Ranked) -> impl Iterator<Item = ArrayRef> {
    (0..4).map(move |at| from_ints(groups.iter().map(|g| of(g)[at]).collect()))
}

fn ranked(groups: &[Statistics]) -> Vec<ArrayRef> {
    columns_of(groups, |g| g.bids).chain(columns_of(groups, |g| g.bidders)).chain(columns_of(groups, |g| g.auctions)).collect()
}

/// Groups by day, or by channel and day, that change from epoch to epoch.
#[derive(Default)]
struct Groups {
    numbers: HashMap<(u32, i64), u32>,
    groups: Vec<Statistics>,
    bidders: Seen,
    auctions: Seen,
    touched: Touched<Statistics>,
}

impl Groups {
    fn add(&mut self, channel: u32, at: i64, [auction, bidder, price]: [i64; 3]) {
        let day = at.div_euclid(DAY_US);
        let Groups { numbers, groups, bidders, auctions, touched } = self;
        let number = *numbers.entry((channel, day)).or_insert_with(|| {
            groups.push(Statistics { channel, day, ..Statistics::default() });
            groups.len() as u32 - 1
        });
        let (group, rank) = (&mut groups[number as usize], rank(price));
        touched.touch(number, || (group.bids[0] > 0).then_some(*group));
        group.latest = group.latest.max(at);
        count(&mut group.bids, rank);
        bidders.count(&mut group.bidders, number, bidder, rank);
        auctions.count(&mut group.auctions, number, auction, rank);
    }

    fn end_epoch(&mut self) -> (Vec<Statistics>, Int64Array) {
        let mut changes = Changes::default();
        for (number, before) in self.touched.end() {
            changes.push(before, Some(self.groups[number as usize]));
        }
        changes.split()
    }
}

pub(super) fn of_days(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut groups = Groups::default();
    for [epoch] in tables.epochs(["bid"])? {
        for batch in &bids[epoch] {
            let (auction, bidder, price, at) =
                (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
            for row in 0..price.len() {
                groups.add(0, at[row], [auction[row], bidder[row], price[row]]);
            }
        }
        let (changed, diffs) = groups.end_epoch();
        let mut columns = vec![from_days(changed.iter().map(|g| g.day).collect())];
        columns.extend(ranked(&changed));
        give.changes(&columns, &diffs);
    }
    Ok(())
}

pub(super) fn of_channels(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut channels: HashMap<&str, u32> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut groups = Groups::default();
    let minute = |g: &Statistics| {
        let minute = g.latest.rem_euclid(DAY_US) / MINUTE_US;
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    for [epoch] in tables.epochs(["bid"])? {
        for batch in &bids[epoch] {
            let (auction, bidder, price, at) =
                (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
            let channel = texts(batch, "channel")?;
            for row in 0..price.len() {
                let name = channel.value(row);
                let channel = *channels.entry(name).or_insert_with(|| {
                    names.push(name);
                    names.len() as u32 - 1
                });
                groups.add(channel, at[row], [auction[row], bidder[row], price[row]]);
            }
        }
        let (changed, diffs) = groups.end_epoch();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(changed.iter().map(|g| Some(names[g.channel as usize])).collect::<StringArray>()),
            from_days(changed.iter().map(|g| g.day).collect()),
            Arc::new(changed.iter().map(|g| Some(minute(g))).collect::<StringArray>()),
        ];
        columns.extend(ranked(&changed));
        give.changes(&columns, &diffs);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
struct Prices {
    auction: i64,
    day: i64,
    bids: Ranked,
    least: i64,
    most: i64,
    sum: i64,
}

pub(super) fn of_auctions(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let mut numbers: HashMap<(i64, i64), u32> = HashMap::new();
    let mut groups: Vec<Prices> = Vec::new();
    let mut touched = Touched::default();
    for [epoch] in tables.epochs(["bid"])? {
        for batch in &bids[epoch] {
            let (auction, price, at) = (ints(batch, "auction")?, ints(batch, "price")?, times(batch, "date_time")?);
            for row in 0..price.len() {
                let (auction, day, price) = (auction[row], at[row].div_euclid(DAY_US), price[row]);
                let number = *numbers.entry((auction, day)).or_insert_with(|| {
                    groups.push(Prices { auction, day, bids: Ranked::default(), least: i64::MAX, most: i64::MIN, sum: 0 });
                    groups.len() as u32 - 1
                });
                let group = &mut groups[number as usize];
                touched.touch(number, || (group.bids[0] > 0).then_some(*group));
                count(&mut group.bids, rank(price));
                group.least = group.least.min(price);
                group.most = group.most.max(price);
                group.sum += price;
            }
        }
        let mut changes = Changes::default();
        for (number, before) in touched.end() {
            changes.push(before, Some(groups[number as usize]));
        }
        let (changed, diffs) = changes.split();
        let mut columns = vec![from_ints(changed.iter().map(|g| g.auction).collect()), from_days(changed.iter().map(|g| g.day).collect())];
        columns.extend((0..4).map(|at| from_ints(changed.iter().map(|g| g.bids[at]).collect())));
        columns.push(from_ints(changed.iter().map(|g| g.least).collect()));
        columns.push(from_ints(changed.iter().map(|g| g.most).collect()));
        columns.push(from_floats(changed.iter().map(|g| g.sum as f64 / g.bids[0] as f64).collect()));
        columns.push(from_ints(changed.iter().map(|g| g.sum).collect()));
        give.changes(&columns, &diffs);
    }
    Ok(())
}
