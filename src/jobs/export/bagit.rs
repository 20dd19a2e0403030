//! A BagIt 1.0 bag (RFC 8493): copies of all files with their checksums.
//!
//! The payload is in `data/`, one folder per task, with the task manifest in it. Taken out of the bag, `data/` is an archive
//! again; so a task manifest that is damaged is left out, as a damaged file is. `manifest-sha256.txt` lists every payload file,
//! `tagmanifest-sha256.txt` every tag file. Storage writes the folder ([`NewFolder`]); this module decides what is in it.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;

use super::Skipped;
use crate::domain::manifest::{GENERATOR, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout;
use crate::storage::{self, ArchiveReader, NewFolder};

/// A file in the bag.
struct Payload {
    /// Relative to the bag: `data/…`.
    path: String,
    /// In bytes.
    size: u64,
    /// Of all its bytes.
    sha256: Sha256Hex,
}

/// Writes everything of `tasks`, their manifests too, as a bag into the new `folder`. Returns the number of files in the payload.
/// None if there are none: then there is no bag.
pub(super) fn write(
    reader: &ArchiveReader,
    tasks: &[TaskEntry],
    folder: &Path,
    has_text: bool,
    skipped: &mut Skipped<'_>,
) -> Result<Option<usize>, storage::Error> {
    let mut bag = NewFolder::create(folder)?;
    bag.create_dir("data")?;
    let mut payload = Vec::new();
    for task in tasks {
        let task_folder = layout::folder_name(&task.task_id);
        let text = task.text.as_ref().filter(|_| has_text);
        let text = text.map(|text| (reader.text_path(task), Some(Sha256Hex::digest(text.as_bytes()))));
        let media = task.files.iter().map(|file| (reader.media_path(task, file), Some(file.sha256().clone())));
        let manifest = (reader.manifest_path(task), None);
        for (source, expected) in media.chain(text).chain([manifest]) {
            let Some(source) = skipped.skip_single_file(source)? else { continue };
            let path = format!("data/{task_folder}/{}", source.file_name().unwrap_or_default().display());
            if let Some((size, sha256)) = skipped.skip_single_file(bag.copy(&source, &path, expected.as_ref()))? {
                payload.push(Payload { path, size, sha256 });
            }
        }
    }
    if payload.is_empty() {
        return Ok(None);
    }
    let now = Timestamp::now().to_string();
    for (name, text) in tag_files(&payload, &now[..10]) {
        bag.write_file(name, &text)?;
    }
    bag.finish().map(|()| Some(payload.len()))
}

/// The names and texts of the tag files. `date` is `YYYY-MM-DD`.
fn tag_files(payload: &[Payload], date: &str) -> Vec<(&'static str, String)> {
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

/// Escapes line ends and the escape character itself; a path may hold everything else.
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
