//! XMEML version 5, the XML of Final Cut Pro 7, which Premiere and Resolve read.
//!
//! One sequence. Its first video track has videos and stills, and gaps are where no clip is. The sound of the videos is on an
//! audio track of its own, linked to the pictures; the audio files are on the next one. A track of stereo sound is written as
//! two, one per channel, which name each other as Premiere writes them.
//!
//! `start` and `end` count in frames of the sequence, `in`, `out` and `duration` in frames of the clip. A file is described
//! where it is first used, and named by its id afterwards.

mod timebase;
mod tracks;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use super::timeline::{Clip, Timeline, divide_rounding};
use super::xml::{XmlWriter, tag};
use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;
use timebase::Timebase;
use tracks::{ClipItem, Link, Tracks};

/// The name of the sequence.
const NAME: &str = "yescale-dl";
/// The sample rate of the sequence.
const SAMPLE_RATE: u32 = 48_000;

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, rate: FrameRate, to: &mut dyn Write) -> io::Result<()> {
    let timeline = Timeline::new(items, rate);
    let timebase = Timebase::nearest(timeline.rate);
    let layout = timeline.lay_out(|clip| clip.frames_at(timebase.rate()));
    let tracks = Tracks::new(&layout);
    let xml = XmlWriter::new(to, tag("xmeml").with("version", 5))?;
    let mut writer = XmemlWriter { xml, timebase, base, tracks: &tracks };
    writer.write_sequence(timeline.size, layout.end)?;
    writer.xml.finish()
}

struct XmemlWriter<'w> {
    xml: XmlWriter<'w>,
    /// The rate of the sequence.
    timebase: Timebase,
    base: &'w PathBase,
    tracks: &'w Tracks<'w, 'w>,
}

impl XmemlWriter<'_> {
    fn write_sequence(&mut self, size: (u32, u32), end: i128) -> io::Result<()> {
        let tracks = self.tracks;
        self.xml.open(tag("sequence").with("id", "sequence-1"))?;
        self.xml.text("name", NAME)?;
        self.xml.text("duration", end)?;
        self.write_rate(self.timebase)?;
        self.xml.open(tag("timecode"))?;
        self.write_rate(self.timebase)?;
        self.xml.text("string", "00:00:00:00")?;
        self.xml.text("frame", 0)?;
        self.xml.text("displayformat", "NDF")?;
        self.xml.close()?;
        self.xml.open(tag("media"))?;
        self.xml.open(tag("video"))?;
        self.xml.open(tag("format"))?;
        self.write_picture(self.timebase, Some(size))?;
        self.xml.close()?;
        self.xml.open(tag("track"))?;
        for item in &tracks.video {
            self.write_clip(item)?;
        }
        self.xml.close()?;
        self.xml.close()?;
        self.write_audio()
    }

    fn write_audio(&mut self) -> io::Result<()> {
        let tracks = self.tracks;
        self.xml.open(tag("audio"))?;
        self.xml.text("numOutputChannels", 2)?;
        self.xml.open(tag("format"))?;
        self.write_sound(Some(SAMPLE_RATE))?;
        self.xml.close()?;
        for track in &tracks.audio {
            let start = tag("track").with("currentExplodedTrackIndex", track.channel - 1);
            let start = start.with("totalExplodedTrackCount", track.width);
            self.xml.open(start.with("premiereTrackType", if track.width > 1 { "Stereo" } else { "Mono" }))?;
            for item in &track.items {
                self.write_clip(item)?;
            }
            self.xml.text("outputchannelindex", track.channel)?;
            self.xml.close()?;
        }
        Ok(())
    }

    /// What a clip shows of its file takes as long as it takes in the sequence.
    fn write_clip(&mut self, item: &ClipItem<'_, '_>) -> io::Result<()> {
        let clip = item.clip;
        let own = self.own_timebase(clip);
        self.xml.open(tag("clipitem").with("id", item.id()))?;
        self.xml.text("name", &clip.name)?;
        self.xml.text("enabled", "TRUE")?;
        self.xml.text("duration", self.own_length(item))?;
        self.write_rate(own)?;
        self.xml.text("start", item.start)?;
        self.xml.text("end", item.start + item.length)?;
        self.xml.text("in", 0)?;
        self.xml.text("out", self.out_point(item))?;
        if clip.kind() == Kind::Image {
            self.xml.text("stillframe", "TRUE")?;
        }
        let is_first = item.is_first();
        match is_first {
            true => self.write_file(item)?,
            false => self.xml.empty(tag("file").with("id", file_id(clip)))?,
        }
        self.xml.open(tag("sourcetrack"))?;
        self.xml.text("mediatype", item.medium())?;
        self.xml.text("trackindex", item.channel.unwrap_or(1))?;
        self.xml.close()?;
        let links = self.tracks.links(clip);
        for link in links {
            self.write_link(link)?;
        }
        if is_first {
            self.write_descriptions(clip)?;
        }
        self.xml.close()
    }

    fn write_link(&mut self, link: &Link) -> io::Result<()> {
        self.xml.open(tag("link"))?;
        self.xml.text("linkclipref", &link.id)?;
        self.xml.text("mediatype", link.medium)?;
        self.xml.text("trackindex", link.track)?;
        self.xml.text("clipindex", link.index)?;
        self.xml.close()
    }

    fn write_file(&mut self, item: &ClipItem<'_, '_>) -> io::Result<()> {
        let (clip, own) = (item.clip, self.own_timebase(item.clip));
        let (file, facts) = (clip.item.file, clip.item.facts);
        self.xml.open(tag("file").with("id", file_id(clip)))?;
        self.xml.text("name", file.path().rsplit('/').next().unwrap_or_default())?;
        self.xml.text("pathurl", self.base.localhost_url(file))?;
        self.write_rate(own)?;
        self.xml.text("duration", self.own_length(item))?;
        self.xml.open(tag("media"))?;
        if clip.kind() != Kind::Audio {
            self.xml.open(tag("video"))?;
            self.write_picture(own, facts.size)?;
            self.xml.close()?;
        }
        if facts.has_audio && clip.kind() != Kind::Image {
            self.xml.open(tag("audio"))?;
            self.write_sound(facts.sample_rate)?;
            if let Some(channels) = facts.channels {
                self.xml.text("channelcount", channels)?;
            }
            self.xml.close()?;
        }
        self.xml.close()?;
        self.xml.close()
    }

    fn write_rate(&mut self, timebase: Timebase) -> io::Result<()> {
        self.xml.open(tag("rate"))?;
        self.xml.text("timebase", timebase.frames)?;
        self.xml.text("ntsc", if timebase.is_ntsc { "TRUE" } else { "FALSE" })?;
        self.xml.close()
    }

    fn write_picture(&mut self, timebase: Timebase, size: Option<(u32, u32)>) -> io::Result<()> {
        self.xml.open(tag("samplecharacteristics"))?;
        self.write_rate(timebase)?;
        if let Some((width, height)) = size {
            self.xml.text("width", width)?;
            self.xml.text("height", height)?;
        }
        self.xml.text("pixelaspectratio", "square")?;
        self.xml.text("fielddominance", "none")?;
        self.xml.close()
    }

    fn write_sound(&mut self, sample_rate: Option<u32>) -> io::Result<()> {
        self.xml.open(tag("samplecharacteristics"))?;
        self.xml.text("depth", 16)?;
        if let Some(rate) = sample_rate {
            self.xml.text("samplerate", rate)?;
        }
        self.xml.close()
    }

    /// The prompt and the text where editors show a description and a note, the rest as comments.
    fn write_descriptions(&mut self, clip: &Clip<'_>) -> io::Result<()> {
        let (task, file) = (clip.item.task, clip.item.file);
        let meta = task.meta.as_ref().and_then(|meta| serde_json::to_string(meta).ok());
        let notes = [("description", task.prompt()), ("lognote", task.text.as_deref().map(Cow::Borrowed))];
        let origin: Vec<&str> = [&task.platform, &task.model].into_iter().flatten().map(String::as_str).collect();
        let comments = [
            ("mastercomment1", Some(format!("{} {}", task.task_id, file.key()))),
            ("mastercomment2", Some(format!("sha256 {}", file.sha256()))),
            ("mastercomment3", meta),
            ("mastercomment4", (!origin.is_empty()).then(|| origin.join(" "))),
        ];
        self.write_texts("logginginfo", notes)?;
        self.write_texts("comments", comments)
    }

    fn write_texts<T: Display>(
        &mut self,
        name: &'static str,
        texts: impl IntoIterator<Item = (&'static str, Option<T>)>,
    ) -> io::Result<()> {
        let texts: Vec<_> = texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
        if texts.is_empty() {
            return Ok(());
        }
        self.xml.open(tag(name))?;
        for (name, text) in texts {
            self.xml.text(name, text)?;
        }
        self.xml.close()
    }

    /// The rate that a clip counts in: its own, and for stills and audio that of the sequence.
    fn own_timebase(&self, clip: &Clip<'_>) -> Timebase {
        if clip.kind() == Kind::Video { Timebase::nearest(clip.rate) } else { self.timebase }
    }

    /// The end of what the sequence shows, in frames of the clip.
    fn out_point(&self, item: &ClipItem<'_, '_>) -> i128 {
        let (own, sequence) = (self.own_timebase(item.clip).rate(), self.timebase.rate());
        let shown = item.length * i128::from(sequence.denominator()) * i128::from(own.numerator());
        divide_rounding(shown, i128::from(sequence.numerator()) * i128::from(own.denominator())).max(1)
    }

    /// The frames of the file, never less than what the sequence shows.
    fn own_length(&self, item: &ClipItem<'_, '_>) -> i128 {
        item.clip.frames_at(self.own_timebase(item.clip).rate()).max(self.out_point(item))
    }
}

fn file_id(clip: &Clip<'_>) -> String {
    format!("file-{}", clip.number)
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
        written_tasks(TextFormat::Xmeml, tasks, &at("/a b/"))
    }

    /// The texts of all elements of this name.
    fn texts<'x>(text: &'x str, name: &str) -> Vec<&'x str> {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        text.split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap()).collect()
    }

    /// The attribute values of the elements of this name.
    fn ids<'x>(text: &'x str, element: &str) -> Vec<&'x str> {
        text.split(&format!("<{element} id=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    fn with_sound(mut facts: Value, channels: u8) -> Value {
        facts["audio_codec"] = json!("aac");
        facts["channels"] = json!(channels);
        facts
    }

    #[test]
    fn timeline_is_written_as_premiere_expects_it() {
        let mut task = task("t1", &[("video", "t1/video-1.mp4", video(5.005, "30000/1001", (320, 180)))]);
        task.meta = json!({"prompt": "a <cat> & \"dog's\"\nmoon", "seed": 7}).as_object().cloned();
        task.text = Some("[Verse]\nla".to_owned());
        task.model = Some("kling-v2".to_owned());
        assert_eq!(text(&[task]), include_str!("../../../tests/timelines/cut.xml"));
    }

    #[test]
    fn clips_count_in_their_own_rate_and_stand_in_frames_of_the_sequence() {
        let files = [
            ("video", "v", video(2.0, "25", (320, 180))),
            ("video", "v", video(2.0, "25", (320, 180))),
            ("video", "v", video(1.001, "60000/1001", (180, 320))),
            ("video", "v", video(1.4, "12.5", (320, 180))),
            ("image", "i", json!({})),
        ];
        let text = text(&[task("t", &files)]);
        let video = text.split("<track>").nth(1).unwrap();
        let items: Vec<String> = video
            .split("<clipitem ")
            .skip(1)
            .map(|item| {
                let first = |name: &str| texts(item, name)[0];
                let names = ["timebase", "ntsc", "start", "end", "in", "out", "duration"];
                format!("{} {}", names.map(first).join(" "), item.contains("<stillframe>TRUE</stillframe>"))
            })
            .collect();
        assert_eq!(
            items,
            [
                "25 FALSE 0 50 0 50 50 false",
                "25 FALSE 50 100 0 50 50 false",
                "60 TRUE 100 125 0 60 60 false",
                "13 FALSE 125 160 0 18 18 false",
                "25 FALSE 160 285 0 125 125 true",
            ]
        );
        assert_eq!(texts(&text, "duration")[0], "285");
    }

    #[test]
    fn sound_of_videos_is_linked_and_each_file_described_once() {
        let short = || video(1.0, "24", (64, 64));
        let files = [
            ("video", "v", with_sound(short(), 1)),
            ("video", "v", short()),
            ("video", "v", with_sound(short(), 2)),
            ("audio", "a", json!({"duration_seconds": 1, "channels": 6})),
            ("audio", "a", json!({"duration_seconds": 1})),
        ];
        let text = text(&[task("t", &files)]);
        let without_indexes = text.replace("<trackindex>", "");
        let tracks: Vec<Vec<&str>> = without_indexes.split("<track").skip(1).map(|track| ids(track, "clipitem")).collect();
        assert_eq!(
            tracks,
            [
                vec!["clipitem-1", "clipitem-2", "clipitem-3"],
                vec!["clipitem-1-audio-1", "clipitem-3-audio-1"],
                vec!["clipitem-3-audio-2"],
                vec!["clipitem-4-audio-1", "clipitem-5-audio-1"],
                vec!["clipitem-4-audio-2"],
            ]
        );
        let links: Vec<String> = texts(&text, "link")
            .into_iter()
            .map(|link| ["linkclipref", "mediatype", "trackindex", "clipindex"].map(|name| texts(link, name)[0]).join(" "))
            .collect();
        let of_first = ["clipitem-1 video 1 1", "clipitem-1-audio-1 audio 1 1"];
        let of_third = ["clipitem-3 video 1 3", "clipitem-3-audio-1 audio 1 2", "clipitem-3-audio-2 audio 2 1"];
        let of_fourth = ["clipitem-4-audio-1 audio 3 1", "clipitem-4-audio-2 audio 4 1"];
        let expected = [&of_first[..], &of_third, &of_first, &of_third, &of_third, &of_fourth, &of_fourth].concat();
        assert_eq!(links, expected);
        assert_eq!(texts(&text, "pathurl").len(), 5);
        let used = ["1", "2", "3", "1", "3", "3", "4", "5", "4"].map(|number| format!("file-{number}"));
        assert_eq!(ids(&text, "file"), used);
    }

    #[test]
    fn audio_alone_leaves_the_video_track_empty() {
        let audio = || json!({"duration_seconds": 2});
        let text = text(&[task("t", &[("audio", "a", audio())]), task("u", &[("audio", "a", audio())])]);
        assert!(text.contains("<track>\n        </track>"), "{text}");
        assert_eq!((texts(&text, "start"), texts(&text, "end")), (vec!["0", "48"], vec!["48", "96"]));
        assert_eq!((texts(&text, "width"), texts(&text, "timebase")[0]), (vec!["1920"], "24"));
    }

    #[test]
    fn ten_thousand_clips_are_written_in_linear_time() {
        let files: Vec<(&str, &str, Value)> =
            (0..10_000).map(|index| (["video", "audio"][index % 2], "v", json!({"duration_seconds": 1}))).collect();
        assert_eq!(ids(&text(&[task("t", &files)]), "clipitem").len(), 10_000);
    }
}
