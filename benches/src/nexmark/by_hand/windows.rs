//! Queries in windows. Events come in the order of their time, so that one window after the other closes.

use super::{
    Give,
    columns::{GIVEN_ROWS, Place, SECOND_US, all_picked, from_ints, from_times, ints, picked, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

const SLIDE_US: i64 = 2 * SECOND_US;
/// How many slides a window has.
const SLIDES: usize = 5;
const SIZE_US: i64 = SLIDE_US * SLIDES as i64;

/// Counts of the last slides, and their sums.
#[derive(Default)]
struct Counts {
    slides: VecDeque<HashMap<i64, i64>>,
    sums: HashMap<i64, i64>,
}

impl Counts {
    /// A slide is over: the auctions with the most bids in the window that ends with it.
    fn close(&mut self, slide: HashMap<i64, i64>) -> (i64, Vec<i64>) {
        for (&auction, count) in &slide {
            *self.sums.entry(auction).or_default() += count;
        }
        self.slides.push_back(slide);
        let most = self.sums.values().copied().max().unwrap_or_default();
        let hot = self.sums.iter().filter(|(_, count)| **count == most).map(|(auction, _)| *auction).collect();
        if self.slides.len() == SLIDES {
            for (auction, count) in self.slides.pop_front().unwrap_or_default() {
                if let Some(sum) = self.sums.get_mut(&auction) {
                    *sum -= count;
                    if *sum == 0 {
                        self.sums.remove(&auction);
                    }
                }
            }
        }
        (most, hot)
    }
}

pub(super) fn hot_items(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut counts = Counts::default();
    let mut slide: HashMap<i64, i64> = HashMap::new();
    let mut current: Option<i64> = None;
    let mut close = |slide: &mut HashMap<i64, i64>, number: i64| {
        let (most, hot) = counts.close(std::mem::take(slide));
        let end = (number + 1) * SLIDE_US;
        let rows = hot.len();
        give.rows(&[from_ints(hot), from_ints(vec![most; rows]), from_times(vec![end - SIZE_US; rows]), from_times(vec![end; rows])]);
    };
    for batch in tables.get("bid")? {
        for (&auction, &at) in ints(batch, "auction")?.iter().zip(times(batch, "date_time")?) {
            let number = at.div_euclid(SLIDE_US);
            let open = *current.get_or_insert(number);
            for over in open..number {
                close(&mut slide, over);
            }
            current = Some(number);
            *slide.entry(auction).or_default() += 1;
        }
    }
    if let Some(last) = current {
        // The windows that begin before the end go on behind it.
        (last..last + SLIDES as i64).for_each(|over| close(&mut slide, over));
    }
    Ok(())
}

pub(super) fn highest_bids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let bids = tables.get("bid")?;
    let (mut window, mut highest, mut places) = (i64::MIN, i64::MIN, Vec::<Place>::new());
    let mut close = |places: &mut Vec<Place>| -> Result<(), BenchError> {
        give.rows(&all_picked(bids, &["auction", "bidder", "price", "date_time", "extra"], places)?);
        places.clear();
        Ok(())
    };
    for (b, batch) in bids.iter().enumerate() {
        let (price, at) = (ints(batch, "price")?, times(batch, "date_time")?);
        for row in 0..price.len() {
            let number = at[row].div_euclid(SIZE_US);
            if number != window {
                close(&mut places)?;
                (window, highest) = (number, i64::MIN);
            }
            if price[row] > highest {
                highest = price[row];
                places.clear();
            }
            if price[row] == highest {
                places.push((b, row));
            }
        }
    }
    close(&mut places)
}

pub(super) fn new_sellers(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut sellers: HashSet<(i64, i64)> = HashSet::new();
    for batch in tables.get("auction")? {
        let windows = times(batch, "date_time")?.iter().map(|us| us.div_euclid(SIZE_US));
        sellers.extend(windows.zip(ints(batch, "seller")?.iter().copied()));
    }
    let people = tables.get("person")?;
    let (mut places, mut starts) = (Vec::new(), Vec::new());
    for (b, batch) in people.iter().enumerate() {
        for (row, (&id, us)) in ints(batch, "id")?.iter().zip(times(batch, "date_time")?).enumerate() {
            let window = us.div_euclid(SIZE_US);
            if sellers.contains(&(window, id)) {
                places.push((b, row));
                starts.push(window * SIZE_US);
            }
        }
    }
    give.rows(&[picked(people, "id", &places)?, picked(people, "name", &places)?, from_times(starts)]);
    Ok(())
}

/// Sessions that are over.
#[derive(Default)]
struct Sessions {
    bidder: Vec<i64>,
    count: Vec<i64>,
    start: Vec<i64>,
    end: Vec<i64>,
}

impl Sessions {
    fn push(&mut self, bidder: i64, (start, last, count): (i64, i64, i64)) {
        self.bidder.push(bidder);
        self.count.push(count);
        self.start.push(start);
        self.end.push(last + SIZE_US);
    }
    fn flush(&mut self, give: &mut Give<'_>) {
        let Sessions { bidder, count, start, end } = std::mem::take(self);
        give.rows(&[from_ints(bidder), from_ints(count), from_times(start), from_times(end)]);
    }
}

pub(super) fn sessions(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut open: HashMap<i64, (i64, i64, i64)> = HashMap::new();
    let mut over = Sessions::default();
    for batch in tables.get("bid")? {
        for (&bidder, &at) in ints(batch, "bidder")?.iter().zip(times(batch, "date_time")?) {
            let session = open.entry(bidder).or_insert((at, at, 0));
            if at - session.1 >= SIZE_US {
                over.push(bidder, std::mem::replace(session, (at, at, 0)));
            }
            session.1 = at;
            session.2 += 1;
        }
        if over.bidder.len() >= GIVEN_ROWS {
            over.flush(give);
        }
    }
    open.into_iter().for_each(|(bidder, session)| over.push(bidder, session));
    over.flush(give);
    Ok(())
}

/// The clock stands still in a measurement: there is one window.
pub(super) fn by_the_clock(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut counts: HashMap<i64, i64> = HashMap::new();
    for batch in tables.get("bid")? {
        for &bidder in ints(batch, "bidder")? {
            *counts.entry(bidder).or_default() += 1;
        }
    }
    let rows = counts.len();
    let (bidder, count) = counts.into_iter().unzip();
    give.rows(&[from_ints(bidder), from_ints(count), from_times(vec![0; rows]), from_times(vec![SIZE_US; rows])]);
    Ok(())
}
