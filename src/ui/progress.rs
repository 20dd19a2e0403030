//! The progress of a run as numbers, computed from events and counters. Bars, lines and JSON show the same numbers.
//!
//! A speed is a moving average of the last seconds, so that it shows a stall and forgets a fast start. The progress of the
//! run is the lesser of two: tasks done of tasks known, and bytes done of bytes known. It stays below 100 % until the run ends,
//! because more tasks and bytes may follow. The remaining time is estimated more finely: from the tasks, with the fraction of
//! each large file, and from the bytes. Nothing here reads the clock: tests pass the time.

use std::time::{Duration, Instant};

use super::lines::RunTotals;
use crate::domain::event::{ByteCounters, Counter, Emitter, Event, GatewayFault, Summary, TaskCounters, Transfer};

/// The time constant of the moving averages in seconds: after it, older values still have a weight of 37 %.
const RATE_TIME_CONSTANT: f64 = 5.0;
/// A longer remaining time in seconds is not shown.
const MAX_ETA: f64 = 99.0 * 3600.0;
/// The most that the progress of a run shows before its end.
const MAX_FRACTION: f64 = 0.99;

/// The counters of a run.
#[derive(Clone, Default)]
pub(crate) struct RunCounters {
    bytes: Counter,
    files: ByteCounters,
    tasks: TaskCounters,
}

impl RunCounters {
    /// Those that the job of `emitter` moves.
    pub(crate) fn of(emitter: &Emitter) -> Self {
        Self { bytes: emitter.bytes.clone(), files: emitter.files.clone(), tasks: emitter.tasks.clone() }
    }
}

/// Estimates the progress of a run.
pub(super) struct ProgressEstimator {
    counters: RunCounters,
    counts: Summary,
    /// The large files in transfer, the oldest first.
    pub files: Vec<ActiveTransfer>,
    gateway_fault: Option<GatewayFault>,
    byte_rate: RateEstimator,
    task_rate: RateEstimator,
}

/// A large file in transfer.
pub(super) struct ActiveTransfer {
    pub transfer: Transfer,
    rate: RateEstimator,
}

/// The progress of a run or of a file at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct ProgressSnapshot {
    pub bytes: u64,
    /// In bytes per second.
    pub speed: u64,
    /// From 0 to 1, if the total is known.
    pub fraction: Option<f64>,
    pub eta: Option<Duration>,
}

/// The tasks at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct TaskCounts {
    pub done: u64,
    pub discovered: u64,
    pub waiting: u64,
    /// The done tasks that did not succeed.
    pub unsuccessful: u64,
}

impl ProgressEstimator {
    pub(super) fn new(counters: RunCounters, now: Instant) -> Self {
        let (byte_rate, task_rate) = (RateEstimator::new(0.0, now), RateEstimator::new(0.0, now));
        Self { counters, counts: Summary::default(), files: Vec::new(), gateway_fault: None, byte_rate, task_rate }
    }

    /// Takes an event into account.
    pub(super) fn update(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Task(report) => self.counts.count(report),
            Event::TransferStarted(transfer) => {
                let rate = RateEstimator::new(to_f64(transfer.counter.get()), now);
                self.files.push(ActiveTransfer { transfer: transfer.clone(), rate });
            }
            Event::Gateway(fault) => self.gateway_fault.clone_from(fault),
            Event::TransferEnded(counter) => self.files.retain(|file| !file.transfer.counter.ptr_eq(counter)),
            _ => {}
        }
    }

    /// Reads the counters.
    pub(super) fn sample(&mut self, now: Instant) {
        self.byte_rate.sample(to_f64(self.counters.bytes.get()), now);
        self.task_rate.sample(self.tasks_completed(), now);
        self.files.iter_mut().for_each(|file| file.rate.sample(to_f64(file.transfer.counter.get()), now));
    }

    /// While the gateway does not answer: the cause, and the seconds until it is asked again.
    pub(super) fn gateway_fault(&self) -> Option<(&str, u64)> {
        let GatewayFault { cause, retry_at } = self.gateway_fault.as_ref()?;
        let left = retry_at.saturating_duration_since(self.byte_rate.at);
        Some((cause, left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)))
    }

    pub(super) fn totals(&self) -> RunTotals {
        RunTotals { received: self.counters.bytes.get(), discovered: self.counters.tasks.discovered.get() }
    }

    pub(super) fn task_counts(&self) -> TaskCounts {
        let tasks = &self.counters.tasks;
        let (discovered, done) = (tasks.discovered.get(), tasks.done.get());
        // The two counters are not read at the same moment.
        let discovered = discovered.max(done);
        TaskCounts { done, discovered, waiting: tasks.pending.get(), unsuccessful: self.counts.unsuccessful() }
    }

    /// The progress of the run. With waiting tasks the remaining time is unknown: it depends on the gateway. So it is with a
    /// file of unknown size.
    pub(super) fn overall(&self) -> ProgressSnapshot {
        let (count, completed) = (self.task_counts(), self.tasks_completed());
        let discovered = to_f64(count.discovered);
        // The run lasts at least as long as its last file.
        let last_file = self.files.iter().filter_map(|file| file.snapshot().eta).max();
        let tasks_left = self.task_rate.eta(discovered - completed);
        let (done, known) = (to_f64(self.counters.files.done.get()), to_f64(self.counters.files.known.get()));
        let bytes_left = if known > done { self.byte_rate.eta(known - done) } else { Some(Duration::ZERO) };
        let left = tasks_left.zip(bytes_left).map(|(tasks, bytes)| tasks.max(bytes).max(last_file.unwrap_or_default()));
        let bytes = if known > 0.0 { done / known } else { 1.0 };
        ProgressSnapshot {
            bytes: self.counters.bytes.get(),
            speed: round_to_u64(self.byte_rate.speed()),
            fraction: (count.discovered > 0).then(|| (to_f64(count.done) / discovered).min(bytes).min(MAX_FRACTION)),
            eta: left.filter(|_| count.waiting == 0 && self.files.iter().all(|file| file.transfer.total.is_some())),
        }
    }

    /// The done tasks, and the fractions of the files in transfer.
    fn tasks_completed(&self) -> f64 {
        let in_transfer: f64 = self.files.iter().filter_map(|file| file.snapshot().fraction).sum();
        let count = self.task_counts();
        // Several files may belong to one task.
        (to_f64(count.done) + in_transfer).min(to_f64(count.discovered))
    }
}

impl ActiveTransfer {
    pub(super) fn snapshot(&self) -> ProgressSnapshot {
        let bytes = self.transfer.counter.get();
        let total = self.transfer.total.filter(|total| *total > 0);
        ProgressSnapshot {
            bytes,
            speed: round_to_u64(self.rate.speed()),
            fraction: total.map(|total| (to_f64(bytes) / to_f64(total)).min(1.0)),
            eta: total.and_then(|total| self.rate.eta(to_f64(total) - to_f64(bytes))),
        }
    }
}

/// An exponentially weighted moving average of a rate.
struct RateEstimator {
    value: f64,
    at: Instant,
    average: f64,
    /// The part of `average` that was measured. The rest is the initial zero, which [`Self::speed`] removes.
    weight: f64,
}

impl RateEstimator {
    fn new(value: f64, at: Instant) -> Self {
        Self { value, at, average: 0.0, weight: 0.0 }
    }

    fn sample(&mut self, value: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let fresh = 1.0 - (-seconds / RATE_TIME_CONSTANT).exp();
        // A file that restarted has fewer bytes than before.
        let speed = (value - self.value).max(0.0) / seconds;
        self.average += (speed - self.average) * fresh;
        self.weight += (1.0 - self.weight) * fresh;
        (self.value, self.at) = (value, now);
    }

    fn speed(&self) -> f64 {
        if self.weight > 0.0 { self.average / self.weight } else { 0.0 }
    }

    fn eta(&self, rest: f64) -> Option<Duration> {
        let seconds = rest.max(0.0) / self.speed();
        (seconds < MAX_ETA).then(|| Duration::from_secs_f64(seconds))
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people, rounded")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a speed is not negative")]
fn round_to_u64(speed: f64) -> u64 {
    speed.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimator(discovered: u64) -> (ProgressEstimator, Counter, TaskCounters, Instant) {
        let (counters, now) = (RunCounters::default(), Instant::now());
        counters.tasks.discovered.add(discovered);
        (ProgressEstimator::new(counters.clone(), now), counters.bytes, counters.tasks, now)
    }

    #[test]
    fn percentage_is_the_lesser_of_bytes_and_tasks_and_stays_below_100() {
        let (mut estimator, _, tasks, start) = estimator(2);
        let files = estimator.counters.files.clone();
        for (known, bytes_done, tasks_done, fraction) in [
            (0, 0, 0, 0.0),
            (0, 0, 1, 0.5),
            (1000, 1000, 0, 0.0),
            (1000, 650, 2, 0.65),
            (1000, 999, 2, 0.99),
            (1000, 1000, 2, 0.99),
        ] {
            files.known.set(known);
            files.done.set(bytes_done);
            tasks.done.set(tasks_done);
            estimator.sample(start);
            assert_eq!(estimator.overall().fraction, Some(fraction), "{bytes_done} of {known}, {tasks_done} tasks");
        }
    }

    #[test]
    fn steady_rate_is_exact_from_the_first_reading() {
        let (mut estimator, total, tasks, start) = estimator(10);
        for second in 1..=4 {
            total.add(1000);
            tasks.done.add(1);
            estimator.sample(start + Duration::from_secs(second));
            assert_eq!((estimator.overall().speed, estimator.overall().eta), (1000, Some(Duration::from_secs(10 - second))));
        }
    }

    #[test]
    fn stall_shows_zero_rate_and_no_remaining_time() {
        let (mut estimator, total, _, start) = estimator(1);
        total.add(1 << 30);
        estimator.sample(start + Duration::from_secs(1));
        estimator.sample(start + Duration::from_secs(301));
        assert_eq!((estimator.overall().speed, estimator.overall().eta), (0, None));
    }

    #[test]
    fn resumed_bytes_do_not_count_as_speed() {
        let (mut estimator, _, _, start) = estimator(1);
        let counter = Counter::default();
        counter.add(500);
        estimator.update(
            &Event::TransferStarted(Transfer { name: String::new(), total: Some(1000), counter: counter.clone() }),
            start,
        );
        counter.add(100);
        estimator.sample(start + Duration::from_secs(1));
        let file = estimator.files[0].snapshot();
        assert_eq!((file.speed, file.fraction, file.eta), (100, Some(0.6), Some(Duration::from_secs(4))));
        estimator.update(&Event::TransferEnded(counter), start);
        assert!(estimator.files.is_empty());
    }

    #[test]
    fn file_of_unknown_size_makes_the_remaining_time_unknown() {
        let (mut estimator, _, tasks, start) = estimator(2);
        tasks.done.add(1);
        let counter = Counter::default();
        estimator.update(&Event::TransferStarted(Transfer { name: String::new(), total: None, counter: counter.clone() }), start);
        estimator.sample(start + Duration::from_secs(1));
        assert_eq!(estimator.overall().eta, None);
        estimator.update(&Event::TransferEnded(counter), start);
        assert!(estimator.overall().eta.is_some());
    }

    #[test]
    fn waiting_tasks_make_the_remaining_time_unknown() {
        let (mut estimator, _, tasks, start) = estimator(2);
        tasks.done.add(1);
        estimator.sample(start + Duration::from_secs(1));
        assert!(estimator.overall().eta.is_some());
        tasks.pending.set(1);
        assert_eq!(estimator.overall().eta, None);
    }
}
