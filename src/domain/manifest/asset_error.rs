//! The manifest's entry of an asset that could not be saved: the [`AssetError`].
//!
//! Programs read the code, people read `error`. A rewrite changes neither: a code of a newer version stays as it is (and reads
//! as no code), and an entry of an older version, which has no code, gets none. [`AssetError::code`] and
//! [`AssetError::http_status`] derive both from the text of such an old entry.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::unknown_fields::{UnknownFields, keep_unknown_fields};
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::code::AssetErrorCode;

/// An asset that could not be saved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct AssetError {
    kind: Kind,
    /// The number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// The whole URL for http(s), `data:` alone for a `data:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why, for programs. Entries of versions before 0.2 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AssetErrorCode")]
    code: Option<RecordedCode>,
    /// The HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", range(min = 100, max = 999))]
    http_status: Option<RecordedStatus>,
    /// What went wrong, for people.
    pub error: String,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
}

keep_unknown_fields!(AssetError);

/// A code as it is recorded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum RecordedCode {
    Known(AssetErrorCode),
    /// A code that this version does not know, of any JSON type: it must never make a manifest unreadable.
    Unknown(Value),
}

/// A status as it is recorded.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
enum RecordedStatus {
    Known(u16),
    /// What is no status, of any JSON type: it must never make a manifest unreadable.
    Unknown(Value),
}

impl<'de> Deserialize<'de> for RecordedStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
        Ok(status.map_or(Self::Unknown(value), Self::Known))
    }
}

impl AssetError {
    /// The entry of the asset `key`, which could not be saved.
    #[must_use]
    pub(crate) fn new(key: AssetKey, url: Option<String>, code: AssetErrorCode, http_status: Option<u16>, error: String) -> Self {
        let (code, http_status) = (Some(RecordedCode::Known(code)), http_status.map(RecordedStatus::Known));
        Self { kind: key.kind, index: key.index, url, code, http_status, error, unknown: UnknownFields::default() }
    }

    /// The asset's key.
    #[must_use]
    pub fn key(&self) -> AssetKey {
        AssetKey { kind: self.kind, index: self.index }
    }

    /// Why the asset could not be saved; `None` for a code of a newer version, and for an old entry whose text has no HTTP
    /// status.
    #[must_use]
    pub fn code(&self) -> Option<AssetErrorCode> {
        match &self.code {
            Some(RecordedCode::Known(code)) => Some(*code),
            Some(RecordedCode::Unknown(_)) => None,
            None => self.http_status().map(AssetErrorCode::from_http_status),
        }
    }

    /// The HTTP status, where there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match (&self.http_status, &self.code) {
            (Some(RecordedStatus::Known(status)), _) => Some(*status),
            (Some(RecordedStatus::Unknown(_)), _) | (None, Some(_)) => None,
            (None, None) => status_in_text(&self.error),
        }
    }
}

/// The status at the beginning of an old entry's text: `HTTP 404 Not Found`.
fn status_in_text(error: &str) -> Option<u16> {
    error.strip_prefix("HTTP ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use AssetErrorCode::{DeadLink, HttpStatus, Timeout};

    /// The entry with these fields beside its kind and number.
    fn entry(fields: &str) -> AssetError {
        serde_json::from_str(&format!(r#"{{"kind":"image","index":2,{fields}}}"#)).unwrap()
    }

    #[test]
    fn fields_are_written_in_the_order_of_the_contract() {
        let key = AssetKey { kind: Kind::Image, index: 2 };
        let url = Some("https://h/x".to_owned());
        assert_eq!(
            serde_json::to_string(&AssetError::new(key, url, DeadLink, Some(404), "HTTP 404 Not Found".to_owned())).unwrap(),
            r#"{"kind":"image","index":2,"url":"https://h/x","code":"dead_link","http_status":404,"error":"HTTP 404 Not Found"}"#
        );
    }

    #[test]
    fn entries_of_any_version_are_understood_and_rewritten_unchanged() {
        for (fields, code, http_status) in [
            (r#""error":"HTTP 401 Unauthorized""#, Some(DeadLink), Some(401)),
            (r#""error":"HTTP 403 Forbidden""#, Some(DeadLink), Some(403)),
            (r#""error":"HTTP 404 Not Found""#, Some(DeadLink), Some(404)),
            (r#""error":"HTTP 410""#, Some(DeadLink), Some(410)),
            (r#""error":"HTTP 500 Internal Server Error""#, Some(HttpStatus), Some(500)),
            (r#""error":"the body broke off; before that HTTP 404 Not Found""#, None, None),
            (r#""error":"HTTP ±""#, None, None),
            (r#""code":"dead_link","http_status":410,"error":"gone""#, Some(DeadLink), Some(410)),
            (r#""code":"timeout","error":"HTTP 404 was not the cause""#, Some(Timeout), None),
            (r#""code":"code_of_a_newer_version","error":"HTTP 404""#, None, None),
            (r#""code":["dead_link",1.50],"http_status":404,"error":"x""#, None, Some(404)),
            (r#""code":"dead_link","http_status":"404","error":"x""#, Some(DeadLink), None),
            (r#""code":"dead_link","http_status":-1,"error":"x""#, Some(DeadLink), None),
            (r#""code":"dead_link","http_status":70000,"error":"x""#, Some(DeadLink), None),
        ] {
            let read = entry(fields);
            assert_eq!((read.code(), read.http_status()), (code, http_status), "{fields}");
            assert_eq!(serde_json::to_string(&read).unwrap(), format!(r#"{{"kind":"image","index":2,{fields}}}"#));
        }
    }
}
