//! Where a run stands: one reading of events and meters, for bars, lines and JSON alike.
//!
//! Speeds are those of late, so that a stall shows and a fast beginning is soon forgotten. How far the
//! run is counts tasks, a file on its way as the part of one that is here; nobody knows the bytes of a task
//! that has not been asked about. Nothing here looks at the clock.

use std::time::{Duration, Instant};

use crate::domain::event::{Counter, Event, Summary, TaskCounters, Transfer};

/// After so many seconds, a third of what counts for the speed is from before.
const RATE_TIME_CONSTANT: f64 = 5.0;
/// A longer time left is no forecast.
const MAX_ETA: f64 = 99.0 * 3600.0;

/// What a run looks like by now.
pub(super) struct ProgressEstimator {
    total: Counter,
    tasks: TaskCounters,
    counts: Summary,
    /// The large files on their way, the oldest first.
    pub files: Vec<ActiveTransfer>,
    byte_rate: RateEstimator,
    task_rate: RateEstimator,
}

/// A large file on its way.
pub(super) struct ActiveTransfer {
    pub transfer: Transfer,
    rate: RateEstimator,
}

/// Where something stands at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct ProgressSnapshot {
    pub bytes: u64,
    /// In bytes a second.
    pub speed: u64,
    /// From 0 to 1, when the end is known.
    pub fraction: Option<f64>,
    pub eta: Option<Duration>,
}

/// The tasks at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct TaskCounts {
    pub done: u64,
    pub known: u64,
    pub waiting: u64,
    /// Of those that are done, the ones that ended badly.
    pub bad: u64,
}

impl ProgressEstimator {
    pub(super) fn new(total: Counter, tasks: TaskCounters, now: Instant) -> Self {
        let (byte_rate, task_rate) = (RateEstimator::new(0.0, now), RateEstimator::new(0.0, now));
        Self { total, tasks, counts: Summary::default(), files: Vec::new(), byte_rate, task_rate }
    }

    /// Takes an event into account.
    pub(super) fn update(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Task(report) => self.counts.count(report),
            Event::TransferStarted(transfer) => {
                let pace = RateEstimator::new(to_f64(transfer.counter.get()), now);
                self.files.push(ActiveTransfer { transfer: transfer.clone(), rate: pace });
            }
            Event::TransferEnded(meter) => self.files.retain(|file| !file.transfer.counter.ptr_eq(meter)),
            _ => {}
        }
    }

    /// Reads the meters.
    pub(super) fn sample(&mut self, now: Instant) {
        self.byte_rate.sample(to_f64(self.total.get()), now);
        self.task_rate.sample(self.tasks_completed(), now);
        self.files.iter_mut().for_each(|file| file.rate.sample(to_f64(file.transfer.counter.get()), now));
    }

    pub(super) fn task_counts(&self) -> TaskCounts {
        let (known, done) = (self.tasks.discovered.get(), self.tasks.done.get());
        // A list may be read faster than it is counted.
        TaskCounts { done, known: known.max(done), waiting: self.tasks.pending.get(), bad: self.counts.unsuccessful() }
    }

    /// Where the whole run stands. Who waits does so for somebody else: that gives no time left.
    pub(super) fn overall(&self) -> ProgressSnapshot {
        let (count, gone) = (self.task_counts(), self.tasks_completed());
        let known = to_f64(count.known);
        // It is not over before the last file is.
        let last_file = self.files.iter().filter_map(|file| file.snapshot().eta).max();
        let left = self.task_rate.eta(known - gone).map(|left| left.max(last_file.unwrap_or_default()));
        ProgressSnapshot {
            bytes: self.total.get(),
            speed: round_to_u64(self.byte_rate.speed()),
            fraction: (count.known > 0).then(|| (gone / known).min(1.0)),
            eta: left.filter(|_| count.waiting == 0),
        }
    }

    fn tasks_completed(&self) -> f64 {
        let on_their_way: f64 = self.files.iter().filter_map(|file| file.snapshot().fraction).sum();
        let count = self.task_counts();
        // Several files may be of one task.
        (to_f64(count.done) + on_their_way).min(to_f64(count.known))
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

/// How fast something moves: what was counted fades as time goes on.
struct RateEstimator {
    value: f64,
    at: Instant,
    average: f64,
    /// How much of `moved` is by measurement; the rest is that nothing was known.
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
        // A file that began anew has fewer bytes than before.
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

#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a speed is no less than nothing")]
fn round_to_u64(speed: f64) -> u64 {
    speed.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(known: u64) -> (ProgressEstimator, Counter, TaskCounters, Instant) {
        let (total, tasks, now) = (Counter::default(), TaskCounters::default(), Instant::now());
        tasks.discovered.add(known);
        (ProgressEstimator::new(total.clone(), tasks.clone(), now), total, tasks, now)
    }

    #[test]
    fn steady_rate_is_exact_from_the_first_reading() {
        let (mut gauge, total, tasks, start) = gauge(10);
        for second in 1..=4 {
            total.add(1000);
            tasks.done.add(1);
            gauge.sample(start + Duration::from_secs(second));
            assert_eq!((gauge.overall().speed, gauge.overall().eta), (1000, Some(Duration::from_secs(10 - second))));
        }
    }

    #[test]
    fn stall_shows_zero_rate_and_no_remaining_time() {
        let (mut gauge, total, _, start) = gauge(1);
        total.add(1 << 30);
        gauge.sample(start + Duration::from_secs(1));
        gauge.sample(start + Duration::from_secs(301));
        assert_eq!((gauge.overall().speed, gauge.overall().eta), (0, None));
    }

    #[test]
    fn resumed_bytes_do_not_count_as_speed() {
        let (mut gauge, _, _, start) = gauge(1);
        let meter = Counter::default();
        meter.add(500);
        gauge.update(&Event::TransferStarted(Transfer { name: String::new(), total: Some(1000), counter: meter.clone() }), start);
        meter.add(100);
        gauge.sample(start + Duration::from_secs(1));
        let file = gauge.files[0].snapshot();
        assert_eq!((file.speed, file.fraction, file.eta), (100, Some(0.6), Some(Duration::from_secs(4))));
        assert_eq!(gauge.overall().fraction, Some(0.6), "it is part of its task");
        gauge.update(&Event::TransferEnded(meter), start);
        assert!(gauge.files.is_empty());
    }

    #[test]
    fn waiting_tasks_make_the_remaining_time_unknown() {
        let (mut gauge, _, tasks, start) = gauge(2);
        tasks.done.add(1);
        gauge.sample(start + Duration::from_secs(1));
        assert!(gauge.overall().eta.is_some());
        tasks.pending.set(1);
        assert_eq!(gauge.overall().eta, None);
    }
}
