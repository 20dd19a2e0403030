//! Where a run stands: one reading of events and meters, for bars, lines and JSON alike.
//!
//! Speeds are those of late, so that a stall shows and a fast beginning is soon forgotten. How far the
//! run is counts tasks, a file on its way as the part of one that is here; nobody knows the bytes of a task
//! that has not been asked about. Nothing here looks at the clock.

use std::time::{Duration, Instant};

use crate::event::{Event, Meter, Summary, Tasks, Transfer};

/// After so many seconds, a third of what counts for the speed is from before.
const MEMORY: f64 = 5.0;
/// A longer time left is no forecast.
const LONGEST: f64 = 99.0 * 3600.0;

/// What a run looks like by now.
pub(super) struct Gauge {
    total: Meter,
    tasks: Tasks,
    counts: Summary,
    /// The large files on their way, the oldest first.
    pub files: Vec<Moving>,
    bytes: Pace,
    way: Pace,
}

/// A large file on its way.
pub(super) struct Moving {
    pub transfer: Transfer,
    pace: Pace,
}

/// Where something stands at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Standing {
    pub bytes: u64,
    /// In bytes a second.
    pub speed: u64,
    /// From 0 to 1, when the end is known.
    pub part: Option<f64>,
    pub left: Option<Duration>,
}

/// The tasks at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Count {
    pub done: u64,
    pub known: u64,
    pub waiting: u64,
    /// Of those that are done, the ones that ended badly.
    pub bad: u64,
}

impl Gauge {
    pub(super) fn new(total: Meter, tasks: Tasks, now: Instant) -> Self {
        let (bytes, way) = (Pace::new(0.0, now), Pace::new(0.0, now));
        Self { total, tasks, counts: Summary::default(), files: Vec::new(), bytes, way }
    }

    /// Takes an event into account.
    pub(super) fn see(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Task(report) => self.counts.count(report),
            Event::Started(transfer) => {
                let pace = Pace::new(real(transfer.meter.read()), now);
                self.files.push(Moving { transfer: transfer.clone(), pace });
            }
            Event::Ended(meter) => self.files.retain(|file| !file.transfer.meter.is(meter)),
            _ => {}
        }
    }

    /// Reads the meters.
    pub(super) fn read(&mut self, now: Instant) {
        self.bytes.read(real(self.total.read()), now);
        self.way.read(self.tasks_gone(), now);
        self.files.iter_mut().for_each(|file| file.pace.read(real(file.transfer.meter.read()), now));
    }

    pub(super) fn count(&self) -> Count {
        let (known, done) = (self.tasks.known.read(), self.tasks.done.read());
        // A list may be read faster than it is counted.
        Count { done, known: known.max(done), waiting: self.tasks.waiting.read(), bad: self.counts.bad() }
    }

    /// Where the whole run stands. Who waits does so for somebody else: that gives no time left.
    pub(super) fn whole(&self) -> Standing {
        let (count, gone) = (self.count(), self.tasks_gone());
        let known = real(count.known);
        // It is not over before the last file is.
        let last_file = self.files.iter().filter_map(|file| file.standing().left).max();
        let left = self.way.left(known - gone).map(|left| left.max(last_file.unwrap_or_default()));
        Standing {
            bytes: self.total.read(),
            speed: whole(self.bytes.speed()),
            part: (count.known > 0).then(|| (gone / known).min(1.0)),
            left: left.filter(|_| count.waiting == 0),
        }
    }

    fn tasks_gone(&self) -> f64 {
        let on_their_way: f64 = self.files.iter().filter_map(|file| file.standing().part).sum();
        let count = self.count();
        // Several files may be of one task.
        (real(count.done) + on_their_way).min(real(count.known))
    }
}

impl Moving {
    pub(super) fn standing(&self) -> Standing {
        let bytes = self.transfer.meter.read();
        let total = self.transfer.total.filter(|total| *total > 0);
        Standing {
            bytes,
            speed: whole(self.pace.speed()),
            part: total.map(|total| (real(bytes) / real(total)).min(1.0)),
            left: total.and_then(|total| self.pace.left(real(total) - real(bytes))),
        }
    }
}

/// How fast something moves: what was counted fades as time goes on.
struct Pace {
    value: f64,
    at: Instant,
    moved: f64,
    /// How much of `moved` is by measurement; the rest is that nothing was known.
    weight: f64,
}

impl Pace {
    fn new(value: f64, at: Instant) -> Self {
        Self { value, at, moved: 0.0, weight: 0.0 }
    }

    fn read(&mut self, value: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let fresh = 1.0 - (-seconds / MEMORY).exp();
        // A file that began anew has fewer bytes than before.
        let speed = (value - self.value).max(0.0) / seconds;
        self.moved += (speed - self.moved) * fresh;
        self.weight += (1.0 - self.weight) * fresh;
        (self.value, self.at) = (value, now);
    }

    fn speed(&self) -> f64 {
        if self.weight > 0.0 { self.moved / self.weight } else { 0.0 }
    }

    fn left(&self, rest: f64) -> Option<Duration> {
        let seconds = rest.max(0.0) / self.speed();
        (seconds < LONGEST).then(|| Duration::from_secs_f64(seconds))
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
fn real(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a speed is no less than nothing")]
fn whole(speed: f64) -> u64 {
    speed.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(known: u64) -> (Gauge, Meter, Tasks, Instant) {
        let (total, tasks, now) = (Meter::default(), Tasks::default(), Instant::now());
        tasks.known.add(known);
        (Gauge::new(total.clone(), tasks.clone(), now), total, tasks, now)
    }

    #[test]
    fn an_even_pace_is_told_from_the_first_reading_on() {
        let (mut gauge, total, tasks, start) = gauge(10);
        for second in 1..=4 {
            total.add(1000);
            tasks.done.add(1);
            gauge.read(start + Duration::from_secs(second));
            assert_eq!((gauge.whole().speed, gauge.whole().left), (1000, Some(Duration::from_secs(10 - second))));
        }
    }

    #[test]
    fn a_stall_shows_and_leaves_no_time() {
        let (mut gauge, total, _, start) = gauge(1);
        total.add(1 << 30);
        gauge.read(start + Duration::from_secs(1));
        gauge.read(start + Duration::from_secs(301));
        assert_eq!((gauge.whole().speed, gauge.whole().left), (0, None));
    }

    #[test]
    fn a_resumed_file_has_not_come_at_once() {
        let (mut gauge, _, _, start) = gauge(1);
        let meter = Meter::default();
        meter.add(500);
        gauge.see(&Event::Started(Transfer { name: String::new(), total: Some(1000), meter: meter.clone() }), start);
        meter.add(100);
        gauge.read(start + Duration::from_secs(1));
        let file = gauge.files[0].standing();
        assert_eq!((file.speed, file.part, file.left), (100, Some(0.6), Some(Duration::from_secs(4))));
        assert_eq!(gauge.whole().part, Some(0.6), "it is part of its task");
        gauge.see(&Event::Ended(meter), start);
        assert!(gauge.files.is_empty());
    }

    #[test]
    fn who_waits_leaves_the_time_unknown() {
        let (mut gauge, _, tasks, start) = gauge(2);
        tasks.done.add(1);
        gauge.read(start + Duration::from_secs(1));
        assert!(gauge.whole().left.is_some());
        tasks.waiting.set(1);
        assert_eq!(gauge.whole().left, None);
    }
}
