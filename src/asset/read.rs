//! The assets of an answer, in the API's order, numbered per kind.
//!
//! Reading is lenient, because the gateway's answers are: a list of objects, one object, plain URL
//! strings, a lone `url`. What is not lenient is the numbering: every item that is not null takes
//! its number, usable or not, so that a file's name never depends on the health of its neighbours.

use serde_json::{Map, Value};

use super::Asset;
use crate::data_uri;
use crate::kind::Kind;
use crate::media_type;

/// Takes the assets out of a `task_result`. Payloads of `data:` URIs are moved, not copied: `result` keeps their heads.
pub(crate) fn take_assets(result: &mut Map<String, Value>) -> Vec<Asset> {
    let mut assets = Vec::new();
    for (kind, list) in [(Kind::Video, "videos"), (Kind::Image, "images"), (Kind::Audio, "audio")] {
        let mut items: Vec<Asset> = match result.get_mut(list) {
            Some(Value::Array(items)) => items.iter_mut().filter_map(|item| take_item(item, Some(kind))).collect(),
            Some(item) => take_item(item, Some(kind)).into_iter().collect(),
            None => Vec::new(),
        };
        number(&mut items);
        assets.append(&mut items);
    }
    if assets.is_empty() {
        assets.extend(take_lone(result));
        number(&mut assets);
    }
    assets
}

fn number(items: &mut [Asset]) {
    let count = items.len();
    for (position, item) in items.iter_mut().enumerate() {
        (item.index, item.count) = (position + 1, count);
    }
}

fn take_item(item: &mut Value, kind: Option<Kind>) -> Option<Asset> {
    let (url, content_type, duration) = match item {
        Value::Null => return None,
        Value::Object(fields) => (
            fields.get_mut("url").map(take_url).unwrap_or_default(),
            fields.get("content_type").and_then(Value::as_str).map(str::to_owned),
            fields.get("duration").and_then(read_duration),
        ),
        other => (take_url(other), None, None),
    };
    Some(Asset { kind, index: 0, count: 0, url: url.into(), hidden_url: None, content_type, duration })
}

/// A `task_result.url` beside no list: a newer shape of the answer. Its kind is its type's.
fn take_lone(result: &mut Map<String, Value>) -> Option<Asset> {
    let url = result.get("url")?.as_str()?;
    if url.trim().is_empty() {
        return None;
    }
    let kind = result
        .get("content_type")
        .and_then(Value::as_str)
        .and_then(media_type::kind)
        .or_else(|| media_type::kind(data_uri::declared_type(url)?));
    let fields = std::mem::take(result);
    let mut item = Value::Object(fields);
    let asset = take_item(&mut item, kind);
    if let Value::Object(fields) = item {
        *result = fields;
    }
    asset
}

fn take_url(value: &mut Value) -> String {
    match value {
        Value::String(url) if data_uri::is_one(url) => {
            let head = data_uri::head(url).to_owned();
            std::mem::replace(url, head)
        }
        Value::String(url) => url.clone(),
        _ => String::new(),
    }
}

/// Seconds from a number or a string (`5`, `"5.1"`, `" 7 "`, `"8s"`); anything not finite and above 0 is unknown.
fn read_duration(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let text = text.trim();
            text.strip_suffix(['s', 'S']).unwrap_or(text).trim_end().parse().ok()?
        }
        _ => return None,
    };
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn assets(result: Value) -> Vec<Asset> {
        let Value::Object(mut fields) = result else { panic!("a result is an object") };
        take_assets(&mut fields)
    }

    fn slots(result: Value) -> Vec<String> {
        assets(result).iter().map(|asset| format!("{} {}", asset.slot(None), asset.url)).collect()
    }

    #[test]
    fn every_shape_of_a_list_is_read() {
        for (list, expected) in [
            (json!([{"url": "http://h/1"}, {"url": "http://h/2"}]), vec!["video 1 http://h/1", "video 2 http://h/2"]),
            (json!({"url": "http://h/1"}), vec!["video 1 http://h/1"]),
            (json!("http://h/1"), vec!["video 1 http://h/1"]),
            (json!(["http://h/1", null, "http://h/2"]), vec!["video 1 http://h/1", "video 2 http://h/2"]),
            (json!(null), vec![]),
            (json!([]), vec![]),
            (json!([null]), vec![]),
            (
                json!([{"url": ""}, {}, 7, {"url": null}, ["x"], "http://h/6"]),
                vec!["video 1 ", "video 2 ", "video 3 ", "video 4 ", "video 5 ", "video 6 http://h/6"],
            ),
        ] {
            assert_eq!(slots(json!({"videos": list.clone()})), expected, "{list}");
        }
    }

    #[test]
    fn kinds_are_numbered_apart_and_equal_urls_are_separate() {
        let result = json!({"audio": ["http://h/x"], "images": ["http://h/x", "http://h/x"], "videos": "http://h/x"});
        assert_eq!(slots(result), ["video 1 http://h/x", "image 1 http://h/x", "image 2 http://h/x", "audio 1 http://h/x"]);
    }

    #[test]
    fn a_lone_url_takes_its_kind_from_its_type() {
        for (result, expected) in [
            (json!({"url": "http://h/a", "content_type": "audio/mpeg"}), Some(Kind::Audio)),
            (json!({"url": "http://h/a.png", "content_type": "audio/amr"}), Some(Kind::Audio)),
            (json!({"url": "data:image/png;base64,AAAA"}), Some(Kind::Image)),
            (json!({"url": "http://h/a", "content_type": "audio/basic"}), Some(Kind::Audio)),
            (json!({"url": "http://h/a.png"}), None),
            (json!({"url": "http://h/a.png", "content_type": "application/octet-stream", "images": []}), None),
        ] {
            assert_eq!(assets(result.clone())[0].kind, expected, "{result}");
        }
        assert_eq!(slots(json!({"url": "http://h/a.png?x=1"})), ["image 1 http://h/a.png?x=1"]);
        assert_eq!(slots(json!({"url": "http://h/a"})), ["video 1 http://h/a"]);
        assert_eq!(slots(json!({"url": "http://h/a", "images": ["http://h/b"]})), ["image 1 http://h/b"]);
        for nothing in [json!({"url": null}), json!({"url": ""}), json!({"url": 7}), json!({})] {
            assert!(assets(nothing).is_empty());
        }
    }

    #[test]
    fn durations_are_seconds_or_unknown() {
        for (value, expected) in [
            (json!(5), Some(5.0)),
            (json!(5.209), Some(5.209)),
            (json!("5.1"), Some(5.1)),
            (json!(" 7 "), Some(7.0)),
            (json!("8s"), Some(8.0)),
            (json!("8 s"), Some(8.0)),
            (json!(0), None),
            (json!(-1), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!("five"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([5]), None),
        ] {
            assert_eq!(read_duration(&value), expected, "{value}");
        }
        assert_eq!(read_duration(&serde_json::from_str("1e999").unwrap()), None);
    }

    #[test]
    fn a_payload_leaves_the_answer_with_the_asset() {
        let mut result = json!({"videos": [{"url": "data:video/mp4;base64,QUJD"}, "data:nocomma"]});
        let assets = take_assets(result.as_object_mut().unwrap());
        assert_eq!(&*assets[0].url, "data:video/mp4;base64,QUJD");
        assert_eq!(assets[0].recorded_url().as_deref(), Some("data:"));
        assert_eq!(result, json!({"videos": [{"url": "data:video/mp4;base64,"}, "data:"]}));
    }
}
