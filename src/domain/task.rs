//! Parses the gateway's answer about a task, leniently, into a [`Task`].
//!
//! The gateway documents one shape and sends several; the parser accepts all that it can interpret. Only the status decides
//! whether a task is finished: SUCCESS with an `err_reason` is no failure, `100%` is no success, and a task with an unknown
//! status is not finished yet. The answer itself is kept unchanged, except for the payloads of `data:` URIs and the API key.

mod id;
mod parse;

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::domain::asset::Asset;
use crate::domain::json::{self, JsonType};
use crate::domain::manifest::ApiResponse;
use crate::media::data_uri;
use crate::redact::ApiKey;

pub use id::TaskId;
use parse::parse_fields;
pub(crate) use parse::parse_time;

/// The most assets of one answer: each takes far more memory and disk space than its few bytes in the answer.
const MAX_ASSETS: usize = 100_000;
/// The approximate memory of an asset while its task is archived, in bytes.
const BYTES_PER_ASSET: usize = 1 << 10;

/// The phase of a task, by its status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskPhase {
    /// The task ended with a result.
    Finished,
    /// The task ended without a result.
    Failed,
    /// Any other status, also an unknown one.
    Pending,
}

impl TaskPhase {
    fn from_status(status: &str) -> Self {
        match status.trim().to_ascii_uppercase().as_str() {
            "SUCCESS" | "SUCCEED" | "SUCCEEDED" | "COMPLETED" => Self::Finished,
            "FAILURE" | "FAILED" | "ERROR" | "CANCEL" | "CANCELED" | "CANCELLED" | "EXPIRED" | "TIMEOUT" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// The gateway's answer about one task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The phase that the status stands for.
    pub phase: TaskPhase,
    /// The status, verbatim.
    pub status: Option<String>,
    /// `progress`, verbatim: text for people, it decides nothing.
    pub progress: Option<String>,
    /// `message`: it names the platform, the model and so on.
    pub message: Option<String>,
    /// Why the task failed, if it did.
    pub err_reason: Option<String>,
    /// When the task was submitted, in whole seconds.
    pub submit_time: Option<Timestamp>,
    /// When the task ended, in whole seconds.
    pub finish_time: Option<Timestamp>,
    /// The text result, verbatim; never empty.
    pub text: Option<String>,
    /// Everything that the answer offers for download.
    pub assets: Vec<Asset>,
    /// The answer, without whitespace, without the payloads of its `data:` URIs, and with the API key hidden.
    pub response: ApiResponse,
}

/// Why an answer can't be about a task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// The answer is not an object.
    #[error("the answer is {0}, not an object")]
    NotAnObject(JsonType),
    /// `task_result` is neither an object nor null.
    #[error("task_result is {0}, not an object")]
    ResultNotAnObject(JsonType),
    /// The answer has more assets than [`MAX_ASSETS`].
    #[error("the answer has {0} assets; at most {MAX_ASSETS} are accepted")]
    TooManyAssets(usize),
}

impl Task {
    /// Parses an answer whose nesting depth is within bounds. `key` is hidden in everything that is kept.
    ///
    /// # Errors
    /// When the answer does not have the shape of one about a task.
    pub(crate) fn parse(answer: Box<RawValue>, key: &ApiKey) -> Result<Self, ParseError> {
        let task = parse_fields(&answer, &|text| key.redact(text))?;
        let mut task = task(archived_response(answer, key));
        // The URLs that are requested stay unchanged.
        task.assets.iter_mut().for_each(|asset| asset.redact(key));
        Ok(task)
    }

    /// Parses an answer from a manifest.
    ///
    /// # Errors
    /// As for [`Task::parse`].
    pub(crate) fn from_response(answer: &ApiResponse) -> Result<Self, ParseError> {
        parse_fields(answer.raw(), &|text| text.into()).map(|task| task(answer.clone()))
    }

    /// Whether it has neither assets nor text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.text.is_none()
    }

    /// The approximate memory of its assets, in bytes, without the answer itself.
    #[must_use]
    pub(crate) fn memory_size(&self) -> usize {
        self.assets.len() * BYTES_PER_ASSET
    }
}

/// The answer in the form that a manifest keeps.
fn archived_response(answer: Box<RawValue>, key: &ApiKey) -> ApiResponse {
    let without_payload =
        |text: &str| data_uri::is_data_uri(text).then(|| data_uri::without_payload(text).to_owned()).filter(|head| head != text);
    let compact = json::compact(answer.get(), without_payload);
    let redacted = match key.redact_json(&compact) {
        Cow::Owned(redacted) => Some(redacted),
        // Most answers are compact and have no payload: nothing changed.
        Cow::Borrowed(same) if same == answer.get() => return answer.into(),
        Cow::Borrowed(_) => None,
    };
    let compact = redacted.unwrap_or(compact);
    // Frees memory before the next pass parses the text again.
    drop(answer);
    RawValue::from_string(compact).expect("JSON stays valid without whitespace and with other strings").into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    /// The task of an answer.
    pub(crate) fn parse(answer: &Value) -> Result<Task, ParseError> {
        Task::parse(to_raw_value(answer).unwrap(), &ApiKey::parse("sk-1234567890abcdef").unwrap())
    }

    #[test]
    fn only_the_status_decides_the_phase() {
        for (status, phase) in [
            (json!("SUCCESS"), TaskPhase::Finished),
            (json!(" succeeded "), TaskPhase::Finished),
            (json!("succeed"), TaskPhase::Finished),
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
            assert_eq!(parse(&answer).unwrap().phase, phase, "{status}");
        }
        assert_eq!(parse(&json!({})).unwrap().phase, TaskPhase::Pending);
    }

    #[test]
    fn response_is_kept_verbatim_except_payloads() {
        let text = r#"{"b":1.50,"a":12345678901234567890123,"task_result":{"images":["data:image/png;base64,QUJD"],"x":{"y":["DATA:,zzz"]}}}"#;
        let task = parse(&serde_json::from_str(text).unwrap()).unwrap();
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
            assert_eq!(parse(&answer).unwrap().err_reason.as_deref(), reason);
        }
    }

    #[test]
    fn wrong_response_shape_is_an_error() {
        assert!(parse(&json!({"task_result": {"images": vec![""; MAX_ASSETS]}})).is_ok());
        for (answer, message) in [
            (json!([]), "the answer is a list, not an object"),
            (json!("x"), "the answer is a string, not an object"),
            (json!(null), "the answer is null, not an object"),
            (json!({"task_result": "http://h/x"}), "task_result is a string, not an object"),
            (json!({"task_result": []}), "task_result is a list, not an object"),
            (
                json!({"task_result": {"images": vec![""; MAX_ASSETS + 1]}}),
                "the answer has 100001 assets; at most 100000 are accepted",
            ),
        ] {
            assert_eq!(parse(&answer).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn text_is_kept_verbatim_and_empty_text_is_none() {
        let text_of = |text: Value| parse(&json!({"task_result": {"text": text}})).unwrap().text;
        assert_eq!(text_of(json!("[Verse]\r\n ♪ \u{0}")).as_deref(), Some("[Verse]\r\n ♪ \u{0}"));
        for none in [json!(""), json!(null), json!(7), json!({})] {
            assert_eq!(text_of(none), None);
        }
    }
}
