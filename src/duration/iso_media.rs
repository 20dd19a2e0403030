//! How long an ISO media file (MP4, MOV, M4A) plays, and (`frame_rate`) how many frames a second.
//!
//! The movie's header says it, save in a fragmented file (DASH, CMAF, `ffmpeg -movflags frag_keyframe`),
//! where it says 0, or the first fragment's length: there each fragment tells when it begins and how
//! long its samples are, and the last end counts. Symphonia doesn't add these up, and reads all sample
//! tables for what the header knows; so this walk of its own, which jumps over media and tables.
//!
//! It believes no size: a box that is shorter than its header or leaves its parent ends the walk, and
//! of a header no more than 1 MiB is ever read.

mod frame_rate;

use std::io::{self, Read, Seek, SeekFrom};

pub(crate) use frame_rate::frame_rate;

const LARGEST_HEADER: u64 = 1024 * 1024;

/// The seconds that the file plays; none when it holds no movie, or the movie does not say.
pub(crate) fn seconds(source: &mut (impl Read + Seek)) -> Option<f64> {
    let mut movie: Option<Movie> = None;
    let mut position = 0;
    while let Some(found) = header_at(source, position).ok()? {
        match (&found.kind, &mut movie) {
            (b"moov", None) => movie = Some(Movie::parse(&body(source, position, &found).ok()?)),
            (b"moof", Some(movie)) => movie.add_fragment(&body(source, position, &found).ok()?)?,
            _ => {}
        }
        if movie.as_ref().is_some_and(|movie| !movie.goes_on) {
            break;
        }
        position = position.checked_add(found.length)?;
    }
    movie?.seconds()
}

struct Movie {
    length: Option<f64>,
    tracks: Vec<Track>,
    /// In fragments behind it.
    goes_on: bool,
}

/// One track, in ticks of its own clock.
struct Track {
    id: u32,
    ticks_a_second: u32,
    /// What the movie's header holds of it.
    length: u64,
    /// How long a sample is when its fragment does not say.
    sample: u32,
    /// Where its fragments begin and end.
    fragments: Option<(u64, u64)>,
}

impl Movie {
    fn parse(bytes: &[u8]) -> Self {
        let extends = find(bytes, &[b"mvex"]);
        let sample_of = |id| {
            let (_, defaults) = boxes(extends?).find(|(kind, body)| kind == b"trex" && u32_at(body, 4) == Some(id))?;
            u32_at(defaults, 12)
        };
        let track = |body| {
            let (ticks_a_second, length) = clock(find(body, &[b"mdia", b"mdhd"])?)?;
            let identity = find(body, &[b"tkhd"])?;
            let id = u32_at(identity, if is_wide(identity) { 20 } else { 12 })?;
            Some(Track { id, ticks_a_second, length, sample: sample_of(id).unwrap_or(0), fragments: None })
        };
        Self {
            length: find(bytes, &[b"mvhd"])
                .and_then(clock)
                .and_then(|(ticks_a_second, length)| in_seconds(length, ticks_a_second)),
            tracks: boxes(bytes).filter(|(kind, _)| kind == b"trak").filter_map(|(_, body)| track(body)).collect(),
            goes_on: extends.is_some(),
        }
    }

    fn add_fragment(&mut self, bytes: &[u8]) -> Option<()> {
        for (_, body) in boxes(bytes).filter(|(kind, _)| kind == b"traf") {
            let header = find(body, &[b"tfhd"])?;
            let id = u32_at(header, 4)?;
            if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
                track.add_fragment(header, body)?;
            }
        }
        Some(())
    }

    fn seconds(&self) -> Option<f64> {
        let fragmented = self.tracks.iter().any(|track| track.fragments.is_some());
        let longest = || self.tracks.iter().filter_map(Track::seconds).max_by(f64::total_cmp);
        self.length.filter(|_| !fragmented).or_else(longest)
    }
}

impl Track {
    fn add_fragment(&mut self, header: &[u8], body: &[u8]) -> Option<()> {
        let sample = own_sample(header).unwrap_or(self.sample);
        let (first, last) = self.fragments.unzip();
        let start = match find(body, &[b"tfdt"]) {
            Some(time) if is_wide(time) => u64_at(time, 4)?,
            Some(time) => u32_at(time, 4)?.into(),
            None => last.unwrap_or(self.length),
        };
        let runs = boxes(body).filter(|(kind, _)| kind == b"trun");
        let end = runs.map(|(_, run)| run_length(run, sample)).try_fold(start, |end, length| end.checked_add(length?))?;
        // Samples in the movie's header come before all fragments; else the clock may begin anywhere.
        let first = first.unwrap_or(if self.length > 0 { 0 } else { start });
        self.fragments = Some((first, end.max(last.unwrap_or(0))));
        Some(())
    }

    fn seconds(&self) -> Option<f64> {
        let ticks = self.fragments.map_or(Some(self.length), |(start, end)| end.checked_sub(start))?;
        in_seconds(ticks, self.ticks_a_second)
    }
}

/// The sample length that a fragment's header gives, behind two fields that may be there.
fn own_sample(header: &[u8]) -> Option<u32> {
    let flags = u32_at(header, 0)?;
    let at = 8 + if flags & 0x1 != 0 { 8 } else { 0 } + if flags & 0x2 != 0 { 4 } else { 0 };
    if flags & 0x8 != 0 { u32_at(header, at) } else { None }
}

fn run_length(run: &[u8], sample: u32) -> Option<u64> {
    let (flags, count) = (u32_at(run, 0)?, u32_at(run, 4)?);
    if flags & 0x100 == 0 {
        return u64::from(count).checked_mul(sample.into());
    }
    let optional = |mask: u32| usize::try_from((flags & mask).count_ones() * 4).ok();
    let samples = run.get(8 + optional(0x5)?..)?.chunks_exact(optional(0xF00)?);
    Some(samples.take(usize::try_from(count).ok()?).filter_map(|sample| u32_at(sample, 0)).map(u64::from).sum())
}

/// Ticks a second and length of a `mvhd` or `mdhd`; a length of all ones is unknown, as 0 is.
fn clock(header: &[u8]) -> Option<(u32, u64)> {
    let (ticks_a_second, length, unknown) = if is_wide(header) {
        (u32_at(header, 20)?, u64_at(header, 24)?, u64::MAX)
    } else {
        (u32_at(header, 12)?, u32_at(header, 16)?.into(), u32::MAX.into())
    };
    Some((ticks_a_second, if length == unknown { 0 } else { length }))
}

fn in_seconds(ticks: u64, ticks_a_second: u32) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a length of 2^52 ticks is absurd, its last digit no matter")]
    (ticks > 0 && ticks_a_second > 0).then(|| ticks as f64 / f64::from(ticks_a_second))
}

struct Header {
    kind: [u8; 4],
    /// Of the header itself.
    head: usize,
    /// Of the whole box.
    length: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.get(4..)?.first_chunk()?;
        let (head, length) = match u32_at(bytes, 0)? {
            1 => (16, u64_at(bytes, 8)?),
            length => (8, u64::from(length)),
        };
        (length >= head).then_some(Self { kind, head: usize::try_from(head).ok()?, length })
    }
}

fn header_at(source: &mut (impl Read + Seek), position: u64) -> io::Result<Option<Header>> {
    source.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::with_capacity(16);
    source.take(16).read_to_end(&mut bytes)?;
    Ok(Header::parse(&bytes))
}

fn body(source: &mut (impl Read + Seek), position: u64, found: &Header) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    source.take(found.length.min(LARGEST_HEADER)).read_to_end(&mut bytes)?;
    Ok(bytes.split_off(found.head.min(bytes.len())))
}

/// The boxes within a box.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let found = Header::parse(bytes)?;
        let (whole, rest) = bytes.split_at_checked(usize::try_from(found.length).ok()?)?;
        bytes = rest;
        Some((found.kind, whole.get(found.head..)?))
    })
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, wanted| boxes(bytes).find(|(kind, _)| kind == *wanted).map(|(_, body)| body))
}

/// Whether a box is of version 1, with times of 64 bits.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.first() == Some(&1)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    fn part(kind: &str, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_bytes(), &body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().copied().flat_map(u32::to_be_bytes).collect()
    }

    /// A movie of one track, 1000 ticks a second, with these lengths in its `mvhd` and `mdhd`.
    fn movie(whole: u32, track: u32, extends: &[u8]) -> Vec<u8> {
        let clock = part("mdhd", &[&words(&[0, 0, 0, 1000, track])]);
        let identity = part("tkhd", &[&words(&[0, 0, 0, 7])]);
        let track = part("trak", &[&identity, &part("mdia", &[&clock])]);
        part("moov", &[&part("mvhd", &[&words(&[0, 0, 0, 1000, whole])]), &track, extends])
    }

    fn fragment(time: Option<u32>, header: &[u32], run: &[u32]) -> Vec<u8> {
        let time = time.map(|time| part("tfdt", &[&words(&[0, time])])).unwrap_or_default();
        let (header, run) = (part("tfhd", &[&words(header)]), part("trun", &[&words(run)]));
        [part("moof", &[&part("traf", &[&header, &time, &run])]), part("mdat", &[&[0; 9]])].concat()
    }

    fn extends() -> Vec<u8> {
        part("mvex", &[&part("trex", &[&words(&[0, 7, 1, 40, 0, 0])])])
    }

    fn seconds(file: &[Vec<u8>]) -> Option<f64> {
        super::seconds(&mut Cursor::new(file.concat()))
    }

    #[test]
    fn a_movie_says_its_length_or_its_track_does() {
        for (whole, track, expected) in
            [(1500, 9000, Some(1.5)), (0, 9000, Some(9.0)), (u32::MAX, 9000, Some(9.0)), (0, 0, None), (u32::MAX, u32::MAX, None)]
        {
            assert_eq!(seconds(&[movie(whole, track, &[])]), expected, "{whole} {track}");
        }
        assert_eq!(seconds(&[part("ftyp", &[]), part("mdat", &[&[0; 99]]), movie(1500, 0, &[])]), Some(1.5));
        assert_eq!(seconds(&[movie(1500, 0, &extends())]), Some(1.5), "it announces fragments, and none came");
    }

    #[test]
    fn fragments_add_up() {
        let (default, own) = ([0, 7].as_slice(), [0x0B, 7, 0, 0, 1, 50].as_slice());
        for (track, fragments, expected) in [
            (0, vec![fragment(Some(0), default, &[0, 25])], Some(1.0)),
            (0, vec![fragment(Some(0), default, &[0, 25]), fragment(Some(1000), own, &[0, 10])], Some(1.5)),
            (0, vec![fragment(None, default, &[0, 25]), fragment(None, own, &[0, 10])], Some(1.5)),
            (0, vec![fragment(Some(90_000), default, &[0, 25])], Some(1.0)),
            (500, vec![fragment(Some(500), default, &[0, 25])], Some(1.5)),
            (0, vec![fragment(Some(0), default, &[0x305, 2, 0, 0, 600, 1, 700, 1])], Some(1.3)),
            (0, vec![fragment(Some(0), default, &[0x305, u32::MAX, 0, 0, 600, 1, 700])], Some(0.6)),
            (0, vec![fragment(Some(0), &[0, 8], &[0, 25])], None),
            (0, vec![fragment(Some(0), default, &[])], None),
        ] {
            let file = [vec![movie(0, track, &extends())], fragments].concat();
            assert_eq!(seconds(&file), expected);
        }
    }

    #[test]
    fn sizes_that_lie_end_the_walk() {
        for head in [[0_u32, 0], [7, 0], [1, 0], [u32::MAX, 0]] {
            assert_eq!(seconds(&[words(&head), movie(1500, 0, &[])]), None, "{head:?}");
        }
        assert_eq!(seconds(&[words(&[1, 0, u32::MAX, u32::MAX]), movie(1500, 0, &[])]), None);
        assert_eq!(seconds(&[words(&[1, 0, 0, 20, 0]), movie(1500, 0, &[])]), Some(1.5));
        let whole = movie(1500, 0, &extends());
        for length in 0..whole.len() {
            assert!(seconds(&[whole[..length].to_vec()]).is_none_or(|told| (told - 1.5).abs() < 0.001));
        }
    }
}
