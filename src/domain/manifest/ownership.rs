//! Decides who wrote a `manifest.json`, from its bytes alone.
//!
//! Invariant: a file that is not provably from this program is never overwritten.
//! - Ours: it parses and has `manifest_version` and `tasks`.
//! - Truncated: ours after a crash, may be rebuilt. It is empty, all zeros, or begins as our manifests do and ends early, maybe
//!   with zeros at the end: a file system may grow a file before it writes the data.
//! - Corrupt: it is no JSON, and begins with the name of this program.
//! - Not JSON: other text. Only its location can show who wrote it.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use serde::de::IgnoredAny;

use super::reader::{ManifestHeader, RawTask, for_each_task};
use super::{VERSION, strip_byte_order_mark};

/// The beginnings of our manifests, without whitespace. Other programs and later versions use `manifest_version`, too.
const KNOWN_PREFIXES: [&[u8]; 2] = [b"{\"manifest_version\":1,\"generator\":", b"{\"manifest_version\":1,\"tasks\":"];

/// The beginning of a manifest with this program's name, without whitespace.
const GENERATOR_PREFIX: &[u8] = b"{\"manifest_version\":1,\"generator\":\"yescale-dl";
/// The beginning of a manifest of any version.
const VERSION_PREFIX: &[u8] = b"{\"manifest_version\":";

/// The size of one read, at the beginning and, backwards, from the end.
const BLOCK_SIZE: u64 = 4096;

/// Who wrote a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// This program, and it can be read.
    Ours,
    /// This program, but a crash cut it: it may be rebuilt.
    Truncated,
    /// This program, but a disk or an editor damaged it: it is no JSON and begins with the program's name.
    Corrupt,
    /// Unknown: it is no JSON.
    NotJson,
    /// Another program: it must never be overwritten.
    Foreign,
    /// A later version of this program: it must never be overwritten.
    NewerVersion(u64),
}

/// Decides who wrote the manifest in `file`. Calls `each` with its tasks in the same pass; the tasks do not influence the
/// result.
///
/// # Errors
/// When `file` can't be read.
pub fn check_ownership(mut file: impl Read + Seek, each: impl FnMut(RawTask<'_>)) -> io::Result<Ownership> {
    match for_each_task(&mut file, each) {
        Ok(ManifestHeader { version: Some(version), tasks_are_list: Some(_) }) if version > VERSION => {
            Ok(Ownership::NewerVersion(version))
        }
        Ok(ManifestHeader { version: Some(1..), tasks_are_list: Some(true) }) => Ok(Ownership::Ours),
        Ok(_) => Ok(Ownership::Foreign),
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
            classify_invalid_json(file)
        }
        Err(error) => Err(error),
    }
}

/// Classifies a file that is no valid manifest document.
fn classify_invalid_json(mut file: impl Read + Seek) -> io::Result<Ownership> {
    let written_len = len_without_trailing_zeros(&mut file)?;
    file.rewind()?;
    let mut start = Vec::new();
    (&mut file).take(written_len.min(BLOCK_SIZE)).read_to_end(&mut start)?;
    let start: Vec<u8> = strip_byte_order_mark(&start).iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let begins_as_ours = KNOWN_PREFIXES.iter().any(|ours| ours.starts_with(&start[..start.len().min(ours.len())]));
    file.rewind()?;
    if start.first().is_some_and(|first| *first != b'{') && is_json(&mut file) {
        return Ok(Ownership::Foreign);
    }
    file.rewind()?;
    // A complete document with zeros behind it is cut, too: the file grew, and the next write never happened.
    let is_cut = || {
        for_each_task(file.take(written_len), |_| ()).map_or_else(|error| error.kind() == io::ErrorKind::UnexpectedEof, |_| true)
    };
    Ok(if begins_as_ours && is_cut() {
        Ownership::Truncated
    } else if start.starts_with(GENERATOR_PREFIX) {
        Ownership::Corrupt
    } else if has_other_version(&start) {
        Ownership::Foreign
    } else {
        Ownership::NotJson
    })
}

/// Whether a file is JSON of any shape.
fn is_json(file: &mut (impl Read + Seek)) -> bool {
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file)).is_ok()
}

/// Whether a text begins as a manifest of another version than 1.
fn has_other_version(start: &[u8]) -> bool {
    start.strip_prefix(VERSION_PREFIX).is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest[..digits] != *b"1"
    })
}

/// The length of a file without the zeros at its end.
fn len_without_trailing_zeros(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_SIZE);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|&byte| byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership(bytes: &[u8]) -> Ownership {
        check_ownership(io::Cursor::new(bytes), |_| ()).unwrap()
    }

    #[test]
    fn only_provably_own_manifests_may_be_overwritten() {
        let ours = "{\n  \"manifest_version\": 1,\n  \"generator\": \"x\",\n  \"tasks\": [\n    {\"task_id\": \"a\"}\n  ]\n}\n";
        for end in 0..ours.len() - 2 {
            assert_eq!(ownership(&ours.as_bytes()[..end]), Ownership::Truncated, "cut at {end}");
            let zeros = [&ours.as_bytes()[..end], &[0; 9]].concat();
            assert_eq!(ownership(&zeros), Ownership::Truncated, "cut at {end}, then zeros");
        }
        for (text, expected) in [
            (ours, Ownership::Ours),
            (r#"{"tasks":[],"manifest_version":1}"#, Ownership::Ours),
            (r#"{"manifest_version":1,"tasks":[],"future":{}}"#, Ownership::Ours),
            (r#"{"manifest_version":2,"tasks":[]}"#, Ownership::NewerVersion(2)),
            (r#"{"manifest_version":9,"tasks":{}}"#, Ownership::NewerVersion(9)),
            (r#"{"manifest_version":0,"tasks":[]}"#, Ownership::Foreign),
            (r#"{"manifest_version":"1","tasks":[]}"#, Ownership::Foreign),
            (r#"{"manifest_version":1}"#, Ownership::Foreign),
            (r#"{"manifest_version":1,"tasks":{}}"#, Ownership::Foreign),
            (r#"{"manifest_version":3,"name":"an app"}"#, Ownership::Foreign),
            (r#"{"name":"a web app","icons":["#, Ownership::NotJson),
            (r#"{"name":"a web app"}"#, Ownership::Foreign),
            (r#"{"manifest_version":1,"tasks":[]} x"#, Ownership::NotJson),
            (r#"{"manifest_version":1,"tasks":[},"#, Ownership::NotJson),
            (r#"{"manifest_version":1,"generator":"yescale-dl 0.2.0","tasks":[},"#, Ownership::Corrupt),
            ("\u{feff}{\"manifest_version\":1,\"tasks\":[]}", Ownership::Ours),
            ("\u{feff}{\"manifest_version\":1,\"tasks\":[", Ownership::Truncated),
            (r#"{"manifest_version":1,"tasks":["#, Ownership::Truncated),
            (r#"{"manifest_version": 1"#, Ownership::Truncated),
            (r#"{"manifest_version":1,"name":"an app"#, Ownership::NotJson),
            (r#"{"manifest_version": 2, "tasks": ["#, Ownership::Foreign),
            (r#"{"manifest_version": 3, "name": "an extension", "#, Ownership::Foreign),
            (r#"{"manifest_version": 10"#, Ownership::Foreign),
            ("[]", Ownership::Foreign),
            ("[", Ownership::NotJson),
            ("null", Ownership::Foreign),
            ("my notes", Ownership::NotJson),
        ] {
            assert_eq!(ownership(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(ownership(&[ours.as_bytes(), &[0; 9000]].concat()), Ownership::Truncated);
        assert_eq!(ownership(b""), Ownership::Truncated);
        assert_eq!(ownership(&[0; 9000]), Ownership::Truncated);
        assert_eq!(ownership(b"\xff\xfe"), Ownership::NotJson);
    }
}
