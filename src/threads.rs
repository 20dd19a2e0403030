//! The threads of this process, made so that few are enough.
//!
//! Where a user or a container may have few threads, starting one fails at any time. Nothing here panics then, and nothing
//! waits for a thread that will never run. Two pools are made once and keep their threads: one for work that blocks (the
//! disk), one for work that computes (hashing, parsing). Both do with one thread. A single thread for something else is
//! started with [`start`], whose error the caller handles.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

/// A panic in work that was given to a pool.
#[derive(Debug)]
pub(crate) struct WorkerError;

/// Starts a thread called `name`.
///
/// # Errors
/// When the system has none left.
pub(crate) fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Makes both pools, so that what follows finds them.
///
/// # Errors
/// When not even one thread for each can be started.
pub(crate) fn init_pools() -> io::Result<()> {
    cpu_pool()?;
    BLOCKING_POOL.spawn_worker()
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
        // It only waited.
        let _ = thread.join();
    }
    is_enough
}

/// As many threads as are worth it for computing.
pub(crate) fn parallelism() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    address_space().map_or(cores, |most| cores.min(parallelism_within(most)).max(1))
}

/// Whether a run fits into the address space that this process may have.
pub(crate) fn has_enough_address_space() -> bool {
    address_space().is_none_or(|most| parallelism_within(most) > 0)
}

/// How many cores can be used with `most` bytes of address space. An allocation that fails would end the process, so that room
/// is kept for the allocator's own reserve for each thread.
fn parallelism_within(most: u64) -> usize {
    const BYTES_PER_THREAD: u64 = 66 << 20;
    const THREADS_PER_CORE: u64 = 3;
    const OTHER_THREADS: u64 = 8;
    const PROGRAM_BYTES: u64 = 128 << 20;
    let left = most.saturating_sub(PROGRAM_BYTES + OTHER_THREADS * BYTES_PER_THREAD);
    usize::try_from(left / (THREADS_PER_CORE * BYTES_PER_THREAD)).unwrap_or(usize::MAX)
}

/// The limit of the address space; none where there is no limit.
#[cfg(target_os = "linux")]
fn address_space() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Other systems do not limit it, or not so that it matters.
#[cfg(not(target_os = "linux"))]
fn address_space() -> Option<u64> {
    None
}

/// The pool for work that computes: as many threads as there are cores, or as many as the system allows.
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

/// The threads are started first, and the pool gets those that did start: rayon itself gives up when one is missing.
fn build_cpu_pool() -> io::Result<ThreadPool> {
    let mut started = Vec::new();
    let mut error = None;
    for _ in 0..parallelism() {
        let (give, given) = mpsc::channel::<ThreadBuilder>();
        match spawn_thread("compute", move || given.into_iter().for_each(ThreadBuilder::run)) {
            Ok(_) => started.push(give),
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

/// Runs `work` on the pool for computing, or here when there is none.
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
    let (give, given) = oneshot::channel();
    // Without a thread the channel is closed.
    let _ = spawn_blocking(move || {
        // Nobody may be waiting any more.
        let _ = give.send(work());
    });
    given.await.map_err(|_| WorkerError)
}

/// Runs `work` where blocking is allowed, and waits for nothing.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn spawn_blocking(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    BLOCKING_POOL.push(Box::new(work))
}

type BlockingJob = Box<dyn FnOnce() + Send>;

/// Threads for work that blocks. Few: it is short, and many short hops keep few threads awake, and wake many.
struct BlockingPool {
    state: Mutex<PoolState>,
    wake: Condvar,
}

struct PoolState {
    jobs: VecDeque<BlockingJob>,
    threads: usize,
    idle: usize,
}

static BLOCKING_POOL: BlockingPool =
    BlockingPool { state: Mutex::new(PoolState { jobs: VecDeque::new(), threads: 0, idle: 0 }), wake: Condvar::new() };

impl BlockingPool {
    fn push(&'static self, job: BlockingJob) -> io::Result<()> {
        let needs_thread = {
            let mut state = self.lock();
            state.jobs.push_back(job);
            state.jobs.len() > state.idle && state.threads < parallelism() + 2
        };
        self.wake.notify_one();
        match if needs_thread { self.spawn_worker() } else { Ok(()) } {
            Err(error) if self.lock().threads == 0 => {
                // No thread will ever take them.
                self.lock().jobs.clear();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Starts one more thread.
    fn spawn_worker(&'static self) -> io::Result<()> {
        self.lock().threads += 1;
        let started = spawn_thread("blocking", || self.run_worker());
        started.map(drop).inspect_err(|_| self.lock().threads -= 1)
    }

    /// Takes jobs as long as the process lives.
    fn run_worker(&self) {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                // Who waits for a job that panics sees a closed channel.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_returns_its_result_and_reports_a_panic() {
        let results = futures::future::join_all((0..100).map(|n| run_blocking(move || n * 2))).await;
        let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert!(run_blocking(|| panic!("expected in this test")).await.is_err());
        assert!(run_blocking(|| 1).await.is_ok(), "a panic takes no thread away");
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
