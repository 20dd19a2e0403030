//! A session: an archive and everything that a run on it needs. Other programs and the command line both start runs here.
//!
//! Owns how a run is put together: clients, limits, the job. It refuses what can't work before it sends or writes anything.
//! It reads no command line and no environment.

#[cfg(feature = "cli")]
mod key_trial;
mod options;
mod task_limit;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Emitter, Event, RunKind, Summary};
use crate::gateway::{self, AccountError, Gateway};
#[cfg(feature = "cli")]
use crate::gateway::{AccountClient, BaseUrl};
use crate::http::{AddressPolicy, HostLimiter, MediaClient, Throttle, Tls, UrlPolicy, client, is_private_host};
use crate::jobs::StopHandle;
use crate::jobs::archive::{self, ArchiveJob, CommitCount, GatewayHealth, LateMeta, QueryStop, Request, RunOutcome, SeenIds};
use crate::jobs::repair::{RepairOutcome, RepairPlan};
use crate::jobs::verify::VerifyOutcome;
#[cfg(feature = "cli")]
use crate::redact::ApiKey;
use crate::storage::{self, Location, Storage};
use crate::threads;
use crate::transfer::{Disk, Downloader, MinRate};
use task_limit::determine_task_limit;

#[cfg(feature = "cli")]
pub(crate) use key_trial::{Trial, try_access_key, try_api_key};
pub use options::Options;
pub(crate) use options::{DEFAULT_CONNECTIONS, DEFAULT_JOBS, DEFAULT_RETRIES};

/// Requests that are read ahead of the run.
pub(crate) const REQUEST_QUEUE_CAPACITY: usize = 1024;

/// Why a run can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive can't be used.
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// The HTTP clients can't be made.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// No request can carry this key.
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    /// The account's list of tasks can't be requested.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The system has no threads left.
    #[error("not enough threads: {0}; raise the limit of processes and threads (`ulimit -u`), or end other programs")]
    Threads(#[source] std::io::Error),
}

/// One run on an archive. Any number of runs may work in one archive at once, in one process or in many.
#[derive(Debug)]
pub struct Session {
    storage: Storage,
    root: PathBuf,
    options: Options,
    stop: StopHandle,
    /// Cancelled when the run stops asking.
    queries_ended: CancellationToken,
    /// Whether the run reads its requests to their end, also when queries have ended.
    awaits_requests: bool,
    /// Whether the account's list is read, too.
    has_account: bool,
}

impl Session {
    /// Opens the archive at `root`, which need not exist. Creates and sends nothing yet. The paths in events begin with `root`.
    ///
    /// # Errors
    /// When `root` has something that is not ours, or that a later version wrote.
    pub fn open(root: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let root = root.into();
        let storage = Storage::open(&Location::parse(&root)?, &options.bucket())?;
        Ok(Self::with_storage(storage, root, options))
    }

    /// Opens what was verified, for [`Session::repair`]: an archive, or the folder of one task.
    ///
    /// # Errors
    /// As for [`Session::open`], and for a task's folder in a bucket that has not the name of its task.
    pub fn open_verified(verified: &VerifyOutcome, options: Options) -> Result<Self, Error> {
        match Location::parse(&verified.root)? {
            _ if !verified.is_single_task => Self::open(verified.root.clone(), options),
            Location::Folder(root) => Ok(Self::with_storage(Storage::single_task(&root), root, options)),
            // A run writes to the archive that the folder is in.
            Location::Bucket(url) => {
                let task = verified.findings.iter().find_map(|finding| finding.task_id.as_deref());
                Self::open(url.archive_of_folder(task)?.to_string(), options)
            }
        }
    }

    fn with_storage(storage: Storage, root: PathBuf, options: Options) -> Self {
        Self {
            storage,
            root,
            options,
            stop: StopHandle::default(),
            queries_ended: CancellationToken::new(),
            awaits_requests: false,
            has_account: false,
        }
    }

    /// Archives the tasks that `requests` names, each id once. A task that the archive has needs no network. One bad task
    /// never stops the others; its [`Event::Task`](crate::Event::Task) has its outcome. The last event is
    /// [`Event::Summary`](crate::Event::Summary).
    ///
    /// `requests` is read as fast as the run needs it, so that it may be a queue without end. For an iterator, use
    /// [`futures::stream::iter`]. Needs a tokio runtime and many open files: the soft limit of the process is raised where
    /// the system allows it.
    ///
    /// To end the run early, use a [`StopHandle`]. Dropping the future has the effect of killing the process: no wrong byte
    /// stays, but the root manifest may lack the latest tasks until a later run.
    ///
    /// # Errors
    /// When the run can't start. A run that could not go on has [`RunOutcome::fatal_error`].
    pub async fn get(self, requests: impl Stream<Item = Request> + Send, events: Emitter) -> Result<RunOutcome, Error> {
        self.run(RunKind::Get, requests, events).await
    }

    async fn run(
        self,
        kind: RunKind,
        requests: impl Stream<Item = Request> + Send,
        events: Emitter,
    ) -> Result<RunOutcome, Error> {
        let job = self.prepare(kind, events).await?;
        let (tasks, late_meta) = (job.emitter.tasks.clone(), job.late_meta.clone());
        let (sender, receiver) = mpsc::channel(REQUEST_QUEUE_CAPACITY);
        let forward = async move {
            let mut requests = pin!(requests);
            let mut seen = SeenIds::new(late_meta);
            while let Some(request) = requests.next().await {
                let Some(request) = seen.first(request) else { continue };
                tasks.discovered.add(1);
                if sender.send(request).await.is_err() {
                    break;
                }
            }
        };
        let (mut run, forward) = (Box::pin(archive::run(job, receiver)), pin!(forward));
        // The run may end first: when it is stopped or stops asking, it waits for no more requests.
        Ok(tokio::select! {
            outcome = &mut run => outcome,
            () = forward => run.await,
        })
    }

    /// Fetches again what a verification found damaged or missing, by task id, so that dead links do not matter. Texts and
    /// manifests are restored from manifests. An intact file is never touched. The last event is
    /// [`Event::Summary`](crate::Event::Summary), also when there is nothing to do.
    ///
    /// # Errors
    /// As for [`Session::get`].
    pub async fn repair(self, verified: &VerifyOutcome, events: Emitter) -> Result<RepairOutcome, Error> {
        let RepairPlan { requests, has_unrepairable } = RepairPlan::from_findings(&verified.findings);
        let is_intact = verified.summary.is_intact();
        if is_intact || (verified.summary.files == 0 && requests.is_empty()) {
            events.emit(Event::Summary(Summary::new(RunKind::Repair)));
            return Ok(RepairOutcome { run: None, has_unrepairable: !is_intact });
        }
        let run = self.run(RunKind::Repair, stream::iter(requests), events).await?;
        Ok(RepairOutcome { run: Some(run), has_unrepairable })
    }

    /// Lets the run read all requests, whatever happens, so that it counts the tasks that were not asked.
    #[cfg(feature = "cli")]
    pub(crate) fn awaiting_all_requests(self) -> Self {
        Self { awaits_requests: true, ..self }
    }

    /// Says that tasks of the account's list come, too.
    #[cfg(feature = "cli")]
    pub(crate) fn with_account(self, has_account: bool) -> Self {
        Self { has_account, ..self }
    }

    /// Ends the run early.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Cancelled when the run stops asking: more requests are of no use then.
    #[cfg(feature = "cli")]
    pub(crate) fn queries_ended(&self) -> CancellationToken {
        self.queries_ended.clone()
    }

    /// A reader of the account's list of tasks, which ends when the run is stopped.
    ///
    /// # Errors
    /// When the client can't be made, or no request can carry the access key.
    #[cfg(feature = "cli")]
    pub(crate) fn account_client(&self, url: BaseUrl, key: ApiKey, events: &Emitter) -> Result<AccountClient, Error> {
        let network = &self.options.network;
        let client = client::http_client(network, &Tls::new(network)?, AddressPolicy::Anywhere)?;
        let (emitter, stop) = (events.clone().redacting(key.clone()), self.stop.token().clone());
        Ok(AccountClient::new(client, url, key, self.options.retry_policy(), emitter, stop)?)
    }

    /// Makes the clients and everything else that a run needs besides its requests.
    async fn prepare(self, kind: RunKind, events: Emitter) -> Result<ArchiveJob, Error> {
        threads::init_pools().map_err(Error::Threads)?;
        let options = &self.options;
        let emitter = events.redacting(options.key.clone());
        let throttle = options.limit_rate.map(|rate| Arc::new(Throttle::new(rate)));
        let (policy, base) = (options.retry_policy(), options.base_url.clone());
        let tls = Tls::new(&options.network)?;
        let client = client::http_client(&options.network, &tls, AddressPolicy::Anywhere)?;
        let (is_private_gateway, prepared) = tokio::join!(self.is_private_gateway(), self.prepare_tls(&tls));
        prepared?;
        let stop = self.stop.token().clone();
        let gateway = Gateway::new(client, base, options.key.clone(), policy, emitter.clone(), stop)?;
        let gateway = gateway.with_throttle(throttle.clone()).with_rate(options.api_rate);
        let is_cleartext = options.base_url.as_url().scheme() == "http" && !is_private_gateway;
        let gateway = Arc::new(if is_cleartext { gateway.with_cleartext_warning() } else { gateway });
        let downloader = Downloader {
            media: self.media_client(&tls, throttle, is_private_gateway)?,
            gateway: Arc::clone(&gateway),
            policy,
            connections: options.connections.map_or(DEFAULT_CONNECTIONS, NonZeroUsize::get),
            max_size: options.max_size,
            disk: Disk::new(self.storage.disk(), emitter.clone()),
            stop: self.stop.token().clone(),
            min_rate: options.min_rate.map(|rate| MinRate { rate, period: options.network.stall_timeout }),
            kind_filter: options.wanted,
            emitter: emitter.clone(),
        };
        let prepared = self.stop.token().run_until_cancelled(self.storage.prepare(options.dry_run)).await;
        if let Some(warning) = prepared.transpose()?.flatten() {
            emitter.emit(Event::Warning(warning));
        }
        let max_open_tasks = determine_task_limit().min(options.tasks_ahead().saturating_mul(2));
        Ok(ArchiveJob {
            kind,
            storage: self.storage,
            display_root: self.root,
            gateway,
            downloader,
            max_concurrent_tasks: options.tasks_ahead().min(max_open_tasks),
            max_open_tasks,
            committing: CommitCount::default(),
            wanted: options.wanted,
            mtime: options.mtime,
            dry_run: options.dry_run,
            force: options.force,
            skip_failed: options.skip_failed,
            wait: options.wait,
            health: GatewayHealth::new(options.wait),
            emitter,
            queries: QueryStop::new(self.queries_ended),
            write_check: OnceCell::new(),
            keeps_listed_fields: self.has_account,
            late_meta: LateMeta::default(),
            awaits_requests: self.awaits_requests,
            stop: self.stop.token().clone(),
        })
    }

    /// Makes the client for media, which never sends the key.
    fn media_client(&self, tls: &Tls, throttle: Option<Arc<Throttle>>, is_private_gateway: bool) -> Result<MediaClient, Error> {
        let options = &self.options;
        let may_be_private = options.allow_private_hosts || is_private_gateway;
        let addresses = if may_be_private { AddressPolicy::Anywhere } else { AddressPolicy::Public };
        let url_policy = UrlPolicy { addresses, key: options.key.clone(), gateway: options.base_url.as_url().clone() };
        let client = client::http_client(&options.network, tls, addresses)?;
        let hosts = HostLimiter::new(options.requests_per_host(), options.jobs.get(), options.retry_policy());
        Ok(MediaClient { client, url_policy, hosts, throttle })
    }

    /// Prepares the first connection to the gateway.
    async fn prepare_tls(&self, tls: &Tls) -> Result<(), client::Error> {
        if self.options.base_url.as_url().scheme() == "https" { tls.prepare().await } else { Ok(()) }
    }

    /// Whether the gateway is at private addresses alone: then asset URLs may lead to private addresses, too.
    async fn is_private_gateway(&self) -> bool {
        let lookup = is_private_host(self.options.base_url.as_url());
        // A run that was stopped sends nothing, whatever the answer is.
        self.stop.token().run_until_cancelled(lookup).await.unwrap_or(false)
    }
}
