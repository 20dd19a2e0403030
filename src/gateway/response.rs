//! Receives the body of an answer: bounded, with a memory permit before memory is used, and decoded.
//!
//! The first bytes decide how a body is encoded, and its header only where they leave it open: some servers encode without a
//! header, or send the header without encoding. The body of an error whose encoding can't be decoded is dropped, because the
//! status already says what happened.
//!
//! Memory for an announced length is requested at once. Without a length, and for an encoded body, a medium answer is expected
//! first, and a large one when it turns out to be longer.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use reqwest::{Response, StatusCode};

use super::error::Error;
use super::memory_budget::{MEDIUM, MemoryBudget, MemoryPermit};
use crate::http::{self, ContentCoding, DecodeError, Decoder, content_coding, response_time, retry_after};
use crate::redact::ApiKey;

/// The longest answer that is read, in bytes.
const MAX_RESPONSE_SIZE: usize = 64 << 20;
/// How many times longer an encoded body is expected to become.
const EXPECTED_COMPRESSION_RATIO: usize = 16;

/// What the head of a response says.
#[derive(Clone, Copy)]
pub(super) struct GatewayHead {
    pub status: StatusCode,
    /// How long the gateway asks to wait.
    pub retry_after: Option<Duration>,
    /// When it was sent, by the gateway's own clock where it says so.
    pub time: SystemTime,
}

/// A response that was received.
pub(super) struct GatewayResponse {
    pub head: GatewayHead,
    bytes: Vec<u8>,
    coding: ContentCoding,
}

/// The result of receiving a response.
pub(super) enum ReceiveOutcome {
    /// The whole response.
    Complete(GatewayResponse),
    /// It needs a permit for this many bytes, which is not available now.
    NeedsMemory(usize),
}

/// Receives a response, as far as there is memory for it. No text in the error contains `key`.
///
/// # Errors
/// When the connection breaks, or the response is too long or has an encoding that can't be decoded.
pub(super) async fn receive(
    mut response: Response,
    budget: &MemoryBudget,
    memory: &mut MemoryPermit,
    key: &ApiKey,
) -> Result<ReceiveOutcome, Error> {
    let redacted = |error: http::Error| Error::Request(error.redact_key(key));
    let (status, headers) = (response.status(), response.headers());
    let head = GatewayHead { status, retry_after: retry_after(headers), time: response_time(headers) };
    let declared = content_coding(headers).map_err(redacted);
    let announced = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > MAX_RESPONSE_SIZE {
        return Err(too_large_error());
    }
    if !budget.try_grow(memory, announced) {
        return Ok(ReceiveOutcome::NeedsMemory(announced));
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(chunk) = http::next_chunk(&mut response).await.map_err(redacted)? {
        let length = bytes.len() + chunk.len();
        if length > MAX_RESPONSE_SIZE {
            return Err(too_large_error());
        }
        if length > memory.capacity() {
            let needed = if length <= MEDIUM { MEDIUM } else { MAX_RESPONSE_SIZE };
            if !budget.try_grow(memory, needed) {
                return Ok(ReceiveOutcome::NeedsMemory(needed));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    let coding = match detect_coding(&bytes).map_or(declared, Ok) {
        Err(_) if !status.is_success() => {
            bytes.clear();
            ContentCoding::Identity
        }
        coding => coding?,
    };
    if coding != ContentCoding::Identity {
        let needed = bytes.len().saturating_mul(EXPECTED_COMPRESSION_RATIO).min(MAX_RESPONSE_SIZE);
        if !budget.try_grow(memory, needed) {
            return Ok(ReceiveOutcome::NeedsMemory(needed));
        }
    }
    Ok(ReceiveOutcome::Complete(GatewayResponse { head, bytes, coding }))
}

/// The encoding of a body whose first bytes say it. No deflate stream of JSON in ASCII begins as JSON itself does.
pub(super) fn detect_coding(body: &[u8]) -> Option<ContentCoding> {
    match body {
        [0x1f, 0x8b, ..] => Some(ContentCoding::Gzip),
        // A zlib header: `x`, and a check.
        [0x78, flags, ..] if u16::from_be_bytes([0x78, *flags]).is_multiple_of(31) => Some(ContentCoding::Deflate),
        [b'{' | b'[' | 0xEF, ..] => Some(ContentCoding::Identity),
        _ => None,
    }
}

fn too_large_error() -> Error {
    Error::BadAnswer(format!("is longer than {} MiB", MAX_RESPONSE_SIZE >> 20))
}

impl GatewayResponse {
    /// Whether it is shorter than `length`, also when it is decoded.
    pub(super) fn is_shorter_than(&self, length: usize) -> bool {
        self.bytes.len() < if self.coding == ContentCoding::Identity { length } else { length / EXPECTED_COMPRESSION_RATIO }
    }

    /// The decoded body, or why it can't be decoded.
    ///
    /// # Errors
    /// How much memory it needs, where it becomes longer than `capacity`.
    pub(super) fn decode(self, capacity: usize) -> Result<Result<Vec<u8>, Error>, usize> {
        if self.coding == ContentCoding::Identity {
            return Ok(Ok(self.bytes));
        }
        let max_len = capacity.min(MAX_RESPONSE_SIZE);
        let buffer = BoundedBuffer { bytes: Vec::new(), max_len };
        match Decoder::new(buffer, self.coding).write(&self.bytes).and_then(Decoder::finish) {
            Ok(decoded) => Ok(Ok(decoded.bytes)),
            Err(DecodeError::Destination(_)) if max_len < MAX_RESPONSE_SIZE => Err(MAX_RESPONSE_SIZE),
            Err(DecodeError::Destination(_)) => Ok(Err(too_large_error())),
            Err(DecodeError::Encoding(_)) if !self.head.status.is_success() => Ok(Ok(Vec::new())),
            Err(DecodeError::Encoding(error)) => Ok(Err(http::Error::BrokenEncoding(error.to_string()).into())),
            Err(DecodeError::Base64) => Ok(Err(http::Error::base64().into())),
        }
    }
}

/// A buffer of at most `max_len` bytes.
struct BoundedBuffer {
    bytes: Vec<u8>,
    max_len: usize,
}

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.max_len {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn first_bytes_tell_every_encoding_of_json_apart() {
        for json in ["{}", "{\"status\":\"SUCCESS\"}", "[]", "{\n  \"a\": 1}"] {
            assert_eq!(detect_coding(json.as_bytes()), Some(ContentCoding::Identity), "{json}");
            for level in 0..10 {
                let level = Compression::new(level);
                let (mut gzip, mut zlib, mut raw) =
                    (GzEncoder::new(vec![], level), ZlibEncoder::new(vec![], level), DeflateEncoder::new(vec![], level));
                let long = json.replacen('1', &"1".repeat(50_000), 1);
                gzip.write_all(long.as_bytes()).unwrap();
                zlib.write_all(long.as_bytes()).unwrap();
                raw.write_all(long.as_bytes()).unwrap();
                assert_eq!(detect_coding(&gzip.finish().unwrap()), Some(ContentCoding::Gzip), "{json}");
                assert_eq!(detect_coding(&zlib.finish().unwrap()), Some(ContentCoding::Deflate), "{json}");
                assert_eq!(detect_coding(&raw.finish().unwrap()), None, "{json}: its header decides");
            }
        }
        assert_eq!(detect_coding("\u{feff}{}".as_bytes()), Some(ContentCoding::Identity));
        for open in ["", "<html>", " {}", "x"] {
            assert_eq!(detect_coding(open.as_bytes()), None, "{open}");
        }
    }
}
