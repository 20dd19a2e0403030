//! The line of a task for people: its state, its id, what was saved and where, and why something is missing.
//!
//! Owns two layouts. In a pipe or a file the parts are separated by two blanks, as scripts know them. On a terminal they are
//! columns: the id is as wide as the widest one so far, so that later lines stay below earlier ones. There a path that only
//! repeats the id is left out where the line would not fit, and a reason takes the place of such a path. A long reason is
//! wrapped between words.

use std::path::Path;

use anstyle::AnsiColor;
use console::{Alignment, Term, measure_text_width, pad_str};
use indicatif::HumanBytes;

use super::Style;
use super::lines::{colored, pluralize, reasons};
use super::sanitize::for_terminal;
use crate::domain::event::{Event, Outcome, TaskReport};
use crate::redact::escape_control_chars;

/// The width of a state and the gap behind it.
const STATE: usize = 10 + GAP;
/// The blanks between two columns.
const GAP: usize = 2;
/// The least width of the column of reasons.
const MIN_REASON: usize = 30;
/// The number of reasons on a task's line.
const MAX_REASONS: usize = 3;
/// The id column is never narrower: most ids have 18 digits.
const MIN_ID: usize = 18;
/// Nor is it wider, so that one long id does not move all others: a UUID fits.
const MAX_ID: usize = 36;
/// The widths of `12 files`, `297.22 KiB` and `text`.
const FILES: usize = 8;
const SIZE: usize = 10;
const TEXT: usize = 4;
/// A narrower terminal has no room for columns.
const MIN_TERMINAL: usize = 60;
/// The width where the terminal does not report it.
const DEFAULT_WIDTH: usize = 80;

/// The columns of the terminal. None anywhere else.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskColumns {
    terminal: usize,
    id: usize,
}

impl TaskColumns {
    /// The columns of standard output, if it is a terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        let terminal = Term::stdout();
        terminal.is_term().then(|| Self { terminal: 0, id: MIN_ID }.fitted(&terminal))
    }

    /// The columns for these events too, in the terminal as it is now.
    pub(super) fn updated(self, events: &[Event]) -> Self {
        let ids = events.iter().filter_map(|event| match event {
            Event::Task(report) => Some(measure_text_width(&report.task.to_string())),
            _ => None,
        });
        let Some(widest) = ids.filter(|width| *width <= MAX_ID).max() else { return self };
        Self { id: self.id.max(widest), ..self }.fitted(&Term::stdout())
    }

    fn fitted(self, terminal: &Term) -> Self {
        let width = terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0);
        Self { terminal: width.unwrap_or(DEFAULT_WIDTH), ..self }
    }
}

pub(super) fn task_line(report: &TaskReport, style: Style, columns: Option<TaskColumns>) -> String {
    let (word, hue) = word_and_hue(report);
    let word = colored(&format!("{word:<10}"), hue, style.color_out);
    let why = if style.is_one_place { reasons_text(&reasons(report)) } else { String::new() };
    if let Some(columns) = columns.filter(|columns| columns.terminal >= MIN_TERMINAL) {
        return format!("{word}  {}", columns.line(report, &why)).trim_end().to_owned();
    }
    let place = report.path.as_ref().map(|path| format!("  {}  {}", contents(report), escape_control_chars(path)));
    let why = if why.is_empty() { why } else { format!(": {why}") };
    format!("{word}  {}{}{why}", report.task, place.unwrap_or_default())
}

impl TaskColumns {
    /// The line behind the state.
    fn line(self, report: &TaskReport, why: &str) -> String {
        let id = pad_str(&report.task.to_string(), self.id, Alignment::Left, None).into_owned();
        let is_empty = report.files == 0 && !report.has_text;
        let cells = if is_empty { id } else { format!("{id}  {}", cells(report)) };
        let path = report.path.as_ref().map(|path| escape_control_chars(path).into_owned()).unwrap_or_default();
        let is_redundant = Path::new(&path).file_name().is_some_and(|name| name == report.task.as_str());
        let is_wide = STATE + measure_text_width(&cells) + GAP + measure_text_width(&path) > self.terminal;
        let is_shown = !path.is_empty() && !(is_redundant && (is_wide || !why.is_empty()));
        let cells = if is_shown { format!("{cells}  {path}") } else { cells };
        if why.is_empty() { cells } else { self.with_reason(&cells, why) }
    }

    /// The cells and the reason, whose further lines begin in its own column. Without room beside the cells it is below them.
    fn with_reason(self, cells: &str, why: &str) -> String {
        let column = STATE + measure_text_width(cells) + GAP;
        let room = |column: usize| self.terminal.checked_sub(column).filter(|room| *room >= MIN_REASON);
        match (room(column), room(STATE)) {
            (Some(room), _) => format!("{cells}{}{}", " ".repeat(GAP), wrap(why, room, column)),
            (None, Some(room)) => format!("{}\n{}{}", cells.trim_end(), " ".repeat(STATE), wrap(why, room, STATE)),
            (None, None) => format!("{cells}{}{why}", " ".repeat(GAP)),
        }
    }
}

/// `text` in lines of at most `width`, where its words allow it. All but the first line are indented.
fn wrap(text: &str, width: usize, indent: usize) -> String {
    let (mut wrapped, mut line) = (String::new(), 0);
    for word in text.split(' ') {
        let length = measure_text_width(word);
        if line > 0 && line + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            line = 0;
        } else if line > 0 {
            wrapped.push(' ');
            line += 1;
        }
        wrapped.push_str(word);
        line += length;
    }
    wrapped
}

fn word_and_hue(report: &TaskReport) -> (&'static str, AnsiColor) {
    match report.outcome {
        _ if report.reused => ("reused", AnsiColor::BrightBlack),
        _ if report.skipped => ("skipped", AnsiColor::BrightBlack),
        Outcome::Complete => ("complete", AnsiColor::Green),
        Outcome::Partial => ("partial", AnsiColor::Green),
        Outcome::Incomplete => ("incomplete", AnsiColor::Yellow),
        Outcome::Pending => ("pending", AnsiColor::Cyan),
        Outcome::Planned => ("planned", AnsiColor::Cyan),
        Outcome::Failed => ("failed", AnsiColor::Red),
        Outcome::Empty => ("empty", AnsiColor::Red),
        Outcome::NotFound => ("not found", AnsiColor::Red),
        Outcome::Error => ("error", AnsiColor::Red),
    }
}

/// `REASON; REASON; and 2 more`
fn reasons_text(reasons: &[String]) -> String {
    let mut shown: Vec<String> = reasons.iter().take(MAX_REASONS).map(|reason| for_terminal(reason)).collect();
    shown.extend((reasons.len() > MAX_REASONS).then(|| format!("and {} more", reasons.len() - MAX_REASONS)));
    shown.join("; ")
}

/// `2 files, 1.00 MiB, text`
fn contents(report: &TaskReport) -> String {
    let files = (report.files > 0).then(|| format!("{}, {}", pluralize(report.files as u64, "file"), HumanBytes(report.bytes)));
    let parts: Vec<String> = files.into_iter().chain(report.has_text.then(|| "text".to_owned())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// `contents` in columns.
fn cells(report: &TaskReport) -> String {
    let has_files = report.files > 0;
    let files = if has_files { pluralize(report.files as u64, "file") } else { String::new() };
    let size = if has_files { HumanBytes(report.bytes).to_string() } else { String::new() };
    let text = if report.has_text { "text" } else { "" };
    format!("{files:>FILES$}  {size:>SIZE$}  {text:<TEXT$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::TaskId;

    const STYLE: Style = Style { is_one_place: true, ..Style::PLAIN };

    fn report(id: &str, outcome: Outcome, files: usize, path: Option<&str>) -> TaskReport {
        let mut report = TaskReport::new(TaskId::new(id).unwrap(), outcome);
        (report.files, report.bytes, report.path) = (files, files as u64 * 1000, path.map(str::to_owned));
        report
    }

    #[test]
    fn lines_of_a_terminal_are_columns_and_those_of_a_pipe_are_not() {
        let columns = |terminal| Some(TaskColumns { terminal, id: 20 });
        let two = report("777935781150867525", Outcome::Complete, 2, Some("a/777935781150867525"));
        let text = TaskReport { has_text: true, ..report("t1", Outcome::Partial, 12, Some("a/t1")) };
        let failed = TaskReport { err_reason: Some("why".to_owned()), ..report("t2", Outcome::Failed, 0, Some("a/t2")) };
        let renamed = report("a/b", Outcome::Complete, 1, Some("archive/a_b-0123456789abcdef"));
        for (report, width, line) in [
            (&two, 100, "complete    777935781150867525     2 files    1.95 KiB        a/777935781150867525"),
            (&two, 80, "complete    777935781150867525     2 files    1.95 KiB"),
            (&text, 80, "partial     t1                    12 files   11.72 KiB  text  a/t1"),
            (&failed, 80, "failed      t2                    the task failed: why"),
            (&renamed, 60, "complete    a/b                     1 file      1000 B        archive/a_b-0123456789abcdef"),
        ] {
            assert_eq!(task_line(report, STYLE, columns(width)), line);
        }
        assert_eq!(task_line(&two, STYLE, None), "complete    777935781150867525  2 files, 1.95 KiB  a/777935781150867525");
        assert_eq!(task_line(&failed, STYLE, None), "failed      t2  nothing  a/t2: the task failed: why");
    }

    #[test]
    fn long_reason_is_wrapped_below_itself() {
        let gone = report("t3", Outcome::NotFound, 0, None);
        let text = TaskReport { has_text: true, ..report("t4", Outcome::NotFound, 0, None) };
        let lines = |report: &TaskReport, terminal| {
            let line = task_line(report, STYLE, Some(TaskColumns { terminal, id: 20 }));
            line.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let wrapped = [
            "not found   t3                    the gateway knows no such task; check the id",
            "                                  and the account of the API key",
        ];
        assert_eq!(lines(&gone, 80), wrapped);
        let below = [
            "not found   t4                                          text",
            "            the gateway knows no such task; check the id and the account of the API key",
        ];
        assert_eq!(lines(&text, 88), below, "there is no room beside the cells");
        let plain = "not found   t3: the gateway knows no such task; check the id and the account of the API key";
        assert_eq!(lines(&gone, 59), [plain], "there is no room for columns");
    }

    #[test]
    fn id_column_is_as_wide_as_the_widest_usual_id() {
        let event = |id: &str| Event::Task(Box::new(report(id, Outcome::Complete, 0, None)));
        let columns = TaskColumns { terminal: 80, id: MIN_ID };
        let uuid = "67c1fa75-25c8-4f90-af8a-c7b73d7e70bc";
        for (ids, width) in [(&["t1"][..], 18), (&["t1", &"x".repeat(200), uuid], 36), (&[&"x".repeat(37)], 18)] {
            let events: Vec<Event> = ids.iter().map(|id| event(id)).collect();
            assert_eq!(columns.updated(&events).id, width, "{ids:?}");
        }
        assert_eq!(columns.updated(&[event(uuid)]).updated(&[event("t1")]).id, 36, "later lines stay below earlier ones");
    }
}
