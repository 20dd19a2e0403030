//! Asking the gateway about a task, until it says something.
//!
//! Passing faults are asked again within the budget; everything else is an answer. A refused key is
//! told apart, because it ends the asking of the whole run. Bodies are read up to 64 MiB, decoded: results
//! may come inside as `data:` URIs. Before memory is taken for more than a small one, it gets its [`Room`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::oneshot;

use super::answer::{Verdict, judge};
use super::base::BaseUrl;
use super::body::{Body as AnswerBody, Received, receive};
use super::budget::{Budget, Room};
use crate::event::{Emitter, Event};
use crate::http::retry::{Attempts, Policy};
use crate::http::{self, Ask, Body, Hosts, Throttle, is_busy, ranged};
use crate::secret::ApiKey;
use crate::task::{Task, TaskId};
use crate::threads;

/// Bytes of an answer that take milliseconds to read.
const LONG_ANSWER: usize = 1 << 20;
/// Questions at once.
const MOST_AT_ONCE: usize = 32;

/// The gateway, as one key sees it.
pub struct Gateway {
    client: Client,
    base: BaseUrl,
    authorization: HeaderValue,
    key: ApiKey,
    policy: Policy,
    hosts: Hosts,
    throttle: Option<Arc<Throttle>>,
    emitter: Emitter,
    budgets: Budgets,
}

/// The budgets for the memory of answers. One that is asked for while another is kept has one of its own: who holds room
/// of the first never waits for more of it.
struct Budgets {
    task: Budget,
    fresh_links: Budget,
}

/// What a question is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To archive the task.
    Task,
    /// To get new links, while the first answer is kept.
    FreshLinks,
}

/// A task, and the room that its memory has.
#[derive(Debug)]
pub struct Answered {
    /// What the gateway knows.
    pub task: Task,
    /// To be kept as long as anything of the task is.
    pub room: Room,
}

/// Why there is no task.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gateway knows no such task.
    #[error("the gateway knows no such task")]
    NotFound,
    /// The key was refused, in the gateway's own words; no other task will fare better.
    #[error("the gateway refuses the API key ({0})")]
    Refused(String),
    /// Anything else, of this task alone, in words for people.
    #[error("{0}")]
    Failed(String),
}

impl Gateway {
    /// The gateway at `base`, asked with `key` over a client that never leaves its origin.
    ///
    /// # Errors
    /// When no header can carry the key.
    pub fn new(
        client: Client,
        base: BaseUrl,
        key: ApiKey,
        policy: Policy,
        throttle: Option<Arc<Throttle>>,
        emitter: Emitter,
    ) -> Result<Self, Error> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| Error::Failed("the API key can't stand in a header".to_owned()))?;
        authorization.set_sensitive(true);
        let budgets = Budgets { task: Budget::new(), fresh_links: Budget::new() };
        Ok(Self { client, base, authorization, key, policy, hosts: Hosts::new(MOST_AT_ONCE, policy), throttle, emitter, budgets })
    }

    /// What the gateway knows about a task.
    ///
    /// # Errors
    /// When there is no such task, the key is refused, or nothing can be made of the answers.
    pub async fn task(&self, id: &TaskId, purpose: Purpose) -> Result<Answered, Error> {
        let url = self.base.task(id).ok_or_else(|| Error::Failed("no URL can carry this id".to_owned()))?;
        let budget = match purpose {
            Purpose::Task => &self.budgets.task,
            Purpose::FreshLinks => &self.budgets.fresh_links,
        };
        let mut attempts = Attempts::new(self.policy);
        loop {
            let (fault, delay) = match self.ask(&url, budget).await {
                Ok((Verdict::Task(task), _, room)) => return Ok(Answered { task: *task, room }),
                Ok((Verdict::NotFound, ..)) => return Err(Error::NotFound),
                Ok((Verdict::Refused(words), ..)) => return Err(Error::Refused(words)),
                Ok((Verdict::Error(words), ..)) => return Err(Error::Failed(words)),
                Ok((Verdict::Passing(words), asked, _)) => (words, attempts.next(asked)),
                Err(error) if error.is_passing() => (self.told(&error), attempts.next(None)),
                Err(error) => (self.told(&error), None),
            };
            let Some(delay) = delay else { return Err(Error::Failed(format!("the API could not be asked: {fault}"))) };
            self.emitter.emit(Event::Detail(format!("{id}: {fault}; asking again")));
            tokio::time::sleep(delay).await;
        }
    }

    /// Asks for a media URL on the gateway's own origin, with the key; none for a URL elsewhere, which never gets it.
    pub async fn media(&self, url: &Url, ask: Option<&Ask>) -> Option<Result<Body, http::Error>> {
        if url.origin() != self.base.as_url().origin() {
            return None;
        }
        let permit = self.hosts.of(url).permit().await;
        let answer = self.send(url, ask).await.and_then(|response| Body::of(response, ask, permit, self.throttle.clone()));
        Some(answer.map(|body| body.without(&self.key)))
    }

    /// Asks until the host is not busy any more, or that is not worth waiting for, and the answer has room.
    async fn ask(&self, url: &Url, budget: &Budget) -> Result<(Verdict, Option<Duration>, Room), http::Error> {
        let (host, mut room) = (self.hosts.of(url), Room::default());
        loop {
            let permit = host.permit().await;
            let response = self.send(url, None).await?;
            http::check_proxy(&response)?;
            let received = receive(response, budget, &mut room).await?;
            drop(permit);
            let judged = match received {
                Received::Body(body) => self.judged(body, &mut room, budget).await,
                Received::NeedsRoom(bytes) => Err(bytes),
            };
            let (verdict, status, asked) = match judged {
                Ok(judged) => judged,
                Err(bytes) => {
                    // What it has goes first, so that nobody waits for room while holding some.
                    drop(std::mem::take(&mut room));
                    room = budget.room(bytes).await;
                    continue;
                }
            };
            // Under whatever status, an answer is an answer.
            let is_busy = matches!(verdict, Verdict::Passing(_)) && is_busy(status, asked.is_some());
            if !is_busy {
                host.answered();
            }
            if !is_busy || !host.is_worth_waiting_for(asked) {
                return Ok((verdict, asked, room));
            }
            room = Room::default();
        }
    }

    /// What a body says; how much room it needs, where it has too little.
    ///
    /// Reading a long answer takes a while, in which others have something to do. (On a thread for blocking work, the end of
    /// the run would wait for it.)
    async fn judged(
        &self,
        body: AnswerBody,
        room: &mut Room,
        budget: &Budget,
    ) -> Result<(Verdict, StatusCode, Option<Duration>), usize> {
        let (status, asked, longest) = (body.status, body.asked, room.bytes());
        let read = move |body: AnswerBody, key: &ApiKey| -> Result<(usize, Verdict), usize> {
            Ok(match body.decoded(longest)? {
                Ok(bytes) => (bytes.len(), judge(status, bytes, key)),
                Err(error) => (0, Verdict::Passing(error)),
            })
        };
        let (size, verdict) = if body.is_shorter_than(LONG_ANSWER) {
            read(body, &self.key)?
        } else {
            let (key, (telling, told)) = (self.key.clone(), oneshot::channel());
            threads::compute_beside(move || {
                // Nobody may be waiting any more.
                let _ = catch_unwind(AssertUnwindSafe(|| read(body, &key))).map(|verdict| telling.send(verdict));
            });
            let broken = "reading the API's answer broke down: a fault of this program";
            told.await.unwrap_or_else(|_| Ok((0, Verdict::Error(broken.to_owned()))))?
        };
        let needed = match &verdict {
            Verdict::Task(task) => size.max(task.weight()),
            _ => 0,
        };
        if !budget.try_grow(room, needed) {
            return Err(needed);
        }
        budget.shrink(room, needed);
        Ok((verdict, status, asked))
    }

    async fn send(&self, url: &Url, ask: Option<&Ask>) -> Result<Response, http::Error> {
        let request = self.client.get(url.clone()).header(AUTHORIZATION, self.authorization.clone());
        match ranged(request, ask).send().await {
            Ok(response) => Ok(response),
            Err(error) => Err(http::Error::explained(error).await),
        }
    }

    /// An error in words that can be shown: hosts may echo the key in what they say.
    pub(crate) fn told(&self, error: &impl std::fmt::Display) -> String {
        self.key.scrub(&error.to_string()).into_owned()
    }
}
