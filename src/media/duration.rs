//! How long a file plays, and how many frames a second, by what its container says.
//!
//! Headers, tables and the last page are read, nothing is decoded: a length that only decoding would
//! tell (`WebM` from a live encoder, FLAC from a pipe) stays unknown. Bytes are hostile and symphonia's
//! readers are large, so they are fenced: what a file begins as picks the one reader that sees it
//! (symphonia's own probe would look for an MP3 anywhere in the first MiB of anything), a budget ends
//! every walk that a lying size leads astray, and a panic is an unknown length.
//!
//! Invariant: an answer is finite, above 0 and below `LONGEST`, in whole milliseconds.

mod bounded_reader;
mod iso_media;
mod wave;

use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::formats::probe::{FormatFactoryFn, ProbeableFormat};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::units::{Duration, TimeBase};
use symphonia::default::formats::{AdtsReader, FlacReader, MkvReader, MpaReader, OggReader};

use crate::media::media_type::{self, MediaType};
use bounded_reader::BoundedReader;

/// Anything longer is a lie: 24 days.
const MAX_SECONDS: f64 = 2_000_000.0;
/// Cover pictures and indexes take some MiB.
const BUDGET: u64 = 8 * 1024 * 1024;
/// MP3 and AAC have no magic number: the less is searched, the less is found by chance.
const STREAM_BUDGET: u64 = 1024 * 1024;

/// The seconds that a file plays; none when its container does not say, or is none that has a length.
/// `declared` counts only for bytes that don't tell what they are.
pub(crate) fn probe_duration(source: impl Read + Seek + Send + Sync, declared: Option<MediaType>) -> Option<f64> {
    let (window, extension) = open(source, declared)?;
    let seconds = (measure(window, extension)? * 1000.0).round() / 1000.0;
    is_plausible(seconds).then_some(seconds)
}

/// The frames a second of a video; none where its container (MP4, MOV) has no one number for all of them. Symphonia keeps
/// what Matroska says of it to itself.
pub(crate) fn frame_rate(source: impl Read + Seek + Send + Sync) -> Option<f64> {
    match open(source, None)? {
        (mut window, "mp4" | "mov") => iso_media::frame_rate(&mut window),
        _ => None,
    }
}

/// The media behind all tags, fenced, and the extension that tells its reader.
fn open<S: Read + Seek>(mut source: S, declared: Option<MediaType>) -> Option<(BoundedReader<S>, &'static str)> {
    let length = source.seek(SeekFrom::End(0)).ok()?;
    let mut head = Vec::new();
    source.rewind().ok()?;
    source.by_ref().take(16 * 1024).read_to_end(&mut head).ok()?;

    let extension = media_type::from_bytes(&head).or(declared)?.extension();
    let budget = if matches!(extension, "mp3" | "aac") { STREAM_BUDGET } else { BUDGET };
    let start = id3_tag_length(&head).min(length);
    Some((BoundedReader::new(source, start..length, budget), extension))
}

fn measure<S: Read + Seek + Send + Sync>(mut window: BoundedReader<S>, extension: &str) -> Option<f64> {
    match extension {
        "mp4" | "mov" | "m4a" => iso_media::seconds(&mut window),
        "webm" | "mkv" => probe_with_symphonia(window, |stream, options| MkvReader::try_probe_new(stream, options)),
        "ogg" | "opus" => probe_with_symphonia(window, |stream, options| OggReader::try_probe_new(stream, options)),
        "flac" => probe_with_symphonia(window, |stream, options| FlacReader::try_probe_new(stream, options)),
        "mp3" => probe_with_symphonia(window, |stream, options| MpaReader::try_probe_new(stream, options)),
        "aac" => probe_with_symphonia(window, |stream, options| AdtsReader::try_probe_new(stream, options)),
        "wav" => wave::seconds(&mut window),
        _ => None,
    }
}

fn probe_with_symphonia<S: Read + Seek + Send + Sync>(window: BoundedReader<S>, open: FormatFactoryFn) -> Option<f64> {
    // Half a million damaged files made it panic never, but `expect`s and asserts remain in it, and the
    // length of a file that arrived whole is not worth the file.
    let read = AssertUnwindSafe(|| {
        let mut stream = MediaSourceStream::new(Box::new(window), MediaSourceStreamOptions::default());
        stream.rewind().ok()?;
        container_duration(open(stream, FormatOptions::default()).ok()?.as_ref())
    });
    catch_unwind(read).ok().flatten()
}

/// What the container says of the whole, which knows of edits that its tracks don't; else the longest track's.
fn container_duration(reader: &dyn FormatReader) -> Option<f64> {
    let seconds = |clock: Option<TimeBase>, ticks: Option<Duration>| {
        clock?.calc_duration(ticks?).map(|time| time.as_secs_f64()).filter(|seconds| is_plausible(*seconds))
    };
    let whole = reader.media_info();
    let tracks = reader.tracks().iter().filter_map(|track| seconds(track.time_base, track.duration));
    seconds(whole.time_base, whole.duration).or_else(|| tracks.max_by(f64::total_cmp))
}

/// Whether something may play so long.
#[must_use]
pub(crate) fn is_plausible(seconds: f64) -> bool {
    seconds > 0.0 && seconds < MAX_SECONDS
}

/// The length of an `ID3` tag in front of everything else.
fn id3_tag_length(head: &[u8]) -> u64 {
    match head {
        [b'I', b'D', b'3', _, _, _, length @ ..] if length.len() >= 4 => {
            10 + length.iter().take(4).fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7F))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read, Seek, SeekFrom};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{BUDGET, MAX_SECONDS, frame_rate, probe_duration};
    use crate::media::media_type;

    macro_rules! samples {
        ($($name:literal $seconds:expr),* $(,)?) => {
            [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice(), $seconds)),*]
        };
    }

    /// With what ffprobe says of each; `tests/media/make.sh` has its command line.
    const SAMPLES: [(&str, &[u8], f64); 14] = samples![
        "video-1s.mp4" 1.0,
        "clip.mov" 1.5,
        "clip.webm" 0.75,
        "clip.mkv" 1.3,
        "fragmented.mp4" 2.0,
        "song.mp3" 1.358,
        "bare.mp3" 2.273,
        "song.wav" 0.6,
        "piped.wav" 0.8,
        "song.flac" 0.7,
        "song.ogg" 1.1,
        "song.opus" 1.207,
        "song.m4a" 1.4,
        "song.aac" 1.672,
    ];

    /// Those that say nothing of a length.
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

    /// A head, and noise (or zeros) up to a length that no test could hold in memory.
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
            let told = seconds(bytes).unwrap_or_default();
            assert!((told - expected).abs() < 0.06, "{name}: {told}, not {expected}");
        }
        for (name, bytes, ()) in WITHOUT_DURATION {
            assert_eq!(seconds(bytes), None, "{name}");
        }
    }

    #[test]
    fn frame_rate_is_read_from_movies_only() {
        for (name, bytes, _) in SAMPLES {
            let expected = ["video-1s.mp4", "clip.mov"].contains(&name).then_some(12.0);
            assert_eq!(frame_rate(Cursor::new(bytes)), expected, "{name}");
        }
        for (name, bytes, ()) in WITHOUT_DURATION {
            assert_eq!(frame_rate(Cursor::new(bytes)), None, "{name}");
        }
    }

    #[test]
    fn leading_id3_tag_is_skipped() {
        let tag = [b"ID3\x04\0\0\0\0\x27\x10".as_slice(), &[0xFF; 5008]].concat();
        for (name, bytes, expected) in SAMPLES.iter().filter(|(name, ..)| matches!(*name, "bare.mp3" | "song.flac" | "song.aac"))
        {
            let told = seconds(&[&tag, *bytes].concat()).unwrap_or_default();
            assert!((told - expected).abs() < 0.06, "{name}: {told}, not {expected}");
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
                let vast = HugeFile { head, noise, length: 4 << 30, position: 0, read: &read };
                let told = probe_duration(vast, media_type::from_path(declared));
                assert!(told.is_none_or(|seconds| seconds > 0.0 && seconds < MAX_SECONDS));
                assert!(read.into_inner() <= BUDGET + 64 * 1024);
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
                let told = seconds(&damaged);
                assert!(told.is_none_or(|seconds| seconds > 0.0 && seconds < MAX_SECONDS), "{name}: {told:?}");
                let rate = frame_rate(Cursor::new(&damaged));
                assert!(rate.is_none_or(|rate| (1.0..=1000.0).contains(&rate)), "{name}: {rate:?}");
            }
        }
    }
}
