//! Whose is this manifest.json?
//!
//! Decides from the bytes alone, and in the user's favour: what is not provably ours is never
//! overwritten. Ours is what parses and has `manifest_version` and `tasks`. Ours but broken, and
//! free to be rebuilt, is what a crash leaves: nothing, zeros, or our beginning that breaks off
//! (zeros behind it too: a file system may have grown the file before it wrote it).

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::VERSION;

/// How every manifest of ours begins, blanks aside.
const BEGINNING: &[u8] = b"{\"manifest_version\":";

/// Whose a manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It can be read.
    Ours,
    /// Ours, but a crash cut it; it can be rebuilt.
    Broken,
    /// Not ours: never to be overwritten.
    Foreign,
    /// Written by a later version than this one: never to be overwritten.
    Newer(u64),
}

#[derive(Deserialize)]
struct Shape {
    manifest_version: u64,
    tasks: Listed,
}

/// Whether a value is a list; a later version may shape its tasks anew.
struct Listed(bool);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = Listed;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list or a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listed, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Listed(true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Listed(false))
    }
}

/// Whose manifest `bytes` are.
#[must_use]
pub fn judge(bytes: &[u8]) -> Verdict {
    match serde_json::from_slice::<Shape>(bytes) {
        Ok(Shape { manifest_version, .. }) if manifest_version > VERSION => Verdict::Newer(manifest_version),
        Ok(Shape { manifest_version: 1.., tasks: Listed(true) }) => Verdict::Ours,
        Ok(_) => Verdict::Foreign,
        Err(_) if breaks_off(bytes) => Verdict::Broken,
        Err(_) => Verdict::Foreign,
    }
}

/// Whether a manifest of ours is a task's own: only there the gateway's answer is kept.
#[must_use]
pub fn is_of_one(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Tasks {
        tasks: Vec<Task>,
    }
    #[derive(Deserialize)]
    struct Task {
        response: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Tasks>(bytes).is_ok_and(|Tasks { tasks }| matches!(tasks.as_slice(), [Task { response: Some(_) }]))
}

fn breaks_off(bytes: &[u8]) -> bool {
    let written = bytes.iter().rposition(|&byte| byte != 0).map_or(&bytes[..0], |last| &bytes[..=last]);
    let beginning: Vec<u8> = written.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(BEGINNING.len()).collect();
    let unfinished = || serde_json::from_slice::<IgnoredAny>(written).is_err_and(|error| error.is_eof());
    written.is_empty() || (BEGINNING.starts_with(&beginning) && unfinished())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_provably_ours_may_be_overwritten() {
        let ours = "{\n  \"manifest_version\": 1,\n  \"generator\": \"x\",\n  \"tasks\": [\n    {\"task_id\": \"a\"}\n  ]\n}\n";
        for end in 0..ours.len() - 2 {
            assert_eq!(judge(&ours.as_bytes()[..end]), Verdict::Broken, "cut at {end}");
            let zeros = [&ours.as_bytes()[..end], &[0; 9]].concat();
            assert_eq!(judge(&zeros), Verdict::Broken, "cut at {end}, then zeros");
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
            (r#"{"name":"a web app","icons":["#, Verdict::Foreign),
            (r#"{"name":"a web app"}"#, Verdict::Foreign),
            (r#"{"manifest_version":1,"tasks":[]} x"#, Verdict::Foreign),
            (r#"{"manifest_version":1,"tasks":[},"#, Verdict::Foreign),
            ("[]", Verdict::Foreign),
            ("[", Verdict::Foreign),
            ("null", Verdict::Foreign),
            ("my notes", Verdict::Foreign),
        ] {
            assert_eq!(judge(text.as_bytes()), verdict, "{text}");
        }
        assert_eq!(judge(b""), Verdict::Broken);
        assert_eq!(judge(&[0; 4096]), Verdict::Broken);
        assert_eq!(judge(b"\xff\xfe"), Verdict::Foreign);
    }
}
