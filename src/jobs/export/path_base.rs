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
    #[cfg(unix)]
    use crate::jobs::export::format::tests::task;
    #[cfg(unix)]
    use serde_json::json;

    /// The base of an archive called `name`, beside the export.
    pub(in crate::jobs::export) fn beside(name: &str) -> PathBase {
        PathBase::relative_to(Path::new("/home"), &Path::new("/home").join(name)).unwrap()
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

    #[cfg(unix)]
    #[test]
    fn non_utf8_paths_are_rejected() {
        use std::os::unix::ffi::OsStrExt;
        let root = Path::new("/").join(std::ffi::OsStr::from_bytes(b"\xff"));
        assert!(PathBase::absolute(&root).is_none() && PathBase::relative_to(Path::new("/"), &root).is_none());
    }
}
