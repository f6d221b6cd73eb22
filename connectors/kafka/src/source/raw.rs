//! Messages of one partition as they came, before they are decoded.

use arrow::array::{BinaryBuilder, StringBuilder};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use runink_formats::Messages;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is kept beside the messages, because some column or a deletion needs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) keys: bool,
    /// Headers that have a column of their own.
    pub(crate) headers: Vec<String>,
    /// All headers, as JSON.
    pub(crate) all_headers: bool,
}

/// A message without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    /// How many messages with a value stand before it in the batch.
    pub(crate) after: usize,
}

/// Some messages of one partition, in order.
#[derive(Debug)]
pub(crate) struct RawBatch {
    pub(crate) partition: i32,
    /// Those that have a value; what follows has one entry for each of them.
    pub(crate) messages: Messages,
    pub(crate) offsets: Vec<i64>,
    pub(crate) timestamps_ms: Vec<Option<i64>>,
    pub(crate) keys: BinaryBuilder,
    pub(crate) headers: Vec<BinaryBuilder>,
    pub(crate) all_headers: StringBuilder,
    /// Those that have none.
    pub(crate) tombstones: Vec<Tombstone>,
    /// The offset to go on from.
    pub(crate) next: i64,
    /// Which piece of the partition, where volume cuts epochs.
    pub(crate) chunk: u32,
    /// The partition has no more.
    pub(crate) ends: bool,
}

impl RawBatch {
    pub(crate) fn new(partition: i32, next: i64, wanted: &Wanted) -> Self {
        RawBatch {
            partition,
            messages: Messages::default(),
            offsets: Vec::new(),
            timestamps_ms: Vec::new(),
            keys: BinaryBuilder::new(),
            headers: wanted.headers.iter().map(|_| BinaryBuilder::new()).collect(),
            all_headers: StringBuilder::new(),
            tombstones: Vec::new(),
            next,
            chunk: 0,
            ends: false,
        }
    }

    /// How many messages it has.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() + self.tombstones.len()
    }

    /// How many bytes are held.
    pub(crate) fn bytes(&self) -> usize {
        self.messages.bytes() + self.keys.values_slice().len()
    }

    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>, wanted: &Wanted) {
        self.next = message.offset() + 1;
        let Some(value) = message.payload() else {
            let key = message.key().map(<[u8]>::to_vec);
            self.tombstones.push(Tombstone { offset: message.offset(), key, after: self.offsets.len() });
            return;
        };
        self.messages.push(value);
        self.timestamps_ms.push(message.timestamp().to_millis());
        if wanted.keys {
            self.keys.append_option(message.key());
        }
        if wanted.all_headers || !wanted.headers.is_empty() {
            self.push_headers(message, wanted);
        }
        self.offsets.push(message.offset());
    }

    fn push_headers(&mut self, message: &BorrowedMessage<'_>, wanted: &Wanted) {
        // A header's name that is not UTF-8 makes the client library panic; such headers are as if they were not there.
        let read = || {
            let headers = message.headers()?;
            Some(headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect::<Vec<_>>())
        };
        let found = catch_unwind(AssertUnwindSafe(read)).ok().flatten().unwrap_or_default();
        for (name, column) in wanted.headers.iter().zip(&mut self.headers) {
            // The last one of a name counts, as with the keys of an object.
            column.append_option(found.iter().rev().find(|(n, _)| n == name).and_then(|(_, v)| v.as_deref()));
        }
        if wanted.all_headers {
            let object: serde_json::Map<String, serde_json::Value> = found
                .into_iter()
                .map(|(name, value)| (name, value.map_or(serde_json::Value::Null, |v| String::from_utf8_lossy(&v).into_owned().into())))
                .collect();
            self.all_headers.append_value(serde_json::Value::Object(object).to_string());
        }
    }
}
