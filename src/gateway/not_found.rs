//! What the words of a 404 mean: the task is missing, or the server does not know the URL. Pure functions of texts.
//!
//! A server that knows no URL of ours is not the gateway's API: its base URL is wrong. Such servers name the URL, the path or a
//! route. A message that only repeats the task id names none of them, so the id is taken out before its words are looked at.

use crate::domain::json;
use crate::domain::task::TaskId;

/// How much of a message is searched for its cause, in bytes.
const MAX_ERROR_SCAN: usize = 64 << 10;
/// What stands in place of the task id. No server sends it.
const ID: char = '\u{fdd0}';
/// Words for a URL or a part of one.
const URL_WORDS: [&str; 7] = ["url", "uri", "route", "routes", "routing", "endpoint", "endpoints"];
/// How a server repeats the request.
const REQUEST_LINES: [&str; 3] = ["get /", "get:/", "get http"];

/// Whether a message says that a task does not exist. The gateway's protocol has no field for this cause.
pub(super) fn says_task_is_missing(message: &str) -> bool {
    let message = json::truncate(message, MAX_ERROR_SCAN).to_lowercase().replace(['_', '-'], " ");
    let is_missing = ["not found", "not exist", "doesn't exist", "no such"].iter().any(|text| message.contains(text));
    (message.contains("task") && is_missing) || message.contains("任务不存在")
}

/// The words of a 404, without the task id.
pub(super) struct Words(String);

impl Words {
    pub(super) fn new(message: &str, id: &TaskId) -> Self {
        let mut words = json::truncate(message, MAX_ERROR_SCAN).to_lowercase();
        for echo in [Some(id.as_str().to_lowercase()), id.path_segment().map(|segment| segment.to_lowercase())] {
            words = echo.map(|echo| replace_word(&words, &echo)).unwrap_or(words);
        }
        Self(words)
    }

    /// Whether they say that the task is missing. The path of the request says nothing, although it has the word `task`.
    pub(super) fn name_missing_task(&self) -> bool {
        let is_path = |word: &&str| word.trim_start_matches(['(', '"', '\'', '`', ':']).starts_with('/') || word.contains(":/");
        says_task_is_missing(&self.0.split_whitespace().filter(|word| !is_path(word)).collect::<Vec<_>>().join(" "))
    }

    /// Whether they name a URL or a route.
    pub(super) fn name_url(&self) -> bool {
        let words = self.0.split(|c: char| !c.is_alphanumeric());
        let own_path = format!("task/{ID}");
        words.into_iter().any(|word| URL_WORDS.contains(&word))
            || REQUEST_LINES.iter().any(|line| self.0.contains(line))
            || self.0.contains(&own_path)
    }
}

/// Replaces `echo` with [`ID`] where it is no part of a longer word.
fn replace_word(words: &str, echo: &str) -> String {
    let mut replaced = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(at) = rest.find(echo) {
        let (before, after) = (&rest[..at], &rest[at + echo.len()..]);
        let is_word = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        replaced.push_str(before);
        if is_word {
            replaced.push(ID);
        } else {
            replaced.push_str(echo);
        }
        rest = after;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(message: &str, id: &str) -> &'static str {
        let words = Words::new(message, &TaskId::new(id).unwrap());
        match (words.name_missing_task(), words.name_url()) {
            (true, _) => "task",
            (false, true) => "url",
            (false, false) => "unclear",
        }
    }

    #[test]
    fn words_of_servers_that_do_not_know_the_url() {
        for message in [
            "Invalid URL (GET /api/task/t1)",
            "Unknown request URL: GET /v2/task/t1. Please check the URL for typos",
            "The requested URL /task/t1 was not found on this server.",
            "Cannot GET /task/t1",
            "Route GET:/task/t1 not found",
            "Route not found",
            "route_not_found",
            "no Route matched with those values",
            "No route found for \"GET https://h/task/t1\"",
            "The route api/task/t1 could not be found.",
            "Could not route to /task/t1",
            "No such endpoint",
            "No static resource task/t1.",
            "/gate/task/t1",
        ] {
            assert_eq!(meaning(message, "t1"), "url", "{message}");
        }
        assert_eq!(meaning("Invalid URL (GET /task/a%2Fb)", "a/b"), "url");
        assert_eq!(meaning("no resource at task/a%2Fb", "a/b"), "url");
    }

    #[test]
    fn message_that_only_repeats_the_id_names_no_url() {
        for (message, id) in [
            ("Task route-66 not found", "route-66"),
            ("route-66 is unknown here", "route-66"),
            ("nothing known about Invalid URL (GET /x)", "Invalid URL (GET /x)"),
            ("nothing known about GET%20%2Ftask", "GET /task"),
            ("URL: unknown", "url"),
            ("unknown: \"url\"", "url"),
        ] {
            assert_ne!(meaning(message, id), "url", "{message}");
        }
        assert_eq!(meaning("Invalid URL (GET /task/e)", "e"), "url", "a short id is no part of other words");
    }

    #[test]
    fn words_about_the_task_win() {
        for message in
            ["Task not found", "task_not_exist", "task t1 not found at this endpoint", "任务不存在", "task/t1 not found"]
        {
            assert_eq!(meaning(message, "t1"), "task", "{message}");
        }
        for message in ["Not Found", "not here", "", "gone with the curl"] {
            assert_eq!(meaning(message, "t1"), "unclear", "{message}");
        }
    }
}
