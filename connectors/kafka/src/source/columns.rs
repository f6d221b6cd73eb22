//! Which columns come from a message's value and which from beside it, and how both are put together.

use super::raw::{RawBatch, Wanted};
use crate::error;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, StringArray, TimestampMillisecondArray, UInt32Array,
    },
    compute::{CastOptions, can_cast_types, cast_with_options, filter_record_batch, take},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use runink_connector_api::{ConnectorError, Options, Reject, RejectReason};
use runink_formats::{DecodedMessages, ReadSpec};
use std::sync::Arc;

/// What a column takes from beside the value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beside {
    Key,
    Partition,
    Offset,
    Timestamp,
    /// By its place in [`Wanted::headers`].
    Header(usize),
    AllHeaders,
}

#[derive(Debug, Clone)]
enum Slot {
    /// A column of the decoded value.
    Value(usize),
    Beside(Beside),
}

/// The plan of a source's columns.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// The columns of a batch.
    projected: SchemaRef,
    /// Where each comes from.
    slots: Vec<Slot>,
    pub(crate) wanted: Wanted,
    /// What the value is decoded to.
    pub(crate) value: ReadSpec,
}

/// The columns that options name, with what each takes.
fn named(options: &Options) -> Vec<(String, Beside)> {
    let one = |option: &str, beside| options.text(option).map(|column| (column.to_owned(), beside));
    let headers = options.columns("headers").iter().enumerate().map(|(i, name)| (name.clone(), Beside::Header(i)));
    [
        one("key_column", Beside::Key),
        one("partition_column", Beside::Partition),
        one("offset_column", Beside::Offset),
        one("timestamp_column", Beside::Timestamp),
        one("headers_column", Beside::AllHeaders),
    ]
    .into_iter()
    .flatten()
    .chain(headers)
    .collect()
}

impl Beside {
    /// The type that it has by itself.
    fn data_type(&self) -> DataType {
        match self {
            Beside::Key | Beside::Header(_) => DataType::Binary,
            Beside::Partition => DataType::Int32,
            Beside::Offset => DataType::Int64,
            Beside::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            Beside::AllHeaders => DataType::Utf8,
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Beside::Key => "the key",
            Beside::Partition => "the partition",
            Beside::Offset => "the offset",
            Beside::Timestamp => "the timestamp",
            Beside::Header(_) => "a header",
            Beside::AllHeaders => "the headers",
        }
    }

    fn fits(&self, wanted: &DataType) -> bool {
        match self {
            Beside::Key | Beside::Header(_) => matches!(wanted, DataType::Utf8 | DataType::Binary),
            Beside::AllHeaders => *wanted == DataType::Utf8,
            Beside::Partition | Beside::Offset => wanted.is_integer(),
            Beside::Timestamp => matches!(wanted, DataType::Timestamp(..) | DataType::Int64) && can_cast_types(&self.data_type(), wanted),
        }
    }
}

/// The columns that a source has beside those of the value, where no contract says their types.
pub(crate) fn beside_fields(options: &Options) -> Vec<Field> {
    let field = |(name, beside): (String, Beside)| {
        let text = matches!(beside, Beside::Key | Beside::Header(_));
        Field::new(name, if text { DataType::Utf8 } else { beside.data_type() }, true)
    };
    named(options).into_iter().map(field).collect()
}

impl Columns {
    /// `schema` has all columns of the source.
    pub(crate) fn new(options: &Options, schema: &SchemaRef, value: &ReadSpec) -> Result<Self, ConnectorError> {
        let beside = named(options);
        for (at, (name, what)) in beside.iter().enumerate() {
            let Some((_, field)) = schema.column_with_name(name) else {
                let message = format!("there is no column `{name}` to take {} of a message", what.what());
                let has = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect::<Vec<_>>().join(", ");
                return Err(error::column(message, format!("add it to the contract; the columns are {has}")));
            };
            if !what.fits(field.data_type()) {
                let message = format!("`{name}` is {} and cannot take {} of a message", field.data_type(), what.what());
                return Err(error::column(message, format!("its own type is {}", what.data_type())));
            }
            if beside[..at].iter().any(|(other, _)| other == name) {
                return Err(error::column(format!("two options name the column `{name}`"), "give each its own column"));
            }
        }
        let find = |name: &str| beside.iter().find(|(n, _)| n == name).map(|(_, what)| what.clone());
        // The value's own columns, and where each of all columns went.
        let mut own = Vec::new();
        let mut place = Vec::new();
        for field in schema.fields() {
            let what = find(field.name());
            place.push((what.clone(), own.len()));
            if what.is_none() {
                own.push(field.clone());
            }
        }
        let mut slots = Vec::new();
        let mut projection = Vec::new();
        for &column in &value.projection {
            slots.push(match &place[column] {
                (Some(what), _) => Slot::Beside(what.clone()),
                (None, at) => {
                    projection.push(*at);
                    Slot::Value(projection.len() - 1)
                }
            });
        }
        let reads = |wanted: fn(&Beside) -> bool| slots.iter().any(|s| matches!(s, Slot::Beside(b) if wanted(b)));
        let wanted = Wanted {
            keys: reads(|b| matches!(b, Beside::Key)),
            headers: if reads(|b| matches!(b, Beside::Header(_))) { options.columns("headers").to_vec() } else { Vec::new() },
            all_headers: reads(|b| matches!(b, Beside::AllHeaders)),
        };
        let predicates = value.predicates.iter().filter(|p| find(&p.column).is_none()).cloned().collect();
        let own: SchemaRef = Arc::new(Schema::new(own));
        Ok(Columns {
            projected: value.projected(),
            slots,
            wanted,
            value: ReadSpec { schema: own, projection, predicates, batch_rows: value.batch_rows },
        })
    }

    /// The columns of a batch.
    pub(crate) fn projected(&self) -> &SchemaRef {
        &self.projected
    }

    /// A batch without rows.
    pub(crate) fn nothing(&self) -> RecordBatch {
        RecordBatch::new_empty(self.projected.clone())
    }
}

/// What stands beside the messages of a batch, as columns.
pub(crate) struct BesideColumns {
    partition: i32,
    offsets: Int64Array,
    timestamps: TimestampMillisecondArray,
    keys: BinaryArray,
    headers: Vec<BinaryArray>,
    all_headers: StringArray,
}

impl BesideColumns {
    pub(crate) fn of(raw: &mut RawBatch) -> Self {
        BesideColumns {
            partition: raw.partition,
            offsets: Int64Array::from(std::mem::take(&mut raw.offsets)),
            timestamps: TimestampMillisecondArray::from(std::mem::take(&mut raw.timestamps_ms)),
            keys: raw.keys.finish(),
            headers: raw.headers.iter_mut().map(|h| h.finish()).collect(),
            all_headers: raw.all_headers.finish(),
        }
    }

    /// The offset of a message.
    pub(crate) fn offset(&self, message: usize) -> u64 {
        self.offsets.values().get(message).map_or(0, |o| o.unsigned_abs())
    }

    fn column(&self, what: &Beside, of: &UInt32Array) -> Result<ArrayRef, ArrowError> {
        Ok(match what {
            Beside::Key => take(&self.keys, of, None)?,
            Beside::Partition => Arc::new(Int32Array::from_value(self.partition, of.len())),
            Beside::Offset => take(&self.offsets, of, None)?,
            Beside::Timestamp => take(&self.timestamps, of, None)?,
            Beside::Header(at) => take(&self.headers[*at], of, None)?,
            Beside::AllHeaders => take(&self.all_headers, of, None)?,
        })
    }
}

/// Rows with all their columns, the message of each row, and what turned out not to fit.
pub(crate) struct Assembled {
    pub(crate) batch: RecordBatch,
    pub(crate) of: UInt32Array,
    /// The decoded rows that are left.
    pub(crate) rows: Vec<usize>,
    pub(crate) rejects: Vec<Reject>,
}

impl Columns {
    /// Puts the columns together. A value from beside that its column cannot hold rejects its row; positions of rejects are numbers of messages.
    pub(crate) fn assemble(
        &self,
        decoded: &DecodedMessages,
        beside: &BesideColumns,
        raw: impl Fn(usize) -> Vec<u8>,
    ) -> Result<Assembled, ConnectorError> {
        let rows = decoded.rows.batch.num_rows();
        let of: UInt32Array = (0..rows).map(|row| u32::try_from(decoded.message_of(row)).unwrap_or(u32::MAX)).collect();
        let internal = |e: ArrowError| error::bug(format!("columns cannot be put together: {e}"));
        let mut bad: Vec<Option<(RejectReason, String)>> = Vec::new();
        let mut columns = Vec::with_capacity(self.slots.len());
        for (slot, field) in self.slots.iter().zip(self.projected.fields()) {
            let what = match slot {
                Slot::Value(at) => {
                    columns.push(decoded.rows.batch.column(*at).clone());
                    continue;
                }
                Slot::Beside(what) => what,
            };
            let own = beside.column(what, &of).map_err(internal)?;
            let column = convert(&own, field.data_type()).map_err(internal)?;
            let lost = column.null_count() > own.null_count();
            if lost || (!field.is_nullable() && column.null_count() > 0) {
                bad.resize(rows, None);
                for row in (0..rows).filter(|row| column.is_null(*row)) {
                    let name = field.name();
                    if own.is_valid(row) {
                        let message = format!("column `{name}`: {} of the message is not {}", what.what(), words(field.data_type()));
                        bad[row].get_or_insert((RejectReason::Decode, message));
                    } else if !field.is_nullable() {
                        let message = format!("column `{name}` is required, but the message has no value for it");
                        bad[row].get_or_insert((RejectReason::Contract, message));
                    }
                }
            }
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        if bad.iter().all(Option::is_none) {
            let batch = RecordBatch::try_new_with_options(self.projected.clone(), columns, &options).map_err(internal)?;
            return Ok(Assembled { batch, of, rows: (0..rows).collect(), rejects: Vec::new() });
        }
        // Nulls that may not be are taken out before the batch has its own schema.
        let loose = self.projected.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(loose)), columns, &options).map_err(internal)?;
        let good: BooleanArray = bad.iter().map(|b| Some(b.is_none())).collect();
        let batch = filter_record_batch(&batch, &good).map_err(internal)?;
        let kept = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.projected.clone(), batch.columns().to_vec(), &kept).map_err(internal)?;
        let left = (0..rows).filter(|row| good.value(*row)).collect();
        let reject = |(row, why): (usize, Option<(RejectReason, String)>)| {
            let (reason, message) = why?;
            let message_number = of.value(row);
            Some(Reject { reason, position: message_number.into(), message, raw: raw(message_number as usize) })
        };
        let rejects = bad.into_iter().enumerate().filter_map(reject).collect();
        let of = arrow::compute::filter(&of, &good).map_err(internal)?.as_primitive().clone();
        Ok(Assembled { batch, of, rows: left, rejects })
    }
}

/// Casts; what does not fit becomes null.
fn convert(own: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if own.data_type() == wanted {
        return Ok(own.clone());
    }
    if let (DataType::Binary, DataType::Utf8) = (own.data_type(), wanted) {
        let bytes = own.as_binary::<i32>();
        return Ok(Arc::new(bytes.iter().map(|b| b.and_then(|b| std::str::from_utf8(b).ok())).collect::<StringArray>()));
    }
    cast_with_options(own, wanted, &CastOptions { safe: true, ..CastOptions::default() })
}

fn words(data_type: &DataType) -> String {
    if *data_type == DataType::Utf8 { "UTF-8".to_owned() } else { data_type.to_string() }
}
