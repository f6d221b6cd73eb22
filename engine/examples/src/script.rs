//! An example as a script: what each source does at which place in the order, what the clock says, and what must hold at which place.
//!
//! Every `Given` and `When` has a place of its own, and each place is an epoch: rows of one table come together, those of the next come later.
//! Processing time stands still but for `When time passes …` and `When … is idle`, and begins at [`CLOCK_START_US`].

use crate::{
    cells::table_as_json,
    codes,
    files::{self, ReadFile},
    rows::{Typed, decode},
};
use arrow::{
    array::{RecordBatch, UInt64Array, timezone::Tz},
    compute::kernels::cast_utils::string_to_datetime,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use runink_connector_api::{Ordinal, Positions};
use runink_dsl::{
    Diagnostic, FileId,
    ast::{Check, Clause, DurationUs, Examples, Name, Rows, Span, Spanned, Table},
    suggest::did_you_mean,
    units::show_duration,
};
use runink_engine::{
    Epoch,
    testing::{Event, ScriptedSource},
};
use runink_formats::TextFormat;
use runink_planner::EventTime;
use std::{collections::BTreeMap, ops::RangeInclusive};

/// When an example begins in processing time: 2000-01-01T00:00:00Z, in µs. A round date, so that processing-time windows are easy to write down.
pub const CLOCK_START_US: i64 = 946_684_800_000_000;
/// On how many workers an example can run.
pub const MAX_WORKERS: usize = 64;
/// How often the worker of one example crashes at most.
const MAX_CRASHES: usize = 100;
/// How many clauses one example has at most.
const MAX_CLAUSES: usize = 10_000;

/// What the plan says of a source.
#[derive(Debug, Clone)]
pub(crate) struct SourceFacts {
    /// All its columns.
    pub(crate) schema: SchemaRef,
    /// How long it must be silent to count as idle, in µs.
    pub(crate) idle_us: i64,
    /// How much later than newer ones its rows may come, in µs.
    pub(crate) lateness_us: i64,
    /// Its event time; the column is one of `schema`.
    pub(crate) time: Option<EventTime>,
    /// A row replaces the one before it with the same key: their order says which one stays.
    pub(crate) keyed: bool,
}

/// Where a `Then` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// All that has come out when this epoch has closed.
    Closed(Epoch),
    /// All that has come out when everything has ended.
    End,
}

impl Moment {
    /// The last epoch that counts.
    pub(crate) fn epoch(self) -> Epoch {
        match self {
            Moment::Closed(epoch) => epoch,
            Moment::End => Epoch(u64::MAX),
        }
    }
}

/// What must hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'a> {
    Rows(&'a Check),
    WatermarkUs(i64),
}

/// A `Then`.
#[derive(Debug, Clone)]
pub(crate) struct Expectation<'a> {
    pub(crate) output: &'a Name,
    pub(crate) expected: Expected<'a>,
    pub(crate) span: Span,
    pub(crate) moment: Moment,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Script<'a> {
    events: BTreeMap<String, Vec<(Ordinal, Event)>>,
    /// What the clock says from an epoch on.
    pub(crate) clock: Vec<(Epoch, i64)>,
    pub(crate) expectations: Vec<Expectation<'a>>,
    /// `Given n workers`.
    pub(crate) workers: Option<usize>,
    /// After which places the worker crashes, in order.
    pub(crate) crashes: Vec<u32>,
    /// What takes place, in the order of the text.
    pub(crate) happenings: Vec<Happening>,
}

/// Some places of a script, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlacesOf {
    /// They come after this one; from the first on where absent.
    pub(crate) after: Option<u32>,
    /// The last of them; all to the end where absent.
    pub(crate) upto: Option<u32>,
}

impl PlacesOf {
    fn have(self, ordinal: Ordinal) -> bool {
        self.after.is_none_or(|after| ordinal > at(after)) && self.upto.is_none_or(|upto| ordinal <= at(upto))
    }
}

/// A clause that takes place.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    /// The clause in the text.
    pub(crate) span: Span,
    /// Its places.
    pub(crate) places: RangeInclusive<u32>,
    /// Which source it gives rows to, if it does.
    pub(crate) given: Option<String>,
    /// What it says of time, where it does not give rows.
    pub(crate) says: Says,
}

/// What a clause says of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Nothing.
    Nothing,
    /// The watermark of a source, or of all, stands there at least, in µs.
    Watermark(i64),
    /// The clock goes on, or a source is silent.
    Clock,
}

impl<'a> Script<'a> {
    /// Makes the script of an example.
    ///
    /// # Errors
    /// What is wrong with the example.
    pub(crate) fn of(
        example: &'a Examples,
        file: FileId,
        sources: &BTreeMap<String, SourceFacts>,
        read: ReadFile<'_>,
    ) -> Result<Script<'a>, Vec<Diagnostic>> {
        let mut builder = Builder {
            file,
            sources,
            read,
            script: Script { clock: vec![(Epoch(0), CLOCK_START_US)], ..Script::default() },
            place: 0,
            clock_us: CLOCK_START_US,
            ended: false,
            rows_given: BTreeMap::new(),
            wrong: Vec::new(),
        };
        if example.clauses.len() > MAX_CLAUSES {
            let message = format!("an example has at most {MAX_CLAUSES} clauses");
            return Err(vec![Diagnostic::error(codes::TOO_LONG, file, example.title.span, message).hint("split it into several")]);
        }
        for clause in &example.clauses {
            builder.clause(clause);
        }
        builder.finish()
    }

    /// All that a source does, with all of its columns.
    pub(crate) fn events_of(&self, source: &str) -> &[(Ordinal, Event)] {
        self.events.get(source).map_or(&[][..], Vec::as_slice)
    }

    /// The same example with other events.
    pub(crate) fn with(
        &self,
        events: BTreeMap<String, Vec<(Ordinal, Event)>>,
        clock: Vec<(Epoch, i64)>,
        expectations: Vec<Expectation<'a>>,
        crashes: Vec<u32>,
    ) -> Script<'a> {
        Script { events, clock, expectations, workers: self.workers, crashes, happenings: Vec::new() }
    }

    /// What comes between crashes: the places of each part, of which the last is the end.
    pub(crate) fn parts(&self) -> Vec<PlacesOf> {
        let mut parts = Vec::with_capacity(self.crashes.len() + 1);
        let mut after = None;
        for &crash in &self.crashes {
            parts.push(PlacesOf { after, upto: Some(crash) });
            after = Some(crash);
        }
        parts.push(PlacesOf { after, upto: None });
        parts
    }

    /// What a source does at some places, with these of its columns.
    pub(crate) fn events(&self, source: &str, projection: &[usize], places: PlacesOf) -> Result<Vec<(Ordinal, Event)>, ArrowError> {
        let project = |event: &Event| -> Result<Event, ArrowError> {
            Ok(match event {
                Event::Rows { batch, rejects, positions } => {
                    Event::Rows { batch: batch.project(projection)?, rejects: rejects.clone(), positions: positions.clone() }
                }
                other => other.clone(),
            })
        };
        self.events_of(source)
            .iter()
            .filter(|(ordinal, _)| places.have(*ordinal))
            .map(|(ordinal, event)| Ok((*ordinal, project(event)?)))
            .collect()
    }
}

/// Takes the clauses of an example in order.
struct Builder<'a, 'b> {
    file: FileId,
    sources: &'b BTreeMap<String, SourceFacts>,
    read: ReadFile<'b>,
    script: Script<'a>,
    /// The place of the clause before.
    place: u32,
    clock_us: i64,
    ended: bool,
    rows_given: BTreeMap<String, u64>,
    wrong: Vec<Diagnostic>,
}

impl<'a> Builder<'a, '_> {
    fn clause(&mut self, clause: &'a Spanned<Clause>) {
        let happens = !matches!(clause.value, Clause::Then { .. } | Clause::ThenWatermark { .. } | Clause::Workers(_));
        if happens && self.ended {
            let diagnostic = Diagnostic::error(codes::AFTER_END, self.file, clause.span, "the input has ended before this line");
            return self.wrong.push(diagnostic.hint("move it before `When the input ends`"));
        }
        let before = self.place;
        self.take(clause);
        if self.place > before {
            let given = match &clause.value {
                Clause::Given { input, .. } => Some(input.value.clone()),
                _ => None,
            };
            let says = match &clause.value {
                Clause::Watermark { at, .. } => parse_time_us(&at.value).map_or(Says::Nothing, Says::Watermark),
                Clause::TimePasses(_) | Clause::Idle { .. } => Says::Clock,
                _ => Says::Nothing,
            };
            self.script.happenings.push(Happening { span: clause.span, places: before + 1..=self.place, given, says });
        }
    }

    fn take(&mut self, clause: &'a Spanned<Clause>) {
        match &clause.value {
            Clause::Given { input, rows } => self.given(input, rows),
            Clause::Watermark { input, at } => self.watermark(input.as_ref(), at),
            Clause::Idle { input, duration } => self.idle(input, duration.as_ref().map(|d| (d.value.0, d.span))),
            Clause::TimePasses(duration) => self.time_passes(duration.value.0),
            Clause::End => {
                self.place += 1;
                self.ended = true;
            }
            Clause::Crash => self.crash(clause.span),
            Clause::Workers(count) => self.workers(count),
            Clause::Then { output, check } => self.then(output, Expected::Rows(check), clause.span),
            Clause::ThenWatermark { output, at } => {
                if let Some(at_us) = self.time(at) {
                    self.then(output, Expected::WatermarkUs(at_us), clause.span);
                }
            }
        }
    }

    fn then(&mut self, output: &'a Name, expected: Expected<'a>, span: Span) {
        let moment = if self.ended { Moment::End } else { Moment::Closed(ScriptedSource::epoch_of(at(self.place))) };
        self.script.expectations.push(Expectation { output, expected, span, moment });
    }

    fn given(&mut self, input: &Name, rows: &Rows) {
        let Some(facts) = self.source(input) else { return };
        let given = match rows {
            Rows::Table(table) => given_table(self.file, table, &facts.schema),
            Rows::File(path) => {
                files::open(self.file, path, self.read).and_then(|opened| files::rows_of(self.file, path, &opened, &facts.schema))
            }
        };
        let given = match given {
            Ok(given) => given,
            Err(wrong) => return self.wrong.extend(wrong),
        };
        // Positions count the rows of a source through all its tables.
        let before = self.rows_given.entry(input.value.clone()).or_default();
        let positions: UInt64Array = given.lines.iter().map(|line| *before + line).collect();
        let mut rejects = given.rejects;
        rejects.iter_mut().for_each(|r| r.position += *before);
        *before = positions.values().iter().copied().chain(rejects.iter().map(|r| r.position)).max().unwrap_or(*before);
        let event = Event::Rows { batch: given.batch, rejects, positions: Positions::Each(positions) };
        self.place += 1;
        self.happen(&input.value, event);
    }

    fn watermark(&mut self, input: Option<&Name>, at: &Spanned<String>) {
        let Some(at_us) = self.time(at) else { return };
        if let Some(input) = input {
            if self.source(input).is_none() {
                return;
            }
            self.place += 1;
            return self.happen(&input.value, Event::Watermark(at_us));
        }
        self.place += 1;
        for source in self.sources.keys() {
            self.happen(source, Event::Watermark(at_us));
        }
    }

    fn idle(&mut self, input: &Name, duration: Option<(i64, Span)>) {
        let Some(facts) = self.source(input) else { return };
        let (for_us, span) = duration.unwrap_or((facts.idle_us, input.span));
        if for_us < facts.idle_us {
            let message =
                format!("`{}` does not count as idle yet: its idle time is {}", input.value, show_duration(DurationUs(facts.idle_us)));
            let diagnostic = Diagnostic::error(codes::NOT_IDLE_YET, self.file, span, message);
            return self.wrong.push(diagnostic.hint("wait longer, or say that `time passes`"));
        }
        // It counts as idle when its idle time is over; what is left of the duration comes after that.
        self.time_passes(facts.idle_us);
        self.place += 1;
        self.happen(&input.value, Event::Idle);
        if for_us > facts.idle_us {
            self.time_passes(for_us - facts.idle_us);
        }
    }

    /// Everything up to here is in a checkpoint, and what comes next begins from it. A crash is an epoch of its own, so that it can come before any row.
    fn crash(&mut self, span: Span) {
        if self.script.crashes.len() >= MAX_CRASHES {
            let message = format!("the worker crashes more than {MAX_CRASHES} times");
            return self.wrong.push(Diagnostic::error(codes::CRASHES, self.file, span, message).hint("split the example"));
        }
        self.place += 1;
        self.tick();
        self.script.crashes.push(self.place);
    }

    fn time_passes(&mut self, us: i64) {
        self.place += 1;
        self.clock_us = self.clock_us.saturating_add(us);
        self.script.clock.push((ScriptedSource::epoch_of(at(self.place)), self.clock_us));
        self.tick();
    }

    fn workers(&mut self, count: &Spanned<u64>) {
        match usize::try_from(count.value).ok().filter(|n| (1..=MAX_WORKERS).contains(n)) {
            Some(n) if self.script.workers.is_none() => self.script.workers = Some(n),
            Some(_) => {
                let message = "the number of workers is said twice";
                self.wrong.push(
                    Diagnostic::error(codes::WORKERS, self.file, count.span, message).hint("an example runs on one number of workers"),
                );
            }
            None => {
                let message = format!("an example runs on 1 to {MAX_WORKERS} workers");
                self.wrong.push(Diagnostic::error(codes::WORKERS, self.file, count.span, message));
            }
        }
    }

    /// Everything ends in the epoch after the last place, and not before.
    fn finish(mut self) -> Result<Script<'a>, Vec<Diagnostic>> {
        if self.wrong.is_empty() {
            self.tick();
            Ok(self.script)
        } else {
            Err(self.wrong)
        }
    }

    /// Every source comes to this place, with no rows: the clock is read, and none has ended before.
    fn tick(&mut self) {
        let sources = self.sources;
        for (source, facts) in sources {
            let batch = RecordBatch::new_empty(facts.schema.clone());
            self.happen(source, Event::Rows { batch, rejects: Vec::new(), positions: Positions::From(0) });
        }
    }

    fn happen(&mut self, source: &str, event: Event) {
        self.script.events.entry(source.to_owned()).or_default().push((at(self.place), event));
    }

    fn source(&mut self, input: &Name) -> Option<SourceFacts> {
        let facts = self.sources.get(&input.value).cloned();
        if facts.is_none() {
            let names = self.sources.keys().map(String::as_str);
            let message = format!("no step of the scenario reads a source `{}`", input.value);
            let mut diagnostic = Diagnostic::error(codes::NOT_A_SOURCE, self.file, input.span, message);
            diagnostic.hint = did_you_mean(&input.value, names);
            self.wrong.push(diagnostic);
        }
        facts
    }

    fn time(&mut self, at: &Spanned<String>) -> Option<i64> {
        let time = parse_time_us(&at.value);
        if time.is_none() {
            let message = format!("`{}` is not a time", at.value);
            self.wrong.push(Diagnostic::error(codes::TIME, self.file, at.span, message).hint("write it like `2026-01-01T00:00:00Z`"));
        }
        time
    }
}

/// An event's place in the order.
pub(crate) fn at(place: u32) -> Ordinal {
    Ordinal { unit: 0, chunk: place }
}

/// A time as tables have it, in µs.
pub(crate) fn parse_time_us(text: &str) -> Option<i64> {
    let utc: Tz = "+00:00".parse().ok()?;
    string_to_datetime(&utc, text.trim()).ok().map(|time| time.timestamp_micros())
}

/// The rows of a `Given` table. A cell that does not fit its column rejects its row, as it would in real input.
fn given_table(file: FileId, table: &Table, schema: &SchemaRef) -> Result<Typed, Vec<Diagnostic>> {
    check_columns(file, table.columns.iter().map(|c| (c.value.as_str(), c.span)), schema)?;
    decode(&TextFormat::Json, &table_as_json(table, schema), schema)
        .map_err(|e| vec![Diagnostic::error(codes::FILE, file, table.span, format!("the table cannot be read: {e}"))])
}

/// Whether a stream has all of these columns.
pub(crate) fn check_columns<'c>(
    file: FileId,
    columns: impl Iterator<Item = (&'c str, Span)>,
    schema: &Schema,
) -> Result<(), Vec<Diagnostic>> {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let unknown = columns.filter(|(c, _)| !names.contains(c)).map(|(column, span)| {
        let hint = did_you_mean(column, names.iter().copied()).unwrap_or_else(|| format!("its columns are {}", names.join(", ")));
        Diagnostic::error(codes::UNKNOWN_COLUMN, file, span, format!("there is no column `{column}` here")).hint(hint)
    });
    let unknown: Vec<Diagnostic> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(unknown) }
}
