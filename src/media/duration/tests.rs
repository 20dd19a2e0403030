//! Durations of all types, by small files.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{MAX_SECONDS, WALK_BUDGET, probe_duration};
use crate::media::damage::{damaged, xorshift};
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
    for (name, bytes, expected) in SAMPLES.iter().filter(|(name, ..)| matches!(*name, "bare.mp3" | "song.flac" | "song.aac")) {
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
            let damaged = damaged(bytes, &mut roll);
            let found = seconds(&damaged);
            assert!(found.is_none_or(|seconds| seconds > 0.0 && seconds < MAX_SECONDS), "{name}: {found:?}");
        }
    }
}
