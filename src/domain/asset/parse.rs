//! Parses the assets of an answer, in the API's order, and numbers them per kind.
//!
//! Parsing is lenient, because the gateway sends several shapes: a list of objects, one object, plain URL strings, a lone
//! `url`. The numbering is strict: every item that is not null gets a number, usable or not, so that a file's name never
//! depends on whether its neighbours are valid. In lists that no kind has, the opposite holds: see `other_lists`.

mod other_lists;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Asset, MAX_URL_LEN};
use crate::domain::asset_key::Kind;
use crate::domain::json::{self, Fields, JsonType};
use crate::media::data_uri;
use crate::media::media_type;

/// The fields of an item that are parsed.
const ITEM_FIELDS: [&str; 3] = ["url", "content_type", "duration"];
/// The lists whose name is a kind.
const MEDIA_LISTS: [&str; 3] = ["videos", "images", "audio"];
/// The longest media type that is kept, in bytes.
const MAX_CONTENT_TYPE_LEN: usize = 1 << 10;

/// Replaces secrets in a text.
pub(crate) type Redact<'a> = &'a dyn for<'t> Fn(&'t str) -> Cow<'t, str>;

/// The assets of a `task_result`, at most `max_assets` of them, and how many it has.
pub(crate) fn parse_assets(result: &RawValue, max_assets: usize, redact: Redact<'_>) -> (Vec<Asset>, usize) {
    let fields = Fields::select(result, &MEDIA_LISTS);
    let (mut assets, mut count) = (Vec::new(), 0);
    for (kind, list) in [(Kind::Video, "videos"), (Kind::Image, "images"), (Kind::Audio, "audio")] {
        let (count_before, kept_before) = (count, assets.len());
        let mut push = |item: &RawValue| {
            count += usize::from(JsonType::detect(item) != JsonType::Null);
            if assets.len() < max_assets {
                assets.extend(parse_item(item, Some(kind), redact));
            }
        };
        match fields.get(list) {
            Some(items) if JsonType::detect(items) == JsonType::Array => json::for_each_item(items, push),
            Some(item) => push(item),
            None => {}
        }
        assign_indexes(&mut assets[kept_before..], count - count_before);
    }
    if count == 0 {
        assets.extend(parse_toplevel_url(result, redact));
        count = assets.len();
        assign_indexes(&mut assets, count);
    }
    count += other_lists::parse(result, max_assets, &mut assets, redact);
    (assets, count)
}

fn assign_indexes(items: &mut [Asset], count: usize) {
    for (position, item) in items.iter_mut().enumerate() {
        (item.index, item.count) = (position + 1, count);
    }
}

fn parse_item(item: &RawValue, kind: Option<Kind>, redact: Redact<'_>) -> Option<Asset> {
    let (url, content_type, duration) = match JsonType::detect(item) {
        JsonType::Null => return None,
        JsonType::Object => {
            let fields = Fields::select(item, &ITEM_FIELDS);
            (
                fields.get("url").map(parse_url).unwrap_or_default(),
                fields.get("content_type").and_then(|declared| parse_content_type(declared, redact)),
                fields.get("duration").and_then(parse_duration),
            )
        }
        _ => (parse_url(item), None, None),
    };
    Some(Asset { kind, index: 0, count: 0, url, redacted_url: None, content_type, duration })
}

/// A `task_result.url` without any list: a newer shape of the answer. Its type gives its kind.
fn parse_toplevel_url(result: &RawValue, redact: Redact<'_>) -> Option<Asset> {
    let has_url =
        Fields::select(result, &ITEM_FIELDS).get("url").and_then(|url| json::map_string(url, |url| !url.trim().is_empty()));
    let mut asset = parse_item(result, None, redact).filter(|_| has_url == Some(true))?;
    let by_type = asset.content_type.as_deref().and_then(media_type::kind_of_content_type);
    asset.kind = by_type.or_else(|| media_type::kind_of_content_type(data_uri::declared_type(&asset.url)?));
    Some(asset)
}

/// A URL, copied once: the payload of a `data:` URI may be long. A URL that is too long to request is cut just above the limit,
/// so that it is still recognised as too long.
fn parse_url(raw: &RawValue) -> Arc<str> {
    let read = |url: &str| match url {
        "" => Arc::default(),
        data if data_uri::is_data_uri(data) => data.into(),
        url => json::truncate(url, MAX_URL_LEN + 4).into(),
    };
    json::map_string(raw, read).unwrap_or_default()
}

fn parse_content_type(raw: &RawValue, redact: Redact<'_>) -> Option<String> {
    json::map_string(raw, |declared| (declared.len() <= MAX_CONTENT_TYPE_LEN).then(|| redact(declared).into_owned())).flatten()
}

/// Seconds, from a number or a string (`5`, `"5.1"`, `" 7 "`, `"8s"`). A value that is not finite and above 0 is unknown.
fn parse_duration(raw: &RawValue) -> Option<f64> {
    let seconds: f64 = match JsonType::detect(raw) {
        JsonType::Number => raw.get().parse().ok()?,
        _ => json::map_string(raw, |text| {
            let text = text.trim();
            text.strip_suffix(['s', 'S']).unwrap_or(text).trim_end().parse().ok()
        })??,
    };
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    #[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
    fn assets(result: Value) -> Vec<Asset> {
        parse_assets(&to_raw_value(&result).unwrap(), usize::MAX, &|text| text.into()).0
    }

    fn keys(result: Value) -> Vec<String> {
        assets(result).iter().map(|asset| format!("{} {}", asset.key(None), asset.url)).collect()
    }

    #[test]
    fn asset_lists_of_every_shape_are_parsed() {
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
            assert_eq!(keys(json!({"videos": list.clone()})), expected, "{list}");
        }
    }

    #[test]
    fn each_kind_has_its_own_numbering_and_equal_urls_are_separate() {
        let result = json!({"audio": ["http://h/x"], "images": ["http://h/x", "http://h/x"], "videos": "http://h/x"});
        assert_eq!(keys(result), ["video 1 http://h/x", "image 1 http://h/x", "image 2 http://h/x", "audio 1 http://h/x"]);
    }

    #[test]
    fn single_url_takes_its_kind_from_its_media_type() {
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
        assert_eq!(keys(json!({"url": "http://h/a.png?x=1"})), ["image 1 http://h/a.png?x=1"]);
        assert_eq!(keys(json!({"url": "http://h/a"})), ["video 1 http://h/a"]);
        assert_eq!(keys(json!({"url": "http://h/a", "images": ["http://h/b"]})), ["image 1 http://h/b"]);
        for nothing in [json!({"url": null}), json!({"url": ""}), json!({"url": 7}), json!({})] {
            assert!(assets(nothing).is_empty());
        }
    }

    #[test]
    fn durations_parse_as_seconds_or_are_unknown() {
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
            assert_eq!(parse_duration(&to_raw_value(&value).unwrap()), expected, "{value}");
        }
        assert_eq!(parse_duration(serde_json::from_str("1e999").unwrap()), None);
    }

    #[test]
    fn assets_beyond_the_limit_are_counted_but_not_kept() {
        let result = to_raw_value(&json!({"videos": ["a", null, "b"], "images": ["c"], "audio": {"url": "d"}})).unwrap();
        let (kept, count) = parse_assets(&result, 2, &|text| text.into());
        assert_eq!((kept.len(), count), (2, 4));
    }

    #[test]
    fn overlong_url_is_truncated_and_rejected() {
        let url = |length: usize| format!("http://h/{}", "é".repeat(length))[..length].to_owned();
        let long = &assets(json!({"images": [url(60 * MAX_URL_LEN + 1)]}))[0];
        assert!(long.url.len() > MAX_URL_LEN && long.url.len() < MAX_URL_LEN + 8 && long.source().is_err());
        assert!(assets(json!({"images": [url(MAX_URL_LEN - 1)]}))[0].source().is_ok());
        let data = format!("data:,{}", "a".repeat(2 * MAX_URL_LEN));
        assert_eq!(*assets(json!({"images": [data]}))[0].url, data);
    }
}
