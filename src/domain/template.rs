//! Templates for the names of exported files, such as `{date} {title:60}/{kind}{n}.{ext}`.
//!
//! `{field}` is a fact about the task or the file, and `{field:N}` its first N characters. `{{` and `}}` are braces. A `/` of the
//! template makes a folder. A value never does, and a value is never read as a template. A part of the path of which nothing is
//! left is the task's id. The name always has the file's extension, whether the template has `{ext}` or not.
//!
//! A template that could lead out of the target folder is refused: it begins with `/`, or a folder of it is `.` or `..`.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

use super::file_name::{SafeName, clean, cut};
use super::manifest::{FileEntry, State, TaskEntry};
use crate::layout;

/// The template that is used without another one.
pub const DEFAULT_TEMPLATE: &str = "{date} {platform} {title:60} {kind}{n}.{ext}";
/// The most bytes of a template.
const MAX_BYTES: usize = 4096;

/// What stands for a fact in a template.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Field {
    Date,
    Time,
    Year,
    Month,
    Day,
    Platform,
    Model,
    Title,
    Prompt,
    Id,
    Kind,
    Number,
    Extension,
    State,
    Width,
    Height,
    /// A field of the task's `meta`.
    Meta(String),
}

/// The fields, but for those of `meta`: name, field, meaning.
const FIELDS: [(&str, Field, &str); 16] = [
    ("date", Field::Date, "local date when the task finished, such as 2026-10-01"),
    ("time", Field::Time, "local time of day when it finished, such as 14-30-05"),
    ("year", Field::Year, "year of that date"),
    ("month", Field::Month, "month of that date, 01 to 12"),
    ("day", Field::Day, "day of that date, 01 to 31"),
    ("platform", Field::Platform, "platform that made it, such as kling"),
    ("model", Field::Model, "model that made it"),
    ("title", Field::Title, "title of the task's notes, else prompt, else first line of the text, else id"),
    ("prompt", Field::Prompt, "prompt of the task's notes"),
    ("id", Field::Id, "task id"),
    ("kind", Field::Kind, "kind of the file, such as video"),
    ("n", Field::Number, "number of the file within its kind"),
    ("ext", Field::Extension, "extension of the file, such as mp4"),
    ("state", Field::State, "state of the task, such as complete"),
    ("width", Field::Width, "width in pixels"),
    ("height", Field::Height, "height in pixels"),
];
/// What a field of `meta` begins with.
const META: &str = "meta.";

/// The fields of templates, each with its meaning.
pub fn template_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.iter().map(|(name, _, meaning)| (*name, *meaning)).chain([("meta.KEY", "field KEY of the task's notes (meta)")])
}

/// A template for the names of exported files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    text: String,
    /// The folders and the file.
    parts: Vec<Vec<Piece>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Field(Field, Option<usize>),
}

/// Why a text is no template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Nothing in it.
    #[error("the template is empty")]
    Empty,
    /// Longer than a name can be.
    #[error("the template is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A brace without the other one.
    #[error("`{0}` has no counterpart; write `{0}{0}` for the character itself")]
    Brace(char),
    /// A field that does not exist.
    #[error("there is no field `{0}`")]
    UnknownField(String),
    /// The N of `{field:N}` is no number from 1 on.
    #[error("`{0}` is no number of characters; write {{field:N}} with N from 1")]
    Length(String),
    /// The template could lead out of the target folder.
    #[error("the template must stay in the target folder: it can't begin with `/`, and no part can be `.` or `..`")]
    Climbs,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        match text.len() {
            0 => return Err(TemplateError::Empty),
            1..=MAX_BYTES => {}
            _ => return Err(TemplateError::TooLong),
        }
        let mut parts = vec![Vec::new()];
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let part = parts.last_mut().expect("there is a part from the start");
            let after = &rest[c.len_utf8()..];
            rest = match c {
                '{' | '}' if after.starts_with(c) => {
                    push_char(part, c);
                    &after[1..]
                }
                '{' => {
                    let (field, after) = after.split_once('}').ok_or(TemplateError::Brace('{'))?;
                    part.push(parse_field(field)?);
                    after
                }
                '}' => return Err(TemplateError::Brace('}')),
                '/' => {
                    parts.push(Vec::new());
                    after
                }
                c => {
                    push_char(part, c);
                    after
                }
            };
        }
        let is_dots = |part: &[Piece]| matches!(part, [Piece::Text(text)] if matches!(text.as_str(), "." | ".."));
        if text.starts_with('/') || parts.iter().any(|part| is_dots(part)) {
            return Err(TemplateError::Climbs);
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl Default for Template {
    fn default() -> Self {
        DEFAULT_TEMPLATE.parse().expect("the default template is valid")
    }
}

fn push_char(part: &mut Vec<Piece>, c: char) {
    if let Some(Piece::Text(text)) = part.last_mut() {
        text.push(c);
    } else {
        part.push(Piece::Text(c.to_string()));
    }
}

/// Parses what stands between braces.
fn parse_field(text: &str) -> Result<Piece, TemplateError> {
    let is_number = |length: &str| !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let (name, length) = match text.rsplit_once(':') {
        // A key of `meta` may have a colon.
        Some((_, length)) if text.starts_with(META) && !is_number(length) => (text, None),
        Some((name, length)) => (name, Some(length)),
        None => (text, None),
    };
    let known = FIELDS.iter().find(|(known, ..)| *known == name).map(|(_, field, _)| field.clone());
    let meta = || name.strip_prefix(META).filter(|key| !key.is_empty()).map(|key| Field::Meta(key.to_owned()));
    let field = known.or_else(meta).ok_or_else(|| TemplateError::UnknownField(name.to_owned()))?;
    let invalid = |length: &str| TemplateError::Length(length.to_owned());
    let parse = |length: &str| length.parse().ok().filter(|n| *n > 0 && is_number(length)).ok_or_else(|| invalid(length));
    Ok(Piece::Field(field, length.map(parse).transpose()?))
}

/// Where an exported file goes, below the target folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NamedPath {
    pub folders: Vec<SafeName>,
    pub file: SafeName,
}

impl Template {
    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path for a file of a task, with times in the zone `local`.
    #[must_use]
    pub(crate) fn path(&self, task: &TaskEntry, file: &FileEntry, local: &TimeZone) -> NamedPath {
        let facts = Facts { task, file, time: task.time().map(|time| time.to_zoned_datetime(local.clone())) };
        let (last, folders) = self.parts.split_last().expect("there is a part from the start");
        let folders = folders.iter().map(|part| named_or_id(task, SafeName::folder, &facts.expand(part)));
        let in_file = |name: &str| SafeName::file(name, facts.extension());
        NamedPath { folders: folders.collect(), file: named_or_id(task, in_file, &facts.expand(last)) }
    }
}

/// The name that `make` makes of `text`, else of the task's id, else of its folder in the archive, which is always a name.
fn named_or_id(task: &TaskEntry, make: impl Fn(&str) -> Option<SafeName>, text: &str) -> SafeName {
    let names = [Cow::Borrowed(text), Cow::Borrowed(task.task_id.as_str()), layout::folder_name(&task.task_id).into()];
    names.iter().find_map(|name| make(name)).expect("a folder name of the archive is a safe name")
}

/// The values of the fields.
struct Facts<'a> {
    task: &'a TaskEntry,
    file: &'a FileEntry,
    time: Option<ZonedDateTime>,
}

impl Facts<'_> {
    fn expand(&self, part: &[Piece]) -> String {
        let expand = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(field, length) => {
                let value = clean(&self.value(field));
                length.map_or_else(|| value.clone(), |length| cut(&value, length).to_owned())
            }
        };
        part.iter().map(expand).collect()
    }

    /// The value of a field; empty where it is unknown.
    fn value(&self, field: &Field) -> Cow<'_, str> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let pixels = |pixels: Option<u32>| pixels.map(|pixels| pixels.to_string()).unwrap_or_default();
        let time = |format: &str| self.time.as_ref().map(|time| time.strftime(format).to_string()).unwrap_or_default();
        match field {
            Field::Date => time("%Y-%m-%d").into(),
            Field::Time => time("%H-%M-%S").into(),
            Field::Year => time("%Y").into(),
            Field::Month => time("%m").into(),
            Field::Day => time("%d").into(),
            Field::Platform => text(&self.task.platform).into(),
            Field::Model => text(&self.task.model).into(),
            Field::Title => self.task.title(),
            Field::Prompt => self.task.prompt().unwrap_or_default(),
            Field::Id => self.task.task_id.as_str().into(),
            Field::Kind => self.file.key().kind.as_str().into(),
            Field::Number => self.number(),
            Field::Extension => self.extension().into(),
            Field::State => state_name(self.task.state).into(),
            Field::Width => pixels(self.file.width).into(),
            Field::Height => pixels(self.file.height).into(),
            Field::Meta(key) => self.task.meta_text(key).unwrap_or_default(),
        }
    }

    /// The number as the file in the archive has it, with its zeros, so that names sort in order.
    fn number(&self) -> Cow<'_, str> {
        let key = self.file.key();
        let digits = self.name().strip_prefix(key.kind.as_str()).and_then(|name| name.strip_prefix('-')?.split('.').next());
        digits.filter(|digits| digits.parse() == Ok(key.index)).map_or_else(|| key.index.to_string().into(), Into::into)
    }

    fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("bin", |(_, extension)| extension)
    }

    fn name(&self) -> &str {
        self.file.path().rsplit('/').next().unwrap_or_default()
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Complete => "complete",
        State::Partial => "partial",
        State::Incomplete => "incomplete",
        State::Failed => "failed",
    }
}

#[cfg(test)]
mod tests;
