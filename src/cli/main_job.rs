//! The main job: archives the tasks of the settings, then writes the gallery page if `--gallery` asks for it.

use super::error::Error;
use super::runner::{self, RunResult};
use super::settings::Settings;
use super::{gallery, lock_wait};
use crate::session::Session;
use crate::storage;
use crate::threads;

/// Runs the main job and returns the exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let Settings { input, output, gallery, options, style } = settings;
    let is_dry_run = options.dry_run;
    let session = Session::open(&output, options)?;
    // A page that can't be written is an error before the first request.
    let page = gallery.then(|| gallery::open_page(&output)).transpose()?.filter(|_| !is_dry_run);
    let result = runner::run_session(session, style, |sender, emitter, refusal| input.send(sender, emitter, refusal))?;
    // An interrupted run ends at once; the next run writes the page.
    if let Some(page) = page.filter(|_| !result.stop.is_cancelled()) {
        write_page(&result, page, output)?;
    }
    Ok(result.exit_code())
}

/// Writes the page on a worker thread, so that an interrupt can end the wait for its lock.
fn write_page(result: &RunResult, page: storage::OutputFile, output: std::path::PathBuf) -> Result<(), Error> {
    let wait = lock_wait(result.stop.clone());
    let write = threads::run_blocking(move || gallery::write(&page, &output, &wait));
    match result.runtime.block_on(write).unwrap_or(Err(storage::Error::Panicked)) {
        // `Locked`: an interrupt ended the wait.
        Ok(_) | Err(storage::Error::Locked(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
