//! Events as JSON, one object a line: what pipelines read. Its shape is the contract's section 6.

use serde::Serialize;

use crate::event::{Event, Fault, FileReport, Outcome, TaskReport};
use crate::kind::Kind;
use crate::manifest::FileEntry;
use crate::secret::unsigned;

/// The manifest entry of a file, but for its `url`, which is signed.
#[derive(Serialize)]
struct File<'a> {
    event: &'static str,
    task_id: &'a str,
    kind: Kind,
    index: usize,
    path: &'a str,
    size: u64,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a str>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Task<'a> {
    event: &'static str,
    task_id: &'a str,
    state: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    reused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    files: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Plan<'a> {
    event: &'static str,
    task_id: &'a str,
    action: &'static str,
    path: &'a str,
    reason: &'a str,
}

/// The line for an event; none for what only people want to know.
pub(super) fn line(event: &Event) -> Option<String> {
    match event {
        Event::File(report) => json(&file(report)),
        Event::Task(report) => json(&task(report)),
        Event::Summary(summary) => json(&Tagged { event: "summary", counts: summary }),
        Event::Planned { task, action, path, reason } => {
            json(&Plan { event: "plan", task_id: task.as_str(), action, path, reason })
        }
        Event::Finding(path, fault) => json(&Finding { event: "finding", path, finding: *fault }),
        Event::Verified(counts) => json(&Tagged { event: "summary", counts }),
        Event::Queued | Event::Waiting(_) | Event::Started(_) | Event::Ended(_) | Event::Warning(_) | Event::Detail(_) => None,
    }
}

fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn file(report: &FileReport) -> File<'_> {
    let entry: &FileEntry = &report.entry;
    File {
        event: "file",
        task_id: report.task.as_str(),
        kind: entry.slot().kind,
        index: entry.slot().index,
        path: &report.path,
        size: entry.size(),
        sha256: entry.sha256().as_str(),
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
        event: "task",
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

#[derive(Serialize)]
struct Finding<'a> {
    event: &'static str,
    path: &'a str,
    finding: Fault,
}

/// Counts, with the event's name in front.
struct Tagged<'a, T> {
    event: &'static str,
    counts: &'a T,
}

impl<T: Serialize> Serialize for Tagged<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeMap};
        let serde_json::Value::Object(fields) = serde_json::to_value(self.counts).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("counts are an object"));
        };
        let mut map = serializer.serialize_map(Some(fields.len() + 1))?;
        map.serialize_entry("event", self.event)?;
        for (name, value) in &fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
