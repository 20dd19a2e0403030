//! Progress for people: one bar for the run, and one for each of the large files that have been in transfer the longest.
//!
//! Small files have no bars of their own, so that thousands of them do not flicker. Each frame is drawn for the current size
//! of the terminal: no line is wider, and the bars never fill the screen. Bars are on standard error, and are cleared while
//! lines are printed. Without a terminal, a line with the same numbers is printed every few seconds.
//!
//! indicatif's own bars are not used. They leave the cursor at the end of a full line, where an echoed `^C` damages them.
//! They can't shorten a name in its middle, leave out a column that does not fit, or limit the number of bars to the height
//! of the terminal. They would estimate rates a second time, beside `progress`, which JSON events need as well. `frame` makes the
//! lines from the numbers; this module owns what is on the terminal.

use std::io;
use std::time::{Duration, Instant};

use console::{Term, measure_text_width};

use super::frame::{frame, progress_line};
use super::output_buffer::write_redacted;
use super::progress::ProgressEstimator;
use super::{ProgressMode, Style};

/// Used if the terminal does not report its size: rows and columns.
const DEFAULT_SIZE: (u16, u16) = (24, 80);
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
        let (rows, columns) = self.size();
        self.erase()?;
        for line in frame(estimator, rows, columns, self.color) {
            self.terminal.write_line(&line)?;
            self.drawn.push(measure_text_width(&line));
        }
        // One write per frame avoids flicker.
        self.terminal.flush()
    }

    /// The rows and columns of the terminal.
    fn size(&self) -> (usize, usize) {
        // Some terminals report zeros.
        let (rows, columns) =
            self.terminal.size_checked().filter(|(rows, columns)| rows.min(columns) > &0).unwrap_or(DEFAULT_SIZE);
        (rows.into(), columns.into())
    }

    fn erase(&mut self) -> io::Result<()> {
        // A terminal that became narrower has wrapped the lines.
        let columns = self.size().1;
        let rows = self.drawn.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 {
            return Ok(());
        }
        // Line by line: clearing the whole screen fills the scrollback of some terminals.
        self.terminal.clear_line()?;
        self.terminal.clear_last_lines(rows)
    }
}
