//! The `progress` events: when one is due, and what it says.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::{JsonEvent, Timed, to_line};
use crate::ui::progress::ProgressEstimator;

/// The shortest time between two progress events.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// The progress of a long run: at most one event per second, and none while nothing changes.
#[derive(Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(super) struct Progress {
    /// Tasks that have ended.
    done: u64,
    /// Tasks so far; more may follow while a list is being read.
    tasks: u64,
    /// Unfinished tasks that `--wait` will poll again.
    waiting: u64,
    /// Bytes that were downloaded or verified so far, including bytes that are discarded later.
    bytes: u64,
    /// The average speed of the last seconds.
    bytes_per_second: u64,
    /// An estimate, if one is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

/// Decides when a progress event is due.
pub(in crate::ui) struct ProgressTicker {
    last: Instant,
    last_progress: Option<Progress>,
}

impl ProgressTicker {
    pub(in crate::ui) fn new(now: Instant) -> Self {
        Self { last: now, last_progress: None }
    }

    /// The next line, if it is due and anything has changed.
    pub(in crate::ui) fn next_line(&mut self, estimator: &ProgressEstimator, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.last) < PROGRESS_INTERVAL {
            return None;
        }
        let (count, overall) = (estimator.task_counts(), estimator.overall());
        let progress = Progress {
            done: count.done,
            tasks: count.discovered,
            waiting: count.waiting,
            bytes: overall.bytes,
            bytes_per_second: overall.speed,
            seconds_left: overall.eta.map(|left| left.as_secs()),
        };
        self.last = now;
        let previous = self.last_progress.replace(progress);
        if previous == Some(progress) { None } else { Some(to_line(&JsonEvent::Progress(Timed::now(progress)))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Emitter;
    use crate::ui::RunCounters;

    #[test]
    fn progress_events_come_once_a_second_and_only_on_change() {
        let (emitter, start) = (Emitter::silent(), Instant::now());
        let (total, tasks) = (emitter.bytes.clone(), emitter.tasks.clone());
        let (mut estimator, mut ticker) = (ProgressEstimator::new(RunCounters::of(&emitter), start), ProgressTicker::new(start));
        let mut line_at = |tenths: u64| {
            estimator.sample(start + PROGRESS_INTERVAL * 10);
            ticker.next_line(&estimator, start + PROGRESS_INTERVAL / 10 * u32::try_from(tenths).unwrap())
        };
        tasks.discovered.add(2);
        assert_eq!(line_at(9), None, "a short run has no progress events");
        let first = line_at(10).unwrap();
        assert!(first.starts_with(r#"{"event":"progress","time":"20"#), "{first}");
        assert!(first.ends_with(r#"Z","done":0,"tasks":2,"waiting":0,"bytes":0,"bytes_per_second":0}"#), "{first}");
        tasks.done.add(1);
        assert_eq!(line_at(19), None);
        assert!(line_at(20).is_some());
        assert_eq!(line_at(60), None, "nothing has changed");
        total.add(1);
        assert!(line_at(70).is_some());
    }
}
