//! Where a reader's bytes come from: a file that is read in place, or a pipe that a thread waits for.

use super::{STANDARD_INPUT, Text, open_file, read_error};
use crate::{compression::Stream, error, locate::Found};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use runink_connector_api::ConnectorError;
use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many bytes of text are handed to a decoder at once, at most.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;
/// How many blocks of a pipe wait to be decoded, at most.
const PIPE_BLOCKS: usize = 4;

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// At least one byte.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// Nothing ever again.
    End,
}

/// Blocks of decompressed text, in order.
pub(crate) trait Blocks: Send {
    /// Replaces what is in `block` with the next bytes.
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Filled, ConnectorError>;
    /// How many bytes have been read until now, as they lie outside.
    fn raw_bytes(&self) -> u64;
}

/// An ordinary file, up to the length that it had when the source was opened.
pub(crate) struct FileBlocks {
    found: Found,
    stream: Stream<File>,
}

impl FileBlocks {
    pub(crate) fn open(found: &Found, length: u64, text: &Text) -> Result<Self, ConnectorError> {
        let file = open_file(&found.path)?;
        let stream = Stream::new(file, length, text.compression, &found.path).map_err(|cause| error::cannot_read(&found.path, cause))?;
        Ok(FileBlocks { found: found.clone(), stream })
    }
}

impl Blocks for FileBlocks {
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Filled, ConnectorError> {
        block.resize(BLOCK_BYTES, 0);
        let mut filled = 0;
        while filled < block.len() {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    // A file that is shortened while it is read looks cut off: say what really happened.
                    self.found.unchanged(self.stream.inner())?;
                    return Err(read_error(&self.found.path, &self.found.origin, &self.stream, cause));
                }
            }
        }
        block.truncate(filled);
        if filled == 0 {
            self.found.unchanged(self.stream.inner())?;
            return Ok(Filled::End);
        }
        Ok(Filled::Bytes)
    }
    fn raw_bytes(&self) -> u64 {
        self.stream.raw_bytes()
    }
}

/// What a pipe's thread reads from.
pub(crate) enum Pipe {
    StandardInput,
    Named(PathBuf, Arc<str>),
}

type PipeBlock = Result<(Vec<u8>, u64), ConnectorError>;

/// A pipe. Its thread ends with the pipe, or when it next has something to say after the reader is gone.
pub(crate) struct PipeBlocks {
    blocks: Receiver<PipeBlock>,
    raw_bytes: u64,
}

impl PipeBlocks {
    pub(crate) fn open(pipe: Pipe, text: &Arc<Text>) -> Result<Self, ConnectorError> {
        let (sender, blocks) = bounded(PIPE_BLOCKS);
        let text = text.clone();
        std::thread::Builder::new()
            .name("pipe reader".into())
            .spawn(move || {
                let outcome = match &pipe {
                    Pipe::StandardInput => read_pipe(std::io::stdin().lock(), Path::new("-"), STANDARD_INPUT, &text, &sender),
                    // To open a named pipe waits for whoever writes to it.
                    Pipe::Named(path, origin) => open_file(path).and_then(|file| read_pipe(file, path, origin, &text, &sender)),
                };
                if let Err(error) = outcome {
                    // A reader that is gone needs no error.
                    let _ = sender.send(Err(error));
                }
            })
            .map_err(|cause| {
                ConnectorError::operator("FIL014", format!("cannot start a thread to read a pipe: {cause}"))
                    .hint("The limit of threads or memory of this process is reached.")
                    .caused_by(cause)
            })?;
        Ok(PipeBlocks { blocks, raw_bytes: 0 })
    }
}

fn read_pipe(input: impl Read, path: &Path, origin: &str, text: &Text, to: &Sender<PipeBlock>) -> Result<(), ConnectorError> {
    let mut stream = Stream::new(input, u64::MAX, text.compression, path).map_err(|cause| error::cannot_read(path, cause))?;
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        match stream.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                block.truncate(n);
                if to.send(Ok((block, stream.raw_bytes()))).is_err() {
                    return Ok(());
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(read_error(path, origin, &stream, cause)),
        }
    }
}

impl Blocks for PipeBlocks {
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Filled, ConnectorError> {
        match self.blocks.try_recv() {
            Ok(Ok((bytes, raw_bytes))) => {
                *block = bytes;
                self.raw_bytes = raw_bytes;
                Ok(Filled::Bytes)
            }
            Ok(Err(error)) => Err(error),
            Err(TryRecvError::Empty) => Ok(Filled::Nothing),
            Err(TryRecvError::Disconnected) => Ok(Filled::End),
        }
    }
    fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }
}
