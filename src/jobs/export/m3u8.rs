//! A playlist for players: every video and audio file, one after another, in UTF-8.
//!
//! A line is a comment, a title or a URI. A title has no line break and a URI is escaped, so no line can be read as one of
//! another type. Images are left out, because they do not play.

use std::io::{self, Write};

use super::{ExportItem, PathBase};

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "#EXTM3U")?;
    for item in items {
        match item.playing_seconds() {
            Some(seconds) => write!(to, "#EXTINF:{seconds:.3},")?,
            // The usual value for an unknown duration.
            None => write!(to, "#EXTINF:-1,")?,
        }
        writeln!(to, "{}\n{}", item.title(), base.uri(item.file))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;
    use serde_json::json;

    #[test]
    fn playable_files_are_listed_with_durations_and_escaped_titles() {
        let files = [
            ("image", "t/image-1.png", json!({})),
            ("file", "t/file-1.glb", json!({})),
            ("video", "t/video-1.mp4", json!({"duration_seconds": 5.1, "measured_duration_seconds": 5.083})),
            ("audio", "t/audio-1.mp3", json!({})),
        ];
        let list = written(TextFormat::M3u8, &task("a,b\r\n#EXTM3U\u{2028}\u{85}", &files), &beside("#1 a"));
        let title = "a,b\\r\\n#EXTM3U\\u{2028}\\u{85}";
        assert_eq!(
            list,
            format!(
                "#EXTM3U\n#EXTINF:5.083,{title} video 1\n%231%20a/t/video-1.mp4\n#EXTINF:-1,{title} audio 1\n%231%20a/t/audio-1.mp3\n"
            )
        );
    }
}
