//! FCPXML, the XML of Final Cut Pro, which Resolve reads too.
//!
//! Version 1.8 is old enough for all readers: Final Cut Pro 10.4 and later, Resolve, and the adapter of OpenTimelineIO, which
//! knows media by the `src` of an asset; 1.9 moved it.
//!
//! Rules that Final Cut Pro checks, or fails on:
//! - The order of elements and attributes of the DTD. It refuses the whole document otherwise.
//! - On the timeline, positions and durations are whole frames of the sequence. An asset is counted in frames of its own.
//! - A still has no duration and no frame rate, so its asset has no format. It is a `video` inside a `clip`, because an
//!   `asset-clip` of a still crashes Final Cut Pro, and a `video` alone the adapter.
//! - Audio is connected, with a negative lane, to the clip or gap above its first frame.
//!
//! A video with sound is one asset. Clips of another rate than the sequence are not conformed: they keep their speed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use super::timeline::{Clip, Span, TICKS, Timeline, Tracks};
use super::xml::{Tag, XmlWriter, tag};
use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;

/// The name of the event and the project.
const NAME: &str = "yescale-dl";
/// The frame rates that `conform-rate` has names for.
const NAMED_RATES: [(u32, u32, &str); 10] = [
    (24_000, 1001, "23.98"),
    (24, 1, "24"),
    (25, 1, "25"),
    (30_000, 1001, "29.97"),
    (30, 1, "30"),
    (48_000, 1001, "47.95"),
    (48, 1, "48"),
    (50, 1, "50"),
    (60_000, 1001, "59.94"),
    (60, 1, "60"),
];

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, rate: FrameRate, to: &mut dyn Write) -> io::Result<()> {
    let timeline = Timeline::new(items, rate);
    let rate = timeline.rate;
    let tracks = timeline.lay_out(|clip| clip.frames_at(rate));
    let mut writer = FcpxmlWriter {
        xml: XmlWriter::new(to, tag("fcpxml").with("version", "1.8"))?,
        rate,
        formats: Formats::new(&timeline, &tracks),
    };
    writer.write_resources(&tracks, base)?;
    writer.write_sequence(&tracks)?;
    writer.xml.finish()
}

/// The `format` elements: one for each frame rate and size. The first one is that of the sequence.
struct Formats {
    ids: HashMap<(FrameRate, (u32, u32)), usize>,
    in_order: Vec<(FrameRate, (u32, u32))>,
    sequence_size: (u32, u32),
}

impl Formats {
    fn new(timeline: &Timeline<'_>, tracks: &Tracks<'_, '_>) -> Self {
        let mut formats = Self { ids: HashMap::new(), in_order: Vec::new(), sequence_size: timeline.size };
        let videos = tracks.main.iter().filter_map(|span| span.clip).filter(|clip| clip.kind() == Kind::Video);
        let keys: Vec<_> = videos.map(|clip| formats.key(clip)).collect();
        for key in std::iter::once((timeline.rate, timeline.size)).chain(keys) {
            formats.ids.entry(key).or_insert_with(|| {
                formats.in_order.push(key);
                formats.in_order.len()
            });
        }
        formats
    }

    /// A video of unknown size is taken for one of the sequence's.
    fn key(&self, clip: &Clip<'_>) -> (FrameRate, (u32, u32)) {
        (clip.rate, clip.item.facts.size.unwrap_or(self.sequence_size))
    }

    fn id(&self, clip: &Clip<'_>) -> Option<String> {
        self.ids.get(&self.key(clip)).filter(|_| clip.kind() == Kind::Video).map(|id| format!("r{id}"))
    }
}

struct FcpxmlWriter<'w> {
    xml: XmlWriter<'w>,
    /// The rate of the sequence.
    rate: FrameRate,
    formats: Formats,
}

impl FcpxmlWriter<'_> {
    fn write_resources(&mut self, tracks: &Tracks<'_, '_>, base: &PathBase) -> io::Result<()> {
        self.xml.open(tag("resources"))?;
        for (index, (rate, (width, height))) in self.formats.in_order.iter().enumerate() {
            let duration = format!("{}/{}s", rate.denominator(), rate.numerator());
            let format = tag("format").with("id", format_args!("r{}", index + 1)).with("frameDuration", duration);
            self.xml.empty(format.with("width", width).with("height", height))?;
        }
        let clips = tracks.main.iter().chain(&tracks.audio).filter_map(|span| Some((span, span.clip?)));
        for (span, clip) in clips {
            self.write_asset(span, clip, base)?;
        }
        self.xml.close()
    }

    fn write_asset(&mut self, span: &Span<'_, '_>, clip: &Clip<'_>, base: &PathBase) -> io::Result<()> {
        let (kind, facts) = (clip.kind(), clip.item.facts);
        let has_audio = facts.has_audio && kind != Kind::Image;
        let asset = tag("asset")
            .with("id", asset_id(clip))
            .with("name", &clip.name)
            .with("src", base.file_url(clip.item.file))
            .with("start", "0s")
            .with("duration", self.asset_duration(span, clip))
            .with_some("hasVideo", (kind != Kind::Audio).then_some(1))
            .with_some("format", self.formats.id(clip))
            .with_some("hasAudio", has_audio.then_some(1))
            .with_some("audioSources", has_audio.then_some(1))
            .with_some("audioChannels", facts.channels.filter(|_| has_audio))
            .with_some("audioRate", facts.sample_rate.filter(|_| has_audio));
        self.xml.open(asset)?;
        self.xml.open(tag("metadata"))?;
        for (key, value) in clip.descriptions() {
            let field = tag("md").with("key", format_args!("{NAME}.{key}")).with("value", value).with("type", "string");
            self.xml.empty(field.with("displayName", key).with("source", NAME))?;
        }
        self.xml.close()?;
        self.xml.close()
    }

    /// Never less than what the timeline shows of it.
    fn asset_duration(&self, span: &Span<'_, '_>, clip: &Clip<'_>) -> String {
        let shown = span.length * TICKS * i128::from(self.rate.denominator()) / i128::from(self.rate.numerator());
        match clip.kind() {
            Kind::Image => "0s".to_owned(),
            Kind::Video => frames_time(clip.whole_own_frames(), clip.rate),
            _ if clip.ticks() < shown => frames_time(span.length, self.rate),
            _ => time(clip.ticks() / (TICKS / 1000), 1000),
        }
    }

    fn write_sequence(&mut self, tracks: &Tracks<'_, '_>) -> io::Result<()> {
        self.xml.open(tag("library"))?;
        self.xml.open(tag("event").with("name", NAME))?;
        self.xml.open(tag("project").with("name", NAME))?;
        let sequence = tag("sequence").with("format", "r1").with("duration", frames_time(tracks.end, self.rate));
        let sequence = sequence.with("tcStart", "0s").with("tcFormat", "NDF");
        self.xml.open(sequence.with("audioLayout", "stereo").with("audioRate", "48k"))?;
        self.xml.open(tag("spine"))?;
        let mut audio = tracks.audio.iter().peekable();
        for span in &tracks.main {
            self.open_main_item(span)?;
            while let Some(connected) = audio.next_if(|audio| audio.start < span.start + span.length) {
                if let Some(clip) = connected.clip {
                    let offset = connected.start - span.start;
                    self.open_clip(tag("asset-clip").with("lane", -1), clip, offset, connected.length)?;
                    self.xml.close()?;
                }
            }
            self.xml.close()?;
        }
        Ok(())
    }

    /// Begins a clip or gap of the main track, in which connected clips follow.
    fn open_main_item(&mut self, span: &Span<'_, '_>) -> io::Result<()> {
        let Some(clip) = span.clip else {
            let gap = tag("gap").with("name", "Gap").with("offset", frames_time(span.start, self.rate));
            return self.xml.open(gap.with("start", "0s").with("duration", frames_time(span.length, self.rate)));
        };
        if clip.kind() != Kind::Image {
            return self.open_clip(tag("asset-clip"), clip, span.start, span.length);
        }
        self.open_item(tag("clip"), clip, span.start, span.length)?;
        let still = tag("video").with("ref", asset_id(clip)).with("offset", "0s").with("start", "0s");
        self.xml.empty(still.with("duration", frames_time(span.length, self.rate)))
    }

    fn open_clip(&mut self, start: Tag, clip: &Clip<'_>, offset: i128, length: i128) -> io::Result<()> {
        let format = self.formats.id(clip);
        let is_other_rate = clip.kind() == Kind::Video && clip.rate != self.rate;
        self.open_item(start.with("ref", asset_id(clip)).with_some("format", format), clip, offset, length)?;
        if is_other_rate {
            let rate = (clip.rate.numerator(), clip.rate.denominator());
            let name = NAMED_RATES.iter().find(|(numerator, denominator, _)| (*numerator, *denominator) == rate);
            let conform = tag("conform-rate").with("scaleEnabled", 0);
            self.xml.empty(conform.with_some("srcFrameRate", name.map(|(_, _, name)| name)))?;
        }
        Ok(())
    }

    /// Begins an element of the timeline, with the prompt, else the text, as the note that editors show beside it.
    fn open_item(&mut self, start: Tag, clip: &Clip<'_>, offset: i128, length: i128) -> io::Result<()> {
        let item = start.with("name", &clip.name).with("offset", frames_time(offset, self.rate)).with("start", "0s");
        self.xml.open(item.with("duration", frames_time(length, self.rate)))?;
        let task = clip.item.task;
        match task.prompt().or(task.text.as_deref().map(Cow::Borrowed)) {
            Some(note) => self.xml.text("note", note),
            None => Ok(()),
        }
    }
}

fn asset_id(clip: &Clip<'_>) -> String {
    format!("a{}", clip.number)
}

/// The time that frames take.
fn frames_time(frames: i128, rate: FrameRate) -> String {
    time(frames * i128::from(rate.denominator()), i128::from(rate.numerator()))
}

/// A rational number of seconds.
fn time(dividend: i128, divisor: i128) -> String {
    if dividend % divisor == 0 { format!("{}s", dividend / divisor) } else { format!("{dividend}/{divisor}s") }
}

#[cfg(test)]
mod tests;
