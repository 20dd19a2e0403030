//! An archive's manifests, told as other programs read them: timelines, playlists, tables, bags.
//!
//! Pure: entries go in, text comes out. One file a format, each with the escaping of that format; what a
//! format can't hold is refused with a reason, never bent. Everything in an entry is hostile, save for a
//! file's path, which the store has found to be a plain name in a task's folder.
//!
//! The order is that of the manifest: task id, kind, number.

mod bagit;
mod csv;
mod ffconcat;
mod m3u8;
mod otio;
mod path_base;

use std::io::{self, Write};

pub(crate) use bagit::{Payload, tag_files};
pub(crate) use path_base::PathBase;

use crate::domain::asset_key::Kind;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::media::duration::is_plausible;
use crate::redact::escape_control_chars;

/// What a file can be written as; a bag is more than one, see [`tags`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// A timeline, for editors.
    Otio,
    /// A list for ffmpeg.
    Ffconcat,
    /// A table, for spreadsheets.
    Csv,
    /// A playlist, for players.
    M3u8,
}

/// A file that is there.
#[derive(Clone, Copy)]
pub(crate) struct ExportItem<'a> {
    /// The task that it is of.
    pub task: &'a TaskEntry,
    /// Its entry, with a path that is safe.
    pub file: &'a FileEntry,
    /// The frames a second of a video, where it tells.
    pub frame_rate: Option<f64>,
}

impl ExportItem<'_> {
    /// How long it plays: what its container says counts for more than what the API does.
    fn seconds(&self) -> Option<f64> {
        let told = [self.file.measured_duration_seconds, self.file.duration_seconds];
        told.into_iter().flatten().find(|seconds| is_plausible(*seconds))
    }

    /// `777935781150867525 video 1`, in one line and without what readers stumble over.
    fn title(&self) -> String {
        escape_control_chars(&format!("{} {}", self.task.task_id, self.file.key())).into_owned()
    }
}

impl Format {
    /// Why the format can't take a file of a kind that it does take.
    #[must_use]
    pub(crate) fn rejection_reason(self, item: &ExportItem<'_>) -> Option<&'static str> {
        match self {
            Self::Csv => None,
            _ if item.file.is_playlist() => Some("it is a playlist, and the media that it lists are not here"),
            Self::Otio if item.file.key().kind != Kind::Image && item.seconds().is_none() => {
                Some("nobody says how long it plays, and a timeline has to know")
            }
            _ => None,
        }
    }

    /// Writes `items` to `to`, their files named by `place`; `rate` is for what has none of its own.
    ///
    /// # Errors
    /// What `to` reports; or when the format can't hold the archive's own path.
    pub(crate) fn write(self, items: &[ExportItem<'_>], place: &PathBase, rate: f64, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Otio => otio::write(items, place, rate, to),
            Self::Ffconcat => ffconcat::write(items, place, to),
            Self::Csv => csv::write(items, place, to),
            Self::M3u8 => m3u8::write(items, place, to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A task of these files, each a kind, a path and more fields.
    pub(super) fn task(id: &str, files: &[(&str, &str, Value)]) -> TaskEntry {
        let file = |(kind, path, more): &(&str, &str, Value)| {
            let mut file = json!({"kind": kind, "index": 1, "path": path, "size": 7, "sha256": "0".repeat(64)});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            file
        };
        let files: Vec<Value> = files.iter().map(file).collect();
        serde_json::from_value(json!({"task_id": id, "state": "complete", "files": files})).unwrap()
    }

    /// The items of a task, their rate 12.
    pub(super) fn items(task: &TaskEntry) -> Vec<ExportItem<'_>> {
        task.files.iter().map(|file| ExportItem { task, file, frame_rate: Some(12.0) }).collect()
    }

    pub(super) fn written(format: Format, task: &TaskEntry, place: &PathBase) -> String {
        let mut bytes = Vec::new();
        format.write(&items(task), place, 24.0, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn measured_duration_wins_and_implausible_ones_are_ignored() {
        for (measured, told, expected) in [
            (json!(5.083), json!(5.1), Some(5.083)),
            (Value::Null, json!(5.1), Some(5.1)),
            (json!(-1), json!(5.1), Some(5.1)),
            (json!(0), json!(1e300), None),
        ] {
            let times = json!({"measured_duration_seconds": measured, "duration_seconds": told});
            let task = task("t", &[("video", "t/video-1.mp4", times)]);
            let item = items(&task)[0];
            assert_eq!(item.seconds(), expected, "{measured} {told}");
            assert_eq!(Format::Otio.rejection_reason(&item).is_some(), expected.is_none());
        }
    }

    #[test]
    fn hls_playlist_is_exported_to_csv_only() {
        let task = task("t", &[("video", "t/video-1.m3u8", json!({"duration_seconds": 5}))]);
        let refused =
            [Format::Otio, Format::Ffconcat, Format::M3u8, Format::Csv].map(|format| format.rejection_reason(&items(&task)[0]));
        assert_eq!(refused.map(|refusal| refusal.is_some()), [true, true, true, false]);
    }
}
