//! What a run looks like: results on standard output, everything else on standard error.
//!
//! One thread reads the events, as many at a time as there are, and gives them to lines or JSON, and to the
//! gauge from which progress is told. A reader that goes away (a closed pipe) ends the telling, never the
//! archiving. Whatever the network sent is made safe here before a terminal gets it.

mod afterword;
mod bars;
mod gauge;
mod lines;
mod ndjson;
mod page;

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::event::{Event, Meter, Tasks};
use crate::secret::{keyless, unsigned, visible};
use afterword::Afterword;
use bars::Bars;
use gauge::Gauge;
use ndjson::Beat;
pub(crate) use ndjson::schema;
use page::{Page, to};
pub(crate) use page::{hidden, hide};

/// How often bars move.
const TICK: Duration = Duration::from_millis(100);
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

/// Shows events up to a summary, which is the last. `total` counts all bytes of the run, `tasks` its tasks.
pub(crate) fn show(events: &Receiver<Event>, total: Meter, tasks: Tasks, style: Style) {
    let now = Instant::now();
    let (mut gauge, mut bars, mut beat) = (Gauge::new(total, tasks, now), Bars::new(style, now), Beat::new(now));
    let mut afterword = Afterword::default();
    loop {
        let (batch, is_over) = gather(events, bars.are_drawn());
        let (mut page, now) = (Page::default(), Instant::now());
        for event in &batch {
            gauge.see(event, now);
            afterword.see(event);
            tell(event, style, &mut page);
        }
        gauge.read(now);
        if is_over {
            bars.step_aside();
            if !style.json && !style.quiet {
                for line in afterword.told() {
                    page.aside(&line);
                }
            }
            return page.write();
        }
        if let Some(line) = beat.line(&gauge, now).filter(|_| style.json) {
            page.result(&line);
        }
        if !page.is_empty() {
            bars.step_aside();
            page.write();
        }
        bars.show(&gauge, now);
    }
}

/// The next events, and whether they are the last: all that are there, or, where frames are drawn, all until the next.
fn gather(events: &Receiver<Event>, are_drawn: bool) -> (Vec<Event>, bool) {
    let (mut batch, frame) = (Vec::new(), Instant::now() + TICK);
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
pub(crate) fn complain(error: &str) {
    to(io::stderr(), &format!("error: {}\n", visible(&unsigned(&keyless(&hidden(error))))));
}

/// What to do next, for a person.
pub(crate) fn hint(hint: &str) {
    to(io::stderr(), &format!("{}\n", visible(hint)));
}

/// Something that should be known before a run, and does not keep it from starting.
pub(crate) fn warn(warning: &str) {
    to(io::stderr(), &format!("warning: {}\n", visible(&unsigned(&keyless(&hidden(warning))))));
}

/// What the command line has against what was typed, in lines that are fit for a terminal.
pub(crate) fn usage(text: &str) {
    to(io::stderr(), text);
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

fn tell(event: &Event, style: Style, page: &mut Page) {
    let result = match style.json {
        true => ndjson::line(event),
        false if style.quiet => None,
        false => lines::result(event, style.color_out),
    };
    if let Some(line) = result {
        page.result(&line);
    }
    for line in lines::aside(event, style) {
        page.aside(&line);
    }
}
