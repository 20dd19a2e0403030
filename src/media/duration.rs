//! Reads the duration of a file from its container.
//!
//! Only headers, tables and pages are read, and of MP3, AAC and MPG the headers of all frames; nothing is decoded. A duration that
//! only decoding would show (`WebM` from a live encoder, FLAC from a pipe) is unknown: no estimate is ever returned. The bytes
//! are hostile, so what a reader gets is limited:
//! - the detected type selects the one reader that sees the file; symphonia's own probe would search for an MP3 anywhere in
//!   the first MiB of any file;
//! - a read budget stops a reader that follows false sizes;
//! - a panic in any reader gives an unknown duration.
//!
//! Invariant: a duration is finite, above 0 and below `MAX_SECONDS`, in whole milliseconds.

pub(super) mod aiff;
pub(super) mod avi;
pub(super) mod flac;
mod frames;
pub(super) mod iso_media;
pub(super) mod mpeg_audio;
pub(super) mod mpeg_program;
pub(super) mod ogg;
pub(super) mod wave;

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::formats::probe::{FormatFactoryFn, ProbeableFormat};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::units::{Duration, TimeBase};
use symphonia::default::formats::{MkvReader, OggReader};

use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::AudioFormat;
use crate::media::media_type::{self, MediaType};
use crate::media::{guarded, id3};

/// The longest plausible duration: 23 days.
const MAX_SECONDS: f64 = 2_000_000.0;
/// The read budget: cover pictures and indexes take some MiB.
const BUDGET: u64 = 8 << 20;
/// The read budget where the whole file has headers: the frames of MP3 and AAC, the pages of Ogg, the packets of MPG.
const WALK_BUDGET: u64 = 64 << 20;
/// How many `ID3` tags a file may begin with.
const MAX_TAGS: usize = 4;
/// How much behind the tags shows the format.
const HEAD_SIZE: usize = 4 << 10;

/// The duration of a file in seconds; `None` when its container does not give one. `declared` counts only when the bytes
/// don't show their type.
pub(crate) fn probe_duration(source: impl Read + Seek + Send + Sync, declared: Option<MediaType>) -> Option<f64> {
    let seconds = guarded(|| {
        let (reader, extension) = open(source, declared)?;
        measure(reader, extension)
    })?;
    rounded(seconds)
}

/// A duration in whole milliseconds, if it is plausible.
fn rounded(seconds: f64) -> Option<f64> {
    let seconds = (seconds * 1000.0).round() / 1000.0;
    is_plausible(seconds).then_some(seconds)
}

/// Whether an MP4 has audio tracks and no track of pictures.
pub(crate) fn is_audio_only(source: impl Read + Seek + Send + Sync) -> bool {
    let is_audio = guarded(|| match open(source, None)? {
        (mut reader, "mp4") => Some(iso_media::is_audio_only(&mut reader)),
        _ => None,
    });
    is_audio.unwrap_or(false)
}

/// A bounded reader of the media behind all tags, and the extension that selects the format reader.
pub(super) fn open<S: Read + Seek>(mut source: S, declared: Option<MediaType>) -> Option<(BoundedReader<S>, &'static str)> {
    let length = source.seek(SeekFrom::End(0)).ok()?;
    let mut start = 0;
    let mut head = Vec::with_capacity(HEAD_SIZE);
    for _ in 0..=MAX_TAGS {
        head.clear();
        source.seek(SeekFrom::Start(start)).ok()?;
        source.by_ref().take(HEAD_SIZE as u64).read_to_end(&mut head).ok()?;
        match id3::tag_length(&head) {
            0 => break,
            tag => start = start.saturating_add(tag).min(length),
        }
    }
    let extension = match media_type::from_bytes(&head).or(declared) {
        Some(media_type) => media_type.extension(),
        None if start > 0 => "mp3",
        None => return None,
    };
    let budget = if matches!(extension, "mp3" | "aac" | "ogg" | "opus" | "mpg") { WALK_BUDGET } else { BUDGET };
    Some((BoundedReader::new(source, start..length, budget), extension))
}

fn measure<S: Read + Seek + Send + Sync>(mut reader: BoundedReader<S>, extension: &str) -> Option<f64> {
    match extension {
        "mp4" | "mov" | "m4a" => iso_media::seconds(&mut reader),
        "webm" | "mkv" => probe_with_symphonia(reader, |stream, options| MkvReader::try_probe_new(stream, options)),
        "ogg" | "opus" => match ogg::links(&mut reader).ok()? {
            // Symphonia knows where an encoder's padding ends; it does not know Speex.
            ogg::Links::One(seconds) => {
                probe_with_symphonia(reader, |stream, options| OggReader::try_probe_new(stream, options)).or(seconds)
            }
            ogg::Links::Chain(seconds) => seconds,
        },
        "flac" => flac::seconds(&mut reader),
        "mp3" => mpeg_audio::seconds(reader),
        "aac" => frames::Frames::new(reader, frames::parse_adts).total_seconds(),
        "wav" => wave::seconds(&mut reader),
        "aiff" => aiff::seconds(&mut reader),
        "avi" => avi::seconds(&mut reader),
        "mpg" => mpeg_program::seconds(reader),
        _ => None,
    }
}

/// The format of AAC in ADTS, as its first frame gives it.
pub(super) fn adts_audio_format<S: Read + Seek>(reader: BoundedReader<S>) -> Option<AudioFormat> {
    let (frame, start) = frames::Frames::new(reader, frames::parse_adts).first()?;
    let [_, _, high, low, ..] = *start else { return None };
    let channels = match high << 2 & 4 | low >> 6 {
        7 => 8,
        count => count,
    };
    Some(AudioFormat::new(Some("aac"), frame.sample_rate, channels.into()))
}

fn probe_with_symphonia<S: Read + Seek + Send + Sync>(reader: BoundedReader<S>, open: FormatFactoryFn) -> Option<f64> {
    // Half a million damaged files caused no panic, but symphonia contains `expect`s and asserts. Where it panics, our own
    // measurement can still count.
    guarded(|| {
        let mut stream = MediaSourceStream::new(Box::new(reader), MediaSourceStreamOptions::default());
        stream.rewind().ok()?;
        container_duration(open(stream, FormatOptions::default()).ok()?.as_ref())
    })
}

/// The container's own duration, which respects edits that the tracks don't; else that of the longest track.
fn container_duration(reader: &dyn FormatReader) -> Option<f64> {
    let seconds = |clock: Option<TimeBase>, ticks: Option<Duration>| {
        clock?.calc_duration(ticks?).map(|time| time.as_secs_f64()).filter(|seconds| is_plausible(*seconds))
    };
    let whole = reader.media_info();
    let tracks = reader.tracks().iter().filter_map(|track| seconds(track.time_base, track.duration));
    seconds(whole.time_base, whole.duration).or_else(|| tracks.max_by(f64::total_cmp))
}

/// Whether a duration is plausible.
#[must_use]
pub(crate) fn is_plausible(seconds: f64) -> bool {
    seconds > 0.0 && seconds < MAX_SECONDS
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read, Seek, SeekFrom};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{MAX_SECONDS, WALK_BUDGET, probe_duration};
    use crate::media::media_type;

    macro_rules! samples {
        ($($name:literal $seconds:expr),* $(,)?) => {
            [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice(), $seconds)),*]
        };
    }

    /// Samples with the duration that ffprobe prints; `tests/media/make.sh` has its command line. Of `variable.mp3`, ffprobe prints
    /// an estimate, and of `song.mp3` it counts what the encoder added.
    const SAMPLES: [(&str, &[u8], f64); 19] = samples![
        "video-1s.mp4" 1.0,
        "clip.mov" 1.5,
        "clip.webm" 0.75,
        "clip.mkv" 1.3,
        "fragmented.mp4" 2.0,
        "song.mp3" 1.3,
        "bare.mp3" 2.273,
        "song.wav" 0.6,
        "piped.wav" 0.8,
        "song.flac" 0.7,
        "song.ogg" 1.1,
        "song.opus" 1.207,
        "song.m4a" 1.4,
        "song.aac" 1.672,
        "song.aiff" 0.5,
        "adpcm.wav" 0.947,
        "variable.mp3" 1.8,
        "clip.avi" 0.5,
        "clip.mpg" 0.6,
    ];

    /// Samples without a duration.
    const WITHOUT_DURATION: [(&str, &[u8], ()); 6] =
        samples!["live.webm"(), "picture.png"(), "picture.gif"(), "picture.avif"(), "picture.svg"(), "playlist.m3u8"(),];

    fn seconds(bytes: &[u8]) -> Option<f64> {
        probe_duration(Cursor::new(bytes), None)
    }

    /// A deterministic stream of numbers (xorshift).
    fn xorshift(mut state: u64) -> impl FnMut(usize) -> usize {
        move |sides| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 16).unwrap() % sides
        }
    }

    /// A head, then noise or zeros, up to a length that no test could keep in memory.
    struct HugeFile<'a> {
        head: &'a [u8],
        noise: u64,
        length: u64,
        position: u64,
        read: &'a AtomicU64,
    }

    impl Read for HugeFile<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(usize::try_from(self.length.saturating_sub(self.position)).unwrap());
            for byte in &mut buffer[..count] {
                let hash = (self.position / 8).wrapping_mul(self.noise).rotate_left(29).wrapping_mul(self.noise);
                let noise = hash.to_le_bytes()[usize::try_from(self.position % 8).unwrap()];
                *byte = self.head.get(usize::try_from(self.position).unwrap()).copied().unwrap_or(noise);
                self.position += 1;
            }
            self.read.fetch_add(count as u64, Ordering::Relaxed);
            Ok(count)
        }
    }

    impl Seek for HugeFile<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let position = match to {
                SeekFrom::Start(position) => Some(position),
                SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
                SeekFrom::End(delta) => self.length.checked_add_signed(delta),
            };
            self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
            Ok(self.position)
        }
    }

    #[test]
    fn duration_is_read_from_every_container() {
        for (name, bytes, expected) in SAMPLES {
            let found = seconds(bytes).unwrap_or_default();
            assert!((found - expected).abs() < 0.06, "{name}: {found}, not {expected}");
        }
        for (name, bytes, ()) in WITHOUT_DURATION {
            assert_eq!(seconds(bytes), None, "{name}");
        }
    }

    #[test]
    fn leading_id3_tag_is_skipped() {
        let tag = [b"ID3\x04\0\0\0\0\x27\x10".as_slice(), &[0xFF; 5008]].concat();
        for (name, bytes, expected) in SAMPLES.iter().filter(|(name, ..)| matches!(*name, "bare.mp3" | "song.flac" | "song.aac"))
        {
            let found = seconds(&[&tag, *bytes].concat()).unwrap_or_default();
            assert!((found - expected).abs() < 0.06, "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn detected_type_wins_over_the_declared_type() {
        let (_, song, _) = SAMPLES.iter().find(|(name, ..)| *name == "song.flac").unwrap();
        assert_eq!(probe_duration(Cursor::new(song), media_type::from_path("a.mp4")), Some(0.7));
        assert_eq!(probe_duration(Cursor::new(song), media_type::from_path("a.png")), Some(0.7));
        for declared in ["a.mp4", "a.webm", "a.mp3", "a.wav", "a.flac", "a.ogg", "a.aac", "a.png", "a"] {
            for bytes in ["", "x", "no media at all", "RIFF", "ftyp"] {
                assert_eq!(probe_duration(Cursor::new(bytes), media_type::from_path(declared)), None, "{declared} {bytes}");
            }
        }
    }

    #[test]
    fn reading_a_4_gib_file_stays_within_the_read_budget() {
        let heads = SAMPLES.iter().flat_map(|(_, bytes, _)| [&bytes[..40], &bytes[..bytes.len() / 2]]);
        for head in heads.chain([b"\0\0\0\x14ftypisom\0\0\0\0isom".as_slice(), b"", b"\0\0\0\x01moov\0\0\0\0\xFF\0\0\0"]) {
            for (noise, declared) in [(0, "a.mp4"), (0x9E37_79B9_7F4A_7C15, "a.mp4"), (0x9E37_79B9_7F4A_7C15, "a.mp3")] {
                let read = AtomicU64::new(0);
                let file = HugeFile { head, noise, length: 4 << 30, position: 0, read: &read };
                let found = probe_duration(file, media_type::from_path(declared));
                assert!(found.is_none_or(|seconds| seconds > 0.0 && seconds < MAX_SECONDS));
                assert!(read.into_inner() <= WALK_BUDGET + 64 * 1024);
            }
        }
    }

    #[test]
    fn damaged_files_give_a_plausible_duration_or_none() {
        for (name, bytes, _) in SAMPLES {
            let mut roll = xorshift(0x5DEE_CE66_D1CE_4E5B ^ bytes.len() as u64);
            for _ in 0..250 {
                let mut damaged = bytes.to_vec();
                for _ in 0..=roll(6) {
                    let reach = [64, 1024, usize::MAX][roll(3)];
                    let at = roll(damaged.len().min(reach));
                    match roll(5) {
                        0 => damaged[at..].iter_mut().take(4).for_each(|byte| *byte = 0xFF),
                        1 => damaged[at..].iter_mut().take(4).for_each(|byte| *byte = 0),
                        2 => damaged.truncate(at.max(16)),
                        3 => damaged[at] ^= 1 << roll(8),
                        _ => damaged[at] = roll(256).to_le_bytes()[0],
                    }
                }
                let found = seconds(&damaged);
                assert!(found.is_none_or(|seconds| seconds > 0.0 && seconds < MAX_SECONDS), "{name}: {found:?}");
            }
        }
    }
}
