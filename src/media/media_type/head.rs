//! The first bytes of a file, as many as its type needs.
//!
//! The first 16 KiB, which a download keeps in memory, are enough for all binary formats. In two cases more is read from the
//! file: of a text, 64 KiB decide; and a long `ID3` tag (with a cover picture) can hide what follows it.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};

use super::non_media::{self, NonMedia, TEXT_HEAD_SIZE};
use super::text_file::{self, TextClaims};
use super::{MediaType, magic, signature};
use crate::media::{guarded, id3};

/// How much is read behind an `ID3` tag.
const SIZE_BEHIND_TAG: u64 = 64;

/// The first bytes of a file, and what they show.
pub(crate) struct Head<'a> {
    bytes: Cow<'a, [u8]>,
    is_whole: bool,
}

impl<'a> Head<'a> {
    /// The head of a file that begins with `start`, or that is `start` when `is_whole`. `open` opens the file.
    ///
    /// # Errors
    /// When more bytes are needed and can't be read.
    pub(crate) fn new<R: Read + Seek>(start: &'a [u8], is_whole: bool, open: impl FnOnce() -> io::Result<R>) -> io::Result<Self> {
        if is_whole {
            return Ok(Self { bytes: Cow::Borrowed(start), is_whole });
        }
        // A text can begin with `ID3`, too.
        let is_inconclusive = guarded(|| Some(non_media::is_inconclusive(start))).unwrap_or(false);
        let tag = if is_inconclusive { 0 } else { id3::tag_length(start) };
        if tag + SIZE_BEHIND_TAG > start.len() as u64 && tag > 0 {
            let mut file = open()?;
            file.seek(SeekFrom::Start(tag))?;
            let mut bytes = id3::EMPTY_TAG.to_vec();
            file.take(SIZE_BEHIND_TAG).read_to_end(&mut bytes)?;
            return Ok(Self { bytes: Cow::Owned(bytes), is_whole });
        }
        if !is_inconclusive {
            return Ok(Self { bytes: Cow::Borrowed(start), is_whole });
        }
        let mut bytes = Vec::with_capacity(TEXT_HEAD_SIZE);
        open()?.take(TEXT_HEAD_SIZE as u64).read_to_end(&mut bytes)?;
        let is_whole = bytes.len() < TEXT_HEAD_SIZE;
        Ok(Self { bytes: Cow::Owned(bytes), is_whole })
    }

    /// The type of a file that the bytes prove to be no media.
    #[must_use]
    pub(crate) fn non_media(&self) -> Option<NonMedia> {
        guarded(|| non_media::detect_non_media(&self.bytes, self.is_whole))
    }

    /// Whether a text is what these `claims` say. `found` is what [`Self::non_media`] returned.
    #[must_use]
    pub(crate) fn is_expected_text(&self, found: NonMedia, claims: TextClaims<'_>) -> bool {
        guarded(|| Some(text_file::is_expected(found, &self.bytes, claims))).unwrap_or(false)
    }

    /// The media type, also by a short magic number.
    #[must_use]
    pub(crate) fn media_type(&self) -> Option<MediaType> {
        guarded(|| magic::from_bytes(&self.bytes))
    }

    /// The type of the bytes, when they are provably not of the `declared` type.
    #[must_use]
    pub(crate) fn mismatch(&self, declared: MediaType) -> Option<&'static str> {
        guarded(|| magic::mismatch(declared, &self.bytes))
    }

    /// Whether the bytes lack the signature that every file of the `declared` type has.
    #[must_use]
    pub(crate) fn lacks_signature(&self, declared: MediaType) -> bool {
        guarded(|| Some(signature::is_missing(declared, &self.bytes))).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn head<'a>(start: &'a [u8], file: &'a [u8]) -> Head<'a> {
        Head::new(start, start.len() == file.len(), || Ok(Cursor::new(file))).unwrap()
    }

    #[test]
    fn only_text_and_long_tags_read_the_file() {
        let fail = || Err::<Cursor<&[u8]>, _>(io::Error::other("opened"));
        assert!(Head::new(b"text", true, fail).is_ok());
        assert!(Head::new(b"\x89PNG\r\n\x1A\n", false, fail).is_ok());
        assert!(Head::new(&[id3::EMPTY_TAG.as_slice(), &[0xFF; 64]].concat(), false, fail).is_ok());
        for start in [b"text".as_slice(), b"\x1F\x8B\x08", id3::EMPTY_TAG] {
            assert!(Head::new(start, false, fail).is_err());
        }
    }

    #[test]
    fn text_is_judged_by_64_kib() {
        let text = vec![b'x'; 3 * TEXT_HEAD_SIZE];
        assert_eq!(head(&text[..100], &text).non_media(), Some(NonMedia::Text));
        assert_eq!(head(&text[..100], &text[..200]).non_media(), Some(NonMedia::Text));
        let about_tags = b"ID3 tags could not be read: ".repeat(2000);
        assert_eq!(head(&about_tags[..16 << 10], &about_tags).non_media(), Some(NonMedia::Text));
        let mut media = text;
        media[TEXT_HEAD_SIZE - 1] = 0;
        assert_eq!(head(&media[..100], &media).non_media(), None);
        let svg = format!("<!-- {} --><svg/>", "x".repeat(40_000));
        let found = head(&svg.as_bytes()[..100], svg.as_bytes());
        assert_eq!((found.non_media(), found.media_type().map(MediaType::extension)), (None, Some("svg")));
    }

    #[test]
    fn type_is_detected_behind_a_long_tag() {
        let tag = [b"ID3\x04\0\0\0\x03\0\0".as_slice(), &vec![7; 3 << 14]].concat();
        for (audio, expected) in [(b"\xFF\xF1\x50\x80".as_slice(), "aac"), (b"fLaC", "flac"), (b"\xFF\xFB", "mp3"), (b"", "mp3")]
        {
            let file = [&tag, audio, &[0; 100]].concat();
            assert_eq!(head(&file[..100], &file).media_type().map(MediaType::extension), Some(expected));
            assert_eq!(head(&file[..100], &file[..200]).media_type().map(MediaType::extension), Some("mp3"));
        }
    }
}
