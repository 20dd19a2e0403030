//! The options of a run, with the defaults of the command line.
//!
//! To add an option: see `cli/mod.rs`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::plan::KindFilter;
use crate::domain::shard::Shard;
use crate::gateway::BaseUrl;
use crate::http::client::Network;
use crate::http::retry::RetryPolicy;
use crate::jobs::archive::PollPolicy;
use crate::redact::ApiKey;
use crate::storage::BucketOptions;

/// Downloads at once.
pub(crate) const DEFAULT_JOBS: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not 0");
/// Connections for one large file.
pub(crate) const DEFAULT_CONNECTIONS: usize = 4;
/// Retries of one request.
pub(crate) const DEFAULT_RETRIES: u32 = 5;
/// How long to wait for a busy host, unless the number of retries is given.
const BUSY_HOST_TIMEOUT: Duration = Duration::from_secs(600);
/// Tasks that are queried ahead, for each download at once.
const TASKS_AHEAD_PER_JOB: usize = 8;
/// Requests at once to one media host, unless the options ask for more connections.
const DEFAULT_REQUESTS_PER_HOST: usize = 32;
/// Never more than this, because open files are limited too.
const MAX_REQUESTS_PER_HOST: usize = 256;

/// The options of a run. [`Options::new`] gives the defaults of the command line; change what you need:
///
/// ```
/// use yescale_dl::{ApiKey, KindFilter, Options};
///
/// let mut options = Options::new(ApiKey::parse("sk-example")?);
/// options.limit_rate = Some(2 << 20); // 2 MiB a second
/// options.wanted = KindFilter { image: false, ..KindFilter::ALL };
/// assert_eq!(options.base_url.to_string(), "https://api.yescale.io");
/// # Ok::<(), yescale_dl::KeyError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The API key. Only the gateway receives it.
    pub key: ApiKey,
    /// The gateway.
    pub base_url: BaseUrl,
    /// Questions to the gateway per second, at most, evenly spaced; for example 0.5. None is no limit.
    pub api_rate: Option<f64>,
    /// What to archive of each task. A task of which something is left out is `partial`. Default: everything.
    pub wanted: KindFilter,
    /// Whether to fetch again what the archive has. The old files stay until the new ones are complete.
    pub force: bool,
    /// Whether to skip tasks that the archive records as failed, or as incomplete because of dead links (401, 403, 404, 410) alone.
    pub skip_failed: bool,
    /// Whether to set the time of each file to the time at which its task finished.
    pub mtime: bool,
    /// Whether to report the plan ([`Event::Planned`](crate::Event::Planned)) and write nothing. The gateway is queried.
    pub dry_run: bool,
    /// How to wait for unfinished tasks. None, the default, leaves them to another run.
    pub wait: Option<PollPolicy>,
    /// Downloads at once. Each file has up to [`connections`](Self::connections) of its own.
    pub jobs: NonZeroUsize,
    /// Connections for one file of 16 MiB or more, where its host serves ranges. Default 4. At most 32 requests go to one media
    /// host at once. With more connections than 4 it is `jobs` times this value if that is more, up to 256.
    pub connections: Option<NonZeroUsize>,
    /// Limit of all received bytes per second. None is no limit.
    pub limit_rate: Option<u64>,
    /// A transfer that is slower than this many bytes per second for the stall timeout is cut and resumed on another connection.
    /// None, the default, cuts nothing. A transfer that can't be resumed is never cut, nor the last attempt.
    pub min_rate: Option<u64>,
    /// The size of the largest asset to save, in bytes. A larger one is an error of its task.
    pub max_size: Option<u64>,
    /// Retries per request after transient errors; reset when data arrives. Default 5, and up to ten minutes for a host that
    /// reports that it is busy.
    pub retries: Option<u32>,
    /// Delay before the first retry. It doubles with each retry, up to half a minute.
    pub retry_delay: Duration,
    /// How to connect.
    pub network: Network,
    /// Whether asset URLs may lead to loopback, private and link-local addresses. Implied when the gateway is at one.
    pub allow_private_hosts: bool,
    /// For an archive in a bucket: the folder to download to before the upload. A later run resumes what a killed run left there.
    /// None, the default, is a temporary folder.
    pub spool: Option<PathBuf>,
    /// For an archive in a bucket: the part of the ids that the run is given. Only this part of the index is read.
    pub shard: Option<Shard>,
}

impl Options {
    /// Options with the defaults of the command line.
    #[must_use]
    pub fn new(key: ApiKey) -> Self {
        Self {
            key,
            base_url: BaseUrl::default(),
            api_rate: None,
            wanted: KindFilter::ALL,
            force: false,
            skip_failed: false,
            mtime: false,
            dry_run: false,
            wait: None,
            jobs: DEFAULT_JOBS,
            connections: None,
            limit_rate: None,
            min_rate: None,
            max_size: None,
            retries: None,
            retry_delay: Duration::from_millis(500),
            network: Network::default(),
            allow_private_hosts: false,
            spool: None,
            shard: None,
        }
    }

    /// How to open a bucket.
    pub(super) fn bucket(&self) -> BucketOptions<'_> {
        BucketOptions {
            spool: self.spool.as_deref(),
            shard: self.shard,
            user_agent: &self.network.user_agent,
            ca_cert: self.network.ca_cert.as_ref(),
            connect_timeout: self.network.connect_timeout,
            stall_timeout: self.network.stall_timeout,
            retry_delay: self.retry_delay,
        }
    }

    /// How often to retry a request.
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            retries: self.retries.unwrap_or(DEFAULT_RETRIES),
            first_delay: self.retry_delay,
            // An explicit number of retries holds for busy hosts too.
            max_busy_wait: if self.retries.is_none() { BUSY_HOST_TIMEOUT } else { Duration::ZERO },
        }
    }

    /// Tasks that are queried ahead of their downloads, so that hosts which are not busy are known early.
    pub(super) fn tasks_ahead(&self) -> usize {
        self.jobs.get().saturating_mul(TASKS_AHEAD_PER_JOB)
    }

    /// Requests at once to one media host.
    pub(super) fn requests_per_host(&self) -> usize {
        let more = self.connections.filter(|connections| connections.get() > DEFAULT_CONNECTIONS);
        let wanted = more.map_or(0, |connections| connections.get().saturating_mul(self.jobs.get()));
        wanted.clamp(DEFAULT_REQUESTS_PER_HOST, MAX_REQUESTS_PER_HOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_connections_than_the_default_allow_more_requests_to_one_host() {
        for (connections, jobs, requests) in
            [(None, 90, 32), (Some(1), 90, 32), (Some(4), 32, 32), (Some(5), 4, 32), (Some(16), 4, 64), (Some(16), 32, 256)]
        {
            let options = Options {
                connections: connections.and_then(NonZeroUsize::new),
                jobs: NonZeroUsize::new(jobs).unwrap(),
                ..Options::new(ApiKey::parse("sk-example").unwrap())
            };
            assert_eq!(options.requests_per_host(), requests, "-x {connections:?} -j {jobs}");
        }
    }
}
