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
pub(crate) struct Panicked;

/// Starts a thread called `name`.
///
/// # Errors
/// When the system has none left.
pub(crate) fn start<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Makes both pools, so that what follows finds them.
///
/// # Errors
/// When not even one thread for each can be started.
pub(crate) fn prepare() -> io::Result<()> {
    compute()?;
    BLOCKING.grow()
}

/// Whether `count` more threads can be started now.
pub(crate) fn can_start(count: usize) -> bool {
    let waiting: Vec<_> = (0..count)
        .map_while(|_| {
            let (release, released) = mpsc::channel::<()>();
            let thread = start("probe", move || released.recv().unwrap_or_default()).ok()?;
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
pub(crate) fn cores() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    address_space().map_or(cores, |most| cores.min(cores_in(most)).max(1))
}

/// Whether a run fits into the address space that this process may have.
pub(crate) fn has_address_space() -> bool {
    address_space().is_none_or(|most| cores_in(most) > 0)
}

/// How many cores can be used with `most` bytes of address space. An allocation that fails would end the process, so that room
/// is kept for the allocator's own reserve for each thread.
fn cores_in(most: u64) -> usize {
    const A_THREAD: u64 = 66 << 20;
    const THREADS_FOR_A_CORE: u64 = 3;
    const OTHER_THREADS: u64 = 8;
    const PROGRAM: u64 = 128 << 20;
    let left = most.saturating_sub(PROGRAM + OTHER_THREADS * A_THREAD);
    usize::try_from(left / (THREADS_FOR_A_CORE * A_THREAD)).unwrap_or(usize::MAX)
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
pub(crate) fn compute() -> io::Result<&'static ThreadPool> {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    match POOL.get() {
        Some(pool) => Ok(pool),
        None => compute_pool().map(|pool| POOL.get_or_init(|| pool)),
    }
}

/// The threads are started first, and the pool gets those that did start: rayon itself gives up when one is missing.
fn compute_pool() -> io::Result<ThreadPool> {
    let mut started = Vec::new();
    let mut error = None;
    for _ in 0..cores() {
        let (give, given) = mpsc::channel::<ThreadBuilder>();
        match start("compute", move || given.into_iter().for_each(ThreadBuilder::run)) {
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
pub(crate) fn compute_beside(work: impl FnOnce() + Send + 'static) {
    match compute() {
        Ok(pool) => pool.spawn(work),
        Err(_) => work(),
    }
}

/// Runs `work` where blocking is allowed.
///
/// # Errors
/// When it panics, or no thread can be started for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
    let (give, given) = oneshot::channel();
    // Without a thread the channel is closed.
    let _ = detach(move || {
        // Nobody may be waiting any more.
        let _ = give.send(work());
    });
    given.await.map_err(|_| Panicked)
}

/// Runs `work` where blocking is allowed, and waits for nothing.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn detach(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    BLOCKING.push(Box::new(work))
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads for work that blocks. Few: it is short, and many short hops keep few threads awake, and wake many.
struct Blocking {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static BLOCKING: Blocking =
    Blocking { state: Mutex::new(State { jobs: VecDeque::new(), threads: 0, idle: 0 }), wake: Condvar::new() };

impl Blocking {
    fn push(&'static self, job: Job) -> io::Result<()> {
        let needs_thread = {
            let mut state = self.lock();
            state.jobs.push_back(job);
            state.jobs.len() > state.idle && state.threads < cores() + 2
        };
        self.wake.notify_one();
        match if needs_thread { self.grow() } else { Ok(()) } {
            Err(error) if self.lock().threads == 0 => {
                // No thread will ever take them.
                self.lock().jobs.clear();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Starts one more thread.
    fn grow(&'static self) -> io::Result<()> {
        self.lock().threads += 1;
        let started = start("blocking", || self.run());
        started.map(drop).inspect_err(|_| self.lock().threads -= 1)
    }

    /// Takes jobs as long as the process lives.
    fn run(&self) {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_returns_its_result_and_reports_a_panic() {
        let results = futures::future::join_all((0..100).map(|n| blocking(move || n * 2))).await;
        let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert!(blocking(|| panic!("expected in this test")).await.is_err());
        assert!(blocking(|| 1).await.is_ok(), "a panic takes no thread away");
    }

    #[test]
    fn little_address_space_is_for_few_cores() {
        assert_eq!(cores_in(0), 0);
        assert_eq!(cores_in(800 << 20), 0);
        assert_eq!(cores_in(1 << 30), 1);
        assert_eq!(cores_in(4 << 30), 17);
        assert!(cores_in(u64::MAX) > 1 << 20);
    }

    #[test]
    fn the_pool_for_computing_has_its_threads() {
        let pool = compute().unwrap();
        assert!((1..=cores()).contains(&pool.current_num_threads()));
        assert_eq!(pool.install(|| rayon::join(|| 1, || 2)), (1, 2));
    }
}
