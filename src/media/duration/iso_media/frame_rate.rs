//! Reads the frame rate of the video in an ISO media file.
//!
//! The sample table lists how many frames last how many ticks. The frame rate is constant when almost all frames last
//! equally long: some encoders make the last frame longer. A video with other frame durations has no single frame rate, and
//! neither has a fragmented file, whose table is empty.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::{boxes, find_box, read_box_body, read_box_header, timescale_and_duration, u32_at};

/// The frames per second of the first video track; `None` when the rate is not constant.
pub(crate) fn frame_rate(source: &mut (impl Read + Seek)) -> Option<f64> {
    let mut position = 0;
    while let Some(found) = read_box_header(source, position).ok()? {
        if &found.kind == b"moov" {
            return movie_frame_rate(&read_box_body(source, position, &found).ok()?);
        }
        position = position.checked_add(found.size)?;
    }
    None
}

fn movie_frame_rate(movie: &[u8]) -> Option<f64> {
    let tracks = boxes(movie).filter(|(kind, _)| kind == b"trak");
    let mut media = tracks.filter_map(|(_, track)| find_box(track, &[b"mdia"]));
    let is_video = |media: &&[u8]| find_box(media, &[b"hdlr"]).and_then(|handler| handler.get(8..12)) == Some(b"vide");
    let video = media.find(is_video)?;
    let (ticks_per_second, _) = timescale_and_duration(find_box(video, &[b"mdhd"])?)?;
    let ticks = common_frame_duration(find_box(video, &[b"minf", b"stbl", b"stts"])?)?;
    let rate = f64::from(ticks_per_second) / f64::from(ticks);
    (1.0..=1000.0).contains(&rate).then_some(rate)
}

/// The duration in ticks of at least nine in ten frames.
fn common_frame_duration(table: &[u8]) -> Option<u32> {
    let runs = table.get(8..)?.chunks_exact(8).take(usize::try_from(u32_at(table, 4)?).ok()?);
    let mut lengths = BTreeMap::<u32, u64>::new();
    for (count, ticks) in runs.filter_map(|run| Some((u32_at(run, 0)?, u32_at(run, 4)?))) {
        *lengths.entry(ticks).or_default() += u64::from(count);
    }
    let (ticks, most) = lengths.iter().max_by_key(|(_, count)| **count)?;
    (*ticks > 0 && most * 10 >= lengths.values().sum::<u64>() * 9).then_some(*ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rate_needs_nearly_constant_frame_durations() {
        let table = |runs: &[[u32; 2]]| {
            let count = u32::try_from(runs.len()).unwrap();
            [&[0, count], runs.as_flattened()].concat().into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>()
        };
        for (runs, expected) in [
            (&[[24, 1001]][..], Some(1001)),
            (&[[23, 512], [1, 700]], Some(512)),
            (&[[10, 512], [1, 700], [10, 512]], Some(512)),
            (&[[8, 512], [2, 700]], None),
            (&[[24, 0]], None),
            (&[[u32::MAX, 512], [u32::MAX, 512], [u32::MAX, 512]], Some(512)),
            (&[], None),
        ] {
            assert_eq!(common_frame_duration(&table(runs)), expected, "{runs:?}");
        }
        let mut cut = table(&[[24, 1001]]);
        cut.truncate(12);
        assert_eq!([common_frame_duration(&cut), common_frame_duration(&[]), common_frame_duration(&[0; 7])], [None; 3]);
    }
}
