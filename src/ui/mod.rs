//! Shows a run: results on standard output, everything else on standard error.
//!
//! One thread receives the events in batches (`event_queue`). `lines` or `json_events` makes lines of them, `progress` keeps
//! the numbers for bars and progress events, and `output_buffer` writes. If standard output can't be written, output is dropped
//! and the archiving continues. Text from the network is made safe here (`sanitize`) before it is printed. `trace` adds the
//! lines of `-vv`, and `log` writes what `-vv` would print to a file. `task_line` is the line of a task, and `table` is what
//! `list` shows.

mod bars;
mod event_queue;
mod failure_summary;
mod frame;
mod json_events;
mod lines;
mod log;
mod one_place;
mod output_buffer;
mod progress;
mod sanitize;
mod table;
mod task_line;
pub(crate) mod trace;

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::domain::code::FatalCode;
use crate::domain::event::Event;
use crate::redact::escape_control_chars;
use bars::Bars;
pub(crate) use event_queue::{EventQueue, event_queue};
use failure_summary::FailureSummary;
use json_events::ProgressTicker;
pub(crate) use json_events::schema;
use lines::RunTotals;
pub(crate) use lines::{facts_line, path_line, pluralize, written_line};
pub(crate) use log::{has_log, log_sink, start_log};
pub(crate) use one_place::is_one_place;
pub(crate) use output_buffer::stdout_fault;
use output_buffer::{OutputBuffer, write_redacted, write_to_stdout};
use progress::ProgressEstimator;
pub(crate) use progress::RunCounters;
pub(crate) use sanitize::{for_terminal, redact_keys, redact_keys_in_json, register_key};
pub(crate) use table::{TableRow, print_table, write_path};
use task_line::TaskColumns;

/// How to show a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Print JSON events instead of lines.
    pub json: bool,
    /// Print errors only.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Whether and how progress is shown.
    pub progress: ProgressMode,
    /// Colours on standard output.
    pub color_out: bool,
    /// Colours on standard error.
    pub color_err: bool,
    /// Whether standard output and standard error have the same reader.
    pub is_one_place: bool,
    /// Whether the run is a dry run.
    pub is_dry_run: bool,
    /// Whether the run waits for unfinished tasks.
    pub has_waited: bool,
}

#[cfg(test)]
impl Style {
    /// Plain lines, without colours and progress.
    const PLAIN: Self = Self {
        json: false,
        quiet: false,
        verbose: 0,
        progress: ProgressMode::Off,
        color_out: false,
        color_err: false,
        is_one_place: false,
        is_dry_run: false,
        has_waited: false,
    };
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressMode {
    /// No progress.
    Off,
    /// Bars on a terminal.
    Bars,
    /// A line every few seconds, without a terminal.
    Lines,
}

/// Shows events up to a summary, which is the last one.
pub(crate) fn show(events: &EventQueue, counters: RunCounters, style: Style) {
    let now = Instant::now();
    let mut estimator = ProgressEstimator::new(counters, now);
    let mut columns = TaskColumns::of_stdout();
    let (mut bars, mut ticker, mut failures) = (Bars::new(style, now), ProgressTicker::new(now), FailureSummary::default());
    loop {
        let (batch, is_over) = events.next_batch(bars.are_drawn());
        let (mut output, now) = (OutputBuffer::default(), Instant::now());
        columns = columns.map(|columns| columns.updated(&batch));
        for event in &batch {
            estimator.update(event, now);
            failures.update(event);
            log::log_event(event, style, estimator.totals());
            render_event(event, style, columns, estimator.totals(), &mut output);
        }
        estimator.sample(now);
        if let Some(warning) = log::take_failure() {
            output.push_stderr(&lines::warning_line(&warning, style.color_err));
        }
        if is_over {
            bars.clear();
            for line in failures.lines(style) {
                log::log_line(&line);
                if !style.json && !style.quiet {
                    output.push_stderr(&line);
                }
            }
            return output.flush();
        }
        if let Some(line) = ticker.next_line(&estimator, now).filter(|_| style.json) {
            output.push_stdout(&line);
        }
        if !output.is_empty() {
            bars.clear();
            output.flush();
        }
        bars.show(&estimator, now);
    }
}

fn render_event(event: &Event, style: Style, columns: Option<TaskColumns>, totals: RunTotals, output: &mut OutputBuffer) {
    let result = match style.json {
        true => json_events::event_line(event),
        false if style.quiet => None,
        false => lines::stdout_line(event, style, columns, totals),
    };
    if let Some(line) = result {
        output.push_stdout(&line);
    }
    for line in lines::stderr_lines(event, style) {
        output.push_stderr(&line);
    }
}

/// Prints the first line of `--json`. `output` is the archive, if it is known.
pub(crate) fn print_json_start(output: Option<&Path>) {
    write_to_stdout(&json_events::start_line(output));
}

/// Prints the last line of `--json` of a program that ends with exit code 2.
pub(crate) fn print_json_fatal(code: FatalCode, error: &str) {
    write_to_stdout(&json_events::fatal_line(code, error));
}

/// Prints an error before or after a run.
pub(crate) fn print_error(error: &str) {
    print_stderr(|color| lines::error_line(error, color));
}

/// Prints a warning before or after a run.
pub(crate) fn print_warning(warning: &str) {
    print_stderr(|color| lines::warning_line(warning, color));
}

/// Prints what to do next. A hint may contain a path, which stays as it is except for control characters.
pub(crate) fn print_hint(hint: &str) {
    print_stderr(|_| escape_control_chars(hint).into_owned());
}

/// Prints a question, or the end of its line, on standard error. It gets no line of its own in the log.
pub(crate) fn print_prompt(text: &str) {
    let lines: Vec<_> = text.split('\n').map(escape_control_chars).collect();
    write_redacted(io::stderr(), &lines.join("\n"));
}

/// Prints a usage error, whose lines are already safe for a terminal.
pub(crate) fn print_usage(text: &str) {
    write_redacted(io::stderr(), text);
}

/// Prints a line before or after a run. `line` makes it with colours, or without.
fn print_stderr(line: impl Fn(bool) -> String) {
    log::log_line(&line(false));
    let color = COLOR_MESSAGES.load(Ordering::Relaxed);
    for line in std::iter::once(line(color)).chain(log::take_failure().map(|warning| lines::warning_line(&warning, color))) {
        write_redacted(io::stderr(), &format!("{line}\n"));
    }
}

/// Whether messages before and after a run have colours.
static COLOR_MESSAGES: AtomicBool = AtomicBool::new(false);

/// Gives messages before and after a run colours, or not.
pub(crate) fn set_message_color(color: bool) {
    COLOR_MESSAGES.store(color, Ordering::Relaxed);
}

/// Lets `fill` write a result to standard output. A closed pipe is not an error.
///
/// # Errors
/// If `fill` fails, or standard output can't be written.
pub(crate) fn write_stdout(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stream = io::BufWriter::new(io::stdout().lock());
    match fill(&mut stream).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
