//! What travels along timely's channels: a batch, with what keeps its order deterministic.

use arrow::{
    array::{Array, ArrayRef, Int64Array, UInt64Array},
    datatypes::{DataType, Field, Schema},
    ipc::{reader::StreamReader, writer::StreamWriter},
    record_batch::RecordBatch,
};
use runink_connector_api::Positions;
use runink_operators::{Batch, Origin};
use std::{collections::HashMap, io::Write, sync::Arc};
use timely::{Accountable, bytes::arc::Bytes, dataflow::channels::ContainerBytes};

/// A timely container of one batch. The default is empty and is never sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packet {
    /// The rows.
    pub(crate) batch: Option<Batch>,
    /// Where the batch stands among those of its epoch: the same whatever the number of workers.
    pub(crate) order: u64,
    /// Which worker it is for, on channels that route by it.
    pub(crate) target: u32,
}

impl Packet {
    pub(crate) fn new(batch: Batch, order: u64) -> Self {
        Packet { batch: Some(batch), order, target: 0 }
    }
}

impl Accountable for Packet {
    fn record_count(&self) -> i64 {
        self.batch.as_ref().map_or(0, |b| b.len() as i64)
    }
}

/// The columns that carry diffs and positions between processes, after the batch's own.
const DIFFS: &str = "\0diffs";
const POSITIONS: &str = "\0positions";

impl ContainerBytes for Packet {
    fn from_bytes(bytes: Bytes) -> Self {
        // A peer process of the same build wrote these bytes over a connection that timely owns; there is no caller to hand an error to.
        decode(&bytes).expect("a packet of the same build")
    }

    fn length_in_bytes(&self) -> usize {
        let mut counter = Counter(0);
        self.into_bytes(&mut counter);
        counter.0
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        encode(self, writer).expect("writing into timely's own buffer");
    }
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn encode(packet: &Packet, writer: &mut impl Write) -> Result<(), arrow::error::ArrowError> {
    writer.write_all(&packet.order.to_le_bytes())?;
    writer.write_all(&packet.target.to_le_bytes())?;
    let Some(batch) = &packet.batch else { return Ok(()) };
    let mut fields: Vec<_> = batch.rows.schema().fields().iter().cloned().collect();
    let mut columns = batch.rows.columns().to_vec();
    let mut metadata = HashMap::new();
    if let Some(diffs) = &batch.diffs {
        fields.push(Arc::new(Field::new(DIFFS, DataType::Int64, false)));
        columns.push(Arc::new(diffs.clone()));
    }
    if let Some(origin) = &batch.origin {
        metadata.insert("source".to_owned(), origin.source.to_string());
        metadata.insert("place".to_owned(), origin.place.to_string());
        let each: UInt64Array = (0..batch.len()).map(|row| origin.position(row)).collect();
        fields.push(Arc::new(Field::new(POSITIONS, DataType::UInt64, false)));
        columns.push(Arc::new(each));
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let mut stream = StreamWriter::try_new(writer, &schema)?;
    stream.write(&RecordBatch::try_new(schema, columns)?)?;
    stream.finish()
}

fn decode(bytes: &[u8]) -> Result<Packet, arrow::error::ArrowError> {
    let short = || arrow::error::ArrowError::IpcError("a packet that is cut short".into());
    let (order, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let (target, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (order, target) = (u64::from_le_bytes(*order), u32::from_le_bytes(*target));
    if rest.is_empty() {
        return Ok(Packet { batch: None, order, target });
    }
    let rows = StreamReader::try_new(rest, None)?.next().ok_or_else(short)??;
    let schema = rows.schema();
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    let mut hidden = |name: &str| -> Option<ArrayRef> {
        let at = fields.iter().position(|f| f.name() == name)?;
        fields.remove(at);
        Some(columns.remove(at))
    };
    let diffs = hidden(DIFFS).and_then(|c| c.as_any().downcast_ref::<Int64Array>().cloned());
    let positions = hidden(POSITIONS).and_then(|c| c.as_any().downcast_ref::<UInt64Array>().cloned());
    let text = |key: &str| schema.metadata().get(key).map(|t| Arc::<str>::from(t.as_str()));
    let origin = positions.zip(text("source")).zip(text("place")).map(|((each, source), place)| Origin {
        source,
        place,
        positions: Positions::Each(each),
    });
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(Packet { batch: Some(Batch { rows, diffs, origin }), order, target })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_and_back() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))]).unwrap();
        let origin = Origin { source: "s".into(), place: "p".into(), positions: Positions::From(7) };
        let packet = Packet { batch: Some(Batch { rows, diffs: Some(vec![1, -1, 1].into()), origin: Some(origin) }), order: 5, target: 2 };
        let mut bytes = Vec::new();
        packet.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), packet.length_in_bytes());
        let back = decode(&bytes).unwrap();
        let (was, is) = (packet.batch.unwrap(), back.batch.unwrap());
        assert_eq!((back.order, back.target), (5, 2));
        assert_eq!(was.rows, is.rows);
        assert_eq!(was.diffs, is.diffs);
        assert_eq!(is.origin.unwrap().position(2), 9);
        assert!(decode(&bytes[..20]).is_err());
    }
}
