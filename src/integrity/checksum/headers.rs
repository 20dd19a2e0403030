//! Parses the response headers in which hosts send digests.
//!
//! One table has each header, its syntax and its scope. Only a digest of the whole file, in the form in which it is saved,
//! counts. Unknown and contradictory digests are ignored without a message: the user did not ask for them.
//!
//! Invariant: at most one digest per header and algorithm, and each is about all saved bytes.

use super::syntax::{AlgorithmNames, DigestSyntax};
use super::{Algorithm, ExpectedDigest};
use crate::integrity::coding;

/// A header that may contain digests.
struct DigestHeader {
    header: &'static str,
    scope: DigestScope,
    syntax: DigestSyntax,
}

#[derive(Clone, Copy)]
enum DigestScope {
    /// The whole file, even in a partial response.
    WholeFile,
    /// The bytes of this response: the whole file only if the response is not partial.
    ResponseBody,
    /// The whole file as Google stores it, maybe in another encoding than it is sent.
    GoogleObject,
    /// The whole file, or a composite of its parts.
    AmazonObject,
}

/// The algorithms of RFC 9530 and RFC 3230, without CRC-32C: its byte order is not specified.
const REGISTERED_ALGORITHMS: AlgorithmNames =
    &[("sha-512", Algorithm::Sha512), ("sha-256", Algorithm::Sha256), ("sha", Algorithm::Sha1), ("md5", Algorithm::Md5)];
const GOOGLE_ALGORITHMS: AlgorithmNames = &[("md5", Algorithm::Md5), ("crc32c", Algorithm::Crc32c)];

const DIGEST_HEADERS: &[DigestHeader] = &[
    digest_header("repr-digest", DigestScope::WholeFile, DigestSyntax::Dictionary(REGISTERED_ALGORITHMS)),
    digest_header("content-digest", DigestScope::ResponseBody, DigestSyntax::Dictionary(REGISTERED_ALGORITHMS)),
    digest_header("digest", DigestScope::ResponseBody, DigestSyntax::List(REGISTERED_ALGORITHMS)),
    digest_header("content-md5", DigestScope::ResponseBody, DigestSyntax::Base64(Algorithm::Md5)),
    digest_header("x-goog-hash", DigestScope::GoogleObject, DigestSyntax::List(GOOGLE_ALGORITHMS)),
    digest_header("x-oss-hash-crc64ecma", DigestScope::WholeFile, DigestSyntax::Decimal(Algorithm::Crc64Xz)),
    digest_header("x-amz-checksum-sha256", DigestScope::AmazonObject, DigestSyntax::Base64(Algorithm::Sha256)),
    digest_header("x-amz-checksum-sha1", DigestScope::AmazonObject, DigestSyntax::Base64(Algorithm::Sha1)),
    digest_header("x-amz-checksum-crc64nvme", DigestScope::AmazonObject, DigestSyntax::Base64(Algorithm::Crc64Nvme)),
    digest_header("x-amz-checksum-crc32c", DigestScope::AmazonObject, DigestSyntax::Base64(Algorithm::Crc32c)),
    digest_header("x-amz-checksum-crc32", DigestScope::AmazonObject, DigestSyntax::Base64(Algorithm::Crc32)),
];

const fn digest_header(header: &'static str, scope: DigestScope, syntax: DigestSyntax) -> DigestHeader {
    DigestHeader { header, scope, syntax }
}

/// Whether a header, by its lower-case name, may contain digests.
pub(crate) fn is_digest_header(name: &str) -> bool {
    DIGEST_HEADERS.iter().any(|source| source.header == name)
}

/// The digests of the whole file in the response headers, the strongest first.
///
/// `header` returns all values of a header by its lower-case name; `is_partial` is true for a 206. The digests of an encoded
/// body don't count, because the decoded bytes are saved.
pub(crate) fn expected_digests(header: impl Fn(&str) -> Vec<String>, is_partial: bool) -> Vec<ExpectedDigest> {
    if is_encoded(&header("content-encoding")) {
        return Vec::new();
    }
    let counts = |scope| match scope {
        DigestScope::WholeFile => true,
        DigestScope::ResponseBody => !is_partial,
        DigestScope::GoogleObject => !is_encoded(&header("x-goog-stored-content-encoding")),
        DigestScope::AmazonObject => {
            header("x-amz-checksum-type").iter().all(|kind| kind.trim().eq_ignore_ascii_case("full_object"))
        }
    };
    let mut digests: Vec<ExpectedDigest> = DIGEST_HEADERS
        .iter()
        .filter(|source| counts(source.scope))
        .flat_map(|source| source.parse(&header(source.header)))
        .collect();
    digests.sort_by_key(|digest| digest.algorithm);
    digests
}

fn is_encoded(values: &[String]) -> bool {
    !coding::codings(values.iter().map(String::as_str)).is_empty()
}

impl DigestHeader {
    fn parse(&self, values: &[String]) -> Vec<ExpectedDigest> {
        let values: Vec<(Algorithm, Vec<u8>)> = values.iter().flat_map(|value| self.syntax.parse(value)).collect();
        let digest = |algorithm| {
            Some(ExpectedDigest { header: self.header, algorithm, value: unambiguous_value(&values, algorithm)?.to_vec() })
        };
        match self.syntax {
            DigestSyntax::Dictionary(names) | DigestSyntax::List(names) => {
                names.iter().filter_map(|(_, algorithm)| digest(*algorithm)).collect()
            }
            DigestSyntax::Base64(algorithm) | DigestSyntax::Decimal(algorithm) => digest(algorithm).into_iter().collect(),
        }
    }
}

/// The value of `algorithm`, if there is only one. Two different values for the same bytes contradict each other.
fn unambiguous_value(values: &[(Algorithm, Vec<u8>)], algorithm: Algorithm) -> Option<&[u8]> {
    let mut values_of_it = values.iter().filter(|(of, _)| *of == algorithm).map(|(_, value)| value);
    let first = values_of_it.next()?;
    values_of_it.all(|value| value == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::Algorithm::{Crc32, Crc32c, Crc64Nvme, Crc64Xz, Md5, Sha1, Sha256, Sha512};
    use super::*;

    const SHA512: &str = "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==";
    const SHA256: &str = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
    const SHA1: &str = "98O8HYCOBHMq32eZZczDTKeuNEE=";
    const MD5: &str = "JfnnlDI7RTiF9RgfG2JNCw==";
    const CRC64: &str = "rosUhgp5mIg=";
    const CRC32: &str = "4waSgw==";

    /// Parses `name: value` lines, in which an algorithm's name in capitals stands for a value of it.
    fn parse_headers(lines: &[&str], is_partial: bool) -> Vec<ExpectedDigest> {
        let values = [("SHA512", SHA512), ("SHA256", SHA256), ("SHA1", SHA1), ("MD5", MD5), ("CRC64", CRC64), ("CRC32", CRC32)];
        let fill = |value: &str| values.iter().fold(value.to_owned(), |text, (name, value)| text.replace(name, value));
        let header = |wanted: &str| {
            let fields = lines.iter().filter_map(|line| line.split_once(": "));
            fields.filter(|(name, _)| *name == wanted).map(|(_, value)| fill(value)).collect()
        };
        expected_digests(header, is_partial)
    }

    fn algorithms(lines: &[&str], is_partial: bool) -> Vec<Algorithm> {
        parse_headers(lines, is_partial).iter().map(|digest| digest.algorithm).collect()
    }

    #[test]
    fn on_a_partial_response_only_whole_file_digests_count() {
        for (line, algorithm, on_a_part) in [
            ("repr-digest: sha-256=:SHA256:", Sha256, true),
            ("content-digest: sha-256=:SHA256:", Sha256, false),
            ("digest: SHA-256=SHA256", Sha256, false),
            ("content-md5: MD5", Md5, false),
            ("x-goog-hash: md5=MD5", Md5, true),
            ("x-oss-hash-crc64ecma: 11051210869376104954", Crc64Xz, true),
            ("x-amz-checksum-sha256: SHA256", Sha256, true),
            ("x-amz-checksum-sha1: SHA1", Sha1, true),
            ("x-amz-checksum-crc64nvme: CRC64", Crc64Nvme, true),
            ("x-amz-checksum-crc32c: CRC32", Crc32c, true),
            ("x-amz-checksum-crc32: CRC32", Crc32, true),
        ] {
            assert_eq!(algorithms(&[line], false), [algorithm], "{line}");
            assert_eq!(algorithms(&[line], true).len(), usize::from(on_a_part), "{line}");
        }
    }

    #[test]
    fn digests_of_encoded_bytes_are_ignored() {
        let all = ["repr-digest: sha-256=:SHA256:", "x-goog-hash: md5=MD5", "content-md5: MD5"];
        for (line, left) in [
            ("content-encoding: gzip", 0),
            ("content-encoding: identity, br", 0),
            ("content-encoding: identity", 3),
            ("content-encoding:  ", 3),
            ("content-encoding: aws-chunked, UTF-8", 3),
            ("content-encoding: base64", 0),
            ("x-goog-stored-content-encoding: gzip", 2),
            ("x-goog-stored-content-encoding: IDENTITY", 3),
        ] {
            assert_eq!(parse_headers(&[&all[..], &[line]].concat(), false).len(), left, "{line}");
        }
    }

    #[test]
    fn composite_checksums_are_ignored() {
        for (lines, left) in [
            (&["x-amz-checksum-sha256: SHA256-3", "x-amz-checksum-crc32c: CRC32"][..], 1),
            (&["x-amz-checksum-crc32c: CRC32", "x-amz-checksum-type: COMPOSITE"], 0),
            (&["x-amz-checksum-crc32c: CRC32", "x-amz-checksum-type: whatever comes next"], 0),
            (&["x-amz-checksum-crc32c: CRC32", "x-amz-checksum-type: FULL_OBJECT"], 1),
            (&["content-md5: MD5", "x-amz-checksum-type: COMPOSITE"], 1),
        ] {
            assert_eq!(parse_headers(lines, false).len(), left, "{lines:?}");
        }
    }

    #[test]
    fn digests_are_sorted_by_strength_and_repeated_headers_are_merged() {
        let lines = [
            "x-amz-checksum-crc32: CRC32",
            "x-goog-hash: crc32c=CRC32",
            "x-goog-hash: md5=MD5",
            "x-oss-hash-crc64ecma: 1",
            "repr-digest: md5=:MD5:, sha=:SHA1:;a, sha-256=:SHA256:;x=\"1\" ,\tsha-512=:SHA512:",
        ];
        assert_eq!(algorithms(&lines, true), [Sha512, Sha256, Sha1, Md5, Md5, Crc64Xz, Crc32c, Crc32]);
    }

    #[test]
    fn unknown_digest_headers_and_algorithms_are_ignored() {
        for line in [
            "digest: unixsum=30637, adler32=03da0195, crc32c=CRC32, id-sha-256=SHA256",
            "repr-digest: crc32c=:CRC32:, sha-256=SHA256",
            "x-goog-hash: crc32c=MD5,md5=CRC32,sha-256=SHA256",
            "x-oss-hash-crc64ecma: CRC64",
            "x-amz-checksum-md5: MD5",
            "etag: MD5",
        ] {
            assert_eq!(parse_headers(&[line], false), [], "{line}");
        }
    }

    #[test]
    fn contradictory_digests_of_one_algorithm_are_ignored() {
        let other = "content-md5: AAAAAAAAAAAAAAAAAAAAAA==";
        assert_eq!(parse_headers(&["content-md5: MD5", other], false), []);
        assert_eq!(parse_headers(&["content-md5: MD5", "content-md5: MD5", "content-md5: ?"], false).len(), 1);
        let lines = ["x-goog-hash: md5=MD5,crc32c=CRC32", "x-goog-hash: crc32c=AAAAAA=="];
        assert_eq!(algorithms(&lines, false), [Md5]);
    }
}
