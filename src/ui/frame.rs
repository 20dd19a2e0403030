//! The lines of progress: functions from numbers to text, for any size of terminal.
//!
//! No line is wider than the terminal, and no number is cut. A column of numbers that does not fit is left out as a whole, the
//! least important one first, and so is a bar or a note. Only names are shortened, in their middle.

use std::time::Duration;

use anstyle::AnsiColor;
use console::{measure_text_width, truncate_str};
use indicatif::{HumanBytes, HumanCount};

use super::lines::{colored, pluralize};
use super::progress::{ProgressEstimator, ProgressSnapshot, TaskCounts};
use super::sanitize::{for_terminal, redact_keys};
use crate::redact::escape_control_chars;

/// The limit of bars for single files. A low terminal shows fewer.
const MAX_BARS: usize = 8;
/// Rows of the terminal that are never used for bars of files.
const RESERVED_ROWS: usize = 4;
/// A longer name is shortened, also on a wide terminal.
const MAX_NAME_WIDTH: usize = 36;
/// The columns of numbers right of a bar.
const NUMBERS: usize = 4;
/// Their usual widths: percentage, size, speed, time left. Longer numbers make a column wider.
const NUMBER_WIDTHS: [usize; NUMBERS] = [4, 11, 13, 8];
/// The order in which they get room.
const NUMBERS_BY_IMPORTANCE: [usize; NUMBERS] = [0, 3, 2, 1];
/// The space left of each column.
const NUMBER_GAP: usize = 2;
/// The shortest and the longest bar.
const BAR_WIDTH: (usize, usize) = (5, 60);

/// `12 of 1,000 tasks`
fn task_progress(count: &TaskCounts) -> String {
    format!("{} of {}", HumanCount(count.done), pluralize(count.discovered, "task"))
}

/// `3 waiting`, `2 not complete`
fn task_notes(count: &TaskCounts) -> Vec<String> {
    let note = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", HumanCount(count)));
    [note(count.waiting, "waiting"), note(count.unsuccessful, "not complete")].into_iter().flatten().collect()
}

/// The progress of the run in one line, for an output without bars.
pub(super) fn progress_line(estimator: &ProgressEstimator) -> String {
    let (count, overall) = (estimator.task_counts(), estimator.overall());
    let left = overall.eta.map(|left| format!("{} left", format_duration(left)));
    let [percent, bytes, speed, _] = numbers(&overall);
    let sizes = format!("{bytes}, {speed}");
    let percent = Some(percent).filter(|percent| !percent.is_empty());
    [task_progress(&count)]
        .into_iter()
        .chain(percent)
        .chain(task_notes(&count))
        .chain([sizes])
        .chain(left)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The lines of a frame: the run, as many files as there is room for, and notes. Text that does not fit is left out as a whole,
/// so that no number is cut; only names are shortened.
pub(super) fn frame(estimator: &ProgressEstimator, rows: usize, columns: usize, color: bool) -> Vec<String> {
    let count = estimator.task_counts();
    let shown = estimator.files.len().min(MAX_BARS).min(rows.saturating_sub(RESERVED_ROWS));
    let more = estimator.files.len() - shown;
    // The last column stays free: some terminals start a new line after it.
    let room = columns.saturating_sub(1);
    let head = head(&count, room);
    let names = measure_text_width(&head).max((columns * 3 / 10).saturating_sub(2).min(MAX_NAME_WIDTH));
    let files = estimator.files.iter().take(shown).map(|file| {
        let name = escape_control_chars(&redact_keys(&file.transfer.name)).into_owned();
        (format!("  {}", elide(&name, names.saturating_sub(2))), file.snapshot())
    });
    let rows: Vec<(String, ProgressSnapshot)> = std::iter::once((head, estimator.overall())).chain(files).collect();
    let columns = Columns::fit(rows.iter().map(|(_, snapshot)| numbers(snapshot)), names, room);
    let mut lines: Vec<String> = rows.iter().map(|(name, snapshot)| columns.line(name, snapshot, color)).collect();
    let mut notes = task_notes(&count);
    notes.extend((more > 0).then(|| format!("{} in transfer", pluralize(more as u64, "more large file"))));
    lines.extend(join_fitting(&notes, room));
    lines.extend(estimator.gateway_fault().and_then(|(cause, seconds)| gateway_note(cause, seconds, room)));
    lines.retain(|line| measure_text_width(line) <= room);
    lines
}

/// The tasks of the run, as long as the percentage fits beside them.
fn head(count: &TaskCounts, room: usize) -> String {
    let (done, all) = (HumanCount(count.done), HumanCount(count.discovered));
    let forms = [task_progress(count), format!("{done} of {all}"), format!("{done}/{all}")];
    let fits = |form: &&String| measure_text_width(form) + NUMBER_GAP + NUMBER_WIDTHS[0] <= room;
    forms.iter().find(fits).unwrap_or(&forms[2]).clone()
}

/// The notes that fit into one line, in their order.
fn join_fitting(notes: &[String], room: usize) -> Option<String> {
    notes.iter().fold(None, |line: Option<String>, note| {
        let longer = line.as_ref().map_or_else(|| format!("  {note}"), |line| format!("{line}, {note}"));
        if measure_text_width(&longer) <= room { Some(longer) } else { line }
    })
}

/// `the gateway does not answer: HTTP 502 Bad Gateway; retry in 4 s`, or as much of that as fits.
fn gateway_note(cause: &str, seconds: u64, room: usize) -> Option<String> {
    let retry = if seconds > 0 { format!("; retry in {seconds} s") } else { String::new() };
    let what = "the gateway does not answer";
    let forms = [format!("  {what}: {}{retry}", for_terminal(cause)), format!("  {what}{retry}"), format!("  {what}")];
    forms.into_iter().find(|form| measure_text_width(form) <= room)
}

/// The numbers of a row, from left to right: percentage, size, speed, time left.
fn numbers(snapshot: &ProgressSnapshot) -> [String; NUMBERS] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    let percent = snapshot.fraction.map(|part| format!("{}%", (part * 100.0) as u64)).unwrap_or_default();
    let left = snapshot.eta.map(format_duration).unwrap_or_default();
    [percent, HumanBytes(snapshot.bytes).to_string(), format!("{}/s", HumanBytes(snapshot.speed)), left]
}

/// Which columns of numbers a frame has, and how wide everything is.
struct Columns {
    names: usize,
    /// 0: no bars.
    bar: usize,
    /// None: the column does not fit.
    numbers: [Option<usize>; NUMBERS],
}

impl Columns {
    /// As many columns of `rows` as fit into `room`, the most important ones first, then bars.
    fn fit(rows: impl Iterator<Item = [String; NUMBERS]>, names: usize, room: usize) -> Self {
        let widths = rows.fold(NUMBER_WIDTHS, |widths, row| {
            std::array::from_fn(|column| widths[column].max(measure_text_width(&row[column])))
        });
        let (mut numbers, mut used) = ([None; NUMBERS], names);
        for column in NUMBERS_BY_IMPORTANCE {
            let width = NUMBER_GAP + widths[column];
            if used + width > room {
                return Self { names, bar: 0, numbers };
            }
            numbers[column] = Some(widths[column]);
            used += width;
        }
        let bar = room.saturating_sub(used + NUMBER_GAP).min(BAR_WIDTH.1);
        Self { names, bar: if bar < BAR_WIDTH.0 { 0 } else { bar }, numbers }
    }

    /// A name, its bar if there is room, and the numbers.
    fn line(&self, name: &str, snapshot: &ProgressSnapshot, color: bool) -> String {
        let gap = " ".repeat(NUMBER_GAP);
        let mut line = name.to_owned() + &" ".repeat(self.names.saturating_sub(measure_text_width(name)));
        if self.bar > 0 {
            line += &gap;
            line += &snapshot.fraction.map_or_else(|| " ".repeat(self.bar), |part| bar(part, self.bar, color));
        }
        for (number, width) in numbers(snapshot).iter().zip(self.numbers) {
            if let Some(width) = width {
                let pad = width.saturating_sub(measure_text_width(number));
                line.extend([&*gap, &" ".repeat(pad), number]);
            }
        }
        line
    }
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
pub(super) fn format_duration(left: Duration) -> String {
    let (hours, minutes, seconds) = (left.as_secs() / 3600, left.as_secs() / 60 % 60, left.as_secs() % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests;
