//! Media types: one closed table of types and extensions.
//!
//! Each source of a type (a declared type, the bytes, the extension of a path) leads to a row of `MEDIA_TYPES`. A row has
//! one common extension, which files get, and the other names in use for its type. Extensions come only from this table, so
//! no text from the network becomes part of a file name.
//!
//! It does not guess. A declared type that says nothing (`application/octet-stream`, a bare `mp4`) gives no row. A magic
//! number of two or three bytes is enough to choose an extension, but not to contradict the declared type: of random files,
//! one in 65 536 begins with `BM`.

mod container;
mod encoding;
mod head;
mod magic;
mod markup;
mod non_media;
mod packed;
mod signature;
mod sniff;
mod text_file;

use std::fmt;
use std::path::Path;

use crate::domain::asset_key::Kind;

pub(crate) use head::Head;
pub(crate) use magic::from_bytes;
pub(crate) use text_file::{TextClaims, is_plain_text_path};

/// A media type with a row in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaType {
    row: &'static MediaTypeRow,
    kind: Kind,
}

/// A declared media type: its name, which a manifest records, and its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredType {
    /// The declared name, in lower case, without parameters: `audio/mp3`.
    pub essence: String,
    /// The media type that the name stands for.
    pub media_type: MediaType,
}

#[derive(Debug, PartialEq, Eq)]
struct MediaTypeRow {
    extension: &'static str,
    essence: &'static str,
    aliases: &'static [&'static str],
}

const MEDIA_TYPES: &[MediaTypeRow] = &[
    row("jpg", "image/jpeg", &["image/jpg", "image/pjpeg", "image/x-jpeg", "image/jfif"]),
    row("png", "image/png", &["image/x-png", "image/apng", "image/vnd.mozilla.apng"]),
    row("webp", "image/webp", &["image/x-webp"]),
    row("gif", "image/gif", &[]),
    row("avif", "image/avif", &["image/avif-sequence"]),
    row("svg", "image/svg+xml", &["image/svg", "image/svg-xml"]),
    row("heic", "image/heic", &["image/heif", "image/heic-sequence", "image/heif-sequence"]),
    row("tiff", "image/tiff", &["image/tif", "image/x-tiff", "image/x-tif"]),
    row("bmp", "image/bmp", &["image/x-bmp", "image/x-ms-bmp", "image/vnd.ms-bmp"]),
    row("mp4", "video/mp4", &["application/mp4", "video/x-m4v", "video/x-mp4"]),
    row("mov", "video/quicktime", &["video/x-quicktime", "video/mov"]),
    row("webm", "video/webm", &["audio/webm"]),
    row("mkv", "video/x-matroska", &["video/matroska", "audio/x-matroska", "audio/matroska", "video/mkv", "video/x-mkv"]),
    row("avi", "video/x-msvideo", &["video/avi", "video/msvideo", "video/vnd.avi"]),
    row("mpg", "video/mpeg", &["video/mpg", "video/x-mpeg"]),
    row("m3u8", "application/vnd.apple.mpegurl", &["application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"]),
    row("mp3", "audio/mpeg", &["audio/mp3", "audio/x-mp3", "audio/x-mpeg", "audio/mpeg3", "audio/x-mpeg-3", "audio/mpg"]),
    row("wav", "audio/wav", &["audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav"]),
    row("flac", "audio/flac", &["audio/x-flac"]),
    row("ogg", "audio/ogg", &["application/ogg", "application/x-ogg", "audio/x-ogg", "audio/vorbis", "video/ogg"]),
    row("opus", "audio/opus", &["audio/x-opus"]),
    row("m4a", "audio/mp4", &["audio/x-m4a", "audio/m4a", "audio/mp4a-latm", "audio/x-mp4"]),
    row("aac", "audio/aac", &["audio/aacp", "audio/x-aac", "audio/x-hx-aac-adts"]),
    row("aiff", "audio/aiff", &["audio/x-aiff", "audio/aif", "audio/x-aif"]),
    row("glb", "model/gltf-binary", &[]),
    row("gltf", "model/gltf+json", &[]),
    row("obj", "model/obj", &["model/x-obj", "application/x-obj"]),
    row("usdz", "model/vnd.usdz+zip", &["model/x-vnd.usdz+zip"]),
    row("zip", "application/zip", &["application/x-zip", "application/x-zip-compressed"]),
    row("pdf", "application/pdf", &["application/x-pdf"]),
    row("srt", "application/x-subrip", &["application/srt", "text/srt", "text/x-srt", "text/x-subrip"]),
    row("vtt", "text/vtt", &["text/webvtt"]),
    row("json", "application/json", &["text/json"]),
    row("mid", "audio/midi", &["audio/mid", "audio/x-midi", "audio/x-mid", "application/x-midi"]),
];

const fn row(extension: &'static str, essence: &'static str, aliases: &'static [&'static str]) -> MediaTypeRow {
    MediaTypeRow { extension, essence, aliases }
}

/// Parses a `Content-Type`; `None` when it gives no type of the table.
#[must_use]
pub(crate) fn parse_content_type(content_type: &str) -> Option<DeclaredType> {
    let essence = essence(content_type);
    find_by_essence(&essence).map(|media_type| DeclaredType { essence, media_type })
}

/// The kind of a `Content-Type`, also of a type without a row: `audio/basic` is audio. `None` when it gives no kind.
#[must_use]
pub(crate) fn kind_of_content_type(content_type: &str) -> Option<Kind> {
    let essence = essence(content_type);
    find_by_essence(&essence).map(MediaType::kind).or_else(|| kind_of_essence(&essence))
}

/// The media type of the extension of a path's last segment.
#[must_use]
pub(crate) fn from_path(path: &str) -> Option<MediaType> {
    let name = Path::new(path.rsplit('/').next()?);
    // The table first, because mime_guess maps some of its extensions to another type (`opus` to `audio/ogg`), and the file
    // would get another extension. mime_guess maps all others: `jpeg`, `m4v`, `oga`.
    let extension = name.extension()?.to_str()?;
    let row = MEDIA_TYPES.iter().find(|row| row.extension.eq_ignore_ascii_case(extension));
    row.map(MediaType::from_row).or_else(|| find_by_essence(mime_guess::from_path(name).first_raw()?))
}

/// The start tag of the root element, without its brackets, if a file that begins with `head` is an SVG image.
#[must_use]
pub(crate) fn svg_tag(head: &[u8]) -> Option<String> {
    let text = markup::decode(head);
    markup::svg_tag(&text).map(|tag| String::from_utf8_lossy(tag).into_owned())
}

impl MediaType {
    /// An MP4 without pictures.
    #[must_use]
    pub(crate) fn mp4_audio() -> Self {
        find_by_essence("audio/mp4").expect("the table has audio/mp4")
    }

    /// The standard name of the type: `video/mp4`.
    #[must_use]
    pub(crate) fn essence(self) -> &'static str {
        self.row.essence
    }

    /// The extension of its files, without the dot.
    #[must_use]
    pub(crate) fn extension(self) -> &'static str {
        self.row.extension
    }

    /// Video, image, audio or file. For a container of several, the declared name decides.
    #[must_use]
    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    fn from_row(row: &'static MediaTypeRow) -> Self {
        let kind = match row.extension {
            "m3u8" => Kind::Video,
            _ => kind_of_essence(row.essence).unwrap_or(Kind::File),
        };
        Self { row, kind }
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row.essence)
    }
}

/// A `Content-Type` in lower case, without blanks and parameters.
fn essence(content_type: &str) -> String {
    let name = content_type.split(';').next().unwrap_or_default();
    name.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fn find_by_essence(essence: &str) -> Option<MediaType> {
    let row = MEDIA_TYPES.iter().find(|row| row.essence == essence || row.aliases.contains(&essence))?;
    let media_type = MediaType::from_row(row);
    Some(MediaType { kind: kind_of_essence(essence).unwrap_or(media_type.kind), ..media_type })
}

fn kind_of_essence(essence: &str) -> Option<Kind> {
    match essence.split_once('/').filter(|(_, name)| !name.is_empty())?.0 {
        "video" => Some(Kind::Video),
        "image" => Some(Kind::Image),
        "audio" => Some(Kind::Audio),
        "model" => Some(Kind::File),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(found: Option<MediaType>) -> &'static str {
        found.map_or("-", MediaType::extension)
    }

    #[test]
    fn table_names_are_unique_and_lower_case() {
        let mut names: Vec<&str> =
            MEDIA_TYPES.iter().flat_map(|row| row.aliases.iter().chain([&row.essence, &row.extension])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
    }

    #[test]
    fn declared_type_gives_its_extension_and_keeps_its_essence() {
        for (content_type, essence, expected, kind) in [
            ("video/mp4", "video/mp4", "mp4", Kind::Video),
            (" Video / MP4 ; codecs=\"avc1, mp4a\"", "video/mp4", "mp4", Kind::Video),
            ("image/JPG;q=1", "image/jpg", "jpg", Kind::Image),
            ("audio/mp3", "audio/mp3", "mp3", Kind::Audio),
            ("audio/x-m4a", "audio/x-m4a", "m4a", Kind::Audio),
            ("audio/webm;codecs=opus", "audio/webm", "webm", Kind::Audio),
            ("audio/x-matroska", "audio/x-matroska", "mkv", Kind::Audio),
            ("video/ogg", "video/ogg", "ogg", Kind::Video),
            ("application/ogg", "application/ogg", "ogg", Kind::Audio),
            ("application/x-mpegURL", "application/x-mpegurl", "m3u8", Kind::Video),
            ("image/svg+xml; charset=utf-8", "image/svg+xml", "svg", Kind::Image),
        ] {
            let declared = parse_content_type(content_type).unwrap();
            assert_eq!((declared.essence.as_str(), declared.media_type.extension()), (essence, expected), "{content_type}");
            assert_eq!(declared.media_type.kind(), kind, "{content_type}");
        }
    }

    #[test]
    fn uninformative_content_types_are_none() {
        for content_type in [
            "",
            " ",
            ";",
            "application/octet-stream",
            "binary/octet-stream",
            "mp4",
            ".mp4",
            "video",
            "video/",
            "text/html",
            "/",
            "video/mp4/x",
        ] {
            assert_eq!(parse_content_type(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn content_type_outside_the_table_still_gives_its_kind() {
        for (content_type, expected) in [
            ("audio/amr", Some(Kind::Audio)),
            (" IMAGE / jxl ;x", Some(Kind::Image)),
            ("application/ogg", Some(Kind::Audio)),
            ("application/octet-stream", None),
            ("application/pdf", Some(Kind::File)),
            ("text/vtt", Some(Kind::File)),
            ("model/stl", Some(Kind::File)),
            ("audio/midi", Some(Kind::Audio)),
            ("application/x-mpegurl", Some(Kind::Video)),
            ("application/x-tar", None),
            ("text/plain", None),
            ("audio/", None),
            ("audio", None),
        ] {
            assert_eq!(kind_of_content_type(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn every_extension_maps_back_to_itself() {
        for row in MEDIA_TYPES {
            assert_eq!(extension(from_path(&format!("/a/b.{}", row.extension))), row.extension);
            assert_eq!(extension(from_path(&format!("B.{}", row.extension.to_uppercase()))), row.extension);
            assert_eq!(extension(find_by_essence(row.essence)), row.extension);
        }
    }

    #[test]
    fn extension_is_read_from_the_last_path_segment() {
        for (path, expected) in [
            ("a.jpeg", "jpg"),
            ("/x/a.m4v", "mp4"),
            ("a.tif", "tiff"),
            ("a.aif", "aiff"),
            ("a.oga", "ogg"),
            ("a.mpeg", "mpg"),
            ("a.heif", "heic"),
            ("a.mka", "mkv"),
            ("a.html", "-"),
            ("a.mp4/", "-"),
            ("a.mp4/b", "-"),
            (".mp4", "-"),
            ("mp4", "-"),
            ("", "-"),
        ] {
            assert_eq!(extension(from_path(path)), expected, "{path}");
        }
    }
}
