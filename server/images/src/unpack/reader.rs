//! Streams: decompression by magic with bounded memory, hashing, counting.

use std::io::{self, BufReader, Read};

use model::Digest;
use sha2::{Digest as _, Sha256};

/// Largest zstd window, a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Memory an xz decoder may take.
const XZ_MEMORY: u64 = 256 << 20;

/// A decompressed view of a stream: zstd, xz, gzip, bzip2 or plain, told by its first bytes.
pub(crate) fn decompress<R: Read + 'static>(stream: R) -> io::Result<Box<dyn Read>> {
    let mut stream = BufReader::with_capacity(128 * 1024, stream);
    let magic = std::io::BufRead::fill_buf(&mut stream)?;
    match magic {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(stream)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Ok(Box::new(decoder))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let decoder = xz2::stream::Stream::new_stream_decoder(XZ_MEMORY, xz2::stream::CONCATENATED)?;
            Ok(Box::new(xz2::bufread::XzDecoder::new_stream(stream, decoder)))
        }
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stream))),
        [b'B', b'Z', b'h', ..] => Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(stream))),
        _ => Ok(Box::new(stream)),
    }
}

/// Hashes and counts what passes.
pub(crate) struct Hashing<R> {
    inner: R,
    hash: Sha256,
    count: u64,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn digest(self) -> Digest {
        Digest::from_bytes(&self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

/// Fails when more passes than a limit allows: a bomb is noticed while it goes off.
pub(crate) struct Counting<R> {
    inner: R,
    left: u64,
}

impl<R> Counting<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit }
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other("it is larger than any template may be"))?;
        Ok(n)
    }
}
