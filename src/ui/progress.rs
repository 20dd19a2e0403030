//! The progress of a run as numbers, computed from events and counters. Bars, lines and JSON show the same numbers.
//!
//! A speed is a moving average of the last seconds, so that it shows a stall and forgets a fast start. The progress of the
//! run is counted in tasks, with the downloaded fraction of each large file, because the bytes of a task are unknown before
//! the gateway has been asked. Nothing here reads the clock: tests pass the time.

use std::time::{Duration, Instant};

use crate::domain::event::{Counter, Event, GatewayFault, Summary, TaskCounters, Transfer};

/// The time constant of the moving averages in seconds: after it, older values still have a weight of 37 %.
const RATE_TIME_CONSTANT: f64 = 5.0;
/// A longer remaining time in seconds is not shown.
const MAX_ETA: f64 = 99.0 * 3600.0;

/// Estimates the progress of a run.
pub(super) struct ProgressEstimator {
    total: Counter,
    tasks: TaskCounters,
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
    pub(super) fn new(total: Counter, tasks: TaskCounters, now: Instant) -> Self {
        let (byte_rate, task_rate) = (RateEstimator::new(0.0, now), RateEstimator::new(0.0, now));
        Self { total, tasks, counts: Summary::default(), files: Vec::new(), gateway_fault: None, byte_rate, task_rate }
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
        self.byte_rate.sample(to_f64(self.total.get()), now);
        self.task_rate.sample(self.tasks_completed(), now);
        self.files.iter_mut().for_each(|file| file.rate.sample(to_f64(file.transfer.counter.get()), now));
    }

    /// `the gateway does not answer; retry in 4 s (HTTP 502 Bad Gateway)`, while it does not. A narrow terminal cuts the cause.
    pub(super) fn gateway_note(&self) -> Option<String> {
        let GatewayFault { cause, retry_at } = self.gateway_fault.as_ref()?;
        let left = retry_at.saturating_duration_since(self.byte_rate.at).as_secs_f64().ceil();
        let retry = if left > 0.0 { format!("; retry in {left} s") } else { String::new() };
        Some(format!("the gateway does not answer{retry} ({cause})"))
    }

    pub(super) fn task_counts(&self) -> TaskCounts {
        let (discovered, done) = (self.tasks.discovered.get(), self.tasks.done.get());
        // The two counters are not read at the same moment.
        let discovered = discovered.max(done);
        TaskCounts { done, discovered, waiting: self.tasks.pending.get(), unsuccessful: self.counts.unsuccessful() }
    }

    /// The progress of the run. With waiting tasks the remaining time is unknown: it depends on the gateway.
    pub(super) fn overall(&self) -> ProgressSnapshot {
        let (count, completed) = (self.task_counts(), self.tasks_completed());
        let discovered = to_f64(count.discovered);
        // The run lasts at least as long as its last file.
        let last_file = self.files.iter().filter_map(|file| file.snapshot().eta).max();
        let left = self.task_rate.eta(discovered - completed).map(|left| left.max(last_file.unwrap_or_default()));
        ProgressSnapshot {
            bytes: self.total.get(),
            speed: round_to_u64(self.byte_rate.speed()),
            fraction: (count.discovered > 0).then(|| (completed / discovered).min(1.0)),
            eta: left.filter(|_| count.waiting == 0),
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
        let (total, tasks, now) = (Counter::default(), TaskCounters::default(), Instant::now());
        tasks.discovered.add(discovered);
        (ProgressEstimator::new(total.clone(), tasks.clone(), now), total, tasks, now)
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
        assert_eq!(estimator.overall().fraction, Some(0.6), "the file is part of its task");
        estimator.update(&Event::TransferEnded(counter), start);
        assert!(estimator.files.is_empty());
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
