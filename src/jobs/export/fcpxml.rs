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
mod tests {
    use crate::domain::manifest::TaskEntry;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written_tasks};
    use crate::jobs::export::path_base::tests::at;
    use crate::jobs::export::timeline::tests::video;
    use serde_json::{Value, json};

    fn text(tasks: &[TaskEntry]) -> String {
        written_tasks(TextFormat::Fcpxml, tasks, &at("/a b/"))
    }

    /// The lines with this element, without the indent.
    fn lines<'x>(text: &'x str, element: &str) -> Vec<&'x str> {
        let start = format!("<{element} ");
        text.lines().map(str::trim_start).filter(|line| line.starts_with(&start)).collect()
    }

    #[test]
    fn timeline_is_written_as_final_cut_pro_expects_it() {
        let mut facts = video(5.005, "30000/1001", (320, 180));
        facts["audio_codec"] = json!("aac");
        facts["channels"] = json!(2);
        facts["sample_rate"] = json!(44_100);
        let mut first = task("t1", &[("video", "t1/video-1.mp4", facts), ("image", "t1/image-1.png", json!({}))]);
        first.meta = json!({"prompt": "a <cat> & \"dog's\"\nmoon", "seed": 7}).as_object().cloned();
        let mut second = task("t2", &[("audio", "t2/audio-1.mp3", json!({"measured_duration_seconds": 1.3}))]);
        second.text = Some("[Verse]\nla".to_owned());
        assert_eq!(text(&[first, second]), include_str!("../../../tests/timelines/cut.fcpxml"));
    }

    #[test]
    fn clips_keep_their_rates_and_the_sequence_counts_in_its_own() {
        let files = [
            ("video", "v", video(2.0, "25", (320, 180))),
            ("video", "v", video(2.0, "25", (320, 180))),
            ("video", "v", video(1.001, "60000/1001", (180, 320))),
            ("video", "v", video(1.4, "16", (320, 180))),
            ("video", "v", json!({"duration_seconds": 1})),
        ];
        let text = text(&[task("t", &files)]);
        let format = |id: u8, duration: &str, width: u16, height: u16| {
            format!(r#"<format id="r{id}" frameDuration="{duration}" width="{width}" height="{height}"/>"#)
        };
        assert_eq!(
            lines(&text, "format"),
            [
                format(1, "1/25s", 320, 180),
                format(2, "1001/60000s", 180, 320),
                format(3, "1/16s", 320, 180),
                format(4, "1/24s", 320, 180)
            ]
        );
        let attributes = |line: &str| {
            let value =
                |key: &str| line.split_once(&format!(" {key}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap());
            format!("{} {} {}", value("format"), value("offset"), value("duration"))
        };
        let found = |element: &str| lines(&text, element).into_iter().map(attributes).collect::<Vec<_>>();
        assert_eq!(found("asset"), ["r1  2s", "r1  2s", "r2  60060/60000s", "r3  23/16s", "r4  1s"]);
        assert_eq!(found("asset-clip"), ["r1 0s 2s", "r1 2s 2s", "r2 4s 1s", "r3 5s 35/25s", "r4 160/25s 1s"]);
        assert_eq!(
            lines(&text, "conform-rate"),
            [
                r#"<conform-rate scaleEnabled="0" srcFrameRate="59.94"/>"#,
                r#"<conform-rate scaleEnabled="0"/>"#,
                r#"<conform-rate scaleEnabled="0" srcFrameRate="24"/>"#,
            ]
        );
    }

    #[test]
    fn audio_is_connected_to_what_plays_above_its_first_frame() {
        let seconds = |seconds: u8| json!({"duration_seconds": seconds});
        let files = [
            ("video", "v", seconds(2)),
            ("video", "v", seconds(2)),
            ("audio", "a", seconds(3)),
            ("audio", "a", seconds(3)),
            ("audio", "a", seconds(3)),
        ];
        let text = text(&[task("t", &files)]);
        let story: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| ["<asset-clip", "</asset-clip", "<gap", "</gap"].iter().any(|start| line.starts_with(start)))
            .map(|line| {
                let line = line.replace(" name=\"t\"", "").replace(" start=\"0s\"", "").replace(" name=\"Gap\"", "");
                line.trim_matches(['<', '>']).replace(" format=\"r1\"", "")
            })
            .collect();
        assert_eq!(
            story,
            [
                r#"asset-clip ref="a1" offset="0s" duration="2s""#,
                r#"asset-clip lane="-1" ref="a3" offset="0s" duration="3s""#,
                "/asset-clip",
                "/asset-clip",
                r#"asset-clip ref="a2" offset="2s" duration="2s""#,
                r#"asset-clip lane="-1" ref="a4" offset="1s" duration="3s""#,
                "/asset-clip",
                "/asset-clip",
                r#"gap offset="4s" duration="5s""#,
                r#"asset-clip lane="-1" ref="a5" offset="2s" duration="3s""#,
                "/asset-clip",
                "/gap",
            ]
        );
    }

    #[test]
    fn ten_thousand_clips_are_written_in_linear_time() {
        let files: Vec<(&str, &str, Value)> =
            (0..10_000).map(|index| (["video", "audio"][index % 2], "v", json!({"duration_seconds": 1}))).collect();
        let text = text(&[task("t", &files)]);
        assert_eq!(lines(&text, "asset-clip").len(), 10_000);
    }
}
