//! Single values as text, to numbers and back: what JSON and CSV have in common. Everything here works on borrowed bytes and allocates nothing.

mod base64;
mod number;
mod time;
mod write;

pub(crate) use base64::{decode_base64, encode_base64};
pub(crate) use number::{Grammar, Number, fits_precision, scan_number};
pub(crate) use time::{Moment, parse_date, parse_moment, parse_time, units_per_second};
pub(crate) use write::{write_date, write_decimal, write_f32, write_f64, write_i64, write_time, write_timestamp, write_u64};

/// A flag as CSV has it.
pub(crate) fn parse_flag(text: &[u8]) -> Option<bool> {
    const TRUE: [&[u8]; 5] = [b"true", b"t", b"yes", b"y", b"1"];
    const FALSE: [&[u8]; 5] = [b"false", b"f", b"no", b"n", b"0"];
    if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Some(true);
    }
    FALSE.iter().any(|word| word.eq_ignore_ascii_case(text)).then_some(false)
}
