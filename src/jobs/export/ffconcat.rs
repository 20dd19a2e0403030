//! A list for ffmpeg's concat demuxer: the videos, or the audio files if there are no videos.
//!
//! Use: `ffmpeg -f concat -safe 0 -i LIST -c copy OUT`. Within single quotes only the quote is special. A line break can't
//! be written at all and is refused. A duration is written only if it is the container's, so that ffmpeg can seek through
//! the whole list; the API's is not exact enough for that.

use std::io::{self, Write};

use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::media::duration::is_plausible;

/// Leaves the videos, or the audio files if there are no videos.
pub(super) fn keep_listed(items: &mut Vec<ExportItem<'_>>) {
    let has_video = items.iter().any(|item| item.file.key().kind == Kind::Video);
    items.retain(|item| item.file.key().kind == if has_video { Kind::Video } else { Kind::Audio });
}

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "ffconcat version 1.0")?;
    for item in items {
        writeln!(to, "file {}", quoted(&base.path(item.file))?)?;
        if let Some(seconds) = item.file.measured_duration_seconds.filter(|seconds| is_plausible(*seconds)) {
            writeln!(to, "duration {seconds:.3}")?;
        }
    }
    Ok(())
}

fn quoted(path: &str) -> io::Result<String> {
    if path.contains(['\n', '\r', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("ffconcat can't hold the line break in {path}")));
    }
    Ok(format!("'{}'", path.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{items, task, written};
    use crate::jobs::export::path_base::tests::beside;
    use serde_json::json;

    #[test]
    fn lists_videos_or_else_audio_with_measured_durations_only() {
        let video = ("video", "t/video-1.mp4", json!({"measured_duration_seconds": 1.5, "duration_seconds": 2}));
        let audio = ("audio", "t/audio-1.mp3", json!({"duration_seconds": 2}));
        let list = |files: &[_]| written(TextFormat::Ffconcat, &task("t", files), &beside("a"));
        let both = list(&[audio.clone(), video]);
        assert_eq!(both, "ffconcat version 1.0\nfile 'a/t/video-1.mp4'\nduration 1.500\n");
        assert_eq!(list(&[audio]), "ffconcat version 1.0\nfile 'a/t/audio-1.mp3'\n");
        assert_eq!(list(&[]), "ffconcat version 1.0\n");
    }

    #[test]
    fn quotes_are_escaped_and_line_breaks_rejected() {
        for (name, expected) in [
            ("it's", "file 'it'\\''s/t/video-1.mp4'\n"),
            // On Windows this is a folder in a folder.
            #[cfg(unix)]
            ("a\\b", "file 'a\\b/t/video-1.mp4'\n"),
            ("#a b", "file './#a b/t/video-1.mp4'\n"),
            ("http:a", "file './http:a/t/video-1.mp4'\n"),
        ] {
            let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
            assert_eq!(written(TextFormat::Ffconcat, &task, &beside(name)).split_once('\n').unwrap().1, expected);
        }
        for name in ["a\nfile 'b", "a\rb"] {
            let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
            assert!(write(&items(&task), &beside(name), &mut Vec::new()).is_err(), "{name:?}");
        }
    }
}
