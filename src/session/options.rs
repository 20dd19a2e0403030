//! How tasks are archived: everything that a run can be told besides its ids, with the defaults of the command line.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::domain::plan::KindFilter;
use crate::gateway::BaseUrl;
use crate::http::client::Network;
use crate::http::retry::RetryPolicy;
use crate::jobs::archive::PollPolicy;
use crate::redact::ApiKey;

/// Downloads at once, unless told.
pub(crate) const DEFAULT_JOBS: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not 0");
/// Connections for one large file, unless told.
pub(crate) const DEFAULT_CONNECTIONS: usize = 4;
/// Further tries of one request, unless told.
pub(crate) const DEFAULT_RETRIES: u32 = 5;
/// How long a busy host is waited for, unless tries were asked for.
const BUSY_HOST_TIMEOUT: Duration = Duration::from_secs(600);
/// Requests at once to one media host, unless more connections are asked for.
const DEFAULT_REQUESTS_PER_HOST: usize = 32;
/// And never more than that: open files are bounded too.
const MAX_REQUESTS_PER_HOST: usize = 256;

/// How tasks are archived. [`Options::new`] gives the defaults of the command line; change what you need:
///
/// ```
/// use yescale_dl::{ApiKey, Options, Wanted};
///
/// let mut options = Options::new(ApiKey::parse("sk-example")?);
/// options.limit_rate = Some(2 << 20); // 2 MiB a second
/// options.wanted = Wanted { image: false, ..Wanted::ALL };
/// assert_eq!(options.base_url.to_string(), "https://api.yescale.io");
/// # Ok::<(), yescale_dl::KeyError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What the gateway is asked with, and nobody else ever sees.
    pub key: ApiKey,
    /// Where the gateway is.
    pub base_url: BaseUrl,
    /// What of each task is archived; what is not is no fault of the task, which is then `partial`. Everything by default.
    pub wanted: KindFilter,
    /// Whether what is here is fetched again; the old files stay until the new ones are whole.
    pub force: bool,
    /// Whether a task is left alone that the archive records as failed, or as lacking dead links (401, 403, 404, 410) alone.
    pub skip_failed: bool,
    /// Whether each file gets the time at which its task finished.
    pub mtime: bool,
    /// Whether the plan is told ([`Event::Planned`](crate::Event::Planned)) and nothing written; the gateway is asked all the same.
    pub dry_run: bool,
    /// How unfinished tasks are waited for; none, the default, leaves them to another run.
    pub wait: Option<PollPolicy>,
    /// Downloads at once. Each file has up to [`connections`](Self::connections) of its own.
    pub jobs: NonZeroUsize,
    /// Connections for one file of 16 MiB or more, where its host serves ranges: 4 unless told. Never more than 32 requests at
    /// once go to one media host, unless `jobs` times what is told here is more (then up to 256).
    pub connections: Option<NonZeroUsize>,
    /// Bytes a second over everything that comes from the network; none is no limit.
    pub limit_rate: Option<u64>,
    /// The largest asset that is taken, in bytes; one that is larger is an entry in its task's errors.
    pub max_size: Option<u64>,
    /// Further tries of one request after a passing fault, refilled by progress. Unless told: 5, and up to ten minutes for a
    /// host that says it is busy.
    pub retries: Option<u32>,
    /// Before the first further try; it doubles from there, up to half a minute.
    pub retry_delay: Duration,
    /// How connections are made.
    pub network: Network,
    /// Whether the links of assets may lead to loopback, private and link-local addresses; implied when the gateway is at one.
    pub allow_private_hosts: bool,
}

impl Options {
    /// The defaults of the command line.
    #[must_use]
    pub fn new(key: ApiKey) -> Self {
        Self {
            key,
            base_url: BaseUrl::default(),
            wanted: KindFilter::ALL,
            force: false,
            skip_failed: false,
            mtime: false,
            dry_run: false,
            wait: None,
            jobs: DEFAULT_JOBS,
            connections: None,
            limit_rate: None,
            max_size: None,
            retries: None,
            retry_delay: Duration::from_millis(500),
            network: Network::default(),
            allow_private_hosts: false,
        }
    }

    /// How often a request is tried again.
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            retries: self.retries.unwrap_or(DEFAULT_RETRIES),
            first_delay: self.retry_delay,
            // Who says how many tries there are gets that many, of a busy host too.
            max_busy_wait: if self.retries.is_none() { BUSY_HOST_TIMEOUT } else { Duration::ZERO },
        }
    }

    /// Requests at once to one media host.
    pub(super) fn requests_per_host(&self) -> usize {
        let asked = self.connections.map_or(0, |asked| asked.get().saturating_mul(self.jobs.get()));
        asked.clamp(DEFAULT_REQUESTS_PER_HOST, MAX_REQUESTS_PER_HOST)
    }
}
