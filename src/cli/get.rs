//! The main job, from settings to exit code.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::input::Input;
use super::settings::Settings;
use super::signals;
use crate::event::Emitter;
use crate::gateway::Gateway;
use crate::get::{self, Ended, Job};
use crate::http::{Hosts, MediaClient, Reach, Throttle, client, is_public};
use crate::store::Archive;
use crate::transfer::{Disk, Downloader};
use crate::ui;

/// Ids that wait to be taken; their source waits when there are more.
const WAITING: usize = 64;

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let runtime = Runtime::new().map_err(|error| Error::Setup(format!("the runtime can't start: {error}")))?;
    let (events, told) = mpsc::channel();
    let emitter = Emitter::new(events);
    let style = settings.style;
    let (job, input) = prepare(settings, &runtime, emitter.clone())?;
    let (refused, total) = (Arc::clone(&job.refused), emitter.total.clone());
    let interrupt = Arc::new(AtomicU8::new(0));
    runtime.spawn(signals::heed(job.stop.clone(), Arc::clone(&interrupt)));

    let interface = thread::spawn(move || ui::show(&told, &total, style));
    let (sender, requests) = tokio::sync::mpsc::channel(WAITING);
    let reader = thread::spawn(move || input.send(&sender, &emitter, &refused));
    let ended = runtime.block_on(get::run(job, requests));
    let interrupted = interrupt.load(Ordering::Relaxed);
    // Otherwise the list's reader may hang in a read that nobody waits for any more.
    let is_read = ended.broken.is_none() && interrupted == 0;
    let bad_lines = if is_read { reader.join().unwrap_or(0) } else { 0 };
    // The summary was its last word.
    let _ = interface.join();
    ended.broken.iter().for_each(|error| ui::complain(error));
    if interrupted > 0 {
        ui::complain("interrupted; what was finished is kept, and the next run goes on from here");
    }
    runtime.shutdown_background();
    Ok(if interrupted > 0 { interrupted } else { code(&ended, bad_lines) })
}

/// Everything that the job needs, made ready: the archive, the clients, the limits.
fn prepare(settings: Settings, runtime: &Runtime, emitter: Emitter) -> Result<(Job, Input), Error> {
    let setup = |error: client::Error| Error::Setup(error.to_string());
    let archive = Archive::open(&settings.output).map_err(|error| Error::Archive(error.told()))?;
    let (base, policy) = (settings.base, settings.policy);
    let is_private = runtime.block_on(is_private(base.as_url()));
    let reach = if settings.allow_private_hosts || is_private { Reach::Anywhere } else { Reach::Public };
    let throttle = settings.limit_rate.map(|rate| Arc::new(Throttle::new(rate)));
    let media = MediaClient {
        client: client::media(&settings.network, reach).map_err(setup)?,
        reach,
        hosts: Hosts::new(settings.per_host, policy),
        throttle: throttle.clone(),
    };
    let keyed = client::gateway(&settings.network, base.as_url()).map_err(setup)?;
    let gateway = Gateway::new(keyed, base, settings.key, policy, throttle).map_err(|error| Error::Setup(error.to_string()))?;
    if !settings.dry_run {
        archive.create().map_err(|error| Error::Archive(error.told()))?;
    }
    let (gateway, stop) = (Arc::new(gateway), CancellationToken::new());
    let downloader = Downloader {
        media,
        gateway: Arc::clone(&gateway),
        policy,
        connections: settings.connections,
        max_size: settings.max_size,
        disk: Disk::new(archive.clone(), emitter.clone()),
        stop: stop.clone(),
        slots: Semaphore::new(settings.jobs),
        wanted: settings.wanted,
        emitter: emitter.clone(),
    };
    let job = Job {
        archive,
        shown: settings.output,
        gateway,
        downloader,
        wanted: settings.wanted,
        force: settings.force,
        mtime: settings.mtime,
        dry_run: settings.dry_run,
        emitter,
        refused: Arc::default(),
        asking_ended: CancellationToken::new(),
        stop,
    };
    Ok((job, settings.input))
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

fn code(ended: &Ended, bad_lines: u64) -> u8 {
    let summary = &ended.summary;
    match () {
        () if ended.broken.is_some() || bad_lines > 0 => 2,
        () if summary.bad() > 0 => 1,
        () if summary.pending > 0 => 3,
        () => 0,
    }
}
