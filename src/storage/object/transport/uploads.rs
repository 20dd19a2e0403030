//! The uploads under way, and how long to wait for their answers.
//!
//! Uploads share the line. So one that waits fails only when no other one was answered meanwhile.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};

use super::Limits;

/// What the uploads of this store have in common: the line, and the server.
#[derive(Debug)]
pub(super) struct Uploads {
    pub(super) limits: Limits,
    pub(super) bytes_under_way: AtomicU64,
    /// Uploads that were answered so far.
    pub(super) answers: AtomicUsize,
}

/// The bytes of one upload, as long as it is under way.
struct UnderWay<'a>(&'a AtomicU64, u64);

impl Uploads {
    /// Waits for `exchange`, which uploads `size` bytes, as long as the server is alive.
    pub(super) async fn supervise<T>(
        &self,
        exchange: impl Future<Output = Result<T, HttpError>>,
        size: u64,
        answer_time: Duration,
    ) -> Result<T, HttpError> {
        let _under_way = UnderWay::new(&self.bytes_under_way, size);
        let mut exchange = pin!(exchange);
        loop {
            let answers = self.answers.load(Ordering::Relaxed);
            let bytes = self.bytes_under_way.load(Ordering::Relaxed);
            let transfer_time = Duration::from_secs(bytes / self.limits.min_bytes_per_second);
            match tokio::time::timeout(answer_time + transfer_time, &mut exchange).await {
                Ok(answer) => {
                    self.answers.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
                    return answer;
                }
                // Another upload was answered: the line is slow, and the server is alive.
                Err(_) if self.answers.load(Ordering::Relaxed) != answers => {}
                Err(elapsed) => return Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
            }
        }
    }
}

impl<'a> UnderWay<'a> {
    fn new(total: &'a AtomicU64, size: u64) -> Self {
        total.fetch_add(size, Ordering::Relaxed);
        Self(total, size)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
