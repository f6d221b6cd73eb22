//! The queries by hand: one thread, one loop over the batches, the hash maps it needs.
//!
//! The loops know the types of their columns, that no value is missing, and that events come in the order of their time: a row that is joined is there before
//! those that it meets, so one side is held, where the engine holds both. Of a result that changes they give what each epoch took back and gave, as the engine does.

mod changes;
mod columns;
mod joins;
mod order;
mod patterns;
mod rows;
mod statistics;
mod windows;

use super::events::Tables;
use crate::run::BenchError;
use arrow::array::{ArrayRef, Int64Array};

/// Takes results.
pub struct Give<'a>(pub &'a mut dyn FnMut(&[ArrayRef], Option<&Int64Array>));

impl Give<'_> {
    /// Takes the columns of some rows.
    pub fn rows(&mut self, columns: &[ArrayRef]) {
        (self.0)(columns, None);
    }
    /// Takes rows with their multiplicities.
    pub fn changes(&mut self, columns: &[ArrayRef], diffs: &Int64Array) {
        (self.0)(columns, Some(diffs));
    }
}

/// A loop.
pub type ByHand = fn(&Tables, &mut Give<'_>) -> Result<(), BenchError>;

/// The loop of a query.
pub fn of(query: &str) -> Option<ByHand> {
    Some(match query {
        "q0" => rows::pass_through,
        "q1" => rows::euros,
        "q2" => rows::selection,
        "q3" => joins::local_sellers,
        "q4" => joins::average_price,
        "q5" => windows::hot_items,
        "q6" => order::last_sales,
        "q7" => windows::highest_bids,
        "q8" => windows::new_sellers,
        "q9" => order::winning_bids,
        "q10" => rows::with_minutes,
        "q11" => windows::sessions,
        "q12" => windows::by_the_clock,
        "q13" => rows::side_input,
        "q14" => rows::expensive,
        "q15" => statistics::of_days,
        "q16" => statistics::of_channels,
        "q17" => statistics::of_auctions,
        "q18" => order::last_bids,
        "q19" => order::top_ten,
        "q20" => joins::with_auction,
        "q21" => rows::channel_ids,
        "q22" => rows::folders,
        "q23" => joins::bidders_who_sell,
        "pattern-0" => patterns::falling_prices,
        "pattern-1" => patterns::cheap_periods,
        "pattern-2" => patterns::overlapping_cheap_periods,
        "pattern-3" => patterns::sudden_drops,
        _ => return None,
    })
}
