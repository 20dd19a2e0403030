//! The main job: archives the tasks of the settings, then writes the gallery page if `--gallery` asks for it.

use std::path::PathBuf;

use futures::stream::{self, Stream};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::print_messages;
use super::runner::{self, RunResult};
use super::settings::Settings;
use super::ui_thread::UiThread;
use crate::jobs::archive::Request;
use crate::jobs::{StopHandle, gallery};
use crate::session::{REQUEST_QUEUE_CAPACITY, Session};
use crate::storage;
use crate::threads;

/// Runs the main job and returns the exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let Settings { input, output, gallery, options, mut style } = settings;
    (style.is_dry_run, style.has_waited) = (options.dry_run, options.wait.is_some());
    let has_page = gallery && !options.dry_run;
    let session = Session::open(&output, options)?.awaiting_all_requests();
    if gallery {
        // A page that can't be written is an error before the first request.
        gallery::check_target(&output)?;
    }
    let (events, mut ui_thread) = UiThread::start(style)?;
    ui_thread.show_trace(&events, style);
    let (sender, receiver) = tokio::sync::mpsc::channel(REQUEST_QUEUE_CAPACITY);
    let (reads_stream, is_stream) = watch::channel(false);
    let (reader_events, queries_ended) = (events.clone(), session.queries_ended());
    let requests = requests(receiver, queries_ended.clone(), is_stream);
    let read = move || input.send(&sender, &reader_events, &queries_ended, &reads_stream);
    let reader = threads::spawn_thread("ids", read).map_err(Error::Threads)?;
    let stop = session.stop_handle();
    let run = async { session.get(requests, events).await.map(Some) };
    let result = runner::run_session(run, &stop, ui_thread, Some(reader))?;
    // An interrupted run ends at once; the next run writes the page.
    let is_page_due = has_page && !stop.token().is_cancelled() && !result.is_archive_unwritable();
    let page = if is_page_due { write_page(&result, output, stop) } else { Ok(()) };
    // What ended the run is more important than its page.
    let code = result.conclude()?;
    page.map(|()| code)
}

/// The requests of the reader thread, to their end. Once the queries have ended, standard input or a pipe is not waited for
/// (`is_stream` says that the thread reads one): who writes to it may wait for our end. A file is read to its end, so that all of
/// its tasks are counted.
fn requests(
    receiver: Receiver<Request>,
    queries_ended: CancellationToken,
    is_stream: watch::Receiver<bool>,
) -> impl Stream<Item = Request> + Send {
    stream::unfold((receiver, queries_ended, is_stream), |(mut receiver, queries_ended, mut is_stream)| async move {
        let waits_in_vain = async {
            queries_ended.cancelled().await;
            if is_stream.wait_for(|is_stream| *is_stream).await.is_err() {
                // The thread has ended, and so does the channel.
                std::future::pending::<()>().await;
            }
        };
        let request = tokio::select! {
            biased;
            request = receiver.recv() => request,
            () = waits_in_vain => None,
        };
        Some((request?, (receiver, queries_ended, is_stream)))
    })
}

/// Writes the page on a worker thread, so that an interrupt can end the wait for its lock.
fn write_page(result: &RunResult, output: PathBuf, stop: StopHandle) -> Result<(), Error> {
    let write = threads::run_blocking(move || gallery::gallery(&output, &stop, &print_messages()));
    match result.runtime.block_on(write).unwrap_or(Err(storage::Error::Panicked)) {
        // `Locked`: an interrupt ended the wait.
        Ok(_) | Err(storage::Error::Locked(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
