//! The time windows in which the account's list is read. No I/O.
//!
//! A server may limit the rows of an answer without a word, so a window that may be full is halved until its parts are not. Full is
//! a window with ten rows or more, and as many as any window so far, unless the answer's `total` proves that it is complete.
//!
//! Neighbours share their border second: whether a server counts the end of a window is unknown. Only windows of two seconds are
//! cut into single seconds. Where both are then empty, the server does not count the end, and two seconds were one.

use jiff::Timestamp;

/// The longest window, in seconds.
const DAY: i64 = 86_400;
/// No known server limits an answer to fewer rows.
const SMALLEST_LIMIT: u64 = 10;

/// Seconds from `start` to `end`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub start: i64,
    pub end: i64,
}

/// The rows of a window.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct RowCounts {
    /// Rows of all pages with a new id, repeated rows included: the most that the server may have counted.
    pub received: u64,
    /// Different rows.
    pub distinct: u64,
    /// The number that the server states.
    pub total: Option<u64>,
}

/// A second with more tasks than the server lists.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct FullSecond(pub Timestamp);

/// The windows that are left to read, the oldest first: its links are the first to expire.
pub(super) struct Windows {
    /// Parts of halved windows, the oldest last.
    parts: Vec<Window>,
    /// What is not cut into windows yet.
    rest: Option<Window>,
    /// The most rows of a window so far.
    largest: u64,
    /// The total that the previous window stated.
    previous_total: Option<u64>,
    /// The rows of the first half of a window of two seconds.
    first_second: Option<u64>,
}

impl Windows {
    /// The windows of a range.
    pub(super) fn new(range: Window) -> Self {
        let rest = (range.start <= range.end).then_some(range);
        Self { parts: Vec::new(), rest, largest: 0, previous_total: None, first_second: None }
    }

    /// The next window to read.
    pub(super) fn next(&mut self) -> Option<Window> {
        self.parts.pop().or_else(|| {
            let Window { start, end } = self.rest.take()?;
            let window = Window { start, end: end.min(start.saturating_add(DAY)) };
            self.rest = (window.end < end).then_some(Window { start: window.end, end });
            Some(window)
        })
    }

    /// Takes the rows of a window that was read, and halves it if it may be full. After an error, the other windows can still be
    /// read.
    ///
    /// # Errors
    /// If it is one second and may be full.
    pub(super) fn record(&mut self, window: Window, counts: RowCounts) -> Result<(), FullSecond> {
        let is_full = self.is_full(counts);
        self.largest = self.largest.max(counts.distinct);
        self.previous_total = counts.total;
        let Window { start, end } = window;
        let full = |second: i64| Err(FullSecond(Timestamp::from_second(second).unwrap_or_default()));
        if start == end && is_full {
            return full(start);
        }
        if let Some(first) = self.first_second.take().filter(|_| start == end)
            && first + counts.received == 0
        {
            return full(start - 1);
        }
        match end - start {
            _ if !is_full => {}
            1 => self.parts.extend([Window { start: end, end }, Window { start, end: start }]),
            _ => {
                let middle = start + (end - start) / 2;
                self.parts.extend([Window { start: middle, end }, Window { start, end: middle }]);
            }
        }
        if start == end && self.parts.last() == Some(&Window { start: start + 1, end: start + 1 }) {
            self.first_second = Some(counts.received);
        }
        Ok(())
    }

    fn is_full(&self, counts: RowCounts) -> bool {
        let RowCounts { received, distinct, total } = counts;
        let is_proven = total.is_some_and(|total| (distinct..=received).contains(&total));
        // A total that is larger proves the opposite, unless it is that of all windows together: that one does not change.
        let is_more_stated = total != self.previous_total && total.is_some_and(|total| total > distinct);
        let may_be_full = received >= self.largest || is_more_stated;
        received >= SMALLEST_LIMIT && may_be_full && !is_proven
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Total {
        None,
        OfWindow,
        OfAccount,
    }

    /// A server with one task per listed second, which lists at most `limit` of them, the newest first.
    struct Server {
        times: Vec<i64>,
        limit: usize,
        counts_end: bool,
        total: Total,
    }

    impl Server {
        fn rows(&self, window: Window) -> (Vec<usize>, RowCounts) {
            let is_within = |time: i64| time >= window.start && (time < window.end || (self.counts_end && time == window.end));
            let mut rows: Vec<usize> = (0..self.times.len()).filter(|row| is_within(self.times[*row])).collect();
            let total = match self.total {
                Total::None => None,
                Total::OfWindow => Some(rows.len() as u64),
                Total::OfAccount => Some(self.times.len() as u64),
            };
            rows.reverse();
            rows.truncate(self.limit);
            let received = rows.len() as u64;
            (rows, RowCounts { received, distinct: received, total })
        }

        /// How many tasks are found with how many questions.
        fn read(&self, range: Window) -> Result<(usize, usize), FullSecond> {
            let (mut windows, mut found, mut questions) = (Windows::new(range), BTreeSet::new(), 0);
            while let Some(window) = windows.next() {
                assert!(window.start <= window.end && window.end - window.start <= DAY, "{window:?}");
                let (rows, counts) = self.rows(window);
                found.extend(rows);
                questions += 1;
                windows.record(window, counts)?;
            }
            Ok((found.len(), questions))
        }
    }

    const TOTALS: [Total; 3] = [Total::None, Total::OfWindow, Total::OfAccount];
    const RANGE: Window = Window { start: 1_000_000, end: 1_000_000 + 7 * DAY };

    #[test]
    fn every_task_is_found_whatever_the_limit_is() {
        // Bursts and single tasks, on the borders too.
        let mut times: Vec<i64> = (0..400).map(|n| RANGE.start + n * 1511).collect();
        times.extend((0..90).map(|n| RANGE.start + 3 * DAY + n));
        times.extend([RANGE.start, RANGE.start + DAY]);
        times.sort_unstable();
        for limit in [10, 11, 50, 100, 1000] {
            for (counts_end, total) in [true, false].into_iter().flat_map(|counts_end| TOTALS.map(|total| (counts_end, total))) {
                let server = Server { times: times.clone(), limit, counts_end, total };
                let (found, questions) = server.read(RANGE).unwrap();
                assert_eq!(found, times.len(), "limit {limit}, counts end: {counts_end}");
                assert!(questions < 500, "limit {limit}: {questions} questions");
                assert!(
                    total != Total::OfWindow || limit < 1000 || questions == 7,
                    "a total that proves it costs no question: {questions}"
                );
            }
        }
    }

    #[test]
    fn quiet_days_cost_one_question_each() {
        let server = Server { times: vec![RANGE.start + 5; 9], limit: 10, counts_end: true, total: Total::None };
        assert_eq!(server.read(RANGE), Ok((9, 7)));
        assert_eq!(server.read(Window { start: 5, end: 5 }), Ok((0, 1)));
        assert_eq!(server.read(Window { start: 5, end: 4 }), Ok((0, 0)));
        assert_eq!(server.read(Window { start: 0, end: DAY }), Ok((0, 1)), "a day is one window");
    }

    #[test]
    fn second_that_is_full_is_an_error_and_one_below_the_limit_is_not() {
        let at = RANGE.start + 4711;
        for counts_end in [true, false] {
            let server = |count, total| Server { times: vec![at; count], limit: 10, counts_end, total };
            let full = Err(FullSecond(Timestamp::from_second(at).unwrap()));
            for total in TOTALS {
                assert_eq!(server(12, total).read(RANGE), full, "counts end: {counts_end}");
                assert_eq!(server(9, total).read(RANGE).unwrap().0, 9);
            }
        }
        let complete = Server { times: vec![at; 10], limit: 10, counts_end: true, total: Total::OfWindow };
        assert_eq!(complete.read(RANGE).unwrap().0, 10, "the total proves it");
        let pair = Server { times: [vec![at; 9], vec![at + 1; 9]].concat(), limit: 10, counts_end: true, total: Total::None };
        assert_eq!(pair.read(RANGE).unwrap().0, 18, "two seconds are told apart");
    }

    #[test]
    fn total_of_the_account_costs_few_questions_and_makes_no_second_full() {
        let mut times: Vec<i64> = (0..700).map(|n| RANGE.start + n * 800).collect();
        times.extend([RANGE.start + 6 * DAY + 7; 30]);
        times.sort_unstable();
        let server = |total| Server { times: times.clone(), limit: 1000, counts_end: true, total };
        let (found, questions) = server(Total::OfAccount).read(RANGE).unwrap();
        assert_eq!(found, times.len());
        assert!(questions <= server(Total::None).read(RANGE).unwrap().1 + 2, "{questions}");
    }
}
