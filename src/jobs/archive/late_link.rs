//! Links that work only some seconds after their task has finished, because some stores show an object late.
//!
//! A 404 of a new task is transient for a minute: the link is requested again with growing delays, each link on its own. A link
//! that waits holds no download slot, and costs none of its attempts. After the minute the link is dead. With `--retries 0` it is
//! dead at once.
//!
//! A task is new when it finished less than ten minutes before its answer was sent, or when this run saw it unfinished. The answer
//! has both times from the gateway's clock, so a wrong clock on this machine decides nothing.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::ArchiveJob;
use crate::domain::task::Task;
use crate::http::retry::{report_and_wait, with_jitter};
use crate::transfer::{self, DownloadJob, Fetched};

/// How long a task is new.
const NEW_TASK_AGE: Duration = Duration::from_secs(600);
/// How long a 404 of a new task is transient.
const LATE_PERIOD: Duration = Duration::from_secs(60);
/// The longest delay between two requests.
const MAX_DELAY: Duration = Duration::from_secs(15);
/// Requests after the first one. The minute ends before them, unless there are no delays.
const MAX_RETRIES: u32 = 12;

/// Whether `task` finished shortly before `now`, the time of its answer. A finish that is a little later than `now` is also one:
/// the gateway may have several clocks.
pub(super) fn has_just_finished(task: &Task, now: SystemTime) -> bool {
    let finished = task.finish_time.and_then(|time| SystemTime::try_from(time).ok());
    finished.is_some_and(|finished| now.duration_since(finished).unwrap_or_else(|later| later.duration()) < NEW_TASK_AGE)
}

/// Fetches one asset, and waits for its link to appear when its task is new.
pub(super) async fn fetch(job: &ArchiveJob, download: &DownloadJob, is_new: bool) -> Result<Fetched, transfer::Error> {
    let downloader = &job.downloader;
    let mut schedule = LateSchedule::new(downloader.policy.first_delay);
    loop {
        let error = match downloader.fetch(download.clone()).await {
            Err(error) if is_new && is_missing(&error) && downloader.policy.retries > 0 => error,
            done => return done,
        };
        let Some(delay) = schedule.next_delay(Instant::now()) else { return Err(error) };
        let waited = report_and_wait(download, &error, delay, &downloader.emitter, &downloader.stop).await;
        waited.map_err(|_| transfer::Error::Stopped)?;
    }
}

fn is_missing(error: &transfer::Error) -> bool {
    error.http_status() == Some(404)
}

/// When a late link is requested again.
struct LateSchedule {
    delay: Duration,
    /// The end of the minute, which the first 404 starts.
    end: Option<Instant>,
    left: u32,
}

impl LateSchedule {
    fn new(first_delay: Duration) -> Self {
        Self { delay: first_delay.saturating_mul(2), end: None, left: MAX_RETRIES }
    }

    /// The delay before the next request. The last request is sent at the end of the minute.
    fn next_delay(&mut self, now: Instant) -> Option<Duration> {
        let end = *self.end.get_or_insert(now + LATE_PERIOD);
        self.left = self.left.checked_sub(1)?;
        let left = end.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let delay = with_jitter(self.delay).min(left);
        self.delay = self.delay.saturating_mul(2).min(MAX_DELAY);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    /// The delays of a link that never appears.
    fn delays(first_delay: Duration) -> Vec<Duration> {
        let (mut schedule, mut now) = (LateSchedule::new(first_delay), Instant::now());
        let next = || {
            let delay = schedule.next_delay(now)?;
            now += delay;
            Some(delay)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn late_link_is_requested_for_exactly_a_minute_with_growing_delays() {
        for _ in 0..100 {
            let delays = delays(Duration::from_millis(500));
            assert_eq!(delays.iter().sum::<Duration>(), LATE_PERIOD, "{delays:?}");
            assert!((7..=10).contains(&delays.len()), "{delays:?}");
            assert!(delays[0] >= Duration::from_millis(750) && delays.iter().all(|delay| *delay <= MAX_DELAY), "{delays:?}");
        }
        let slow = delays(Duration::from_secs(3600));
        assert_eq!(slow.iter().sum::<Duration>(), LATE_PERIOD, "{slow:?}");
    }

    #[test]
    fn without_delays_the_number_of_requests_is_bounded() {
        assert_eq!(delays(Duration::ZERO).len(), 12);
    }

    #[test]
    fn task_is_new_by_the_clock_of_the_answer() {
        let finished_at = |seconds: Option<i64>| {
            crate::domain::task::tests::parse(&json!({"status": "SUCCESS", "finish_time": seconds})).unwrap()
        };
        let answered = |seconds: i64| SystemTime::try_from(Timestamp::from_second(seconds).unwrap()).unwrap();
        for (finish, answer, is_new) in [
            (Some(1_000_000), 1_000_000, true),
            (Some(1_000_000), 1_000_599, true),
            (Some(1_000_000), 1_000_600, false),
            (Some(1_000_500), 1_000_000, true),
            (Some(9_000_000), 1_000_000, false),
            (None, 1_000_000, false),
        ] {
            assert_eq!(has_just_finished(&finished_at(finish), answered(answer)), is_new, "{finish:?} {answer}");
        }
    }
}
