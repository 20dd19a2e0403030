//! The gallery page: tasks in, one HTML page out.
//!
//! Owns what the page contains of a task, the order (newest first, unless a selection has another), and the escaping. All texts
//! of a task are hostile. They are in the page as JSON, in a data block without a single `<`. The script makes only text nodes
//! of them, and a content security policy allows no other script or style and no request. The page has a file's path only if
//! this program could have made it, so it is plain and relative. URLs have no query, because queries hold signatures.
//!
//! The same tasks give the same bytes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::origin::platform_and_model;
use crate::integrity::digest::sha256;
use crate::layout;
use crate::redact::redact_urls;

/// Every page of ours begins with this. A file that does not is never overwritten.
pub(super) const PAGE_MARKER: &str = "<!doctype html>\n<!-- yescale-dl gallery:";

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = concat!(include_str!("page.css"), include_str!("grid.css"), include_str!("viewer.css"));
/// One module. Each part uses only what the parts before it have made, until the last one starts the page.
const SCRIPT: &str = concat!(
    include_str!("element.js"),
    include_str!("task.js"),
    include_str!("view.js"),
    include_str!("layout.js"),
    include_str!("media.js"),
    include_str!("player.js"),
    include_str!("tile.js"),
    include_str!("grid.js"),
    include_str!("viewer.js"),
    include_str!("zoom.js"),
    include_str!("select.js"),
    include_str!("playall.js"),
    include_str!("keys.js"),
    include_str!("page.js"),
);

/// Collects tasks, in any order, and becomes the page.
#[derive(Default)]
pub(super) struct Page {
    cards: Vec<Card>,
    /// The URI of the archive, from a page that is not in it.
    base: String,
    /// Whether a selection has given the order.
    has_given_order: bool,
}

/// A task as JSON, with its sort keys.
pub(super) struct Card {
    time: Option<i64>,
    task_id: String,
    json: String,
}

/// A task as the script reads it. A field that is left out is empty or has the script's default.
#[derive(Serialize)]
struct CardData {
    id: String,
    /// The folder of its files, when that is not the id.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    /// In Unix seconds.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The model.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The message, unless it says the platform and the model alone.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Names and values, as text.
    #[serde(rename = "n", skip_serializing_if = "Vec::is_empty")]
    notes: Vec<(String, String)>,
    #[serde(rename = "f", skip_serializing_if = "Vec::is_empty")]
    files: Vec<CardFile>,
    /// Width and height of each file, 0 where unknown; empty if all are.
    #[serde(rename = "z", skip_serializing_if = "Vec::is_empty")]
    pixels: Vec<u32>,
    /// Assets that are missing, and why.
    #[serde(rename = "e", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<(String, String)>,
}

/// Name, size in bytes, duration in seconds as in the manifest, and the file's own duration where that contradicts it.
#[derive(Serialize)]
struct CardFile(
    String,
    u64,
    #[serde(skip_serializing_if = "Option::is_none")] Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")] Option<f64>,
);

impl Page {
    /// Adds a task. `is_single`: the page is in the folder of this one task.
    pub(super) fn add(&mut self, task: TaskEntry, is_single: bool) {
        self.cards.push(Card::new(task, is_single));
    }

    /// The page in an archive.
    #[must_use]
    pub(super) fn into_html(mut self) -> String {
        self.cards.sort_by(|one, other| other.time.cmp(&one.time).then_with(|| one.task_id.cmp(&other.task_id)));
        self.into_ordered_html()
    }

    /// A page of these cards, in their order, for an archive at the URI `base`.
    #[must_use]
    pub(super) fn html_of(cards: Vec<Card>, base: &str) -> String {
        let base = base.replace('&', "&amp;").replace('"', "&quot;");
        Self { cards, base, has_given_order: true }.into_ordered_html()
    }

    fn into_ordered_html(self) -> String {
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; img-src 'self' file:; media-src 'self' file:; base-uri 'none'; \
             form-action 'none'",
            csp_hash(SCRIPT),
            csp_hash(STYLE)
        );
        let page = TEMPLATE.replace("{{policy}}", &policy).replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
        let page = page.replace("{{base}}", &self.base).replace("{{order}}", if self.has_given_order { "given" } else { "" });
        // Last, so that nothing in the data is replaced as a placeholder.
        let data: Vec<&str> = self.cards.iter().map(|card| card.json.as_str()).collect();
        page.replace("{{data}}", &format!("[{}]", data.join(",\n")))
    }
}

impl Card {
    pub(super) fn new(task: TaskEntry, is_single: bool) -> Self {
        let data = CardData::from_task(task, is_single);
        let json = serde_json::to_string(&data).expect("texts and numbers under fixed names are valid JSON");
        Self { time: data.time, task_id: data.id, json: escape_json_for_html(&json) }
    }
}

impl CardData {
    fn from_task(mut task: TaskEntry, is_single: bool) -> Self {
        // Older manifests don't say what made a task.
        task.update_origin();
        let says_more = |message: &String| !matches!(platform_and_model(Some(message), None), (Some(_), Some(_)));
        let folder = layout::folder_name(&task.task_id);
        let name = |file: &FileEntry| {
            let name = if is_single { file.name() } else { file.name_in_folder(&folder) };
            name.map(str::to_owned)
        };
        let card_file = |file: &FileEntry| {
            let contradicting = file.measured_duration_seconds.filter(|_| file.has_contradicting_durations());
            Some(CardFile(name(file)?, file.size(), file.duration_seconds, contradicting))
        };
        let shown = || task.files.iter().filter(|file| name(file).is_some());
        let pixels: Vec<u32> = shown().flat_map(|file| [file.width.unwrap_or(0), file.height.unwrap_or(0)]).collect();
        let non_blank =
            |text: Option<String>| text.filter(|text| !text.trim().is_empty()).map(|text| redact_urls(&text).into_owned());
        let missing = |error: &AssetError| (error.key().to_string(), redact_urls(&error.error).into_owned());
        Self {
            time: [&task.finish_time, &task.submit_time, &task.archived_at]
                .into_iter()
                .flatten()
                .find_map(|time| unix_seconds(time)),
            state: (task.state != State::Complete).then_some(task.state),
            platform: non_blank(task.platform),
            model: non_blank(task.model),
            message: non_blank(task.message.filter(says_more)),
            reason: non_blank(task.err_reason),
            text: non_blank(task.text),
            notes: task.meta.into_iter().flatten().map(|(name, value)| (name, meta_value_text(value))).collect(),
            files: task.files.iter().filter_map(card_file).collect(),
            pixels: if pixels.iter().all(|size| *size == 0) { Vec::new() } else { pixels },
            errors: task.errors.iter().map(missing).collect(),
            folder: if is_single { Some(String::new()) } else { (folder != task.task_id).then_some(folder) },
            id: task.task_id,
        }
    }
}

fn unix_seconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// A value of `meta` as text. Numbers keep their digits.
fn meta_value_text(value: Value) -> String {
    let text = if let Value::String(text) = value { text } else { value.to_string() };
    redact_urls(&text).into_owned()
}

/// Escapes what a browser could read as markup or a line end. These characters occur only in strings, where an escape has the
/// same meaning.
fn escape_json_for_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The hash that names an inline script or style in the policy.
fn csp_hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(sha256(text.as_bytes())))
}

#[cfg(test)]
mod tests;
