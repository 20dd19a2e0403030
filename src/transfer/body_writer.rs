//! Writes the bytes of one body to the disk.
//!
//! Chunks are collected, without a copy, until there are enough for one call on a blocking thread. That call decodes, hashes
//! and writes them, while the next chunks are collected. Only one call runs at a time, so a slow disk stops the reading, and
//! the memory is bounded for every size of file. The last chunks are returned unwritten: the caller writes, checks and commits
//! a small file in a single call. A body that breaks off loses no byte that was received.

use std::time::Instant;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::first_body::{FirstBody, Next};
use super::min_rate::RateMonitor;
use crate::domain::event::{Counter, FileProgress};
use crate::http::{self, Body, ContentCoding, DecodeError, Decoder};
use crate::storage::{self, Part, SizeLimitExceeded, blocking};

/// How many bytes to collect before one call on a blocking thread.
const WRITE_BATCH: usize = 256 << 10;

/// Why a body that continues after its announced end is refused.
pub(super) const LONGER_THAN_DECLARED: &str = "the host sends more than it says";

/// What a transfer counts in, and what stops it.
pub(super) struct TransferContext<'a> {
    pub counters: &'a [&'a Counter],
    pub progress: &'a FileProgress,
    pub stop: &'a CancellationToken,
    pub rate: RateMonitor,
}

impl TransferContext<'_> {
    /// The next bytes of `body`; none at its end. No byte that was received is lost, also when the call is cancelled.
    pub(super) async fn receive(&mut self, body: &mut Body) -> Result<Option<Bytes>, Error> {
        self.rate.check()?;
        let started = Instant::now();
        let chunk = self.stop.run_until_cancelled(body.chunk()).await.ok_or(Error::Stopped)??;
        self.rate.count(chunk.as_ref().map_or(0, Bytes::len), started.elapsed());
        Ok(chunk)
    }

    /// Counts received bytes, and waits until they are within the rate limit.
    pub(super) async fn count(&self, body: &Body, size: usize) {
        for counter in self.counters {
            counter.add(size as u64);
        }
        self.progress.add(size as u64);
        // The caller sees the stop at the next chunk.
        let _ = self.stop.run_until_cancelled(body.wait_for_rate_limit(size)).await;
    }

    /// The next bytes of `body`, counted; none at its end.
    pub(super) async fn next_chunk(&mut self, body: &mut Body) -> Result<Option<Bytes>, Error> {
        let chunk = self.receive(body).await?;
        self.count(body, chunk.as_ref().map_or(0, Bytes::len)).await;
        Ok(chunk)
    }
}

/// How the writing of a body ended.
pub(super) enum BodyEnd {
    /// All of it is received.
    Complete,
    /// Other connections can bring the rest.
    Split,
    /// It broke off.
    Fault(Error),
}

/// A part with its decoder, and the received bytes that are not written yet.
pub(super) struct WrittenBody {
    pub sink: Decoder<Part>,
    pub unwritten: Vec<Bytes>,
}

impl WrittenBody {
    /// A part that has all its bytes.
    pub(super) fn from_part(part: Part) -> Self {
        Self { sink: Decoder::new(part, ContentCoding::Identity), unwritten: Vec::new() }
    }

    /// Whether it can be completed without the disk: it is small, and all in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        let unwritten = self.unwritten.iter().map(Bytes::len).sum();
        matches!(&self.sink, Decoder::Plain(part) if part.can_hold(unwritten))
    }

    /// Writes the rest, ends the decoding, and returns the part.
    pub(super) fn finish(self) -> Result<Part, Error> {
        write_chunks(self.sink, &self.unwritten)?.finish().map_err(classify_write_error)
    }

    /// Writes the rest of a body that broke off. Returns the part, if it can be continued.
    pub(super) fn salvage(self) -> Result<Option<Part>, Error> {
        Ok(match write_chunks(self.sink, &self.unwritten)? {
            Decoder::Plain(part) => Some(part),
            _ => None,
        })
    }
}

/// Writes `body` to `sink`, to its end, its split or a fault.
pub(super) async fn write_body(
    body: &mut FirstBody,
    sink: Decoder<Part>,
    context: &mut TransferContext<'_>,
) -> Result<(WrittenBody, BodyEnd), Error> {
    let mut writer = BlockingWriter { idle: Some(sink), busy: None };
    let (mut batch, mut batch_size) = (Vec::new(), 0);
    // The announced length counts, however the body ends.
    let (announced, mut received) = (body.length(), 0);
    let end = loop {
        match body.next(context).await {
            Ok(Next::Chunk(chunk)) => {
                received += chunk.len() as u64;
                if announced.is_some_and(|announced| received > announced) {
                    break BodyEnd::Fault(Error::Http(http::Error::LengthMismatch(LONGER_THAN_DECLARED)));
                }
                batch_size += chunk.len();
                batch.push(chunk);
            }
            Ok(Next::End) => {
                let missing = announced.filter(|expected| received < *expected);
                break missing.map_or(BodyEnd::Complete, |expected| {
                    BodyEnd::Fault(Error::Http(http::Error::Incomplete { received, expected }))
                });
            }
            Ok(Next::Split) => break BodyEnd::Split,
            Err(fault) => break BodyEnd::Fault(fault),
        }
        if batch_size >= WRITE_BATCH {
            let sink = writer.join().await?;
            writer.start(sink, std::mem::take(&mut batch));
            batch_size = 0;
        }
    };
    Ok((WrittenBody { sink: writer.join().await?, unwritten: batch }, end))
}

/// The sink: idle here, or busy in a call on a blocking thread.
struct BlockingWriter {
    idle: Option<Decoder<Part>>,
    busy: Option<JoinHandle<Result<Decoder<Part>, Error>>>,
}

impl BlockingWriter {
    fn start(&mut self, sink: Decoder<Part>, chunks: Vec<Bytes>) {
        self.busy = Some(tokio::spawn(blocking(move || write_chunks(sink, &chunks))));
    }

    /// Waits for the call and returns the sink.
    async fn join(&mut self) -> Result<Decoder<Part>, Error> {
        let panicked = || Error::Store(storage::Error::Panicked);
        match self.busy.take() {
            Some(call) => call.await.map_err(|_| panicked())?,
            None => self.idle.take().ok_or_else(panicked),
        }
    }
}

fn write_chunks(sink: Decoder<Part>, chunks: &[Bytes]) -> Result<Decoder<Part>, Error> {
    chunks.iter().try_fold(sink, |sink, chunk| sink.write(chunk)).map_err(classify_write_error)
}

/// A broken encoding is a fault of the host and may be transient. Any other error is one of the disk, or of the size limit.
fn classify_write_error(error: DecodeError) -> Error {
    match error {
        DecodeError::Encoding(error) => Error::Http(http::Error::BrokenEncoding(error.to_string())),
        DecodeError::Base64 => Error::Http(http::Error::base64()),
        DecodeError::Destination(error) if SizeLimitExceeded::is_cause_of(&error) => Error::TooLarge,
        DecodeError::Destination(error) => Error::Write(error),
    }
}
