//! Checks a file against the digests that its host sends.
//!
//! [`expected_digests`] parses the response headers, [`check`] compares the bytes. A digest that can't be parsed, or that is
//! about other bytes than those kept, is ignored: an error in a header must not cost the file.
//!
//! Invariant: [`DigestCheck::Mismatch`] is only returned for bytes that were read to their end, or whose SHA-256 is known. A
//! file that can't be read is an error, and proves nothing about the host.

mod crc;
mod headers;
mod syntax;

use std::io::{self, Read};

use crate::integrity::digest::{self, Sha256Hex};
pub(crate) use headers::{expected_digests, is_digest_header};

/// The algorithms of digests that hosts send, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Algorithm {
    /// SHA-512
    Sha512,
    /// SHA-256
    Sha256,
    /// SHA-1
    Sha1,
    /// MD5
    Md5,
    /// CRC-64/XZ; Alibaba calls it CRC-64/ECMA.
    Crc64Xz,
    /// CRC-64/NVME
    Crc64Nvme,
    /// CRC-32/ISCSI, also known as CRC-32C.
    Crc32c,
    /// CRC-32/ISO-HDLC, the one in zip and PNG.
    Crc32,
}

impl Algorithm {
    /// The length of its values in bytes.
    const fn length(self) -> usize {
        match self {
            Self::Sha512 => 64,
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Md5 => 16,
            Self::Crc64Xz | Self::Crc64Nvme => 8,
            Self::Crc32c | Self::Crc32 => 4,
        }
    }
}

/// A digest that a host sent for a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ExpectedDigest {
    /// The header, in lower case.
    pub header: &'static str,
    /// The algorithm of the digest.
    pub algorithm: Algorithm,
    /// The expected value; a CRC with its highest byte first.
    pub value: Vec<u8>,
}

impl ExpectedDigest {
    fn verify<R: Read>(&self, sha256: &Sha256Hex, read: impl FnOnce() -> io::Result<R>) -> io::Result<bool> {
        let actual = match self.algorithm {
            Algorithm::Sha256 => return Ok(sha256.matches(&self.value)),
            Algorithm::Sha512 => digest::sha512(read()?)?,
            Algorithm::Sha1 => digest::sha1(read()?)?,
            Algorithm::Md5 => digest::md5(read()?)?,
            Algorithm::Crc64Xz => crc::crc64_xz(read()?)?,
            Algorithm::Crc64Nvme => crc::crc64_nvme(read()?)?,
            Algorithm::Crc32c => crc::crc32c(read()?)?,
            Algorithm::Crc32 => crc::crc32(read()?)?,
        };
        Ok(actual == self.value)
    }
}

/// A file that does not have the digest that its host sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestMismatch {
    expected: ExpectedDigest,
    /// What identifies the bytes of the file.
    actual: Sha256Hex,
}

impl DigestMismatch {
    /// The header with the digest.
    #[must_use]
    pub fn header(&self) -> &'static str {
        self.expected.header
    }
}

/// The mismatches of one download. A host that transforms a file may still send the digest of the original. So bytes that come
/// [`REPEATS_TO_ACCEPT`] times with the same mismatch are what the host has.
#[derive(Clone, Default, Debug)]
pub(crate) struct RepeatedMismatch {
    last: Option<DigestMismatch>,
    count: u32,
}

/// How often the same bytes must come with the same wrong digest.
pub(crate) const REPEATS_TO_ACCEPT: u32 = 3;

impl RepeatedMismatch {
    /// Counts `mismatch`. Returns whether it has come so often that the bytes are accepted.
    pub(crate) fn accepts(&mut self, mismatch: &DigestMismatch) -> bool {
        if self.last.as_ref() == Some(mismatch) {
            self.count += 1;
        } else {
            (self.last, self.count) = (Some(mismatch.clone()), 1);
        }
        self.count >= REPEATS_TO_ACCEPT
    }
}

/// The result of checking a file against the digests of its host.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum DigestCheck {
    /// The host sent no usable digest.
    NotProvided,
    /// The bytes match the digest in this header.
    Verified(&'static str),
    /// The bytes do not match this digest.
    Mismatch(Box<DigestMismatch>),
}

/// Checks a file against one digest: SHA-256 if there is one, because it is known and needs no reading; else the strongest,
/// in one pass over the file.
///
/// One is enough: bytes that match it are the right ones. If a weaker digest differs, the host contradicts itself, and no
/// retry would help.
///
/// # Errors
/// When the file can't be read; it is then neither verified nor a mismatch.
pub(crate) fn check<R: Read>(
    digests: &[ExpectedDigest],
    sha256: &Sha256Hex,
    read: impl FnOnce() -> io::Result<R>,
) -> io::Result<DigestCheck> {
    let known = digests.iter().find(|digest| digest.algorithm == Algorithm::Sha256);
    let Some(digest) = known.or_else(|| digests.iter().min_by_key(|digest| digest.algorithm)) else {
        return Ok(DigestCheck::NotProvided);
    };
    Ok(match digest.verify(sha256, read)? {
        true => DigestCheck::Verified(digest.header),
        false => DigestCheck::Mismatch(Box::new(DigestMismatch { expected: digest.clone(), actual: sha256.clone() })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"123456789";

    /// Headers with the correct digest of [`BYTES`].
    const VALID_HEADERS: [(&str, &str); 8] = [
        ("repr-digest", "sha-512=:2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==:"),
        ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("x-oss-hash-crc64ecma", "11051210869376104954"),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ("x-amz-checksum-crc32c", "4waSgw=="),
        ("x-goog-hash", "crc32c=4waSgw=="),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
    ];

    fn expected(headers: &[(&str, &str)]) -> Vec<ExpectedDigest> {
        expected_digests(
            |wanted| headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()).collect(),
            false,
        )
    }

    fn check_bytes(digests: &[ExpectedDigest], bytes: &[u8]) -> DigestCheck {
        check(digests, &Sha256Hex::digest(bytes), || Ok(bytes)).unwrap()
    }

    fn mismatch_of(digests: &[ExpectedDigest], bytes: &[u8]) -> DigestMismatch {
        match check_bytes(digests, bytes) {
            DigestCheck::Mismatch(mismatch) => *mismatch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_same_bytes_with_the_same_digest_are_accepted_after_three_times() {
        let [digests, others] = [VALID_HEADERS[2], ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")].map(|header| expected(&[header]));
        let (a, b, c) = (mismatch_of(&digests, b"a"), mismatch_of(&digests, b"b"), mismatch_of(&others, b"a"));
        for (came, accepted) in [
            (vec![&a, &a, &a], true),
            (vec![&a, &a], false),
            (vec![&a, &b, &a, &b, &a], false),
            (vec![&a, &a, &b, &a, &a], false),
            (vec![&b, &a, &a, &a], true),
            (vec![&a, &c, &a], false),
            (vec![&a, &a, &c], false),
        ] {
            let mut repeated = RepeatedMismatch::default();
            let last = came.iter().map(|mismatch| repeated.accepts(mismatch)).last();
            assert_eq!(last, Some(accepted), "{came:?}");
        }
    }

    #[test]
    fn every_algorithm_detects_other_bytes() {
        for (header, value) in VALID_HEADERS {
            let digests = expected(&[(header, value)]);
            assert_eq!(check_bytes(&digests, BYTES), DigestCheck::Verified(header), "{header}");
            for other in [&b"123456780"[..], b"12345678", b""] {
                assert_eq!(mismatch_of(&digests, other).header(), header);
            }
        }
    }

    #[test]
    fn file_is_not_read_without_an_expected_digest() {
        let result = check::<&[u8]>(&[], &Sha256Hex::digest(BYTES), || panic!("read"));
        assert_eq!(result.unwrap(), DigestCheck::NotProvided);
    }

    #[test]
    fn sha256_is_compared_without_reading_even_when_sha512_is_present() {
        let sha256 = ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        let digests = expected(&[sha256, VALID_HEADERS[0], VALID_HEADERS[2]]);
        assert_eq!(digests.len(), 3);
        for (bytes, is_verified) in [(BYTES, true), (b"other", false)] {
            let result = check::<&[u8]>(&digests, &Sha256Hex::digest(bytes), || panic!("read")).unwrap();
            assert_eq!(result == DigestCheck::Verified(sha256.0), is_verified, "{result:?}");
        }
    }

    #[test]
    fn only_the_strongest_digest_is_checked() {
        let wrong = ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(check_bytes(&expected(&[wrong, VALID_HEADERS[1]]), BYTES), DigestCheck::Verified("x-amz-checksum-sha1"));
        assert_eq!(mismatch_of(&expected(&[VALID_HEADERS[3], wrong]), BYTES).header(), "content-md5");
    }

    #[test]
    fn read_failure_is_an_error_not_a_mismatch() {
        struct FailingReader;
        impl Read for FailingReader {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        for header in VALID_HEADERS {
            let digests = expected(&[header]);
            let sha256 = Sha256Hex::digest(BYTES);
            assert!(check(&digests, &sha256, || Ok(BYTES.chain(FailingReader))).is_err(), "{header:?}");
            assert!(check::<FailingReader>(&digests, &sha256, || Err(io::Error::other("open"))).is_err(), "{header:?}");
        }
    }
}
