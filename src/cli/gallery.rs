//! The command `gallery`: the page of the archive, or a page of selected tasks in a file.
//!
//! Also the link of a page: a `file://` URL in a line of its own, which a terminal makes clickable and a browser opens.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::args::GalleryArgs;
use super::error::Error;
use super::export::exit_code_if_empty;
use super::{print_messages, print_result, report_written, selection};
use crate::domain::selection::Selection;
use crate::jobs::StopHandle;
use crate::jobs::gallery::{gallery, gallery_file};
use crate::layout::GALLERY;

/// Everything but what a link holds unencoded: the rest ends a link in some terminals, or is special in a shell.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'%').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// Writes the page; returns the exit code.
pub(super) fn run(args: &GalleryArgs) -> Result<u8, Error> {
    let selection = selection::selection(&args.filter, &args.order, true)?;
    let has_order = args.order.sort.is_some() || args.order.reverse;
    match &args.output_file {
        Some(file) => write_file(args, file, &selection),
        None if has_order || !selection.filter.is_empty() => Err(Error::FilteredPage),
        None => {
            let outcome = gallery(&args.dir, &StopHandle::default(), &print_messages())?;
            let page = args.dir.join(GALLERY);
            report_written(std::slice::from_ref(&page), outcome).and_then(|code| print_link(&page).map(|_| code))
        }
    }
}

/// The line that says how to open the page at `path`. None if the path has no URL.
pub(super) fn link_line(path: &Path) -> Option<String> {
    let url = Url::from_file_path(std::path::absolute(path).ok()?).ok()?;
    Some(format!("open it in a browser: {}", utf8_percent_encode(url.as_str(), ENCODED)))
}

fn print_link(page: &Path) -> Result<u8, Error> {
    link_line(page).map_or(Ok(0), |line| print_result(&format!("{line}\n")))
}

fn write_file(args: &GalleryArgs, file: &Path, selection: &Selection) -> Result<u8, Error> {
    let written = gallery_file(&args.dir, selection, file, &print_messages()).map_err(Error::from);
    let report = |outcome| {
        let code = report_written(&[file.to_owned()], outcome)?;
        print_link(file).map(|_| code)
    };
    exit_code_if_empty(written.and_then(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str) -> String {
        link_line(Path::new(path)).unwrap().split_once(": ").unwrap().1.to_owned()
    }

    #[cfg(unix)]
    #[test]
    fn link_is_an_encoded_file_url() {
        for (path, url) in [
            ("/home/me/yescale/index.html", "file:///home/me/yescale/index.html"),
            (
                "/a b/#1, 50% é?/it's (1) [x]/index.html",
                "file:///a%20b/%231%2C%2050%25%20%C3%A9%3F/it%27s%20%281%29%20%5Bx%5D/index.html",
            ),
            ("/a\n\u{1b}[31m\"$HOME`;&|/i.html", "file:///a%0A%1B%5B31m%22%24HOME%60%3B%26%7C/i.html"),
            ("/a/./b//c.html", "file:///a/b/c.html"),
        ] {
            assert_eq!(link(path), url);
            assert_eq!(Url::parse(url).unwrap().to_file_path().unwrap(), Path::new(path), "it leads back to the file");
        }
        let here = std::env::current_dir().unwrap();
        let relative = Url::parse(&link("x/index.html")).unwrap().to_file_path().unwrap();
        assert_eq!(relative, here.join("x/index.html"));
    }

    #[cfg(unix)]
    #[test]
    fn link_to_a_path_that_is_not_utf8_keeps_its_bytes() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        let line = link_line(Path::new(OsStr::from_bytes(b"/a\xff/index.html"))).unwrap();
        assert!(line.ends_with("file:///a%FF/index.html"), "{line}");
    }

    #[cfg(windows)]
    #[test]
    fn link_has_the_drive_or_the_server_of_windows() {
        for (path, url) in [
            (r"C:\My clips\index.html", "file:///C:/My%20clips/index.html"),
            (r"\\nas\my share\index.html", "file://nas/my%20share/index.html"),
        ] {
            assert_eq!(link(path), url);
        }
    }
}
