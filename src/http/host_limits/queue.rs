//! Who gets the next slot and the next connection: fair shares between hosts. No I/O.
//!
//! A download needs a slot of the run (`--jobs`) and a connection to its host. It gets both together, so a download that waits
//! for its host holds nothing that others could use. Further requests of the same download need a connection only. The host
//! with the fewest slots is served first, and each host in order of arrival. A host without any of the run's slots may use half
//! as many in addition, so hosts that keep all slots busy, however slow they are, can't hold up another host.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::window::{Load, Refusal, Window};
use super::{Connection, Grant, HostState, Slot};

/// What a waiting request needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    Connection,
    SlotAndConnection,
}

/// The answer to a waiting request: a host that is given up refuses it.
pub(super) type Reply = Result<Grant, Refusal>;

struct Waiter {
    host: Arc<HostState>,
    arrival: u64,
    reply: oneshot::Sender<Reply>,
}

/// One host.
pub(super) struct HostLoad {
    pub window: Window,
    pub load: Load,
    /// Whether something will serve the queue when the cooldown ends.
    pub has_timer: bool,
    slots: usize,
    /// How many of the slots are in addition to those of the run.
    extra_slots: usize,
    downloads: VecDeque<Waiter>,
    requests: VecDeque<Waiter>,
    /// Its key among the hosts with waiting downloads.
    rank: Option<Rank>,
}

/// The order of hosts with waiting downloads: fewest slots first, then the first to arrive.
type Rank = (usize, u64, usize);

impl HostLoad {
    fn regular_slots(&self) -> usize {
        self.slots - self.extra_slots
    }

    /// Drops the requests at the front that were cancelled.
    fn drop_cancelled(&mut self) {
        for queue in [&mut self.downloads, &mut self.requests] {
            while queue.front().is_some_and(|waiter| waiter.reply.is_closed()) {
                queue.pop_front();
            }
        }
    }
}

/// All hosts of a run, by their number.
pub(super) struct Admissions {
    slots: usize,
    regular_slots: usize,
    extra_slots: usize,
    arrivals: u64,
    hosts: Vec<HostLoad>,
    waiting: BTreeSet<Rank>,
    /// The hosts with extra slots.
    borrowers: BTreeSet<usize>,
}

impl Admissions {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            regular_slots: 0,
            extra_slots: 0,
            arrivals: 0,
            hosts: Vec::new(),
            waiting: BTreeSet::new(),
            borrowers: BTreeSet::new(),
        }
    }

    /// Adds a host and returns its number.
    pub(super) fn add_host(&mut self, window: Window) -> usize {
        self.hosts.push(HostLoad {
            window,
            load: Load::default(),
            has_timer: false,
            slots: 0,
            extra_slots: 0,
            downloads: VecDeque::new(),
            requests: VecDeque::new(),
            rank: None,
        });
        self.hosts.len() - 1
    }

    pub(super) fn host(&mut self, number: usize) -> &mut HostLoad {
        &mut self.hosts[number]
    }

    /// What `host` needs, at once: only if no request to it waits.
    pub(super) fn try_grant(&mut self, host: &Arc<HostState>, need: Need, now: Instant) -> Option<Grant> {
        let state = &self.hosts[host.number];
        let is_open = state.downloads.is_empty() && state.requests.is_empty() && state.window.is_open(state.load, now);
        (is_open && (need == Need::Connection || self.has_slot(host.number))).then(|| self.grant(host, need, now))
    }

    /// Adds a request to the queue of its host.
    pub(super) fn enqueue(&mut self, host: &Arc<HostState>, need: Need, is_retry: bool) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        self.arrivals += 1;
        let waiter = Waiter { host: Arc::clone(host), arrival: self.arrivals, reply };
        let state = &mut self.hosts[host.number];
        match need {
            Need::Connection if is_retry => state.requests.push_front(waiter),
            Need::Connection => state.requests.push_back(waiter),
            Need::SlotAndConnection => state.downloads.push_back(waiter),
        }
        self.rank(host.number);
        receiver
    }

    /// Serves the queue of one host. Returns the grants whose requests were cancelled: the caller drops them without the lock.
    pub(super) fn serve(&mut self, number: usize, now: Instant) -> Vec<Grant> {
        let mut cancelled = Vec::new();
        self.refuse_given_up(number, now);
        while self.serve_one(number, now, &mut cancelled) {}
        self.rank(number);
        cancelled
    }

    /// As [`Self::serve`], for all hosts: the one with the fewest slots first.
    pub(super) fn serve_all(&mut self, now: Instant) -> Vec<Grant> {
        let mut cancelled = Vec::new();
        while self.regular_slots < self.slots || self.extra_slots < self.slots / 2 {
            let is_ready = |(_, _, number): &&Rank| {
                let host = &self.hosts[*number];
                host.window.is_open(host.load, now) && self.has_slot(*number)
            };
            let Some((_, _, number)) = self.waiting.iter().find(is_ready).copied() else { break };
            let is_served = self.serve_one(number, now, &mut cancelled);
            self.rank(number);
            if !is_served && self.hosts[number].rank.is_some() {
                break;
            }
        }
        cancelled
    }

    /// Takes back a slot of a host. A slot that another host has in addition then becomes one of the run.
    pub(super) fn release_slot(&mut self, number: usize) {
        self.hosts[number].slots -= 1;
        let borrower = if self.hosts[number].extra_slots > 0 { Some(number) } else { self.borrowers.first().copied() };
        match borrower {
            Some(borrower) => self.end_extra_slot(borrower),
            None => self.regular_slots -= 1,
        }
        self.rank(number);
    }

    fn end_extra_slot(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        host.extra_slots -= 1;
        if host.extra_slots == 0 {
            self.borrowers.remove(&number);
        }
        self.extra_slots -= 1;
    }

    /// Tells the waiting requests of a host that is given up that it refuses them.
    fn refuse_given_up(&mut self, number: usize, now: Instant) {
        let host = &mut self.hosts[number];
        let Some(refusal) = host.window.given_up(host.load, now) else { return };
        for waiter in host.downloads.drain(..).chain(host.requests.drain(..)) {
            // A cancelled request needs no reply.
            let _ = waiter.reply.send(Err(refusal));
        }
    }

    /// Serves the request of a host that came first, if what it needs is free.
    fn serve_one(&mut self, number: usize, now: Instant, cancelled: &mut Vec<Grant>) -> bool {
        let has_slot = self.has_slot(number);
        let host = &mut self.hosts[number];
        host.drop_cancelled();
        if !host.window.is_open(host.load, now) {
            return false;
        }
        let arrival = |queue: &VecDeque<Waiter>| queue.front().map_or(u64::MAX, |waiter| waiter.arrival);
        let is_download = has_slot && arrival(&host.downloads) < arrival(&host.requests);
        let (queue, need) = match is_download {
            true => (&mut host.downloads, Need::SlotAndConnection),
            false => (&mut host.requests, Need::Connection),
        };
        let Some(waiter) = queue.pop_front() else { return false };
        let grant = self.grant(&waiter.host, need, now);
        if let Err(Ok(grant)) = waiter.reply.send(Ok(grant)) {
            cancelled.push(grant);
        }
        true
    }

    /// Whether a host may take a slot now: one of the run, or one in addition.
    fn has_slot(&self, number: usize) -> bool {
        self.regular_slots < self.slots || (self.hosts[number].regular_slots() == 0 && self.extra_slots < self.slots / 2)
    }

    fn grant(&mut self, host: &Arc<HostState>, need: Need, now: Instant) -> Grant {
        let state = &mut self.hosts[host.number];
        state.load.in_flight += 1;
        let connection = Connection { host: Arc::clone(host), round: state.window.round(), granted: now, is_accepted: false };
        if need == Need::Connection {
            return Grant { connection, slot: None };
        }
        state.slots += 1;
        if self.regular_slots < self.slots {
            self.regular_slots += 1;
        } else {
            state.extra_slots += 1;
            self.extra_slots += 1;
            self.borrowers.insert(host.number);
        }
        Grant { connection, slot: Some(Slot(Arc::clone(host))) }
    }

    /// Puts a host in its place among those with waiting downloads.
    fn rank(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let rank = host.downloads.front().map(|waiter| (host.slots, waiter.arrival, number));
        if rank != host.rank {
            host.rank.take().map(|rank| self.waiting.remove(&rank));
            host.rank = rank;
            self.waiting.extend(rank);
        }
    }
}
