//! Decides whether a body that is text may be the file that the answer names: subtitles, JSON, a 3D model in text form.
//!
//! For an asset of kind `file` only. A text is what it was declared as, or it is refused like any other text: most texts that
//! arrive in place of a file are error messages. What the API declares counts most; a data URL has its type from there. The host's
//! type counts if it is the type of a text file and the URL's path names no other type. Hosts call error messages `text/plain`, so
//! that type counts only for a path such as `notes.txt`. The path alone counts if the text also has the form of its type.

use std::path::Path;

use super::markup;
use super::non_media::NonMedia;
use super::{MediaType, essence, find_by_essence};

/// Everything that says what a file is.
#[derive(Clone, Copy)]
pub(crate) struct TextClaims<'a> {
    /// The type that the API declares.
    pub api: Option<&'a str>,
    /// The type that the host declares.
    pub http: Option<&'a str>,
    /// The type of the extension in the URL's path.
    pub path: Option<MediaType>,
    /// Whether that extension is one of plain text.
    pub names_text: bool,
}

/// Whether a path has an extension of plain text without a row in the table of types.
#[must_use]
pub(crate) fn is_plain_text_path(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["txt", "csv", "tsv", "md", "lrc"].iter().any(|known| known.eq_ignore_ascii_case(extension))
}

impl MediaType {
    /// Whether its files are text, which is refused in place of pictures and sound.
    #[must_use]
    pub(crate) fn is_text_file(self) -> bool {
        matches!(self.extension(), "gltf" | "obj" | "srt" | "vtt" | "json")
    }
}

/// Whether a text is what it was declared as. `head` has its first bytes.
pub(super) fn is_expected(found: NonMedia, head: &[u8], claims: TextClaims<'_>) -> bool {
    // A PDF may have only printable bytes.
    if found == NonMedia::Text && head.starts_with(b"%PDF-") {
        return true;
    }
    let declared = |content_type: Option<&str>| content_type.map(essence).filter(|essence| !says_nothing(essence));
    if let Some(essence) = declared(claims.api) {
        return can_be(found, &essence);
    }
    let by_host = declared(claims.http).filter(|essence| match essence.as_str() {
        "text/plain" => claims.names_text,
        "text/html" | "text/xml" => false,
        essence => is_text_type(essence),
    });
    match (by_host, claims.path) {
        (Some(_), Some(path)) if !path.is_text_file() => false,
        (Some(essence), _) => can_be(found, &essence),
        (None, Some(path)) => path.is_text_file() && can_be(found, path.essence()) && has_form(path, head),
        (None, None) => false,
    }
}

fn says_nothing(essence: &str) -> bool {
    !essence.contains('/') || matches!(essence, "application/octet-stream" | "binary/octet-stream")
}

/// Whether a text of the form `found` can be of this type. Subtitles and models in text form may look like anything but markup.
fn can_be(found: NonMedia, essence: &str) -> bool {
    let is_json = essence.ends_with("/json") || essence.ends_with("+json");
    match found {
        NonMedia::Html => matches!(essence, "text/html" | "application/xhtml+xml"),
        NonMedia::Xml => essence.ends_with("/xml") || essence.ends_with("+xml"),
        NonMedia::Json => is_json,
        NonMedia::Text => is_json || is_text_type(essence),
    }
}

/// Whether the files of a type are or may be text: many formats of models have a text form, too.
fn is_text_type(essence: &str) -> bool {
    let is_unknown_text = || essence.starts_with("text/") || essence.starts_with("model/");
    find_by_essence(essence).map_or_else(is_unknown_text, MediaType::is_text_file)
}

/// Whether the text has the form of this type, as far as the form is not that of any JSON.
fn has_form(media_type: MediaType, head: &[u8]) -> bool {
    let text = markup::decode(head);
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match media_type.extension() {
        "vtt" => text.starts_with("WEBVTT"),
        "srt" => text.contains("-->"),
        "obj" => text.lines().any(|line| line.starts_with("v ")),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::media_type::from_path;

    #[test]
    fn text_is_expected_only_as_declared() {
        use NonMedia::{Html, Json, Text, Xml};
        let srt = "1\n00:00:00,000 --> 00:00:01,000\nla\n";
        for (found, body, api, http, path, expected) in [
            (Json, "{}", Some("application/json"), None, "x", true),
            (Json, "{}", Some("Model/GLTF+JSON; a=b"), None, "x", true),
            (Json, "{}", Some("model/gltf-binary"), Some("application/json"), "x.json", false),
            (Json, "{}", None, Some("application/json"), "x", true),
            (Json, "{}", None, Some("application/json"), "x.glb", false),
            (Json, "{}", Some("application/octet-stream"), Some("application/json"), "x.json", true),
            (Json, "{}", None, None, "x.json", true),
            (Json, "{}", None, None, "x", false),
            (Json, "{}", None, Some("text/vtt"), "x", false),
            (Text, srt, None, None, "x.srt", true),
            (Text, srt, None, Some("text/plain"), "x.srt", true),
            (Text, "Access denied", None, Some("text/plain"), "x.srt", false),
            (Text, "Access denied", None, Some("application/x-subrip"), "x", true),
            (Text, "Access denied", Some("text/plain"), None, "x", true),
            (Text, "Access denied", None, Some("text/plain"), "x", false),
            (Text, "Access denied", None, None, "x.glb", false),
            (Text, "WEBVTT\n", None, None, "x.vtt", true),
            (Text, "v 1 2 3\n", None, None, "x.obj", true),
            (Text, "%PDF-1.7\n", None, None, "x", true),
            (Text, "solid x", Some("model/stl"), Some("text/plain"), "x", true),
            (Text, "solid x", None, Some("model/stl"), "x.stl", true),
            (Text, "Access denied", Some("model/gltf-binary"), Some("text/plain"), "x.txt", false),
            (Text, "Access denied", None, Some("model/gltf-binary"), "x", false),
            (Text, "a,b", None, Some("text/csv"), "x", true),
            (Text, "words", None, Some("text/plain; charset=utf-8"), "x.TXT", true),
            (Text, "words", None, None, "x.txt", false),
            (Text, "words", None, Some("text/html"), "x.txt", false),
            (Json, "{}", None, Some("text/plain"), "x.txt", false),
            (Xml, "<Error/>", None, Some("text/xml"), "x", false),
            (Html, "<html>", Some("text/html"), None, "x", true),
            (Html, "<html>", None, Some("text/html"), "x.vtt", false),
            (Xml, "<a/>", Some("application/ttml+xml"), None, "x", true),
            (Xml, "<Error/>", None, Some("application/xml"), "x.zip", false),
        ] {
            let claims = TextClaims { api, http, path: from_path(path), names_text: is_plain_text_path(path) };
            assert_eq!(is_expected(found, body.as_bytes(), claims), expected, "{found} {api:?} {http:?} {path}");
        }
    }
}
