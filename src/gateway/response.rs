//! The body of an answer on its way in: bounded, with room for it before memory is taken, and its encoding undone.
//!
//! A length that was promised gets its room at once. Without one, and for an encoded body, a medium answer is expected first
//! and a large one when it turns out to be longer.

use std::io::{self, Write};
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{Response, StatusCode};

use super::memory_budget::{MEDIUM, MemoryBudget, MemoryPermit};
use crate::http::retry::retry_after;
use crate::http::{self, ContentCoding, Decoder};

/// The longest answer that is read, in bytes.
const MAX_RESPONSE_SIZE: usize = 64 << 20;
/// How many times as long an encoded body is expected to become.
const EXPECTED_COMPRESSION_RATIO: usize = 16;

/// An answer that has come.
pub(super) struct GatewayResponse {
    pub status: StatusCode,
    /// How long the gateway asks to wait.
    pub retry_after: Option<Duration>,
    bytes: Vec<u8>,
    coding: ContentCoding,
}

/// What came of reading an answer.
pub(super) enum ReceiveOutcome {
    /// All of it.
    Complete(GatewayResponse),
    /// It needs so many bytes, and there is no room for them just now.
    NeedsMemory(usize),
}

/// Reads an answer, as far as there is room for it.
///
/// # Errors
/// When the connection breaks, or the answer is too long or in an encoding that can't be undone.
pub(super) async fn receive(
    mut response: Response,
    budget: &MemoryBudget,
    room: &mut MemoryPermit,
) -> Result<ReceiveOutcome, http::Error> {
    let (status, asked) = (response.status(), retry_after(response.headers()));
    let coding = content_coding(response.headers())?;
    let promised = response.content_length().map(|promised| usize::try_from(promised).unwrap_or(usize::MAX));
    if promised.is_some_and(|promised| promised > MAX_RESPONSE_SIZE) {
        return Err(too_large_error());
    }
    let promised_room = promised.unwrap_or(0);
    if !budget.try_grow(room, promised_room) {
        return Ok(ReceiveOutcome::NeedsMemory(promised_room));
    }
    let mut bytes = Vec::with_capacity(promised_room);
    while let Some(chunk) = response.chunk().await? {
        let length = bytes.len() + chunk.len();
        if length > MAX_RESPONSE_SIZE {
            return Err(too_large_error());
        }
        if length > room.capacity() {
            let needed = if length <= MEDIUM { MEDIUM } else { MAX_RESPONSE_SIZE };
            if !budget.try_grow(room, needed) {
                return Ok(ReceiveOutcome::NeedsMemory(needed));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    if coding != ContentCoding::Identity {
        let needed = bytes.len().saturating_mul(EXPECTED_COMPRESSION_RATIO).min(MAX_RESPONSE_SIZE);
        if !budget.try_grow(room, needed) {
            return Ok(ReceiveOutcome::NeedsMemory(needed));
        }
    }
    Ok(ReceiveOutcome::Complete(GatewayResponse { status, retry_after: asked, bytes, coding }))
}

fn content_coding(headers: &HeaderMap) -> Result<ContentCoding, http::Error> {
    let header = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ContentCoding::parse(header).map_err(http::Error::Permanent)
}

fn too_large_error() -> http::Error {
    http::Error::Permanent(format!("its answer is longer than {} MiB", MAX_RESPONSE_SIZE >> 20))
}

impl GatewayResponse {
    /// Whether it is shorter than `length`, and will be.
    pub(super) fn is_shorter_than(&self, length: usize) -> bool {
        self.bytes.len() < if self.coding == ContentCoding::Identity { length } else { length / EXPECTED_COMPRESSION_RATIO }
    }

    /// Its bytes, decoded, or what is wrong with their encoding.
    ///
    /// # Errors
    /// How much room it needs, where it gets longer than `room`.
    pub(super) fn decode(self, room: usize) -> Result<Result<Vec<u8>, String>, usize> {
        if self.coding == ContentCoding::Identity {
            return Ok(Ok(self.bytes));
        }
        let longest = room.min(MAX_RESPONSE_SIZE);
        let sink = BoundedBuffer { bytes: Vec::new(), max_len: longest };
        match Decoder::new(sink, self.coding).write(&self.bytes).and_then(Decoder::finish) {
            Ok(decoded) => Ok(Ok(decoded.bytes)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge && longest < MAX_RESPONSE_SIZE => Err(MAX_RESPONSE_SIZE),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Err(too_large_error().to_string())),
            Err(error) => Ok(Err(format!("its encoding is broken: {error}"))),
        }
    }
}

/// Bytes that are not more than so many.
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
