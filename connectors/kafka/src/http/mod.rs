//! HTTP services that are asked for the rows of keys: one `GET` for each key, whose answer is a JSON object.
//!
//! It lives here because Kafka's schema registry brings the HTTP client: both are one client to the build.
//!
//! - `template`: the URL, with the key's columns in it.
//! - `ask`: one question, with bounded patience.
//!
//! Keys are asked side by side, at most `in_flight` at once, and all together within `timeout`. A key without an answer by then has none this time.

mod ask;
mod template;

use crate::{error, registry::http_client, secret};
use arrow::{
    array::{ArrayRef, UInt32Array},
    compute::{concat_batches, take},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use ask::{Asked, Service};
use runink_connector_api::{
    Answers, CACHE, CACHE_KEYS, CACHE_MISSING, Connector, ConnectorError, ConnectorSpec, Delivery, Lookup, ON_FAILURE, OptionKind,
    OptionSpec, Options, Sink, SinkConfig, Source, SourceConfig,
};
use runink_formats::{MessageFormat, Messages, ReadSpec, message_decoder};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use template::Template;

/// How many questions may be on the way at once, whatever the text says.
const MAX_IN_FLIGHT: usize = 256;
/// How often one key may be asked for, whatever the text says.
const MAX_TRIES: u64 = 10;

const fn option(name: &'static str, kind: OptionKind, default: Option<&'static str>, about: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required: false, default, about }
}

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "http",
    about: "Asks an HTTP service for the rows of keys, for joins: a JSON object each.",
    source: Some(&[
        OptionSpec {
            required: true,
            ..option(
                "url",
                OptionKind::Text,
                None,
                "Where a key's row is: `https://host/cards/{card_id}`, with every column of `key` in braces.",
            )
        },
        option("authorization", OptionKind::Text, None, "The header `Authorization`: `Bearer ${secret.NAME}`."),
        option("timeout", OptionKind::Duration, Some("2s"), "How long the keys of one epoch are waited for, all together."),
        option(
            "tries",
            OptionKind::Count,
            Some("3"),
            "How often a key is asked for where the service does not answer, or answers that it cannot (429, 5xx); 1 to 10.",
        ),
        option("in_flight", OptionKind::Count, Some("16"), "How many keys each worker asks for at once; 1 to 256."),
        CACHE,
        CACHE_MISSING,
        CACHE_KEYS,
        ON_FAILURE,
    ]),
    sink: None,
    bounded: |_| true,
    sink_takes_retractions: false,
    lookup: true,
    delivery: |_| Delivery::AtLeastOnce,
    fixed_schema: |_| None,
    fixed_time: |_| None,
};

/// `http`.
pub(crate) struct HttpConnector;

impl Connector for HttpConnector {
    fn spec(&self) -> &'static ConnectorSpec {
        &SPEC
    }
    fn discover(&self, config: &SourceConfig) -> Result<SchemaRef, ConnectorError> {
        Err(error::http_options(
            format!("what `{}` answers is only known when it is asked", config.name),
            "say what it is: write a contract and name it with `contract=`",
        ))
    }
    fn source(&self, _: SourceConfig) -> Result<Arc<dyn Source>, ConnectorError> {
        Err(error::bug("an HTTP service was to be read"))
    }
    fn sink(&self, _: SinkConfig) -> Result<Arc<dyn Sink>, ConnectorError> {
        Err(error::bug("an HTTP service was to be written to"))
    }
    fn lookup(&self, config: SourceConfig) -> Result<Arc<dyn Lookup>, ConnectorError> {
        Ok(Arc::new(HttpLookup::open(config)?))
    }
}

struct HttpLookup {
    service: Service,
    timeout: Duration,
    in_flight: usize,
    template: Template,
    /// What is read of an answer: all but the key.
    read: ReadSpec,
    /// Where a column of the rows comes from.
    columns: Vec<From>,
    schema: SchemaRef,
}

#[derive(Clone, Copy)]
enum From {
    Key(usize),
    Answer(usize),
}

fn count(options: &Options, name: &str, most: u64) -> Result<u64, ConnectorError> {
    let given = options.count(name).unwrap_or(1);
    if (1..=most).contains(&given) {
        return Ok(given);
    }
    Err(error::http_options(format!("`{name}` is {given}"), format!("write a number from 1 to {most}")))
}

impl HttpLookup {
    fn open(config: SourceConfig) -> Result<Self, ConnectorError> {
        let options = &config.options;
        let template = Template::parse(options.text("url").unwrap_or_default(), &config.key)?;
        let authorization = match options.text("authorization") {
            Some(text) => {
                secret::by_name_only("authorization", text)?;
                Some(secret::resolve("authorization", text, secret::of_process)?)
            }
            None => None,
        };
        let timeout = Duration::from_micros(u64::try_from(options.duration_us("timeout").unwrap_or_default()).unwrap_or_default());
        if timeout.is_zero() {
            return Err(error::http_options("`timeout` is no time at all", "write for example `timeout=2s`"));
        }
        let client = http_client(timeout).map_err(|why| error::http(&config.name, &why))?;
        let whole = config.schema.clone().ok_or_else(|| error::bug("an HTTP service without columns"))?;
        let is_key = |c: &usize| config.key.iter().position(|k| k == whole.field(*c).name());
        let answered: Vec<usize> = config.projection.iter().copied().filter(|c| is_key(c).is_none()).collect();
        let from = |c: &usize| is_key(c).map_or_else(|| From::Answer(answered.iter().position(|a| a == c).unwrap_or_default()), From::Key);
        let columns = config.projection.iter().map(from).collect();
        let fields: Vec<_> = config.projection.iter().map(|&c| whole.fields()[c].clone()).collect();
        let tries = count(options, "tries", MAX_TRIES)?;
        let in_flight = count(options, "in_flight", MAX_IN_FLIGHT as u64)? as usize;
        Ok(HttpLookup {
            service: Service { name: config.name.clone(), client, authorization, tries },
            timeout,
            in_flight,
            template,
            read: ReadSpec { schema: whole, projection: answered, predicates: Vec::new(), batch_rows: config.batch_rows.max(1) },
            columns,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// What the service says of each URL, in their order.
    fn ask_all(&self, urls: &[String]) -> Vec<Option<Asked>> {
        let deadline = Instant::now() + self.timeout;
        let next = AtomicUsize::new(0);
        let answers: Vec<Mutex<Option<Asked>>> = urls.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            while let Some((url, answer)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| urls.get(at).zip(answers.get(at))) {
                let asked = self.service.ask(url, deadline);
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
            }
        };
        thread::scope(|scope| {
            // This thread asks as well, so that there is an answer where the system gives no other.
            for _ in 1..self.in_flight.min(urls.len()) {
                if thread::Builder::new().name("http lookup".into()).spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        answers.into_iter().map(|answer| answer.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// Rows of keys that were found, by place, and columns of their answers.
    fn rows(&self, keys: &RecordBatch, found: Vec<u32>, answers: &[ArrayRef]) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
        let found = UInt32Array::from(found);
        let column = |from: &From| match from {
            From::Key(key) => take(keys.column(*key), &found, None),
            From::Answer(at) => Ok(answers[*at].clone()),
        };
        let columns = self.columns.iter().map(column).collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

impl Lookup for HttpLookup {
    fn get(&self, keys: &RecordBatch) -> Result<Answers, ConnectorError> {
        let unreadable = |e: ArrowError| error::bug(format!("the answers of `{}` do not become rows: {e}", self.service.name));
        let urls = self.template.urls(keys).map_err(unreadable)?;
        let (mut messages, mut of, mut failed) = (Messages::default(), Vec::new(), Vec::new());
        for (at, asked) in self.ask_all(&urls).into_iter().enumerate() {
            match asked {
                Some(Asked::Found(body)) => {
                    messages.push(&body);
                    of.push(at);
                }
                Some(Asked::Missing) => {}
                Some(Asked::Failed(why)) => failed.push((at, why)),
                Some(Asked::Refused(error)) => return Err(error),
                None => failed.push((at, "it was not asked".into())),
            }
        }
        if self.read.projection.is_empty() {
            let rows = self.rows(keys, of.into_iter().map(|at| at as u32).collect(), &[]).map_err(unreadable)?;
            return Ok(Answers { rows, failed });
        }
        let mut parts = Vec::new();
        message_decoder(&MessageFormat::Json, &self.read)?.decode(&messages, &mut |decoded| parts.push(decoded))?;
        let mut batches = Vec::with_capacity(parts.len());
        for part in &parts {
            failed.extend(part.rows.rejects.iter().filter_map(|r| Some((*of.get(r.position as usize)?, r.message.clone()))));
            let found = (0..part.rows.batch.num_rows()).filter_map(|row| of.get(part.message_of(row)).map(|&at| at as u32)).collect();
            batches.push(self.rows(keys, found, part.rows.batch.columns()).map_err(unreadable)?);
        }
        let rows = concat_batches(&self.schema, &batches).map_err(unreadable)?;
        Ok(Answers { rows, failed })
    }
}
