//! What made a task: the platform and the model, from the API's message or from `meta`.
//!
//! The message has a fixed form: `YEScale - PLATFORM - MODEL - Task Result`. Any other message says nothing. The platform is
//! in lower case. What is unknown is left out.

use serde_json::{Map, Value};

/// The parts of the message that are always the same, in lower case.
const FIRST_PART: &str = "yescale";
const LAST_PART: &str = "task result";
/// A word of its own between two parts.
const SEPARATOR: &str = "-";
/// The longest name of a platform or a model, in bytes. A longer text is no name.
const MAX_NAME_LEN: usize = 200;

/// The platform and the model of a task; each from the message, else from `meta`.
#[must_use]
pub(crate) fn platform_and_model(message: Option<&str>, meta: Option<&Map<String, Value>>) -> (Option<String>, Option<String>) {
    let (platform, model) = message.and_then(parse_message).unwrap_or_default();
    let from_meta = |key: &str| name(meta?.get(key)?.as_str()?);
    let platform = platform.or_else(|| from_meta("platform")).map(|name| name.to_lowercase());
    (platform, model.or_else(|| from_meta("model")))
}

/// The names in a message of the known form. A model may contain the separator.
fn parse_message(message: &str) -> Option<(Option<String>, Option<String>)> {
    let words: Vec<&str> = message.split_whitespace().collect();
    let parts: Vec<String> = words.split(|word| *word == SEPARATOR).map(|part| part.join(" ")).collect();
    let [first, platform, model @ .., last] = parts.as_slice() else { return None };
    let is_known = first.eq_ignore_ascii_case(FIRST_PART) && last.eq_ignore_ascii_case(LAST_PART);
    is_known.then(|| (name(platform), name(&model.join(" - "))))
}

/// A text as a name: without blanks around it, and not empty.
fn name(text: &str) -> Option<String> {
    Some(text.trim()).filter(|name| !name.is_empty() && name.len() <= MAX_NAME_LEN).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn message_names_the_platform_and_the_model() {
        for (message, platform, model) in [
            ("YEScale - KLING - v2 - Task Result", "kling", "v2"),
            ("YEScale - YESCALE_MEDIA - nano-banana-2 - Task Result", "yescale_media", "nano-banana-2"),
            ("YEScale - FALAI - fal-ai/bytedance/v3 - Task Result", "falai", "fal-ai/bytedance/v3"),
            ("yescale - Veo -  veo 3 - fast  - task result ", "veo", "veo 3 - fast"),
            ("YEScale - KLING - Task Result", "kling", ""),
            ("YEScale -  - v2 - Task Result", "", "v2"),
            ("YEScale - - v2 - Task Result", "", "v2"),
            ("YEScale - KLING - - Task Result", "kling", ""),
            ("YEScale - - - Task Result", "", ""),
            ("YEScale\t- KLING -\nv2 - Task Result\n", "kling", "v2"),
            ("YEScale - Task Result", "", ""),
            ("YEScale - KLING - v2", "", ""),
            ("Other - KLING - v2 - Task Result", "", ""),
            ("YEScale-KLING-v2-Task Result", "", ""),
            ("", "", ""),
        ] {
            let found = platform_and_model(Some(message), None);
            assert_eq!((found.0.unwrap_or_default(), found.1.unwrap_or_default()), (platform.into(), model.into()), "{message}");
        }
    }

    #[test]
    fn meta_fills_what_the_message_lacks() {
        let meta = json!({"platform": " Suno ", "model": "chirp-v4"});
        for (message, meta, platform, model) in [
            (Some("YEScale - KLING - v2 - Task Result"), &meta, Some("kling"), Some("v2")),
            (Some("YEScale - KLING - Task Result"), &meta, Some("kling"), Some("chirp-v4")),
            (Some("done"), &meta, Some("suno"), Some("chirp-v4")),
            (None, &meta, Some("suno"), Some("chirp-v4")),
            (None, &json!({"platform": 7, "model": "  "}), None, None),
            (None, &json!({"platform": "x".repeat(201)}), None, None),
            (None, &json!({}), None, None),
        ] {
            let found = platform_and_model(message, meta.as_object());
            assert_eq!((found.0.as_deref(), found.1.as_deref()), (platform, model), "{message:?} {meta}");
        }
    }
}
