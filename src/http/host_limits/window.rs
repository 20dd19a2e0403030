//! How many requests one host takes at once, learned from its responses. No I/O, and no clock: callers pass the time.
//!
//! The limit follows the rule of TCP. A refusal (429, 503) halves it, once per round trip: a request that was sent before the
//! last reduction is of an earlier round, and its refusal says nothing new. Accepted requests raise it. The number of requests
//! at once that was refused last is the ceiling. Below it each accepted request raises the limit by one. The ceiling itself is
//! tried again only after many accepted requests, and after twice as many each time that it is refused again. So a host that
//! takes two requests at once gets two, and is seldom asked for more.
//!
//! A refusal also starts a cooldown: the time that the host asks for (`Retry-After`), or one of our own. Ours begins with one
//! round trip, or with the first delay of the retry policy when the host has accepted nothing lately. It doubles until the host
//! accepts something, and ends early when an accepted request ends, because the host then has room.
//!
//! A refusal costs no attempt while the host accepts anything, nor in the first minute of refusals (see [`Patience`]). A host
//! that accepts nothing after that is given up when it has refused more rounds than there are retries. The requests in its queue
//! then fail without being sent, because a thousand files would each find that out alone. After each cooldown one request tries
//! the host again.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::http::retry::{RetryPolicy, delay_before_retry};

/// A host that accepted a request this recently is working: its refusals cost no attempts.
const RECENTLY: Duration = Duration::from_secs(60);
/// The shortest first cooldown of a host that works.
const MIN_COOLDOWN: Duration = Duration::from_millis(5);
/// What a cooldown costs at least: a host that asks for no wait must not be asked forever.
const MIN_COOLDOWN_COST: Duration = Duration::from_secs(1);
/// Accepted requests, per request at once, before a ceiling is tried again.
const FIRST_PROBE: usize = 8;
const MAX_PROBE: usize = 128;

/// A response that says that the host takes no more requests now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Its status.
    pub status: StatusCode,
    /// How long the host asks to wait.
    pub retry_after: Option<Duration>,
}

/// What a refused request may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// It waits for the host, and keeps its attempts.
    Free,
    /// Responses to other requests will show whether the host accepts anything.
    Undecided,
    /// It needs one of its own attempts.
    UseAttempt,
    /// The host accepts nothing any more. There is no further attempt.
    GivenUp,
}

/// The requests of a host that are not finished.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Load {
    /// All of them.
    pub in_flight: usize,
    /// Those that the host accepted, and whose bodies still arrive.
    pub accepted: usize,
}

/// What a refusal changed, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reduction {
    pub refusal: Refusal,
    /// The new limit, if it changed.
    pub limit: Option<usize>,
    /// The length of the cooldown, if it started or became longer.
    pub cooldown: Option<Duration>,
}

pub(super) struct Window {
    policy: RetryPolicy,
    max: usize,
    limit: usize,
    round: u64,
    ceiling: Option<usize>,
    /// Requests that were accepted since the limit changed.
    accepted: usize,
    probe_interval: usize,
    /// The end of the cooldown that the host asked for.
    requested_until: Option<Instant>,
    /// The end of our own cooldown.
    own_until: Option<Instant>,
    last_accepted: Option<Instant>,
    /// The average time from a request to its response, of accepted requests.
    round_trip: Duration,
    refusals: RefusalsInARow,
}

/// The rounds of refusals since the host accepted a request.
struct RefusalsInARow {
    rounds: u32,
    since: Option<Instant>,
    /// The rounds that nothing but attempts can pay for.
    unpaid_rounds: u32,
    wait_budget: Duration,
    last: Option<Refusal>,
}

impl RefusalsInARow {
    fn none(policy: RetryPolicy) -> Self {
        Self { rounds: 0, since: None, unpaid_rounds: 0, wait_budget: policy.max_busy_wait, last: None }
    }
}

impl Window {
    pub(super) fn new(max: usize, policy: RetryPolicy) -> Self {
        Self {
            policy,
            max: max.max(1),
            limit: max.max(1),
            round: 0,
            ceiling: None,
            accepted: 0,
            probe_interval: FIRST_PROBE,
            requested_until: None,
            own_until: None,
            last_accepted: None,
            round_trip: Duration::ZERO,
            refusals: RefusalsInARow::none(policy),
        }
    }

    /// The round of a request that is sent now.
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// Whether one more request may be sent.
    pub(super) fn is_open(&self, load: Load, now: Instant) -> bool {
        load.in_flight < self.limit && self.cooldown_until(now).is_none()
    }

    /// The end of the cooldown, if there is one now.
    pub(super) fn cooldown_until(&self, now: Instant) -> Option<Instant> {
        self.requested_until.max(self.own_until).filter(|until| *until > now)
    }

    /// The last refusal of a host that is given up, until its cooldown ends. Then one request tries it again.
    pub(super) fn given_up(&self, load: Load, now: Instant) -> Option<Refusal> {
        let is_given_up = self.patience(load, now) == Patience::GivenUp && self.cooldown_until(now).is_some();
        self.refusals.last.filter(|_| is_given_up)
    }

    /// What a request may do that was refused.
    pub(super) fn patience(&self, load: Load, now: Instant) -> Patience {
        if self.is_working(load, now) || self.refusals.unpaid_rounds == 0 || self.is_recent_trouble(now) {
            Patience::Free
        } else if load.in_flight > load.accepted {
            Patience::Undecided
        } else if self.refusals.unpaid_rounds > self.policy.retries {
            Patience::GivenUp
        } else {
            Patience::UseAttempt
        }
    }

    /// The host accepted a request, `round_trip` after it was sent.
    pub(super) fn on_accepted(&mut self, load: Load, round_trip: Duration, now: Instant) {
        let is_first = self.last_accepted.replace(now).is_none();
        self.round_trip = if is_first { round_trip } else { (7 * self.round_trip + round_trip) / 8 };
        self.refusals = RefusalsInARow::none(self.policy);
        self.accepted += 1;
        if self.limit >= self.max || load.in_flight < self.limit {
            // A limit that is not used proves nothing.
            return;
        }
        match self.ceiling {
            Some(ceiling) if self.limit + 1 == ceiling && self.accepted < self.probe_interval * self.limit => return,
            Some(ceiling) if self.limit >= ceiling && self.accepted < 2 * self.limit => return,
            // The host takes more than it did.
            Some(ceiling) if self.limit >= ceiling => (self.ceiling, self.probe_interval) = (None, FIRST_PROBE),
            _ => {}
        }
        self.limit += 1;
        self.accepted = 0;
    }

    /// An accepted request ended: the host has room.
    pub(super) fn on_ended(&mut self) {
        self.own_until = None;
    }

    /// The host refused a request of `round`. `load` includes this request.
    pub(super) fn on_refused(&mut self, round: u64, load: Load, refusal: Refusal, now: Instant) -> Option<Reduction> {
        self.refusals.last = Some(refusal);
        self.refusals.since.get_or_insert(now);
        let (is_new, before) = (round == self.round, (self.limit, self.cooldown_until(now).unwrap_or(now)));
        let mut delay = Duration::ZERO;
        if is_new {
            delay = self.reduce(load, now);
            self.pay(refusal, load, now);
        }
        if let Some(asked) = refusal.retry_after {
            // The queue is not served before, whatever else happens.
            delay = delay_before_retry(delay, 0, Some(asked));
            self.requested_until = self.requested_until.max(Some(now + delay));
        }
        let added = self.cooldown_until(now).unwrap_or(now) - before.1;
        // Requests that were sent together ask for nearly the same moment: that is one cooldown.
        let is_longer = if is_new { !added.is_zero() } else { added >= MIN_COOLDOWN_COST };
        let limit = (self.limit != before.0).then_some(self.limit);
        (is_new || is_longer).then_some(Reduction { refusal, limit, cooldown: is_longer.then_some(delay) })
    }

    /// The connection of a request of `round` failed. Some hosts refuse requests in this way: so a host that works is asked for
    /// less. Returns the length of the cooldown.
    pub(super) fn on_failed(&mut self, round: u64, load: Load, now: Instant) -> Option<Duration> {
        (round == self.round && self.is_working(load, now)).then(|| self.reduce(load, now))
    }

    /// Whether other requests to this host are under way, and it accepts some: then one that failed may have been one too many.
    pub(super) fn is_shared(&self, load: Load, now: Instant) -> bool {
        load.in_flight > 0 && self.is_working(load, now)
    }

    /// Halves the limit and starts a cooldown of our own.
    fn reduce(&mut self, load: Load, now: Instant) -> Duration {
        self.halve(load);
        let delay = delay_before_retry(self.first_cooldown(load, now), self.refusals.rounds, None);
        self.refusals.rounds = self.refusals.rounds.saturating_add(1);
        self.own_until = self.own_until.max(Some(now + delay));
        delay
    }

    fn first_cooldown(&self, load: Load, now: Instant) -> Duration {
        let first_delay = self.policy.first_delay;
        if self.is_working(load, now) { self.round_trip.max(MIN_COOLDOWN).min(first_delay) } else { first_delay }
    }

    fn halve(&mut self, load: Load) {
        let refused_at = load.in_flight.clamp(1, self.limit);
        let is_known = self.ceiling.is_some_and(|ceiling| refused_at >= ceiling);
        self.probe_interval = if is_known { (self.probe_interval * 2).min(MAX_PROBE) } else { FIRST_PROBE };
        self.ceiling = Some(refused_at.max(2));
        self.limit = (refused_at / 2).max(1);
        self.round += 1;
        self.accepted = 0;
    }

    fn pay(&mut self, refusal: Refusal, load: Load, now: Instant) {
        if self.is_working(load, now) {
            return;
        }
        let cost = delay_before_retry(Duration::ZERO, 0, refusal.retry_after).max(MIN_COOLDOWN_COST);
        let asks_to_wait = refusal.status == StatusCode::TOO_MANY_REQUESTS || refusal.retry_after.is_some();
        if asks_to_wait && self.refusals.wait_budget >= cost {
            self.refusals.wait_budget -= cost;
        } else {
            self.refusals.unpaid_rounds = self.refusals.unpaid_rounds.saturating_add(1);
        }
    }

    /// Whether the refusals began less than a minute ago. A number of retries that the user gave holds without this minute.
    fn is_recent_trouble(&self, now: Instant) -> bool {
        let is_recent = self.refusals.since.is_some_and(|since| now.saturating_duration_since(since) < RECENTLY);
        is_recent && !self.policy.max_busy_wait.is_zero()
    }

    fn is_working(&self, load: Load, now: Instant) -> bool {
        load.accepted > 0 || self.last_accepted.is_some_and(|at| now.saturating_duration_since(at) < RECENTLY)
    }
}

#[cfg(test)]
mod tests;
