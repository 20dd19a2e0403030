//! The threads of this process. A few threads are enough.
//!
//! Where a user or a container may have few threads, starting one may fail at any time. Then nothing here panics, and nothing
//! waits for a thread that will never run. Three pools keep their threads: for work that blocks (the disk), for short work of
//! many tasks that blocks (the steps of one task on the disk), and for work that computes (hashing, parsing). Each works with a
//! single thread. [`spawn_thread`] starts a thread for anything else, and its caller handles the error.
//!
//! To wake a thread costs more than a short step on a disk. So the pool for short work lets some of it wait for a thread that is
//! awake, and wakes another one only when that thread falls behind.

mod blocking_pool;

use std::io;
use std::sync::{OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use blocking_pool::BlockingPool;

/// Short work that takes longer than this has met a slow disk.
const SHORT_WORK_LIMIT: Duration = Duration::from_millis(50);

/// A panic in the work of a pool, or no thread to run it.
#[derive(Debug)]
pub(crate) struct WorkerError;

/// Starts a thread called `name`.
///
/// # Errors
/// When the system allows no more threads.
pub(crate) fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Starts the pools that each run needs, unless they run already: at the end of a run there may be no threads left.
///
/// # Errors
/// When a pool can't start a single thread.
pub(crate) fn init_pools() -> io::Result<()> {
    cpu_pool()?;
    BLOCKING_POOL.start()
}

/// Whether `count` more threads can be started now.
pub(crate) fn probe_threads(count: usize) -> bool {
    let waiting: Vec<_> = (0..count)
        .map_while(|_| {
            let (release, released) = mpsc::channel::<()>();
            let thread = spawn_thread("probe", move || released.recv().unwrap_or_default()).ok()?;
            Some((release, thread))
        })
        .collect();
    let is_enough = waiting.len() == count;
    for (release, thread) in waiting {
        drop(release);
        // It did nothing but wait.
        let _ = thread.join();
    }
    is_enough
}

/// How many threads to use for computing.
pub(crate) fn parallelism() -> usize {
    // To find out costs several calls of the system.
    static PARALLELISM: OnceLock<usize> = OnceLock::new();
    *PARALLELISM.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        address_space().map_or(cores, |limit| cores.min(parallelism_within(limit)).max(1))
    })
}

/// Whether the address space of this process is large enough for a run.
pub(crate) fn has_enough_address_space() -> bool {
    address_space().is_none_or(|limit| parallelism_within(limit) > 0)
}

/// How many cores can be used with `limit` bytes of address space. A failed allocation would end the process, so each thread
/// counts with the memory that the allocator reserves for it.
fn parallelism_within(limit: u64) -> usize {
    const BYTES_PER_THREAD: u64 = 66 << 20;
    const THREADS_PER_CORE: u64 = 3;
    const OTHER_THREADS: u64 = 8;
    const PROGRAM_BYTES: u64 = 128 << 20;
    let left = limit.saturating_sub(PROGRAM_BYTES + OTHER_THREADS * BYTES_PER_THREAD);
    usize::try_from(left / (THREADS_PER_CORE * BYTES_PER_THREAD)).unwrap_or(usize::MAX)
}

/// The limit of the address space, if there is one.
#[cfg(target_os = "linux")]
fn address_space() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Other systems have no limit that matters.
#[cfg(not(target_os = "linux"))]
fn address_space() -> Option<u64> {
    None
}

/// The pool for work that computes. It has a thread for each core, or as many as the system allows.
///
/// # Errors
/// When the system allows none.
pub(crate) fn cpu_pool() -> io::Result<&'static ThreadPool> {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    match POOL.get() {
        Some(pool) => Ok(pool),
        None => build_cpu_pool().map(|pool| POOL.get_or_init(|| pool)),
    }
}

/// Starts the threads first and builds the pool from those that started: rayon itself fails when one is missing.
fn build_cpu_pool() -> io::Result<ThreadPool> {
    let mut started = Vec::new();
    let mut error = None;
    for _ in 0..parallelism() {
        let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
        match spawn_thread("compute", move || receiver.into_iter().for_each(ThreadBuilder::run)) {
            Ok(_) => started.push(sender),
            Err(failed) => error = Some(failed),
        }
    }
    if started.is_empty() {
        return Err(error.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()));
    }
    ThreadPoolBuilder::new()
        .num_threads(started.len())
        .spawn_handler(|worker| {
            let thread = started.pop().ok_or(io::ErrorKind::WouldBlock)?;
            thread.send(worker).map_err(|_| io::ErrorKind::WouldBlock.into())
        })
        .build()
        .map_err(io::Error::other)
}

/// Runs `work` on the pool for computing, or on this thread when there is no pool.
pub(crate) fn spawn_on_cpu_pool(work: impl FnOnce() + Send + 'static) {
    match cpu_pool() {
        Ok(pool) => pool.spawn(work),
        Err(_) => work(),
    }
}

/// Runs `work` where blocking is allowed.
///
/// # Errors
/// When it panics, or no thread can be started for it.
pub(crate) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkerError> {
    run_on(&BLOCKING_POOL, work).await
}

/// Runs `work` where blocking is allowed, without waiting for it.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn spawn_blocking(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    BLOCKING_POOL.push(Box::new(work))
}

/// As [`run_blocking`], for work that takes less than a millisecond on a quick disk. It may wait behind other short work.
///
/// # Errors
/// When it panics, or no thread can be started for it.
pub(crate) async fn run_short<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkerError> {
    with_help(run_on(&SHORT_POOL, work)).await
}

/// Waits for `done`, which depends on short work. When that takes long, another thread helps with the short work that waits: a
/// single call to a disk that hangs must not stop all others.
pub(crate) async fn with_help<T>(done: impl Future<Output = T>) -> T {
    let mut done = std::pin::pin!(done);
    if let Ok(done) = tokio::time::timeout(SHORT_WORK_LIMIT, &mut done).await {
        return done;
    }
    SHORT_POOL.help();
    done.await
}

/// Runs such short work without waiting for it.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn spawn_short(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    SHORT_POOL.push(Box::new(work))
}

async fn run_on<T: Send + 'static>(
    pool: &'static BlockingPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WorkerError> {
    let (sender, receiver) = oneshot::channel();
    // Without a thread the sender is dropped, and the receiver returns an error.
    let _ = pool.push(Box::new(move || {
        // A closed receiver is not an error.
        let _ = sender.send(work());
    }));
    receiver.await.map_err(|_| WorkerError)
}

static BLOCKING_POOL: BlockingPool = BlockingPool::new();
static SHORT_POOL: BlockingPool = BlockingPool::for_short_jobs(&BLOCKING_POOL);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_returns_its_result_and_reports_a_panic() {
        let results = futures::future::join_all((0..100).map(|n| run_blocking(move || n * 2))).await;
        let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert!(run_blocking(|| panic!("expected in this test")).await.is_err());
        assert!(run_blocking(|| 1).await.is_ok(), "a panic ends no thread");
    }

    #[test]
    fn address_space_limits_the_number_of_cores() {
        assert_eq!(parallelism_within(0), 0);
        assert_eq!(parallelism_within(800 << 20), 0);
        assert_eq!(parallelism_within(1 << 30), 1);
        assert_eq!(parallelism_within(4 << 30), 17);
        assert!(parallelism_within(u64::MAX) > 1 << 20);
    }

    #[test]
    fn compute_pool_has_the_expected_threads() {
        let pool = cpu_pool().unwrap();
        assert!((1..=parallelism()).contains(&pool.current_num_threads()));
        assert_eq!(pool.install(|| rayon::join(|| 1, || 2)), (1, 2));
    }
}
