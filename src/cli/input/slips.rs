//! Typing mistakes in task ids: what was typed is hardly an id, and would be asked about in vain.
//!
//! Owns the rules for arguments and for plain lines of a list. Ids from JSON, and arguments after `--`, are taken as they
//! are and never come here, so every text remains possible as an id. Nothing here makes a request. One rule looks at the
//! disk: whether an argument is the name of a file.

use std::path::Path;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::domain::task::TaskId;

/// The most of a text that a message repeats, in characters.
const MAX_SHOWN: usize = 60;

/// The words that a first column of task ids has as its title.
const COLUMN_TITLES: [&str; 4] = ["id", "task_id", "task-id", "taskid"];

/// The id that an argument names.
///
/// # Errors
/// If the argument is a typing mistake. The message says what to type instead.
pub(super) fn argument_id(text: &str) -> Result<TaskId, String> {
    let text = text.trim();
    let path = Path::new(text);
    if path.extension().is_some() && path.is_file() {
        return Err(format!("{} is a file: to read task ids from it, use -i FILE", shown(text)));
    }
    plain_id(text).map_err(|mistake| format!("{mistake}; if this is an id, put it after `--`"))
}

/// The id of a plain line. `is_first` tells whether it is the first line of its list.
///
/// # Errors
/// If the line is a typing mistake. The message says what to write instead.
pub(super) fn line_id(text: &str, is_first: bool) -> Result<TaskId, String> {
    if is_first && COLUMN_TITLES.contains(&text.to_lowercase().as_str()) {
        return Err(format!("{} is the title of a column: remove the line", shown(text)));
    }
    plain_id(text).map_err(|mistake| format!("{mistake}; if this is an id, write it as JSON: {{\"id\":\"…\"}}"))
}

/// The id of a text without blanks around it: itself, or the one in a URL that ends in `/task/ID`.
fn plain_id(text: &str) -> Result<TaskId, String> {
    if text.contains("://") && !text.contains(char::is_whitespace) {
        return url_id(text);
    }
    match mistake(text) {
        Some(mistake) => Err(mistake),
        None => TaskId::new(text).ok_or_else(|| "the id is blank".to_owned()),
    }
}

/// The id at the end of a URL such as `https://api.yescale.io/v1/task/ID`, without its query and a slash at its end.
fn url_id(text: &str) -> Result<TaskId, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let id = url.as_ref().and_then(|url| {
        let (before, id) = url.path().trim_end_matches('/').rsplit_once('/')?;
        let id = percent_decode_str(id).decode_utf8().ok()?;
        before.ends_with("/task").then(|| TaskId::new(&id)).flatten()
    });
    id.ok_or_else(|| format!("{} is not the URL of a task, which ends in /task/ID: give the task id alone", shown(text)))
}

/// What is wrong with a text that is no id, and what to type instead.
fn mistake(text: &str) -> Option<String> {
    // Nearly every id. Lists may be long.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return None;
    }
    let has = |chars: &[char]| text.contains(chars);
    let what = if text.contains('\0') {
        return Some("NUL bytes in the text: save the list as UTF-8".to_owned());
    } else if text.starts_with(['–', '—', '−']) {
        "begins with a long dash: type options with `-` or `--`"
    } else if text.starts_with(['[', '{']) && (text.contains('"') || text.ends_with([']', '}'])) {
        "is JSON: put it into a file of its own, or into a pipe, and read it with -i"
    } else if has(&[',', ';', '\t']) {
        "is a row of a table, or several ids: give each id alone, without the other columns"
    } else if has(&['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»']) {
        "has quotes: give the id without them (with jq: use -r)"
    } else if has(&['(', ')', '[', ']', '{', '}', '<', '>']) {
        "has brackets: give the id without them"
    } else if text.contains(char::is_whitespace) {
        "has blanks: give each id alone"
    } else {
        return None;
    };
    Some(format!("{} {what}", shown(text)))
}

/// A text in quotes, not too long. A text that may contain a key is not repeated.
fn shown(text: &str) -> String {
    if text.contains("sk-") {
        return "the text".to_owned();
    }
    let mut chars = text.chars();
    let beginning: String = chars.by_ref().take(MAX_SHOWN).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("`{beginning}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_platform_are_accepted() {
        for id in [
            "777935781150867525",
            "67c1fa75-25c8-4f90-af8a-c7b73d7e70bc",
            "veo3:17-Y",
            "models/veo/1",
            "CjNQtmctxFMAAAAAAGZ1Vw",
            "a?b#c%d+e&f=g",
            "A_b.c~d",
            "ä🎬",
            "-x",
            "...",
            "user@host",
        ] {
            assert_eq!(plain_id(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn url_of_a_task_is_its_id() {
        for (url, id) in [
            ("https://api.yescale.io/task/777", "777"),
            ("https://api.yescale.io/v1/task/777/?a=b#c", "777"),
            ("HTTPS://api.yescale.io/yescale/task/veo3%3A17-Y", "veo3:17-Y"),
            ("http://127.0.0.1:8080/task/models%2Fveo%2F1", "models/veo/1"),
        ] {
            assert_eq!(plain_id(url).unwrap().as_str(), id, "{url}");
        }
        for url in [
            "https://api.yescale.io",
            "https://api.yescale.io/task/",
            "https://api.yescale.io/task",
            "https://cdn.example/x.mp4?task/7",
            "https://api.yescale.io/tasks/7",
            "https://api.yescale.io/task/7/files",
            "https://api.yescale.io/task/%FF",
            "https://api.yescale.io/task/%20",
            "ftp://h/task/7",
            "https://",
            "://",
        ] {
            assert!(plain_id(url).unwrap_err().contains("/task/ID"), "{url}");
        }
    }

    #[test]
    fn typing_mistakes_are_named() {
        for (text, what) in [
            ("a b", "blanks"),
            ("a\u{a0}b", "blanks"),
            ("see https://h/task/7", "blanks"),
            ("\"777\"", "quotes"),
            ("it's", "quotes"),
            ("`777`", "quotes"),
            ("“777”", "quotes"),
            ("777,kling,done", "row"),
            ("777;kling", "row"),
            ("777\tkling", "row"),
            ("\"777\",\"kling\"", "row"),
            ("777,", "row"),
            ("[\"1\",\"2\"]", "JSON"),
            ("[1,2]", "JSON"),
            ("{\"id\":1}", "JSON"),
            ("[777", "brackets"),
            ("<TASK_ID>", "brackets"),
            ("{id}", "JSON"),
            ("a(1)", "brackets"),
            ("—wait", "long dash"),
            ("a\0b", "NUL"),
        ] {
            let message = plain_id(text).unwrap_err();
            assert!(message.contains(what), "{text}: {message}");
        }
        assert!(!plain_id("sk-secret secret").unwrap_err().contains("secret"));
        assert!(line_id("Task_ID", true).unwrap_err().contains("column"));
        assert!(line_id("task_id", false).is_ok());
    }
}
