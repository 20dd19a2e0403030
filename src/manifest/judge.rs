//! Whose is this manifest.json?
//!
//! Decides from the bytes alone, and in the user's favour: what is not provably ours is never
//! overwritten. Ours is what parses and has `manifest_version` and `tasks`. Ours but broken, and
//! free to be rebuilt, is what a crash leaves: nothing, zeros, or our beginning that breaks off
//! (zeros behind it too: a file system may have grown the file before it wrote it). Ours but garbled is what is no
//! JSON any more and begins with our name. Of other text that is no JSON, only its place can tell whose it is.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use serde::de::IgnoredAny;

use super::read::{Head, Unread, walk};
use super::{VERSION, unmarked};

/// How manifests of ours begin, blanks aside. Those of other programs and of later versions have a `manifest_version` too.
const BEGINNINGS: [&[u8]; 2] = [b"{\"manifest_version\":1,\"generator\":", b"{\"manifest_version\":1,\"tasks\":"];

/// How manifests begin that this program has written, blanks aside.
const NAME: &[u8] = b"{\"manifest_version\":1,\"generator\":\"yescale-dl";
/// How manifests of any version begin.
const VERSIONED: &[u8] = b"{\"manifest_version\":";

/// What is read at once of the beginning and, backwards, from the end.
const BLOCK: u64 = 4096;

/// Whose a manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It can be read.
    Ours,
    /// Ours, but a crash cut it; it can be rebuilt.
    Broken,
    /// No JSON, and it begins with our name: a disk or an editor damaged it.
    Garbled,
    /// No JSON, and nothing in it tells whose it is.
    NoJson,
    /// Not ours: never to be overwritten.
    Foreign,
    /// Written by a later version than this one: never to be overwritten.
    Newer(u64),
}

/// Whose the manifest in `file` is. Its tasks are handed out on the way; what they are like decides nothing.
///
/// # Errors
/// When it can't be read.
pub fn judge(mut file: impl Read + Seek, each: impl FnMut(Unread<'_>)) -> io::Result<Verdict> {
    match walk(&mut file, each) {
        Ok(Head { version: Some(version), is_list: Some(_) }) if version > VERSION => Ok(Verdict::Newer(version)),
        Ok(Head { version: Some(1..), is_list: Some(true) }) => Ok(Verdict::Ours),
        Ok(_) => Ok(Verdict::Foreign),
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => unreadable(file),
        Err(error) => Err(error),
    }
}

/// What a file is that can't be read as JSON.
fn unreadable(mut file: impl Read + Seek) -> io::Result<Verdict> {
    let written = written(&mut file)?;
    file.rewind()?;
    let mut start = Vec::new();
    (&mut file).take(written.min(BLOCK)).read_to_end(&mut start)?;
    let start: Vec<u8> = unmarked(&start).iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let begins_as_ours = BEGINNINGS.iter().any(|ours| ours.starts_with(&start[..start.len().min(ours.len())]));
    file.rewind()?;
    if start.first().is_some_and(|first| *first != b'{') && is_json(&mut file) {
        return Ok(Verdict::Foreign);
    }
    file.rewind()?;
    // Whole, but with zeros behind it, is a file that grew and was not written on.
    let is_cut = || walk(file.take(written), |_| ()).map_or_else(|error| error.kind() == io::ErrorKind::UnexpectedEof, |_| true);
    Ok(match () {
        () if begins_as_ours && is_cut() => Verdict::Broken,
        () if start.starts_with(NAME) => Verdict::Garbled,
        () if is_of_another_version(&start) => Verdict::Foreign,
        () => Verdict::NoJson,
    })
}

/// Whether a file is JSON of whatever shape.
fn is_json(file: &mut (impl Read + Seek)) -> bool {
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file)).is_ok()
}

/// Whether a text begins as a manifest with a version that is not ours.
fn is_of_another_version(start: &[u8]) -> bool {
    start.strip_prefix(VERSIONED).is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest[..digits] != *b"1"
    })
}

/// How long a file is without the zeros at its end.
fn written(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
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

    fn whose(bytes: &[u8]) -> Verdict {
        judge(io::Cursor::new(bytes), |_| ()).unwrap()
    }

    #[test]
    fn only_what_is_provably_ours_may_be_overwritten() {
        let ours = "{\n  \"manifest_version\": 1,\n  \"generator\": \"x\",\n  \"tasks\": [\n    {\"task_id\": \"a\"}\n  ]\n}\n";
        for end in 0..ours.len() - 2 {
            assert_eq!(whose(&ours.as_bytes()[..end]), Verdict::Broken, "cut at {end}");
            let zeros = [&ours.as_bytes()[..end], &[0; 9]].concat();
            assert_eq!(whose(&zeros), Verdict::Broken, "cut at {end}, then zeros");
        }
        for (text, verdict) in [
            (ours, Verdict::Ours),
            (r#"{"tasks":[],"manifest_version":1}"#, Verdict::Ours),
            (r#"{"manifest_version":1,"tasks":[],"future":{}}"#, Verdict::Ours),
            (r#"{"manifest_version":2,"tasks":[]}"#, Verdict::Newer(2)),
            (r#"{"manifest_version":9,"tasks":{}}"#, Verdict::Newer(9)),
            (r#"{"manifest_version":0,"tasks":[]}"#, Verdict::Foreign),
            (r#"{"manifest_version":"1","tasks":[]}"#, Verdict::Foreign),
            (r#"{"manifest_version":1}"#, Verdict::Foreign),
            (r#"{"manifest_version":1,"tasks":{}}"#, Verdict::Foreign),
            (r#"{"manifest_version":3,"name":"an app"}"#, Verdict::Foreign),
            (r#"{"name":"a web app","icons":["#, Verdict::NoJson),
            (r#"{"name":"a web app"}"#, Verdict::Foreign),
            (r#"{"manifest_version":1,"tasks":[]} x"#, Verdict::NoJson),
            (r#"{"manifest_version":1,"tasks":[},"#, Verdict::NoJson),
            (r#"{"manifest_version":1,"generator":"yescale-dl 0.1.0","tasks":[},"#, Verdict::Garbled),
            ("\u{feff}{\"manifest_version\":1,\"tasks\":[]}", Verdict::Ours),
            ("\u{feff}{\"manifest_version\":1,\"tasks\":[", Verdict::Broken),
            (r#"{"manifest_version":1,"tasks":["#, Verdict::Broken),
            (r#"{"manifest_version": 1"#, Verdict::Broken),
            (r#"{"manifest_version":1,"name":"an app"#, Verdict::NoJson),
            (r#"{"manifest_version": 2, "tasks": ["#, Verdict::Foreign),
            (r#"{"manifest_version": 3, "name": "an extension", "#, Verdict::Foreign),
            (r#"{"manifest_version": 10"#, Verdict::Foreign),
            ("[]", Verdict::Foreign),
            ("[", Verdict::NoJson),
            ("null", Verdict::Foreign),
            ("my notes", Verdict::NoJson),
        ] {
            assert_eq!(whose(text.as_bytes()), verdict, "{text}");
        }
        assert_eq!(whose(&[ours.as_bytes(), &[0; 9000]].concat()), Verdict::Broken);
        assert_eq!(whose(b""), Verdict::Broken);
        assert_eq!(whose(&[0; 9000]), Verdict::Broken);
        assert_eq!(whose(b"\xff\xfe"), Verdict::NoJson);
    }
}
