//! How files are named from where an export stands: by path, and by URI.
//!
//! What differs from archive to archive is the way to its root, which may hold anything that a file
//! system allows; the names below it are ours, from alphabets that need no escape anywhere.
//!
//! Invariant: a relative path begins with nothing that a program could take for an option, a protocol
//! or a formula, and a relative URI with nothing that it could take for a comment or a scheme.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::domain::manifest::FileEntry;

/// What may stand in a segment of any URI as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The way from an export to the archive's root.
#[derive(Debug)]
pub(crate) struct PathBase {
    path: String,
    uri: String,
}

impl PathBase {
    /// An export that may be put anywhere. None when the archive's path is not UTF-8, or not absolute.
    #[must_use]
    pub(crate) fn absolute(root: &Path) -> Option<Self> {
        let uri = Url::from_directory_path(root).ok()?;
        Some(Self { path: format!("{}/", with_forward_slashes(root)?.trim_end_matches('/')), uri: uri.into() })
    }

    /// An export that will stand in `folder`. None as for [`Place::anywhere`].
    #[must_use]
    pub(crate) fn relative_to(folder: &Path, root: &Path) -> Option<Self> {
        let way = pathdiff::diff_paths(root, folder)?;
        if way.is_absolute() {
            // There is none from one disk of Windows to another.
            return Self::absolute(root);
        }
        let way = with_forward_slashes(&way)?;
        if way.is_empty() {
            return Some(Self { path: String::new(), uri: String::new() });
        }
        let segments: Vec<String> = way.split('/').map(|segment| utf8_percent_encode(segment, ESCAPED).to_string()).collect();
        let start = if is_plain(&way) { "" } else { "./" };
        Some(Self { path: format!("{start}{way}/"), uri: format!("{}/", segments.join("/")) })
    }

    /// The path of a file of the archive.
    #[must_use]
    pub(crate) fn path(&self, file: &FileEntry) -> String {
        format!("{}{}", self.path, file.path())
    }

    /// The URI, or the relative reference, of a file of the archive.
    #[must_use]
    pub(crate) fn uri(&self, file: &FileEntry) -> String {
        format!("{}{}", self.uri, file.path())
    }
}

/// With the separator that every system and every format understands.
fn with_forward_slashes(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    Some(if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() })
}

fn is_plain(way: &str) -> bool {
    let first = way.split('/').next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.') && !first.contains(':')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::jobs::export::tests::task;
    use serde_json::json;

    /// The place of an archive called `name`, beside the export.
    pub(in crate::jobs::export) fn beside(name: &str) -> PathBase {
        PathBase::relative_to(Path::new("/home"), &Path::new("/home").join(name)).unwrap()
    }

    #[cfg(unix)]
    fn named(place: &PathBase) -> (String, String) {
        let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
        (place.path(&task.files[0]), place.uri(&task.files[0]))
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
            let place = PathBase::relative_to(Path::new(folder), Path::new(root)).unwrap();
            assert_eq!(named(&place), (path.to_owned(), uri.to_owned()), "{root}");
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
