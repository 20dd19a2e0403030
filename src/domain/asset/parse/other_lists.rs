//! The files of an answer: the items of all lists but `videos`, `images` and `audio`.
//!
//! Such a list can be anything: 3D models, subtitles, tags, seeds. So only items are assets that are absolute URLs, or objects
//! with such a `url`. All other items are no errors and get no number. A URL that is an asset already is not taken again:
//! answers often repeat their results in a list of another name. Lists of inputs are no results.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{MEDIA_LISTS, Redact, parse_item};
use crate::domain::asset::{Asset, MAX_URL_LEN};
use crate::domain::asset_key::Kind;
use crate::domain::json;
use crate::media::media_type::MediaType;

/// How the names of lists begin that have no results.
const INPUT_LISTS: [&str; 4] = ["input", "reference", "source", "callback"];

/// Adds the files to `assets`, as long as these are at most `max_assets`, and returns the number of files.
pub(super) fn parse(result: &RawValue, max_assets: usize, assets: &mut Vec<Asset>, redact: Redact<'_>) -> usize {
    let mut known: HashSet<Arc<str>> = assets.iter().map(url_key).collect();
    let (kept_before, mut count) = (assets.len(), 0);
    json::for_each_field(result, |list, items| {
        if MEDIA_LISTS.contains(&list) || is_input_list(list) {
            return;
        }
        json::for_each_item(items, |item| {
            let Some(file) = parse_item(item, Some(Kind::File), redact).filter(has_absolute_url) else { return };
            let url = url_key(&file);
            if known.contains(&url) {
                return;
            }
            count += 1;
            if assets.len() < max_assets {
                known.insert(url);
                assets.push(file);
            }
        });
    });
    let (media, files) = assets.split_at_mut(kept_before);
    let first = if files.is_empty() { 1 } else { first_number(media) };
    for (position, file) in files.iter_mut().enumerate() {
        (file.index, file.count) = (first + position, count);
    }
    count
}

/// The number of the first file. A lone URL may be a file, too, and takes the first number then.
fn first_number(media: &mut [Asset]) -> usize {
    let Some(lone) = media.iter_mut().find(|asset| matches!(asset.kind, None | Some(Kind::File))) else { return 1 };
    // The path decides before the bytes do: an unknown kind would match the first file as well.
    lone.kind = lone.kind.or_else(|| lone.type_by_path().map(MediaType::kind));
    1 + usize::from(matches!(lone.kind, None | Some(Kind::File)))
}

/// Whether a list has what the task was made from.
fn is_input_list(name: &str) -> bool {
    let starts_with = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    INPUT_LISTS.into_iter().any(starts_with)
}

/// Whether the URL can be requested, or is one that is only too long.
fn has_absolute_url(asset: &Asset) -> bool {
    let url = asset.url.trim_start();
    let has_scheme = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let is_too_long = || url.len() > MAX_URL_LEN && (has_scheme("http://") || has_scheme("https://"));
    asset.source().is_ok() || is_too_long()
}

fn url_key(asset: &Asset) -> Arc<str> {
    let url = asset.url.trim();
    if url.len() == asset.url.len() { Arc::clone(&asset.url) } else { url.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    use crate::domain::asset::parse_assets;

    #[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
    fn keys(result: Value) -> Vec<String> {
        let (assets, count) = parse_assets(&to_raw_value(&result).unwrap(), usize::MAX, &|text| text.into());
        assert_eq!(assets.len(), count);
        assets.iter().map(|asset| format!("{} {}", asset.key(None), asset.url)).collect()
    }

    #[test]
    fn urls_of_other_lists_are_files_in_the_order_of_the_answer() {
        let result = json!({
            "models": [{"url": "http://h/a.glb"}, {"no": "url"}, null, 7, ["http://h/nested"], {"url": "/relative"}, "cat"],
            "audio": ["http://h/song.mp3"],
            "tags": ["cat", "http", "http:", "https://", "ftp://h/x", ""],
            "extra": ["HTTPS://h/b.zip", "data:,x", "http://h/a.glb", " http://h/song.mp3 ", "http://h/c"],
            "one": {"url": "http://h/no-list"},
        });
        assert_eq!(
            keys(result),
            [
                "audio 1 http://h/song.mp3",
                "file 1 http://h/a.glb",
                "file 2 HTTPS://h/b.zip",
                "file 3 data:,x",
                "file 4 http://h/c"
            ]
        );
    }

    #[test]
    fn lists_of_inputs_are_no_results() {
        for list in ["input", "inputs", "input_images", "InputFiles", "reference_images", "sources", "source-video", "callbacks"]
        {
            assert!(keys(json!({list: ["http://h/x.png"]})).is_empty(), "{list}");
        }
        assert_eq!(
            keys(json!({"results": ["http://h/x.png"], "é": ["http://h/y"]})),
            ["file 1 http://h/x.png", "file 2 http://h/y"]
        );
    }

    #[test]
    fn lone_url_and_files_have_numbers_of_their_own() {
        for (url, expected) in [
            ("http://h/a.mp4", ["video 1 http://h/a.mp4", "file 1 http://h/f"]),
            ("http://h/a.glb", ["file 1 http://h/a.glb", "file 2 http://h/f"]),
            ("http://h/a", ["video 1 http://h/a", "file 2 http://h/f"]),
        ] {
            assert_eq!(keys(json!({"url": url, "files": ["http://h/f", url]})), expected);
        }
    }

    #[test]
    fn url_that_is_too_long_is_an_asset_and_a_long_text_is_none() {
        let long = "a".repeat(70_000);
        assert_eq!(keys(json!({"files": [format!("http://h/{long}"), long]})).len(), 1);
    }

    #[test]
    fn files_beyond_the_limit_are_counted_but_not_kept() {
        let result = to_raw_value(&json!({"files": ["http://h/1", "http://h/2", "http://h/3"]})).unwrap();
        let (kept, count) = parse_assets(&result, 2, &|text| text.into());
        assert_eq!((kept.len(), count), (2, 3));
    }
}
