//! The body of an answer as a reader: received when it is read, and decoded.
//!
//! The first bytes decide how it is encoded, and its header only where they leave it open, as for the answers about tasks.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use reqwest::Response;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::error::Fault;
use crate::gateway::response::detect_coding;
use crate::http::{self, ContentCoding, DecodeError, Decoder, content_coding, next_chunk};

/// Bytes that decide how a body is encoded.
const SNIFFED: usize = 2;

/// A body. It blocks the thread while it waits for the network.
pub(super) struct Body<'a> {
    runtime: &'a Runtime,
    stop: &'a CancellationToken,
    response: Response,
    coding: ContentCoding,
    /// The first bytes, until there are enough of them.
    start: Vec<u8>,
    decoder: Option<Decoder<Decoded>>,
    decoded: Decoded,
    /// How many decoded bytes were read.
    read: usize,
    is_ended: bool,
    /// The first byte that is no blank.
    pub first: Option<u8>,
    /// Why it could not be read, when it could not.
    pub fault: Option<Fault>,
}

/// Bytes that the decoder has written.
#[derive(Clone, Default)]
struct Decoded(Rc<RefCell<Vec<u8>>>);

impl Write for Decoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Body<'a> {
    /// # Errors
    /// When its encoding is unknown.
    pub(super) fn new(response: Response, runtime: &'a Runtime, stop: &'a CancellationToken) -> Result<Self, http::Error> {
        let coding = content_coding(response.headers())?;
        Ok(Self {
            runtime,
            stop,
            response,
            coding,
            start: Vec::new(),
            decoder: None,
            decoded: Decoded::default(),
            read: 0,
            is_ended: false,
            first: None,
            fault: None,
        })
    }

    /// Receives and decodes the next bytes.
    fn receive(&mut self) -> Result<(), Fault> {
        let chunk = self.runtime.block_on(self.stop.run_until_cancelled(next_chunk(&mut self.response)));
        let chunk = chunk.ok_or(Fault::Stopped)??;
        self.is_ended = chunk.is_none();
        let bytes = chunk.unwrap_or_default();
        let decoder = if let Some(decoder) = self.decoder.take() {
            decoder.write(&bytes)
        } else {
            self.start.extend_from_slice(&bytes);
            if self.start.len() < SNIFFED && !self.is_ended {
                return Ok(());
            }
            let coding = detect_coding(&self.start).unwrap_or(self.coding);
            Decoder::new(self.decoded.clone(), coding).write(&std::mem::take(&mut self.start))
        };
        let broken = |error: DecodeError| http::Error::BrokenEncoding(error.to_string());
        match decoder {
            Ok(decoder) if self.is_ended => _ = decoder.finish().map_err(broken)?,
            Ok(decoder) => self.decoder = Some(decoder),
            Err(error) => return Err(broken(error).into()),
        }
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = (&self.decoded.0.borrow()[self.read..]).read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.read += read;
                self.first = self.first.or_else(|| buffer[..read].trim_ascii_start().first().copied());
                return Ok(read);
            }
            if self.is_ended {
                return Ok(0);
            }
            self.decoded.0.borrow_mut().clear();
            self.read = 0;
            if let Err(fault) = self.receive() {
                let message = fault.to_string();
                (self.fault, self.is_ended) = (Some(fault), true);
                return Err(io::Error::other(message));
            }
        }
    }
}
