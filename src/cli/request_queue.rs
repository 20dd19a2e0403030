//! The requests on their way from the thread that reads the ids to the run.
//!
//! The thread says what it reads: a list that has an end, or a pipe that may have none. Once the run has stopped asking, lists are
//! still read to their end, so that all of their tasks are counted. A pipe is not read to its
//! end: the program that writes to it may itself wait until this program ends.

use futures::stream::{self, Stream};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::failed_to::RequestLog;
use crate::domain::shard::Shard;
use crate::jobs::archive::Request;

/// What the reader of the ids does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// It reads what has an end.
    Finite,
    /// It reads a pipe or a terminal, and may wait for ever.
    MayWait,
    Ended,
}

/// The end of the queue that the reader fills. Requests are recorded where there is a log. Those of other shards are left out:
/// this process never sees them.
pub(super) struct RequestQueue {
    sender: Sender<Request>,
    log: Option<RequestLog>,
    shard: Option<Shard>,
    reading: watch::Sender<Reading>,
}

impl RequestQueue {
    pub(super) fn new(sender: Sender<Request>, log: Option<RequestLog>, shard: Option<Shard>) -> Self {
        Self { sender, log, shard, reading: watch::Sender::new(Reading::Finite) }
    }

    /// What the reader does from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Reading> {
        self.reading.subscribe()
    }

    /// Sends a request. Returns whether more are of use: the run takes them, or they are recorded.
    pub(super) fn send(&self, request: Request) -> bool {
        if self.shard.is_some_and(|shard| !shard.includes(request.id.as_str())) {
            return self.log.is_some() || !self.is_closed();
        }
        if let Some(log) = &self.log {
            log.record(&request);
        }
        self.sender.blocking_send(request).is_ok() || self.log.is_some()
    }

    /// Whether the run takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// A list is read from now on. Reading it may wait for ever if `may_wait`.
    pub(super) fn begin_list(&self, may_wait: bool) {
        self.reading.send_replace(if may_wait { Reading::MayWait } else { Reading::Finite });
    }
}

impl Drop for RequestQueue {
    fn drop(&mut self) {
        self.reading.send_replace(Reading::Ended);
    }
}

/// The requests, to their end. Once the queries have ended, a pipe is not waited for.
pub(super) fn receive(
    receiver: Receiver<Request>,
    queries_ended: CancellationToken,
    reading: watch::Receiver<Reading>,
) -> impl Stream<Item = Request> + Send {
    stream::unfold((receiver, queries_ended, reading), |(mut receiver, queries_ended, mut reading)| async move {
        let waits_in_vain = async {
            queries_ended.cancelled().await;
            if reading.wait_for(|reading| *reading == Reading::MayWait).await.is_err() {
                // The reader has ended, and so does the channel.
                std::future::pending::<()>().await;
            }
        };
        let request = tokio::select! {
            biased;
            request = receiver.recv() => request,
            () = waits_in_vain => None,
        };
        Some((request?, (receiver, queries_ended, reading)))
    })
}
