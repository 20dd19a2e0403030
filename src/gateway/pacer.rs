//! `--api-rate`: at most so many questions to the gateway per second, evenly spaced.
//!
//! Questions are sent in the order in which they arrive. Only the first in line waits for its time, and then for a connection to
//! the gateway. So a cooldown holds back the whole line, and no group of questions is sent at once after it.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The time between two questions at the lowest rate.
const MAX_INTERVAL: Duration = Duration::from_secs(1000);

/// Spaces the questions of a run.
pub(super) struct Pacer {
    interval: Duration,
    /// When the next question may be sent.
    next: Mutex<Instant>,
}

impl Pacer {
    /// Allows this many questions per second. A rate that is not above 0 counts as the lowest rate.
    pub(super) fn new(per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(per_second.recip()).unwrap_or(MAX_INTERVAL).min(MAX_INTERVAL);
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits until the next question may be sent, then for `connection`. Without a connection no question is sent.
    pub(super) async fn acquire<T, E>(&self, connection: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        let connection = connection.await?;
        *next = Instant::now() + self.interval;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::FutureExt as _;

    use super::*;

    /// A slow pacer whose next turn has come.
    async fn rested_pacer() -> Pacer {
        let pacer = Pacer::new(0.01);
        *pacer.next.lock().await -= Duration::from_millis(50);
        pacer
    }

    #[tokio::test]
    async fn questions_are_spaced_also_behind_a_slow_connection() {
        let (pacer, start) = (Pacer::new(50.0), Instant::now());
        let slow = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, ()>(())
        };
        pacer.acquire(slow).await.unwrap();
        for n in 1..4 {
            pacer.acquire(ready(Ok::<_, ()>(()))).await.unwrap();
            assert!(start.elapsed() >= Duration::from_millis(100 + n * 20), "{n}: {:?}", start.elapsed());
        }
    }

    #[tokio::test]
    async fn first_question_waits_for_nothing_and_a_pause_gives_no_burst() {
        let pacer = rested_pacer().await;
        assert!(pacer.acquire(ready(Ok::<_, ()>(()))).now_or_never().is_some());
        assert!(pacer.acquire(ready(Ok::<_, ()>(()))).now_or_never().is_none());
    }

    #[tokio::test]
    async fn question_that_is_given_up_takes_no_turn() {
        let pacer = rested_pacer().await;
        assert_eq!(pacer.acquire(ready(Err::<(), _>(7))).await, Err(7));
        assert!(pacer.acquire(pending::<Result<(), ()>>()).now_or_never().is_none());
        assert!(pacer.acquire(ready(Ok::<_, ()>(()))).now_or_never().is_some());
    }

    #[test]
    fn rate_without_sense_is_the_lowest_rate() {
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert_eq!(Pacer::new(rate).interval, MAX_INTERVAL, "{rate}");
        }
        assert_eq!(Pacer::new(f64::INFINITY).interval, Duration::ZERO);
    }
}
