//! The tokio runtime of a job that blocks, such as `list` or `verify`.
//!
//! Such a job is a plain function, and may run on any thread. It owns a small runtime, which ends with it. With too few threads the
//! runtime works on the thread of the job alone.

use std::path::PathBuf;

use tokio::runtime::{Builder, Runtime};

use crate::storage::Error;
use crate::storage::location::BucketUrl;
use crate::threads;

/// Threads that hash what arrives. The network is slower than a few of them.
const MAX_WORKERS: usize = 4;
/// Threads that the runtime starts for look-ups of host names.
const SPARE_THREADS: usize = 2;

/// Builds the runtime of a job on the archive at `url`.
///
/// # Errors
/// When the system allows none.
pub(in crate::storage) fn blocking_runtime(url: &BucketUrl) -> Result<Runtime, Error> {
    let workers = threads::parallelism().min(MAX_WORKERS);
    let mut builder = match threads::probe_threads(workers + SPARE_THREADS) {
        true => Builder::new_multi_thread(),
        false => Builder::new_current_thread(),
    };
    let failed = |source| Error::Io { action: "start threads for", path: PathBuf::from(url.to_string()), source };
    builder.worker_threads(workers).enable_all().build().map_err(failed)
}
