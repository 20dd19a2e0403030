//! The main job, from settings to exit code.

use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use tokio::sync::Semaphore;

use super::settings::{Error, Settings};
use crate::event::Emitter;
use crate::gateway::Gateway;
use crate::get::{self, Ended, Job};
use crate::http::{MediaClient, Reach, client, is_public};
use crate::store::Archive;
use crate::transfer::Downloader;
use crate::ui;

/// Ids that wait to be taken; their source waits when there are more.
const WAITING: usize = 64;

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let archive = Archive::open(&settings.output).map_err(|error| Error::Archive(error.told()))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::Setup(format!("the runtime can't start: {error}")))?;
    let (events, told) = mpsc::channel();
    let emitter = Emitter::new(events);
    let refused = Arc::new(OnceLock::new());
    let (input, style) = (settings.input, settings.style);
    let job = {
        let setup = |error: client::Error| Error::Setup(error.to_string());
        let base = settings.base;
        let is_private = runtime.block_on(is_private(base.as_url()));
        let reach = if settings.allow_private_hosts || is_private { Reach::Anywhere } else { Reach::Public };
        let media = MediaClient::new(client::media(&settings.network, reach).map_err(setup)?, reach);
        let keyed = client::gateway(&settings.network, base.as_url()).map_err(setup)?;
        let gateway =
            Gateway::new(keyed, base, settings.key, settings.policy).map_err(|error| Error::Setup(error.to_string()))?;
        let gateway = Arc::new(gateway);
        let downloader = Downloader {
            media,
            gateway: Arc::clone(&gateway),
            policy: settings.policy,
            slots: Semaphore::new(settings.jobs),
            wanted: settings.wanted,
            emitter: emitter.clone(),
        };
        Job {
            archive,
            shown: settings.output,
            gateway,
            downloader,
            wanted: settings.wanted,
            force: settings.force,
            mtime: settings.mtime,
            dry_run: settings.dry_run,
            emitter: emitter.clone(),
            refused: Arc::clone(&refused),
        }
    };
    if !job.dry_run {
        job.archive.create().map_err(|error| Error::Archive(error.told()))?;
    }
    let total = emitter.total.clone();
    let interface = thread::spawn(move || ui::show(&told, &total, style));
    let (sender, requests) = tokio::sync::mpsc::channel(WAITING);
    let reader = thread::spawn(move || input.send(&sender, &emitter, &refused));
    let ended = runtime.block_on(get::run(job, requests));
    // The list's reader may hang in a read that nobody waits for any more.
    let bad_lines = if ended.broken.is_some() { 0 } else { reader.join().unwrap_or(0) };
    if let Some(error) = &ended.broken {
        ui::complain(error);
    } else {
        // All who could tell something are gone, so this ends.
        let _ = interface.join();
    }
    runtime.shutdown_background();
    Ok(code(&ended, bad_lines))
}

/// Whether the gateway itself is at an address that media would not be fetched from.
async fn is_private(base: &reqwest::Url) -> bool {
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
