//! Parses the syntaxes in which headers contain digests.
//!
//! Parsing is strict, because a misread value would reject good files: a malformed value is ignored. No header line is an
//! error, however long or strange. The `sfv` crate is no replacement: it rejects a whole dictionary for one malformed
//! member, or for a key in upper case.
//!
//! Invariant: a value has its algorithm's length.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Algorithm;

/// Standard base64, strict except that padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The length of the longest value: a SHA-512 in base64.
const MAX_VALUE_LEN: usize = 88;

/// The names of algorithms in a header; case does not count.
pub(super) type AlgorithmNames = &'static [(&'static str, Algorithm)];

/// The syntax of a header with digests.
pub(super) enum DigestSyntax {
    /// `name=:base64:;parameter, …`, the dictionary of RFC 9530.
    Dictionary(AlgorithmNames),
    /// `name=base64, …`
    List(AlgorithmNames),
    /// `base64`
    Base64(Algorithm),
    /// A decimal number.
    Decimal(Algorithm),
}

impl DigestSyntax {
    /// The digests in one header line. Surrounding whitespace and unknown names are ignored.
    pub(super) fn parse(&self, field: &str) -> Vec<(Algorithm, Vec<u8>)> {
        match self {
            Self::Dictionary(names) => split_members(field).filter_map(|member| parse_dictionary_member(names, member)).collect(),
            Self::List(names) => field.split(',').filter_map(|member| parse_list_member(names, member)).collect(),
            Self::Base64(algorithm) => decode_base64(*algorithm, field.trim()).into_iter().collect(),
            Self::Decimal(algorithm) => parse_decimal(field.trim()).map(|value| (*algorithm, value)).into_iter().collect(),
        }
    }
}

/// Splits a structured field at its commas, except those inside strings.
fn split_members(field: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    field.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

fn parse_dictionary_member(names: AlgorithmNames, member: &str) -> Option<(Algorithm, Vec<u8>)> {
    let (name, item) = member.split_once('=')?;
    let (value, parameters) = item.strip_prefix(':')?.split_once(':')?;
    let parameters = parameters.trim();
    (parameters.is_empty() || parameters.starts_with(';')).then(|| decode_base64(find_algorithm(names, name)?, value)).flatten()
}

fn parse_list_member(names: AlgorithmNames, member: &str) -> Option<(Algorithm, Vec<u8>)> {
    let (name, value) = member.split_once('=')?;
    decode_base64(find_algorithm(names, name)?, value.trim())
}

fn find_algorithm(names: AlgorithmNames, name: &str) -> Option<Algorithm> {
    let name = name.trim();
    names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, algorithm)| *algorithm)
}

fn decode_base64(algorithm: Algorithm, text: &str) -> Option<(Algorithm, Vec<u8>)> {
    // Amazon's composite value of N parts ends in `-N`, which is no base64, so it is ignored, too.
    let value = (text.len() <= MAX_VALUE_LEN).then(|| BASE64.decode(text).ok()).flatten()?;
    (value.len() == algorithm.length()).then_some((algorithm, value))
}

/// The bytes of a number, with the highest byte first.
fn parse_decimal(text: &str) -> Option<Vec<u8>> {
    // `parse` would also accept a sign.
    let number: u64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()?;
    Some(number.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::Algorithm::{Crc32c, Crc64Xz, Md5, Sha1, Sha256};
    use super::*;

    const NAMES: AlgorithmNames = &[("sha-256", Sha256), ("sha", Sha1)];
    const SHA256: &str = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
    const SHA1: &str = "98O8HYCOBHMq32eZZczDTKeuNEE=";
    const MD5: &str = "JfnnlDI7RTiF9RgfG2JNCw==";

    fn parsed_algorithms(syntax: &DigestSyntax, field: &str) -> Vec<Algorithm> {
        let field = field.replace("SHA256", SHA256).replace("SHA1", SHA1).replace("MD5", MD5);
        syntax.parse(&field).into_iter().map(|(algorithm, _)| algorithm).collect()
    }

    #[test]
    fn digest_values_are_big_endian_bytes() {
        for (syntax, field, value) in [
            (DigestSyntax::Decimal(Crc64Xz), "258", &[0, 0, 0, 0, 0, 0, 1, 2][..]),
            (DigestSyntax::Decimal(Crc64Xz), " 18446744073709551615 ", &[0xff; 8]),
            (DigestSyntax::Base64(Crc32c), " 4waSgw==", &0xe306_9283_u32.to_be_bytes()),
            (DigestSyntax::Base64(Crc32c), "4waSgw", &0xe306_9283_u32.to_be_bytes()),
        ] {
            let [(_, read)] = &syntax.parse(field)[..] else { panic!("{field}") };
            assert_eq!(read, value, "{field}");
        }
    }

    #[test]
    fn dictionaries_parse_as_structured_fields() {
        for (field, algorithms) in [
            ("sha-256=:SHA256:", &[Sha256][..]),
            ("SHA-256=:SHA256:;a;b=\"1,2\" ,\tsha=:SHA1: ", &[Sha256, Sha1]),
            ("a=\"sha-256=:x:, \\\", sha=:SHA1:\", sha-256=:SHA256:", &[Sha256]),
            ("id=?1, c=(1 2), d, sha-256=:SHA256:", &[Sha256]),
            ("a=\", sha-256=:SHA256:", &[]),
            ("sha-256=:SHA256:junk", &[]),
            ("sha-256=:SHA1:", &[]),
            ("sha-256=SHA256", &[]),
            ("sha-256=:SHA256", &[]),
            ("sha-256::SHA256:", &[]),
            (&",=:\"".repeat(1 << 16), &[]),
        ] {
            assert_eq!(parsed_algorithms(&DigestSyntax::Dictionary(NAMES), field), algorithms, "{field:.80}");
        }
    }

    #[test]
    fn list_members_are_parsed_independently() {
        for (field, algorithms) in [
            ("sha-256=SHA256", &[Sha256][..]),
            (" Sha = SHA1 ,unixsum=30637,, SHA-256=SHA256", &[Sha1, Sha256]),
            ("sha-256=SHA1, sha-256=:SHA256:, id-sha-256=SHA256, =, ,sha-256", &[]),
        ] {
            assert_eq!(parsed_algorithms(&DigestSyntax::List(NAMES), field), algorithms, "{field}");
        }
    }

    #[test]
    fn malformed_digest_values_are_ignored() {
        for field in [
            "",
            "25f9e794323b453885f5181f1b624d0b",
            "\"MD5\"",
            "MD5, MD5",
            "MD5-2",
            "SHA1",
            "JfnnlDI7RTiF9RgfG2JNCx==",
            "Jfnn lDI7RTiF9RgfG2JNCw==",
            "Jfnn-DI7RTiF9RgfG2JNCw==",
            "\u{fffd}\0\u{1b}[31m",
            &"A".repeat(1 << 20),
        ] {
            assert_eq!(parsed_algorithms(&DigestSyntax::Base64(Md5), field), [], "{field:.80}");
        }
        for field in ["", "-1", "+1", "1.0", "18446744073709551616", "0x12", "1, 1", "\u{661}"] {
            assert_eq!(parsed_algorithms(&DigestSyntax::Decimal(Crc64Xz), field), [], "{field}");
        }
    }
}
