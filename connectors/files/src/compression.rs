//! Compression of text, seen from both sides: a stream that is decompressed as it is read, a writer that compresses.

use crate::format::{GZIP_ENDINGS, ZSTD_ENDINGS, ending};
use flate2::{bufread::MultiGzDecoder, write::GzEncoder};
use std::{
    io::{self, BufReader, Read, Write},
    path::Path,
};

/// How much compressed data is read at once, in bytes.
const COMPRESSED_BLOCK_BYTES: usize = 64 << 10;
/// zstd's level: its own default.
const ZSTD_LEVEL: i32 = 3;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::None => "not compressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// What the `compression` option says; `None` for `auto`.
    pub(crate) fn of_option(word: Option<&str>) -> Option<Compression> {
        match word {
            Some("none") => Some(Compression::None),
            Some("gzip") => Some(Compression::Gzip),
            Some("zstd") => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// What a name's ending says.
    pub(crate) fn of_name(name: &Path) -> Compression {
        match ending(name) {
            Some(e) if GZIP_ENDINGS.contains(&e.as_str()) => Compression::Gzip,
            Some(e) if ZSTD_ENDINGS.contains(&e.as_str()) => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// What the first bytes say. No text begins with either.
    fn of_magic(start: &[u8]) -> Compression {
        match start {
            [0x1F, 0x8B, ..] => Compression::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// Bytes as they lie outside, counted, up to a limit; their first few have been looked at.
pub(crate) struct Raw<R> {
    inner: R,
    start: [u8; 4],
    start_length: usize,
    start_read: usize,
    left: u64,
    read: u64,
}

impl<R: Read> Raw<R> {
    fn new(mut inner: R, limit: u64) -> io::Result<Self> {
        let mut start = [0; 4];
        let mut start_length = 0;
        let most = usize::try_from(limit).unwrap_or(usize::MAX).min(start.len());
        while start_length < most {
            match inner.read(&mut start[start_length..most]) {
                Ok(0) => break,
                Ok(n) => start_length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Raw { inner, start, start_length, start_read: 0, left: limit - start_length as u64, read: 0 })
    }
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = if self.start_read < self.start_length {
            let n = to.len().min(self.start_length - self.start_read);
            to[..n].copy_from_slice(&self.start[self.start_read..self.start_read + n]);
            self.start_read += n;
            n
        } else {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
            let n = self.inner.read(&mut to[..most])?;
            self.left -= n as u64;
            n
        };
        self.read += n as u64;
        Ok(n)
    }
}

/// A stream that gives decompressed bytes.
pub(crate) enum Stream<R: Read> {
    Plain(Raw<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Raw<R>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Raw<R>>>>),
}

impl<R: Read> Stream<R> {
    /// A stream of at most so many raw bytes. `name` and the first bytes tell the compression where it is not given. Nothing is a plain stream of nothing.
    pub(crate) fn new(inner: R, limit: u64, given: Option<Compression>, name: &Path) -> io::Result<Self> {
        let raw = Raw::new(inner, limit)?;
        let start = &raw.start[..raw.start_length];
        let compression = match given.unwrap_or_else(|| Compression::of_name(name)) {
            _ if start.is_empty() => Compression::None,
            Compression::None if given.is_none() => Compression::of_magic(start),
            known => known,
        };
        let buffered = |raw| BufReader::with_capacity(COMPRESSED_BLOCK_BYTES, raw);
        Ok(match compression {
            Compression::None => Stream::Plain(raw),
            Compression::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(buffered(raw)))),
            Compression::Zstd => Stream::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(buffered(raw))?)),
        })
    }

    pub(crate) fn compression(&self) -> Compression {
        match self {
            Stream::Plain(_) => Compression::None,
            Stream::Gzip(_) => Compression::Gzip,
            Stream::Zstd(_) => Compression::Zstd,
        }
    }

    fn raw(&self) -> &Raw<R> {
        match self {
            Stream::Plain(raw) => raw,
            Stream::Gzip(decoder) => decoder.get_ref().get_ref(),
            Stream::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// How many bytes have been read as they lie outside.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.raw().read
    }

    /// What the bytes come from.
    pub(crate) fn inner(&self) -> &R {
        &self.raw().inner
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(raw) => raw.read(to),
            Stream::Gzip(decoder) => decoder.read(to),
            Stream::Zstd(decoder) => decoder.read(to),
        }
    }
}

/// A writer that compresses.
pub(crate) enum Compressor<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
}

impl<W: Write> Compressor<W> {
    pub(crate) fn new(inner: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Compressor::Plain(inner),
            Compression::Gzip => Compressor::Gzip(Box::new(GzEncoder::new(inner, flate2::Compression::default()))),
            Compression::Zstd => Compressor::Zstd(Box::new(zstd::stream::write::Encoder::new(inner, ZSTD_LEVEL)?)),
        })
    }

    /// Writes the end of the compressed data and gives the writer back.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Compressor::Plain(inner) => Ok(inner),
            Compressor::Gzip(encoder) => encoder.finish(),
            Compressor::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Compressor::Plain(inner) => inner.write(bytes),
            Compressor::Gzip(encoder) => encoder.write(bytes),
            Compressor::Zstd(encoder) => encoder.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Compressor::Plain(inner) => inner.flush(),
            Compressor::Gzip(encoder) => encoder.flush(),
            Compressor::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn packed(text: &[u8], compression: Compression) -> Vec<u8> {
        let mut writer = Compressor::new(Vec::new(), compression).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn unpacked(bytes: &[u8], given: Option<Compression>, name: &str) -> io::Result<Vec<u8>> {
        let mut stream = Stream::new(bytes, u64::MAX, given, Path::new(name))?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        assert_eq!(stream.raw_bytes(), bytes.len() as u64);
        Ok(text)
    }

    #[test]
    fn what_was_packed_is_unpacked_whatever_the_name() {
        let text = b"one\ntwo\n".repeat(50_000);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut bytes = packed(&text, compression);
            assert_eq!(unpacked(&bytes, None, "a.txt").unwrap(), text);
            // Files that were appended to each other are one file.
            bytes.extend(packed(b"three", compression));
            assert_eq!(unpacked(&bytes, Some(compression), "a.txt").unwrap(), [text.as_slice(), b"three"].concat());
        }
    }

    #[test]
    fn an_empty_file_is_empty_and_a_cut_one_an_error() {
        assert_eq!(unpacked(b"", None, "a.gz").unwrap(), b"");
        assert_eq!(unpacked(b"ab", None, "a").unwrap(), b"ab");
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bytes = packed(&b"one\ntwo\n".repeat(10_000), compression);
            assert!(unpacked(&bytes[..bytes.len() - 3], None, "a").is_err());
            assert!(unpacked(b"plain text", Some(compression), "a").is_err());
        }
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let mut text = Vec::new();
        Stream::new(&b"abcdefgh"[..], 6, None, Path::new("a")).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, b"abcdef");
    }
}
