//! Progress for people: one bar for the run, and one for each of the large files that have been in transfer the longest.
//!
//! Small files have no bars of their own, so that thousands of them do not flicker. Each frame is drawn for the current size
//! of the terminal: no line is wider, and the bars never fill the screen. Bars are on standard error, and are cleared while
//! lines are printed. Without a terminal, a line with the same numbers is printed every few seconds.
//!
//! indicatif's own bars are not used. They leave the cursor at the end of a full line, where an echoed `^C` damages them.
//! They can't shorten a name in its middle, leave out a bar that is too short, or limit the number of bars to the height
//! of the terminal. They would estimate rates a second time, beside `progress`, which JSON events need as well. A frame here
//! is a function from numbers to lines, which tests call at any width.

use std::io;
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use console::{Term, measure_text_width, truncate_str};
use indicatif::{HumanBytes, HumanCount};

use super::lines::{colored, pluralize};
use super::output_buffer::write_redacted;
use super::progress::{ProgressEstimator, ProgressSnapshot, TaskCounts};
use super::sanitize::{for_terminal, redact_keys};
use super::{ProgressMode, Style};
use crate::redact::escape_control_chars;

/// The limit of bars for single files. A low terminal shows fewer.
const MAX_BARS: usize = 8;
/// Rows of the terminal that are never used for bars of files.
const RESERVED_ROWS: usize = 4;
/// Used if the terminal does not report its size: rows and columns.
const DEFAULT_SIZE: (u16, u16) = (24, 80);
/// A longer name is shortened, also on a wide terminal.
const MAX_NAME_WIDTH: usize = 36;
/// The columns right of a bar: percent, size, speed, time left.
const NUMBERS_WIDTH: usize = 4 + 2 + 11 + 2 + 13 + 2 + 8;
/// The shortest and the longest bar.
const BAR_WIDTH: (usize, usize) = (5, 60);
/// The time between two lines of progress, without bars.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of a run.
pub(super) struct Bars {
    progress: ProgressMode,
    color: bool,
    terminal: Term,
    /// The widths of the lines that are on the terminal. The cursor is below them.
    drawn: Vec<usize>,
    last_line: Instant,
}

impl Bars {
    pub(super) fn new(style: Style, now: Instant) -> Self {
        let (progress, color) = (style.progress, style.color_err);
        Self { progress, color, terminal: Term::buffered_stderr(), drawn: Vec::new(), last_line: now }
    }

    /// Whether frames are drawn.
    pub(super) fn are_drawn(&self) -> bool {
        self.progress == ProgressMode::Bars
    }

    /// Shows the current progress.
    pub(super) fn show(&mut self, estimator: &ProgressEstimator, now: Instant) {
        match self.progress {
            ProgressMode::Off => {}
            // A closed terminal is not an error.
            ProgressMode::Bars => _ = self.draw(estimator),
            ProgressMode::Lines if now.saturating_duration_since(self.last_line) >= LINE_INTERVAL => {
                self.last_line = now;
                write_redacted(io::stderr(), &format!("{}\n", progress_line(estimator)));
            }
            ProgressMode::Lines => {}
        }
    }

    /// Removes the bars until the next frame.
    pub(super) fn clear(&mut self) {
        let _ = self.erase().and_then(|()| self.terminal.flush());
    }

    fn draw(&mut self, estimator: &ProgressEstimator) -> io::Result<()> {
        let (rows, columns) = self.terminal.size_checked().unwrap_or(DEFAULT_SIZE);
        self.erase()?;
        for line in frame(estimator, rows.into(), columns.into(), self.color) {
            self.terminal.write_line(&line)?;
            self.drawn.push(measure_text_width(&line));
        }
        // One write per frame avoids flicker.
        self.terminal.flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        // A terminal that became narrower has wrapped the lines.
        let columns = usize::from(self.terminal.size_checked().unwrap_or(DEFAULT_SIZE).1).max(1);
        let rows = self.drawn.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 {
            return Ok(());
        }
        // Line by line: clearing the whole screen fills the scrollback of some terminals.
        self.terminal.clear_line()?;
        self.terminal.clear_last_lines(rows)
    }
}

/// `12 of 1,000 tasks`
fn task_progress(count: &TaskCounts) -> String {
    format!("{} of {}", HumanCount(count.done), pluralize(count.discovered, "task"))
}

/// `3 waiting`, `2 not complete`
fn task_notes(count: &TaskCounts) -> Vec<String> {
    let note = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", HumanCount(count)));
    [note(count.waiting, "waiting"), note(count.unsuccessful, "not complete")].into_iter().flatten().collect()
}

fn progress_line(estimator: &ProgressEstimator) -> String {
    let (count, overall) = (estimator.task_counts(), estimator.overall());
    let left = overall.eta.map(|left| format!("{} left", format_duration(left)));
    let sizes = format!("{}, {}/s", HumanBytes(overall.bytes), HumanBytes(overall.speed));
    [task_progress(&count)].into_iter().chain(task_notes(&count)).chain([sizes]).chain(left).collect::<Vec<_>>().join(", ")
}

/// The lines of a frame: the run, as many files as there is room for, and notes.
fn frame(estimator: &ProgressEstimator, rows: usize, columns: usize, color: bool) -> Vec<String> {
    let count = estimator.task_counts();
    let shown = estimator.files.len().min(MAX_BARS).min(rows.saturating_sub(RESERVED_ROWS));
    let head = task_progress(&count);
    let names = measure_text_width(&head).max((columns * 3 / 10).saturating_sub(2).min(MAX_NAME_WIDTH));
    let mut lines = vec![row(&head, &estimator.overall(), names, columns, color)];
    let more = estimator.files.len() - shown;
    let mut notes = task_notes(&count);
    notes.extend((more > 0).then(|| format!("{} in transfer", pluralize(more as u64, "more large file"))));
    lines.extend(estimator.files.iter().take(shown).map(|file| {
        let name = format!("  {}", elide(&escape_control_chars(&redact_keys(&file.transfer.name)), names.saturating_sub(2)));
        row(&name, &file.snapshot(), names, columns, color)
    }));
    lines.extend((!notes.is_empty()).then(|| format!("  {}", notes.join(", "))));
    lines.extend(estimator.gateway_note().map(|note| format!("  {}", for_terminal(&note))));
    // The last column stays free: some terminals start a new line after it.
    lines.into_iter().map(|line| truncate_str(&line, columns.saturating_sub(1), "").into_owned()).collect()
}

/// A name, its bar if there is room, and the numbers.
fn row(name: &str, snapshot: &ProgressSnapshot, names: usize, columns: usize, color: bool) -> String {
    let room = columns.saturating_sub(names + NUMBERS_WIDTH + 5).min(BAR_WIDTH.1);
    let bar = match snapshot.fraction {
        _ if room < BAR_WIDTH.0 => String::new(),
        Some(part) => bar(part, room, color) + "  ",
        None => " ".repeat(room + 2),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    let percent = snapshot.fraction.map(|part| format!("{}%", (part * 100.0) as u64)).unwrap_or_default();
    let (bytes, speed) = (HumanBytes(snapshot.bytes).to_string(), format!("{}/s", HumanBytes(snapshot.speed)));
    let left = snapshot.eta.map(format_duration).unwrap_or_default();
    let gap = " ".repeat(names.saturating_sub(measure_text_width(name)));
    format!("{name}{gap}  {bar}{percent:>4}  {bytes:>11}  {speed:>13}  {left:>8}")
}

fn bar(part: f64, room: usize, color: bool) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a line's length"
    )]
    let halves = ((part * 2.0 * room as f64) as usize).min(2 * room);
    let full = "━".repeat(halves / 2) + if halves % 2 == 1 { "╸" } else { "" };
    let rest = "─".repeat(room - halves.div_ceil(2));
    colored(&full, AnsiColor::Cyan, color) + &colored(&rest, AnsiColor::BrightBlack, color)
}

/// The name in at most `room` columns. Its start and its end are kept, because these differ between names.
fn elide(name: &str, room: usize) -> String {
    if measure_text_width(name) <= room {
        return name.to_owned();
    }
    let first = truncate_str(name, room / 2 + 1, "…");
    let rest = room.saturating_sub(measure_text_width(&first));
    let mut ends = name.char_indices().map(|(at, _)| &name[at..]);
    first.into_owned() + ends.find(|end| measure_text_width(end) <= rest).unwrap_or_default()
}

/// `0:09`, `12:34`, `1:02:03`
fn format_duration(left: Duration) -> String {
    let (hours, minutes, seconds) = (left.as_secs() / 3600, left.as_secs() / 60 % 60, left.as_secs() % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Counter, Event, GatewayFault, TaskCounters, Transfer};

    fn estimator(files: usize) -> ProgressEstimator {
        let (total, tasks, start) = (Counter::default(), TaskCounters::default(), Instant::now());
        tasks.discovered.add(10_000);
        tasks.done.add(4_812);
        tasks.pending.set(212);
        total.add(3 << 30);
        let mut estimator = ProgressEstimator::new(total, tasks, start);
        for file in 0..files {
            let counter = Counter::default();
            let name = format!("video-1 7779357811508675{file:02}\u{1b}歌");
            estimator.update(&Event::TransferStarted(Transfer { name, total: Some(96 << 20), counter: counter.clone() }), start);
            counter.add(48 << 20);
        }
        estimator.sample(start + Duration::from_secs(1));
        estimator
    }

    #[test]
    fn progress_display_fits_the_terminal() {
        for (rows, columns) in (30..=200).map(|columns| (24, columns)).chain([(50, 160), (3, 10), (1, 1), (0, 0)]) {
            let lines = frame(&estimator(20), rows, columns, true);
            assert!(lines.len() <= rows.max(2), "{rows} rows: {lines:#?}");
            for line in lines {
                assert!(measure_text_width(&line) <= columns.saturating_sub(1), "{columns} columns: {line}");
            }
        }
    }

    #[test]
    fn progress_display_shows_totals_files_and_hidden_count() {
        let lines = frame(&estimator(20), 24, 80, false);
        assert_eq!(lines.len(), 1 + MAX_BARS + 1);
        assert!(lines[0].starts_with("4,812 of 10,000 tasks") && lines[0].contains("48%"), "{}", lines[0]);
        assert!(lines[1].contains("━╸─") && lines[1].contains("48.00 MiB/s") && lines[1].contains("0:01"), "{}", lines[1]);
        assert_ne!(lines[1].split("━").next(), lines[2].split("━").next(), "different names stay different");
        assert_eq!(lines[9], "  212 waiting, 12 more large files in transfer");
    }

    #[test]
    fn gateway_that_does_not_answer_is_noted_until_it_answers() {
        let (mut estimator, now) = (estimator(1), Instant::now());
        let fault = |retry_at| Event::Gateway(Some(GatewayFault { cause: "HTTP 502 Bad Gateway".to_owned(), retry_at }));
        estimator.update(&fault(now + Duration::from_secs(30)), now);
        estimator.sample(now + Duration::from_secs(27));
        let lines = frame(&estimator, 24, 80, false);
        assert_eq!(lines.last().unwrap(), "  the gateway does not answer; retry in 3 s (HTTP 502 Bad Gateway)");
        estimator.sample(now + Duration::from_secs(31));
        assert_eq!(frame(&estimator, 24, 80, false).last().unwrap(), "  the gateway does not answer (HTTP 502 Bad Gateway)");
        estimator.update(&Event::Gateway(None), now);
        assert!(!frame(&estimator, 24, 80, false).concat().contains("gateway"));
    }

    #[test]
    fn without_color_no_escape_codes_are_drawn() {
        assert!(!frame(&estimator(3), 24, 80, false).concat().contains('\u{1b}'));
        assert!(frame(&estimator(3), 24, 80, true).concat().contains('\u{1b}'));
    }

    #[test]
    fn single_line_progress_shows_the_same_totals() {
        assert_eq!(progress_line(&estimator(0)), "4,812 of 10,000 tasks, 212 waiting, 3.00 GiB, 3.00 GiB/s");
    }
}
