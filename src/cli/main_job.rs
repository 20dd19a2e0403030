//! The main job: archives the tasks of the settings, then writes the gallery page if `--gallery` asks for it.

use std::path::PathBuf;

use super::error::Error;
use super::gallery::link_line;
use super::observers::RunObservers;
use super::print_messages;
use super::request_queue;
use super::runner::{self, ReadOutcome, RunResult};
use super::settings::Settings;
use super::ui_thread::UiThread;
use crate::jobs::{StopHandle, gallery};
use crate::layout::GALLERY;
use crate::session::{REQUEST_QUEUE_CAPACITY, Session};
use crate::storage::{self, Location};
use crate::threads;
use crate::ui::{self, Style};

/// Runs the main job and returns the exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let Settings { input, account, shard, output, gallery, observers, options, mut style } = settings;
    (style.is_dry_run, style.has_waited) = (options.dry_run, options.wait.is_some());
    let has_page = gallery && !options.dry_run;
    if let Location::Bucket(url) = Location::parse(&output)? {
        if gallery {
            return Err(storage::Error::NeedsLocalArchive { what: "--gallery", url: url.to_string() }.into());
        }
        if options.mtime {
            ui::print_warning("--mtime has no effect: objects in a bucket have the time of their upload");
        }
    }
    let session = Session::open(&output, options)?.awaiting_all_requests().with_account(account.is_some());
    if gallery {
        // A page that can't be written is an error before the first request.
        gallery::check_target(&output)?;
    }
    let mut observers = RunObservers::prepare(observers, &output)?;
    let (events, mut ui_thread) = UiThread::start(style)?;
    ui_thread.show_trace(&events, style);
    let account = account.map(|account| account.open(&session, &events)).transpose()?;
    let (sender, receiver) = tokio::sync::mpsc::channel(REQUEST_QUEUE_CAPACITY);
    let (reader_events, queries_ended) = (events.clone(), session.queries_ended());
    let requests = observers.request_queue(sender, shard);
    let reading = requests.subscribe();
    let stream = request_queue::receive(receiver, queries_ended.clone(), reading.clone());
    let read = move || ReadOutcome {
        bad_lines: input.send(&requests, &reader_events, &queries_ended),
        account: account.map_or(Ok(()), |account| account.send(&requests, &queries_ended)),
    };
    let reader = threads::spawn_thread("ids", read).map_err(Error::Threads)?;
    let stop = session.stop_handle();
    let mut observed = Ok(());
    let run = async {
        let mut outcome = session.get(stream, observers.start(&events, &stop)).await?;
        observed = observers.finish(&events, &mut outcome, reading).await;
        Ok(Some(outcome))
    };
    let result = runner::run_session(run, &stop, ui_thread, Some(reader))?;
    let is_interrupted = stop.token().is_cancelled();
    // An interrupted run ends at once; the next run writes the page.
    let page = match has_page && !is_interrupted && !result.is_archive_unwritable() {
        true => write_page(&result, output, stop, style),
        false => Ok(()),
    };
    let concluded = result.conclude();
    // What ended the run is more important than its list and its page, and so is an interrupt.
    for written in [observed, page] {
        match written {
            Err(error) if is_interrupted || concluded.is_err() => ui::print_error(&error.to_string()),
            written => written?,
        }
    }
    concluded
}

/// Writes the page on a worker thread, so that an interrupt can end the wait for its lock.
fn write_page(result: &RunResult, output: PathBuf, stop: StopHandle, style: Style) -> Result<(), Error> {
    let page = output.join(GALLERY);
    let write = threads::run_blocking(move || gallery::gallery(&output, &stop, &print_messages()));
    match result.runtime.block_on(write).unwrap_or(Err(storage::Error::Panicked)) {
        Ok(_) if !style.quiet && !style.json => {
            if let Some(line) = link_line(&page) {
                ui::print_hint(&line);
            }
            Ok(())
        }
        // `Locked`: an interrupt ended the wait.
        Ok(_) | Err(storage::Error::Locked(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
