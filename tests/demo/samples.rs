//! The sample tasks: the gateway's response for each platform, and what an archive of it must contain.
//!
//! A sample is a JSON template in four parts. `answer` is sent, `serves` maps each path of the media host to a media
//! file, `prompt` and `title` are what the account's list says of the task, and `expect` describes the archive afterwards. Before it is parsed, `{media}` is replaced by the address of
//! the media host, and `{base64:FILE}` and `{base64-unpadded:FILE}` by the bytes of a media file.
//!
//! Invariant: a response is sent as its author wrote it, with every odd field and null, in order.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Task {
    /// The files that the media host serves, by path without query.
    pub(crate) serves: BTreeMap<String, Served>,
    /// What the task was asked for.
    pub(crate) prompt: String,
    /// The title of a song.
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) answer: Value,
    pub(crate) expect: Expected,
}

/// A media file, with the media type of its name or the one that its real host would declare.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Served {
    Plain(String),
    Declared { file: String, content_type: String },
}

/// The task folder after a run: its name, its media files in sorted order, whether it has a `text.txt`, and the
/// state.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) folder: String,
    pub(crate) files: Vec<String>,
    pub(crate) text: bool,
    pub(crate) state: String,
}

impl Task {
    pub(crate) fn id(&self) -> &str {
        self.answer["task_id"].as_str().expect("every sample answer names its task")
    }

    /// The links of the answer that lead to `host`, in no particular order.
    pub(crate) fn links(&self, host: &str) -> Vec<&str> {
        strings(&self.answer).into_iter().filter(|text| text.starts_with(host)).collect()
    }
}

impl Served {
    pub(crate) fn file(&self) -> &str {
        match self {
            Self::Plain(file) | Self::Declared { file, .. } => file,
        }
    }

    pub(crate) fn content_type(&self) -> String {
        match self {
            Self::Plain(file) => mime_guess::from_path(file).first_or_octet_stream().to_string(),
            Self::Declared { content_type, .. } => content_type.clone(),
        }
    }
}

/// Every sample in `tasks_dir`, by file name.
pub(crate) fn load(tasks_dir: &Path, media_dir: &Path, media_host: &str) -> Vec<Task> {
    let entries = std::fs::read_dir(tasks_dir).expect("the folder of samples is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder of samples is readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| parse(path, media_dir, media_host)).collect()
}

/// The bytes of one media file.
pub(crate) fn read_media(media_dir: &Path, file: &str) -> Vec<u8> {
    let path = media_dir.join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("the media file {} is needed: {error}", path.display()))
}

fn parse(path: &Path, media_dir: &Path, media_host: &str) -> Task {
    let template = std::fs::read_to_string(path).expect("a sample is readable UTF-8");
    let json = fill_placeholders(&template.replace("{media}", media_host), media_dir);
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("the sample {} is broken: {error}", path.display()))
}

fn fill_placeholders(template: &str, media_dir: &Path) -> String {
    let mut pieces = template.split("{base64");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (placeholder, rest) = piece.split_once('}').expect("a placeholder ends with a brace");
        let (padding, file) = placeholder.split_once(':').expect("a placeholder names its file after a colon");
        let encoding = if padding == "-unpadded" { BASE64_STANDARD_NO_PAD } else { BASE64_STANDARD };
        encoding.encode_string(read_media(media_dir, file), &mut filled);
        filled.push_str(rest);
    }
    filled
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
