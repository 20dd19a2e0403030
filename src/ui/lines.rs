//! Events as lines for people.
//!
//! Results go to standard output: a line per task that is new or needs attention, then a summary. Everything else goes to standard
//! error. An error says what happened, to what, and what to do.
//!
//! Each reader gets the reason of a bad task once. When both streams have one reader, it stands on the task's line. When they
//! differ, each is complete on its own: the task's line on standard output, the reasons on standard error.

use std::path::Path;

use anstyle::{AnsiColor, Style as Paint};
use indicatif::{HumanBytes, HumanCount};

use super::Style;
use super::sanitize::for_terminal;
use super::task_line::{TaskColumns, task_line};
use crate::domain::event::{Event, Fault, Outcome, RunKind, Summary, TaskReport, VerifySummary};
use crate::jobs::JobOutcome;
use crate::jobs::index::FactsOutcome;
use crate::redact::{display_url, escape_control_chars};

/// What the counters of a run say at its end.
#[derive(Clone, Copy)]
pub(super) struct RunTotals {
    /// All bytes of media that were received.
    pub received: u64,
    /// The tasks that were found.
    pub discovered: u64,
}

/// The line for standard output, if the event is a result. `columns` are those of a terminal.
pub(super) fn stdout_line(event: &Event, style: Style, columns: Option<TaskColumns>, totals: RunTotals) -> Option<String> {
    let color = style.color_out;
    match event {
        // What was already here, or is left alone, is only counted.
        Event::Task(report) if report.is_settled() && style.verbose == 0 => None,
        Event::Task(report) => Some(task_line(report, style, columns)),
        Event::Summary(summary) => Some(summary_line(summary, style, totals)),
        Event::Finding(path, fault) => Some(finding_line(path, *fault, color)),
        Event::Verified(summary) => Some(verify_summary_line(summary, color)),
        Event::Planned { action, path, reason, .. } => {
            let action = colored(&format!("{action:<10}"), AnsiColor::Cyan, color);
            Some(format!("{action}  {}  ({})", escape_control_chars(path), for_terminal(reason)))
        }
        _ => None,
    }
}

/// The lines for standard error.
pub(super) fn stderr_lines(event: &Event, style: Style) -> Vec<String> {
    match event {
        // The reasons stand on the task's line.
        Event::Task(_) if style.is_one_place && !style.quiet && !style.json => Vec::new(),
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

fn summary_line(summary: &Summary, style: Style, totals: RunTotals) -> String {
    let unfinished = totals.discovered.saturating_sub(summary.tasks());
    if summary.of == RunKind::Repair && summary.tasks() + unfinished == 0 {
        return "nothing to download again".to_owned();
    }
    let counts = task_counts(summary, unfinished, pending_word(style), style.color_out);
    let files = (summary.files > 0).then(|| pluralize(summary.files, "file"));
    let work = if style.is_dry_run {
        "dry run: nothing was written".to_owned()
    } else if unfinished == 0 {
        let some = files.map(|files| format!("{files} downloaded, {}", HumanBytes(summary.bytes)));
        some.unwrap_or_else(|| "no file downloaded".to_owned())
    } else if totals.received == 0 {
        "nothing was downloaded".to_owned()
    } else {
        // An interrupt: parts of files are kept as well.
        let files = files.map(|files| format!("{files} complete, ")).unwrap_or_default();
        format!("{files}{} downloaded", HumanBytes(totals.received))
    };
    format!("{counts}; {work}, in {:.1} s", summary.seconds)
}

/// The word for tasks that are not finished yet, with what to do.
fn pending_word(style: Style) -> &'static str {
    match (style.is_dry_run, style.has_waited) {
        (true, _) => "pending",
        (false, true) => "pending (not finished yet: run again later)",
        (false, false) => "pending (not finished yet: run again later, or wait with --wait)",
    }
}

/// `5 complete, 1 partial (4 already here), 2 failed`
fn task_counts(summary: &Summary, unfinished: u64, pending: &str, color: bool) -> String {
    let count_list = |counts: &[(&str, u64)]| count_list(counts, color);
    let note = |count: u64, what: &str| match count {
        0 => String::new(),
        _ => format!(" ({} {what})", HumanCount(count)),
    };
    let groups = [
        count_list(&[("complete", summary.complete), ("partial", summary.partial)]) + &note(summary.reused, "already here"),
        count_list(&[("incomplete", summary.incomplete), ("failed", summary.failed)])
            + &note(summary.skipped, "not tried again because of --skip-failed"),
        count_list(&[
            ("empty", summary.empty),
            ("not found", summary.not_found),
            (pending, summary.pending),
            ("planned", summary.planned),
            ("not asked", summary.not_asked),
            ("in error", summary.error),
            ("not finished", unfinished),
        ]),
    ];
    let groups: Vec<&str> = groups.iter().map(|group| group.trim_start()).filter(|group| !group.is_empty()).collect();
    if groups.is_empty() { "no tasks".to_owned() } else { groups.join(", ") }
}

fn finding_line(path: &str, fault: Fault, color: bool) -> String {
    let hue = if fault == Fault::Unknown { AnsiColor::Yellow } else { AnsiColor::Red };
    format!("{}  {}", colored(&format!("{:<10}", fault.as_str()), hue, color), escape_control_chars(path))
}

fn verify_summary_line(summary: &VerifySummary, color: bool) -> String {
    let faults = [
        ("damaged", summary.damaged),
        ("missing", summary.missing),
        ("unreadable", summary.unreadable),
        ("unsafe", summary.not_safe),
        ("unknown", summary.unknown),
    ];
    let counts = Some(count_list(&faults, color)).filter(|counts| !counts.is_empty()).unwrap_or_else(|| "all intact".to_owned());
    format!("{}, {}: {counts}; in {:.1} s", pluralize(summary.files, "file"), HumanBytes(summary.bytes), summary.seconds)
}

/// `2 damaged, 1 missing`; empty if all counts are zero.
fn count_list(counts: &[(&str, u64)], color: bool) -> String {
    let positive = counts.iter().filter(|(_, count)| *count > 0);
    let counted = positive.map(|(word, count)| {
        // A note about the word has no colour.
        let (word, note) = word.split_at(word.find(" (").unwrap_or(word.len()));
        colored(&format!("{} {word}", HumanCount(*count)), count_hue(word), color) + note
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// The colour of a count, by its word: that of the lines that it counts.
fn count_hue(word: &str) -> AnsiColor {
    match word {
        "complete" | "partial" => AnsiColor::Green,
        "incomplete" | "unknown" | "not asked" | "not finished" => AnsiColor::Yellow,
        "failed" | "empty" | "not found" | "in error" | "damaged" | "missing" | "unreadable" | "unsafe" => AnsiColor::Red,
        _ => AnsiColor::Cyan,
    }
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

/// What happened to the file at `path`, in one line with its end.
pub(crate) fn path_line(what: &str, path: &Path) -> String {
    format!("{what} {}\n", escape_control_chars(&path.display().to_string()))
}

/// As [`written_line`], with what `index --facts` added.
pub(crate) fn facts_line(paths: &[&Path], outcome: FactsOutcome) -> String {
    let added = match outcome.changed_tasks {
        0 => "no facts to add".to_owned(),
        count => format!("added facts to {}", pluralize(count, "task manifest")),
    };
    format!("{}; {added}\n", written_line(paths, outcome.index).trim_end())
}

/// The problems of a task, one line each.
fn problems(report: &TaskReport) -> Vec<String> {
    reasons(report).into_iter().map(|reason| format!("{}: {reason}", report.task.as_str())).collect()
}

/// Why a task did not end well.
pub(super) fn reasons(report: &TaskReport) -> Vec<String> {
    let line = |text: &str| vec![text.to_owned()];
    match report.outcome {
        // The run that found the problem reported it.
        _ if report.is_settled() => Vec::new(),
        Outcome::Failed => line(&format!("the task failed: {}", message(report).unwrap_or("the gateway gave no reason"))),
        Outcome::NotFound => {
            let words = message(report).map(|words| format!(" ({words})")).unwrap_or_default();
            line(&format!("the gateway knows no such task{words}; check the id and the account of the API key"))
        }
        Outcome::Empty => line("the task finished without files and without text; there is nothing to archive"),
        Outcome::Error if report.is_run_wide() => Vec::new(),
        Outcome::Error => line(message(report).unwrap_or("unknown error")),
        _ => asset_problems(report),
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
    let names_less =
        report.names_less.then(|| "the gateway's answer has fewer files than before; the archived files are kept".to_owned());
    assets.chain(names_less).collect()
}

pub(super) fn colored(text: &str, hue: AnsiColor, color: bool) -> String {
    let paint = if color { hue.on_default() } else { Paint::new() };
    format!("{paint}{text}{paint:#}")
}

/// `1 file`, `2,000 files`
pub(crate) fn pluralize(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}
