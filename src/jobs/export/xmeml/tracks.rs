//! The clips of each track of an XMEML sequence, and which of them belong to one file.
//!
//! Invariant: the links of a clip name all its clip items, the pictures first, by the numbers that they have in the document:
//! tracks are counted per medium, clips per track, both from 1.

use std::collections::HashMap;

use crate::domain::asset_key::Kind;
use crate::jobs::export::timeline::{self, Clip, Span};

/// All tracks that are not empty, and the video track.
pub(super) struct Tracks<'t, 'a> {
    pub video: Vec<ClipItem<'t, 'a>>,
    pub audio: Vec<AudioTrack<'t, 'a>>,
    /// By the number of the clip.
    links: HashMap<usize, Vec<Link>>,
}

/// An audio track: one channel.
pub(super) struct AudioTrack<'t, 'a> {
    /// From 1.
    pub channel: usize,
    /// The channels that form one track in the editor.
    pub width: usize,
    pub items: Vec<ClipItem<'t, 'a>>,
}

/// The pictures of a clip, or one channel of its sound.
pub(super) struct ClipItem<'t, 'a> {
    pub clip: &'t Clip<'a>,
    pub start: i128,
    pub length: i128,
    /// None for pictures.
    pub channel: Option<usize>,
}

/// What names a clip item to the others of the same file.
pub(super) struct Link {
    pub id: String,
    pub medium: &'static str,
    pub track: usize,
    pub index: usize,
}

impl<'t, 'a> Tracks<'t, 'a> {
    #[must_use]
    pub(super) fn new(layout: &timeline::Tracks<'t, 'a>) -> Self {
        let mut tracks = Self { video: Vec::new(), audio: Vec::new(), links: HashMap::new() };
        tracks.video = clip_items(&layout.main, None, |_| true);
        add_links(&mut tracks.links, &tracks.video, 1);
        tracks.add_audio(&layout.main, has_own_sound);
        tracks.add_audio(&layout.audio, |_| true);
        tracks
    }

    /// The clip items of one file, if they are more than one.
    #[must_use]
    pub(super) fn links(&self, clip: &Clip<'_>) -> &[Link] {
        self.links.get(&clip.number).filter(|links| links.len() > 1).map_or(&[], Vec::as_slice)
    }

    /// Adds the sound of the clips that have it, as one track per channel.
    fn add_audio(&mut self, spans: &[Span<'t, 'a>], has_sound: fn(&Clip<'_>) -> bool) {
        let sounding = || spans.iter().filter_map(|span| span.clip).filter(|clip| has_sound(clip));
        let width = sounding().map(channels).max().unwrap_or(0);
        for channel in 1..=width {
            let items = clip_items(spans, Some(channel), |clip| has_sound(clip) && channel <= channels(clip));
            add_links(&mut self.links, &items, self.audio.len() + 1);
            self.audio.push(AudioTrack { channel, width, items });
        }
    }
}

impl ClipItem<'_, '_> {
    #[must_use]
    pub(super) fn id(&self) -> String {
        let suffix = self.channel.map(|channel| format!("-audio-{channel}")).unwrap_or_default();
        format!("clipitem-{}{suffix}", self.clip.number)
    }

    #[must_use]
    pub(super) fn medium(&self) -> &'static str {
        if self.channel.is_none() { "video" } else { "audio" }
    }

    /// Whether it is the first one of its file in the document.
    #[must_use]
    pub(super) fn is_first(&self) -> bool {
        match self.clip.kind() {
            Kind::Audio => self.channel == Some(1),
            _ => self.channel.is_none(),
        }
    }
}

fn clip_items<'t, 'a>(
    spans: &[Span<'t, 'a>],
    channel: Option<usize>,
    is_wanted: impl Fn(&Clip<'a>) -> bool,
) -> Vec<ClipItem<'t, 'a>> {
    let clips = spans.iter().filter_map(|span| Some((span, span.clip.filter(|clip| is_wanted(clip))?)));
    clips.map(|(span, clip)| ClipItem { clip, start: span.start, length: span.length, channel }).collect()
}

fn add_links(links: &mut HashMap<usize, Vec<Link>>, items: &[ClipItem<'_, '_>], track: usize) {
    for (item, index) in items.iter().zip(1..) {
        let link = Link { id: item.id(), medium: item.medium(), track, index };
        links.entry(item.clip.number).or_default().push(link);
    }
}

fn has_own_sound(clip: &Clip<'_>) -> bool {
    clip.kind() == Kind::Video && clip.item.facts.has_audio
}

/// The channels of a clip that the tracks have room for: left and right. A file whose channels are unknown has one for certain.
fn channels(clip: &Clip<'_>) -> usize {
    match clip.item.facts.channels {
        Some(channels) if channels > 1 => 2,
        _ => 1,
    }
}
