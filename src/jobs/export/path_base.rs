//! The paths and URIs of files as an export writes them.
//!
//! Only the path to the archive's root needs escaping: it may hold anything that a file system allows. The names below it
//! are ours, from alphabets that need no escaping anywhere.
//!
//! Invariant: a program can't read the beginning of a relative path as an option, a protocol or a formula, nor the beginning
//! of a relative URI as a comment or a scheme.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::domain::manifest::FileEntry;

/// Everything but what a segment of a URI may hold unescaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same for a path: it keeps its separators.
const ESCAPED_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// The path from an export to the archive's root.
#[derive(Debug)]
pub(in crate::jobs) struct PathBase {
    path: String,
    uri: String,
}

impl PathBase {
    /// For an export that may be moved. None when the archive's path is not UTF-8, or not absolute.
    #[must_use]
    pub(super) fn absolute(root: &Path) -> Option<Self> {
        let uri = Url::from_directory_path(root).ok()?;
        Some(Self { path: format!("{}/", with_forward_slashes(root)?.trim_end_matches('/')), uri: uri.into() })
    }

    /// For an export in `folder`. None as for [`PathBase::absolute`].
    #[must_use]
    pub(super) fn relative_to(folder: &Path, root: &Path) -> Option<Self> {
        let path = pathdiff::diff_paths(root, folder)?;
        if path.is_absolute() {
            // On Windows there is no relative path from one drive to another.
            return Self::absolute(root);
        }
        let path = with_forward_slashes(&path)?;
        if path.is_empty() {
            return Some(Self { path: String::new(), uri: String::new() });
        }
        let segments: Vec<String> = path.split('/').map(|segment| utf8_percent_encode(segment, ESCAPED).to_string()).collect();
        let start = if is_plain(&path) { "" } else { "./" };
        Some(Self { path: format!("{start}{path}/"), uri: format!("{}/", segments.join("/")) })
    }

    /// For an archive in a bucket.
    #[must_use]
    pub(super) fn in_bucket(url: &str) -> Self {
        Self { path: format!("{url}/"), uri: format!("{url}/") }
    }

    /// The path of a file of the archive.
    #[must_use]
    pub(super) fn path(&self, file: &FileEntry) -> String {
        format!("{}{}", self.path, file.path())
    }

    /// The path of a task's text, which stands at `path` in the archive.
    #[must_use]
    pub(super) fn text_path(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    /// The beginning of every URI.
    #[must_use]
    pub(in crate::jobs) fn uri_prefix(&self) -> &str {
        &self.uri
    }

    /// The URI, or the relative reference, of a file of the archive.
    #[must_use]
    pub(super) fn uri(&self, file: &FileEntry) -> String {
        format!("{}{}", self.uri, file.path())
    }

    /// The URL of a file as FCPXML has it: `file:///home/a%20b`, `file:///C:/a`, `file://server/share/a`. Only for an absolute
    /// base.
    #[must_use]
    pub(super) fn file_url(&self, file: &FileEntry) -> String {
        match AbsolutePath::parse(&self.path(file)) {
            AbsolutePath::Unix(path) => format!("file://{path}"),
            AbsolutePath::Drive(drive, path) => format!("file:///{drive}:{path}"),
            AbsolutePath::Share(path) => format!("file://{path}"),
        }
    }

    /// The URL of a file as Premiere writes it: `file://localhost/home/a%20b`, `file://localhost/C%3a/a`,
    /// `file://localhost//server/share/a`. Only for an absolute base.
    #[must_use]
    pub(super) fn localhost_url(&self, file: &FileEntry) -> String {
        match AbsolutePath::parse(&self.path(file)) {
            AbsolutePath::Unix(path) => format!("file://localhost{path}"),
            AbsolutePath::Drive(drive, path) => format!("file://localhost/{drive}%3a{path}"),
            AbsolutePath::Share(path) => format!("file://localhost//{path}"),
        }
    }
}

/// The forms of an absolute path, which URLs treat differently. The paths are encoded.
enum AbsolutePath {
    /// From the root, with its `/`.
    Unix(String),
    /// From a drive of Windows, with the `/` behind the colon.
    Drive(char, String),
    /// The server of a Windows share, and what follows.
    Share(String),
}

impl AbsolutePath {
    fn parse(path: &str) -> Self {
        let encode = |path: &str| utf8_percent_encode(path, ESCAPED_PATH).to_string();
        if let Some(share) = path.strip_prefix("//") {
            return Self::Share(encode(share));
        }
        match path.split_once(':') {
            Some((drive, rest)) if drive.len() == 1 && rest.starts_with('/') => {
                Self::Drive(drive.chars().next().unwrap_or_default(), encode(rest))
            }
            _ => Self::Unix(encode(path)),
        }
    }
}

/// The path with the separator that every system and every format understands.
fn with_forward_slashes(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    Some(if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() })
}

fn is_plain(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.') && !first.contains(':')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::jobs::export::format::tests::task;
    use serde_json::json;

    /// The base of an archive called `name`, beside the export.
    pub(in crate::jobs::export) fn beside(name: &str) -> PathBase {
        PathBase::relative_to(Path::new("/home"), &Path::new("/home").join(name)).unwrap()
    }

    /// The base of an archive at this absolute path, which ends with `/`.
    pub(in crate::jobs::export) fn at(path: &str) -> PathBase {
        PathBase { path: path.to_owned(), uri: format!("file://{path}") }
    }

    #[cfg(unix)]
    fn named(base: &PathBase) -> (String, String) {
        let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
        (base.path(&task.files[0]), base.uri(&task.files[0]))
    }

    #[cfg(unix)]
    #[test]
    fn file_paths_are_relative_to_the_export_folder() {
        for (folder, root, path, uri) in [
            ("/a", "/a", "t/video-1.mp4", "t/video-1.mp4"),
            ("/a", "/a/b c", "b c/t/video-1.mp4", "b%20c/t/video-1.mp4"),
            ("/a/x/y", "/a/b", "../../b/t/video-1.mp4", "../../b/t/video-1.mp4"),
            ("/a", "/", "../t/video-1.mp4", "../t/video-1.mp4"),
            ("/a", "/a/#1", "./#1/t/video-1.mp4", "%231/t/video-1.mp4"),
            ("/a", "/a/-x", "./-x/t/video-1.mp4", "-x/t/video-1.mp4"),
            ("/a", "/a/=1+1", "./=1+1/t/video-1.mp4", "%3D1%2B1/t/video-1.mp4"),
            ("/a", "/a/http:", "./http:/t/video-1.mp4", "http%3A/t/video-1.mp4"),
            ("/a", "/a/%41?é\n", "./%41?é\n/t/video-1.mp4", "%2541%3F%C3%A9%0A/t/video-1.mp4"),
        ] {
            let base = PathBase::relative_to(Path::new(folder), Path::new(root)).unwrap();
            assert_eq!(named(&base), (path.to_owned(), uri.to_owned()), "{root}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn export_without_a_fixed_location_uses_absolute_paths() {
        for (root, path, uri) in [
            ("/", "/t/video-1.mp4", "file:///t/video-1.mp4"),
            ("/a/b #1%20é\n", "/a/b #1%20é\n/t/video-1.mp4", "file:///a/b%20%231%2520%C3%A9%0A/t/video-1.mp4"),
        ] {
            assert_eq!(named(&PathBase::absolute(Path::new(root)).unwrap()), (path.to_owned(), uri.to_owned()));
        }
        assert!(PathBase::absolute(Path::new("relative")).is_none());
    }

    #[test]
    fn absolute_urls_have_the_form_that_each_editor_reads() {
        let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
        for (path, url, localhost) in [
            ("/", "file:///t/video-1.mp4", "file://localhost/t/video-1.mp4"),
            (
                "/a b/#1 100% é&'<\n:/",
                "file:///a%20b/%231%20100%25%20%C3%A9%26%27%3C%0A%3A/t/video-1.mp4",
                "file://localhost/a%20b/%231%20100%25%20%C3%A9%26%27%3C%0A%3A/t/video-1.mp4",
            ),
            ("C:/My clips/", "file:///C:/My%20clips/t/video-1.mp4", "file://localhost/C%3a/My%20clips/t/video-1.mp4"),
            ("c:/", "file:///c:/t/video-1.mp4", "file://localhost/c%3a/t/video-1.mp4"),
            ("//nas/my share/", "file://nas/my%20share/t/video-1.mp4", "file://localhost//nas/my%20share/t/video-1.mp4"),
        ] {
            let base = at(path);
            let found = (base.file_url(&task.files[0]), base.localhost_url(&task.files[0]));
            assert_eq!(found, (url.to_owned(), localhost.to_owned()), "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn non_utf8_paths_are_rejected() {
        use std::os::unix::ffi::OsStrExt;
        let root = Path::new("/").join(std::ffi::OsStr::from_bytes(b"\xff"));
        assert!(PathBase::absolute(&root).is_none() && PathBase::relative_to(Path::new("/"), &root).is_none());
    }
}
