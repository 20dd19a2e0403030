//! Moves one body's bytes to the disk.
//!
//! Chunks are gathered, as they came and uncopied, until there is enough of them for one hop to
//! where blocking is allowed; there they are decoded, hashed and written while the next ones are
//! gathered. One hop at a time is under way, so a slow disk stops the reading and memory stays
//! bounded whatever the sizes. What is left at the end is handed back: a small file is written, judged
//! and committed in a single hop by the caller.

use std::io;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{Error, blocking};
use crate::event::Meter;
use crate::http::{self, Body, Decoder};
use crate::store::Part;

/// Bytes that are worth a hop.
const HOP: usize = 256 << 10;

/// A file on its way in, and the bytes that it has not taken yet.
pub(super) struct Poured {
    pub sink: Decoder<Part>,
    pub rest: Vec<Bytes>,
}

impl Poured {
    /// Writes the rest, ends the encoding, and gives the part.
    pub(super) fn settle(self) -> Result<Part, Error> {
        write(self.sink, &self.rest)?.finish().map_err(fault)
    }
}

/// Pours `body` into `sink` to its end.
pub(super) async fn pour(mut body: Body, sink: Decoder<Part>, meters: &[&Meter]) -> Result<Poured, Error> {
    let mut idle = Some(sink);
    let mut busy: Option<JoinHandle<Result<Decoder<Part>, Error>>> = None;
    let (mut gathered, mut size) = (Vec::new(), 0);
    while let Some(chunk) = body.chunk().await? {
        for meter in meters {
            meter.add(chunk.len() as u64);
        }
        size += chunk.len();
        gathered.push(chunk);
        if size >= HOP {
            let sink = ready(&mut idle, &mut busy).await?;
            let chunks = std::mem::take(&mut gathered);
            size = 0;
            busy = Some(tokio::spawn(blocking(move || write(sink, &chunks))));
        }
    }
    let sink = ready(&mut idle, &mut busy).await?;
    Ok(Poured { sink, rest: gathered })
}

/// The sink, once the hop under way has landed.
async fn ready(
    idle: &mut Option<Decoder<Part>>,
    busy: &mut Option<JoinHandle<Result<Decoder<Part>, Error>>>,
) -> Result<Decoder<Part>, Error> {
    let lost = || Error::Write(io::Error::other("the writer broke down"));
    match busy.take() {
        Some(hop) => hop.await.map_err(|_| lost())?,
        None => idle.take().ok_or_else(lost),
    }
}

fn write(sink: Decoder<Part>, chunks: &[Bytes]) -> Result<Decoder<Part>, Error> {
    chunks.iter().try_fold(sink, |sink, chunk| sink.write(chunk)).map_err(fault)
}

/// A broken encoding is the host's fault, and may pass; anything else is the disk's.
fn fault(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Error::Http(http::Error::Passing(format!("its encoding is broken: {error}")))
        }
        _ => Error::Write(error),
    }
}
