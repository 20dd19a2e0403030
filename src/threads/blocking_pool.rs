//! A pool of threads for work that blocks.
//!
//! A thread starts when there is work for it, and stays. To wake a sleeping thread takes as long as a short job. So in a pool for
//! short jobs, some of them wait for a thread that is awake, and another one is woken only when that thread falls behind. And a
//! thread that has no more jobs looks once more after a moment, before it waits to be woken.
//!
//! Invariant: while jobs wait, a thread is awake, or has been woken.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{parallelism, spawn_thread};

type BlockingJob = Box<dyn FnOnce() + Send>;

/// Threads for work that blocks. They are few: with many threads, many short jobs would wake them all.
pub(super) struct BlockingPool {
    state: Mutex<PoolState>,
    wake: Condvar,
    /// Jobs that may wait for each thread that is awake.
    jobs_per_thread: usize,
    /// When a thread without jobs looks for more. Zero: never.
    second_look: Duration,
    /// Takes over the jobs where no thread can be started.
    fallback: Option<&'static Self>,
}

struct PoolState {
    jobs: VecDeque<BlockingJob>,
    threads: usize,
    /// Threads that sleep and that nobody has woken.
    idle: usize,
    /// Threads that were woken and still sleep.
    woken: usize,
}

/// What a new job needs.
#[derive(Clone, Copy)]
enum Worker {
    Awake,
    Wake,
    Start,
}

impl BlockingPool {
    pub(super) const fn new() -> Self {
        Self::with(0, Duration::ZERO, None)
    }

    /// A pool for short jobs.
    pub(super) const fn for_short_jobs(fallback: &'static Self) -> Self {
        Self::with(16, Duration::from_micros(300), Some(fallback))
    }

    const fn with(jobs_per_thread: usize, second_look: Duration, fallback: Option<&'static Self>) -> Self {
        let state = PoolState { jobs: VecDeque::new(), threads: 0, idle: 0, woken: 0 };
        Self { state: Mutex::new(state), wake: Condvar::new(), jobs_per_thread, second_look, fallback }
    }

    /// Starts the first thread, unless there is one.
    ///
    /// # Errors
    /// When it can't be started.
    pub(super) fn start(&'static self) -> io::Result<()> {
        if self.lock().threads > 0 { Ok(()) } else { self.spawn_worker() }
    }

    /// Runs a job on one of the threads.
    ///
    /// # Errors
    /// When there is no thread and none can be started.
    pub(super) fn push(&'static self, job: BlockingJob) -> io::Result<()> {
        let worker = {
            let mut state = self.lock();
            state.jobs.push_back(job);
            self.worker_for_new_job(&mut state)
        };
        self.rouse(worker)
    }

    fn rouse(&'static self, worker: Worker) -> io::Result<()> {
        match worker {
            Worker::Awake => Ok(()),
            Worker::Wake => {
                self.wake.notify_one();
                Ok(())
            }
            Worker::Start => match self.spawn_worker() {
                Ok(()) => Ok(()),
                Err(error) => self.hand_over_jobs(error),
            },
        }
    }

    /// Wakes or starts one more thread if jobs wait.
    pub(super) fn help(&'static self) {
        let worker = {
            let mut state = self.lock();
            if state.jobs.is_empty() { Worker::Awake } else { Self::another_worker(&mut state) }
        };
        // Without a thread the awake ones do the work, when they can.
        let _ = self.rouse(worker);
    }

    fn worker_for_new_job(&self, state: &mut PoolState) -> Worker {
        let awake = state.threads - state.idle;
        if state.jobs.len() <= awake * self.jobs_per_thread {
            return Worker::Awake;
        }
        Self::another_worker(state)
    }

    fn another_worker(state: &mut PoolState) -> Worker {
        if state.idle > 0 {
            // It counts as awake from here on: the next job does not wake it again.
            state.idle -= 1;
            state.woken += 1;
            return Worker::Wake;
        }
        if state.threads < parallelism() + 2 { Worker::Start } else { Worker::Awake }
    }

    /// Gives the jobs to the fallback where no thread of this pool will ever run them.
    fn hand_over_jobs(&self, error: io::Error) -> io::Result<()> {
        let mut state = self.lock();
        if state.threads > 0 {
            return Ok(());
        }
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        let fallback = self.fallback.ok_or(error)?;
        jobs.into_iter().try_for_each(|job| fallback.push(job))
    }

    /// Starts one more thread.
    fn spawn_worker(&'static self) -> io::Result<()> {
        self.lock().threads += 1;
        let started = spawn_thread("blocking", || self.run_worker());
        started.map(drop).inspect_err(|_| self.lock().threads -= 1)
    }

    /// Runs jobs until the process ends.
    fn run_worker(&self) {
        loop {
            while self.run_waiting_jobs() && !self.second_look.is_zero() {
                thread::sleep(self.second_look);
            }
            let mut state = self.lock();
            if !state.jobs.is_empty() {
                continue;
            }
            state.idle += 1;
            let mut state = self.wake.wait_while(state, |state| state.woken == 0).unwrap_or_else(PoisonError::into_inner);
            state.woken -= 1;
        }
    }

    /// Runs the jobs that wait. Whether there were any.
    fn run_waiting_jobs(&self) -> bool {
        let mut has_run = false;
        loop {
            let Some(job) = self.lock().jobs.pop_front() else { return has_run };
            // The caller of a job that panics gets a closed channel.
            let _ = catch_unwind(AssertUnwindSafe(job));
            has_run = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
