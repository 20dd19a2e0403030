//! Progress on a terminal: a line for the whole run, and a bar for each of the largest files.
//!
//! Quiet with thousands of small files: these move the total alone. Bars are drawn on standard
//! error, and step aside while a line is printed.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use super::Progress;
use super::lines::{counted, lasted};
use crate::event::{Event, Meter, Transfer};

/// Bars for single files, so that they fit any terminal.
const MOST_BARS: usize = 8;
/// How often a line of progress comes where there are no bars.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of a run.
pub(super) struct Bars {
    progress: Progress,
    screen: MultiProgress,
    head: ProgressBar,
    files: Vec<(Transfer, ProgressBar)>,
    total: Meter,
    tasks: (u64, u64),
    waiting: usize,
    started: Instant,
    last_line: Instant,
}

impl Bars {
    pub(super) fn new(progress: Progress, total: Meter) -> Self {
        let screen = MultiProgress::new();
        let head = ProgressBar::no_length().with_style(style("{spinner:.cyan} {msg}"));
        let head = if progress == Progress::Bars { screen.add(head) } else { ProgressBar::hidden() };
        let now = Instant::now();
        Self { progress, screen, head, files: Vec::new(), total, tasks: (0, 0), waiting: 0, started: now, last_line: now }
    }

    /// Takes an event into the picture.
    pub(super) fn see(&mut self, event: &Event) {
        match event {
            Event::Queued => self.tasks.1 += 1,
            Event::Task(_) => self.tasks.0 += 1,
            Event::Waiting(count) => self.waiting = *count,
            Event::Started(transfer) if self.progress == Progress::Bars && self.files.len() < MOST_BARS => {
                let bar = match transfer.total {
                    Some(total) => ProgressBar::new(total).with_style(style(
                        "  {prefix:22!} [{wide_bar}] {bytes:>10} of {total_bytes:10} {bytes_per_sec:>12} {eta:>4}",
                    )),
                    None => ProgressBar::no_length().with_style(style("  {prefix:22!} {bytes:>10} {bytes_per_sec:>12}")),
                };
                let bar = self.screen.add(bar.with_prefix(crate::secret::visible(&transfer.name).into_owned()));
                self.files.push((transfer.clone(), bar));
            }
            Event::Ended(meter) => {
                if let Some(at) = self.files.iter().position(|(transfer, _)| transfer.meter.is(meter)) {
                    self.files.swap_remove(at).1.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    /// Prints while the bars stand aside.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        if self.progress == Progress::Bars { self.screen.suspend(print) } else { print() }
    }

    /// Draws what the meters say now.
    pub(super) fn tick(&mut self) {
        match self.progress {
            Progress::Off => {}
            Progress::Bars => {
                self.files.iter().for_each(|(transfer, bar)| bar.set_position(transfer.meter.read()));
                self.head.set_message(self.told());
                self.head.tick();
            }
            Progress::Lines if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                super::to(std::io::stderr(), &self.told());
            }
            Progress::Lines => {}
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&self) {
        self.files.iter().for_each(|(_, bar)| bar.finish_and_clear());
        self.head.finish_and_clear();
    }

    fn told(&self) -> String {
        let (done, known) = self.tasks;
        let elapsed = self.started.elapsed();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a speed for people"
        )]
        let speed = (self.total.read() as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
        let tasks = counted(known, "task");
        let waiting = if self.waiting > 0 { format!(" ({} waiting)", self.waiting) } else { String::new() };
        format!("{done} of {tasks}{waiting}, {}, {}/s, {}", HumanBytes(self.total.read()), HumanBytes(speed), lasted(elapsed))
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and fixed; a wrong one would show as the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_while_it_lasts() {
        let mut bars = Bars::new(Progress::Off, Meter::default());
        bars.see(&Event::Queued);
        bars.see(&Event::Queued);
        for (waiting, told) in [(0, "0 of 2 tasks, 0 B"), (2, "0 of 2 tasks (2 waiting), 0 B"), (0, "0 of 2 tasks, 0 B")] {
            bars.see(&Event::Waiting(waiting));
            assert!(bars.told().starts_with(told), "{}", bars.told());
        }
    }
}
