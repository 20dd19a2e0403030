//! An archive and how to fill it, ready for work: the door for programs that embed this one, and for the command line.
//!
//! Owns how a run is put together: the clients, the limits, the job. It refuses what can't be done before anything is
//! asked or written, and knows neither a command line nor an environment.

mod options;
mod repair;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Emitter, Event, VerifySummary};
use crate::gateway::{self, Gateway};
use crate::http::{AddressPolicy, HostLimiter, MediaClient, Throttle, UrlPolicy, client, resolves_to_private};
use crate::jobs::archive::{self, ArchiveJob, Request, RunOutcome};
use crate::jobs::verify::{self, Finding};
use crate::storage::{self, Archive, ArchiveScan};
use crate::transfer::{Disk, Downloader};

pub use options::Options;
pub(crate) use options::{DEFAULT_CONNECTIONS, DEFAULT_JOBS, DEFAULT_RETRIES};
pub(crate) use repair::repair_requests;

/// More tasks on their way at once wait for the disk together, which gains nothing any more.
const MAX_CONCURRENT_TASKS: usize = 384;
#[cfg(unix)]
/// Files that are open beside those of tasks: connections, lists, the archive's own.
const RESERVED_FILES: usize = 160;
/// Requests that wait to be taken; their source waits when there are more.
pub(crate) const REQUEST_QUEUE_CAPACITY: usize = 1024;

/// Why a run can't start, or an archive not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive can't be used.
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// The HTTP clients can't be made.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The gateway can't be asked with this key.
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    /// The system has no threads left.
    #[error("not enough threads: {0}; raise the limit of processes and threads (`ulimit -u`), or end other programs")]
    Threads(std::io::Error),
}

/// One run on an archive. Any number of them may work in one archive at once, in one process or in many.
#[derive(Debug)]
pub struct Session {
    archive: Archive,
    root: PathBuf,
    options: Options,
    stop: CancellationToken,
}

impl Session {
    /// The archive at `root`, there or not: nothing is made or asked yet. The paths of events begin with `root`.
    ///
    /// # Errors
    /// When what stands there is not ours, or of a later version.
    pub fn open(root: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let root = root.into();
        Ok(Self::with_archive(Archive::open(&root)?, root, options))
    }

    /// `archive`, which is shown as `root`.
    fn with_archive(archive: Archive, root: PathBuf, options: Options) -> Self {
        Self { archive, root, options, stop: CancellationToken::new() }
    }

    /// Archives what `requests` name, each id once, and tells `events` of it. What is here costs no request. One bad task
    /// never stops the others: how each ended, its [`Event::Task`] says.
    ///
    /// `events` is called on the threads of the run, which wait for it; the last one is [`Event::Summary`]. Needs a tokio runtime,
    /// and many open files: the process's soft limit is raised, where the system lets it. To end it early, use a
    /// [`StopHandle`]. Dropped, it is as killed: nothing wrong is left behind, but the root manifest may lack what came last
    /// until a later process works in the archive.
    ///
    /// # Errors
    /// When it can't start. What keeps it from going on is [`RunOutcome::fatal_error`].
    pub async fn get(
        self,
        requests: impl IntoIterator<Item = Request, IntoIter: Send> + Send,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<RunOutcome, Error> {
        let requests = requests.into_iter();
        let job = self.prepare(Emitter::new(events)).await?;
        let emitter = job.emitter.clone();
        let (sender, taken) = mpsc::channel(REQUEST_QUEUE_CAPACITY);
        let send = async move {
            let mut seen = HashSet::new();
            for request in requests.filter(|request| seen.insert(request.id.fingerprint())) {
                emitter.tasks.discovered.add(1);
                if sender.send(request).await.is_err() {
                    // The run is over: it was stopped, or the key refused.
                    break;
                }
            }
        };
        Ok(tokio::join!(Box::pin(archive::run(job, taken)), send).0)
    }

    /// What ends the run early.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.stop.clone())
    }

    /// A run that has everything but its requests.
    pub(crate) async fn prepare(self, emitter: Emitter) -> Result<ArchiveJob, Error> {
        let options = &self.options;
        let emitter = emitter.redacting(options.key.clone());
        let throttle = options.limit_rate.map(|rate| Arc::new(Throttle::new(rate)));
        let (policy, base) = (options.retry_policy(), options.base_url.clone());
        let keyed = client::gateway_client(&options.network, base.as_url())?;
        let gateway = Gateway::new(keyed, base, options.key.clone(), policy, emitter.clone(), self.stop.clone())?;
        let gateway = Arc::new(gateway.with_throttle(throttle.clone()));
        let downloader = Downloader {
            media: self.media_client(throttle).await?,
            gateway: Arc::clone(&gateway),
            policy,
            connections: options.connections.map_or(DEFAULT_CONNECTIONS, NonZeroUsize::get),
            max_size: options.max_size,
            disk: Disk::new(self.archive.clone(), emitter.clone()),
            stop: self.stop.clone(),
            slots: Semaphore::new(options.jobs.get()),
            kind_filter: options.wanted,
            emitter: emitter.clone(),
        };
        if !options.dry_run {
            self.archive.create()?;
        }
        Ok(ArchiveJob {
            archive: self.archive,
            display_root: self.root,
            gateway,
            downloader,
            max_concurrent_tasks: determine_task_limit(),
            wanted: options.wanted,
            mtime: options.mtime,
            dry_run: options.dry_run,
            force: options.force,
            skip_failed: options.skip_failed,
            wait: options.wait,
            emitter,
            key_refusal: Arc::default(),
            stop_queries: CancellationToken::new(),
            stop: self.stop,
        })
    }

    /// The client that never sends the key.
    async fn media_client(&self, throttle: Option<Arc<Throttle>>) -> Result<MediaClient, Error> {
        let options = &self.options;
        let is_anywhere = options.allow_private_hosts || resolves_to_private(options.base_url.as_url()).await;
        let reach = if is_anywhere { AddressPolicy::Anywhere } else { AddressPolicy::Public };
        let bounds = UrlPolicy { addresses: reach, key: options.key.clone(), gateway: options.base_url.as_url().clone() };
        let client = client::media_client(&options.network, bounds.clone())?;
        Ok(MediaClient {
            client,
            url_policy: bounds,
            hosts: HostLimiter::new(options.requests_per_host(), options.retry_policy()),
            throttle,
        })
    }
}

/// Ends a run from outside, soon and in order: what is whole is kept, and the next run goes on from there.
#[derive(Clone, Debug)]
pub struct StopHandle(CancellationToken);

impl StopHandle {
    /// Ends the run; the tasks that it does not come to are not told.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

/// Holds everything that the manifests of the archive, or of the one task's folder, at `root` name against the disk: by
/// SHA-256, or by size alone when `quick`. Works offline and changes nothing; the findings come in the order of their paths.
/// Blocks, and works on all cores.
///
/// # Errors
/// When there is no archive of ours, or it can't be listed. Files that can't be read are findings.
pub fn verify(root: impl AsRef<Path>, quick: bool) -> Result<(VerifySummary, Vec<Finding>), Error> {
    verify_with_events(&ArchiveScan::open(root.as_ref())?, quick, &Emitter::new(drop))
}

/// The same for what `survey` looks at, told as it goes.
pub(crate) fn verify_with_events(
    survey: &ArchiveScan,
    quick: bool,
    emitter: &Emitter,
) -> Result<(VerifySummary, Vec<Finding>), Error> {
    verify::verify(survey, quick, emitter).map_err(Error::Threads)
}

/// As many as are worth it, if the system lets so many files be open.
#[cfg(unix)]
fn determine_task_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let enough = (MAX_CONCURRENT_TASKS * 2 + RESERVED_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < enough) {
        limit.current = Some(limit.maximum.map_or(enough, |most| most.min(enough)));
        // Where it is not allowed, there are fewer tasks at once.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let open = getrlimit(Resource::Nofile).current.map_or(enough, |current| current.min(enough));
    (usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES) / 2).max(1)
}

#[cfg(not(unix))]
fn determine_task_limit() -> usize {
    MAX_CONCURRENT_TASKS
}
