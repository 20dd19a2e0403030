//! The formats: what each accepts, and which module writes it.
//!
//! Two durations: a table shows both, as the manifest has them. What plays or cuts the media (timelines, `m3u8`) needs the true
//! one: [`ExportItem::playing_seconds`], the container's where it is known, else the API's. `ffconcat` takes the container's alone.
//!
//! To add a format:
//!
//! 1. A module beside this one that writes it, and its `mod` line in `jobs/export/mod.rs`.
//! 2. A variant of [`ExportFormat`] here, and its row in [`ExportFormat::output`].
//! 3. For a format of one text: a variant of [`TextFormat`], with its row in [`TextFormat::write`] and, when it can't hold
//!    every file, in [`TextFormat::rejection_reason`]. For another folder: a variant of [`FormatOutput`], and its arms in
//!    `export`.
//! 4. The command line: a variant of `FormatArg` in `cli/args/export.rs`, and its arm in `cli/export.rs`.
//! 5. Its description in `docs/commands.md` and in section 8 of `docs/contract.md`.

use std::io::{self, Write};

use super::clip_facts::ClipFacts;
use super::path_base::PathBase;
use super::rows::rows;
use super::{csv, fcpxml, ffconcat, jsonl, m3u8, otio, xmeml};
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::media::duration::is_plausible;
use crate::redact::escape_control_chars;

/// A format of another program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExportFormat {
    /// A timeline for editors (OpenTimelineIO).
    Otio,
    /// A timeline for Final Cut Pro and Resolve (FCPXML).
    Fcpxml,
    /// A timeline for Premiere and Resolve (Final Cut Pro 7 XML).
    Xmeml,
    /// A list for ffmpeg's concat demuxer.
    Ffconcat,
    /// A table for spreadsheets, one row per file, per error, and per task without either.
    Csv,
    /// The same rows as JSON, one object per line.
    Jsonl,
    /// A playlist for players.
    M3u8,
    /// A BagIt 1.0 bag: a new folder with copies of the files and their checksums.
    Bagit,
}

impl ExportFormat {
    /// Whether an export in this format needs no more than the manifests, so that the files may be in a bucket.
    pub(super) fn needs_no_files(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }

    /// What an export in this format is on disk.
    pub(super) fn output(self) -> FormatOutput {
        match self {
            Self::Otio => FormatOutput::Text(TextFormat::Otio),
            Self::Fcpxml => FormatOutput::Text(TextFormat::Fcpxml),
            Self::Xmeml => FormatOutput::Text(TextFormat::Xmeml),
            Self::Ffconcat => FormatOutput::Text(TextFormat::Ffconcat),
            Self::Csv => FormatOutput::Text(TextFormat::Csv),
            Self::Jsonl => FormatOutput::Text(TextFormat::Jsonl),
            Self::M3u8 => FormatOutput::Text(TextFormat::M3u8),
            Self::Bagit => FormatOutput::Bag,
        }
    }
}

/// What an export is on disk.
pub(super) enum FormatOutput {
    /// One text.
    Text(TextFormat),
    /// A folder: a BagIt bag.
    Bag,
}

/// A format that is written as one text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextFormat {
    Otio,
    Fcpxml,
    Xmeml,
    Ffconcat,
    Csv,
    Jsonl,
    M3u8,
}

/// A file to export.
#[derive(Clone, Copy)]
pub(super) struct ExportItem<'a> {
    /// Its task.
    pub task: &'a TaskEntry,
    /// Its entry. The path is safe.
    pub file: &'a FileEntry,
    /// What is known of its duration, its pictures and its sound. Only timelines need it.
    pub facts: ClipFacts,
}

/// How long a file plays. The container counts for more than the API.
#[must_use]
pub(crate) fn playing_seconds(file: &FileEntry) -> Option<f64> {
    let durations = [file.measured_duration_seconds, file.duration_seconds];
    durations.into_iter().flatten().find(|seconds| is_plausible(*seconds))
}

impl ExportItem<'_> {
    /// How long the file plays. The container counts for more than the API.
    pub(super) fn playing_seconds(&self) -> Option<f64> {
        playing_seconds(self.file).or(self.facts.duration)
    }

    /// `777935781150867525 video 1`, on one line and with control characters escaped.
    pub(super) fn title(&self) -> String {
        escape_control_chars(&format!("{} {}", self.task.task_id, self.file.key())).into_owned()
    }
}

impl TextFormat {
    /// Whether it is a timeline: it needs the durations and the facts of its files.
    #[must_use]
    pub(super) fn is_timeline(self) -> bool {
        matches!(self, Self::Otio | Self::Fcpxml | Self::Xmeml)
    }

    /// Whether it needs absolute paths wherever it is written.
    #[must_use]
    pub(super) fn needs_absolute_paths(self) -> bool {
        matches!(self, Self::Fcpxml | Self::Xmeml)
    }

    /// Whether it is a table: it also has rows for tasks without files.
    #[must_use]
    pub(super) fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }

    /// Whether the format has a place for files of this kind.
    #[must_use]
    pub(super) fn holds(self, kind: Kind) -> bool {
        match self {
            Self::Csv | Self::Jsonl => true,
            Self::Ffconcat | Self::M3u8 => plays(kind),
            Self::Otio | Self::Fcpxml | Self::Xmeml => kind != Kind::File,
        }
    }

    /// Leaves the files that are written, of those that the format has a place for.
    pub(super) fn keep_listed(self, items: &mut Vec<ExportItem<'_>>) {
        if self == Self::Ffconcat {
            ffconcat::keep_listed(items);
        }
    }

    /// Why the format can't hold a file, although it holds others of this kind.
    #[must_use]
    pub(super) fn rejection_reason(self, item: &ExportItem<'_>) -> Option<&'static str> {
        match self {
            Self::Csv | Self::Jsonl => None,
            _ if item.file.is_playlist() => Some("it is a playlist, and the media that it lists are not here"),
            _ if self.is_timeline() && plays(item.file.key().kind) && item.playing_seconds().is_none() => {
                Some("its duration is unknown, and a timeline needs it")
            }
            _ => None,
        }
    }

    /// Whether an export of `items`, the files of `tasks`, has anything in it.
    #[must_use]
    pub(super) fn has_content(self, tasks: &[TaskEntry], items: &[ExportItem<'_>]) -> bool {
        match self {
            Self::Csv | Self::Jsonl => rows(tasks, items).next().is_some(),
            _ => !items.is_empty(),
        }
    }

    /// Writes `items`, the files of `tasks`, to `to`, with paths from `base`. `rate` is for files without a frame rate of their
    /// own.
    ///
    /// # Errors
    /// When `to` fails, or the format can't hold the archive's own path.
    pub(super) fn write(
        self,
        tasks: &[TaskEntry],
        items: &[ExportItem<'_>],
        base: &PathBase,
        rate: FrameRate,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Otio => otio::write(items, base, rate, to),
            Self::Fcpxml => fcpxml::write(items, base, rate, to),
            Self::Xmeml => xmeml::write(items, base, rate, to),
            Self::Ffconcat => ffconcat::write(items, base, to),
            Self::Csv => csv::write(tasks, items, base, to),
            Self::Jsonl => jsonl::write(tasks, items, base, to),
            Self::M3u8 => m3u8::write(items, base, to),
        }
    }
}

/// Whether files of this kind have a duration.
#[must_use]
pub(super) fn plays(kind: Kind) -> bool {
    matches!(kind, Kind::Video | Kind::Audio)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A task of these files, each a kind, a path and more fields.
    pub(in crate::jobs::export) fn task(id: &str, files: &[(&str, &str, Value)]) -> TaskEntry {
        let file = |(kind, path, more): &(&str, &str, Value)| {
            let mut file = json!({"kind": kind, "index": 1, "path": path, "size": 7, "sha256": "0".repeat(64)});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            file
        };
        let files: Vec<Value> = files.iter().map(file).collect();
        serde_json::from_value(json!({"task_id": id, "state": "complete", "files": files})).unwrap()
    }

    /// The items of a task, with the facts of their entries.
    pub(in crate::jobs::export) fn items(task: &TaskEntry) -> Vec<ExportItem<'_>> {
        task.files.iter().map(|file| ExportItem { task, file, facts: ClipFacts::recorded(file) }).collect()
    }

    pub(in crate::jobs::export) fn written(format: TextFormat, task: &TaskEntry, place: &PathBase) -> String {
        written_tasks(format, std::slice::from_ref(task), place)
    }

    pub(in crate::jobs::export) fn written_tasks(format: TextFormat, tasks: &[TaskEntry], place: &PathBase) -> String {
        let mut items: Vec<ExportItem<'_>> =
            tasks.iter().flat_map(items).filter(|item| format.holds(item.file.key().kind)).collect();
        format.keep_listed(&mut items);
        let mut bytes = Vec::new();
        format.write(tasks, &items, place, FrameRate::FILM, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn measured_duration_wins_and_implausible_ones_are_ignored() {
        for (measured, declared, expected) in [
            (json!(5.083), json!(5.1), Some(5.083)),
            (Value::Null, json!(5.1), Some(5.1)),
            (json!(-1), json!(5.1), Some(5.1)),
            (json!(0), json!(1e300), None),
        ] {
            let times = json!({"measured_duration_seconds": measured, "duration_seconds": declared});
            let task = task("t", &[("video", "t/video-1.mp4", times)]);
            let item = items(&task)[0];
            assert_eq!(item.playing_seconds(), expected, "{measured} {declared}");
            for format in [TextFormat::Otio, TextFormat::Fcpxml, TextFormat::Xmeml] {
                assert_eq!(format.rejection_reason(&item).is_some(), expected.is_none());
            }
        }
    }

    #[test]
    fn hls_playlist_is_exported_to_tables_only() {
        let task = task("t", &[("video", "t/video-1.m3u8", json!({"duration_seconds": 5}))]);
        let formats = [TextFormat::Otio, TextFormat::Fcpxml, TextFormat::Xmeml, TextFormat::Ffconcat, TextFormat::M3u8];
        assert!(formats.iter().all(|format| format.rejection_reason(&items(&task)[0]).is_some()));
        assert!([TextFormat::Csv, TextFormat::Jsonl].iter().all(|table| table.rejection_reason(&items(&task)[0]).is_none()));
    }
}
