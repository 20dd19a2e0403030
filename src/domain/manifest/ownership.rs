//! Whose is this manifest.json?
//!
//! Decides from the bytes alone, and in the user's favour: what is not provably ours is never
//! overwritten. Ours is what parses and has `manifest_version` and `tasks`. Ours but broken, and
//! free to be rebuilt, is what a crash leaves: nothing, zeros, or our beginning that breaks off
//! (zeros behind it too: a file system may have grown the file before it wrote it). Ours but garbled is what is no
//! JSON any more and begins with our name. Of other text that is no JSON, only its place can tell whose it is.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use serde::de::IgnoredAny;

use super::reader::{ManifestHeader, RawTask, for_each_task};
use super::{VERSION, strip_byte_order_mark};

/// How manifests of ours begin, blanks aside. Those of other programs and of later versions have a `manifest_version` too.
const KNOWN_PREFIXES: [&[u8]; 2] = [b"{\"manifest_version\":1,\"generator\":", b"{\"manifest_version\":1,\"tasks\":"];

/// How manifests begin that this program has written, blanks aside.
const GENERATOR_PREFIX: &[u8] = b"{\"manifest_version\":1,\"generator\":\"yescale-dl";
/// How manifests of any version begin.
const VERSION_PREFIX: &[u8] = b"{\"manifest_version\":";

/// What is read at once of the beginning and, backwards, from the end.
const BLOCK_SIZE: u64 = 4096;

/// Whose a manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// It can be read.
    Ours,
    /// Ours, but a crash cut it; it can be rebuilt.
    Truncated,
    /// No JSON, and it begins with our name: a disk or an editor damaged it.
    Corrupt,
    /// No JSON, and nothing in it tells whose it is.
    NotJson,
    /// Not ours: never to be overwritten.
    Foreign,
    /// Written by a later version than this one: never to be overwritten.
    NewerVersion(u64),
}

/// Whose the manifest in `file` is. Its tasks are handed out on the way; what they are like decides nothing.
///
/// # Errors
/// When it can't be read.
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

/// What a file is that can't be read as JSON.
fn classify_invalid_json(mut file: impl Read + Seek) -> io::Result<Ownership> {
    let written = len_without_trailing_zeros(&mut file)?;
    file.rewind()?;
    let mut start = Vec::new();
    (&mut file).take(written.min(BLOCK_SIZE)).read_to_end(&mut start)?;
    let start: Vec<u8> = strip_byte_order_mark(&start).iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let begins_as_ours = KNOWN_PREFIXES.iter().any(|ours| ours.starts_with(&start[..start.len().min(ours.len())]));
    file.rewind()?;
    if start.first().is_some_and(|first| *first != b'{') && is_json(&mut file) {
        return Ok(Ownership::Foreign);
    }
    file.rewind()?;
    // Whole, but with zeros behind it, is a file that grew and was not written on.
    let is_cut =
        || for_each_task(file.take(written), |_| ()).map_or_else(|error| error.kind() == io::ErrorKind::UnexpectedEof, |_| true);
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

/// Whether a file is JSON of whatever shape.
fn is_json(file: &mut (impl Read + Seek)) -> bool {
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file)).is_ok()
}

/// Whether a text begins as a manifest with a version that is not ours.
fn has_other_version(start: &[u8]) -> bool {
    start.strip_prefix(VERSION_PREFIX).is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest[..digits] != *b"1"
    })
}

/// How long a file is without the zeros at its end.
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
        for (text, verdict) in [
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
            (r#"{"manifest_version":1,"generator":"yescale-dl 0.1.0","tasks":[},"#, Ownership::Corrupt),
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
            assert_eq!(ownership(text.as_bytes()), verdict, "{text}");
        }
        assert_eq!(ownership(&[ours.as_bytes(), &[0; 9000]].concat()), Ownership::Truncated);
        assert_eq!(ownership(b""), Ownership::Truncated);
        assert_eq!(ownership(&[0; 9000]), Ownership::Truncated);
        assert_eq!(ownership(b"\xff\xfe"), Ownership::NotJson);
    }
}
