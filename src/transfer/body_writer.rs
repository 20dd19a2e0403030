//! Moves one body's bytes to the disk.
//!
//! Chunks are gathered, as they came and uncopied, until there is enough of them for one hop to
//! where blocking is allowed; there they are decoded, hashed and written while the next ones are
//! gathered. One hop at a time is under way, so a slow disk stops the reading and memory stays
//! bounded whatever the sizes. What is left at the end is handed back: a small file is written, judged
//! and committed in a single hop by the caller. A body that breaks off loses nothing that came.

use std::io;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::domain::event::Counter;
use crate::http::{self, Body, ContentCoding, Decoder};
use crate::storage::{Part, SizeLimitExceeded, blocking};

/// Bytes that are worth a hop.
const WRITE_BATCH: usize = 256 << 10;

/// Why a body is not taken that goes on after its end.
pub(super) const LONGER_THAN_DECLARED: &str = "the host sends more than it says";

/// What a transfer counts in, and what ends it early.
pub(super) struct TransferContext<'a> {
    pub meters: &'a [&'a Counter],
    pub stop: &'a CancellationToken,
}

impl TransferContext<'_> {
    /// The next bytes of `body`, counted; none at its end.
    pub(super) async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, Error> {
        let chunk = self.stop.run_until_cancelled(body.chunk()).await.ok_or(Error::Stopped)??;
        for meter in self.meters {
            meter.add(chunk.as_ref().map_or(0, Bytes::len) as u64);
        }
        Ok(chunk)
    }
}

/// A file on its way in, and the bytes that it has not taken yet.
pub(super) struct WrittenBody {
    pub sink: Decoder<Part>,
    pub unwritten: Vec<Bytes>,
}

impl WrittenBody {
    /// A file that has come whole already.
    pub(super) fn from_part(part: Part) -> Self {
        Self { sink: Decoder::new(part, ContentCoding::Identity), unwritten: Vec::new() }
    }

    /// Writes the rest, ends the encoding, and gives the part.
    pub(super) fn finish(self) -> Result<Part, Error> {
        write_chunks(self.sink, &self.unwritten)?.finish().map_err(classify_write_error)
    }

    /// Writes the rest of a body that broke off; the part, when what it has can be continued.
    pub(super) fn salvage(self) -> Result<Option<Part>, Error> {
        Ok(match write_chunks(self.sink, &self.unwritten)? {
            Decoder::Plain(part) => Some(part),
            _ => None,
        })
    }
}

/// Pours `body` into `sink`: to its end, or until the fault that is given back with what came.
pub(super) async fn write_body(
    body: &mut Body,
    sink: Decoder<Part>,
    limits: &TransferContext<'_>,
) -> Result<(WrittenBody, Option<Error>), Error> {
    let mut hops = BlockingWriter { idle: Some(sink), busy: None };
    let (mut gathered, mut size) = (Vec::new(), 0);
    // What the head says of the body holds for what comes, however the body ends.
    let (said, mut came) = (body.head.length, 0);
    let fault = loop {
        match limits.next_chunk(body).await {
            Ok(Some(chunk)) => {
                came += chunk.len() as u64;
                if said.is_some_and(|said| came > said) {
                    break Some(Error::Http(http::Error::LengthMismatch(LONGER_THAN_DECLARED)));
                }
                size += chunk.len();
                gathered.push(chunk);
            }
            Ok(None) => break said.filter(|said| came < *said).map(|said| short(came, said)),
            Err(fault) => break Some(fault),
        }
        if size >= WRITE_BATCH {
            let sink = hops.join().await?;
            hops.start(sink, std::mem::take(&mut gathered));
            size = 0;
        }
    };
    Ok((WrittenBody { sink: hops.join().await?, unwritten: gathered }, fault))
}

/// A body that ended early.
fn short(came: u64, said: u64) -> Error {
    Error::Http(http::Error::Transient(format!("{came} of {said} bytes came")))
}

/// The sink: here, or on a hop.
struct BlockingWriter {
    idle: Option<Decoder<Part>>,
    busy: Option<JoinHandle<Result<Decoder<Part>, Error>>>,
}

impl BlockingWriter {
    fn start(&mut self, sink: Decoder<Part>, chunks: Vec<Bytes>) {
        self.busy = Some(tokio::spawn(blocking(move || write_chunks(sink, &chunks))));
    }

    /// The sink, once the hop under way has landed.
    async fn join(&mut self) -> Result<Decoder<Part>, Error> {
        let lost = || Error::Write(io::Error::other("the writer broke down"));
        match self.busy.take() {
            Some(hop) => hop.await.map_err(|_| lost())?,
            None => self.idle.take().ok_or_else(lost),
        }
    }
}

fn write_chunks(sink: Decoder<Part>, chunks: &[Bytes]) -> Result<Decoder<Part>, Error> {
    chunks.iter().try_fold(sink, |sink, chunk| sink.write(chunk)).map_err(classify_write_error)
}

/// A broken encoding is the host's fault, and may pass; anything else is the disk's.
fn classify_write_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Error::Http(http::Error::Transient(format!("its encoding is broken: {error}")))
        }
        _ if SizeLimitExceeded::is_cause_of(&error) => Error::TooLarge,
        _ => Error::Write(error),
    }
}
