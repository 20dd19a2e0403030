//! What a run looks like: results on standard output, everything else on standard error.
//!
//! One thread reads the events and gives them to lines or JSON, and to the bars. A reader that goes
//! away (a closed pipe) ends the telling, never the archiving. Whatever the network sent is made
//! safe here before a terminal gets it.

mod bars;
mod lines;
mod ndjson;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::event::{Event, Meter};
use bars::Bars;

/// How often bars move.
const TICK: Duration = Duration::from_millis(100);

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
    pub progress: Progress,
    /// Colours on standard output.
    pub color_out: bool,
    /// Colours on standard error.
    pub color_err: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Not at all.
    Off,
    /// Bars on a terminal.
    Bars,
    /// A line now and then, where there is no terminal.
    Lines,
}

/// Shows events up to a summary, which is the last. `total` counts all bytes of the run.
pub(crate) fn show(events: &Receiver<Event>, total: &Meter, style: Style) {
    let mut bars = Bars::new(style.progress, total.clone());
    loop {
        match events.recv_timeout(TICK) {
            Ok(event) => {
                bars.see(&event);
                let is_last = matches!(event, Event::Summary(_) | Event::Verified(_));
                if is_last {
                    bars.end();
                }
                bars.aside(|| tell(&event, style));
                if is_last {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        bars.tick();
    }
    bars.end();
}

/// An error that ends the program before or after anything is shown.
pub(crate) fn complain(error: &str) {
    to(io::stderr(), &format!("error: {}", crate::secret::visible(&crate::secret::unsigned(error))));
}

/// The JSON Schema of the events that `--json` prints.
#[must_use]
pub(crate) fn schema() -> String {
    ndjson::schema()
}

/// Something that should be known before a run, and does not keep it from starting.
pub(crate) fn warn(warning: &str) {
    to(io::stderr(), &format!("warning: {}", crate::secret::visible(&crate::secret::unsigned(warning))));
}

/// Lets `fill` write a result to standard output; a reader that goes away has read enough.
///
/// # Errors
/// What `fill` reports, or the disk behind standard output.
pub(crate) fn hand_out(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stream = io::BufWriter::new(io::stdout().lock());
    match fill(&mut stream).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn tell(event: &Event, style: Style) {
    if style.json {
        if let Some(line) = ndjson::line(event) {
            to(io::stdout(), &line);
        }
    } else if !style.quiet
        && let Some(line) = lines::result(event, style.color_out)
    {
        to(io::stdout(), &line);
    }
    for line in lines::aside(event, style) {
        to(io::stderr(), &line);
    }
}

/// Writes a line; a reader that has gone away is no concern of the archive's.
fn to(mut stream: impl Write, line: &str) {
    let _ = writeln!(stream, "{line}").and_then(|()| stream.flush());
}
