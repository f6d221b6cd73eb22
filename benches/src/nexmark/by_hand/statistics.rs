//! Queries that count for each day, channel or auction.

use super::{
    Give,
    columns::{DAY_US, SECOND_US, from_days, from_floats, from_ints, ints, texts, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use arrow::array::{ArrayRef, StringArray};
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

#[derive(Default)]
struct Statistics {
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

pub(super) fn of_days(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut numbers: HashMap<i64, u32> = HashMap::new();
    let mut groups: Vec<Statistics> = Vec::new();
    let (mut bidders, mut auctions) = (Seen::default(), Seen::default());
    for batch in tables.get("bid")? {
        let (auction, bidder, price, at) =
            (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
        for row in 0..price.len() {
            let day = at[row].div_euclid(DAY_US);
            let number = *numbers.entry(day).or_insert_with(|| {
                groups.push(Statistics { day, ..Statistics::default() });
                groups.len() as u32 - 1
            });
            let (group, rank) = (&mut groups[number as usize], rank(price[row]));
            count(&mut group.bids, rank);
            bidders.count(&mut group.bidders, number, bidder[row], rank);
            auctions.count(&mut group.auctions, number, auction[row], rank);
        }
    }
    let mut columns = vec![from_days(groups.iter().map(|g| g.day).collect())];
    columns.extend(ranked(&groups));
    give(&columns);
    Ok(())
}

pub(super) fn of_channels(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut names: HashMap<&str, u32> = HashMap::new();
    let mut numbers: HashMap<(u32, i64), u32> = HashMap::new();
    let mut groups: Vec<Statistics> = Vec::new();
    let mut channels: Vec<&str> = Vec::new();
    let (mut bidders, mut auctions) = (Seen::default(), Seen::default());
    for batch in tables.get("bid")? {
        let (auction, bidder, price, at) =
            (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
        let channel = texts(batch, "channel")?;
        for row in 0..price.len() {
            let (name, day) = (channel.value(row), at[row].div_euclid(DAY_US));
            let next = names.len() as u32;
            let channel = *names.entry(name).or_insert(next);
            let number = *numbers.entry((channel, day)).or_insert_with(|| {
                groups.push(Statistics { day, ..Statistics::default() });
                channels.push(name);
                groups.len() as u32 - 1
            });
            let (group, rank) = (&mut groups[number as usize], rank(price[row]));
            group.latest = group.latest.max(at[row]);
            count(&mut group.bids, rank);
            bidders.count(&mut group.bidders, number, bidder[row], rank);
            auctions.count(&mut group.auctions, number, auction[row], rank);
        }
    }
    let minute = |g: &Statistics| {
        let minute = g.latest.rem_euclid(DAY_US) / MINUTE_US;
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(channels)),
        from_days(groups.iter().map(|g| g.day).collect()),
        Arc::new(groups.iter().map(|g| Some(minute(g))).collect::<StringArray>()),
    ];
    columns.extend(ranked(&groups));
    give(&columns);
    Ok(())
}

pub(super) fn of_auctions(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    struct Prices {
        bids: Ranked,
        least: i64,
        most: i64,
        sum: i64,
    }
    let mut groups: HashMap<(i64, i64), Prices> = HashMap::new();
    for batch in tables.get("bid")? {
        let (auction, price, at) = (ints(batch, "auction")?, ints(batch, "price")?, times(batch, "date_time")?);
        for row in 0..price.len() {
            let new = || Prices { bids: Ranked::default(), least: i64::MAX, most: i64::MIN, sum: 0 };
            let group = groups.entry((auction[row], at[row].div_euclid(DAY_US))).or_insert_with(new);
            count(&mut group.bids, rank(price[row]));
            group.least = group.least.min(price[row]);
            group.most = group.most.max(price[row]);
            group.sum += price[row];
        }
    }
    let (keys, groups): (Vec<(i64, i64)>, Vec<Prices>) = groups.into_iter().unzip();
    let (auction, day): (Vec<i64>, Vec<i64>) = keys.into_iter().unzip();
    let mut columns = vec![from_ints(auction), from_days(day)];
    columns.extend((0..4).map(|at| from_ints(groups.iter().map(|g| g.bids[at]).collect())));
    columns.push(from_ints(groups.iter().map(|g| g.least).collect()));
    columns.push(from_ints(groups.iter().map(|g| g.most).collect()));
    columns.push(from_floats(groups.iter().map(|g| g.sum as f64 / g.bids[0] as f64).collect()));
    columns.push(from_ints(groups.iter().map(|g| g.sum).collect()));
    give(&columns);
    Ok(())
}
