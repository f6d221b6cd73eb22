//! Words of our own making: names, places, goods, channels.

use super::model::{
    Event,
    field::{CHANNEL, TEXT},
};
use std::fmt::{Result, Write};

const FIRST_NAMES: &[&str] =
    &["Ada", "Ben", "Cleo", "Dario", "Edda", "Finn", "Gwen", "Hugo", "Ines", "Jonas", "Kira", "Luis", "Mona", "Nils", "Olga", "Pavel"];
const LAST_NAMES: &[&str] = &["Arden", "Brook", "Castell", "Dorn", "Elm", "Falk", "Grove", "Hale", "Iversen", "Jansen", "Kern", "Lund"];
/// Each state with its cities: a city lies in one state.
const PLACES: &[(&str, &[&str])] = &[
    ("AZ", &["Phoenix", "Tucson"]),
    ("CA", &["Fresno", "Oakland", "San Diego"]),
    ("ID", &["Boise", "Nampa"]),
    ("OR", &["Bend", "Portland", "Salem"]),
    ("WA", &["Seattle", "Spokane", "Yakima"]),
    ("WY", &["Casper", "Cheyenne"]),
];
const THINGS: &[&str] = &["bicycle", "camera", "clock", "desk", "guitar", "kettle", "lamp", "map", "radio", "sledge", "teapot", "violin"];
const QUALITIES: &[&str] =
    &["small", "sturdy", "rare", "blue", "old", "restored", "unused", "signed", "heavy", "quiet", "bright", "folding"];
const HOT_CHANNELS: &[&str] = &["apple", "baidu", "facebook", "google"];
const CHANNELS: u64 = 10_000;

/// How many letters there are to cut texts from.
const LETTERS: usize = 8 << 10;
/// The longest text of letters.
const MAX_LETTERS: usize = 1 << 10;

const fn letters_pool() -> [u8; LETTERS] {
    let mut pool = [0; LETTERS];
    let mut state: u32 = 0x2545_F491;
    let mut i = 0;
    while i < LETTERS {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        pool[i] = b'a' + (state % 26) as u8;
        i += 1;
    }
    pool
}

static POOL: [u8; LETTERS] = letters_pool();

/// So many letters, from a place that the bits give.
pub(crate) fn letters(bits: u64, length: usize) -> &'static str {
    let from = bits as usize % (LETTERS - MAX_LETTERS);
    std::str::from_utf8(&POOL[from..from + length.min(MAX_LETTERS)]).unwrap_or_default()
}

fn names(event: &Event<'_>) -> (&'static str, &'static str) {
    (event.draw.one_of(TEXT, FIRST_NAMES), event.draw.one_of(TEXT + 1, LAST_NAMES))
}

pub(crate) fn name(event: &Event<'_>, out: &mut impl Write) -> Result {
    let (first, last) = names(event);
    write!(out, "{first} {last}")
}

pub(crate) fn email(event: &Event<'_>, out: &mut impl Write) -> Result {
    let (first, last) = names(event);
    for c in first.chars().chain(['.']).chain(last.chars()) {
        out.write_char(c.to_ascii_lowercase())?;
    }
    out.write_str("@")?;
    out.write_str(letters(event.draw.bits(TEXT + 2), 5))?;
    out.write_str(".example")
}

pub(crate) fn credit_card(event: &Event<'_>, out: &mut impl Write) -> Result {
    let digits = event.draw.below(TEXT + 3, 10_000_000_000_000_000);
    let group = |n: u64| digits / 10u64.pow(4 * n as u32) % 10_000;
    write!(out, "{:04} {:04} {:04} {:04}", group(3), group(2), group(1), group(0))
}

fn place(event: &Event<'_>) -> &'static (&'static str, &'static [&'static str]) {
    &PLACES[event.draw.below(TEXT + 4, PLACES.len() as u64) as usize]
}

pub(crate) fn city(event: &Event<'_>, out: &mut impl Write) -> Result {
    out.write_str(event.draw.one_of(TEXT + 5, place(event).1))
}

pub(crate) fn state(event: &Event<'_>, out: &mut impl Write) -> Result {
    out.write_str(place(event).0)
}

pub(crate) fn item(event: &Event<'_>, out: &mut impl Write) -> Result {
    out.write_str(event.draw.one_of(TEXT, QUALITIES))?;
    out.write_str(" ")?;
    out.write_str(event.draw.one_of(TEXT + 1, THINGS))
}

pub(crate) fn description(event: &Event<'_>, out: &mut impl Write) -> Result {
    out.write_str("A ")?;
    item(event, out)?;
    for sentence in 0..2 {
        let words = TEXT + 2 + 2 * sentence;
        write!(out, ", {} as a {}", event.draw.one_of(words, QUALITIES), event.draw.one_of(words + 1, THINGS))?;
    }
    Ok(())
}

/// A hot channel, or the number of another one.
fn channel_of(event: &Event<'_>) -> std::result::Result<&'static str, u64> {
    match event.draw.below(CHANNEL, 2) {
        0 => Err(event.draw.below(CHANNEL + 1, CHANNELS)),
        _ => Ok(event.draw.one_of(CHANNEL + 1, HOT_CHANNELS)),
    }
}

pub(crate) fn channel(event: &Event<'_>, out: &mut impl Write) -> Result {
    match channel_of(event) {
        Ok(name) => out.write_str(name),
        Err(number) => write!(out, "channel-{number}"),
    }
}

pub(crate) fn url(event: &Event<'_>, out: &mut impl Write) -> Result {
    let folder = |n: u64| letters(event.draw.bits(TEXT + n), 5);
    write!(out, "https://auction.example/{}/{}/{}/item.htm?query=1", folder(0), folder(1), folder(2))?;
    match channel_of(event) {
        Ok(_) => Ok(()),
        Err(number) => write!(out, "&channel_id={number}"),
    }
}
