//! Events as JSON, one object a line: what pipelines read. Its shape is the contract's section 6.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::lines;
use super::output_buffer::redact_keys_in_json;
use super::progress::ProgressEstimator;
use crate::domain::asset_key::Kind;
use crate::domain::code::{AssetErrorCode, TaskErrorCode};
use crate::domain::event::report::asset_error_code;
use crate::domain::event::{Event, Fault, FileReport, Outcome, Summary, TaskReport, VerifySummary};
use crate::domain::manifest::FileEntry;
use crate::integrity::digest::Sha256Hex;
use crate::redact::{escape_control_chars_json, redact_urls};

/// How often a line of progress comes at most.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// One line of standard output. Readers ignore fields that they don't know, and events too.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "Event")]
enum JsonEvent<'a> {
    File(File<'a>),
    Task(Task<'a>),
    Plan(Plan<'a>),
    Finding(Finding<'a>),
    Progress(Progress),
    Summary(&'a Summary),
    #[serde(rename = "summary")]
    Verified(&'a VerifySummary),
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
    #[schemars(with = "crate::domain::schema::Time")]
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
    /// Assets that could not be saved; or, in state `error`, the one reason.
    errors: Vec<ErrorObject<'a>>,
    /// What is wrong, in one text for people.
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

/// How far a long run is by now: at most one a second, and none while nothing moves.
#[derive(Clone, Copy, PartialEq, Serialize, JsonSchema)]
struct Progress {
    /// Tasks that came to their end.
    done: u64,
    /// Tasks that are known by now; more may come as long as a list is read.
    tasks: u64,
    /// Of those that are not done, the ones that wait to be asked about again.
    waiting: u64,
    /// Bytes that came, or were verified, by now; what will be thrown away counts, too.
    bytes: u64,
    /// The speed of late.
    bytes_per_second: u64,
    /// An estimate, when there can be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

/// The `progress` lines of a run, and when the next one may come.
pub(super) struct ProgressTicker {
    last: Instant,
    last_progress: Option<Progress>,
}

impl ProgressTicker {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, last_progress: None }
    }

    /// The next line, when its time has come and it tells anything new.
    pub(super) fn next_line(&mut self, gauge: &ProgressEstimator, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.last) < PROGRESS_INTERVAL {
            return None;
        }
        let (count, whole) = (gauge.task_counts(), gauge.overall());
        let progress = Progress {
            done: count.done,
            tasks: count.known,
            waiting: count.waiting,
            bytes: whole.bytes,
            bytes_per_second: whole.speed,
            seconds_left: whole.eta.map(|left| left.as_secs()),
        };
        self.last = now;
        let told = self.last_progress.replace(progress);
        if told == Some(progress) { None } else { serde_json::to_string(&JsonEvent::Progress(progress)).ok() }
    }
}

/// The JSON Schema of a line.
pub(crate) fn schema() -> String {
    crate::domain::schema::generate::<JsonEvent<'_>>()
}

/// The line for an event; none for what only people want to know.
pub(super) fn event_line(event: &Event) -> Option<String> {
    let line = match event {
        Event::File(report) => JsonEvent::File(file(report)),
        Event::Task(report) => JsonEvent::Task(task(report)),
        Event::Planned { task, action, path, reason } => JsonEvent::Plan(Plan { task_id: task.as_str(), action, path, reason }),
        Event::Finding(path, fault) => JsonEvent::Finding(Finding { path, finding: *fault }),
        Event::Summary(counts) => JsonEvent::Summary(counts),
        Event::Verified(counts) => JsonEvent::Verified(counts),
        Event::TransferStarted(_) | Event::TransferEnded(_) | Event::Error(_) | Event::Warning(_) | Event::Detail(_) => {
            return None;
        }
    };
    serde_json::to_string(&line).ok().map(|line| escape_control_chars_json(redact_keys_in_json(&line).into_owned()))
}

fn file(report: &FileReport) -> File<'_> {
    let entry: &FileEntry = &report.entry;
    File {
        task_id: report.task.as_str(),
        kind: entry.key().kind,
        index: entry.key().index,
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
    let problems = Some(lines::asset_problems(report).join("; ")).filter(|problems| !problems.is_empty());
    Task {
        task_id: report.task.as_str(),
        state: report.outcome,
        status: report.status.as_deref(),
        reused: report.reused,
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
        http_status: None,
        error: redact_urls(&error.message),
    });
    let of_assets = report.errors.iter().map(|error| {
        let (code, http_status) = asset_error_code(error);
        ErrorObject {
            kind: Some(error.key().kind),
            index: Some(error.key().index),
            code: code.map(ErrorCode::Asset),
            http_status,
            error: redact_urls(&error.error),
        }
    });
    of_task.chain(of_assets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Counter, TaskCounters};

    #[test]
    fn progress_events_come_once_a_second_and_only_on_change() {
        let (total, tasks, start) = (Counter::default(), TaskCounters::default(), Instant::now());
        let (mut gauge, mut beat) = (ProgressEstimator::new(total.clone(), tasks.clone(), start), ProgressTicker::new(start));
        let mut told_at = |tenths: u64| {
            gauge.sample(start + PROGRESS_INTERVAL * 10);
            beat.next_line(&gauge, start + PROGRESS_INTERVAL / 10 * u32::try_from(tenths).unwrap())
        };
        tasks.discovered.add(2);
        assert_eq!(told_at(9), None, "a short run has none");
        assert_eq!(told_at(10).unwrap(), r#"{"event":"progress","done":0,"tasks":2,"waiting":0,"bytes":0,"bytes_per_second":0}"#);
        tasks.done.add(1);
        assert_eq!(told_at(19), None);
        assert!(told_at(20).is_some());
        assert_eq!(told_at(60), None, "nothing has moved");
        total.add(1);
        assert!(told_at(70).is_some());
    }
}
