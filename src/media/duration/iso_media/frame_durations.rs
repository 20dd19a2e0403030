//! How long the frames of a track last, from which its frame rate follows.
//!
//! The frame rate is constant when almost all frames last equally long: some encoders make the last frame longer. Where the
//! durations differ by one tick only, they were rounded to the clock, and their average counts. A video with other frame
//! durations has no single frame rate.

use std::collections::BTreeMap;

use super::u32_at;
use crate::domain::frame_rate::FrameRate;

/// More different durations than this are a variable frame rate.
const MAX_DIFFERENT: usize = 64;

/// How many frames last how many ticks.
#[derive(Default)]
pub(super) struct FrameDurations {
    counts: BTreeMap<u32, u64>,
}

impl FrameDurations {
    /// Adds those in a sample table (`stts`).
    pub(super) fn add_table(&mut self, table: &[u8]) {
        let runs = table.get(8..).unwrap_or_default().chunks_exact(8);
        for run in runs.take(u32_at(table, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)) {
            if let (Some(count), Some(ticks)) = (u32_at(run, 0), u32_at(run, 4)) {
                self.add(count.into(), ticks);
            }
        }
    }

    pub(super) fn add(&mut self, count: u64, ticks: u32) {
        if count > 0 && self.counts.len() <= MAX_DIFFERENT {
            *self.counts.entry(ticks).or_default() += count;
        }
    }

    /// The frame rate, with a clock of so many ticks per second.
    pub(super) fn rate(&self, ticks_per_second: u32) -> Option<FrameRate> {
        if self.counts.len() > MAX_DIFFERENT {
            return None;
        }
        let frames: u64 = self.counts.values().sum();
        let (common, most) = self.counts.iter().max_by_key(|(_, count)| **count)?;
        if most * 10 >= frames * 9 {
            return FrameRate::new(ticks_per_second.into(), (*common).into()).ok();
        }
        let (shortest, longest) = (*self.counts.first_key_value()?.0, *self.counts.last_key_value()?.0);
        if longest - shortest > 1 {
            return None;
        }
        let ticks =
            self.counts.iter().try_fold(0_u64, |sum, (ticks, count)| sum.checked_add(count.checked_mul((*ticks).into())?))?;
        FrameRate::new(frames.checked_mul(ticks_per_second.into())?, ticks).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(runs: &[[u32; 2]]) -> Vec<u8> {
        let count = u32::try_from(runs.len()).unwrap();
        [&[0, count], runs.as_flattened()].concat().into_iter().flat_map(u32::to_be_bytes).collect()
    }

    fn rate(table: &[u8], clock: u32) -> Option<String> {
        let mut durations = FrameDurations::default();
        durations.add_table(table);
        durations.rate(clock).map(|rate| rate.to_string())
    }

    #[test]
    fn frame_rate_needs_nearly_constant_frame_durations() {
        for (clock, runs, expected) in [
            (30_000, &[[24, 1001]][..], Some("30000/1001")),
            (12_800, &[[23, 512], [1, 700]], Some("25")),
            (12_800, &[[10, 512], [1, 700], [10, 512]], Some("25")),
            (1000, &[[1, 33], [1, 34], [1, 33], [2, 33], [1, 34]], Some("30")),
            (1000, &[[200, 33], [99, 34]], Some("149500/4983")),
            (12_800, &[[8, 512], [2, 700]], None),
            (1000, &[[8, 33], [8, 34], [8, 35]], None),
            (12_800, &[[24, 0]], None),
            (12_800, &[[u32::MAX, 512], [u32::MAX, 512], [u32::MAX, 512]], Some("25")),
            (12_800, &[], None),
        ] {
            assert_eq!(rate(&table(runs), clock).as_deref(), expected, "{runs:?}");
        }
        let many: Vec<[u32; 2]> = (1..=100).map(|ticks| [1, ticks]).collect();
        assert_eq!(rate(&table(&many), 1000), None);
        let mut cut = table(&[[24, 1001]]);
        cut.truncate(12);
        assert_eq!([rate(&cut, 30_000), rate(&[], 30_000), rate(&[0; 7], 30_000)], [None, None, None]);
    }
}
