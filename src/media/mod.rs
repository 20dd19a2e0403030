//! Facts about media: the type of a file, the facts in its headers, whether it is cut, and the bytes of a `data:` URI. Works on
//! bytes and readers; opens no file.
//!
//! The bytes are hostile. So each parser of them is called through [`guarded`]: a panic in it must not cost a complete file.

mod bounded_reader;
pub(crate) mod content_credentials;
#[cfg(test)]
mod damage;
pub(crate) mod data_uri;
pub(crate) mod duration;
pub(crate) mod facts;
mod id3;
mod iso_boxes;
pub(crate) mod media_type;
mod scanner;
pub(crate) mod tags;
mod tiff;
pub(crate) mod truncation;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a parser of untrusted bytes finds; `None`, which is unknown, when it panics.
fn guarded<T>(parse: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Seek, SeekFrom};

    use super::duration::{is_audio_only, probe_duration};
    use super::truncation::find_cut;
    use super::{content_credentials, facts};

    /// A file whose bytes make every parser panic.
    struct Panics;

    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a parser failed")
        }
    }

    impl Seek for Panics {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(100)
        }
    }

    #[test]
    fn panic_in_a_parser_makes_the_result_unknown() {
        assert_eq!(probe_duration(Panics, None), None);
        assert_eq!((find_cut(Panics), is_audio_only(Panics)), (None, false));
        assert_eq!(facts::read(Panics, None), facts::MediaFacts::default());
        assert!(content_credentials::is_present(Panics, 100).is_err());
    }
}
