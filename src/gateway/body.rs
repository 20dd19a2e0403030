//! The body of an answer on its way in: bounded, with room for it before memory is taken, and its encoding undone.
//!
//! A length that was promised gets its room at once. Without one, and for an encoded body, a medium answer is expected first
//! and a large one when it turns out to be longer.

use std::io::{self, Write};
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{Response, StatusCode};

use super::budget::{Budget, MEDIUM, Room};
use crate::http::retry::retry_after;
use crate::http::{self, Coding, Decoder};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;
/// How many times as long an encoded body is expected to become.
const USUAL_RATIO: usize = 16;

/// An answer that has come.
pub(super) struct Body {
    pub status: StatusCode,
    /// How long the gateway asks to wait.
    pub asked: Option<Duration>,
    bytes: Vec<u8>,
    coding: Coding,
}

/// What came of reading an answer.
pub(super) enum Received {
    /// All of it.
    Body(Body),
    /// It needs so many bytes, and there is no room for them just now.
    NeedsRoom(usize),
}

/// Reads an answer, as far as there is room for it.
///
/// # Errors
/// When the connection breaks, or the answer is too long or in an encoding that can't be undone.
pub(super) async fn receive(mut response: Response, budget: &Budget, room: &mut Room) -> Result<Received, http::Error> {
    let (status, asked) = (response.status(), retry_after(response.headers()));
    let coding = coding(response.headers())?;
    let promised = response.content_length().map(|promised| usize::try_from(promised).unwrap_or(usize::MAX));
    if promised.is_some_and(|promised| promised > LONGEST_ANSWER) {
        return Err(too_long());
    }
    let promised_room = promised.unwrap_or(0);
    if !budget.try_grow(room, promised_room) {
        return Ok(Received::NeedsRoom(promised_room));
    }
    let mut bytes = Vec::with_capacity(promised_room);
    while let Some(chunk) = response.chunk().await? {
        let length = bytes.len() + chunk.len();
        if length > LONGEST_ANSWER {
            return Err(too_long());
        }
        if length > room.bytes() {
            let needed = if length <= MEDIUM { MEDIUM } else { LONGEST_ANSWER };
            if !budget.try_grow(room, needed) {
                return Ok(Received::NeedsRoom(needed));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    if coding != Coding::Identity {
        let needed = bytes.len().saturating_mul(USUAL_RATIO).min(LONGEST_ANSWER);
        if !budget.try_grow(room, needed) {
            return Ok(Received::NeedsRoom(needed));
        }
    }
    Ok(Received::Body(Body { status, asked, bytes, coding }))
}

fn coding(headers: &HeaderMap) -> Result<Coding, http::Error> {
    let header = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Coding::parse(header).map_err(http::Error::Final)
}

fn too_long() -> http::Error {
    http::Error::Final(format!("its answer is longer than {} MiB", LONGEST_ANSWER >> 20))
}

impl Body {
    /// Whether it is shorter than `length`, and will be.
    pub(super) fn is_shorter_than(&self, length: usize) -> bool {
        self.bytes.len() < if self.coding == Coding::Identity { length } else { length / USUAL_RATIO }
    }

    /// Its bytes, decoded, or what is wrong with their encoding.
    ///
    /// # Errors
    /// How much room it needs, where it gets longer than `room`.
    pub(super) fn decoded(self, room: usize) -> Result<Result<Vec<u8>, String>, usize> {
        if self.coding == Coding::Identity {
            return Ok(Ok(self.bytes));
        }
        let longest = room.min(LONGEST_ANSWER);
        let sink = Bounded { bytes: Vec::new(), longest };
        match Decoder::new(sink, self.coding).write(&self.bytes).and_then(Decoder::finish) {
            Ok(decoded) => Ok(Ok(decoded.bytes)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge && longest < LONGEST_ANSWER => Err(LONGEST_ANSWER),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Err(too_long().to_string())),
            Err(error) => Ok(Err(format!("its encoding is broken: {error}"))),
        }
    }
}

/// Bytes that are not more than so many.
struct Bounded {
    bytes: Vec<u8>,
    longest: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.longest {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
