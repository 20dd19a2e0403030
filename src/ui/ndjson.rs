//! Events as JSON, one object a line: what pipelines read. Its shape is the contract's section 6.

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Sha256Hex;
use crate::event::{Event, Fault, FileReport, Outcome, Summary, TaskReport, Verified};
use crate::kind::Kind;
use crate::manifest::FileEntry;
use crate::secret::unsigned;

/// One line of standard output. Readers ignore fields that they don't know, and events too.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "Event")]
enum Line<'a> {
    File(File<'a>),
    Task(Task<'a>),
    Plan(Plan<'a>),
    Finding(Finding<'a>),
    Summary(&'a Summary),
    #[serde(rename = "summary")]
    Verified(&'a Verified),
}

/// A file of this run is whole on disk: its manifest entry, but for its `url`, which is signed.
#[derive(Serialize, JsonSchema)]
struct File<'a> {
    task_id: &'a str,
    kind: Kind,
    /// Its number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// Can be opened from the working directory.
    path: &'a str,
    /// In bytes.
    size: u64,
    /// Of all its bytes.
    sha256: &'a Sha256Hex,
    /// What decided the extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    /// What the bytes are, when that is provably something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_type: Option<&'a str>,
    /// In seconds, from where `duration_source` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    duration_seconds: Option<f64>,
    /// `api` or `media`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["api", "media"]))]
    duration_source: Option<&'a str>,
    /// In seconds, from the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    measured_duration_seconds: Option<f64>,
    /// The host's `Last-Modified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::schema::Time")]
    last_modified: Option<&'a str>,
    /// The header whose digest the bytes agree with.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a str>,
    /// What is odd about it.
    warnings: &'a [String],
}

/// A task ended.
#[derive(Serialize, JsonSchema)]
struct Task<'a> {
    task_id: &'a str,
    state: Outcome,
    /// The API's word, when it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    /// Whether it was already here, or was left alone.
    reused: bool,
    /// Its folder, when there is one; can be opened from the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    /// How many files of it the archive holds.
    files: usize,
    /// Their size in bytes.
    bytes: u64,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `--dry-run`: what would be done with one asset or text.
#[derive(Serialize, JsonSchema)]
struct Plan<'a> {
    task_id: &'a str,
    #[schemars(extend("enum" = ["fetch", "keep", "leave", "refuse", "write"]))]
    action: &'static str,
    /// Where it would stand; `*` for an extension that only the bytes will tell.
    path: &'a str,
    /// Why, for people.
    reason: &'a str,
}

/// `verify`: something is wrong with a path.
#[derive(Serialize, JsonSchema)]
struct Finding<'a> {
    /// Relative to the folder that was looked at.
    path: &'a str,
    finding: Fault,
}

/// The JSON Schema of a line.
pub(super) fn schema() -> String {
    crate::schema::of::<Line<'_>>()
}

/// The line for an event; none for what only people want to know.
pub(super) fn line(event: &Event) -> Option<String> {
    let line = match event {
        Event::File(report) => Line::File(file(report)),
        Event::Task(report) => Line::Task(task(report)),
        Event::Planned { task, action, path, reason } => Line::Plan(Plan { task_id: task.as_str(), action, path, reason }),
        Event::Finding(path, fault) => Line::Finding(Finding { path, finding: *fault }),
        Event::Summary(counts) => Line::Summary(counts),
        Event::Verified(counts) => Line::Verified(counts),
        Event::Queued | Event::Waiting(_) | Event::Started(_) | Event::Ended(_) | Event::Warning(_) | Event::Detail(_) => {
            return None;
        }
    };
    serde_json::to_string(&line).ok()
}

fn file(report: &FileReport) -> File<'_> {
    let entry: &FileEntry = &report.entry;
    File {
        task_id: report.task.as_str(),
        kind: entry.slot().kind,
        index: entry.slot().index,
        path: &report.path,
        size: entry.size(),
        sha256: entry.sha256(),
        content_type: entry.content_type.as_deref(),
        detected_type: entry.detected_type.as_deref(),
        duration_seconds: entry.duration_seconds,
        duration_source: entry.duration_source.as_deref(),
        measured_duration_seconds: entry.measured_duration_seconds,
        last_modified: entry.last_modified.as_deref(),
        verified_by: entry.verified_by.as_deref(),
        warnings: &entry.warnings,
    }
}

fn task(report: &TaskReport) -> Task<'_> {
    let problems = (!report.problems.is_empty()).then(|| report.problems.join("; "));
    Task {
        task_id: report.task.as_str(),
        state: report.outcome,
        status: report.status.as_deref(),
        reused: report.reused,
        path: report.path.as_deref(),
        files: report.files,
        bytes: report.bytes,
        error: report.error.clone().filter(|error| !error.is_empty()).or(problems).map(|error| unsigned(&error).into_owned()),
    }
}
