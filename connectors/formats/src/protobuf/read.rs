//! Messages into columns, by a plan.
//!
//! A message is gone through once, and what is wanted of it is remembered where it lies: the last value of a field that has one, all of one that has several.
//! Then each column takes its own. Pieces of one message that came apart are read as one, as Protobuf has it.

use super::{
    plan::{MessagePlan, Shape, Slot, ValuePlan},
    wire::{Broken, Piece, Reader, Wire, unzigzag},
};
use crate::{
    cell::{Moment, fits_precision, write_i64},
    column::{BytesKind, Cell, Column, Member, Rows, type_name},
    failure::{Failure, Misfit},
    json::time_in_range,
};

/// Why a message is none of the rows that are wanted.
#[derive(Debug)]
pub(crate) enum Bad {
    /// The bytes are no message: where (from the first byte on), and what should stand there.
    Bytes { at: usize, expected: String },
    /// A value is not of its column's type.
    Misfit(Box<Misfit>),
}

/// A number as Protobuf has it.
#[derive(Clone, Copy)]
enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl From<Broken> for Bad {
    fn from(broken: Broken) -> Self {
        Bad::Bytes { at: broken.at, expected: broken.expected.into() }
    }
}

impl From<Failure> for Bad {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Syntax { at, expected } => Bad::Bytes { at, expected: expected.into() },
            Failure::Misfit(misfit) => Bad::Misfit(misfit),
        }
    }
}

impl Bad {
    /// The same, seen from the column around it.
    #[cold]
    fn inside(mut self, outer: &str, separator: &str) -> Self {
        if let Bad::Misfit(misfit) = &mut self {
            misfit.path = format!("{outer}{separator}{}", misfit.path);
        }
        self
    }

    /// The same for an item of a list, which is `[]`, whatever Arrow calls it.
    #[cold]
    fn of_item(mut self, name: &str) -> Self {
        if let Bad::Misfit(misfit) = &mut self {
            misfit.path = format!("[]{}", misfit.path.get(name.len()..).unwrap_or_default());
        }
        self
    }
}

impl MessagePlan {
    /// Adds the row of a message, which is all of `bytes` from `from` on. What a failure leaves half built, the caller cuts back.
    pub(crate) fn read(&mut self, bytes: &[u8], from: usize, rows: &mut Rows) -> Result<(), Bad> {
        self.reset();
        self.scan(bytes, from, bytes.len())?;
        self.push(bytes, rows)
    }

    fn reset(&mut self) {
        for slot in &mut self.slots {
            slot.last = None;
            slot.pieces.clear();
        }
    }

    /// Remembers what a piece of a message has.
    fn scan(&mut self, bytes: &[u8], from: usize, to: usize) -> Result<(), Bad> {
        let mut reader = Reader::new(bytes, from, to);
        while !reader.is_done() {
            let start = reader.at;
            let (number, wire) = reader.key()?;
            let piece = reader.value(number, wire)?;
            let Some(entry) = self.entry(number) else { continue };
            if let Some(oneof) = entry.oneof {
                for &other in &self.oneofs[oneof] {
                    if entry.slot != Some(other) {
                        self.slots[other].last = None;
                        self.slots[other].pieces.clear();
                    }
                }
            }
            let Some(slot) = entry.slot.map(|slot| &mut self.slots[slot]) else { continue };
            match slot.shape {
                Shape::Many { packable: true } if wire == Wire::Bytes => {
                    let mut packed = Reader::new(bytes, piece.from, piece.to);
                    while !packed.is_done() {
                        slot.pieces.push(packed.packed(slot.wire)?);
                    }
                }
                _ if wire != slot.wire => {
                    let expected = format!("{} for the field `{}`", form(slot.wire), slot.name);
                    return Err(Bad::Bytes { at: start, expected });
                }
                Shape::Many { .. } => slot.pieces.push(piece),
                Shape::One => {
                    if slot.value.is_message() {
                        slot.pieces.push(piece);
                    }
                    slot.last = Some(piece);
                }
            }
        }
        Ok(())
    }

    /// Gives each column its own of what was remembered.
    fn push(&mut self, bytes: &[u8], rows: &mut Rows) -> Result<(), Bad> {
        for (member, slot) in rows.members.iter_mut().zip(&self.columns) {
            match slot {
                Some(slot) => self.slots[*slot].push(bytes, member)?,
                None => member.column.push_null(),
            }
        }
        Ok(())
    }
}

fn form(wire: Wire) -> &'static str {
    match wire {
        Wire::Varint => "a number of variable length",
        Wire::Eight => "eight bytes",
        Wire::Four => "four bytes",
        Wire::Bytes => "a length and bytes",
        Wire::Group => "a group",
    }
}

impl Slot {
    fn push(&mut self, bytes: &[u8], member: &mut Member) -> Result<(), Bad> {
        let Slot { value, shape, default, last, pieces, .. } = self;
        if let Shape::Many { .. } = shape {
            let Member { column, field, .. } = member;
            let Column::List { ends, item, .. } = column else { return Err(Failure::nothing(field.name()).into()) };
            for piece in pieces.iter() {
                if let Err(bad) = value.push(piece.raw, bytes, std::slice::from_ref(piece), item) {
                    let bad = bad.of_item(item.field.name());
                    return Err(bad.inside(field.name(), ""));
                }
            }
            ends.push(item.column.len() as i32);
            return Ok(());
        }
        match (last, default) {
            (Some(piece), _) if value.is_message() => value.push(piece.raw, bytes, pieces, member),
            (Some(piece), _) => value.push(piece.raw, bytes, std::slice::from_ref(piece), member),
            (None, Some(default)) => {
                let whole = Piece { raw: default.raw, from: 0, to: default.bytes.len() };
                value.push(default.raw, &default.bytes, &[whole], member)
            }
            (None, None) if member.field.is_nullable() => {
                member.column.push_null();
                Ok(())
            }
            (None, None) => Err(Failure::nothing(member.field.name()).into()),
        }
    }
}

impl ValuePlan {
    fn is_message(&self) -> bool {
        matches!(self, ValuePlan::Message(_) | ValuePlan::Timestamp(_) | ValuePlan::Wrapper(_))
    }

    /// Adds a value, whose number or bytes these are: a message may have several pieces, everything else has one.
    fn push(&mut self, raw: u64, bytes: &[u8], pieces: &[Piece], member: &mut Member) -> Result<(), Bad> {
        let fits = match self {
            ValuePlan::Int32 => push_number(&mut member.column, Number::Signed(i64::from(raw as u32 as i32))),
            ValuePlan::Int64 | ValuePlan::SFixed64 => push_number(&mut member.column, Number::Signed(raw as i64)),
            ValuePlan::SInt32 => push_number(&mut member.column, Number::Signed(unzigzag(u64::from(raw as u32)))),
            ValuePlan::SInt64 => push_number(&mut member.column, Number::Signed(unzigzag(raw))),
            ValuePlan::UInt32 => push_number(&mut member.column, Number::Unsigned(u64::from(raw as u32))),
            ValuePlan::UInt64 => push_number(&mut member.column, Number::Unsigned(raw)),
            ValuePlan::Float => push_number(&mut member.column, Number::Float(f64::from(f32::from_bits(raw as u32)))),
            ValuePlan::Double => push_number(&mut member.column, Number::Float(f64::from_bits(raw))),
            ValuePlan::Flag => match &mut member.column {
                Column::Flag { values, .. } => {
                    values.push(raw != 0);
                    true
                }
                _ => false,
            },
            ValuePlan::Text | ValuePlan::Bytes => return push_bytes(matches!(self, ValuePlan::Text), bytes, pieces, member),
            ValuePlan::Enum(names) => {
                let number = raw as u32 as i32;
                match &mut member.column {
                    Column::Bytes { values, .. } => {
                        match names.get(&number) {
                            Some(name) => values.bytes.extend_from_slice(name.as_bytes()),
                            // A later version of the type has more of them.
                            None => write_i64(number.into(), &mut values.bytes),
                        }
                        values.end();
                        true
                    }
                    column => push_number(column, Number::Signed(number.into())),
                }
            }
            ValuePlan::Message(plan) => return push_message(plan, bytes, pieces, member),
            ValuePlan::Wrapper(plan) => {
                plan.gather(bytes, pieces)?;
                return match plan.slots.first_mut() {
                    Some(slot) => slot.push(bytes, member),
                    None => Err(Failure::nothing(member.field.name()).into()),
                };
            }
            ValuePlan::Timestamp(plan) => {
                plan.gather(bytes, pieces)?;
                return push_moment(plan, member);
            }
        };
        if fits {
            return Ok(());
        }
        let shown = match self {
            ValuePlan::UInt32 | ValuePlan::UInt64 => raw.to_string(),
            ValuePlan::SInt32 | ValuePlan::SInt64 => unzigzag(raw).to_string(),
            ValuePlan::Float => f32::from_bits(raw as u32).to_string(),
            ValuePlan::Double => f64::from_bits(raw).to_string(),
            ValuePlan::Int32 => (raw as u32 as i32).to_string(),
            _ => (raw as i64).to_string(),
        };
        Err(Failure::value(member.field.name(), type_name(&member.field), shown.as_bytes()).into())
    }
}

impl MessagePlan {
    /// Reads the pieces of a message inside another one.
    fn gather(&mut self, bytes: &[u8], pieces: &[Piece]) -> Result<(), Bad> {
        self.reset();
        pieces.iter().try_for_each(|piece| self.scan(bytes, piece.from, piece.to))
    }
}

fn push_message(plan: &mut MessagePlan, bytes: &[u8], pieces: &[Piece], member: &mut Member) -> Result<(), Bad> {
    plan.gather(bytes, pieces)?;
    let Member { column, field, .. } = member;
    let Column::Struct { rows, .. } = column else { return Err(Failure::nothing(field.name()).into()) };
    plan.push(bytes, rows).map_err(|bad| bad.inside(field.name(), "."))?;
    rows.len += 1;
    Ok(())
}

fn push_moment(plan: &MessagePlan, member: &mut Member) -> Result<(), Bad> {
    let part = |slot: usize| plan.slots.get(slot).and_then(|s| s.last).map_or(0, |piece| piece.raw);
    let (seconds, nanos) = (part(0) as i64, part(1) as u32 as i32);
    let Column::Time { values, unit, .. } = &mut member.column else { return Err(Failure::nothing(member.field.name()).into()) };
    match Moment::new(seconds, nanos).and_then(|moment| moment.in_unit(*unit)) {
        Some(value) => {
            values.push(value);
            Ok(())
        }
        None => {
            let shown = format!("{seconds} seconds and {nanos} nanoseconds");
            Err(Failure::value(member.field.name(), type_name(&member.field), shown.as_bytes()).into())
        }
    }
}

fn push_bytes(is_text: bool, bytes: &[u8], pieces: &[Piece], member: &mut Member) -> Result<(), Bad> {
    let (from, to) = pieces.first().map_or((0, 0), |piece| (piece.from, piece.to));
    let value = &bytes[from..to];
    if is_text && let Err(e) = std::str::from_utf8(value) {
        return Err(Bad::Bytes { at: from + e.valid_up_to(), expected: format!("UTF-8 for the column `{}`", member.field.name()) });
    }
    match &mut member.column {
        Column::Bytes { values, kind: BytesKind::Text | BytesKind::Binary, .. } => {
            values.bytes.extend_from_slice(value);
            values.end();
            Ok(())
        }
        _ => Ok(member.push_cell(Cell { text: value, quoted: true }, b"")?),
    }
}

/// Adds a number; `false` where the column has none like it.
#[inline]
fn push_number(column: &mut Column, number: Number) -> bool {
    match (column, number) {
        (Column::Int { values, kind, .. }, Number::Signed(value)) => {
            let (min, max) = kind.range();
            values.push(value);
            (min..=max).contains(&value)
        }
        (Column::Int { values, kind, .. }, Number::Unsigned(value)) => {
            let value = i64::try_from(value);
            values.push(value.unwrap_or_default());
            value.is_ok_and(|value| value <= kind.range().1)
        }
        (Column::UInt64 { values, .. }, Number::Unsigned(value)) => {
            values.push(value);
            true
        }
        (Column::UInt64 { values, .. }, Number::Signed(value)) => {
            values.push(value as u64);
            value >= 0
        }
        (Column::Float { values, single, .. }, number) => {
            let value = match number {
                Number::Signed(value) => value as f64,
                Number::Unsigned(value) => value as f64,
                Number::Float(value) => value,
            };
            values.push(value);
            // What is finite must stay so.
            !*single || !value.is_finite() || (value as f32).is_finite()
        }
        (Column::Decimal { values, precision, scale, .. }, Number::Signed(_) | Number::Unsigned(_)) => {
            let value = match number {
                Number::Signed(value) => i128::from(value),
                Number::Unsigned(value) => i128::from(value),
                Number::Float(_) => return false,
            };
            let scaled = u32::try_from(*scale).ok().and_then(|scale| 10i128.checked_pow(scale)).and_then(|ten| value.checked_mul(ten));
            values.push(scaled.unwrap_or_default());
            scaled.is_some_and(|value| fits_precision(value, *precision))
        }
        (Column::Time { values, kind, unit, .. }, Number::Signed(_) | Number::Unsigned(_)) => {
            let value = match number {
                Number::Signed(value) => Some(value),
                Number::Unsigned(value) => i64::try_from(value).ok(),
                Number::Float(_) => None,
            };
            values.push(value.unwrap_or_default());
            value.is_some_and(|value| time_in_range(*kind, *unit, value))
        }
        _ => false,
    }
}
