//! The values of `Content-Encoding` that encode nothing.
//!
//! Some hosts put the kind of the bytes into this header (`binary`), their character set (`utf-8`), or how they were uploaded
//! (`aws-chunked`). The bytes are then those of the file, and their digests and ranges count. Both the decoder in `http` and the
//! digests need to know this, so it stands below them.

/// Names of no encoding, besides character sets.
const NO_CODING: [&str; 18] = [
    "",
    "identity",
    "none",
    "no",
    "null",
    "nil",
    "undefined",
    "false",
    "off",
    "default",
    "raw",
    "plain",
    "binary",
    "7bit",
    "8bit",
    // Framing of an upload or of a response, which is gone when the body is here.
    "aws-chunked",
    "chunked",
    "unicode",
];
/// The beginnings of names of character sets.
const CHARSETS: [&str; 9] = ["utf", "ascii", "us-ascii", "iso-8859", "latin", "windows-", "cp125", "charset", "gb"];

/// The values in header lines that name an encoding, in lower case. Lists are split.
pub(crate) fn codings<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names = values.into_iter().flat_map(|value| value.split(','));
    let names = names.map(|name| name.trim_matches(|char: char| char.is_whitespace() || char == '"').to_ascii_lowercase());
    names.filter(|name| !NO_CODING.contains(&name.as_str()) && !CHARSETS.iter().any(|set| name.starts_with(set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_encode_nothing_are_left_out() {
        for value in [
            "",
            " ",
            ",",
            "identity",
            "None",
            "BINARY",
            "utf-8",
            "UTF8",
            "utf-16le",
            "iso-8859-1",
            "US-ASCII",
            "aws-chunked",
            "aws-chunked,",
            "identity, utf-8,, none",
            "\"identity\"",
            "charset=utf-8",
            "8bit",
        ] {
            assert_eq!(codings([value]), [""; 0], "{value}");
        }
        assert_eq!(codings(["aws-chunked, GZIP", " br "]), ["gzip", "br"]);
        assert_eq!(codings(["base64", "compress", "x-unknown"]), ["base64", "compress", "x-unknown"]);
    }
}
