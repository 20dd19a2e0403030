//! Events as lines for people: a result a task and a summary on standard output; on standard error
//! what is wrong, naming what, where and what to do next.

use anstyle::{AnsiColor, Style as Paint};
use indicatif::{HumanBytes, HumanCount};

use super::Style;
use super::output_buffer::redact_keys;
use crate::domain::event::{Event, Fault, Outcome, Summary, TaskReport, VerifySummary};
use crate::redact::{display_url, escape_control_chars, redact_urls};

/// Characters of one trouble: what the network says may be as long as an answer.
const MAX_MESSAGE_CHARS: usize = 2000;

/// The line on standard output, when the event is a result.
pub(super) fn stdout_line(event: &Event, color: bool) -> Option<String> {
    match event {
        Event::Task(report) => Some(task_line(report, color)),
        Event::Summary(counts) => Some(summary_line(counts)),
        Event::Finding(path, fault) => Some(finding_line(path, *fault, color)),
        Event::Verified(counts) => Some(verified_line(counts)),
        Event::Planned { action, path, reason, .. } => {
            Some(format!("{action:<10}  {}  ({})", escape_control_chars(path), escape_control_chars(&redact_urls(reason))))
        }
        _ => None,
    }
}

/// The lines on standard error.
pub(super) fn stderr_lines(event: &Event, style: Style) -> Vec<String> {
    match event {
        Event::Task(report) => problems(report).iter().map(|trouble| error_line(trouble, style.color_err)).collect(),
        Event::Error(message) => vec![error_line(message, style.color_err)],
        Event::Warning(message) => {
            let word = colored("warning", AnsiColor::Yellow, style.color_err);
            vec![format!("{word}: {}", escape_control_chars(&redact_urls(message)))]
        }
        Event::File(report) if !style.quiet => {
            let word = colored("warning", AnsiColor::Yellow, style.color_err);
            let told = |warning: &String| {
                format!("{word}: {}: {}", escape_control_chars(&report.path), escape_control_chars(&redact_urls(warning)))
            };
            let whole = || format!("{}: {} are here", escape_control_chars(&report.path), HumanBytes(report.entry.size()));
            let arrived = (style.verbose > 0).then(whole);
            arrived.into_iter().chain(report.entry.warnings.iter().map(told)).collect()
        }
        Event::Detail(detail) if style.verbose > 0 => vec![escape_control_chars(&redact_urls(detail)).into_owned()],
        _ => Vec::new(),
    }
}

fn task_line(report: &TaskReport, color: bool) -> String {
    let (word, hue) = match report.outcome {
        _ if report.reused => ("reused", AnsiColor::BrightBlack),
        Outcome::Complete => ("complete", AnsiColor::Green),
        Outcome::Partial => ("partial", AnsiColor::Green),
        Outcome::Incomplete => ("incomplete", AnsiColor::Yellow),
        Outcome::Pending => ("pending", AnsiColor::Cyan),
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
    let held: Vec<String> = files.into_iter().chain(report.has_text.then(|| "text".to_owned())).collect();
    if held.is_empty() { "nothing".to_owned() } else { held.join(", ") }
}

fn summary_line(counts: &Summary) -> String {
    let states = [
        ("complete", counts.complete),
        ("partial", counts.partial),
        ("reused", counts.reused),
        ("incomplete", counts.incomplete),
        ("failed", counts.failed),
        ("empty", counts.empty),
        ("not found", counts.not_found),
        ("pending (run again later, or with --wait)", counts.pending),
        ("in error", counts.error),
    ];
    let told = join_counts(&states, "no task ended");
    format!("{told}; {} fetched, {}, in {:.1} s", pluralize(counts.files, "file"), HumanBytes(counts.bytes), counts.seconds)
}

fn finding_line(path: &str, fault: Fault, color: bool) -> String {
    let hue = if fault == Fault::Unknown { AnsiColor::Yellow } else { AnsiColor::Red };
    format!("{}  {}", colored(&format!("{:<10}", fault.as_str()), hue, color), escape_control_chars(path))
}

fn verified_line(counts: &VerifySummary) -> String {
    let faults = [
        ("damaged", counts.damaged),
        ("missing", counts.missing),
        ("unreadable", counts.unreadable),
        ("unsafe", counts.not_safe),
        ("unknown", counts.unknown),
    ];
    let told = join_counts(&faults, "all whole");
    format!("{}, {}: {told}; in {:.1} s", pluralize(counts.files, "file"), HumanBytes(counts.bytes), counts.seconds)
}

/// `2 complete, 1 failed`, or `none`
fn join_counts(counts: &[(&str, u64)], none: &str) -> String {
    let there = counts.iter().filter(|(_, count)| *count > 0);
    let told: Vec<String> = there.map(|(word, count)| format!("{} {word}", HumanCount(*count))).collect();
    if told.is_empty() { none.to_owned() } else { told.join(", ") }
}

/// What is wrong with a task, one line per problem.
fn problems(report: &TaskReport) -> Vec<String> {
    let line = |text: &str| vec![format!("{}: {text}", report.task.as_str())];
    match report.outcome {
        // The run that found it has reported it.
        _ if report.reused => Vec::new(),
        Outcome::Failed => line(&format!("the task failed: {}", message(report).unwrap_or("the gateway gives no reason"))),
        Outcome::NotFound => line("the gateway knows no such task; is it the key that made it?"),
        Outcome::Empty => line("finished, but it names nothing to download"),
        Outcome::Error if report.is_run_wide() => Vec::new(),
        Outcome::Error => line(message(report).unwrap_or("nobody knows why")),
        _ => asset_problems(report).iter().flat_map(|problem| line(problem)).collect(),
    }
}

/// Why a task failed or is in error, if there is a reason.
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

fn error_line(text: &str, color: bool) -> String {
    // Before anything is cut off: half a key would not be found any more.
    let text = &*redact_keys(text);
    let said = text.char_indices().nth(MAX_MESSAGE_CHARS).map_or(text, |(end, _)| &text[..end]);
    let more = if said.len() < text.len() { "…" } else { "" };
    format!("{}: {}{more}", colored("error", AnsiColor::Red, color), escape_control_chars(&redact_urls(said)))
}

pub(super) fn colored(text: &str, hue: AnsiColor, color: bool) -> String {
    let paint = if color { hue.on_default() } else { Paint::new() };
    format!("{paint}{text}{paint:#}")
}

/// `1 file`, `2,000 files`
pub(super) fn pluralize(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}
