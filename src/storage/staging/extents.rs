//! The byte ranges of a part that are written beyond its hashed prefix: in file order, disjoint, and never empty.

use std::ops::Range;

/// Written ranges.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Extents(Vec<Range<u64>>);

impl Extents {
    /// Adds `range`, and joins it to those that it touches.
    pub(crate) fn insert(&mut self, mut range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|known| known.end < range.start);
        let last = self.0.partition_point(|known| known.start <= range.end);
        for known in self.0.drain(first..last) {
            range = range.start.min(known.start)..range.end.max(known.end);
        }
        self.0.insert(first, range);
    }

    /// Removes what is before `offset`.
    pub(super) fn cut_before(&mut self, offset: u64) {
        self.0.retain(|known| known.end > offset);
        if let Some(first) = self.0.first_mut() {
            first.start = first.start.max(offset);
        }
    }

    /// The end of the bytes that follow `offset` without a gap.
    #[must_use]
    pub(crate) fn end_after(&self, offset: u64) -> u64 {
        self.0.iter().find(|known| known.contains(&offset)).map_or(offset, |known| known.end)
    }

    /// The first range that begins at `offset` or later.
    #[must_use]
    pub(crate) fn next_start(&self, offset: u64) -> Option<u64> {
        self.0.iter().map(|known| known.start).find(|start| *start >= offset)
    }

    /// How many bytes they have at `offset` and beyond.
    #[must_use]
    pub(crate) fn size_after(&self, offset: u64) -> u64 {
        self.0.iter().map(|known| known.end.saturating_sub(known.start.max(offset))).sum()
    }

    /// The end of the last one.
    #[must_use]
    pub(super) fn end(&self) -> Option<u64> {
        self.0.last().map(|last| last.end)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(ranges: &[(u64, u64)]) -> Extents {
        let mut extents = Extents::default();
        for &(start, end) in ranges {
            extents.insert(start..end);
        }
        extents
    }

    #[test]
    fn ranges_that_touch_or_overlap_are_joined() {
        for (ranges, expected) in [
            (&[(10, 20), (30, 40)][..], &[(10, 20), (30, 40)][..]),
            (&[(30, 40), (10, 20), (20, 30)], &[(10, 40)]),
            (&[(10, 20), (40, 50), (15, 45)], &[(10, 50)]),
            (&[(10, 40), (20, 30)], &[(10, 40)]),
            (&[(10, 20), (20, 20)], &[(10, 20)]),
        ] {
            assert_eq!(extents(ranges), extents(expected), "{ranges:?}");
            assert_eq!(extents(ranges).0.len(), expected.len(), "{ranges:?}");
        }
    }

    #[test]
    fn gaps_are_found() {
        let extents = extents(&[(10, 20), (30, 40)]);
        assert_eq!((extents.size_after(0), extents.size_after(15), extents.end()), (20, 15, Some(40)));
        for (offset, end, next) in [(0, 0, Some(10)), (10, 20, Some(10)), (15, 20, Some(30)), (20, 20, Some(30)), (40, 40, None)]
        {
            assert_eq!((extents.end_after(offset), extents.next_start(offset)), (end, next), "{offset}");
        }
    }

    #[test]
    fn what_is_before_an_offset_is_removed() {
        for (offset, expected) in [(5, &[(10, 20), (30, 40)][..]), (11, &[(11, 20), (30, 40)]), (20, &[(30, 40)]), (40, &[])] {
            let mut written = extents(&[(10, 20), (30, 40)]);
            written.cut_before(offset);
            assert_eq!(written, extents(expected), "{offset}");
        }
    }
}
