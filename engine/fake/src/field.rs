//! One field: values that keep its rules, and values that break one of them.

use crate::{
    FakeError,
    check::{Check, CheckKind, Comparison},
    likely::{Likely, words},
    numbers::{self, Range},
    pattern::Pattern,
    value::{Value, literal},
};
use arrow::datatypes::DataType;
use rand::{RngExt, rngs::StdRng};
use runink_dsl::ast::{self, Rule};

/// How many values are made up before it is said that none keeps the rules.
const TRIES: usize = 1_000;
/// How many values are made up before a rule counts as one that cannot be broken alone.
const BREAKING_TRIES: usize = 200;
/// One in so many values of a field that may be missing is.
const NULL_ONE_IN: u32 = 10;
/// How many items a list has at most.
const MAX_ITEMS: usize = 3;
/// How many bytes a `bytes` value has at most.
const MAX_BYTES: usize = 16;
/// How far beyond a bound a value lies that breaks it, in units.
const BEYOND: i128 = 1_000;
/// How long a text is made at most to keep or to break a rule about its length, in characters.
const MAX_LENGTH: u64 = 10_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct FieldFaker {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) checks: Vec<Check>,
    /// Its values are never missing: a key, the event time, something required or that has a default which breaks a rule.
    always: bool,
    /// A missing value is filled in: `required` cannot be broken.
    has_default: bool,
    /// Each row has another value.
    pub(crate) differs: bool,
    /// It is part of the key.
    pub(crate) key: bool,
    pub(crate) event_time: bool,
    maker: Maker,
    /// The next of values that are counted up.
    next: Option<i128>,
}

/// How a value comes to be.
#[derive(Debug, Clone)]
enum Maker {
    OneOf(Vec<Value>),
    Pattern(Pattern),
    Likely(Likely),
    Whole(Range),
    Float { low: f64, high: f64, single: bool },
    Bool,
    Json,
    Bytes,
    List(Box<Maker>),
    Struct(Vec<Maker>),
}

impl FieldFaker {
    pub(crate) fn new(field: &ast::Field, data_type: &DataType, start_us: i64) -> Result<Self, FakeError> {
        let name = field.name.value.clone();
        let mut checks = Vec::new();
        for rule in &field.rules {
            checks.extend(Check::of(&name, data_type, &rule.value)?);
        }
        let has = |wanted: &Rule| field.rules.iter().any(|r| r.value == *wanted);
        let default = field.rules.iter().find_map(|r| if let Rule::Default(text) = &r.value { literal(text, data_type) } else { None });
        let good_default = default.as_ref().is_some_and(|value| checks.iter().all(|c| c.holds(value)));
        let (key, event_time) = (has(&Rule::Key), has(&Rule::EventTime));
        let must_be = key || event_time || has(&Rule::Required) || has(&Rule::Unique);
        let maker = maker(&name, &field.ty.value, data_type, &checks, start_us);
        Ok(FieldFaker {
            always: must_be || (default.is_some() && !good_default),
            has_default: default.is_some(),
            differs: has(&Rule::Unique),
            key,
            event_time,
            next: None,
            name,
            data_type: data_type.clone(),
            checks,
            maker,
        })
    }

    /// Whether a value keeps all rules.
    pub(crate) fn keeps(&self, value: &Value) -> bool {
        self.checks.iter().all(|check| check.holds(value))
    }

    /// A value that keeps all rules.
    pub(crate) fn valid(&mut self, random: &mut StdRng) -> Result<Value, FakeError> {
        if !self.always && random.random_ratio(1, NULL_ONE_IN) {
            return Ok(Value::Null);
        }
        for _ in 0..TRIES {
            let value = self.make(random);
            if self.keeps(&value) {
                return Ok(value);
            }
        }
        let rules: Vec<&str> = self.checks.iter().map(|c| c.text.as_str()).collect();
        Err(FakeError::NoValue { field: self.name.clone(), rules: rules.join(", ") })
    }

    /// The next of the values that are counted up from the lowest, where the field's values can be counted; `None` where there is no further one.
    pub(crate) fn counted(&mut self) -> Option<Value> {
        match &self.maker {
            Maker::Whole(range) => {
                let (low, high) = (range.low, numbers::of_type(&self.data_type)?.high);
                let mut next = self.next.unwrap_or(low);
                for _ in 0..TRIES {
                    if next > high {
                        return None;
                    }
                    let value = Value::Whole(next);
                    next += 1;
                    self.next = Some(next);
                    if self.keeps(&value) {
                        return Some(value);
                    }
                }
                None
            }
            Maker::OneOf(values) => {
                let at = usize::try_from(self.next.unwrap_or(0)).ok()?;
                self.next = Some(at as i128 + 1);
                values.get(at).cloned()
            }
            _ => None,
        }
    }

    /// Whether [`Self::counted`] gives all there is.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.maker, Maker::Whole(_) | Maker::OneOf(_)) && !self.event_time
    }

    fn make(&self, random: &mut StdRng) -> Value {
        match self.maker.make(random) {
            Value::Text(text) if matches!(self.maker, Maker::Likely(_)) => Value::Text(self.fit(text, random)),
            value => value,
        }
    }

    /// A text cut or filled up to the lengths that the rules ask for.
    fn fit(&self, mut text: String, random: &mut StdRng) -> String {
        let (mut least, mut most) = (0, MAX_LENGTH);
        for check in &self.checks {
            let CheckKind::Length(op, bound) = &check.kind else { continue };
            match op {
                Comparison::Less => most = most.min(bound.saturating_sub(1)),
                Comparison::LessOrEqual => most = most.min(*bound),
                Comparison::Greater => least = least.max(bound + 1),
                Comparison::GreaterOrEqual => least = least.max(*bound),
                Comparison::Equal => (least, most) = (*bound, *bound),
                Comparison::NotEqual => {}
            }
        }
        resize(&mut text, least.min(MAX_LENGTH), most, random);
        text
    }

    /// A value that breaks one of the rules and keeps the others; `None` where none is found.
    pub(crate) fn broken(&self, rule: usize, random: &mut StdRng) -> Option<Value> {
        let check = self.checks.get(rule)?;
        if matches!(check.kind, CheckKind::Required) {
            return (!self.has_default).then_some(Value::Null);
        }
        let others = |value: &Value| self.checks.iter().enumerate().all(|(i, c)| i == rule || c.holds(value));
        (0..BREAKING_TRIES)
            .map(|_| self.breaking(&check.kind, random))
            .find(|value| !check.holds(value) && others(value) && !value.is_null())
    }

    /// A value that is likely to break a rule.
    fn breaking(&self, rule: &CheckKind, random: &mut StdRng) -> Value {
        match rule {
            CheckKind::Compare(_, Value::Whole(bound)) => self.beyond(*bound, *bound, random),
            CheckKind::Between(Value::Whole(low), Value::Whole(high)) => self.beyond(*low, *high, random),
            CheckKind::Compare(_, Value::Float(bits)) => beyond_float(f64::from_bits(*bits), f64::from_bits(*bits), random),
            CheckKind::Between(Value::Float(low), Value::Float(high)) => beyond_float(f64::from_bits(*low), f64::from_bits(*high), random),
            CheckKind::OneOf(values) => match values.get(random.random_range(0..values.len().max(1))) {
                Some(Value::Whole(n)) => self.beyond(*n, *n, random),
                Some(Value::Float(bits)) => beyond_float(f64::from_bits(*bits), f64::from_bits(*bits), random),
                Some(Value::Bool(flag)) => Value::Bool(!flag),
                Some(Value::Text(text)) => Value::Text(self.other_text(text.clone(), random)),
                _ => self.make(random),
            },
            CheckKind::Length(_, bound) => {
                let mut text = self.some_text(random);
                let longer = random.random::<bool>();
                let wanted = if longer { bound.saturating_add(random.random_range(1..=5)) } else { random.random_range(0..=*bound) };
                let wanted = wanted.min(MAX_LENGTH);
                resize(&mut text, wanted, wanted, random);
                Value::Text(text)
            }
            _ if self.data_type == DataType::Utf8 => {
                let text = self.some_text(random);
                Value::Text(self.other_text(text, random))
            }
            _ => self.make(random),
        }
    }

    /// A whole number outside of a range, or in the middle of it.
    fn beyond(&self, low: i128, high: i128, random: &mut StdRng) -> Value {
        let all = numbers::of_type(&self.data_type).unwrap_or(Range { low, high });
        let by = random.random_range(0..=BEYOND);
        let number = match random.random_range(0..3) {
            0 => low.saturating_sub(by),
            1 => high.saturating_add(by),
            _ => low.saturating_add(high) / 2,
        };
        Value::Whole(number.clamp(all.low, all.high))
    }

    fn some_text(&self, random: &mut StdRng) -> String {
        match self.make(random) {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    /// A text near another one.
    fn other_text(&self, mut text: String, random: &mut StdRng) -> String {
        let sign = char::from(random.random_range(b' '..=b'~'));
        match random.random_range(0..7) {
            0 => text.push(sign),
            1 => text.insert(0, sign),
            2 => drop(text.pop()),
            3 => text = text.chars().rev().collect(),
            4 => text = text.chars().map(|c| if c.is_ascii_digit() { 'x' } else { '0' }).collect(),
            5 => {
                let at = random.random_range(0..=text.chars().count());
                text = text.chars().enumerate().map(|(i, c)| if i == at { sign } else { c }).collect();
            }
            _ => text = Likely::Word.text(random),
        }
        text
    }
}

fn beyond_float(low: f64, high: f64, random: &mut StdRng) -> Value {
    let by = f64::from(random.random_range(0..=100_000u32)) / 100.0;
    Value::float(match random.random_range(0..3) {
        0 => low - by,
        1 => high + by,
        _ => f64::midpoint(low, high),
    })
}

fn resize(text: &mut String, least: u64, most: u64, random: &mut StdRng) {
    let length = text.chars().count() as u64;
    if length > most {
        *text = text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
    }
    for _ in length..least {
        text.push(char::from(random.random_range(b'a'..=b'z')));
    }
}

fn maker(name: &str, ty: &ast::Type, data_type: &DataType, checks: &[Check], start_us: i64) -> Maker {
    let listed = checks.iter().find_map(|c| if let CheckKind::OneOf(values) = &c.kind { Some(values) } else { None });
    if let Some(values) = listed {
        return Maker::OneOf(values.iter().filter(|v| checks.iter().all(|c| c.holds(v))).cloned().collect());
    }
    let pattern = checks.iter().find_map(|c| if let CheckKind::Matches(pattern) = &c.kind { Some(pattern) } else { None });
    if let Some(pattern) = pattern {
        return Maker::Pattern(pattern.clone());
    }
    let words = words(name);
    match (ty, data_type) {
        (ast::Type::Json, _) => Maker::Json,
        (ast::Type::List(item), DataType::List(field)) => Maker::List(Box::new(maker(name, item, field.data_type(), &[], start_us))),
        (ast::Type::Struct(types), DataType::Struct(fields)) => {
            Maker::Struct(types.iter().zip(fields).map(|((name, ty), field)| maker(name, ty, field.data_type(), &[], start_us)).collect())
        }
        (_, DataType::Boolean) => Maker::Bool,
        (_, DataType::Binary) => Maker::Bytes,
        (_, DataType::Float32 | DataType::Float64) => {
            let (low, high) = numbers::likely_float(&words, checks);
            Maker::Float { low, high, single: *data_type == DataType::Float32 }
        }
        _ => match numbers::likely(&words, data_type, checks, start_us) {
            Some(range) => Maker::Whole(range),
            None => Maker::Likely(Likely::of(name)),
        },
    }
}

impl Maker {
    fn make(&self, random: &mut StdRng) -> Value {
        match self {
            Maker::OneOf(values) => values.get(random.random_range(0..values.len().max(1))).cloned().unwrap_or(Value::Null),
            Maker::Pattern(pattern) => Value::Text(pattern.generate(random)),
            Maker::Likely(likely) => Value::Text(likely.text(random)),
            Maker::Whole(range) => Value::Whole(range.pick(random)),
            Maker::Float { low, high, single } => {
                let exact = low + (high - low) * random.random::<f64>();
                // Few digits read better, as long as there is room for them.
                let rounded = (exact * 100.0).round() / 100.0;
                let value = if rounded >= *low && rounded <= *high { rounded } else { exact };
                Value::float(if *single { f64::from(value as f32) } else { value })
            }
            Maker::Bool => Value::Bool(random.random()),
            Maker::Json => {
                let (number, word) = (random.random_range(0..1_000u32), Likely::Word.text(random));
                Value::Text(format!("{{\"number\": {number}, \"word\": \"{word}\"}}"))
            }
            Maker::Bytes => Value::Bytes((0..random.random_range(0..=MAX_BYTES)).map(|_| random.random()).collect()),
            Maker::List(item) => Value::List((0..random.random_range(0..=MAX_ITEMS)).map(|_| item.make(random)).collect()),
            Maker::Struct(fields) => Value::Struct(fields.iter().map(|field| field.make(random)).collect()),
        }
    }
}
