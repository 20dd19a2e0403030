//! Reads an answer with a list of tasks as it arrives, one row at a time: it may have a million.
//!
//! The rows stand in a top-level list, or in `data`, `data.items`, `data.data`, `items` or `list`. Everything else is skipped
//! without being held, except for what says whether the answer is an error. At most [`MAX_SPAN`] bytes are read without a row.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Cursor, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient_reader::LenientReader;
use super::row::Row;
use crate::gateway::classify::MESSAGE_FIELDS;

/// The most bytes of a row, and between two rows.
const MAX_SPAN: u64 = 64 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What an answer says besides its rows.
#[derive(Default, Debug)]
pub(super) struct ListHead {
    has_list: bool,
    has_null: bool,
    /// All rows, also those that name no task.
    pub rows: u64,
    /// The number that the server states.
    pub total: Option<u64>,
    pub success: Option<bool>,
    /// The fields of an error.
    messages: Vec<(&'static str, Box<RawValue>)>,
}

impl ListHead {
    /// Whether it has a list. Some servers write an empty one as null; only beside `"success":true` it counts.
    pub(super) fn has_list(&self) -> bool {
        self.has_list || (self.has_null && self.success == Some(true))
    }

    /// The fields of an error, as an object.
    pub(super) fn messages(&self) -> Option<Box<RawValue>> {
        let fields: Vec<String> = self.messages.iter().map(|(name, value)| format!("\"{name}\":{}", value.get())).collect();
        RawValue::from_string(format!("{{{}}}", fields.join(","))).ok()
    }
}

/// Reads an answer. `on_row` gets each row; its error ends the reading. What was read before an error is in the head.
pub(super) fn read(
    mut source: impl Read,
    on_row: &mut dyn FnMut(&Row) -> Result<(), io::Error>,
) -> (ListHead, Result<(), serde_json::Error>) {
    let (mut head, span, mut start) = (ListHead::default(), Cell::new(MAX_SPAN), Vec::new());
    if let Err(error) = source.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start) {
        return (head, Err(serde_json::Error::io(error)));
    }
    if start == BYTE_ORDER_MARK {
        start.clear();
    }
    let source = io::BufReader::new(BoundedReader { source: LenientReader::new(Cursor::new(start).chain(source)), left: &span });
    let mut json = serde_json::Deserializer::from_reader(source);
    let seed = ListSeed { place: Place::Top, head: &mut head, span: &span, on_row };
    let result = seed.deserialize(&mut json).and_then(|()| json.end());
    (head, result)
}

/// A source that ends with an error when it has no row for too long.
struct BoundedReader<'a, R> {
    source: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::other(format!("a row is longer than {} MiB", MAX_SPAN >> 20)))?);
        Ok(read)
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// In `data`, which is a list or has one.
    Data,
    /// Where only a list counts.
    List,
}

struct ListSeed<'a> {
    place: Place,
    head: &'a mut ListHead,
    span: &'a Cell<u64>,
    on_row: &'a mut dyn FnMut(&Row) -> Result<(), io::Error>,
}

impl ListSeed<'_> {
    fn read_field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let place = match (self.place, name) {
            (Place::Top, "data") => Place::Data,
            (Place::Top, "items" | "list") | (Place::Data, "items" | "data") => Place::List,
            (Place::Top | Place::Data, "total") => {
                let total = map.next_value::<Box<RawValue>>()?;
                self.head.total = total.get().trim_matches('"').trim().parse().ok();
                return Ok(());
            }
            (Place::Top, "success") => {
                let success = map.next_value::<Box<RawValue>>()?;
                self.head.success = success.get().trim_matches('"').trim().parse().ok();
                return Ok(());
            }
            (Place::Top, name) => {
                match MESSAGE_FIELDS.iter().find(|field| **field == name) {
                    Some(field) => self.head.messages.push((field, map.next_value()?)),
                    None => _ = map.next_value::<IgnoredAny>()?,
                }
                return Ok(());
            }
            _ => return map.next_value::<IgnoredAny>().map(drop),
        };
        map.next_value_seed(ListSeed { place, head: self.head, span: self.span, on_row: self.on_row })
    }
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            self.read_field(&name, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        self.head.has_list = true;
        self.span.set(MAX_SPAN);
        while let Some(row) = rows.next_element::<Row>()? {
            self.head.rows += 1;
            self.span.set(MAX_SPAN);
            (self.on_row)(&row).map_err(A::Error::custom)?;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.head.has_null |= self.place != Place::Top;
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::ApiKey;

    /// The ids of an answer, and what it says besides.
    fn ids(answer: impl Read) -> (Vec<String>, ListHead, Result<(), String>) {
        let (key, mut ids) = (ApiKey::parse("sk-1234567890abcdef").unwrap(), Vec::new());
        let (head, result) = read(answer, &mut |row| {
            ids.extend(row.task(&key).map(|task| task.id.as_str().to_owned()));
            Ok(())
        });
        (ids, head, result.map_err(|error| error.to_string()))
    }

    #[test]
    fn rows_are_found_in_every_known_place() {
        for answer in [
            r#"[{"task_id":"a"},{"task_id":"b"}]"#,
            r#"{"data":[{"task_id":"a"},{"task_id":"b"}],"message":"","success":true}"#,
            r#"{"success":true,"data":{"page":1,"total":2,"items":[{"task_id":"a"},{"task_id":"b"}]}}"#,
            r#"{"data":{"data":[{"task_id":"a"},{"task_id":"b"}]}}"#,
            r#"{"items":[{"task_id":"a"},{"task_id":"b"}]}"#,
            "\u{feff} {\"x\":{\"items\":[{\"task_id\":\"c\"}]},\"list\":[{\"task_id\":\"a\"},{\"task_id\":\"b\"}]}\n",
        ] {
            let (ids, head, result) = ids(answer.as_bytes());
            assert_eq!((ids, result), (vec!["a".to_owned(), "b".to_owned()], Ok(())), "{answer}");
            assert!(head.has_list() && head.rows == 2, "{answer}");
        }
    }

    #[test]
    fn answer_without_a_list_is_told_from_an_empty_list() {
        for answer in [
            "[]",
            r#"{"data":[]}"#,
            r#"{"data":{"items":[]}}"#,
            r#"{"success":true,"data":null}"#,
            r#"{"data":{"items":null,"total":0},"success":true}"#,
        ] {
            assert!(ids(answer.as_bytes()).1.has_list(), "{answer}");
        }
        for answer in [
            "null",
            "7",
            "\"x\"",
            "true",
            "-1.5",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":"x"}"#,
            r#"{"data":{"rows":[]}}"#,
            r#"{"rows":[{"task_id":"a"}]}"#,
            r#"{"data":{"list":[]}}"#,
            r#"{"success":false,"data":null}"#,
            r#"{"data":{"data":{"items":[]}}}"#,
        ] {
            let (ids, head, result) = ids(answer.as_bytes());
            assert!(!head.has_list() && ids.is_empty() && result.is_ok(), "{answer} {result:?}");
        }
    }

    #[test]
    fn totals_and_refusals_are_read_wherever_they_stand() {
        for (answer, total) in [
            (r#"{"data":[],"total":12}"#, Some(12)),
            (r#"{"total":"12","data":[]}"#, Some(12)),
            (r#"{"data":{"items":[],"total":12}}"#, Some(12)),
            (r#"{"data":[],"total":-1}"#, None),
            (r#"{"data":[],"total":null}"#, None),
        ] {
            assert_eq!(ids(answer.as_bytes()).1.total, total, "{answer}");
        }
        for success in ["false", "\"false\""] {
            let answer = format!(r#"{{"data":[{{"task_id":"a"}}],"message":"no","success":{success}}}"#);
            let head = ids(answer.as_bytes()).1;
            assert_eq!((head.success, head.messages().unwrap().get()), (Some(false), r#"{"message":"no"}"#));
        }
    }

    #[test]
    fn rows_before_the_end_of_a_broken_answer_are_known() {
        for broken in [
            r#"[{"task_id":"a"},{"task_id":"b""#,
            r#"{"data":[{"task_id":"a"}"#,
            r#"[{"task_id":"a"}] x"#,
            r#"[{"task_id":"a"},}]"#,
        ] {
            let (ids, _, result) = ids(broken.as_bytes());
            assert!(ids == ["a"] && result.is_err(), "{broken}: {ids:?} {result:?}");
        }
    }

    #[test]
    fn broken_text_or_number_of_one_row_hides_no_other() {
        let answer = &b"[{\"task_id\":\"a\",\"prompt\":\"caf\xe9\",\"data\":{\"seed\":NaN}},{\"task_id\":\"b\"}]"[..];
        assert_eq!(ids(answer).0, ["a", "b"]);
    }

    #[test]
    fn long_answers_and_rows_are_read_without_being_held() {
        let row =
            |n: usize| format!("{}{{\"task_id\":{n},\"data\":\"{}\"}}", if n == 0 { "[" } else { "," }, "x".repeat(1 << 20));
        let mut answer: Box<dyn Read> = Box::new(io::empty());
        for n in 0..100 {
            answer = Box::new(answer.chain(Cursor::new(row(n))));
        }
        let (found, _, result) = ids(answer.chain(&b"]"[..]));
        assert_eq!((found.len(), result), (100, Ok(())), "100 MiB");
        let endless = Cursor::new("[{\"data\":\"").chain(io::repeat(b'x'));
        let (_, _, result) = ids(endless);
        assert!(result.unwrap_err().contains("longer than 64 MiB"));
    }
}
