//! The facts in the movie header of an ISO file (MP4, MOV, M4A): those of its first enabled video and audio track.
//!
//! A track describes its samples in one entry or more. Where several entries disagree, nothing is known.

use super::codecs;
use super::mpeg4_audio;
use super::{AudioFormat, MediaFacts};
use crate::media::duration::flac::StreamInfo;
use crate::media::duration::iso_media::{boxes, find_box, is_version_1, u32_at, u64_at};

/// What the tracks show.
#[derive(Debug, Default)]
pub(in crate::media) struct TrackFacts {
    pub media: MediaFacts,
    /// The id of the video track.
    pub video_id: Option<u32>,
    /// Where the first frame of MPEG audio is: only the frames show its layer, rate and channels.
    pub mpeg_audio_at: Option<u64>,
}

/// Reads the content of a `moov`.
pub(in crate::media) fn track_facts(movie: &[u8]) -> TrackFacts {
    let tracks: Vec<Track<'_>> =
        boxes(movie).filter(|(kind, _)| kind == b"trak").filter_map(|(_, body)| Track::parse(body)).collect();
    let first = |handler: &[u8; 4]| {
        let mut of_kind = tracks.iter().filter(|track| track.handler == *handler);
        let first = of_kind.clone().next();
        of_kind.find(|track| track.is_enabled).or(first)
    };
    let mut facts = TrackFacts::default();
    if let Some(video) = first(b"vide") {
        facts.video_id = Some(video.id);
        let picture = same(video.sample_entries(), Picture::parse).unwrap_or_default();
        facts.media.video_codec = picture.codec;
        let movie_matrix =
            find_box(movie, &[b"mvhd"]).and_then(|header| header.get(if is_version_1(header) { 48.. } else { 36.. }));
        let turns = [movie_matrix.and_then(is_quarter_turn), video.matrix.and_then(is_quarter_turn)];
        if let (Some((width, height)), [Some(first), Some(second)]) = (picture.size, turns) {
            let (width, height) = if first == second { (width, height) } else { (height, width) };
            (facts.media.width, facts.media.height) = (Some(width), Some(height));
        }
    }
    if let Some(audio) = first(b"soun") {
        match same(audio.sample_entries(), Audio::parse).unwrap_or_default() {
            Audio::Format(format) => facts.media.set_audio(format),
            Audio::MpegFrames => facts.mpeg_audio_at = audio.first_chunk(),
        }
    }
    facts
}

struct Track<'a> {
    id: u32,
    handler: [u8; 4],
    is_enabled: bool,
    /// The beginning of its matrix.
    matrix: Option<&'a [u8]>,
    sample_table: &'a [u8],
}

impl<'a> Track<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let header = find_box(body, &[b"tkhd"])?;
        let (id, matrix) = if is_version_1(header) { (20, 52) } else { (12, 40) };
        Some(Self {
            id: u32_at(header, id)?,
            handler: *find_box(body, &[b"mdia", b"hdlr"])?.get(8..)?.first_chunk()?,
            is_enabled: header.get(3)? & 1 == 1,
            matrix: header.get(matrix..),
            sample_table: find_box(body, &[b"mdia", b"minf", b"stbl"]).unwrap_or_default(),
        })
    }

    /// Where its first samples are.
    fn first_chunk(&self) -> Option<u64> {
        let short = || find_box(self.sample_table, &[b"stco"]).and_then(|table| u32_at(table, 8)).map(u64::from);
        find_box(self.sample_table, &[b"co64"]).map_or_else(short, |table| u64_at(table, 8))
    }

    fn sample_entries(&self) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        boxes(find_box(self.sample_table, &[b"stsd"]).and_then(|table| table.get(8..)).unwrap_or_default())
    }
}

/// What `parse` makes of all entries, if it is the same for all.
fn same<'a, T: PartialEq>(mut entries: impl Iterator<Item = ([u8; 4], &'a [u8])>, parse: fn([u8; 4], &[u8]) -> T) -> Option<T> {
    let (kind, body) = entries.next()?;
    let first = parse(kind, body);
    // A hostile table may have very many.
    entries.take(64).all(|(kind, body)| parse(kind, body) == first).then_some(first)
}

/// Whether a matrix turns the picture by a quarter; `None` when it does anything else than quarter turns, mirroring and scaling.
/// Some writers leave it empty.
fn is_quarter_turn(matrix: &[u8]) -> Option<bool> {
    let [a, b, c, d] = [0, 4, 12, 16].map(|at| u32_at(matrix, at).map(|number| number != 0));
    match (a?, b?, c?, d?) {
        (true, false, false, true) | (false, false, false, false) => Some(false),
        (false, true, true, false) => Some(true),
        _ => None,
    }
}

/// The format of a track of pictures.
#[derive(Default, PartialEq)]
struct Picture {
    codec: Option<&'static str>,
    size: Option<(u32, u32)>,
}

impl Picture {
    fn parse(kind: [u8; 4], entry: &[u8]) -> Self {
        let half = |at: usize| entry.get(at..)?.first_chunk().copied().map(u16::from_be_bytes).map(u32::from);
        let inside = entry.get(78..).unwrap_or_default();
        let codec = match &kind {
            b"mp4v" => find_box(inside, &[b"esds"])
                .and_then(DecoderConfig::parse)
                .and_then(|config| codecs::object_type(config.object_type)),
            b"encv" => original_format(inside).and_then(codecs::iso_video),
            _ => codecs::iso_video(kind),
        };
        let size = half(24).zip(half(26)).filter(|(width, height)| *width > 0 && *height > 0);
        Self { codec, size }
    }
}

/// What an encrypted entry was before.
fn original_format(inside: &[u8]) -> Option<[u8; 4]> {
    find_box(inside, &[b"sinf", b"frma"])?.first_chunk().copied()
}

/// What a sample entry shows of an audio track.
#[derive(PartialEq)]
enum Audio {
    Format(AudioFormat),
    /// MPEG audio of some layer.
    MpegFrames,
}

impl Default for Audio {
    fn default() -> Self {
        Self::Format(AudioFormat::default())
    }
}

impl Audio {
    fn parse(kind: [u8; 4], entry: &[u8]) -> Self {
        let inside = boxes_of_audio(entry);
        // QuickTime wraps the boxes of the codec.
        let find = |wanted: &[u8; 4]| find_box(inside, &[wanted]).or_else(|| find_box(inside, &[b"wave", wanted]));
        let kind = if &kind == b"enca" { original_format(inside).unwrap_or(kind) } else { kind };
        // Where a codec has a box of its own, the numbers of the entry are often only placeholders.
        let format = match &kind {
            b"mp4a" => match find(b"esds").and_then(DecoderConfig::parse) {
                Some(DecoderConfig { object_type: 0x69 | 0x6B, .. }) => return Self::MpegFrames,
                Some(config) => {
                    let codec = codecs::object_type(config.object_type);
                    let format = config.specific.filter(|_| codec == Some("aac")).and_then(mpeg4_audio::parse);
                    Some(format.unwrap_or(AudioFormat { codec, ..AudioFormat::default() }))
                }
                None => None,
            },
            b"Opus" => find(b"dOps").and_then(|body| Some(AudioFormat::new(Some("opus"), 48_000, (*body.get(1)?).into()))),
            b"fLaC" => find(b"dfLa").and_then(|body| StreamInfo::parse(body.get(8..)?)).map(StreamInfo::audio_format),
            b"alac" => {
                find(b"alac").and_then(|body| Some(AudioFormat::new(Some("alac"), u32_at(body, 24)?, (*body.get(13)?).into())))
            }
            b"ac-3" => find(b"dac3").and_then(|body| Some(dolby_format("ac3", u24_at(body, 0)?, 11))),
            b"ec-3" => find(b"dec3").and_then(enhanced_dolby_format),
            _ => Some(numbers_of_audio(codecs::iso_audio(kind), entry)),
        };
        Self::Format(format.unwrap_or(AudioFormat { codec: codecs::iso_audio(kind), ..AudioFormat::default() }))
    }
}

/// The boxes in an audio entry. `QuickTime` puts more fields before them, from version 1 on. Others have the version without the
/// fields.
fn boxes_of_audio(entry: &[u8]) -> &[u8] {
    let starts = match entry.get(9) {
        Some(1) => [44, 28],
        Some(2) => [64, 64],
        _ => [28, 28],
    };
    let after = |at: usize| entry.get(at..).unwrap_or_default();
    starts.into_iter().map(after).find(|inside| boxes(inside).next().is_some()).unwrap_or_default()
}

/// The rate and the number of channels in an audio entry.
fn numbers_of_audio(codec: Option<&'static str>, entry: &[u8]) -> AudioFormat {
    let number = |at: usize| u32_at(entry, at).unwrap_or(0);
    if entry.get(9) == Some(&2) {
        return AudioFormat::new(codec, u64_at(entry, 32).map_or(0, whole_rate), number(40));
    }
    AudioFormat::new(codec, number(24) >> 16, number(14) & 0xFFFF)
}

/// The format in 24 bits that begin with the code of the rate; the code of the channels ends above `low` bits more.
fn dolby_format(codec: &'static str, bits: u32, low: u32) -> AudioFormat {
    let rate = match bits >> 22 {
        0 => 48_000,
        1 => 44_100,
        2 => 32_000,
        _ => 0,
    };
    let channels = [2, 1, 2, 3, 3, 4, 4, 5][(bits >> low & 7) as usize];
    AudioFormat::new(Some(codec), rate, channels + (bits >> (low - 1) & 1))
}

/// As [`dolby_format`], where one stream has all channels.
fn enhanced_dolby_format(body: &[u8]) -> Option<AudioFormat> {
    let (streams, bits) = (body.get(1)? & 7, u24_at(body, 2)?);
    let format = dolby_format("eac3", bits, 9);
    let dependent_streams = bits >> 1 & 0xF;
    let is_single = streams == 0 && dependent_streams == 0;
    Some(AudioFormat { channels: format.channels.filter(|_| is_single), ..format })
}

fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = *bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

/// A floating-point rate, if it is a whole number.
fn whole_rate(bits: u64) -> u32 {
    let rate = f64::from_bits(bits);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked")]
    if rate.fract() == 0.0 && rate > 0.0 && rate < f64::from(u32::MAX) { rate as u32 } else { 0 }
}

/// What an `esds` says about the decoder.
struct DecoderConfig<'a> {
    object_type: u8,
    specific: Option<&'a [u8]>,
}

impl<'a> DecoderConfig<'a> {
    fn parse(esds: &'a [u8]) -> Option<Self> {
        let stream = descriptor(esds.get(4..)?, 3)?;
        let flags = *stream.get(2)?;
        let url = if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*stream.get(if flags & 0x80 == 0 { 3 } else { 5 })?) };
        let optional = [0x80, 0x20].into_iter().filter(|bit| flags & bit != 0).count() * 2;
        let decoder = descriptor(stream.get(3 + optional + url..)?, 4)?;
        let specific = decoder.get(13..).and_then(|rest| descriptor(rest, 5));
        Some(Self { object_type: *decoder.first()?, specific })
    }
}

/// The content of the descriptor with this tag at the beginning. Its length has seven bits per byte.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    if *bytes.first()? != tag {
        return None;
    }
    let digits = bytes.get(1..)?.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let length = bytes[1..=digits].iter().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
    let content = bytes.get(1 + digits..)?;
    Some(&content[..length.min(content.len())])
}
