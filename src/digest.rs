//! SHA-256: the one place that hashes.
//!
//! Bytes go in, in order; a [`Sha256Hex`] comes out: 64 lower-case hex digits, which a manifest, a
//! `SHA256SUMS` line and a folder name can carry as they are.

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 value as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

/// Hashes bytes as they pass.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was taken.
    #[must_use]
    pub fn finish(self) -> Sha256Hex {
        use fmt::Write as _;
        Sha256Hex(self.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

/// Hashes a reader to its end; the hash and the number of bytes.
///
/// # Errors
/// Whatever the reader reports; never a hash of less than all of it.
pub fn hash_reader(mut reader: impl Read) -> io::Result<(Sha256Hex, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
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
    fn bytes_are_hashed_as_the_standard_says() {
        assert_eq!(Sha256Hex::of(b"abc").as_str(), ABC);
        assert_eq!(hash_reader(&b"abc"[..]).unwrap(), (Sha256Hex(ABC.to_owned()), 3));
    }

    #[test]
    fn a_value_read_back_must_be_one() {
        assert!(serde_json::from_str::<Sha256Hex>(&format!("\"{ABC}\"")).is_ok());
        for text in ["\"\"", "\"abc\"", &format!("\"{}\"", ABC.to_uppercase()), "7"] {
            assert!(serde_json::from_str::<Sha256Hex>(text).is_err());
        }
    }

    #[test]
    fn a_broken_reader_gives_no_hash() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        assert!(hash_reader(b"abc".chain(Broken)).is_err());
    }
}
