//! Computes hashes: the only place that does.
//!
//! The archive uses SHA-256 only, as a [`Sha256Hex`]: 64 lower-case hex digits, valid in a manifest, a `SHA256SUMS` line and
//! a folder name. [`BlockHasher`] proves blocks of a part file after a crash. The other hashes exist only to check the digests
//! that hosts send.

use std::fmt;
use std::io::{self, Read};

use md5::Md5;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use twox_hash::xxhash3_128;

/// A SHA-256 value as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Computes the hash of `bytes`.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether these bytes are the hash.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0 == to_hex(bytes)
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sha256Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("a SHA-256 is 64 lower-case hex digits"))
        }
    }
}

/// The SHA-256 of `bytes`, as bytes.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Computes a SHA-256 incrementally.
#[derive(Clone, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all added bytes.
    #[must_use]
    pub(crate) fn finish(self) -> Sha256Hex {
        Sha256Hex(to_hex(&self.0.finalize()))
    }
}

/// Computes the XXH3 of one block incrementally: 128 bits that find every damage by chance, but not one by intent.
#[derive(Clone)]
pub(crate) struct BlockHasher(xxhash3_128::Hasher);

impl Default for BlockHasher {
    fn default() -> Self {
        Self(xxhash3_128::Hasher::new())
    }
}

impl BlockHasher {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The hash of all added bytes, in hex digits.
    #[must_use]
    pub(crate) fn finish(&self) -> String {
        to_hex(&self.0.finish_128().to_be_bytes())
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 0xF].map(|digit| char::from(DIGITS[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

/// Hashes a reader to its end. Returns the hash and the number of bytes.
///
/// # Errors
/// Errors of the reader; there is never a hash of only a part.
pub(crate) fn hash_reader(reader: impl Read) -> io::Result<(Sha256Hex, u64)> {
    let mut hasher = Hasher::default();
    let size = for_each_chunk(reader, |bytes| hasher.update(bytes))?;
    Ok((hasher.finish(), size))
}

/// The SHA-512 of a reader, to its end. Only for the digests of hosts, as the next two.
///
/// # Errors
/// Errors of the reader; there is never a hash of only a part.
pub(crate) fn sha512(reader: impl Read) -> io::Result<Vec<u8>> {
    digest_reader::<Sha512>(reader)
}

/// The SHA-1 of a reader.
///
/// # Errors
/// As for [`sha512`].
pub(crate) fn sha1(reader: impl Read) -> io::Result<Vec<u8>> {
    digest_reader::<Sha1>(reader)
}

/// The MD5 of a reader.
///
/// # Errors
/// As for [`sha512`].
pub(crate) fn md5(reader: impl Read) -> io::Result<Vec<u8>> {
    digest_reader::<Md5>(reader)
}

fn digest_reader<D: Digest>(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut hasher = D::new();
    for_each_chunk(reader, |bytes| hasher.update(bytes))?;
    Ok(hasher.finalize().to_vec())
}

/// Calls `each` with all bytes of a reader, one buffer at a time. Returns the number of bytes.
///
/// # Errors
/// Errors of the reader, except interruptions, which are retried.
pub(crate) fn for_each_chunk(mut reader: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(read) => {
                each(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn sha256_matches_the_standard_test_vector() {
        assert_eq!(Sha256Hex::digest(b"abc").as_str(), ABC);
        assert!(Sha256Hex::digest(b"abc").matches(&sha256(b"abc")));
        assert_eq!(hash_reader(&b"abc"[..]).unwrap(), (Sha256Hex(ABC.to_owned()), 3));
    }

    #[test]
    fn sha512_sha1_and_md5_match_their_test_vectors() {
        let sha512_of_abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(to_hex(&sha512(&b"abc"[..]).unwrap()), sha512_of_abc);
        assert_eq!(to_hex(&sha1(&b"abc"[..]).unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(to_hex(&md5(&b"abc"[..]).unwrap()), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn hash_comparison_uses_all_bytes() {
        let hash = Sha256Hex::digest(b"abc");
        let bytes = Sha256::digest(b"abc");
        assert!(hash.matches(&bytes));
        assert!(!hash.matches(&bytes[..31]) && !hash.matches(&[]) && !hash.matches(&[0; 32]));
    }

    #[test]
    fn deserialized_hash_must_be_valid() {
        assert!(serde_json::from_str::<Sha256Hex>(&format!("\"{ABC}\"")).is_ok());
        for text in ["\"\"", "\"abc\"", &format!("\"{}\"", ABC.to_uppercase()), "7"] {
            assert!(serde_json::from_str::<Sha256Hex>(text).is_err());
        }
    }

    #[test]
    fn failing_reader_gives_no_hash() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        assert!(hash_reader(b"abc".chain(Broken)).is_err());
        assert!(md5(b"abc".chain(Broken)).is_err());
    }
}
