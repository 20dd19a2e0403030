//! The debug lines of `-vv`: the `tracing` events of this crate, one line each.
//!
//! `http`, `gateway` and `transfer` describe their steps as `tracing` events of level debug or above. This subscriber formats
//! the message and the fields, and gives the line to its sinks. The sink of a run emits [`Event::Detail`], so that the line is
//! shown like every other: bars are cleared first, keys are removed, control characters are escaped. A log file is one more
//! [`Sink`].
//!
//! Events of other crates are dropped: they may contain raw headers. Spans are not recorded. `tracing-subscriber` is not used:
//! its registry brings three more crates and would still need the formatting below.

use std::fmt::{self, Write};
use std::sync::{Arc, Weak};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber, span};

use crate::domain::event::{Emitter, Event};

/// The targets of this crate's events begin with its name.
const CRATE_NAME: &str = env!("CARGO_CRATE_NAME");

/// Receives each line. It must not block for long: events are emitted where the work is done.
pub(crate) type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Sends the debug lines of this process to `sinks` from now on.
///
/// If the process has a subscriber already, that one keeps the events.
pub(crate) fn install(sinks: Vec<Sink>) {
    let _ = tracing::subscriber::set_global_default(LineSubscriber { sinks });
}

/// A sink that shows lines as details. It does not keep `emitter` alive: the output thread waits for the last emitter.
pub(crate) fn detail_sink(emitter: &Arc<Emitter>) -> Sink {
    let emitter: Weak<Emitter> = Arc::downgrade(emitter);
    Box::new(move |line| {
        if let Some(emitter) = emitter.upgrade() {
            emitter.emit(Event::Detail(line.to_owned()));
        }
    })
}

struct LineSubscriber {
    sinks: Vec<Sink>,
}

impl Subscriber for LineSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(CRATE_NAME) && *metadata.level() <= Level::DEBUG
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let line = line.into_text(event.metadata().target());
        self.sinks.iter().for_each(|sink| sink(&line));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// An event as `http::media: message name=value name=value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn into_text(self, target: &str) -> String {
        let module = target.trim_start_matches(CRATE_NAME).trim_start_matches("::");
        format!("{module}: {}{}", self.message, self.fields)
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    /// A string without quotes and escapes: `ui` escapes what a terminal must not get.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn events_of_this_crate_become_one_line_each() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let lines = Arc::clone(&lines);
            Box::new(move |line: &str| lines.lock().unwrap().push(line.to_owned())) as Sink
        };
        tracing::subscriber::with_default(LineSubscriber { sinks: vec![sink] }, || {
            tracing::debug!(target: "yescale_dl::http::media", url = "http://h/x", status = 206, "ranged {}", "GET");
            tracing::trace!(target: "yescale_dl::http::media", "too detailed");
            tracing::info!(target: "hyper", "of another crate");
        });
        assert_eq!(*lines.lock().unwrap(), ["http::media: ranged GET url=http://h/x status=206"]);
    }

    #[test]
    fn detail_sink_ends_with_its_emitter() {
        let (events, received) = std::sync::mpsc::channel();
        let emitter = Arc::new(Emitter::new(move |event| drop(events.send(event))));
        let sink = detail_sink(&emitter);
        sink("one");
        drop(emitter);
        sink("two");
        assert!(matches!(received.recv(), Ok(Event::Detail(line)) if line == "one"));
        assert!(received.recv().is_err(), "the channel is closed");
    }
}
