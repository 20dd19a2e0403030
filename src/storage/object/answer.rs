//! An answer of a store that is an error: its status, and the code and message in its body.
//!
//! `object_store` keeps the answer in a private type, whose text is the status and the body. Bodies are XML, or JSON from GCS
//! and from the services that give credentials.

use object_store::Error as StoreError;
use serde_json::Value;

use super::error::causes;

/// An answer that is no success.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What the server calls the error: `NoSuchBucket`.
    pub code: Option<String>,
    /// What it says about it. From the network: not safe to show.
    pub message: Option<String>,
    /// The region that it names.
    pub region: Option<String>,
    /// The service answered that gives credentials to a machine in a cloud, and not the store.
    pub is_from_metadata: bool,
}

/// Where that service is, at AWS, Azure and Google.
const METADATA_HOSTS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

/// Whether `host` gives credentials to the machines of a cloud.
pub(super) fn is_metadata_host(host: &str) -> bool {
    METADATA_HOSTS.contains(&host)
}

impl Answer {
    /// The answer that `error` is about, if the server gave one.
    pub(super) fn find(error: &StoreError) -> Option<Self> {
        let texts = || causes(error).map(ToString::to_string);
        let answer = texts().find_map(|text| Self::from_text(&text))?;
        Some(Self { is_from_metadata: texts().any(|text| is_metadata_request(&text)), ..answer })
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.starts_with("Received redirect without LOCATION") {
            return Some(Self { status: 301, ..Self::default() });
        }
        if let Some(body) = text.strip_prefix("Server returned error response: ") {
            return Some(Self { status: 200, ..Self::from_body(body) });
        }
        let text = text.strip_prefix("Server returned non-2xx status code: ")?;
        let status = text.get(..3)?.parse().ok()?;
        let body = text.split_once(": ").map_or("", |(_, body)| body);
        Some(Self { status, ..Self::from_body(body) })
    }

    fn from_body(body: &str) -> Self {
        if let Ok(json) = serde_json::from_str::<Value>(body.trim_start_matches('\u{feff}')) {
            return Self::from_json(&json);
        }
        Self {
            status: 0,
            code: element(body, "Code").filter(|code| is_name(code)),
            message: element(body, "Message"),
            region: element(body, "Region").filter(|region| is_name(region)),
            is_from_metadata: false,
        }
    }

    /// `{"error":{"message":…,"status":…}}`, and `{"error":"invalid_grant","error_description":…}`.
    fn from_json(json: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let error = &json["error"];
        let code = text(error).or_else(|| text(&error["errors"][0]["reason"])).or_else(|| text(&error["status"]));
        let message = text(&error["message"]).or_else(|| text(&json["error_description"]));
        Self { code: code.filter(|code| is_name(code)), message, ..Self::default() }
    }

    /// Whether the bucket itself does not exist.
    pub(super) fn is_bucket_missing(&self) -> bool {
        match self.code.as_deref() {
            Some("NoSuchBucket" | "ContainerNotFound") => true,
            // GCS has the same code for a bucket and for an object.
            Some("notFound") => self.message.as_deref().is_some_and(|message| message.contains("bucket does not exist")),
            _ => false,
        }
    }
}

/// Whether the text of an error is about a request for credentials: `Error performing PUT http://169.254.169.254/… in 3ms - …`.
fn is_metadata_request(text: &str) -> bool {
    let url = text.strip_prefix("Error performing ").and_then(|text| text.split(' ').nth(1));
    let host = url.and_then(|url| url.strip_prefix("http://")).and_then(|url| url.split(['/', ':']).next());
    host.is_some_and(is_metadata_host)
}

/// The text of the first element called `name` without children.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character)))
}

/// Whether `text` is a code or a region, which can be shown.
fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (u16, Option<String>, Option<String>) {
        let answer = Answer::from_text(text).unwrap();
        (answer.status, answer.code, answer.message)
    }

    #[test]
    fn code_and_message_are_read_from_xml_and_json() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>it&apos;s not yours</Message></Error>";
        let google = r#"{"error":{"code":404,"message":"gone","errors":[{"reason":"notFound"}]}}"#;
        let oauth = r#"{"error":"invalid_grant","error_description":"old"}"#;
        let named = |status, code: &str, message: &str| (status, Some(code.to_owned()), Some(message.to_owned()));
        let with = |head: &str, body: &str| parsed(&format!("Server returned non-2xx status code: {head}: {body}"));
        assert_eq!(with("403 Forbidden", xml), named(403, "AccessDenied", "it's not yours"));
        assert_eq!(with("404 Not Found", google), named(404, "notFound", "gone"));
        assert_eq!(with("400 Bad Request", oauth), named(400, "invalid_grant", "old"));
        assert_eq!(parsed(&format!("Server returned error response: {xml}")).0, 200);
        assert_eq!(Answer::from_text("HTTP error: something"), None);
    }

    #[test]
    fn requests_for_credentials_are_told_from_those_to_the_store() {
        for (text, is_metadata) in [
            ("Error performing PUT http://169.254.169.254/latest/api/token in 3ms - Server returned", true),
            ("Error performing GET http://metadata.google.internal/computeMetadata/v1/x?audience=y in 3ms", true),
            ("Error performing GET http://127.0.0.1:9000/b/169.254.169.254/x in 3ms", false),
            ("Error performing GET REDACTED in 3ms", false),
            ("Error performing list request: x", false),
        ] {
            assert_eq!(is_metadata_request(text), is_metadata, "{text}");
        }
    }

    #[test]
    fn bodies_without_a_code_are_no_error() {
        for body in ["", "<html>", "<Code>", "<Code></Code>", "<Code>a b\u{1b}</Code>", "{}", "[1]", "null", "{\"error\":7}"] {
            let answer = parsed(&format!("Server returned non-2xx status code: 500 Internal Server Error: {body}"));
            assert_eq!(answer, (500, None, None), "{body}");
        }
    }
}
