//! Durability, bought in groups.
//!
//! A flush costs about the same for one file as for hundreds. So whoever has written something says what, and
//! what is to be done once it is durable; one thread takes all that has gathered meanwhile, makes it durable
//! together, and then does what was to be done, in the order of asking. The order holds for each task: what
//! follows a round finds everything on the disk that was written before it was asked for. Where a round has
//! few files, or the file system is not known to keep the promise of `syncfs`, each is synced by itself.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rayon::prelude::*;
use tokio::sync::oneshot;

use crate::storage::Error;
use crate::storage::error::clone_io_error;
use crate::threads;

/// Up to so many paths are synced one by one: `syncfs` also waits for what other programs have written.
const MAX_INDIVIDUAL_SYNCS: usize = 8;

/// After a round of many, the next one waits so long for more.
const GROUP_DELAY: Duration = Duration::from_millis(3);

/// The rounds of one archive. The thread starts with the first and ends with this.
#[derive(Debug)]
pub(in crate::storage) struct GroupSync {
    root: PathBuf,
    sender: Mutex<Option<Sender<SyncRequest>>>,
}

struct SyncRequest {
    written: Vec<PathBuf>,
    on_synced: Box<dyn FnOnce(io::Result<()>) + Send>,
}

impl GroupSync {
    pub(in crate::storage) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), sender: Mutex::new(None) }
    }

    /// Makes all that was written before this call durable, `written` above all, and then does what `then` says.
    pub(in crate::storage) async fn run_after_sync<T: Send + 'static>(
        &self,
        written: Vec<PathBuf>,
        then: impl FnOnce(Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (telling, told) = oneshot::channel();
        let root = self.root.clone();
        let then = move |synced: io::Result<()>| {
            // Nobody may be waiting any more: the run was cut off.
            let _ = telling.send(then(synced.map_err(Error::io("sync", &root))));
        };
        let broken = |_| Error::io("sync", &self.root)(io::Error::other("the writer broke down"));
        self.submit(SyncRequest { written, on_synced: Box::new(then) })?;
        told.await.map_err(broken)?
    }

    fn submit(&self, asked: SyncRequest) -> Result<(), Error> {
        let mut asking = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if asking.is_none() {
            let (sender, requests) = channel();
            let root = self.root.clone();
            match threads::spawn_thread("sync", move || run_sync_loop(&root, &requests)) {
                Ok(_) => *asking = Some(sender),
                // Where threads are few, each request is a round of its own.
                Err(_) => {
                    return threads::spawn_blocking(move || _ = sync_group(vec![asked], &mut None))
                        .map_err(Error::io("sync", &self.root));
                }
            }
        }
        if let Some(sender) = &*asking {
            // It never ends while somebody asks, and nobody would hear it.
            let _ = sender.send(asked);
        }
        Ok(())
    }
}

/// One round after the other, until nobody can ask any more.
fn run_sync_loop(root: &Path, asking: &Receiver<SyncRequest>) {
    let mut system = open_file_system(root);
    let mut is_busy = false;
    while let Ok(first) = asking.recv() {
        if is_busy {
            thread::sleep(GROUP_DELAY);
        }
        is_busy = sync_group([first].into_iter().chain(asking.try_iter()).collect(), &mut system);
    }
}

/// Makes all that was written durable together, then does what was to be done; whether it was much.
fn sync_group(round: Vec<SyncRequest>, system: &mut Option<File>) -> bool {
    let paths: BTreeSet<&Path> = round.iter().flat_map(|asked| &asked.written).map(PathBuf::as_path).collect();
    let is_busy = paths.len() > MAX_INDIVIDUAL_SYNCS;
    let failed = |path: &Path| sync(path).err().map(|error| (path.to_owned(), error));
    let (all, each): (io::Result<()>, HashMap<PathBuf, io::Error>) = match &*system {
        _ if !is_busy => (Ok(()), paths.into_iter().filter_map(failed).collect()),
        Some(system) => (sync_system(system), HashMap::new()),
        None => (Ok(()), sync_each(paths)),
    };
    if all.is_err() {
        // It tells of a failure once, which may be of something that is asked for only in the next round.
        *system = None;
    }
    for asked in round {
        let error = all.as_ref().err().or_else(|| asked.written.iter().find_map(|path| each.get(path)));
        let own = error.map_or(Ok(()), |error| Err(clone_io_error(error)));
        // Whoever waits for one that breaks down sees a closed channel; the others go on.
        let _ = catch_unwind(AssertUnwindSafe(|| (asked.on_synced)(own)));
    }
    is_busy
}

/// Syncs each path by itself; the errors, by path.
fn sync_each(paths: BTreeSet<&Path>) -> HashMap<PathBuf, io::Error> {
    let failed = |path: &Path| sync(path).err().map(|error| (path.to_owned(), error));
    match threads::cpu_pool() {
        Ok(pool) => pool.install(|| paths.into_par_iter().filter_map(failed).collect()),
        Err(_) => paths.into_iter().filter_map(failed).collect(),
    }
}

/// Makes a file, or the names in a folder, durable.
pub(in crate::storage) fn sync(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return open_to_sync(path)?.sync_all();
    // There only a file that may be written to can be synced; folders neither can nor need to be.
    #[cfg(not(unix))]
    if path.is_dir() { Ok(()) } else { std::fs::OpenOptions::new().write(true).open(path)?.sync_all() }
}

/// Somebody may have put a pipe in the place of what was written: opening that must not block.
#[cfg(unix)]
fn open_to_sync(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    let found = file.metadata()?;
    if found.is_file() || found.is_dir() { Ok(file) } else { Err(io::Error::other("something that is no file took its place")) }
}

/// The file system that `root` is on, where one call makes all of it durable and tells whether that went well.
#[cfg(target_os = "linux")]
fn open_file_system(root: &Path) -> Option<File> {
    // ext2 to ext4, XFS, Btrfs, F2FS, tmpfs. Others may be remote, or in user space, and hear nothing of it.
    const KNOWN: [u32; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];
    let system = File::open(root).ok()?;
    let kind = rustix::fs::fstatfs(&system).ok()?.f_type;
    // Before Linux 5.8 it kept failures to itself.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next()?, numbers.next()?);
    let is_known = u32::try_from(kind).is_ok_and(|kind| KNOWN.contains(&kind));
    (is_known && version >= (5, 8)).then_some(system)
}

#[cfg(not(target_os = "linux"))]
fn open_file_system(_: &Path) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
fn sync_system(system: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(system)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_system(system: &File) -> io::Result<()> {
    system.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn every_sync_request_gets_its_own_result() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = GroupSync::new(folder.path());
        let asked = (0..100_u32).map(|n| {
            let path = folder.path().join(n.to_string());
            fs::write(&path, b"x").unwrap();
            rounds.run_after_sync(vec![path], move |synced| synced.map(|()| n))
        });
        let told: Vec<u32> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(told, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn failed_sync_or_panic_does_not_affect_other_requests() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = GroupSync::new(folder.path());
        let missing = rounds.run_after_sync(vec![folder.path().join("missing")], |synced| synced);
        let other = rounds.run_after_sync(vec![folder.path().to_owned()], |synced| synced);
        let (missing, other) = tokio::join!(missing, other);
        assert!(missing.unwrap_err().message().contains("can't sync"));
        assert!(other.is_ok(), "one that can't be synced is nobody else's fault");
        let broken = rounds.run_after_sync(Vec::new(), |_| -> Result<(), Error> { panic!("on purpose") }).await;
        assert!(broken.is_err());
        assert!(rounds.run_after_sync(vec![folder.path().to_owned()], |synced| synced).await.is_ok());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn fifo_in_place_of_a_file_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let rounds = GroupSync::new(folder.path());
        let trapped = rounds.run_after_sync(vec![pipe], |synced| synced);
        let other = rounds.run_after_sync(vec![folder.path().to_owned()], |synced| synced);
        let both = async { tokio::join!(trapped, other) };
        let (trapped, other) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert!(trapped.is_err());
        assert!(other.is_ok());
    }
}
