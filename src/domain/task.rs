//! The gateway's answer about a task, read leniently into a [`Task`].
//!
//! The gateway documents one shape and sends several; what can be understood is. The status alone
//! decides whether a task is finished: a filled `err_reason` on SUCCESS is no failure, `100%` is no
//! success, and a status nobody has heard of is a task that is not finished yet. The answer itself
//! is kept as it came, but for the payloads of `data:` URIs.

mod id;

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::domain::asset::{self, Asset, Redact};
use crate::domain::json::{self, Fields, JsonType};
use crate::domain::manifest::ApiResponse;
use crate::media::data_uri;
use crate::redact::ApiKey;

pub use id::TaskId;

/// Each asset takes far more room here and on disk than the few bytes that name it.
const MAX_ASSETS: usize = 100_000;
/// Each takes about that much memory while its task is archived, in bytes.
const BYTES_PER_ASSET: usize = 1 << 10;
/// How much of its words for people stands beside the answer, in bytes: the answer has them whole.
const MAX_TEXT_FIELD_LEN: usize = 64 << 10;

/// The fields of an answer that are read.
const FIELDS: [&str; 8] = ["status", "progress", "message", "err_reason", "error", "submit_time", "finish_time", "task_result"];

/// How far the gateway says a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskPhase {
    /// It ended with a result.
    Finished,
    /// It ended without one.
    Failed,
    /// Anything else, unknown words too.
    Pending,
}

impl TaskPhase {
    fn from_status(status: &str) -> Self {
        match status.trim().to_ascii_uppercase().as_str() {
            "SUCCESS" | "SUCCEEDED" | "COMPLETED" => Self::Finished,
            "FAILURE" | "FAILED" | "ERROR" | "CANCEL" | "CANCELED" | "CANCELLED" | "EXPIRED" | "TIMEOUT" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// The gateway's answer about one task.
#[derive(Clone, Debug)]
pub struct Task {
    /// How far it is.
    pub phase: TaskPhase,
    /// The status, verbatim.
    pub status: Option<String>,
    /// `progress`, verbatim: text for people, never a verdict.
    pub progress: Option<String>,
    /// `message`: platform, model and so on.
    pub message: Option<String>,
    /// Why it failed, when it did.
    pub err_reason: Option<String>,
    /// When it was submitted, to the second.
    pub submit_time: Option<Timestamp>,
    /// When it ended, to the second.
    pub finish_time: Option<Timestamp>,
    /// The text result, verbatim; never empty.
    pub text: Option<String>,
    /// Everything that can be downloaded.
    pub assets: Vec<Asset>,
    /// The answer as it came, without blanks, the payloads of its `data:` URIs and the key.
    pub response: ApiResponse,
}

/// An answer that can't be one about a task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// Not an object at all.
    #[error("the answer is {0}, not an object")]
    NotAnObject(JsonType),
    /// `task_result` is neither an object nor null.
    #[error("task_result is {0}, not an object")]
    ResultNotAnObject(JsonType),
    /// More assets than anybody makes.
    #[error("it names {0} assets, and {MAX_ASSETS} are the most")]
    TooManyAssets(usize),
}

impl Task {
    /// Reads an answer that is nested within bounds. `key` is taken out of all that is kept of it.
    ///
    /// # Errors
    /// When it has not the shape of an answer about a task.
    pub(crate) fn parse(answer: Box<RawValue>, key: &ApiKey) -> Result<Self, ParseError> {
        let task = read_fields(&answer, &|text| key.redact(text))?;
        let mut task = task(archived_response(answer, key));
        // The URLs that are asked for stay as they came.
        task.assets.iter_mut().for_each(|asset| asset.redact(key));
        Ok(task)
    }

    /// Reads an answer that a manifest kept.
    ///
    /// # Errors
    /// As for [`Task::read`].
    pub(crate) fn from_response(answer: &ApiResponse) -> Result<Self, ParseError> {
        read_fields(answer.raw(), &|text| text.into()).map(|task| task(answer.clone()))
    }

    /// Whether it names nothing that could be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.text.is_none()
    }

    /// How much memory its assets take, in bytes, beside the answer's own size.
    #[must_use]
    pub(crate) fn memory_size(&self) -> usize {
        self.assets.len() * BYTES_PER_ASSET
    }
}

/// The answer as a manifest keeps it.
fn archived_response(answer: Box<RawValue>, key: &ApiKey) -> ApiResponse {
    let cut =
        |text: &str| data_uri::is_data_uri(text).then(|| data_uri::without_payload(text).to_owned()).filter(|head| head != text);
    let compact = json::compact(answer.get(), cut);
    let hidden = match key.redact_json(&compact) {
        Cow::Owned(hidden) => Some(hidden),
        Cow::Borrowed(_) => None,
    };
    let compact = hidden.unwrap_or(compact);
    // Before the text is read once more.
    drop(answer);
    RawValue::from_string(compact).expect("valid JSON stays so without its blanks and with other texts").into()
}

/// Reads the fields of an answer; the rest of the task is the answer itself, as it will be kept.
fn read_fields(answer: &RawValue, redact: Redact<'_>) -> Result<impl FnOnce(ApiResponse) -> Task + use<>, ParseError> {
    let json_type = JsonType::detect(answer);
    if json_type != JsonType::Object {
        return Err(ParseError::NotAnObject(json_type));
    }
    let fields = Fields::select(answer, &FIELDS);
    let (assets, text) = match fields.get("task_result").map(|result| (result, JsonType::detect(result))) {
        None | Some((_, JsonType::Null)) => (Vec::new(), None),
        Some((result, JsonType::Object)) => (read_assets(result, redact)?, read_text(result, redact)),
        Some((_, other)) => return Err(ParseError::ResultNotAnObject(other)),
    };
    let status = text_field(&fields, "status", redact);
    let progress = text_field(&fields, "progress", redact);
    let message = text_field(&fields, "message", redact);
    let err_reason = read_reason(&fields, redact);
    let submit_time = fields.get("submit_time").and_then(read_time);
    let finish_time = fields.get("finish_time").and_then(read_time);
    let phase = TaskPhase::from_status(status.as_deref().unwrap_or_default());
    Ok(move |response| Task { phase, status, progress, message, err_reason, submit_time, finish_time, text, assets, response })
}

fn read_assets(result: &RawValue, hide: Redact<'_>) -> Result<Vec<Asset>, ParseError> {
    match asset::parse_assets(result, MAX_ASSETS, hide) {
        (_, count) if count > MAX_ASSETS => Err(ParseError::TooManyAssets(count)),
        (assets, _) => Ok(assets),
    }
}

fn read_text(result: &RawValue, hide: Redact<'_>) -> Option<String> {
    let text = json::map_string(Fields::select(result, &["text"]).get("text")?, |text| hide(text).into_owned());
    text.filter(|text| !text.is_empty())
}

/// The reason of a failure: `err_reason`, else what some platforms say in `error`, as text or as an object.
fn read_reason(fields: &Fields<'_>, hide: Redact<'_>) -> Option<String> {
    let reason = text_field(fields, "err_reason", hide);
    if reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()) {
        return reason;
    }
    let Some(error) = fields.get("error").filter(|error| matches!(JsonType::detect(error), JsonType::String | JsonType::Object))
    else {
        return reason;
    };
    let inner = text_field(&Fields::select(error, &["message"]), "message", hide);
    inner.or_else(|| text_field(fields, "error", hide).filter(|error| !error.is_empty())).or(reason)
}

/// A field as text for people: strings as they are, other values as JSON; none when missing or null.
fn text_field(fields: &Fields<'_>, name: &str, hide: Redact<'_>) -> Option<String> {
    let raw = fields.get(name)?;
    let bounded = |text: &str| {
        let beginning = json::truncate(text, MAX_TEXT_FIELD_LEN);
        if beginning.len() < text.len() { format!("{beginning}…") } else { text.to_owned() }
    };
    match JsonType::detect(raw) {
        JsonType::Null => None,
        JsonType::String => json::map_string(raw, |text| bounded(&hide(text))),
        _ => Some(bounded(&json::compact(raw.get(), |text| Some(hide(text).into_owned())))),
    }
}

/// Unix seconds or, above 1e11, milliseconds, as a number or as digits in a string.
fn read_time(raw: &RawValue) -> Option<Timestamp> {
    let read = |digits: &str| match digits.parse::<i64>() {
        Ok(number) => Some(number),
        // A fraction or an exponent, as some encoders write whole numbers.
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and what is absurd is dropped below")]
        Err(_) => digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64),
    };
    let number = match JsonType::detect(raw) {
        JsonType::Number => read(raw.get()),
        _ => json::map_string(raw, |text| read(text.trim())).flatten(),
    }?;
    let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
    (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    /// The task that the gateway tells of in `answer`.
    pub(crate) fn read(answer: &Value) -> Result<Task, ParseError> {
        Task::parse(to_raw_value(answer).unwrap(), &ApiKey::parse("sk-1234567890abcdef").unwrap())
    }

    #[test]
    fn only_the_status_decides_the_phase() {
        for (status, stage) in [
            (json!("SUCCESS"), TaskPhase::Finished),
            (json!(" succeeded "), TaskPhase::Finished),
            (json!("Completed"), TaskPhase::Finished),
            (json!("FAILURE"), TaskPhase::Failed),
            (json!("failed"), TaskPhase::Failed),
            (json!("ERROR"), TaskPhase::Failed),
            (json!("cancel"), TaskPhase::Failed),
            (json!("CANCELED"), TaskPhase::Failed),
            (json!("Cancelled"), TaskPhase::Failed),
            (json!("EXPIRED"), TaskPhase::Failed),
            (json!("timeout"), TaskPhase::Failed),
            (json!("IN_PROGRESS"), TaskPhase::Pending),
            (json!("MODAL"), TaskPhase::Pending),
            (json!(""), TaskPhase::Pending),
            (json!(null), TaskPhase::Pending),
            (json!(3), TaskPhase::Pending),
        ] {
            let answer = json!({"status": status, "progress": "100%", "err_reason": "https://old/result.mp4"});
            assert_eq!(read(&answer).unwrap().phase, stage, "{status}");
        }
        assert_eq!(read(&json!({})).unwrap().phase, TaskPhase::Pending);
    }

    #[test]
    fn times_parse_as_seconds_or_milliseconds_or_are_unknown() {
        for (value, expected) in [
            (json!(1_753_598_930), Some("2025-07-27T06:48:50Z")),
            (json!("1753598930"), Some("2025-07-27T06:48:50Z")),
            (json!(1_753_598_930_123_i64), Some("2025-07-27T06:48:50Z")),
            (json!("1753598930123"), Some("2025-07-27T06:48:50Z")),
            (json!(1_753_598_930.7), Some("2025-07-27T06:48:50Z")),
            (json!(100_000_000_000_i64), Some("5138-11-16T09:46:40Z")),
            (json!(100_000_000_001_i64), Some("1973-03-03T09:46:40Z")),
            (json!(0), None),
            (json!(-5), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(i64::MAX), None),
            (json!(u64::MAX), None),
        ] {
            assert_eq!(read_time(&to_raw_value(&value).unwrap()).map(|time| time.to_string()).as_deref(), expected, "{value}");
        }
        assert_eq!(read_time(serde_json::from_str("1e300").unwrap()), None);
    }

    #[test]
    fn response_is_kept_verbatim_except_payloads() {
        let text = r#"{"b":1.50,"a":12345678901234567890123,"task_result":{"images":["data:image/png;base64,QUJD"],"x":{"y":["DATA:,zzz"]}}}"#;
        let task = read(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(task.response.raw().get(), text.replace("QUJD", "").replace("zzz", ""));
        assert_eq!(&*task.assets[0].url, "data:image/png;base64,QUJD");
    }

    #[test]
    fn failure_reason_is_found_in_every_known_field() {
        for (answer, reason) in [
            (json!({"err_reason": "no credit"}), Some("no credit")),
            (json!({"err_reason": "", "error": "flagged"}), Some("flagged")),
            (json!({"error": {"message": "flagged", "code": 7}}), Some("flagged")),
            (json!({"err_reason": {"code": 7}}), Some(r#"{"code":7}"#)),
            (json!({"err_reason": ""}), Some("")),
            (json!({}), None),
        ] {
            assert_eq!(read(&answer).unwrap().err_reason.as_deref(), reason);
        }
    }

    #[test]
    fn wrong_response_shape_is_an_error() {
        assert!(read(&json!({"task_result": {"images": vec![""; MAX_ASSETS]}})).is_ok());
        for (answer, told) in [
            (json!([]), "the answer is a list, not an object"),
            (json!("x"), "the answer is a string, not an object"),
            (json!(null), "the answer is null, not an object"),
            (json!({"task_result": "http://h/x"}), "task_result is a string, not an object"),
            (json!({"task_result": []}), "task_result is a list, not an object"),
            (json!({"task_result": {"images": vec![""; MAX_ASSETS + 1]}}), "it names 100001 assets, and 100000 are the most"),
        ] {
            assert_eq!(read(&answer).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn text_is_kept_verbatim_and_empty_text_is_none() {
        let read = |text: Value| read(&json!({"task_result": {"text": text}})).unwrap().text;
        assert_eq!(read(json!("[Verse]\r\n ♪ \u{0}")).as_deref(), Some("[Verse]\r\n ♪ \u{0}"));
        for none in [json!(""), json!(null), json!(7), json!({})] {
            assert_eq!(read(none), None);
        }
    }
}
