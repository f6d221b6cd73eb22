//! Rows to messages: value, key, headers, timestamp and partition of each.

use super::{
    changes::{Form, Upserts, event},
    frames::{Frame, Frames},
};
use crate::{error, options};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    compute::cast,
    datatypes::{DataType, Field, Int32Type, SchemaRef, TimeUnit, TimestampMillisecondType},
    record_batch::RecordBatch,
};
use runink_connector_api::{ConnectorError, SinkConfig};
use runink_formats::{CellText, EncodeError, MessageEncoder, MessageOutput, Messages};
use std::sync::Arc;

/// How a row's key is written.
enum Key {
    None,
    /// The text of one column.
    Text(usize, Arc<Field>),
    /// A JSON object of some columns.
    Json(Vec<usize>, Box<MessageEncoder>),
}

/// Writes rows of one schema.
pub(crate) struct RowWriter {
    topic: String,
    /// The columns of the value.
    value: Vec<usize>,
    encoder: MessageEncoder,
    pub(crate) output: MessageOutput,
    key: Key,
    headers: Vec<(String, usize)>,
    timestamp: Option<usize>,
    partition: Option<usize>,
    /// Rows that are never taken back are events too.
    creates: bool,
    values: Messages,
    keys: Messages,
    /// Rows that share a message with another one, since they were asked for.
    sharing: u64,
}

/// Whether every change is written, with its multiplicity.
fn writes_changes(config: &SinkConfig) -> bool {
    config.changelog && config.options.text("changes") == Some("retract")
}

/// Whether rows are written as events of Debezium's.
fn writes_events(config: &SinkConfig) -> bool {
    config.options.text("changes") == Some("debezium")
}

/// What gathers the changes of each key, where a changelog is not written change by change.
pub(crate) fn upserts(config: &SinkConfig) -> Option<Upserts> {
    let form = if writes_events(config) { Form::Event } else { Form::Newest };
    (config.changelog && !writes_changes(config)).then(|| Upserts::new(form))
}

impl RowWriter {
    /// `output` says how values are written; where it is not known yet, the options do, and the schema is registered.
    pub(crate) fn new(config: &SinkConfig, output: Option<&MessageOutput>) -> Result<Self, ConnectorError> {
        let topic = options::topic(&config.options)?.to_owned();
        let schema = &config.schema;
        let find = |option: &str, name: &str| {
            schema.index_of(name).map_err(|_| {
                let has = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect::<Vec<_>>().join(", ");
                error::column(format!("`{option}` names `{name}`, which is no column"), format!("the columns are {has}"))
            })
        };
        let one = |option: &str| config.options.text(option).map(|name| find(option, name)).transpose();
        let (timestamp, partition) = (one("timestamp_column")?, one("partition_column")?);
        let fits = |at: Option<usize>, option: &str, fits: fn(&DataType) -> bool, what: &str| match at.map(|at| schema.field(at)) {
            Some(field) if !fits(field.data_type()) => Err(error::column(
                format!("`{option}` names `{}`, which is {}", field.name(), field.data_type()),
                format!("it must be {what}"),
            )),
            _ => Ok(()),
        };
        fits(timestamp, "timestamp_column", |t| matches!(t, DataType::Timestamp(..)), "a timestamp")?;
        fits(partition, "partition_column", DataType::is_integer, "a whole number")?;
        let headers = config.options.columns("headers").iter().map(|name| Ok((name.clone(), find("headers", name)?)));
        let headers = headers.collect::<Result<Vec<_>, ConnectorError>>()?;
        let beside: Vec<usize> = headers.iter().map(|(_, at)| *at).chain(timestamp).chain(partition).collect();
        let value: Vec<usize> = (0..schema.fields().len()).filter(|at| !beside.contains(at)).collect();
        let project = |columns: &[usize]| schema.project(columns).map(Arc::new).map_err(|e| error::bug(format!("columns: {e}")));
        let failed = |e| failed(&topic, e);
        if writes_events(config) && config.options.text("format").is_some_and(|f| f != "json") {
            return Err(error::options("events of Debezium are JSON", "leave `format` out, or write `changes=upsert`"));
        }
        let (columns_of_value, changes) = (project(&value)?, writes_changes(config));
        let output = match output {
            Some(output) => output.clone(),
            None => options::output_format(&config.options, &config.base_dir, &columns_of_value, changes).map_err(failed)?,
        };
        let encoder = MessageEncoder::new(&output, &columns_of_value, changes).map_err(failed)?;
        if output == MessageOutput::Arrow {
            check_of_many(config)?;
        }
        let columns = config.key.iter().map(|name| find("key", name)).collect::<Result<Vec<_>, _>>()?;
        let key = match (columns.as_slice(), config.options.text("key_format")) {
            ([], _) if upserts(config).is_some() => {
                return Err(error::options(
                    "a changelog without a key cannot be written as the newest row of each key",
                    "name the key with `key=`, or write every change with `changes=retract`",
                ));
            }
            ([], _) => Key::None,
            (_, Some("json")) => {
                Key::Json(columns.clone(), Box::new(MessageEncoder::new(&MessageOutput::Json, &project(&columns)?, false).map_err(failed)?))
            }
            ([one], _) => {
                let field = Arc::new(schema.field(*one).clone());
                CellText::new(&field, arrow::array::new_empty_array(field.data_type()).as_ref()).map_err(|e| error::named(&topic, e))?;
                Key::Text(*one, field)
            }
            _ => return Err(error::options("a key of several columns has no plain text", "add `key_format=json`")),
        };
        Ok(RowWriter {
            topic,
            value,
            encoder,
            output,
            key,
            headers,
            timestamp,
            partition,
            creates: writes_events(config) && !config.changelog,
            values: Messages::default(),
            keys: Messages::default(),
            sharing: 0,
        })
    }

    /// How many more rows than messages there were since this was asked for.
    pub(crate) fn take_sharing(&mut self) -> u64 {
        std::mem::take(&mut self.sharing)
    }

    /// Adds the rows' messages.
    pub(crate) fn write(&mut self, batch: &RecordBatch, diffs: Option<&Int64Array>, out: &mut Frames) -> Result<(), ConnectorError> {
        let internal = |e| error::bug(format!("columns: {e}"));
        self.values.clear();
        let value = batch.project(&self.value).map_err(internal)?;
        self.encoder.encode(&value, diffs, &mut self.values).map_err(|e| failed(&self.topic, e))?;
        if self.output == MessageOutput::Arrow {
            self.values.iter().for_each(|value| out.push(&Frame { value: Some(value), ..Frame::default() }));
            self.sharing += (batch.num_rows() - self.values.len().min(batch.num_rows())) as u64;
            return Ok(());
        }
        self.keys.clear();
        if let Key::Json(columns, encoder) = &mut self.key {
            let key = batch.project(columns).map_err(internal)?;
            encoder.encode(&key, None, &mut self.keys).map_err(|e| failed(&self.topic, e))?;
        }
        let named = |e| error::named(&self.topic, e);
        let key_text = match &self.key {
            Key::Text(at, field) => Some(CellText::new(field, batch.column(*at).as_ref()).map_err(named)?),
            _ => None,
        };
        let schema = batch.schema_ref();
        let headers = self
            .headers
            .iter()
            .map(|(name, at)| Ok((name.as_str(), CellText::new(schema.field(*at), batch.column(*at).as_ref()).map_err(named)?)));
        let headers = headers.collect::<Result<Vec<_>, ConnectorError>>()?;
        let to = |at: Option<usize>, wanted: DataType| at.map(|at| cast(batch.column(at), &wanted)).transpose().map_err(internal);
        let timestamps: Option<ArrayRef> = to(self.timestamp, DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let partitions: Option<ArrayRef> = to(self.partition, DataType::Int32)?;
        let mut text = Vec::new();
        let mut ends = Vec::new();
        for row in 0..batch.num_rows() {
            text.clear();
            ends.clear();
            let has_key = match &key_text {
                Some(cells) => cells.write(row, &mut text),
                None => matches!(self.key, Key::Json(..)),
            };
            let key_end = text.len();
            for (_, cells) in &headers {
                let there = cells.write(row, &mut text);
                ends.push((there, text.len()));
            }
            let mut from = key_end;
            let mut values = Vec::with_capacity(headers.len());
            for ((name, _), (there, end)) in headers.iter().zip(&ends) {
                values.push((*name, there.then_some(&text[from..*end])));
                from = *end;
            }
            let key = if key_text.is_some() { &text[..key_end] } else { self.keys.get(row) };
            let created = self.creates.then(|| event(None, Some(self.values.get(row))));
            out.push(&Frame {
                partition: partitions.as_ref().filter(|p| p.is_valid(row)).map(|p| p.as_primitive::<Int32Type>().value(row)),
                timestamp_ms: timestamps
                    .as_ref()
                    .filter(|t| t.is_valid(row))
                    .map(|t| t.as_primitive::<TimestampMillisecondType>().value(row)),
                key: has_key.then_some(key),
                value: Some(created.as_deref().unwrap_or_else(|| self.values.get(row))),
                headers: values,
            });
        }
        Ok(())
    }
}

/// Messages of many rows have nothing beside them that is of one row.
fn check_of_many(config: &SinkConfig) -> Result<(), ConnectorError> {
    let of_one = ["key", "headers", "timestamp_column", "partition_column"];
    let given = |name: &&&str| config.options.get(name).is_some() || (**name == "key" && !config.key.is_empty() && !writes_changes(config));
    if let Some(name) = of_one.iter().find(given) {
        return Err(error::options(
            format!("a message of `format=arrow` has many rows, and `{name}` is of one"),
            format!("leave `{name}` out, or write a format of one row a message"),
        ));
    }
    Ok(())
}

/// A row that has no form.
fn failed(topic: &str, cause: EncodeError) -> ConnectorError {
    match cause {
        EncodeError::Io(cause) => error::bug(format!("memory refused bytes: {cause}")),
        EncodeError::Format(cause) => error::named(topic, cause),
    }
}

/// The schema must have something to write.
pub(crate) fn check_columns(schema: &SchemaRef) -> Result<(), ConnectorError> {
    if schema.fields().is_empty() {
        return Err(error::options("there is no column to write", "give the sink rows with columns"));
    }
    Ok(())
}
