//! Events as lines for people.
//!
//! Results go to standard output: a line per task, then a summary. Everything else goes to standard error. An error says what
//! happened, to what, and what to do.

use std::path::Path;

use anstyle::{AnsiColor, Style as Paint};
use indicatif::{HumanBytes, HumanCount};

use super::Style;
use super::sanitize::for_terminal;
use crate::domain::event::{Event, Fault, Outcome, Summary, TaskReport, VerifySummary};
use crate::jobs::JobOutcome;
use crate::redact::{display_url, escape_control_chars};

/// The line for standard output, if the event is a result.
pub(super) fn stdout_line(event: &Event, color: bool) -> Option<String> {
    match event {
        Event::Task(report) => Some(task_line(report, color)),
        Event::Summary(summary) => Some(summary_line(summary)),
        Event::Finding(path, fault) => Some(finding_line(path, *fault, color)),
        Event::Verified(summary) => Some(verify_summary_line(summary)),
        Event::Planned { action, path, reason, .. } => {
            Some(format!("{action:<10}  {}  ({})", escape_control_chars(path), for_terminal(reason)))
        }
        _ => None,
    }
}

/// The lines for standard error.
pub(super) fn stderr_lines(event: &Event, style: Style) -> Vec<String> {
    match event {
        Event::Task(report) => problems(report).iter().map(|problem| error_line(problem, style.color_err)).collect(),
        Event::Error(message) => vec![error_line(message, style.color_err)],
        Event::Warning(message) => vec![warning_line(message, style.color_err)],
        Event::Output(output) => output.lines.iter().map(|line| output_line(line)).collect(),
        Event::File(report) if !style.quiet => {
            let path = escape_control_chars(&report.path);
            let warning = |warning: &String| {
                labelled("warning", AnsiColor::Yellow, &format!("{path}: {}", for_terminal(warning)), style.color_err)
            };
            let saved = (style.verbose > 0).then(|| format!("saved {path} ({})", HumanBytes(report.entry.size())));
            saved.into_iter().chain(report.entry.warnings.iter().map(warning)).collect()
        }
        Event::Detail(detail) if style.verbose > 0 => vec![for_terminal(detail)],
        _ => Vec::new(),
    }
}

/// A line of the user's command, with its tabs.
fn output_line(line: &str) -> String {
    line.split('\t').map(escape_control_chars).collect::<Vec<_>>().join("\t")
}

pub(super) fn error_line(message: &str, color: bool) -> String {
    labelled("error", AnsiColor::Red, &for_terminal(message), color)
}

pub(super) fn warning_line(message: &str, color: bool) -> String {
    labelled("warning", AnsiColor::Yellow, &for_terminal(message), color)
}

fn labelled(label: &str, hue: AnsiColor, text: &str, color: bool) -> String {
    format!("{}: {text}", colored(label, hue, color))
}

fn task_line(report: &TaskReport, color: bool) -> String {
    let (word, hue) = match report.outcome {
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
    };
    let head = format!("{}  {}", colored(&format!("{word:<10}"), hue, color), report.task);
    match &report.path {
        Some(path) => format!("{head}  {}  {}", contents(report), escape_control_chars(path)),
        None => head,
    }
}

/// `2 files, 1.00 MiB, text`
fn contents(report: &TaskReport) -> String {
    let files = (report.files > 0).then(|| format!("{}, {}", pluralize(report.files as u64, "file"), HumanBytes(report.bytes)));
    let parts: Vec<String> = files.into_iter().chain(report.has_text.then(|| "text".to_owned())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn summary_line(summary: &Summary) -> String {
    let states = [
        ("complete", summary.complete),
        ("partial", summary.partial),
        ("incomplete", summary.incomplete),
        ("failed", summary.failed),
        ("empty", summary.empty),
        ("not found", summary.not_found),
        ("pending (not finished yet: run again later)", summary.pending),
        ("planned", summary.planned),
        ("not asked", summary.not_asked),
        ("in error", summary.error),
        ("of these already here", summary.reused),
        ("of these left alone by --skip-failed", summary.skipped),
    ];
    let counts = join_counts(&states, "no task finished");
    let files = pluralize(summary.files, "file");
    format!("{counts}; {files} downloaded, {}, in {:.1} s", HumanBytes(summary.bytes), summary.seconds)
}

fn finding_line(path: &str, fault: Fault, color: bool) -> String {
    let hue = if fault == Fault::Unknown { AnsiColor::Yellow } else { AnsiColor::Red };
    format!("{}  {}", colored(&format!("{:<10}", fault.as_str()), hue, color), escape_control_chars(path))
}

fn verify_summary_line(summary: &VerifySummary) -> String {
    let faults = [
        ("damaged", summary.damaged),
        ("missing", summary.missing),
        ("unreadable", summary.unreadable),
        ("unsafe", summary.not_safe),
        ("unknown", summary.unknown),
    ];
    let counts = join_counts(&faults, "all intact");
    format!("{}, {}: {counts}; in {:.1} s", pluralize(summary.files, "file"), HumanBytes(summary.bytes), summary.seconds)
}

/// `2 complete, 1 failed`, or `none` if all counts are zero.
fn join_counts(counts: &[(&str, u64)], none: &str) -> String {
    let positive = counts.iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = positive.map(|(word, count)| format!("{} {word}", HumanCount(*count))).collect();
    if parts.is_empty() { none.to_owned() } else { parts.join(", ") }
}

/// `wrote cut.otio: 2 tasks, 5 files`, with its end.
pub(crate) fn written_line(paths: &[&Path], outcome: JobOutcome) -> String {
    let names: Vec<String> = paths.iter().map(|path| escape_control_chars(&path.display().to_string()).into_owned()).collect();
    let (names, contents) =
        (names.join(" and "), format!("{}, {}", pluralize(outcome.tasks, "task"), pluralize(outcome.files, "file")));
    match outcome.is_changed {
        true => format!("wrote {names}: {contents}\n"),
        false => format!("{names} {} up to date: {contents}\n", if paths.len() == 1 { "is" } else { "are" }),
    }
}

/// The problems of a task, one line each.
fn problems(report: &TaskReport) -> Vec<String> {
    let line = |text: &str| vec![format!("{}: {text}", report.task.as_str())];
    match report.outcome {
        // The run that found the problem reported it.
        _ if report.is_settled() => Vec::new(),
        Outcome::Failed => line(&format!("the task failed: {}", message(report).unwrap_or("the gateway gave no reason"))),
        Outcome::NotFound => {
            let words = message(report).map(|words| format!(" ({words})")).unwrap_or_default();
            line(&format!("the gateway knows no such task{words}; check the id and the account of the API key"))
        }
        Outcome::Empty => line("the task finished without files and without text"),
        Outcome::Error if report.is_run_wide() => Vec::new(),
        Outcome::Error => line(message(report).unwrap_or("unknown error")),
        _ => asset_problems(report).iter().flat_map(|problem| line(problem)).collect(),
    }
}

/// Why a task failed, was not found or is in error, if there is a reason.
pub(super) fn message(report: &TaskReport) -> Option<&str> {
    let message = report.error.as_ref().map(|error| error.message.as_str()).or(report.err_reason.as_deref());
    message.filter(|message| !message.trim().is_empty())
}

/// What could not be saved of a task, one line per asset.
pub(super) fn asset_problems(report: &TaskReport) -> Vec<String> {
    let assets = report.errors.iter().map(|error| match &error.url {
        Some(url) => format!("{}: {} ({})", error.key(), error.error, display_url(url)),
        None => format!("{}: {}", error.key(), error.error),
    });
    let names_less = report.names_less.then(|| "the gateway names less than before; what is here is kept".to_owned());
    assets.chain(names_less).collect()
}

pub(super) fn colored(text: &str, hue: AnsiColor, color: bool) -> String {
    let paint = if color { hue.on_default() } else { Paint::new() };
    format!("{paint}{text}{paint:#}")
}

/// `1 file`, `2,000 files`
pub(super) fn pluralize(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}
