//! The tag files of a BagIt 1.0 bag (RFC 8493).
//!
//! Its payload is in `data/`, a folder a task, with the task's own manifest in it: taken out of the bag
//! it is an archive again. Every payload file stands in `manifest-sha256.txt`, every tag file in
//! `tagmanifest-sha256.txt`.

use std::fmt::Write as _;

use crate::domain::manifest::GENERATOR;
use crate::integrity::digest::Sha256Hex;

/// A file that is in the bag.
pub(crate) struct Payload {
    /// From the bag's own folder: `data/…`.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: Sha256Hex,
}

/// The bag's tag files, each a name and a text; `date` is `YYYY-MM-DD`.
#[must_use]
pub(crate) fn tag_files(payload: &[Payload], date: &str) -> Vec<(&'static str, String)> {
    let bytes = payload.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    let info = format!("Bag-Software-Agent: {GENERATOR}\nBagging-Date: {date}\nPayload-Oxum: {bytes}.{}\n", payload.len());
    let mut tags = vec![
        ("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_owned()),
        ("bag-info.txt", info),
        ("manifest-sha256.txt", checksum_lines(payload.iter().map(|file| (&file.sha256, file.path.as_str())))),
    ];
    let hashes: Vec<Sha256Hex> = tags.iter().map(|(_, text)| Sha256Hex::digest(text.as_bytes())).collect();
    tags.push(("tagmanifest-sha256.txt", checksum_lines(hashes.iter().zip(tags.iter().map(|(name, _)| *name)))));
    tags
}

fn checksum_lines<'a>(files: impl Iterator<Item = (&'a Sha256Hex, &'a str)>) -> String {
    files.fold(String::new(), |mut lines, (sha256, path)| {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "{sha256}  {}", escaped(path));
        lines
    })
}

/// What would end a line, and what escapes it, are all that a path must not hold as it is.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_and_every_tag_file_is_in_the_tag_manifest() {
        let payload = Payload { path: "data/a\r\n%0A é".to_owned(), size: 3, sha256: Sha256Hex::digest(b"abc") };
        let tags = tag_files(&[payload], "2026-11-23");
        let (last, others) = tags.split_last().unwrap();
        assert_eq!(others[2].1, format!("{}  data/a%0D%0A%250A é\n", Sha256Hex::digest(b"abc")));
        assert!(others[1].1.ends_with("Bagging-Date: 2026-11-23\nPayload-Oxum: 3.1\n"));
        let line = |(name, text): &(&str, String)| format!("{}  {name}\n", Sha256Hex::digest(text.as_bytes()));
        assert_eq!(last, &("tagmanifest-sha256.txt", others.iter().map(line).collect()));
    }
}
