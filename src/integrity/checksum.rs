//! What a host promises about a file's bytes, and whether they keep it.
//!
//! [`promises()`] reads an answer's head, [`check`] the bytes. A promise that can't be read, or that is
//! about other bytes than those kept, is none: a host's slip in a header must not cost the file.
//!
//! Invariant: [`Verdict::Broken`] is only said of bytes that were read to their end, or whose SHA-256
//! is known; what can't be read is an error, and says nothing about the host.

mod crc;
mod headers;
mod syntax;

use std::io::{self, Read};

use crate::integrity::digest::{self, Sha256Hex};
pub(crate) use headers::expected_digests;

/// By what a host promises bytes, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// SHA-512
    Sha512,
    /// SHA-256
    Sha256,
    /// SHA-1
    Sha1,
    /// MD5
    Md5,
    /// CRC-64/XZ, which Alibaba calls CRC-64/ECMA.
    Crc64Xz,
    /// CRC-64/NVME
    Crc64Nvme,
    /// CRC-32/ISCSI, known as CRC-32C.
    Crc32c,
    /// CRC-32/ISO-HDLC: the one of zip and PNG.
    Crc32,
}

impl Algorithm {
    /// The bytes of its values.
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

/// What a host says that a file's bytes come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedDigest {
    /// The header that says so, in lower case.
    pub header: &'static str,
    /// How to compute it.
    pub algorithm: Algorithm,
    /// What has to come out; CRCs with their highest byte first.
    pub value: Vec<u8>,
}

impl ExpectedDigest {
    fn verify<R: Read>(&self, sha256: &Sha256Hex, read: impl FnOnce() -> io::Result<R>) -> io::Result<bool> {
        let came = match self.algorithm {
            Algorithm::Sha256 => return Ok(sha256.matches(&self.value)),
            Algorithm::Sha512 => digest::sha512(read()?)?,
            Algorithm::Sha1 => digest::sha1(read()?)?,
            Algorithm::Md5 => digest::md5(read()?)?,
            Algorithm::Crc64Xz => crc::crc64_xz(read()?)?,
            Algorithm::Crc64Nvme => crc::crc64_nvme(read()?)?,
            Algorithm::Crc32c => crc::crc32c(read()?)?,
            Algorithm::Crc32 => crc::crc32(read()?)?,
        };
        Ok(came == self.value)
    }
}

/// Whether a host's promise was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum DigestCheck {
    /// Nothing was promised.
    NotProvided,
    /// The bytes are those that this header promised.
    Verified(&'static str),
    /// The bytes are not those that this header promised.
    Mismatch(&'static str),
}

/// Checks a file against one promise: SHA-256 if there is one, because that is known and costs no
/// reading; else the strongest, in one reading.
///
/// Only one, because the others could add nothing: bytes that keep it are the promised ones, and if a
/// weaker promise says otherwise, the host contradicts itself, and no retry would ever please it.
///
/// # Errors
/// When the file can't be read; that is neither kept nor broken.
pub(crate) fn check<R: Read>(
    promises: &[ExpectedDigest],
    sha256: &Sha256Hex,
    read: impl FnOnce() -> io::Result<R>,
) -> io::Result<DigestCheck> {
    let free = promises.iter().find(|promise| promise.algorithm == Algorithm::Sha256);
    let Some(promise) = free.or_else(|| promises.iter().min_by_key(|promise| promise.algorithm)) else {
        return Ok(DigestCheck::NotProvided);
    };
    let verdict = if promise.verify(sha256, read)? { DigestCheck::Verified } else { DigestCheck::Mismatch };
    Ok(verdict(promise.header))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"123456789";

    /// The header, and its true value for [`BYTES`].
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

    fn check_bytes(promises: &[ExpectedDigest], bytes: &[u8]) -> DigestCheck {
        check(promises, &Sha256Hex::digest(bytes), || Ok(bytes)).unwrap()
    }

    #[test]
    fn every_algorithm_detects_other_bytes() {
        for (header, value) in VALID_HEADERS {
            let promises = expected(&[(header, value)]);
            assert_eq!(check_bytes(&promises, BYTES), DigestCheck::Verified(header), "{header}");
            for other in [&b"123456780"[..], b"12345678", b""] {
                assert_eq!(check_bytes(&promises, other), DigestCheck::Mismatch(header), "{header}");
            }
        }
    }

    #[test]
    fn file_is_not_read_without_an_expected_digest() {
        let verdict = check::<&[u8]>(&[], &Sha256Hex::digest(BYTES), || panic!("read"));
        assert_eq!(verdict.unwrap(), DigestCheck::NotProvided);
    }

    #[test]
    fn sha256_is_compared_without_reading_even_when_sha512_is_present() {
        let sha256 = ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        let promises = expected(&[sha256, VALID_HEADERS[0], VALID_HEADERS[2]]);
        assert_eq!(promises.len(), 3);
        for (bytes, verdict) in [(BYTES, DigestCheck::Verified(sha256.0)), (b"other", DigestCheck::Mismatch(sha256.0))] {
            assert_eq!(check::<&[u8]>(&promises, &Sha256Hex::digest(bytes), || panic!("read")).unwrap(), verdict);
        }
    }

    #[test]
    fn only_the_strongest_digest_is_checked() {
        let wrong = ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(check_bytes(&expected(&[wrong, VALID_HEADERS[1]]), BYTES), DigestCheck::Verified("x-amz-checksum-sha1"));
        assert_eq!(check_bytes(&expected(&[VALID_HEADERS[3], wrong]), BYTES), DigestCheck::Mismatch("content-md5"));
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
            let promises = expected(&[header]);
            let sha256 = Sha256Hex::digest(BYTES);
            assert!(check(&promises, &sha256, || Ok(BYTES.chain(FailingReader))).is_err(), "{header:?}");
            assert!(check::<FailingReader>(&promises, &sha256, || Err(io::Error::other("open"))).is_err(), "{header:?}");
        }
    }
}
