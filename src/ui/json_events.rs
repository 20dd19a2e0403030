//! Events as JSON for programs, one object per line. The contract, section 6, defines the fields and their order.
//!
//! The JSON Schema is generated from the types that are serialized here.

mod progress;

use std::borrow::Cow;
use std::path::Path;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use super::lines;
use super::sanitize::redact_keys_in_json;
use crate::domain::asset_key::Kind;
use crate::domain::code::{AssetErrorCode, FatalCode, TaskErrorCode};
use crate::domain::event::{Event, Fault, FileReport, Outcome, Summary, TaskReport, VerifySummary};
use crate::domain::manifest::FileEntry;
use crate::domain::schema::Time;
use crate::redact::{escape_control_chars_json, redact_urls};
use progress::Progress;
pub(super) use progress::ProgressTicker;

/// Rises only when a program that reads the events could break.
const EVENTS_VERSION: u32 = 1;

/// One line of standard output. Readers ignore unknown events and fields.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "Event")]
enum JsonEvent<'a> {
    Start(Timed<Start<'a>>),
    File(Timed<File<'a>>),
    Task(Timed<Task<'a>>),
    Plan(Timed<Plan<'a>>),
    Finding(Timed<Finding<'a>>),
    Progress(Timed<Progress>),
    Summary(Timed<&'a Summary>),
    #[serde(rename = "summary")]
    Verified(Timed<Verified<'a>>),
    Fatal(Timed<Fatal<'a>>),
}

// A comment that is no documentation, so that the schema has that of the event.
#[derive(Serialize, JsonSchema)]
struct Timed<T> {
    /// When the line was printed.
    #[schemars(with = "Time")]
    time: String,
    #[serde(flatten)]
    event: T,
}

impl<T> Timed<T> {
    fn now(event: T) -> Self {
        Self { time: format!("{:.3}", Timestamp::now()), event }
    }
}

/// The program has started: the first line.
#[derive(Serialize, JsonSchema)]
struct Start<'a> {
    /// The version of the program.
    version: &'static str,
    /// The version of these events. It rises only when a reader could break.
    events_version: u32,
    /// The archive; left out when the arguments are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Cow<'a, str>>,
}

/// The program ends with exit code 2: the last line.
#[derive(Serialize, JsonSchema)]
struct Fatal<'a> {
    /// The cause, for programs. New codes may be added.
    code: FatalCode,
    /// The cause, for people.
    error: Cow<'a, str>,
}

/// The counts of a `verify`.
#[derive(Serialize, JsonSchema)]
struct Verified<'a> {
    #[schemars(extend("const" = "verify"))]
    of: &'static str,
    #[serde(flatten)]
    counts: &'a VerifySummary,
}

/// A file of this run is complete on disk: its manifest entry without the signed `url`.
#[derive(Serialize, JsonSchema)]
#[schemars(transform = adapt_file_schema)]
struct File<'a> {
    task_id: &'a str,
    #[serde(flatten)]
    #[schemars(with = "FileEntry")]
    entry: Box<FileEntry>,
}

/// Changes the schema of a manifest entry to that of the event.
fn adapt_file_schema(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.shift_remove("url");
        if let Some(path) = properties.get_mut("path") {
            path["description"] = "Can be opened from the working directory.".into();
        }
    }
}

/// A task has ended.
#[derive(Serialize, JsonSchema)]
struct Task<'a> {
    task_id: &'a str,
    state: Outcome,
    /// The status that the API gave, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    /// Whether the archive had the task already; the gateway was not asked.
    reused: bool,
    /// Whether `--skip-failed` left the task alone; the gateway was not asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skipped: bool,
    /// Its folder, if there is one; can be opened from the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    /// The number of its files in the archive.
    files: usize,
    /// Their size in bytes.
    bytes: u64,
    /// Assets that could not be saved; or, in state `error`, the one reason.
    errors: Vec<ErrorObject<'a>>,
    /// What went wrong, in one text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One error of a task: an asset that could not be saved, as in the manifest, or why nothing is known of the task.
#[derive(Serialize, JsonSchema)]
struct ErrorObject<'a> {
    /// The asset's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Kind")]
    kind: Option<Kind>,
    /// The asset's number within the kind, from 1, in the API's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    index: Option<usize>,
    /// The cause, for programs. New codes may be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ErrorCode")]
    code: Option<ErrorCode>,
    /// The HTTP status, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 999))]
    http_status: Option<u16>,
    /// The cause, for people.
    error: Cow<'a, str>,
}

/// The code of an asset's error, or of a task's.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum ErrorCode {
    Asset(AssetErrorCode),
    Task(TaskErrorCode),
}

/// `--dry-run`: what would be done with one asset or text.
#[derive(Serialize, JsonSchema)]
struct Plan<'a> {
    task_id: &'a str,
    #[schemars(extend("enum" = ["fetch", "keep", "leave", "refuse", "write"]))]
    action: &'static str,
    /// The path that the file would have; `*` stands for an extension that only the content decides.
    path: &'a str,
    /// The reason, for people.
    reason: &'a str,
}

/// `verify`: a problem with a path.
#[derive(Serialize, JsonSchema)]
struct Finding<'a> {
    /// Relative to the folder that was verified.
    path: &'a str,
    finding: Fault,
}

/// The JSON Schema of a line.
pub(crate) fn schema() -> String {
    crate::domain::schema::generate::<JsonEvent<'_>>()
}

/// The line for an event; none for events that are only for people.
pub(super) fn event_line(event: &Event) -> Option<String> {
    let line = match event {
        Event::File(report) => JsonEvent::File(Timed::now(file(report))),
        Event::Task(report) => JsonEvent::Task(Timed::now(task(report))),
        Event::Planned { task, action, path, reason } => {
            JsonEvent::Plan(Timed::now(Plan { task_id: task.as_str(), action, path, reason }))
        }
        Event::Finding(path, fault) => JsonEvent::Finding(Timed::now(Finding { path, finding: *fault })),
        Event::Summary(summary) => JsonEvent::Summary(Timed::now(summary)),
        Event::Verified(counts) => JsonEvent::Verified(Timed::now(Verified { of: "verify", counts })),
        Event::TransferStarted(_)
        | Event::TransferEnded(_)
        | Event::NotAsked(_)
        | Event::Gateway(_)
        | Event::Error(_)
        | Event::Warning(_)
        | Event::Detail(_)
        | Event::Output(_) => return None,
    };
    Some(to_line(&line))
}

/// The first line. `output` is the archive, if it is known.
pub(super) fn start_line(output: Option<&Path>) -> String {
    let output = output.map(Path::to_string_lossy);
    let start = Start { version: env!("CARGO_PKG_VERSION"), events_version: EVENTS_VERSION, output };
    to_line(&JsonEvent::Start(Timed::now(start))) + "\n"
}

/// The last line of a program that ends with exit code 2.
pub(super) fn fatal_line(code: FatalCode, error: &str) -> String {
    to_line(&JsonEvent::Fatal(Timed::now(Fatal { code, error: redact_urls(error) }))) + "\n"
}

fn to_line(event: &JsonEvent<'_>) -> String {
    let line = serde_json::to_string(event).expect("an event has only keys that are text");
    escape_control_chars_json(redact_keys_in_json(&line).into_owned())
}

fn file(report: &FileReport) -> File<'_> {
    File { task_id: report.task.as_str(), entry: Box::new(report.entry.clone().for_event(report.path.clone())) }
}

fn task(report: &TaskReport) -> Task<'_> {
    let problems = Some(lines::asset_problems(report).join("; ")).filter(|problems| !problems.is_empty());
    Task {
        task_id: report.task.as_str(),
        state: report.outcome,
        status: report.status.as_deref(),
        reused: report.reused,
        skipped: report.skipped,
        path: report.path.as_deref(),
        files: report.files,
        bytes: report.bytes,
        errors: errors(report),
        error: lines::message(report).map(str::to_owned).or(problems).map(|error| redact_urls(&error).into_owned()),
    }
}

/// The errors of a task as objects. Its URLs are left out: they are signed.
fn errors(report: &TaskReport) -> Vec<ErrorObject<'_>> {
    let of_task = report.error.iter().map(|error| ErrorObject {
        kind: None,
        index: None,
        code: Some(ErrorCode::Task(error.code)),
        http_status: error.http_status,
        error: redact_urls(&error.message),
    });
    let of_assets = report.errors.iter().map(|error| ErrorObject {
        kind: Some(error.key().kind),
        index: Some(error.key().index),
        code: error.code().map(ErrorCode::Asset),
        http_status: error.http_status(),
        error: redact_urls(&error.error),
    });
    of_task.chain(of_assets).collect()
}
