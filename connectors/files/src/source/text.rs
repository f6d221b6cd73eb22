//! Text in pieces: every reader walks over the same bytes and cuts them into the same chunks, and decodes only its own.
//!
//! Walking is cheap beside decoding (a search for line ends), gives right line numbers, and works for compressed text and for CSV with line ends inside
//! quotes, which cannot be entered in the middle.

use super::{
    STANDARD_INPUT, Text, behind,
    blocks::{Blocks, FileBlocks, Filled, Pipe, PipeBlocks},
    chunk_of, dealt_to, left, named,
};
use crate::locate::Found;
use runink_connector_api::{Chunk, ConnectorError, Left, Ordinal, Poll, SavedPosition, Share, SourceReader};
use runink_formats::{Decoded, Decoder, Header, RowScan, TextFormat, decoder};
use std::{sync::Arc, time::Duration};

/// A chunk ends with the first row that ends after so many bytes. It is what one epoch holds.
const CHUNK_BYTES: u64 = 1 << 20;
/// How many bytes of others' chunks a poll walks over at most.
const WALKED_BYTES_PER_POLL: u64 = 16 << 20;
/// How soon a pipe is looked at again.
const PIPE_RETRY: Duration = Duration::from_millis(1);

const _: () = assert!(CHUNK_BYTES <= WALKED_BYTES_PER_POLL);

/// Reads its share of text.
pub(crate) struct TextReader {
    text: Arc<Text>,
    files: Arc<[Found]>,
    next_file: usize,
    share: Share,
    /// Hands on what there is whenever nothing more is there.
    live: bool,
    /// What was read before.
    from: Arc<[SavedPosition]>,
    open: Option<OpenText>,
}

impl TextReader {
    pub(crate) fn of_files(text: Arc<Text>, files: Arc<[Found]>, share: Share, live: bool, from: Arc<[SavedPosition]>) -> Self {
        TextReader { text, files, next_file: 0, share, live, from, open: None }
    }

    pub(crate) fn of_standard_input(text: Arc<Text>, live: bool) -> Result<Self, ConnectorError> {
        let blocks = PipeBlocks::open(Pipe::StandardInput, &text)?;
        let open = OpenText::new(&text, Box::new(blocks), STANDARD_INPUT.into(), 0);
        Ok(TextReader {
            text,
            files: Arc::new([]),
            next_file: 0,
            share: Share { index: 0, peers: 1 },
            live,
            from: Arc::new([]),
            open: Some(open),
        })
    }

    /// Opens the next file that is not empty.
    fn open_next(&mut self) -> Result<bool, ConnectorError> {
        while let Some(found) = self.files.get(self.next_file) {
            let unit = self.next_file;
            self.next_file += 1;
            let blocks: Box<dyn Blocks> = match found.length {
                Some(0) => continue,
                Some(length) => Box::new(FileBlocks::open(found, length, &self.text)?),
                None => Box::new(PipeBlocks::open(Pipe::Named(found.path.clone(), found.origin.clone()), &self.text)?),
            };
            self.open = Some(OpenText::new(&self.text, blocks, found.origin.clone(), unit));
            return Ok(true);
        }
        Ok(false)
    }
}

impl SourceReader for TextReader {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        let mut walked = 0;
        loop {
            let Some(open) = &mut self.open else {
                if self.open_next()? {
                    continue;
                }
                return Ok(Poll::End);
            };
            let origin = open.origin.clone();
            match open
                .step(&self.text, self.share, self.live, &self.from)
                .map_err(|e| if e.code.starts_with("FMT") { named(&origin, e) } else { e })?
            {
                Step::Rows(chunk) => return Ok(Poll::Rows(chunk)),
                Step::Walked(bytes) => {
                    walked += bytes;
                    if walked >= WALKED_BYTES_PER_POLL {
                        return Ok(Poll::Pending { retry_in: Duration::ZERO, caught_up: false });
                    }
                }
                // What a bounded pipe has not sent yet is no evidence of idleness: its results must not depend on how fast it comes.
                Step::Nothing => return Ok(Poll::Pending { retry_in: PIPE_RETRY, caught_up: self.live }),
                Step::End => self.open = None,
            }
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "it lives for one step, on the stack")]
enum Step {
    Rows(Chunk),
    /// Some work was done, on so many bytes.
    Walked(u64),
    Nothing,
    End,
}

/// One text that is being read.
struct OpenText {
    origin: Arc<str>,
    unit: usize,
    blocks: Box<dyn Blocks>,
    block: Vec<u8>,
    /// Up to here the block has been walked over; all of that belongs to the current chunk or to ones before it.
    walked: usize,
    /// Up to here it has been decoded, or left to others.
    taken: usize,
    scan: RowScan,
    /// The format of chunks after the first: they have no header of their own.
    later_format: Option<TextFormat>,
    chunk: usize,
    chunk_bytes: u64,
    chunk_complete: bool,
    /// The line on which the chunk begins, from 1.
    chunk_line: u64,
    decoder: Option<Box<dyn Decoder>>,
    /// What of the chunk is not read yet, as soon as that was looked up.
    left: Option<Left>,
    /// Raw bytes that have been counted, for whichever reader.
    counted: u64,
    ended: bool,
}

impl OpenText {
    fn new(text: &Text, blocks: Box<dyn Blocks>, origin: Arc<str>, unit: usize) -> Self {
        OpenText {
            origin,
            unit,
            blocks,
            block: Vec::new(),
            walked: 0,
            taken: 0,
            scan: RowScan::new(&text.format),
            later_format: None,
            chunk: 0,
            chunk_bytes: 0,
            chunk_complete: false,
            chunk_line: 1,
            decoder: None,
            left: None,
            counted: 0,
            ended: false,
        }
    }

    /// What of the chunk this reader has to read.
    fn left(&mut self, share: Share, from: &[SavedPosition]) -> Result<Left, ConnectorError> {
        if let Some(left) = self.left {
            return Ok(left);
        }
        let mine = dealt_to(self.unit as u64, self.chunk as u64, share.peers) == share.index;
        let left = if mine { left(from, &self.origin, self.chunk as u64)? } else { Left::Nothing };
        Ok(*self.left.insert(left))
    }

    /// Does one small piece of work.
    fn step(&mut self, text: &Text, share: Share, live: bool, from: &[SavedPosition]) -> Result<Step, ConnectorError> {
        if self.taken < self.walked {
            return self.decode(text, share, from);
        }
        if self.chunk_complete {
            return self.complete_chunk();
        }
        if self.walked < self.block.len() {
            return Ok(self.walk());
        }
        if self.ended {
            if self.chunk_bytes == 0 {
                return Ok(Step::End);
            }
            self.chunk_complete = true;
            return Ok(Step::Walked(0));
        }
        let first = self.chunk == 0 && self.chunk_bytes == 0;
        match self.blocks.next(&mut self.block)? {
            Filled::Bytes => {
                self.walked = 0;
                self.taken = 0;
                if first {
                    self.later_format = later_format(&text.format, &self.block)?;
                }
            }
            Filled::Nothing => {
                // The block is used up; it must not be walked over again.
                return Ok(match &mut self.decoder {
                    Some(decoder) if live => match decoder.take()? {
                        Some(decoded) => Step::Rows(self.emit(decoded, false)?),
                        None => Step::Nothing,
                    },
                    _ => Step::Nothing,
                });
            }
            Filled::End => {
                self.block.clear();
                self.walked = 0;
                self.taken = 0;
                self.ended = true;
            }
        }
        Ok(Step::Walked(0))
    }

    /// Finds where the chunk ends, as far as the block shows it.
    fn walk(&mut self) -> Step {
        let rest = &self.block[self.walked..];
        let before_end = usize::try_from(CHUNK_BYTES.saturating_sub(self.chunk_bytes)).unwrap_or(usize::MAX).min(rest.len());
        let step = if before_end > 0 {
            self.scan.advance(&rest[..before_end]);
            before_end
        } else {
            match self.scan.next_row(rest) {
                Some(length) => {
                    self.chunk_complete = true;
                    length
                }
                None => rest.len(),
            }
        };
        self.walked += step;
        self.chunk_bytes += step as u64;
        Step::Walked(step as u64)
    }

    /// Hands what has been walked over to the chunk's decoder, if the chunk is ours.
    fn decode(&mut self, text: &Text, share: Share, from: &[SavedPosition]) -> Result<Step, ConnectorError> {
        if self.left(share, from)? == Left::Nothing {
            self.taken = self.walked;
            return Ok(Step::Walked(0));
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None => {
                let format = match (&self.later_format, self.chunk) {
                    (_, 0) => &text.format,
                    (Some(format), _) => format,
                    (None, _) => return Err(header_too_long()),
                };
                self.decoder.insert(decoder(format, &text.spec, self.chunk_line)?)
            }
        };
        self.taken += decoder.push(&self.block[self.taken..self.walked])?;
        if decoder.is_full()
            && let Some(decoded) = decoder.take()?
        {
            return Ok(Step::Rows(self.emit(decoded, false)?));
        }
        Ok(Step::Walked(0))
    }

    fn complete_chunk(&mut self) -> Result<Step, ConnectorError> {
        let last = match self.decoder.take() {
            Some(mut decoder) => {
                decoder.finish()?;
                decoder.take()?
            }
            None => {
                self.counted = self.blocks.raw_bytes();
                None
            }
        };
        let step = match last {
            Some(decoded) => Step::Rows(self.emit(decoded, true)?),
            None => Step::Walked(0),
        };
        self.chunk += 1;
        self.chunk_bytes = 0;
        self.left = None;
        self.chunk_complete = false;
        self.chunk_line = self.scan.lines() + 1;
        Ok(step)
    }

    fn emit(&mut self, decoded: Decoded, complete: bool) -> Result<Chunk, ConnectorError> {
        let decoded = match self.left {
            Some(Left::After(position)) => behind(decoded, position)?,
            _ => decoded,
        };
        let raw = self.blocks.raw_bytes();
        let bytes = raw - self.counted;
        self.counted = raw;
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(chunk_of(decoded, &self.origin, Ordinal { unit: place(self.unit), chunk: place(self.chunk) }, bytes, complete))
    }
}

/// The format of chunks that do not begin with the file, seen from the file's first block; `None` where its header row does not end there.
pub(super) fn later_format(format: &TextFormat, start: &[u8]) -> Result<Option<TextFormat>, ConnectorError> {
    match format {
        TextFormat::Csv(csv) if csv.header == Header::FirstRow => {
            let mut csv = csv.clone();
            Ok(csv.read_header(start)?.map(|(names, _)| {
                csv.header = Header::Names(names);
                TextFormat::Csv(csv)
            }))
        }
        other => Ok(Some(other.clone())),
    }
}

pub(super) fn header_too_long() -> ConnectorError {
    ConnectorError::user("FMT020", format!("its header row is longer than {} KiB", super::blocks::BLOCK_BYTES >> 10))
        .hint("Is it CSV with a header? `header=false` reads files without one.")
}
