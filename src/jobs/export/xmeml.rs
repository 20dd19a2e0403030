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
mod tests;
