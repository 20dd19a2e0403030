//! Progress for people: a bar for the whole run, and one for each of the large files that are on their way the longest.
//!
//! Quiet with thousands of small files: these move the first bar alone. A picture is made anew for each
//! frame, to the size that the terminal has then; no line is wider, and it never fills the screen. Bars are
//! drawn on standard error, and step aside while lines are printed. The cursor rests below them, where an echoed
//! `^C` harms nothing (indicatif's own bars leave it at the end of a full line). Where there is no terminal
//! there is a line now and then, with the same in it.

use std::io;
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use console::{Term, measure_text_width, truncate_str};
use indicatif::{HumanBytes, HumanCount};

use super::lines::{colored, pluralize};
use super::output_buffer::redact_keys;
use super::output_buffer::write_redacted;
use super::progress::{ProgressEstimator, ProgressSnapshot, TaskCounts};
use super::{ProgressMode, Style};
use crate::redact::escape_control_chars;

/// Bars for single files; a smaller terminal has fewer.
const MAX_BARS: usize = 8;
/// Lines of the terminal that stay as they are.
const RESERVED_ROWS: usize = 4;
/// Where a terminal does not tell.
const DEFAULT_SIZE: (u16, u16) = (24, 80);
/// A longer name is cut on a terminal of any width.
const MAX_NAME_WIDTH: usize = 36;
/// What stands on the right of a bar: percent, size, speed, time left.
const NUMBERS_WIDTH: usize = 4 + 2 + 11 + 2 + 13 + 2 + 8;
/// A bar that is shorter tells nothing; a longer one nothing more.
const BAR_WIDTH: (usize, usize) = (5, 60);
/// How often a line of progress comes where there are no bars.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of a run.
pub(super) struct Bars {
    progress: ProgressMode,
    color: bool,
    terminal: Term,
    /// How wide the lines are that stand on the terminal; the cursor is below them.
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

    /// Shows where the run stands now.
    pub(super) fn show(&mut self, gauge: &ProgressEstimator, now: Instant) {
        match self.progress {
            ProgressMode::Off => {}
            // A terminal that has gone away shows nothing any more.
            ProgressMode::Bars => _ = self.draw(gauge),
            ProgressMode::Lines if now.saturating_duration_since(self.last_line) >= LINE_INTERVAL => {
                self.last_line = now;
                write_redacted(io::stderr(), &format!("{}\n", progress_line(gauge)));
            }
            ProgressMode::Lines => {}
        }
    }

    /// Leaves the terminal as it was, until the next frame.
    pub(super) fn clear(&mut self) {
        let _ = self.erase().and_then(|()| self.terminal.flush());
    }

    fn draw(&mut self, gauge: &ProgressEstimator) -> io::Result<()> {
        let (rows, columns) = self.terminal.size_checked().unwrap_or(DEFAULT_SIZE);
        self.erase()?;
        for line in frame(gauge, rows.into(), columns.into(), self.color) {
            self.terminal.write_line(&line)?;
            self.drawn.push(measure_text_width(&line));
        }
        // All at once, so that nothing flickers.
        self.terminal.flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        // A terminal that became narrower has broken lines in two.
        let columns = usize::from(self.terminal.size_checked().unwrap_or(DEFAULT_SIZE).1).max(1);
        let rows = self.drawn.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 {
            return Ok(());
        }
        // Line by line: who clears a whole screen fills the history of some terminals.
        self.terminal.clear_line()?;
        self.terminal.clear_last_lines(rows)
    }
}

/// `12 of 1,000 tasks`
fn task_progress(count: &TaskCounts) -> String {
    format!("{} of {}", HumanCount(count.done), pluralize(count.known, "task"))
}

/// `3 waiting`, `2 not complete`
fn task_notes(count: &TaskCounts) -> Vec<String> {
    let told = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", HumanCount(count)));
    [told(count.waiting, "waiting"), told(count.bad, "not complete")].into_iter().flatten().collect()
}

fn progress_line(gauge: &ProgressEstimator) -> String {
    let (count, whole) = (gauge.task_counts(), gauge.overall());
    let left = whole.eta.map(|left| format!("{} left", format_duration(left)));
    let sizes = format!("{}, {}/s", HumanBytes(whole.bytes), HumanBytes(whole.speed));
    [task_progress(&count)].into_iter().chain(task_notes(&count)).chain([sizes]).chain(left).collect::<Vec<_>>().join(", ")
}

/// The run, and as many of its files as there is room for.
fn frame(gauge: &ProgressEstimator, rows: usize, columns: usize, color: bool) -> Vec<String> {
    let count = gauge.task_counts();
    let shown = gauge.files.len().min(MAX_BARS).min(rows.saturating_sub(RESERVED_ROWS));
    let head = task_progress(&count);
    let names = measure_text_width(&head).max((columns * 3 / 10).saturating_sub(2).min(MAX_NAME_WIDTH));
    let mut lines = vec![row(&head, &gauge.overall(), names, columns, color)];
    let more = gauge.files.len() - shown;
    let mut notes = task_notes(&count);
    notes.extend((more > 0).then(|| format!("{} on the way", pluralize(more as u64, "more large file"))));
    lines.extend(gauge.files.iter().take(shown).map(|file| {
        let name = format!("  {}", elide(&escape_control_chars(&redact_keys(&file.transfer.name)), names.saturating_sub(2)));
        row(&name, &file.snapshot(), names, columns, color)
    }));
    lines.extend((!notes.is_empty()).then(|| format!("  {}", notes.join(", "))));
    // The last column stays free: some terminals begin a new line there.
    lines.into_iter().map(|line| truncate_str(&line, columns.saturating_sub(1), "").into_owned()).collect()
}

/// A name, its bar as long as there is room, and the numbers.
fn row(name: &str, standing: &ProgressSnapshot, names: usize, columns: usize, color: bool) -> String {
    let room = columns.saturating_sub(names + NUMBERS_WIDTH + 5).min(BAR_WIDTH.1);
    let bar = match standing.fraction {
        _ if room < BAR_WIDTH.0 => String::new(),
        Some(part) => bar(part, room, color) + "  ",
        None => " ".repeat(room + 2),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    let percent = standing.fraction.map(|part| format!("{}%", (part * 100.0) as u64)).unwrap_or_default();
    let (bytes, speed) = (HumanBytes(standing.bytes).to_string(), format!("{}/s", HumanBytes(standing.speed)));
    let left = standing.eta.map(format_duration).unwrap_or_default();
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

/// With its beginning and its end, which tell names apart, in no more than `room`.
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
    use crate::domain::event::{Counter, Event, TaskCounters, Transfer};

    fn gauge(files: usize) -> ProgressEstimator {
        let (total, tasks, start) = (Counter::default(), TaskCounters::default(), Instant::now());
        tasks.discovered.add(10_000);
        tasks.done.add(4_812);
        tasks.pending.set(212);
        total.add(3 << 30);
        let mut gauge = ProgressEstimator::new(total, tasks, start);
        for file in 0..files {
            let meter = Counter::default();
            let name = format!("video-1 7779357811508675{file:02}\u{1b}歌");
            gauge.update(&Event::TransferStarted(Transfer { name, total: Some(96 << 20), counter: meter.clone() }), start);
            meter.add(48 << 20);
        }
        gauge.sample(start + Duration::from_secs(1));
        gauge
    }

    #[test]
    fn progress_display_fits_the_terminal() {
        for (rows, columns) in [(24, 80), (50, 160), (24, 40), (3, 10), (1, 1), (0, 0)] {
            let lines = frame(&gauge(20), rows, columns, true);
            assert!(lines.len() <= rows.max(2), "{rows} rows: {lines:#?}");
            for line in lines {
                assert!(measure_text_width(&line) <= columns.saturating_sub(1), "{columns} columns: {line}");
            }
        }
    }

    #[test]
    fn progress_display_shows_totals_files_and_hidden_count() {
        let lines = frame(&gauge(20), 24, 80, false);
        assert_eq!(lines.len(), 1 + MAX_BARS + 1);
        assert!(lines[0].starts_with("4,812 of 10,000 tasks") && lines[0].contains("48%"), "{}", lines[0]);
        assert!(lines[1].contains("━╸─") && lines[1].contains("48.00 MiB/s") && lines[1].contains("0:01"), "{}", lines[1]);
        assert_ne!(lines[1].split("━").next(), lines[2].split("━").next(), "names are told apart");
        assert_eq!(lines[9], "  212 waiting, 12 more large files on the way");
    }

    #[test]
    fn without_color_no_escape_codes_are_drawn() {
        assert!(!frame(&gauge(3), 24, 80, false).concat().contains('\u{1b}'));
        assert!(frame(&gauge(3), 24, 80, true).concat().contains('\u{1b}'));
    }

    #[test]
    fn single_line_progress_shows_the_same_totals() {
        assert_eq!(progress_line(&gauge(0)), "4,812 of 10,000 tasks, 212 waiting, 3.00 GiB, 3.00 GiB/s");
    }
}
