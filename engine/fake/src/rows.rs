//! Rows: fields side by side, keys that differ, event times that grow, and every so often a rule that is broken.

use crate::{
    FakeError,
    field::FieldFaker,
    numbers::per_second,
    value::{Value, column},
};
use arrow::{
    datatypes::{DataType, SchemaRef, TimeUnit},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use runink_dsl::ast::Contract;
use runink_planner::contract_schema;
use std::collections::{BTreeMap, HashSet};

/// How many values of a key are tried before it is said that there is no further one.
const KEY_TRIES: usize = 1_000;
/// Shares are whole millionths, so that the same rows are invalid on every machine.
const MILLION: u64 = 1_000_000;

/// How rows are made up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What all chance follows from.
    pub seed: u64,
    /// How many of a million rows are invalid.
    pub invalid_per_million: u32,
    /// The first event time, in µs since 1970.
    pub start_us: i64,
    /// How much time lies between two rows on average, in µs.
    pub every_us: i64,
    /// How much later than newer ones a row may come, in µs.
    pub lateness_us: i64,
}

impl Default for Settings {
    fn default() -> Self {
        // 2026-01-01T00:00:00Z.
        Settings { seed: 0, invalid_per_million: 0, start_us: 1_767_225_600_000_000, every_us: 1_000_000, lateness_us: 0 }
    }
}

/// What has been made up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many rows keep the contract.
    pub valid: u64,
    /// How many rows break a rule, by field and rule.
    pub invalid: BTreeMap<(String, String), u64>,
    /// Rules that no row can break without breaking another one, by field and rule.
    pub unbroken: Vec<(String, String)>,
}

impl Summary {
    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.valid + self.invalid.values().sum::<u64>()
    }
}

/// Makes up rows of one contract, batch by batch.
#[derive(Debug)]
pub struct Faker {
    contract: String,
    schema: SchemaRef,
    fields: Vec<FieldFaker>,
    settings: Settings,
    random: StdRng,
    /// Where event time stands, in µs.
    now_us: i64,
    /// Which rules are broken in turn: field, rule.
    breakable: Vec<(usize, usize)>,
    next_break: usize,
    /// The values that a field must not have again, by field.
    taken: BTreeMap<usize, HashSet<Value>>,
    /// The fields of the key, where there are some, and its values so far.
    key: Vec<usize>,
    keys: HashSet<Vec<Value>>,
    summary: Summary,
}

impl Faker {
    /// Begins with a contract.
    ///
    /// # Errors
    /// Where no row of it could be made up.
    pub fn new(contract: &Contract, settings: Settings) -> Result<Self, FakeError> {
        let schema = contract_schema(contract);
        let columns = contract.fields.iter().zip(schema.fields());
        let mut fields: Vec<FieldFaker> =
            columns.map(|(field, column)| FieldFaker::new(field, column.data_type(), settings.start_us)).collect::<Result<_, _>>()?;
        let key: Vec<usize> = (0..fields.len()).filter(|&i| fields[i].key).collect();
        if let [only] = key.as_slice() {
            fields[*only].differs = true;
        }
        let mut random = StdRng::seed_from_u64(settings.seed);
        let (mut breakable, mut unbroken) = (Vec::new(), Vec::new());
        for (at, field) in fields.iter().enumerate() {
            for (rule, check) in field.checks.iter().enumerate() {
                match field.broken(rule, &mut random) {
                    Some(_) => breakable.push((at, rule)),
                    None => unbroken.push((field.name.clone(), check.text.clone())),
                }
            }
        }
        let name = format!("{}@{}", contract.name.value, contract.version.value);
        if settings.invalid_per_million > 0 && breakable.is_empty() {
            return Err(FakeError::NothingToBreak { contract: name });
        }
        Ok(Faker {
            contract: name,
            schema,
            fields,
            now_us: settings.start_us,
            settings,
            random,
            breakable,
            next_break: 0,
            taken: BTreeMap::new(),
            key: if key.len() > 1 { key } else { Vec::new() },
            keys: HashSet::new(),
            summary: Summary { unbroken, ..Summary::default() },
        })
    }

    /// The columns: all may be null.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What has been made up so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The next rows.
    ///
    /// # Errors
    /// Where there is no further row.
    pub fn batch(&mut self, rows: usize) -> Result<RecordBatch, FakeError> {
        let made = (0..rows).map(|_| self.row()).collect::<Result<Vec<_>, _>>()?;
        let mut columns = Vec::with_capacity(self.fields.len());
        for (at, field) in self.schema.fields().iter().enumerate() {
            let values: Vec<&Value> = made.iter().filter_map(|row| row.get(at)).collect();
            columns.push(column(&values, field)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(|e| FakeError::Columns(e.to_string()))
    }

    fn row(&mut self) -> Result<Vec<Value>, FakeError> {
        let step = self.random.random_range(0..=self.settings.every_us.max(0).saturating_mul(2));
        self.now_us = self.now_us.saturating_add(step);
        let mut row = Vec::with_capacity(self.fields.len());
        for at in 0..self.fields.len() {
            row.push(self.value(at)?);
        }
        self.tell_keys_apart(&mut row)?;
        let n = self.summary.rows();
        let share = u64::from(self.settings.invalid_per_million);
        // Invalid rows are spread evenly: as many of every stretch as of all.
        let is_invalid = (n + 1).saturating_mul(share) / MILLION > n.saturating_mul(share) / MILLION;
        if is_invalid {
            self.break_one(&mut row)?
        } else {
            self.summary.valid += 1
        }
        Ok(row)
    }

    fn value(&mut self, at: usize) -> Result<Value, FakeError> {
        if self.fields[at].event_time
            && let Some(value) = self.event_time(at)
        {
            return Ok(value);
        }
        if !self.fields[at].differs {
            return self.fields[at].valid(&mut self.random);
        }
        let exhausted = FakeError::Exhausted { field: self.fields[at].name.clone(), rows: self.summary.rows() };
        let taken = self.taken.entry(at).or_default();
        for _ in 0..KEY_TRIES {
            let field = &mut self.fields[at];
            let value =
                if field.is_counted() { field.counted().ok_or_else(|| exhausted.clone())? } else { field.valid(&mut self.random)? };
            if taken.insert(value.clone()) {
                return Ok(value);
            }
        }
        Err(exhausted)
    }

    /// A time that is at most `lateness` behind the newest one, if the rules take it.
    fn event_time(&mut self, at: usize) -> Option<Value> {
        let field = &self.fields[at];
        let per_unit = |unit: TimeUnit| (per_second(unit), 1_000_000);
        // How many units are how many µs.
        let (units, us) = match field.data_type {
            DataType::Timestamp(unit, _) => per_unit(unit),
            DataType::Date32 => (1, 86_400_000_000),
            _ => return None,
        };
        let to_units = |time_us: i64| (i128::from(time_us) * i128::from(units)).div_euclid(us);
        let late = self.random.random_range(0..=to_units(self.settings.lateness_us.max(0)));
        let value = Value::Whole(to_units(self.now_us) - late);
        field.keeps(&value).then_some(value)
    }

    /// Gives a key of several fields another value until it is one that no row has.
    fn tell_keys_apart(&mut self, row: &mut [Value]) -> Result<(), FakeError> {
        if self.key.is_empty() {
            return Ok(());
        }
        for _ in 0..KEY_TRIES {
            let key: Vec<Value> = self.key.iter().map(|&at| row[at].clone()).collect();
            if self.keys.insert(key) {
                return Ok(());
            }
            for at in self.key.clone() {
                if !self.fields[at].event_time {
                    row[at] = self.fields[at].valid(&mut self.random)?;
                }
            }
        }
        let names: Vec<&str> = self.key.iter().map(|&at| self.fields[at].name.as_str()).collect();
        Err(FakeError::Exhausted { field: names.join(", "), rows: self.summary.rows() })
    }

    /// Breaks exactly one rule of a row: each in its turn.
    fn break_one(&mut self, row: &mut [Value]) -> Result<(), FakeError> {
        for _ in 0..self.breakable.len() {
            let (at, rule) = self.breakable[self.next_break % self.breakable.len()];
            self.next_break += 1;
            if let Some(value) = self.fields[at].broken(rule, &mut self.random) {
                row[at] = value;
                let name = (self.fields[at].name.clone(), self.fields[at].checks[rule].text.clone());
                *self.summary.invalid.entry(name).or_default() += 1;
                return Ok(());
            }
        }
        Err(FakeError::NothingToBreak { contract: self.contract.clone() })
    }
}

#[cfg(test)]
mod tests;
