//! Parses the fields of an answer, each leniently: a field of an unknown shape is missing, and only the shape of the whole answer
//! can be an error.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{MAX_ASSETS, ParseError, Task, TaskPhase};
use crate::domain::asset::{self, Asset, Redact};
use crate::domain::json::{self, Fields, JsonType};
use crate::domain::manifest::ApiResponse;

/// The longest text of one field for people, in bytes. The kept answer has the whole text.
const MAX_TEXT_FIELD_LEN: usize = 64 << 10;

/// The fields of an answer that are parsed.
const FIELDS: [&str; 8] = ["status", "progress", "message", "err_reason", "error", "submit_time", "finish_time", "task_result"];

/// Parses the fields of an answer. The result makes the task when it gets the answer in the form to keep.
pub(super) fn parse_fields(
    answer: &RawValue,
    redact: Redact<'_>,
) -> Result<impl FnOnce(ApiResponse) -> Task + use<>, ParseError> {
    let json_type = JsonType::detect(answer);
    if json_type != JsonType::Object {
        return Err(ParseError::NotAnObject(json_type));
    }
    let fields = Fields::select(answer, &FIELDS);
    let (assets, text) = match fields.get("task_result").map(|result| (result, JsonType::detect(result))) {
        None | Some((_, JsonType::Null)) => (Vec::new(), None),
        Some((result, JsonType::Object)) => (parse_assets(result, redact)?, parse_text(result, redact)),
        Some((_, other)) => return Err(ParseError::ResultNotAnObject(other)),
    };
    let status = text_field(&fields, "status", redact);
    let progress = text_field(&fields, "progress", redact);
    let message = text_field(&fields, "message", redact);
    let err_reason = parse_reason(&fields, redact);
    let submit_time = fields.get("submit_time").and_then(parse_time);
    let finish_time = fields.get("finish_time").and_then(parse_time);
    let phase = TaskPhase::from_status(status.as_deref().unwrap_or_default());
    Ok(move |response| Task { phase, status, progress, message, err_reason, submit_time, finish_time, text, assets, response })
}

fn parse_assets(result: &RawValue, redact: Redact<'_>) -> Result<Vec<Asset>, ParseError> {
    match asset::parse_assets(result, MAX_ASSETS, redact) {
        (_, count) if count > MAX_ASSETS => Err(ParseError::TooManyAssets(count)),
        (assets, _) => Ok(assets),
    }
}

fn parse_text(result: &RawValue, redact: Redact<'_>) -> Option<String> {
    let text = json::map_string(Fields::select(result, &["text"]).get("text")?, |text| redact(text).into_owned());
    text.filter(|text| !text.is_empty())
}

/// The reason for a failure: `err_reason`, else `error`, which some platforms send as text or as an object.
fn parse_reason(fields: &Fields<'_>, redact: Redact<'_>) -> Option<String> {
    let reason = text_field(fields, "err_reason", redact);
    if reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()) {
        return reason;
    }
    let Some(error) = fields.get("error").filter(|error| matches!(JsonType::detect(error), JsonType::String | JsonType::Object))
    else {
        return reason;
    };
    let inner = text_field(&Fields::select(error, &["message"]), "message", redact);
    inner.or_else(|| text_field(fields, "error", redact).filter(|error| !error.is_empty())).or(reason)
}

/// A field as text for people: a string unchanged, another value as JSON; `None` when it is missing or null.
fn text_field(fields: &Fields<'_>, name: &str, redact: Redact<'_>) -> Option<String> {
    let raw = fields.get(name)?;
    let bounded = |text: &str| {
        let prefix = json::truncate(text, MAX_TEXT_FIELD_LEN);
        if prefix.len() < text.len() { format!("{prefix}…") } else { text.to_owned() }
    };
    match JsonType::detect(raw) {
        JsonType::Null => None,
        JsonType::String => json::map_string(raw, |text| bounded(&redact(text))),
        _ => Some(bounded(&json::compact(raw.get(), |text| Some(redact(text).into_owned())))),
    }
}

/// A time in Unix seconds or, above 1e11, milliseconds: a number, or digits in a string.
pub(crate) fn parse_time(raw: &RawValue) -> Option<Timestamp> {
    let parse = |digits: &str| match digits.parse::<i64>() {
        Ok(number) => Some(number),
        // Some encoders write whole numbers with a fraction or an exponent.
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and a time out of range is dropped below")]
        Err(_) => digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64),
    };
    let number = match JsonType::detect(raw) {
        JsonType::Number => parse(raw.get()),
        _ => json::map_string(raw, |text| parse(text.trim())).flatten(),
    }?;
    let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
    (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

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
            assert_eq!(parse_time(&to_raw_value(&value).unwrap()).map(|time| time.to_string()).as_deref(), expected, "{value}");
        }
        assert_eq!(parse_time(serde_json::from_str("1e300").unwrap()), None);
    }
}
