//! The gateway's answer about a task, read leniently into a [`Task`].
//!
//! The gateway documents one shape and sends several; what can be understood is. The status alone
//! decides whether a task is finished: a filled `err_reason` on SUCCESS is no failure, `100%` is no
//! success, and a status nobody has heard of is a task that is not finished yet. The answer itself
//! is kept as it came, but for the payloads of `data:` URIs.

mod id;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::asset::{self, Asset};
use crate::data_uri;
use crate::secret::ApiKey;

pub use id::TaskId;

/// Each asset takes far more room here and on disk than the few bytes that name it.
const MOST_ASSETS: usize = 100_000;

/// How far the gateway says a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It ended with a result.
    Finished,
    /// It ended without one.
    Failed,
    /// Anything else, unknown words too.
    Pending,
}

impl Stage {
    fn of(status: &str) -> Self {
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
    pub stage: Stage,
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
    /// The answer as it came, payloads of `data:` URIs cut out.
    pub response: Value,
}

/// An answer that can't be one about a task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// Not an object at all.
    #[error("the answer is {0}, not an object")]
    NotAnObject(&'static str),
    /// `task_result` is neither an object nor null.
    #[error("task_result is {0}, not an object")]
    Result(&'static str),
    /// More assets than anybody makes.
    #[error("it names {0} assets, and {MOST_ASSETS} are the most")]
    TooMany(usize),
}

impl Task {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it has not the shape of an answer about a task.
    pub fn read(mut response: Value) -> Result<Self, Misread> {
        let shape = shape_of(&response);
        let Value::Object(fields) = &mut response else { return Err(Misread::NotAnObject(shape)) };
        let (assets, text) = match fields.get_mut("task_result") {
            None | Some(Value::Null) => (Vec::new(), None),
            Some(Value::Object(result)) => (asset::take_assets(result), read_text(result)),
            Some(other) => return Err(Misread::Result(shape_of(other))),
        };
        if assets.len() > MOST_ASSETS {
            return Err(Misread::TooMany(assets.len()));
        }
        let status = string(fields, "status");
        let task = Self {
            stage: Stage::of(status.as_deref().unwrap_or_default()),
            status,
            progress: string(fields, "progress"),
            message: string(fields, "message"),
            err_reason: read_reason(fields),
            submit_time: fields.get("submit_time").and_then(read_time),
            finish_time: fields.get("finish_time").and_then(read_time),
            text,
            assets,
            response: Value::Null,
        };
        cut_payloads(&mut response);
        Ok(Self { response, ..task })
    }

    /// Hides `key` in everything that is recorded or shown. The URLs that are asked for stay as they came.
    pub(crate) fn hide(&mut self, key: &ApiKey) {
        let texts = [&mut self.status, &mut self.progress, &mut self.message, &mut self.err_reason, &mut self.text];
        texts.into_iter().flatten().for_each(|text| key.scrub_in(text));
        self.assets.iter_mut().for_each(|asset| asset.hide(key));
        key.scrub_json(&mut self.response);
    }

    /// Whether it names nothing that could be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.text.is_none()
    }
}

fn read_text(result: &Map<String, Value>) -> Option<String> {
    result.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The reason of a failure: `err_reason`, else what some platforms say in `error`, as text or as an object.
fn read_reason(fields: &Map<String, Value>) -> Option<String> {
    let reason = string(fields, "err_reason");
    if reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()) {
        return reason;
    }
    match fields.get("error") {
        Some(Value::String(error)) if !error.is_empty() => Some(error.clone()),
        Some(Value::Object(error)) => string(error, "message").or_else(|| Some(Value::Object(error.clone()).to_string())),
        _ => reason,
    }
}

/// A field as text: strings as they are, other values as JSON; none when missing or null.
fn string(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Unix seconds or, above 1e11, milliseconds, as a number or as digits in a string.
fn read_time(value: &Value) -> Option<Timestamp> {
    let digits = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let number = match digits.parse::<i64>() {
        Ok(number) => number,
        // A fraction or an exponent, as some encoders write whole numbers.
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and what is absurd is dropped below")]
        Err(_) => digits.parse::<f64>().ok().filter(|number| number.is_finite())? as i64,
    };
    let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
    (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

fn cut_payloads(value: &mut Value) {
    match value {
        Value::String(text) if data_uri::is_one(text) => *text = data_uri::head(text).to_owned(),
        Value::Array(items) => items.iter_mut().for_each(cut_payloads),
        Value::Object(fields) => fields.values_mut().for_each(cut_payloads),
        _ => {}
    }
}

fn shape_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_status_alone_decides() {
        for (status, stage) in [
            (json!("SUCCESS"), Stage::Finished),
            (json!(" succeeded "), Stage::Finished),
            (json!("Completed"), Stage::Finished),
            (json!("FAILURE"), Stage::Failed),
            (json!("failed"), Stage::Failed),
            (json!("ERROR"), Stage::Failed),
            (json!("cancel"), Stage::Failed),
            (json!("CANCELED"), Stage::Failed),
            (json!("Cancelled"), Stage::Failed),
            (json!("EXPIRED"), Stage::Failed),
            (json!("timeout"), Stage::Failed),
            (json!("IN_PROGRESS"), Stage::Pending),
            (json!("MODAL"), Stage::Pending),
            (json!(""), Stage::Pending),
            (json!(null), Stage::Pending),
            (json!(3), Stage::Pending),
        ] {
            let answer = json!({"status": status, "progress": "100%", "err_reason": "https://old/result.mp4"});
            assert_eq!(Task::read(answer).unwrap().stage, stage, "{status}");
        }
        assert_eq!(Task::read(json!({})).unwrap().stage, Stage::Pending);
    }

    #[test]
    fn times_are_seconds_or_milliseconds_or_unknown() {
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
            assert_eq!(read_time(&value).map(|time| time.to_string()).as_deref(), expected, "{value}");
        }
        assert_eq!(read_time(&serde_json::from_str("1e300").unwrap()), None);
    }

    #[test]
    fn the_answer_is_kept_as_it_came_but_for_payloads() {
        let text = r#"{"b":1.50,"a":12345678901234567890123,"task_result":{"images":["data:image/png;base64,QUJD"],"x":{"y":["DATA:,zzz"]}}}"#;
        let task = Task::read(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(task.response.to_string(), text.replace("QUJD", "").replace("zzz", ""));
        assert_eq!(&*task.assets[0].url, "data:image/png;base64,QUJD");
    }

    #[test]
    fn a_reason_is_found_where_platforms_put_it() {
        for (answer, reason) in [
            (json!({"err_reason": "no credit"}), Some("no credit")),
            (json!({"err_reason": "", "error": "flagged"}), Some("flagged")),
            (json!({"error": {"message": "flagged", "code": 7}}), Some("flagged")),
            (json!({"err_reason": {"code": 7}}), Some(r#"{"code":7}"#)),
            (json!({"err_reason": ""}), Some("")),
            (json!({}), None),
        ] {
            assert_eq!(Task::read(answer).unwrap().err_reason.as_deref(), reason);
        }
    }

    #[test]
    fn another_shape_is_an_error() {
        assert!(Task::read(json!({"task_result": {"images": vec![""; MOST_ASSETS]}})).is_ok());
        for (answer, told) in [
            (json!([]), "the answer is a list, not an object"),
            (json!("x"), "the answer is a string, not an object"),
            (json!(null), "the answer is null, not an object"),
            (json!({"task_result": "http://h/x"}), "task_result is a string, not an object"),
            (json!({"task_result": []}), "task_result is a list, not an object"),
            (json!({"task_result": {"images": vec![""; MOST_ASSETS + 1]}}), "it names 100001 assets, and 100000 are the most"),
        ] {
            assert_eq!(Task::read(answer).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn a_text_is_kept_verbatim_and_an_empty_one_is_none() {
        let read = |text: Value| Task::read(json!({"task_result": {"text": text}})).unwrap().text;
        assert_eq!(read(json!("[Verse]\r\n ♪ \u{0}")).as_deref(), Some("[Verse]\r\n ♪ \u{0}"));
        for none in [json!(""), json!(null), json!(7), json!({})] {
            assert_eq!(read(none), None);
        }
    }
}
