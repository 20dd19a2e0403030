//! Writes tags into a copy of an audio file: title, artist, comment, lyrics, track, cover.
//!
//! The file must be a copy. The crate that knows the formats rewrites it, can fail in the middle, and can panic on damaged files.
//! So after an error the copy can hold anything, and the caller makes it again. What was written is read again: a file whose tags
//! can't be read back counts as failed. Tags that the file has already stay, unless they are replaced.
//!
//! Only the six formats of [`is_taggable`] are written; the bytes decide which it is, not the name.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use lofty::config::{ParseOptions, WriteOptions};
use lofty::file::{AudioFile as _, FileType, TaggedFile, TaggedFileExt as _};
use lofty::picture::{MimeType, Picture, PictureType};
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag, TagType};

/// The extensions of the formats that tags are written into.
const TAGGABLE: [&str; 6] = ["mp3", "m4a", "flac", "ogg", "opus", "wav"];
/// The most bytes of a file to tag: some formats are rewritten in memory.
pub(crate) const MAX_TAGGED_SIZE: u64 = 512 << 20;
/// The most bytes of a cover. FLAC takes 16 MiB.
pub(crate) const MAX_COVER_SIZE: u64 = 8 << 20;

/// What to write. An empty text is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tags {
    pub title: String,
    pub artist: String,
    pub comment: String,
    pub lyrics: String,
    /// The number of the track, and of all tracks.
    pub track: (u32, u32),
    pub cover: Option<Cover>,
}

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cover {
    pub is_png: bool,
    pub bytes: Vec<u8>,
}

/// Whether tags are written into files with this extension.
#[must_use]
pub(crate) fn is_taggable(extension: &str) -> bool {
    TAGGABLE.contains(&extension)
}

/// Writes the tags into `copy`. After an error, the copy can hold anything.
///
/// # Errors
/// Why they can't be written, for people.
pub(crate) fn write(copy: &mut File, tags: &Tags) -> Result<(), String> {
    let written = catch_unwind(AssertUnwindSafe(|| write_and_check(copy, tags)));
    written.unwrap_or_else(|_| Err("the file is not as its format wants it".to_owned()))
}

fn write_and_check(copy: &mut File, tags: &Tags) -> Result<(), String> {
    let mut tagged = read(copy)?;
    let kind = tagged.primary_tag_type();
    let mut tag = tagged.remove(kind).unwrap_or_else(|| Tag::new(kind));
    fill(&mut tag, tags);
    let title = tag.get_string(ItemKey::TrackTitle).map(str::to_owned);
    let length = tagged.properties().duration();
    tagged.insert_tag(tag);
    copy.rewind().map_err(message)?;
    tagged.save_to(copy, WriteOptions::default()).map_err(message)?;
    let again = read(copy)?;
    let read_title = again.primary_tag().and_then(|tag| tag.get_string(ItemKey::TrackTitle)).map(str::to_owned);
    let is_same = read_title == title && again.properties().duration() == length;
    if is_same { Ok(()) } else { Err("can't read back what was written".to_owned()) }
}

fn read(file: &mut File) -> Result<TaggedFile, String> {
    file.rewind().map_err(message)?;
    let probe = Probe::new(BufReader::new(&*file)).options(ParseOptions::new()).guess_file_type().map_err(message)?;
    match probe.file_type() {
        Some(FileType::Mpeg | FileType::Mp4 | FileType::Flac | FileType::Vorbis | FileType::Opus | FileType::Wav) => {
            probe.read().map_err(message)
        }
        _ => Err("its bytes are of none of the formats that tags are written into".to_owned()),
    }
}

fn fill(tag: &mut Tag, tags: &Tags) {
    // ID3 has only lyrics without times; the others have one field for both.
    let lyrics = if tag.tag_type() == TagType::Id3v2 { ItemKey::UnsyncLyrics } else { ItemKey::Lyrics };
    let (number, total) = (tags.track.0.to_string(), tags.track.1.to_string());
    for (key, text) in [
        (ItemKey::TrackTitle, tags.title.as_str()),
        (ItemKey::TrackArtist, &tags.artist),
        (ItemKey::Comment, &tags.comment),
        (lyrics, &tags.lyrics),
        (ItemKey::TrackNumber, &number),
        (ItemKey::TrackTotal, &total),
    ] {
        // A NUL ends a text in some formats.
        let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if !text.trim().is_empty() {
            tag.insert_text(key, text);
        }
    }
    if let Some(Cover { is_png, bytes }) = &tags.cover {
        let mime = if *is_png { MimeType::Png } else { MimeType::Jpeg };
        // MP4 has no types of pictures: each of them is a cover.
        while tag.tag_type() == TagType::Mp4Ilst && tag.picture_count() > 0 {
            tag.remove_picture(0);
        }
        tag.remove_picture_type(PictureType::CoverFront);
        tag.push_picture(Picture::unchecked(bytes.clone()).pic_type(PictureType::CoverFront).mime_type(mime).build());
    }
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::path::Path;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the samples are files")]
    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).unwrap()
    }

    fn copy_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn tags() -> Tags {
        Tags {
            title: "Mèo & \"con\"\0".to_owned(),
            artist: "suno v4".to_owned(),
            comment: "a cat\non the moon".to_owned(),
            lyrics: "[Verse]\nla la".to_owned(),
            track: (2, 3),
            cover: Some(Cover { is_png: true, bytes: sample("picture.png") }),
        }
    }

    #[test]
    fn tags_are_written_into_each_format_and_read_back() {
        for name in ["song.mp3", "song.m4a", "song.flac", "song.ogg", "song.opus", "song.wav"] {
            let mut file = copy_of(&sample(name));
            for _ in 0..2 {
                write(&mut file, &tags()).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let tagged = read(&mut file).unwrap();
            let tag = tagged.primary_tag().unwrap();
            let text = |key| tag.get_string(key).unwrap_or_default().to_owned();
            assert_eq!(text(ItemKey::TrackTitle), "Mèo & \"con\"", "{name}");
            assert_eq!(text(ItemKey::TrackArtist), "suno v4", "{name}");
            assert_eq!(text(ItemKey::Comment), "a cat\non the moon", "{name}");
            let lyrics = [ItemKey::Lyrics, ItemKey::UnsyncLyrics].map(text).join("");
            assert!(lyrics.starts_with("[Verse]\nla la"), "{name} {lyrics}");
            assert_eq!((text(ItemKey::TrackNumber), text(ItemKey::TrackTotal)), ("2".to_owned(), "3".to_owned()), "{name}");
            assert_eq!(tag.pictures().len(), 1, "{name}");
            assert_eq!(tag.pictures()[0].data(), sample("picture.png"), "{name}");
        }
    }

    #[test]
    fn damaged_and_foreign_files_are_errors() {
        for (name, length) in
            [("picture.png", usize::MAX), ("song.m4a", 200), ("song.ogg", 100), ("song.flac", 30), ("song.wav", 20)]
        {
            let bytes = sample(name);
            let mut file = copy_of(&bytes[..bytes.len().min(length)]);
            assert!(write(&mut file, &tags()).is_err(), "{name}");
        }
        assert!(write(&mut copy_of(b""), &tags()).is_err());
    }

    #[test]
    fn mutated_files_end_with_a_result() {
        let mut random = fastrand::Rng::with_seed(17);
        for name in ["song.mp3", "song.m4a", "song.flac", "song.ogg", "song.opus", "song.wav"] {
            let bytes = sample(name);
            for _ in 0..40 {
                let mut bytes = bytes.clone();
                let head = bytes.len().min(2000);
                (0..random.usize(1..8)).for_each(|_| bytes[random.usize(..head)] = random.u8(..));
                let mut file = copy_of(&bytes);
                if write(&mut file, &tags()).is_ok() {
                    file.rewind().unwrap();
                    let mut written = Vec::new();
                    file.read_to_end(&mut written).unwrap();
                    assert!(!written.is_empty());
                }
            }
        }
    }
}
