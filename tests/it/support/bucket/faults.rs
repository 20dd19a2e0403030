//! Faults of the bucket server, and the rules that say which requests meet them.

use super::http::{Operation, Request};
use crate::support::Gate;

/// What happens to a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// It is done, and the connection is closed without an answer.
    Lost,
    /// Nothing is done, and the connection is closed.
    Drop,
    /// Nothing is done, and the answer is this status with this code: 503 `SlowDown`, 409 `ConditionalRequestConflict`.
    Error(u16, &'static str),
    /// It is done, and the answer is an error all the same.
    ErrorAfter(u16, &'static str),
    /// It is done, and this many bytes of the answer's body are sent before the connection is closed.
    Cut(usize),
    /// `arrived` opens, and it is done when `until` opens.
    Hold { arrived: Gate, until: Gate },
    /// It is done, `done` opens, and it is answered when `until` opens.
    HoldReply { done: Gate, until: Gate },
}

/// Which requests meet a fault, and how often.
pub(crate) struct Rule {
    operation: Option<Operation>,
    key_part: String,
    fault: Fault,
    skipped: usize,
    remaining: usize,
    random: Option<(fastrand::Rng, f64)>,
}

impl Rule {
    /// Requests of `operation` whose key contains `key_part`. Those about the bucket have an empty key.
    pub(crate) fn new(operation: Operation, key_part: &str, fault: Fault) -> Self {
        Self { operation: Some(operation), ..Self::any(key_part, fault) }
    }

    /// Requests of any operation.
    pub(crate) fn any(key_part: &str, fault: Fault) -> Self {
        Self { operation: None, key_part: key_part.to_owned(), fault, skipped: 0, remaining: usize::MAX, random: None }
    }

    /// Only the first `count` of them.
    pub(crate) fn times(self, count: usize) -> Self {
        Self { remaining: count, ..self }
    }

    /// All but the first `count` of them.
    pub(crate) fn after(self, count: usize) -> Self {
        Self { skipped: count, ..self }
    }

    /// Each with this probability.
    pub(crate) fn at_random(self, seed: u64, probability: f64) -> Self {
        Self { random: Some((fastrand::Rng::with_seed(seed), probability)), ..self }
    }

    fn applies(&mut self, request: &Request) -> bool {
        let is_meant = self.operation.is_none_or(|operation| operation == request.operation);
        if !is_meant || !request.key.contains(&self.key_part) {
            return false;
        }
        if self.random.as_mut().is_some_and(|(rng, probability)| rng.f64() >= *probability) {
            return false;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        self.remaining.checked_sub(1).inspect(|&left| self.remaining = left).is_some()
    }
}

#[derive(Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn fault_for(&mut self, request: &Request) -> Option<Fault> {
        self.0.iter_mut().find_map(|rule| rule.applies(request).then(|| rule.fault.clone()))
    }
}
