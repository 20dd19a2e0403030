//! What a run looks like: results on standard output, everything else on standard error.
//!
//! One thread reads the events, as many at a time as there are, and gives them to lines or JSON, and to the
//! gauge from which progress is told. A reader that goes away (a closed pipe) ends the telling, never the
//! archiving. Whatever the network sent is made safe here before a terminal gets it.

mod bars;
mod failure_summary;
mod json_events;
mod lines;
mod output_buffer;
mod progress;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::domain::event::{Counter, Event, TaskCounters};
use crate::redact::{escape_control_chars, redact_key_like, redact_urls};
use bars::Bars;
use failure_summary::FailureSummary;
use json_events::ProgressTicker;
pub(crate) use json_events::schema;
use output_buffer::{OutputBuffer, write_redacted};
pub(crate) use output_buffer::{redact_keys, register_key};
use progress::ProgressEstimator;

/// How often bars move.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// Events that are told together.
const BATCH: usize = 1024;

/// How to show a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Events as JSON instead of lines.
    pub json: bool,
    /// Errors only.
    pub quiet: bool,
    /// How much more to tell.
    pub verbose: u8,
    /// Whether, and how, progress is shown.
    pub progress: ProgressMode,
    /// Colours on standard output.
    pub color_out: bool,
    /// Colours on standard error.
    pub color_err: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressMode {
    /// Not at all.
    Off,
    /// Bars on a terminal.
    Bars,
    /// A line now and then, where there is no terminal.
    Lines,
}

/// Shows events up to a summary, which is the last. `total` counts all bytes of the run, `tasks` its tasks.
pub(crate) fn show(events: &Receiver<Event>, total: Counter, tasks: TaskCounters, style: Style) {
    let now = Instant::now();
    let (mut gauge, mut bars, mut beat) =
        (ProgressEstimator::new(total, tasks, now), Bars::new(style, now), ProgressTicker::new(now));
    let mut afterword = FailureSummary::default();
    loop {
        let (batch, is_over) = receive_batch(events, bars.are_drawn());
        let (mut page, now) = (OutputBuffer::default(), Instant::now());
        for event in &batch {
            gauge.update(event, now);
            afterword.update(event);
            render_event(event, style, &mut page);
        }
        gauge.sample(now);
        if is_over {
            bars.clear();
            if !style.json && !style.quiet {
                for line in afterword.lines() {
                    page.push_stderr(&line);
                }
            }
            return page.flush();
        }
        if let Some(line) = beat.next_line(&gauge, now).filter(|_| style.json) {
            page.push_stdout(&line);
        }
        if !page.is_empty() {
            bars.clear();
            page.flush();
        }
        bars.show(&gauge, now);
    }
}

/// The next events, and whether they are the last: all that are there, or, where frames are drawn, all until the next.
fn receive_batch(events: &Receiver<Event>, are_drawn: bool) -> (Vec<Event>, bool) {
    let (mut batch, frame) = (Vec::new(), Instant::now() + FRAME_INTERVAL);
    loop {
        let may_wait = are_drawn || batch.is_empty();
        let rest = if may_wait { frame.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        match events.recv_timeout(rest) {
            Ok(event) => {
                let is_last = matches!(event, Event::Summary(_) | Event::Verified(_));
                batch.push(event);
                if is_last || batch.len() == BATCH {
                    return (batch, is_last);
                }
            }
            Err(RecvTimeoutError::Timeout) => return (batch, false),
            Err(RecvTimeoutError::Disconnected) => return (batch, true),
        }
    }
}

/// An error that ends the program before or after anything is shown.
pub(crate) fn print_error(error: &str) {
    write_redacted(
        io::stderr(),
        &format!("error: {}\n", escape_control_chars(&redact_urls(&redact_key_like(&redact_keys(error))))),
    );
}

/// What to do next, for a person.
pub(crate) fn print_hint(hint: &str) {
    write_redacted(io::stderr(), &format!("{}\n", escape_control_chars(hint)));
}

/// Something that should be known before a run, and does not keep it from starting.
pub(crate) fn print_warning(warning: &str) {
    write_redacted(
        io::stderr(),
        &format!("warning: {}\n", escape_control_chars(&redact_urls(&redact_key_like(&redact_keys(warning))))),
    );
}

/// What the command line has against what was typed, in lines that are fit for a terminal.
pub(crate) fn print_usage(text: &str) {
    write_redacted(io::stderr(), text);
}

/// Lets `fill` write a result to standard output; a reader that goes away has read enough.
///
/// # Errors
/// What `fill` reports, or the disk behind standard output.
pub(crate) fn write_stdout(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stream = io::BufWriter::new(io::stdout().lock());
    match fill(&mut stream).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn render_event(event: &Event, style: Style, page: &mut OutputBuffer) {
    let result = match style.json {
        true => json_events::event_line(event),
        false if style.quiet => None,
        false => lines::stdout_line(event, style.color_out),
    };
    if let Some(line) = result {
        page.push_stdout(&line);
    }
    for line in lines::stderr_lines(event, style) {
        page.push_stderr(&line);
    }
}
