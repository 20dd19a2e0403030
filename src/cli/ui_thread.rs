//! The thread that shows the events of a run.
//!
//! It ends with the summary, or when all emitters are gone. The run never waits for it except at its end, and then only a
//! second after an interrupt: the reader of our output may have stopped reading.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use crate::domain::event::{Emitter, Event};
use crate::threads;
use crate::ui::{self, RunCounters, Style, trace};

/// How long an interrupted run waits for its output to be read.
const OUTPUT_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The number of `-v` that shows `tracing` events.
const TRACE_VERBOSITY: u8 = 2;

/// The thread, and whether it has shown everything.
pub(super) struct UiThread {
    thread: JoinHandle<()>,
    done: oneshot::Receiver<()>,
    /// Shows `tracing` events as long as it exists.
    traced: Option<Arc<Emitter>>,
}

impl UiThread {
    /// Starts the thread. It shows what the returned emitter emits, up to a summary.
    pub(super) fn start(style: Style) -> Result<(Emitter, Self), Error> {
        Self::start_filtered(style, |_| true)
    }

    /// Like `start`, and shows only what `is_shown`.
    pub(super) fn start_filtered(
        style: Style,
        is_shown: impl Fn(&Event) -> bool + Send + Sync + 'static,
    ) -> Result<(Emitter, Self), Error> {
        let (events, received) = ui::event_queue();
        let emitter = Emitter::new(move |event| {
            if is_shown(&event) {
                events.send(event);
            }
        });
        let counters = RunCounters::of(&emitter);
        let (finished, done) = oneshot::channel();
        let work = move || {
            ui::show(&received, counters, style);
            // An interrupted run no longer waits.
            let _ = finished.send(());
        };
        let thread = threads::spawn_thread("interface", work).map_err(Error::Threads)?;
        Ok((emitter, Self { thread, done, traced: None }))
    }

    /// Shows the `tracing` events of this process from now on, if `style` asks for them, or else logs them, if there is a log.
    /// To be called once.
    pub(super) fn show_trace(&mut self, events: &Emitter, style: Style) {
        if style.verbose >= TRACE_VERBOSITY {
            let events = self.traced.insert(Arc::new(events.clone()));
            // What is shown is logged, too.
            trace::install(vec![trace::detail_sink(events)]);
        } else if ui::has_log() {
            trace::install(vec![ui::log_sink()]);
        }
    }

    /// Waits until everything is shown, or until [`OUTPUT_DRAIN_TIMEOUT`] after `stop`. Returns whether everything is shown.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) -> bool {
        self.traced = None;
        let timeout = async {
            stop.cancelled().await;
            tokio::time::sleep(OUTPUT_DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            _ = &mut self.done => true,
            () = timeout => false,
        }
    }

    /// Waits for the end of the thread. An error is a panic.
    pub(super) fn join(self) -> thread::Result<()> {
        drop(self.traced);
        self.thread.join()
    }
}
