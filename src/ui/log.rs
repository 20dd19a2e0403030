//! The log of `--log-file`: what `-vv` prints, each line with its time.
//!
//! The log belongs to the process, because messages before and after a run belong into it, too. Each line is made safe like a
//! line for a terminal and written with one call, so that lines of several processes do not mix. After the first error nothing
//! more is written, and the error is one warning: a log never stops the archiving.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::lines::RunTotals;
use super::sanitize::{for_terminal, redact_keys};
use super::trace::Sink;
use super::{ProgressMode, Style, lines};
use crate::domain::event::Event;

/// Where lines go, when the process has a log.
type Target = Box<dyn Write + Send>;

static LOG: Mutex<Log> = Mutex::new(Log { target: None, failure: None });

/// The log, until it fails.
struct Log {
    target: Option<Target>,
    /// Why it failed, until that is reported.
    failure: Option<io::Error>,
}

impl Log {
    fn write(&mut self, line: &str) {
        let Some(target) = &mut self.target else { return };
        let line = format!("{:.3} {}\n", Timestamp::now(), redact_keys(line).replace('\n', "\\n"));
        if let Err(error) = target.write_all(line.as_bytes()) {
            (self.target, self.failure) = (None, Some(error));
        }
    }
}

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes everything to `target` from now on.
pub(crate) fn start_log(target: Target) {
    log().target = Some(target);
}

/// Whether the process has a log that works.
pub(crate) fn has_log() -> bool {
    log().target.is_some()
}

/// Adds an event of a run that is shown with `style`.
pub(super) fn log_event(event: &Event, style: Style, totals: RunTotals) {
    if has_log() {
        let style = log_style(style);
        let lines = lines::stdout_line(event, style, None, totals).into_iter().chain(lines::stderr_lines(event, style));
        lines.for_each(|line| log_line(&line));
    }
}

/// The style of the lines: all details, for one reader.
fn log_style(style: Style) -> Style {
    let (color_out, color_err, is_one_place) = (false, false, true);
    Style { json: false, quiet: false, verbose: 2, progress: ProgressMode::Off, color_out, color_err, is_one_place, ..style }
}

/// Adds a line that is safe to print.
pub(super) fn log_line(line: &str) {
    log().write(line);
}

/// A sink for the debug lines of `-vv`.
pub(crate) fn log_sink() -> Sink {
    Box::new(|line| log_line(&for_terminal(line)))
}

/// The warning that the log has failed, once.
pub(super) fn take_failure() -> Option<String> {
    let error = log().failure.take()?;
    Some(format!("can't write the log: {error}; the run continues without it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that has room for some bytes.
    struct FullDisk(usize);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn log_that_fails_is_reported_once_and_not_written_again() {
        let mut log = Log { target: Some(Box::new(FullDisk(40))), failure: None };
        log.write("one");
        assert!(log.target.is_some() && log.failure.is_none());
        log.write("a line for which there is no room any more");
        assert!(log.target.is_none() && log.failure.take().is_some());
        log.write("two");
        assert!(log.failure.is_none());
    }
}
