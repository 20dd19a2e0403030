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

/// A slot of the run, or one in addition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlotKind {
    Regular,
    Extra,
}

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
    regular_slots: usize,
    extra_slots: usize,
    downloads: VecDeque<Waiter>,
    requests: VecDeque<Waiter>,
}

impl HostLoad {
    fn slots(&self) -> usize {
        self.regular_slots + self.extra_slots
    }

    fn slots_mut(&mut self, kind: SlotKind) -> &mut usize {
        match kind {
            SlotKind::Regular => &mut self.regular_slots,
            SlotKind::Extra => &mut self.extra_slots,
        }
    }

    fn queue(&mut self, need: Need) -> &mut VecDeque<Waiter> {
        match need {
            Need::Connection => &mut self.requests,
            Need::SlotAndConnection => &mut self.downloads,
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
    /// The hosts with waiting requests.
    waiting: BTreeSet<usize>,
}

impl Admissions {
    pub(super) fn new(slots: usize) -> Self {
        Self { slots, regular_slots: 0, extra_slots: 0, arrivals: 0, hosts: Vec::new(), waiting: BTreeSet::new() }
    }

    /// Adds a host and returns its number.
    pub(super) fn add_host(&mut self, window: Window) -> usize {
        self.hosts.push(HostLoad {
            window,
            load: Load::default(),
            regular_slots: 0,
            extra_slots: 0,
            downloads: VecDeque::new(),
            requests: VecDeque::new(),
        });
        self.hosts.len() - 1
    }

    pub(super) fn host(&mut self, number: usize) -> &mut HostLoad {
        &mut self.hosts[number]
    }

    /// What `host` needs, at once: only if nobody waits for the same.
    pub(super) fn try_grant(&mut self, host: &Arc<HostState>, need: Need, now: Instant) -> Option<Grant> {
        let is_open = {
            let state = &self.hosts[host.number];
            state.downloads.is_empty() && state.requests.is_empty() && state.window.is_open(state.load, now)
        };
        match need {
            _ if !is_open => None,
            Need::Connection => Some(self.grant(host, None, now)),
            // Another host may wait for the slot.
            Need::SlotAndConnection if !self.waiting.is_empty() => None,
            Need::SlotAndConnection => {
                let kind = self.free_slot(host.number)?;
                Some(self.grant(host, Some(kind), now))
            }
        }
    }

    /// Adds a request to the queue of its host.
    pub(super) fn enqueue(&mut self, host: &Arc<HostState>, need: Need) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        self.arrivals += 1;
        let waiter = Waiter { host: Arc::clone(host), arrival: self.arrivals, reply };
        self.hosts[host.number].queue(need).push_back(waiter);
        self.waiting.insert(host.number);
        receiver
    }

    /// Gives away what is free. Returns the grants whose requests were cancelled: the caller drops them without the lock.
    pub(super) fn grant_free(&mut self, now: Instant) -> Vec<Grant> {
        self.refuse_given_up(now);
        let mut cancelled = Vec::new();
        while let Some((number, need, kind)) = self.next(now) {
            let Some(waiter) = self.hosts[number].queue(need).pop_front() else { break };
            let grant = self.grant(&waiter.host, kind, now);
            if let Err(Ok(grant)) = waiter.reply.send(Ok(grant)) {
                cancelled.push(grant);
            }
        }
        cancelled
    }

    pub(super) fn release_slot(&mut self, number: usize, kind: SlotKind) {
        match kind {
            SlotKind::Regular => self.regular_slots -= 1,
            SlotKind::Extra => self.extra_slots -= 1,
        }
        *self.hosts[number].slots_mut(kind) -= 1;
    }

    /// Tells the waiting requests of a host that is given up that it refuses them.
    fn refuse_given_up(&mut self, now: Instant) {
        for number in &self.waiting {
            let host = &mut self.hosts[*number];
            let Some(refusal) = host.window.given_up(host.load, now) else { continue };
            for waiter in host.downloads.drain(..).chain(host.requests.drain(..)) {
                // A cancelled request needs no reply.
                let _ = waiter.reply.send(Err(refusal));
            }
        }
    }

    /// The request that is served next, if what it needs is free.
    fn next(&mut self, now: Instant) -> Option<(usize, Need, Option<SlotKind>)> {
        let hosts = &mut self.hosts;
        self.waiting.retain(|number| {
            let host = &mut hosts[*number];
            for queue in [&mut host.downloads, &mut host.requests] {
                while queue.front().is_some_and(|waiter| waiter.reply.is_closed()) {
                    queue.pop_front();
                }
            }
            !(host.downloads.is_empty() && host.requests.is_empty())
        });
        let open = self.waiting.iter().filter_map(|number| {
            let host = &self.hosts[*number];
            if !host.window.is_open(host.load, now) {
                return None;
            }
            let request = host.requests.front().map(|waiter| (waiter.arrival, Need::Connection, None));
            let slot = self.free_slot(*number);
            let download = host.downloads.front().filter(|_| slot.is_some());
            let download = download.map(|waiter| (waiter.arrival, Need::SlotAndConnection, slot));
            let (arrival, need, kind) = request.into_iter().chain(download).min_by_key(|(arrival, ..)| *arrival)?;
            Some(((host.slots(), arrival), (*number, need, kind)))
        });
        open.min_by_key(|(rank, _)| *rank).map(|(_, next)| next)
    }

    /// The kind of slot that a host may take now.
    fn free_slot(&self, number: usize) -> Option<SlotKind> {
        if self.regular_slots < self.slots {
            Some(SlotKind::Regular)
        } else if self.hosts[number].regular_slots == 0 && self.extra_slots < self.slots / 2 {
            Some(SlotKind::Extra)
        } else {
            None
        }
    }

    fn grant(&mut self, host: &Arc<HostState>, kind: Option<SlotKind>, now: Instant) -> Grant {
        let state = &mut self.hosts[host.number];
        state.load.in_flight += 1;
        let slot = kind.map(|kind| {
            *state.slots_mut(kind) += 1;
            match kind {
                SlotKind::Regular => self.regular_slots += 1,
                SlotKind::Extra => self.extra_slots += 1,
            }
            Slot { host: Arc::clone(host), kind }
        });
        let round = state.window.round();
        Grant { connection: Connection { host: Arc::clone(host), round, granted: now, is_accepted: false }, slot }
    }
}
