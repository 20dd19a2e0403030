//! Group sync: one sync makes the writes of many tasks durable.
//!
//! A sync costs about the same for one file as for hundreds. So a writer submits the paths that it has written, and a step to
//! take once they are durable. One thread collects the requests that wait, syncs their paths together, and then takes their
//! steps in order. A step can return another request, which joins the next sync: so the writer is woken once, at the end. When
//! a step is taken, everything that was written before its request is durable, so each task keeps its order on disk. How the paths
//! are synced is a matter of [`synced_disk`](super::synced_disk).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::synced_disk::SyncedDisk;
use crate::storage::Error;
use crate::threads;

/// After a sync of many paths, the next one waits this long for more requests.
const GROUP_DELAY: Duration = Duration::from_millis(3);

/// The sync thread of one archive. It starts with the first request and ends when this is dropped.
#[derive(Debug)]
pub(super) struct GroupSync {
    root: PathBuf,
    sender: Mutex<Option<Sender<SyncRequest>>>,
}

/// Something that was written, and what follows once it is durable.
pub(super) struct SyncRequest {
    written: Vec<PathBuf>,
    step: Box<dyn FnOnce(io::Result<()>) -> Option<Self> + Send>,
}

impl SyncRequest {
    /// Calls `step` with the result, once everything is durable that was written before this request is submitted, `written`
    /// above all. What it returns joins the next sync.
    pub(super) fn new(written: Vec<PathBuf>, step: impl FnOnce(io::Result<()>) -> Option<Self> + Send + 'static) -> Self {
        Self { written, step: Box::new(step) }
    }
}

impl GroupSync {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), sender: Mutex::new(None) }
    }

    /// The result that a step sends. An error when the step panics.
    pub(super) async fn result<T, E: From<Error>>(&self, result: oneshot::Receiver<Result<T, E>>) -> Result<T, E> {
        let panicked = |_| Error::io("sync", &self.root)(io::Error::other("internal error; please report it"));
        result.await.map_err(panicked)?
    }

    /// Adds a request to the next sync.
    pub(super) fn submit(&self, request: SyncRequest) -> Result<(), Error> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            let (new_sender, requests) = channel();
            let root = self.root.clone();
            match threads::spawn_thread("sync", move || run_sync_loop(&root, &requests)) {
                Ok(_) => *sender = Some(new_sender),
                // Without a thread, each request is synced separately.
                Err(_) => {
                    return threads::spawn_blocking(move || sync_alone(request)).map_err(Error::io("sync", &self.root));
                }
            }
        }
        if let Some(sender) = &*sender {
            // The thread never ends while there is a sender.
            let _ = sender.send(request);
        }
        Ok(())
    }
}

/// Syncs group after group, until all senders are dropped.
fn run_sync_loop(root: &Path, requests: &Receiver<SyncRequest>) {
    let mut disk = SyncedDisk::new(root);
    let (mut group, mut is_busy) = (Vec::new(), false);
    loop {
        if group.is_empty() {
            match requests.recv() {
                Ok(first) => group.push(first),
                Err(_) => return,
            }
        }
        if is_busy {
            thread::sleep(GROUP_DELAY);
        }
        group.extend(requests.try_iter());
        (group, is_busy) = sync_group(group, &mut disk);
    }
}

/// Syncs a request and what follows from it, without a thread of its own.
fn sync_alone(request: SyncRequest) {
    let mut group = vec![request];
    while !group.is_empty() {
        (group, _) = sync_group(group, &mut SyncedDisk::unknown());
    }
}

/// Syncs the paths of all requests together, then takes their steps. Returns the requests that follow, and whether there were
/// many paths.
fn sync_group(group: Vec<SyncRequest>, disk: &mut SyncedDisk) -> (Vec<SyncRequest>, bool) {
    let synced = disk.sync(group.iter().flat_map(|request| &request.written).map(PathBuf::as_path));
    let take_step = |SyncRequest { written, step }: SyncRequest| {
        let result = written.iter().map(|path| synced.result(path)).fold(synced.all(), io::Result::and);
        // After a panic in a step its caller sees a closed channel. The other requests go on.
        catch_unwind(AssertUnwindSafe(|| step(result))).ok().flatten()
    };
    (group.into_iter().filter_map(take_step).collect(), synced.is_many)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::future::join_all;

    use super::*;

    async fn after_sync<T: Send + 'static>(
        group_sync: &GroupSync,
        written: Vec<PathBuf>,
        then: impl FnOnce(io::Result<()>) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let send = move |synced| {
            let _ = sender.send(then(synced).map_err(Error::io("sync", Path::new("it"))));
            None
        };
        group_sync.submit(SyncRequest::new(written, send))?;
        group_sync.result(result).await
    }

    #[tokio::test]
    async fn every_sync_request_gets_its_own_result() {
        let folder = tempfile::tempdir().unwrap();
        let group_sync = GroupSync::new(folder.path());
        let requests = (0..100_u32).map(|n| {
            let path = folder.path().join(n.to_string());
            fs::write(&path, b"x").unwrap();
            after_sync(&group_sync, vec![path], move |synced| synced.map(|()| n))
        });
        let results: Vec<u32> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn failed_sync_or_panic_does_not_affect_other_requests() {
        let folder = tempfile::tempdir().unwrap();
        let group_sync = GroupSync::new(folder.path());
        let missing = after_sync(&group_sync, vec![folder.path().join("missing")], |synced| synced);
        let other = after_sync(&group_sync, vec![folder.path().to_owned()], |synced| synced);
        let (missing, other) = tokio::join!(missing, other);
        assert!(missing.unwrap_err().message().contains("can't sync"));
        assert!(other.is_ok(), "a path that can't be synced affects no other request");
        let broken = after_sync(&group_sync, Vec::new(), |_| -> io::Result<()> { panic!("on purpose") }).await;
        assert!(broken.is_err());
        assert!(after_sync(&group_sync, vec![folder.path().to_owned()], |synced| synced).await.is_ok());
    }

    #[tokio::test]
    async fn request_that_follows_a_step_joins_the_next_sync() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::write(&first, b"x").unwrap();
        let group_sync = GroupSync::new(folder.path());
        let (sender, result) = oneshot::channel();
        let written = vec![first];
        let last = move |synced: io::Result<()>| {
            let _ = sender.send(synced.map_err(Error::io("sync", Path::new("it"))));
            None
        };
        let step = move |synced: io::Result<()>| {
            synced.unwrap();
            // It does not exist, so the sync that this request joins has to fail.
            Some(SyncRequest::new(vec![second], last))
        };
        group_sync.submit(SyncRequest::new(written, step)).unwrap();
        assert!(group_sync.result(result).await.is_err());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn fifo_in_place_of_a_file_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let group_sync = GroupSync::new(folder.path());
        let trapped = after_sync(&group_sync, vec![pipe], |synced| synced);
        let other = after_sync(&group_sync, vec![folder.path().to_owned()], |synced| synced);
        let both = async { tokio::join!(trapped, other) };
        let (trapped, other) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert!(trapped.is_err());
        assert!(other.is_ok());
    }
}
