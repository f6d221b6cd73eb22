//! Queries that look at one row at a time.

use super::{
    Give,
    columns::{DAY_US, SECOND_US, from_days, from_ints, from_times, ints, texts, times},
};
use crate::{nexmark::events::Tables, run::BenchError};
use arrow::{
    array::{Array, ArrayRef, Decimal128Array, StringArray, StringBuilder},
    record_batch::RecordBatch,
};
use hashbrown::HashMap;
use std::{fmt::Write, sync::Arc};

const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
/// A dollar in thousandths of a euro.
const EUROS: i128 = 908;
const EUROS_SCALE: i8 = 3;
const EUROS_PRECISION: u8 = 23;

fn copied(column: &StringArray) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(column.len(), column.value_data().len());
    (0..column.len()).for_each(|row| builder.append_value(column.value(row)));
    Arc::new(builder.finish())
}

fn decimals(values: Vec<i128>) -> Result<ArrayRef, BenchError> {
    let array = Decimal128Array::from(values).with_precision_and_scale(EUROS_PRECISION, EUROS_SCALE);
    Ok(Arc::new(array.map_err(super::columns::broken)?))
}

fn copied_bid(batch: &RecordBatch) -> Result<Vec<ArrayRef>, BenchError> {
    Ok(vec![
        from_ints(ints(batch, "auction")?.to_vec()),
        from_ints(ints(batch, "bidder")?.to_vec()),
        from_ints(ints(batch, "price")?.to_vec()),
        from_times(times(batch, "date_time")?.to_vec()),
        copied(texts(batch, "extra")?),
    ])
}

pub(super) fn pass_through(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    for batch in tables.get("bid")? {
        give.rows(&copied_bid(batch)?);
    }
    Ok(())
}

pub(super) fn euros(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    for batch in tables.get("bid")? {
        let mut columns = copied_bid(batch)?;
        columns[2] = decimals(ints(batch, "price")?.iter().map(|&p| i128::from(p) * EUROS).collect())?;
        give.rows(&columns);
    }
    Ok(())
}

pub(super) fn selection(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    for batch in tables.get("bid")? {
        let (mut auctions, mut prices) = (Vec::new(), Vec::new());
        for (&auction, &price) in ints(batch, "auction")?.iter().zip(ints(batch, "price")?) {
            if auction % 123 == 0 {
                auctions.push(auction);
                prices.push(price);
            }
        }
        give.rows(&[from_ints(auctions), from_ints(prices)]);
    }
    Ok(())
}

pub(super) fn with_minutes(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    for batch in tables.get("bid")? {
        let mut columns = copied_bid(batch)?;
        let at = times(batch, "date_time")?;
        let mut minutes = StringBuilder::with_capacity(at.len(), at.len() * 5);
        for us in at {
            let minute = us.rem_euclid(DAY_US) / MINUTE_US;
            // Writing into a growing buffer cannot fail.
            let _ = write!(minutes, "{:02}:{:02}", minute / 60, minute % 60);
            minutes.append_value("");
        }
        columns.push(from_days(at.iter().map(|us| us.div_euclid(DAY_US)).collect()));
        columns.push(Arc::new(minutes.finish()));
        give.rows(&columns);
    }
    Ok(())
}

pub(super) fn side_input(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    let mut side: HashMap<i64, &str> = HashMap::new();
    for batch in tables.get("side_input")? {
        side.extend(ints(batch, "key")?.iter().copied().zip(texts(batch, "value")?.iter().flatten()));
    }
    for batch in tables.get("bid")? {
        let (auction, bidder, price, at) =
            (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
        let mut out = [(); 4].map(|()| Vec::with_capacity(auction.len()));
        let mut values = StringBuilder::new();
        for row in 0..auction.len() {
            if let Some(value) = side.get(&(auction[row] % 10_000)) {
                out.iter_mut().zip([auction[row], bidder[row], price[row], at[row]]).for_each(|(column, value)| column.push(value));
                values.append_value(value);
            }
        }
        let [auction, bidder, price, at] = out;
        give.rows(&[from_ints(auction), from_ints(bidder), from_ints(price), from_times(at), Arc::new(values.finish())]);
    }
    Ok(())
}

pub(super) fn expensive(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    const LEAST: i128 = 1_000_000_000;
    const MOST: i128 = 50_000_000_000;
    for batch in tables.get("bid")? {
        let (auction, bidder, price, at) =
            (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?, times(batch, "date_time")?);
        let extra = texts(batch, "extra")?;
        let (mut auctions, mut bidders, mut prices, mut when) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut kinds, mut extras, mut counts) = (StringBuilder::new(), StringBuilder::new(), Vec::new());
        for row in 0..auction.len() {
            let euros = i128::from(price[row]) * EUROS;
            if euros <= LEAST || euros >= MOST {
                continue;
            }
            auctions.push(auction[row]);
            bidders.push(bidder[row]);
            prices.push(euros);
            kinds.append_value(match at[row].rem_euclid(DAY_US) / HOUR_US {
                8..=18 => "dayTime",
                ..=6 | 20.. => "nightTime",
                _ => "otherTime",
            });
            when.push(at[row]);
            extras.append_value(extra.value(row));
            counts.push(extra.value(row).bytes().filter(|b| *b == b'c').count() as i64);
        }
        give.rows(&[
            from_ints(auctions),
            from_ints(bidders),
            decimals(prices)?,
            Arc::new(kinds.finish()),
            from_times(when),
            Arc::new(extras.finish()),
            from_ints(counts),
        ]);
    }
    Ok(())
}

pub(super) fn channel_ids(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    const KNOWN: [&str; 4] = ["apple", "google", "facebook", "baidu"];
    const NUMBERS: [&str; 4] = ["0", "1", "2", "3"];
    for batch in tables.get("bid")? {
        let (auction, bidder, price) = (ints(batch, "auction")?, ints(batch, "bidder")?, ints(batch, "price")?);
        let (channel, url) = (texts(batch, "channel")?, texts(batch, "url")?);
        let mut out = [(); 3].map(|()| Vec::with_capacity(auction.len()));
        let (mut channels, mut ids) = (StringBuilder::new(), StringBuilder::new());
        for row in 0..auction.len() {
            let name = channel.value(row);
            let known = KNOWN.iter().position(|known| known.eq_ignore_ascii_case(name));
            let id = match known {
                Some(at) => Some(NUMBERS[at]),
                None => url.value(row).split('&').find_map(|part| part.strip_prefix("channel_id=")),
            };
            if let Some(id) = id {
                out.iter_mut().zip([auction[row], bidder[row], price[row]]).for_each(|(column, value)| column.push(value));
                channels.append_value(name);
                ids.append_value(id);
            }
        }
        let [auction, bidder, price] = out.map(from_ints);
        give.rows(&[auction, bidder, price, Arc::new(channels.finish()), Arc::new(ids.finish())]);
    }
    Ok(())
}

pub(super) fn folders(tables: &Tables, give: &mut Give<'_>) -> Result<(), BenchError> {
    for batch in tables.get("bid")? {
        let url = texts(batch, "url")?;
        let mut folders = [(); 3].map(|()| StringBuilder::with_capacity(url.len(), url.len() * 5));
        for row in 0..url.len() {
            let mut parts = url.value(row).split('/').skip(3);
            folders.iter_mut().for_each(|folder| folder.append_value(parts.next().unwrap_or_default()));
        }
        let numbers = ["auction", "bidder", "price"].map(|name| ints(batch, name).map(|c| from_ints(c.to_vec())));
        let mut columns = numbers.into_iter().collect::<Result<Vec<_>, _>>()?;
        columns.push(copied(texts(batch, "channel")?));
        columns.extend(folders.into_iter().map(|mut folder| Arc::new(folder.finish()) as ArrayRef));
        give.rows(&columns);
    }
    Ok(())
}
