//! JSON and CSV messages, by the decoders of lines.
//!
//! Where every message is one line, the whole buffer is decoded as lines, with no work per message. Else (and for CSV with quotes) they are decoded one by one: line breaks between the
//! values of a JSON message become spaces, a blank message is a reject (a blank *line* would be passed over).

use super::{DecodedMessages, MessageDecoder, Messages, raw_of};
use crate::{
    CsvFormat, MAX_LINE_BYTES, ReadSpec,
    csv::CsvRows,
    frame::RowParser,
    json::{JsonRows, join_lines},
    output::Output,
};
use runink_connector_api::{ConnectorError, RejectReason};

/// See the module.
pub(super) struct TextMessages<P> {
    name: &'static str,
    /// What may make a row of several lines; `None` where line breaks between values mean nothing.
    quote: Option<u8>,
    parser: P,
    out: Output,
    /// A message with its line breaks taken out.
    line: Vec<u8>,
}

impl TextMessages<JsonRows> {
    pub(super) fn json(spec: &ReadSpec) -> Result<Self, ConnectorError> {
        let name = crate::json::NAME;
        let out = Output::new(name, spec, 0, MAX_LINE_BYTES)?;
        Ok(TextMessages { name, quote: None, parser: JsonRows::of_messages(), out, line: Vec::new() })
    }
}

impl TextMessages<CsvRows> {
    pub(super) fn csv(format: &CsvFormat, spec: &ReadSpec) -> Result<Self, ConnectorError> {
        let name = crate::csv::NAME;
        let out = Output::new(name, spec, 0, MAX_LINE_BYTES)?;
        Ok(TextMessages { name, quote: Some(format.quote), parser: CsvRows::of_messages(format, spec), out, line: Vec::new() })
    }
}

impl<P: RowParser> TextMessages<P> {
    /// Whether a line may be another thing than a message. A quote that is never closed would swallow the messages behind its own.
    fn one_by_one(&self, messages: &Messages) -> bool {
        messages.lines_differ || self.quote.is_some_and(|quote| memchr::memchr(quote, &messages.bytes).is_some())
    }

    fn hand_on(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let Some(mut rows) = self.out.take()? else { return Ok(()) };
        if self.one_by_one(messages) {
            for reject in &mut rows.rejects {
                reject.raw = raw_of(messages.get(reject.position as usize));
            }
        }
        emit(DecodedMessages { rows, diffs: None });
        Ok(())
    }

    /// Decodes one message.
    fn one(&mut self, message: usize, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        let bytes = messages.get(message);
        self.out.line = message as u64;
        let name = self.name;
        let reject = |out: &mut Output, why: &str| out.reject(RejectReason::Decode, format!("not {name}: {why}"), bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            reject(&mut self.out, "the message is empty");
            return Ok(());
        }
        self.line.clear();
        self.line.extend_from_slice(bytes);
        if self.quote.is_none() && !join_lines(&mut self.line) {
            reject(&mut self.out, "a text has a line break that is not written as `\\n`");
            return Ok(());
        }
        self.line.push(b'\n');
        let mut from = 0;
        while from < self.line.len() {
            let decoded = self.parser.rows(&self.line[from..], &mut self.out)?;
            // Rows of one message all stand at the message.
            self.out.line = message as u64;
            if decoded > 0 {
                from += decoded;
            } else if !self.out.is_full() {
                reject(&mut self.out, "a quoted cell is never closed");
                break;
            }
            if self.out.is_full() {
                self.hand_on(messages, emit)?;
            }
        }
        Ok(())
    }
}

impl<P: RowParser> MessageDecoder for TextMessages<P> {
    fn decode(&mut self, messages: &Messages, emit: &mut dyn FnMut(DecodedMessages)) -> Result<(), ConnectorError> {
        if self.one_by_one(messages) {
            for message in 0..messages.len() {
                self.one(message, messages, emit)?;
                if self.out.is_full() {
                    self.hand_on(messages, emit)?;
                }
            }
        } else {
            self.out.line = 0;
            let mut from = 0;
            while from < messages.bytes.len() {
                from += self.parser.rows(&messages.bytes[from..], &mut self.out)?.max(1);
                if self.out.is_full() {
                    self.hand_on(messages, emit)?;
                }
            }
        }
        self.hand_on(messages, emit)
    }
}
