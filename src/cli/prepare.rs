//! Settings made ready for work: the clients, the limits, the job.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::settings::Remote;
use crate::event::Emitter;
use crate::gateway::Gateway;
use crate::get::Job;
use crate::http::{Hosts, MediaClient, Reach, Throttle, client, is_public};
use crate::plan::Wanted;
use crate::store::Archive;
use crate::transfer::{Disk, Downloader};

/// More tasks on their way at once wait for the disk together, which gains nothing any more.
const MOST_TASKS: usize = 384;
/// Files that are open beside those of tasks: connections, lists, the archive's own.
const OTHER_FILES: usize = 160;

/// A job on `archive`, shown to the user as `shown`, that fetches what is missing of everything `wanted`.
pub(super) fn job(
    archive: Archive,
    shown: PathBuf,
    remote: Remote,
    wanted: Wanted,
    runtime: &Runtime,
    emitter: Emitter,
) -> Result<Job, Error> {
    let setup = |error: client::Error| Error::Setup(error.to_string());
    let (base, policy) = (remote.base, remote.policy);
    let is_private = runtime.block_on(is_private(base.as_url()));
    let reach = if remote.allow_private_hosts || is_private { Reach::Anywhere } else { Reach::Public };
    let throttle = remote.limit_rate.map(|rate| Arc::new(Throttle::new(rate)));
    let media = MediaClient {
        client: client::media(&remote.network, reach).map_err(setup)?,
        reach,
        hosts: Hosts::new(remote.per_host, policy),
        throttle: throttle.clone(),
    };
    let keyed = client::gateway(&remote.network, base.as_url()).map_err(setup)?;
    let gateway = Gateway::new(keyed, base, remote.key, policy, throttle).map_err(|error| Error::Setup(error.to_string()))?;
    let (gateway, stop) = (Arc::new(gateway), CancellationToken::new());
    let downloader = Downloader {
        media,
        gateway: Arc::clone(&gateway),
        policy,
        connections: remote.connections,
        max_size: remote.max_size,
        disk: Disk::new(archive.clone(), emitter.clone()),
        stop: stop.clone(),
        slots: Semaphore::new(remote.jobs),
        wanted,
        emitter: emitter.clone(),
    };
    Ok(Job {
        archive,
        shown,
        gateway,
        downloader,
        tasks_at_once: tasks_at_once(),
        wanted,
        force: false,
        skip_failed: false,
        wait: None,
        mtime: false,
        dry_run: false,
        emitter,
        refused: Arc::default(),
        asking_ended: CancellationToken::new(),
        stop,
    })
}

/// As many as are worth it, if the system lets so many files be open.
#[cfg(unix)]
fn tasks_at_once() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let enough = (MOST_TASKS * 2 + OTHER_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < enough) {
        limit.current = Some(limit.maximum.map_or(enough, |most| most.min(enough)));
        // Where it is not allowed, there are fewer tasks at once.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let open = getrlimit(Resource::Nofile).current.map_or(enough, |current| current.min(enough));
    (usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES) / 2).max(1)
}

#[cfg(not(unix))]
fn tasks_at_once() -> usize {
    MOST_TASKS
}

/// Whether the gateway itself is at an address that media would not be fetched from.
async fn is_private(base: &url::Url) -> bool {
    match base.host() {
        Some(url::Host::Ipv4(address)) => !is_public(address.into()),
        Some(url::Host::Ipv6(address)) => !is_public(address.into()),
        Some(url::Host::Domain(name)) => {
            let found = tokio::net::lookup_host((name, 0)).await;
            found.is_ok_and(|mut found| found.any(|address| !is_public(address.ip())))
        }
        None => false,
    }
}
