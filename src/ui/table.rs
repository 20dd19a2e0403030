//! The table of `list`: one line per task.
//!
//! On a terminal every line fits the width: columns that no task fills are left out, then the least important ones, and only the
//! description is cut. Numbers, times and ids are whole or not there. Elsewhere all columns are printed, separated by tabs, uncut
//! and without a heading, so that a line is always a task and a column always has its number. A description is on one line,
//! without control characters and without the queries of URLs.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::AnsiColor;
use console::{Alignment, Term, measure_text_width, pad_str};
use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::frame::format_duration;
use super::lines::colored;
use super::sanitize::redact_keys;
use super::write_stdout;
use crate::domain::manifest::{State, TaskEntry};
use crate::jobs::export::playing_seconds;
use crate::redact::{escape_control_chars, redact_urls};

/// The headings, in the order of the columns.
const HEADINGS: [&str; COLUMNS] = ["TIME", "PLATFORM", "MODEL", "STATE", "FILES", "SIZE", "DURATION", "PROMPT OR TEXT", "TASK"];
const COLUMNS: usize = 9;
const STATE: usize = 3;
const DESCRIPTION: usize = 7;
/// How headings look.
const HEADING: anstyle::Style = anstyle::Style::new().bold();
/// The columns of numbers, which are aligned to the right.
const NUMBERS: std::ops::RangeInclusive<usize> = 4..=6;
/// The columns that a narrow terminal does not show, the least important one first.
const OPTIONAL: [usize; 8] = [8, 2, 6, 5, 1, 4, 3, 0];
/// The blanks between two columns.
const GAP: usize = 2;
/// The least width of the description beside the optional columns.
const MIN_DESCRIPTION: usize = 20;
/// The width where the terminal does not report it.
const DEFAULT_WIDTH: usize = 80;

/// A task as a row of the table.
#[derive(Debug)]
pub(crate) struct TableRow {
    cells: [String; COLUMNS],
    state: State,
}

impl TableRow {
    pub(crate) fn new(task: &TaskEntry) -> Self {
        Self::in_zone(task, &TimeZone::system())
    }

    fn in_zone(task: &TaskEntry, zone: &TimeZone) -> Self {
        let seconds: f64 = task.files.iter().filter_map(playing_seconds).sum();
        let files = task.files.len();
        let description = task.prompt().unwrap_or_else(|| task.title());
        let text = |text: Option<&String>| one_line(text.map(String::as_str).unwrap_or_default());
        let cells = [
            task.time().map(|time| local_time(time, zone)).unwrap_or_default(),
            text(task.platform.as_ref()),
            text(task.model.as_ref()),
            state_word(task.state).to_owned(),
            files.to_string(),
            if files == 0 { String::new() } else { HumanBytes(task.bytes()).to_string() },
            if seconds > 0.0 { play_time(seconds) } else { String::new() },
            one_line(&description),
            one_line(&task.task_id),
        ];
        Self { cells, state: task.state }
    }
}

/// Prints the table as the reader of standard output needs it. Only a terminal gets `color`.
///
/// # Errors
/// If standard output can't be written. A closed pipe is not an error.
pub(crate) fn print_table(rows: &[TableRow], color: bool) -> io::Result<()> {
    let terminal = Term::stdout();
    if !io::stdout().is_terminal() {
        return write_stdout(|to| rows.iter().try_for_each(|row| writeln!(to, "{}", redact_keys(&row.cells.join("\t")))));
    }
    if rows.is_empty() {
        super::print_hint("no tasks");
        return Ok(());
    }
    let width = terminal.size_checked().map(|(_, columns)| columns.into()).filter(|columns| *columns > 0);
    let table = Table::new(rows, width.unwrap_or(DEFAULT_WIDTH));
    let headings = HEADINGS.map(str::to_owned);
    let headings = table.line(&headings, |_, heading| if color { format!("{HEADING}{heading}{HEADING:#}") } else { heading });
    write_stdout(|to| {
        let lines = std::iter::once(headings).chain(rows.iter().map(|row| table.row(row, color)));
        lines.into_iter().try_for_each(|line| writeln!(to, "{}", redact_keys(&line)))
    })
}

/// Writes a path on one line. A terminal gets no control characters; a program gets the path unchanged.
pub(crate) fn write_path(path: &Path, to: &mut dyn Write) -> io::Result<()> {
    // Programs take what begins with a dash for an option.
    let dotted = Path::new(".").join(path);
    let path = if path.to_string_lossy().starts_with('-') { &dotted } else { path };
    if io::stdout().is_terminal() {
        return writeln!(to, "{}", escape_control_chars(&path.to_string_lossy()));
    }
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    #[cfg(not(unix))]
    let text = path.to_string_lossy();
    #[cfg(not(unix))]
    let bytes = text.as_bytes();
    to.write_all(bytes)?;
    to.write_all(b"\n")
}

/// The columns that are shown, and their widths.
struct Table {
    columns: Vec<(usize, usize)>,
}

impl Table {
    /// The columns of `rows` that fit into `width`.
    fn new(rows: &[TableRow], width: usize) -> Self {
        let widest = |column: usize| rows.iter().map(|row| measure_text_width(&row.cells[column])).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(widest);
        let is_shown = |column: &usize| widths[*column] > 0;
        let mut shown: Vec<usize> = (0..COLUMNS).filter(is_shown).collect();
        let heading = |column: usize| measure_text_width(HEADINGS[column]);
        let description = widths[DESCRIPTION].max(heading(DESCRIPTION));
        let others = |shown: &[usize]| -> usize {
            let others = shown.iter().filter(|column| **column != DESCRIPTION);
            others.map(|column| widths[*column].max(heading(*column)) + GAP).sum()
        };
        for optional in OPTIONAL {
            if others(&shown) + description.min(MIN_DESCRIPTION) <= width {
                break;
            }
            shown.retain(|column| *column != optional);
        }
        let rest = width.saturating_sub(others(&shown));
        let columns = shown.into_iter().map(|column| match column {
            DESCRIPTION => (column, description.min(rest)),
            column => (column, widths[column].max(heading(column))),
        });
        Self { columns: columns.collect() }
    }

    /// The line of a task, with its state in the colour that a run gives it.
    fn row(&self, row: &TableRow, color: bool) -> String {
        self.line(&row.cells, |column, cell| match column {
            STATE => colored(&cell, hue(row.state), color),
            _ => cell,
        })
    }

    /// The cells in their widths. `paint` gives a cell its colour.
    fn line(&self, cells: &[String; COLUMNS], paint: impl Fn(usize, String) -> String) -> String {
        let last = self.columns.last().map(|(column, _)| *column);
        let cells = self.columns.iter().map(|(column, width)| {
            let alignment = if NUMBERS.contains(column) { Alignment::Right } else { Alignment::Left };
            let cell = pad_str(&cells[*column], *width, alignment, Some("…")).into_owned();
            paint(*column, if Some(*column) == last { cell.trim_end().to_owned() } else { cell })
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }
}

/// A text on one line, safe for a terminal.
fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape_control_chars(&redact_urls(&text)).into_owned()
}

fn local_time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Complete => "complete",
        State::Partial => "partial",
        State::Incomplete => "incomplete",
        State::Failed => "failed",
    }
}

fn hue(state: State) -> AnsiColor {
    match state {
        State::Complete | State::Partial => AnsiColor::Green,
        State::Incomplete => AnsiColor::Yellow,
        State::Failed => AnsiColor::Red,
    }
}

/// `0:05`, `3:25`, `1:02:03`
fn play_time(seconds: f64) -> String {
    format_duration(Duration::try_from_secs_f64(seconds.round()).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn row(fields: Value) -> TableRow {
        let mut task = json!({"task_id": "777935781150867525", "state": "complete"});
        let Value::Object(fields) = fields else { panic!("the fields are an object") };
        task.as_object_mut().unwrap().extend(fields);
        TableRow::in_zone(&serde_json::from_value(task).unwrap(), &TimeZone::fixed(jiff::tz::offset(7)))
    }

    fn video(seconds: f64) -> Value {
        json!({"kind": "video", "index": 1, "path": "t/video-1.mp4", "size": 1 << 20, "sha256": "0".repeat(64),
            "duration_seconds": 100, "measured_duration_seconds": seconds})
    }

    #[test]
    fn cells_say_what_people_want_to_know() {
        let task = row(json!({"finish_time": "2026-10-01T20:04:50Z", "platform": "kling", "model": "v2", "state": "incomplete",
            "meta": {"prompt": "a\tcat\n on https://h/x?sig=SECRET \u{1b}[31m", "title": "Moon"}, "files": [video(5.4), video(60.0)]}));
        let expected = [
            "2026-10-02 03:04",
            "kling",
            "v2",
            "incomplete",
            "2",
            "2.00 MiB",
            "1:05",
            "a cat on https://h/x \\u{1b}[31m",
            "777935781150867525",
        ];
        assert_eq!(task.cells, expected);
        let failed = row(json!({"state": "failed"}));
        assert_eq!(failed.cells, ["", "", "", "failed", "0", "", "", "777935781150867525", "777935781150867525"]);
        for (fields, description) in [
            (json!({"text": "\n[Verse]\nla"}), "[Verse]"),
            (json!({"text": "la", "meta": {"title": "Moon"}}), "Moon"),
            (json!({"text": "la", "meta": {"title": "Moon", "prompt": "a song"}}), "a song"),
        ] {
            assert_eq!(row(fields).cells[DESCRIPTION], description);
        }
        assert_eq!([0.4, 59.6, 3725.0].map(play_time), ["0:00", "1:00", "1:02:05"]);
    }

    #[test]
    fn lines_fit_every_width_and_numbers_are_never_cut() {
        let rows = [
            row(json!({"finish_time": "2026-10-01T20:04:50Z", "platform": "kling", "model": "v2", "files": [video(5.0)],
                "meta": {"prompt": "猫".repeat(200)}})),
            row(json!({"finish_time": "2026-10-01T20:04:50Z", "platform": "suno", "state": "failed",
                "meta": {"prompt": "👩‍🚀 e\u{301}".repeat(50)}})),
        ];
        for width in 1..250 {
            let table = Table::new(&rows, width);
            for row in &rows {
                let line = table.row(row, false);
                assert_eq!(measure_text_width(&table.row(row, true)), measure_text_width(&line), "colours have no width");
                assert!(measure_text_width(&line) <= width, "{width}: {line}");
                for column in NUMBERS.chain([0, 8]) {
                    let is_shown = table.columns.iter().any(|(shown, _)| *shown == column);
                    assert!(!is_shown || line.contains(&row.cells[column]), "{width}: {line}");
                }
            }
        }
        let heading = |width| Table::new(&rows, width).line(&HEADINGS.map(str::to_owned), |_, heading| heading);
        assert_eq!(heading(80), "TIME              PLATFORM  STATE     FILES      SIZE  PROMPT OR TEXT");
        assert!(heading(200).ends_with("TASK"));
        assert!(!heading(10).contains("TIME"));
    }

    #[test]
    fn columns_that_no_task_fills_are_left_out() {
        let rows = [row(json!({"state": "failed"}))];
        let table = Table::new(&rows, 200);
        assert_eq!(table.line(&HEADINGS.map(str::to_owned), |_, heading| heading), "STATE   FILES  PROMPT OR TEXT      TASK");
        assert_eq!(table.row(&rows[0], false), "failed      0  777935781150867525  777935781150867525");
    }
}
