//! What describes a task: what made it, its prompt, its title and its time, from the fields of a [`TaskEntry`].
//!
//! Lists, names of exported files, clips and the page all use these, so that they agree.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::TaskEntry;
use crate::domain::origin::platform_and_model;

impl TaskEntry {
    /// Records what made the task, as far as its message and its `meta` say so.
    pub(crate) fn update_origin(&mut self) {
        let (platform, model) = platform_and_model(self.message.as_deref(), self.meta.as_ref());
        (self.platform, self.model) = (platform.or(self.platform.take()), model.or(self.model.take()));
    }

    /// A field of `meta` as text: a string unchanged, any other value but null as JSON.
    #[must_use]
    pub fn meta_text(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.meta.as_ref()?.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    /// The prompt, if `meta` has one that is not blank.
    #[must_use]
    pub fn prompt(&self) -> Option<Cow<'_, str>> {
        self.meta_text("prompt").filter(|prompt| !prompt.trim().is_empty())
    }

    /// The title of `meta`, else the prompt, else the first line of the text that is not blank, else the id.
    #[must_use]
    pub fn title(&self) -> Cow<'_, str> {
        let title = self.meta_text("title").filter(|title| !title.trim().is_empty());
        let first_line = || self.text.as_deref()?.lines().find(|line| !line.trim().is_empty()).map(Cow::Borrowed);
        title.or_else(|| self.prompt()).or_else(first_line).unwrap_or(Cow::Borrowed(&self.task_id))
    }

    /// When it finished, else when it was submitted, else when it was archived. Times that can't be parsed are unknown.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        [&self.finish_time, &self.submit_time, &self.archived_at].into_iter().flatten().find_map(|time| time.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use serde_json::json;

    #[test]
    fn title_is_the_first_that_is_not_blank() {
        for (meta, text, title) in [
            (json!({"title": "Moon", "prompt": "a cat"}), "la", "Moon"),
            (json!({"title": " ", "prompt": "a cat"}), "la", "a cat"),
            (json!({"title": null, "prompt": 7}), "la", "7"),
            (json!({"prompt": ""}), "\n \n[Verse]\nla", "[Verse]"),
            (json!({}), "", "t"),
        ] {
            let mut task = entry("t");
            (task.meta, task.text) = (meta.as_object().cloned(), Some(text.to_owned()));
            assert_eq!(task.title(), title, "{meta}");
        }
    }

    #[test]
    fn time_is_that_of_finish_then_submit_then_archive() {
        let mut task = entry("t");
        assert_eq!(task.time(), None);
        task.archived_at = Some("2026-01-03T00:00:00Z".to_owned());
        assert_eq!(task.time(), "2026-01-03T00:00:00Z".parse().ok());
        task.submit_time = Some("2026-01-02T00:00:00Z".to_owned());
        task.finish_time = Some("soon".to_owned());
        assert_eq!(task.time(), "2026-01-02T00:00:00Z".parse().ok());
        task.finish_time = Some("2026-01-01T00:00:00Z".to_owned());
        assert_eq!(task.time(), "2026-01-01T00:00:00Z".parse().ok());
    }
}
