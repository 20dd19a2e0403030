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

use super::base::BaseUrl;
use super::classify::{ResponseClass, classify};
use super::memory_budget::{MemoryBudget, MemoryPermit};
use super::response::{GatewayResponse as AnswerBody, ReceiveOutcome, receive};
use crate::domain::event::{Emitter, Event};
use crate::domain::task::{Task, TaskId};
use crate::http::retry::{RetryPolicy, RetryState};
use crate::http::{self, Body, HostLimiter, RangeRequest, Throttle, is_busy_status, with_range_headers};
use crate::redact::ApiKey;
use crate::threads;

/// Bytes of an answer that take milliseconds to read.
const LARGE_RESPONSE: usize = 1 << 20;
/// Questions at once.
const MAX_CONCURRENT_REQUESTS: usize = 32;

/// The gateway, as one key sees it.
pub struct Gateway {
    client: Client,
    base: BaseUrl,
    authorization: HeaderValue,
    key: ApiKey,
    policy: RetryPolicy,
    hosts: HostLimiter,
    throttle: Option<Arc<Throttle>>,
    emitter: Emitter,
    budgets: MemoryBudgets,
}

/// The budgets for the memory of answers. One that is asked for while another is kept has one of its own: who holds room
/// of the first never waits for more of it.
struct MemoryBudgets {
    task: MemoryBudget,
    fresh_links: MemoryBudget,
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
pub struct TaskResponse {
    /// What the gateway knows.
    pub task: Task,
    /// To be kept as long as anything of the task is.
    pub memory_permit: MemoryPermit,
}

/// Why there is no task.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gateway knows no such task.
    #[error("the gateway knows no such task")]
    NotFound,
    /// The key was refused, in the gateway's own words; no other task will fare better.
    #[error("the gateway refuses the API key ({0})")]
    KeyRejected(String),
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
        policy: RetryPolicy,
        throttle: Option<Arc<Throttle>>,
        emitter: Emitter,
    ) -> Result<Self, Error> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| Error::Failed("the API key can't stand in a header".to_owned()))?;
        authorization.set_sensitive(true);
        let budgets = MemoryBudgets { task: MemoryBudget::new(), fresh_links: MemoryBudget::new() };
        Ok(Self {
            client,
            base,
            authorization,
            key,
            policy,
            hosts: HostLimiter::new(MAX_CONCURRENT_REQUESTS, policy),
            throttle,
            emitter,
            budgets,
        })
    }

    /// What the gateway knows about a task.
    ///
    /// # Errors
    /// When there is no such task, the key is refused, or nothing can be made of the answers.
    pub async fn get_task(&self, id: &TaskId, purpose: Purpose) -> Result<TaskResponse, Error> {
        let url = self.base.task_url(id).ok_or_else(|| Error::Failed("no URL can carry this id".to_owned()))?;
        let budget = match purpose {
            Purpose::Task => &self.budgets.task,
            Purpose::FreshLinks => &self.budgets.fresh_links,
        };
        let mut attempts = RetryState::new(self.policy);
        loop {
            let (fault, delay) = match self.request_task(&url, budget).await {
                Ok((ResponseClass::Task(task), _, room)) => return Ok(TaskResponse { task: *task, memory_permit: room }),
                Ok((ResponseClass::NotFound, ..)) => return Err(Error::NotFound),
                Ok((ResponseClass::KeyRejected(words), ..)) => return Err(Error::KeyRejected(words)),
                Ok((ResponseClass::Error(words), ..)) => return Err(Error::Failed(words)),
                Ok((ResponseClass::Transient(words), asked, _)) => (words, attempts.next_delay(asked)),
                Err(error) if error.is_transient() => (self.redacted_message(&error), attempts.next_delay(None)),
                Err(error) => (self.redacted_message(&error), None),
            };
            let Some(delay) = delay else { return Err(Error::Failed(format!("the API could not be asked: {fault}"))) };
            self.emitter.emit(Event::Detail(format!("{id}: {fault}; asking again")));
            tokio::time::sleep(delay).await;
        }
    }

    /// Asks for a media URL on the gateway's own origin, with the key; none for a URL elsewhere, which never gets it.
    pub async fn get_media(&self, url: &Url, ask: Option<&RangeRequest>) -> Option<Result<Body, http::Error>> {
        if url.origin() != self.base.as_url().origin() {
            return None;
        }
        let permit = self.hosts.host_for(url).acquire().await;
        let answer =
            self.send(url, ask).await.and_then(|response| Body::from_response(response, ask, permit, self.throttle.clone()));
        Some(answer.map(|body| body.redact_key(&self.key)))
    }

    /// Asks until the host is not busy any more, or that is not worth waiting for, and the answer has room.
    async fn request_task(
        &self,
        url: &Url,
        budget: &MemoryBudget,
    ) -> Result<(ResponseClass, Option<Duration>, MemoryPermit), http::Error> {
        let (host, mut room) = (self.hosts.host_for(url), MemoryPermit::default());
        loop {
            let permit = host.acquire().await;
            let response = self.send(url, None).await?;
            http::check_proxy_auth(&response)?;
            let received = receive(response, budget, &mut room).await?;
            drop(permit);
            let judged = match received {
                ReceiveOutcome::Complete(body) => self.classify_response(body, &mut room, budget).await,
                ReceiveOutcome::NeedsMemory(bytes) => Err(bytes),
            };
            let (verdict, status, asked) = match judged {
                Ok(judged) => judged,
                Err(bytes) => {
                    // What it has goes first, so that nobody waits for room while holding some.
                    drop(std::mem::take(&mut room));
                    room = budget.acquire(bytes).await;
                    continue;
                }
            };
            // Under whatever status, an answer is an answer.
            let is_busy = matches!(verdict, ResponseClass::Transient(_)) && is_busy_status(status, asked.is_some());
            if !is_busy {
                host.reset_backoff();
            }
            if !is_busy || !host.start_cooldown(asked) {
                return Ok((verdict, asked, room));
            }
            room = MemoryPermit::default();
        }
    }

    /// What a body says; how much room it needs, where it has too little.
    ///
    /// Reading a long answer takes a while, in which others have something to do. (On a thread for blocking work, the end of
    /// the run would wait for it.)
    async fn classify_response(
        &self,
        body: AnswerBody,
        room: &mut MemoryPermit,
        budget: &MemoryBudget,
    ) -> Result<(ResponseClass, StatusCode, Option<Duration>), usize> {
        let (status, asked, longest) = (body.status, body.retry_after, room.capacity());
        let read = move |body: AnswerBody, key: &ApiKey| -> Result<(usize, ResponseClass), usize> {
            Ok(match body.decode(longest)? {
                Ok(bytes) => (bytes.len(), classify(status, bytes, key)),
                Err(error) => (0, ResponseClass::Transient(error)),
            })
        };
        let (size, verdict) = if body.is_shorter_than(LARGE_RESPONSE) {
            read(body, &self.key)?
        } else {
            let (key, (telling, told)) = (self.key.clone(), oneshot::channel());
            threads::spawn_on_cpu_pool(move || {
                // Nobody may be waiting any more.
                let _ = catch_unwind(AssertUnwindSafe(|| read(body, &key))).map(|verdict| telling.send(verdict));
            });
            let broken = "reading the API's answer broke down: a fault of this program";
            told.await.unwrap_or_else(|_| Ok((0, ResponseClass::Error(broken.to_owned()))))?
        };
        let needed = match &verdict {
            ResponseClass::Task(task) => size.max(task.memory_size()),
            _ => 0,
        };
        if !budget.try_grow(room, needed) {
            return Err(needed);
        }
        budget.shrink(room, needed);
        Ok((verdict, status, asked))
    }

    async fn send(&self, url: &Url, ask: Option<&RangeRequest>) -> Result<Response, http::Error> {
        let request = self.client.get(url.clone()).header(AUTHORIZATION, self.authorization.clone());
        match with_range_headers(request, ask).send().await {
            Ok(response) => Ok(response),
            Err(error) => Err(http::Error::from_send_error(error).await),
        }
    }

    /// An error in words that can be shown: hosts may echo the key in what they say.
    pub(crate) fn redacted_message(&self, error: &impl std::fmt::Display) -> String {
        self.key.redact(&error.to_string()).into_owned()
    }
}
