//! Compares two JSON texts by their content, in memory that does not grow with them.
//!
//! Whitespace, escapes and the order of fields don't count. The digits of numbers, the order of items and repeated fields do.
//! One pass over the text computes the hash of each value from the hashes of its parts. Each process uses a random key, so that
//! nobody can construct two different texts with the same hash.

use std::hash::{BuildHasher as _, RandomState};

use super::map_string_token;
use super::text::string_token_len;

/// Deeper than any answer that is accepted.
const MAX_DEPTH: usize = 128;

/// Whether `one` and `other`, both valid JSON, have the same content. Texts that are nested too deeply must be identical.
#[must_use]
pub(crate) fn is_equivalent(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let hasher = RandomState::new();
    let both = (structural_hash(one, &hasher), structural_hash(other, &hasher));
    matches!(both, (Some(one), Some(other)) if one == other)
}

/// An open list or object.
struct OpenContainer {
    is_object: bool,
    /// The combined hash of its values so far.
    sum: u64,
    /// The hash of the name whose value is next.
    name: Option<u64>,
}

impl OpenContainer {
    fn add_value(&mut self, value: u64, hasher: &RandomState) {
        match (self.is_object, self.name.take()) {
            (false, _) => self.sum = hasher.hash_one((self.sum, value)),
            (true, None) => self.name = Some(value),
            // A sum does not depend on the order of the fields.
            (true, Some(name)) => self.sum = self.sum.wrapping_add(hasher.hash_one((name, value))),
        }
    }
}

fn structural_hash(json: &str, hasher: &RandomState) -> Option<u64> {
    let mut open = vec![OpenContainer { is_object: false, sum: 0, name: None }];
    let mut rest = json;
    while let Some(&first) = rest.as_bytes().first() {
        let mut length = 1;
        let value = match first {
            b'{' | b'[' => {
                open.push(OpenContainer { is_object: first == b'{', sum: 0, name: None });
                (open.len() <= MAX_DEPTH).then_some(())?;
                None
            }
            b'}' | b']' => open.pop().map(|closed| hasher.hash_one((closed.is_object, closed.sum))),
            b'"' => {
                length = string_token_len(rest.as_bytes());
                Some(map_string_token(&rest[..length], |text| hasher.hash_one((b'"', text)))?)
            }
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => None,
            _ => {
                length = rest.bytes().position(|byte| b" \t\r\n,:]}".contains(&byte)).unwrap_or(rest.len());
                Some(hasher.hash_one((b'0', &rest[..length])))
            }
        };
        if let Some(value) = value {
            open.last_mut()?.add_value(value, hasher);
        }
        rest = &rest[length..];
    }
    open.pop().map(|all| all.sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_json_is_equal_in_any_notation() {
        for (one, other, same) in [
            (r#"{"a":1,"b":[2,"x"]}"#, "{ \"b\": [2,\n\"\\u0078\"], \"a\": 1 }", true),
            ("[1,2]", "[2,1]", false),
            ("[1,2]", "[[1],2]", false),
            ("[]", "{}", false),
            ("[]", "[[]]", false),
            (r#"["1"]"#, "[1]", false),
            ("1.50", "1.5", false),
            (r#"{"a":1}"#, r#"{"a":1,"a":1}"#, false),
            (r#"{"a":{"b":1},"c":{"d":2}}"#, r#"{"c":{"d":2},"a":{"b":1}}"#, true),
            (r#"{"a":{"b":1},"c":{"d":2}}"#, r#"{"c":{"b":1},"a":{"d":2}}"#, false),
            (r#"{"a":"b"}"#, r#"{"b":"a"}"#, false),
            (" true ", "true", true),
        ] {
            assert_eq!(is_equivalent(one, other), same, "{one} {other}");
        }
        let deep = |blank: &str| format!("{}{blank}{}", "[".repeat(200), "]".repeat(200));
        assert!(is_equivalent(&deep(""), &deep("")) && !is_equivalent(&deep(""), &deep(" ")));
    }
}
