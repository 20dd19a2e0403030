//! Decides which range of a large file is requested next, and whether a second connection pays at all.
//!
//! Ranges are claimed in file order, so that the hash follows the bytes while they are in memory. A host that answers quickly
//! gets about two ranges per connection: few enough for a host that counts requests, small enough that no connection is busy
//! long after the others. A host that takes long for each answer, or refused one, gets one long range per connection. If the
//! first connection alone would be done within the time of a few answers, there is no second one. A host that slows each answer
//! down after its first bytes gets short ranges.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::storage::Extents;

/// The least bytes of a range.
const MIN_RANGE: u64 = 2 << 20;
/// The most bytes of a range of a host that answers quickly.
const MAX_QUICK_RANGE: u64 = 32 << 20;
/// A host whose answers take at least this long gets long ranges.
const SLOW_ANSWER: Duration = Duration::from_millis(100);
/// The rate of a host that answers slowly is known after this time.
pub(super) const RATE_PERIOD: Duration = Duration::from_millis(50);
/// A second connection pays when the first one would need the time of more answers than this for the rest.
const MIN_ANSWERS_SAVED: f64 = 4.0;

/// The ranges of one file that are not requested yet.
#[derive(Debug)]
pub(super) struct RangePlan {
    next: u64,
    total: u64,
    connections: usize,
    /// What an earlier attempt has written. It is not requested again.
    written: Extents,
    /// What connections have given back, by its start. It is claimed in file order, too: otherwise all of the window could be
    /// taken by ranges behind it.
    returned: BTreeMap<u64, u64>,
    quick_range: u64,
    long_range: u64,
    /// How long the quickest answer took.
    latency: Duration,
    is_refused: bool,
    slowdown: Slowdown,
}

/// Whether the host slows each answer down after its first bytes. Other connections can slow a range down, too.
#[derive(Clone, Copy, Debug)]
enum Slowdown {
    Unknown,
    /// A piece took so long. The first piece of a new range will tell.
    Suspected(Duration),
    Confirmed,
    Refuted,
}

impl RangePlan {
    /// The plan for a file of `total` bytes, of which everything before `front` and `written` is there.
    pub(super) fn new(front: u64, total: u64, written: Extents, connections: usize, latency: Duration) -> Self {
        let mut plan = Self {
            next: front,
            total,
            connections,
            written,
            returned: BTreeMap::new(),
            quick_range: MIN_RANGE,
            long_range: MIN_RANGE,
            latency,
            is_refused: false,
            slowdown: Slowdown::Unknown,
        };
        plan.quick_range = plan.share(2).clamp(MIN_RANGE, MAX_QUICK_RANGE);
        plan.long_range = plan.share(1).max(MIN_RANGE);
        plan
    }

    /// The bytes of each range when `count` ranges per connection bring what is missing.
    fn share(&self, count: u64) -> u64 {
        let missing = self.total.saturating_sub(self.next).saturating_sub(self.written.size_after(self.next));
        missing.div_ceil(count * self.connections.max(1) as u64)
    }

    /// Begins again at `front`, to which the first connection has come meanwhile.
    pub(super) fn move_to(&mut self, front: u64) {
        *self = Self::new(front, self.total, std::mem::take(&mut self.written), self.connections, self.latency);
    }

    /// Whether a part of the rest is there already.
    pub(super) fn has_gaps(&self) -> bool {
        self.written.next_start(self.next).is_some()
    }

    pub(super) fn has_one_connection(&self) -> bool {
        self.connections < 2
    }

    /// Whether each request costs so much that there should be few of them.
    fn is_costly(&self) -> bool {
        self.is_refused || self.latency >= SLOW_ANSWER
    }

    /// Whether a second connection pays, after the first one has brought `received` bytes in the time `elapsed`.
    pub(super) fn pays(&self, received: u64, elapsed: Duration) -> bool {
        if self.has_gaps() {
            return true;
        }
        let rest = self.total.saturating_sub(self.next).saturating_sub(received);
        if rest < 2 * MIN_RANGE {
            return false;
        }
        if !self.is_costly() {
            return true;
        }
        // The first bytes arrive at once, whatever the rate is.
        let saved = to_f64(rest) * elapsed.as_secs_f64() / (to_f64(received) * self.latency.as_secs_f64());
        elapsed >= RATE_PERIOD && saved > MIN_ANSWERS_SAVED
    }

    /// How long the quickest answer took.
    pub(super) fn latency(&self) -> Duration {
        self.latency
    }

    /// Reports how long an answer took.
    pub(super) fn answered(&mut self, latency: Duration) {
        self.latency = self.latency.min(latency);
    }

    /// Reports that the host refused a request because there are too many.
    pub(super) fn refused(&mut self) {
        self.is_refused = true;
        self.long_range = self.share(1).max(MIN_RANGE);
    }

    /// Reports a piece of a range that took `waited`, much longer than the first one. True when the range is to be given back,
    /// to find out whether a new request is quicker.
    pub(super) fn slow_piece(&mut self, waited: Duration) -> bool {
        let is_test = matches!(self.slowdown, Slowdown::Unknown) && !self.is_costly();
        if is_test {
            self.slowdown = Slowdown::Suspected(waited);
        }
        is_test
    }

    /// Reports how long the first piece of a range took.
    pub(super) fn first_piece(&mut self, waited: Duration) {
        let Slowdown::Suspected(slow) = self.slowdown else { return };
        if waited * 4 < slow {
            (self.slowdown, self.quick_range) = (Slowdown::Confirmed, MIN_RANGE);
        } else {
            self.slowdown = Slowdown::Refuted;
        }
    }

    /// Whether a range, of which `rest` is missing, should be given back.
    pub(super) fn is_too_long(&self, rest: &Range<u64>) -> bool {
        !self.is_costly() && matches!(self.slowdown, Slowdown::Confirmed) && rest.end - rest.start > MIN_RANGE
    }

    /// Takes back a part of a claimed range.
    pub(super) fn give_back(&mut self, range: Range<u64>) {
        self.returned.insert(range.start, range.end);
    }

    /// The next range; none when all are claimed.
    pub(super) fn claim(&mut self) -> Option<Range<u64>> {
        let is_costly = self.is_costly();
        if let Some(first) = self.returned.first_entry() {
            let (start, end) = (*first.key(), *first.get());
            let claimed = start..if is_costly { end } else { end.min(start + MIN_RANGE) };
            first.remove();
            if claimed.end < end {
                self.returned.insert(claimed.end, end);
            }
            return Some(claimed);
        }
        let start = self.written.end_after(self.next);
        if start >= self.total {
            return None;
        }
        let size = if is_costly { self.long_range } else { self.quick_range };
        let next_written = self.written.next_start(start).unwrap_or(self.total);
        let end = start.saturating_add(size).min(next_written).min(self.total);
        self.next = end;
        Some(start..end)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs no more than 53 bits")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const QUICK: Duration = Duration::from_millis(1);

    fn plan(front: u64, total: u64, connections: usize, latency: Duration) -> RangePlan {
        RangePlan::new(front, total, Extents::default(), connections, latency)
    }

    /// All ranges that are left, in MiB.
    fn claims(plan: &mut RangePlan) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| plan.claim()).map(|range| (range.start / MIB, range.end / MIB)).collect()
    }

    #[test]
    fn quick_host_gets_two_ranges_per_connection_within_bounds() {
        for (total, connections, count, size) in
            [(64, 4, 8, 8), (16, 4, 8, 2), (48, 16, 24, 2), (200, 4, 8, 25), (2048, 4, 64, 32), (3, 4, 2, 2)]
        {
            let claims = claims(&mut plan(0, total * MIB, connections, QUICK));
            assert_eq!((claims.len(), claims[0]), (count, (0, size)), "{total} MiB, {connections}");
            assert!(claims.windows(2).all(|pair| pair[0].1 == pair[1].0));
            assert_eq!(claims.last().unwrap().1, total);
        }
    }

    #[test]
    fn slow_or_refusing_host_gets_one_long_range_per_connection() {
        assert_eq!(claims(&mut plan(4 * MIB, 64 * MIB, 4, SLOW_ANSWER)), [(4, 19), (19, 34), (34, 49), (49, 64)]);
        let mut refusing = plan(0, 64 * MIB, 4, QUICK);
        refusing.claim();
        refusing.refused();
        assert_eq!(claims(&mut refusing), [(8, 22), (22, 36), (36, 50), (50, 64)]);
    }

    #[test]
    fn host_whose_first_answer_alone_was_slow_is_quick() {
        let mut plan = plan(0, 64 * MIB, 4, SLOW_ANSWER);
        assert!(plan.is_costly());
        plan.answered(QUICK);
        assert!(!plan.is_costly());
    }

    #[test]
    fn host_that_slows_down_gets_short_ranges_and_what_was_given_back_first() {
        let mut plan = plan(0, 64 * MIB, 4, QUICK);
        let first = plan.claim().unwrap();
        assert!(!plan.is_too_long(&first));
        assert!(plan.slow_piece(Duration::from_secs(1)) && !plan.is_too_long(&first));
        assert!(!plan.slow_piece(Duration::from_secs(1)), "one range is enough to find out");
        plan.first_piece(QUICK);
        assert!(plan.is_too_long(&first) && !plan.is_too_long(&(0..MIN_RANGE)));
        plan.give_back(5 * MIB..8 * MIB);
        plan.give_back(MIB..2 * MIB);
        plan.give_back(3 * MIB..4 * MIB);
        assert_eq!(claims(&mut plan)[..6], [(1, 2), (3, 4), (5, 7), (7, 8), (8, 10), (10, 12)]);
    }

    #[test]
    fn host_that_is_slow_for_other_reasons_keeps_its_ranges() {
        let mut plan = plan(0, 64 * MIB, 4, QUICK);
        let first = plan.claim().unwrap();
        assert!(plan.slow_piece(Duration::from_secs(1)));
        plan.first_piece(Duration::from_millis(250));
        plan.first_piece(QUICK);
        assert!(!plan.is_too_long(&first) && !plan.slow_piece(Duration::from_secs(1)));
        assert_eq!(plan.claim(), Some(8 * MIB..16 * MIB));
    }

    #[test]
    fn written_ranges_are_not_requested_again() {
        let mut written = Extents::default();
        for range in [0..MIB, 10 * MIB..20 * MIB, 60 * MIB..64 * MIB] {
            written.insert(range);
        }
        let mut plan = RangePlan::new(MIB, 64 * MIB, written, 2, SLOW_ANSWER);
        assert!(plan.has_gaps());
        assert_eq!(claims(&mut plan), [(1, 10), (20, 44), (44, 60)]);
    }

    #[test]
    fn second_connection_to_a_slow_host_must_save_time() {
        let second = Duration::from_secs(1);
        for (latency, received, elapsed, pays) in [
            (QUICK, 0, Duration::ZERO, true),
            (QUICK, 57 * MIB, second, false),
            // 60 MiB were missing at the start.
            (second, 0, Duration::ZERO, false),
            (second, 0, RATE_PERIOD, true),
            (second, 11 * MIB, second, true),
            (second, 13 * MIB, second, false),
            (second, 200 * MIB, second, false),
        ] {
            assert_eq!(plan(4 * MIB, 64 * MIB, 4, latency).pays(received, elapsed), pays, "{received} in {elapsed:?}");
        }
    }
}
