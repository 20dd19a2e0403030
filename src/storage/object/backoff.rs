//! How often a step of the protocol is tried again, and when.
//!
//! The store's client repeats requests itself. What is left for here: requests that it may not repeat because their answer is
//! lost, and conflicts with other writers. Three tries are made however long each takes, more only within the first minute.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::storage::Error;

const MIN_TRIES: u32 = 3;
const MAX_TRIES: u32 = 12;
const MAX_TIME: Duration = Duration::from_secs(60);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The tries of one step.
pub(super) struct Backoff {
    first_delay: Duration,
    begun: Instant,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(first_delay: Duration) -> Self {
        Self { first_delay, begun: Instant::now(), tries: 0 }
    }

    /// Begins to count anew: the step was hindered by the success of another writer.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.first_delay);
    }

    /// Waits before the next try, longer each time, and never as long as another writer.
    ///
    /// # Errors
    /// `error`, if another try would not help, or all are used.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        self.tries += 1;
        let is_used_up = self.tries >= MAX_TRIES || (self.tries >= MIN_TRIES && self.begun.elapsed() > MAX_TIME);
        if is_used_up || !may_pass(&error) {
            return Err(error);
        }
        let delay = self.first_delay.saturating_mul(1 << (self.tries - 1)).min(MAX_DELAY);
        if !delay.is_zero() {
            sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
        Ok(())
    }
}

/// Whether the same request may succeed later.
fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Bucket { .. }) && !error.is_bucket_refusal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::error::{BucketError, BucketFault};

    fn error(fault: BucketFault) -> Error {
        let source = BucketError { fault, message: String::new() };
        Error::Bucket { action: "read", url: String::new(), source }
    }

    #[tokio::test]
    async fn errors_that_may_pass_are_tried_again_for_a_bounded_time() {
        let mut backoff = Backoff::new(Duration::ZERO);
        for _ in 1..MAX_TRIES {
            backoff.wait(error(BucketFault::Unavailable)).await.unwrap();
        }
        assert!(backoff.wait(error(BucketFault::Unavailable)).await.is_err());
        backoff.reset();
        assert!(backoff.wait(error(BucketFault::Other)).await.is_ok());
    }

    #[tokio::test]
    async fn errors_of_every_request_are_final() {
        for error in [error(BucketFault::Refused), error(BucketFault::ConditionsIgnored), Error::Panicked] {
            assert!(Backoff::new(Duration::ZERO).wait(error).await.is_err());
        }
    }
}
