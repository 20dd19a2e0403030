//! The timeline that every editor gets: what plays when, and the rate and size of the sequence.
//!
//! Videos and stills follow each other on the main track, audio files on a track below. The files of one task begin together,
//! so that a song plays with its own video; the next task begins when both tracks have ended. Until then a gap keeps them in
//! step. A task with audio alone is a gap on the main track.
//!
//! Time is exact: durations are whole frames of a file's own rate, else milliseconds, and positions are sums of [`TICKS`].
//! A format that counts in frames of the sequence has lengths in such frames, and its positions are sums of these.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

use unicode_segmentation::UnicodeSegmentation as _;

use super::ExportItem;
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;
use crate::domain::manifest::TaskEntry;
use crate::redact::escape_control_chars;

/// Ticks per second. Milliseconds and frames of all usual rates are whole numbers of them, also at 30000/1001.
pub(super) const TICKS: i128 = 705_600_000;
/// Half of the millisecond that durations are rounded to.
const ROUNDING: i128 = TICKS / 2000;
/// How long an image is shown.
const STILL_MILLISECONDS: i64 = 5000;
/// The size of a sequence without a video of known size.
const USUAL_SIZE: (u32, u32) = (1920, 1080);
/// How many characters of a prompt the name of a clip holds.
const NAME_CHARS: usize = 100;

/// What plays when.
pub(super) struct Timeline<'a> {
    /// The most common frame rate of the videos, on ties the highest.
    pub rate: FrameRate,
    /// The most common width and height of the videos, on ties the largest.
    pub size: (u32, u32),
    scenes: Vec<Scene<'a>>,
}

/// The files of one task.
struct Scene<'a> {
    main: Vec<Clip<'a>>,
    audio: Vec<Clip<'a>>,
}

/// A file on the timeline, from its first frame to its last.
pub(super) struct Clip<'a> {
    pub item: ExportItem<'a>,
    /// Its place among all clips, from 1.
    pub number: usize,
    /// The prompt on one line, else the id of the task.
    pub name: String,
    /// The frame rate of the file, else the one that stands in for it.
    pub rate: FrameRate,
    length: Length,
}

/// How long a clip plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    /// In frames of its own rate.
    Frames(i64),
    Milliseconds(i64),
}

/// Both tracks, in any unit of time.
pub(super) struct Tracks<'t, 'a> {
    pub main: Vec<Span<'t, 'a>>,
    pub audio: Vec<Span<'t, 'a>>,
    /// The end of the timeline.
    pub end: i128,
}

/// A clip, or a gap, on a track.
pub(super) struct Span<'t, 'a> {
    pub start: i128,
    pub length: i128,
    /// None for a gap.
    pub clip: Option<&'t Clip<'a>>,
}

impl<'a> Timeline<'a> {
    /// The timeline of `items`, which are grouped by task. `rate` is for files without a rate of their own.
    #[must_use]
    pub(super) fn new(items: &[ExportItem<'a>], rate: FrameRate) -> Self {
        let videos = || items.iter().filter(|item| item.file.key().kind == Kind::Video);
        let by_area = |(width, height): (u32, u32)| (u64::from(width) * u64::from(height), width, height);
        let mut clips = items.iter().zip(1..).map(|(item, number)| Clip::new(*item, number, rate));
        let tasks = items.chunk_by(|a, b| a.task.task_id == b.task.task_id);
        let scenes = tasks.map(|files| Scene::new(clips.by_ref().take(files.len()))).collect();
        Self {
            rate: most_common(videos().filter_map(|item| item.facts.frame_rate)).unwrap_or(rate),
            size: most_common(videos().filter_map(|item| item.facts.size).map(by_area))
                .map_or(USUAL_SIZE, |(_, width, height)| (width, height)),
            scenes,
        }
    }

    /// Puts all clips on their tracks. `length` measures a clip.
    #[must_use]
    pub(super) fn lay_out(&self, length: impl Fn(&Clip<'a>) -> i128) -> Tracks<'_, 'a> {
        let mut tracks = Tracks { main: Vec::new(), audio: Vec::new(), end: 0 };
        let mut audio_end = 0;
        for scene in &self.scenes {
            let start = tracks.end;
            if !scene.audio.is_empty() {
                push_gap(&mut tracks.audio, audio_end, start);
                audio_end = push_clips(&mut tracks.audio, start, &scene.audio, &length);
            }
            let main_end = push_clips(&mut tracks.main, start, &scene.main, &length);
            tracks.end = main_end.max(audio_end);
            push_gap(&mut tracks.main, main_end, tracks.end);
        }
        tracks
    }
}

fn push_clips<'t, 'a>(
    track: &mut Vec<Span<'t, 'a>>,
    start: i128,
    clips: &'t [Clip<'a>],
    length: impl Fn(&Clip<'a>) -> i128,
) -> i128 {
    clips.iter().fold(start, |start, clip| {
        let length = length(clip);
        track.push(Span { start, length, clip: Some(clip) });
        start + length
    })
}

fn push_gap(track: &mut Vec<Span<'_, '_>>, start: i128, end: i128) {
    if start < end {
        track.push(Span { start, length: end - start, clip: None });
    }
}

impl<'a> Scene<'a> {
    fn new(clips: impl Iterator<Item = Clip<'a>>) -> Self {
        let (audio, main) = clips.partition(|clip| clip.kind() == Kind::Audio);
        Self { main, audio }
    }
}

impl<'a> Clip<'a> {
    fn new(item: ExportItem<'a>, number: usize, usual_rate: FrameRate) -> Self {
        let is_still = item.file.key().kind == Kind::Image;
        let milliseconds = match item.playing_seconds().filter(|_| !is_still) {
            Some(seconds) => milliseconds(seconds),
            None => STILL_MILLISECONDS,
        };
        let own_rate = item.facts.frame_rate.filter(|_| item.file.key().kind == Kind::Video);
        let frames = own_rate.and_then(|rate| whole_frames(milliseconds, rate));
        let length = frames.map_or(Length::Milliseconds(milliseconds), Length::Frames);
        Self { item, number, name: name(item.task), rate: own_rate.unwrap_or(usual_rate), length }
    }

    /// What the editor can show beside the clip, as it is in the manifest: names and values.
    #[must_use]
    pub(super) fn descriptions(&self) -> Vec<(String, Cow<'a, str>)> {
        let (task, file) = (self.item.task, self.item.file);
        let key = file.key();
        let ids = [
            ("task_id", Some(Cow::Borrowed(task.task_id.as_str()))),
            ("kind", Some(Cow::Borrowed(key.kind.as_str()))),
            ("index", Some(Cow::Owned(key.index.to_string()))),
            ("sha256", Some(Cow::Owned(file.sha256().to_string()))),
            ("platform", task.platform.as_deref().map(Cow::Borrowed)),
            ("model", task.model.as_deref().map(Cow::Borrowed)),
            ("text", task.text.as_deref().map(Cow::Borrowed)),
        ];
        let ids = ids.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let keys = task.meta.iter().flat_map(|meta| meta.keys());
        ids.chain(keys.filter_map(|key| Some((format!("meta.{key}"), task.meta_text(key)?)))).collect()
    }

    pub(super) fn kind(&self) -> Kind {
        self.item.file.key().kind
    }

    /// How long it plays.
    #[must_use]
    pub(super) fn ticks(&self) -> i128 {
        match self.length {
            Length::Frames(frames) => divide_rounding(i128::from(frames) * TICKS * seconds(self.rate), frames_per(self.rate)),
            Length::Milliseconds(milliseconds) => i128::from(milliseconds) * (TICKS / 1000),
        }
    }

    /// The frames of its own rate, with a fraction where the duration has one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a duration is below 2^31 milliseconds, a rate at most 1000")]
    pub(super) fn own_frames(&self) -> f64 {
        match self.length {
            Length::Frames(frames) => frames as f64,
            Length::Milliseconds(milliseconds) => {
                let frames = i128::from(milliseconds) * frames_per(self.rate);
                frames as f64 / (1000 * seconds(self.rate)) as f64
            }
        }
    }

    /// The frames of its own rate that show all of it: the last one may be cut.
    #[must_use]
    pub(super) fn whole_own_frames(&self) -> i128 {
        match self.length {
            Length::Frames(frames) => i128::from(frames),
            Length::Milliseconds(_) => -divide_down(-self.ticks() * frames_per(self.rate), TICKS * seconds(self.rate)),
        }
    }

    /// The frames of a sequence of this rate for which it can play: never more than it has, except for the rounding of its
    /// duration, and at least one. A still has no end, so its time is rounded.
    #[must_use]
    pub(super) fn frames_at(&self, rate: FrameRate) -> i128 {
        let (frames, unit) = (frames_per(rate), TICKS * seconds(rate));
        match self.kind() {
            Kind::Image => divide_rounding(self.ticks() * frames, unit),
            _ => divide_down((self.ticks() + ROUNDING) * frames, unit),
        }
        .max(1)
    }
}

fn frames_per(rate: FrameRate) -> i128 {
    i128::from(rate.numerator())
}

fn seconds(rate: FrameRate) -> i128 {
    i128::from(rate.denominator())
}

/// The quotient, rounded to the nearest whole number.
pub(super) fn divide_rounding(dividend: i128, divisor: i128) -> i128 {
    divide_down(2 * dividend + divisor, 2 * divisor)
}

fn divide_down(dividend: i128, divisor: i128) -> i128 {
    dividend.div_euclid(divisor)
}

/// A plausible duration in milliseconds, at least one.
#[expect(clippy::cast_possible_truncation, reason = "a plausible duration is below 2^31 milliseconds")]
fn milliseconds(seconds: f64) -> i64 {
    ((seconds * 1000.0).round() as i64).max(1)
}

/// The whole number of frames within one millisecond of a duration, which is known to the millisecond.
fn whole_frames(milliseconds: i64, rate: FrameRate) -> Option<i64> {
    let frames = i128::from(milliseconds) * frames_per(rate);
    let unit = 1000 * seconds(rate);
    let whole = divide_rounding(frames, unit).max(1);
    let is_near = (frames - whole * unit).abs() <= frames_per(rate);
    i64::try_from(whole).ok().filter(|_| is_near)
}

/// The value that occurs most often, on ties the largest.
fn most_common<T: Copy + Ord + Hash>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_insert(0_usize) += 1);
    counts.into_iter().max_by_key(|(value, count)| (*count, *value)).map(|(value, _)| value)
}

/// The prompt on one line, cut at a blank if it is long; else the id.
fn name(task: &TaskEntry) -> String {
    let prompt = task.prompt().unwrap_or_default();
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    let words: Vec<&str> = prompt.split(is_blank).filter(|word| !word.is_empty()).collect();
    match words.is_empty() {
        true => escape_control_chars(&task.task_id).into_owned(),
        false => shorten(&words.join(" ")),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().nth(NAME_CHARS).is_none() {
        return text.to_owned();
    }
    let mut chars = 0;
    let fits = |character: &&str| {
        chars += character.chars().count();
        chars < NAME_CHARS
    };
    let cut: String = text.graphemes(true).take_while(fits).collect();
    let end = cut.rfind(' ').filter(|end| *end > cut.len() / 2);
    format!("{}…", &cut[..end.unwrap_or(cut.len())])
}

#[cfg(test)]
pub(super) mod tests;
