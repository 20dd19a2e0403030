//! The client of the gateway: requests a task until there is an answer.
//!
//! Transient faults are retried within the budget; everything else is an answer. A refused key has its own error, because it
//! ends the requests of the whole run. Bodies are read up to 64 MiB, decoded, because an answer may contain whole files as
//! `data:` URIs. A body that is not small needs a [`MemoryPermit`] before memory is used for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use reqwest::Url;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::base::BaseUrl;
use super::classify::classify;
use super::error::{Error, FailedAttempt};
use super::keyed_client::{KeyedClient, KeyedReply};
use super::memory_budget::{MemoryBudget, MemoryPermit};
use super::pacer::Pacer;
use super::query::{Purpose, QueryFailure, RetryNotice, TaskResponse};
use super::response::{GatewayHead, GatewayResponse, ReceiveOutcome, receive};
use crate::domain::event::Emitter;
use crate::domain::task::{Task, TaskId};
use crate::http::retry::{NoRetry, RetryDriver, RetryPolicy};
use crate::http::{
    self, Body, HostLimiter, HostState, HttpClient, MediaClient, PolicyViolation, RangeRequest, Refusal, Route, Throttle,
    is_busy_status,
};
use crate::redact::ApiKey;
use crate::threads;

/// From this size on, in bytes, parsing takes milliseconds.
const LARGE_RESPONSE: usize = 1 << 20;
/// Requests to the gateway at once.
const MAX_CONCURRENT_REQUESTS: usize = 32;

/// The gateway, used with one key.
pub struct Gateway {
    client: KeyedClient,
    policy: RetryPolicy,
    hosts: HostLimiter,
    throttle: Option<Arc<Throttle>>,
    pacer: Option<Pacer>,
    emitter: Emitter,
    stop: CancellationToken,
    budgets: MemoryBudgets,
}

/// The memory budgets of answers. An answer that is requested while another is kept has its own budget: so a task that holds
/// memory of the first budget never waits for more of it.
struct MemoryBudgets {
    task: MemoryBudget,
    fresh_links: MemoryBudget,
}

/// What one response says, before anything is decided about another attempt.
struct ClassifiedResponse {
    result: Result<Box<Task>, Error>,
    head: GatewayHead,
}

/// A question about a task, for all of its attempts.
struct Question<'a> {
    id: &'a TaskId,
    url: Url,
    host: Arc<HostState>,
    budget: &'a MemoryBudget,
    ended: &'a CancellationToken,
}

impl Gateway {
    /// The gateway at `base`, used with `key`, which never leaves its origin.
    ///
    /// # Errors
    /// When no header can contain the key.
    pub fn new(
        client: HttpClient,
        base: BaseUrl,
        key: ApiKey,
        policy: RetryPolicy,
        emitter: Emitter,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let client = KeyedClient::new(client, base, key)?;
        let budgets = MemoryBudgets { task: MemoryBudget::new(), fresh_links: MemoryBudget::new() };
        let hosts = HostLimiter::new(MAX_CONCURRENT_REQUESTS, 0, policy);
        Ok(Self { client, policy, hosts, throttle: None, pacer: None, emitter, stop, budgets })
    }

    /// The same, with one warning before the first request: the key travels in clear to a public host.
    #[must_use]
    pub(crate) fn with_cleartext_warning(self) -> Self {
        let warning = format!("the API key is sent to {} without encryption; use an https base URL", self.base());
        Self { client: self.client.with_cleartext_warning(warning), ..self }
    }

    /// The same, with a rate limit for the media that it sends.
    #[must_use]
    pub fn with_throttle(self, throttle: Option<Arc<Throttle>>) -> Self {
        Self { throttle, ..self }
    }

    /// The same, with at most this many questions per second.
    #[must_use]
    pub fn with_rate(self, per_second: Option<f64>) -> Self {
        Self { pacer: per_second.map(Pacer::new), ..self }
    }

    /// Requests a task. `on_retry` gets each wait before another attempt. Once `ended` is cancelled, nothing is sent any more; the
    /// answer to what was sent before is still received.
    ///
    /// # Errors
    /// When there is no such task, the key is refused, or no attempt brought an answer.
    pub async fn get_task(
        &self,
        id: &TaskId,
        purpose: Purpose,
        on_retry: &(dyn Fn(&RetryNotice<'_>) + Sync),
        ended: &CancellationToken,
    ) -> Result<TaskResponse, QueryFailure> {
        let invalid = || QueryFailure { error: Error::InvalidId, since: Instant::now() };
        let url = self.base().task_url(id).ok_or_else(invalid)?;
        let budget = match purpose {
            Purpose::Task => &self.budgets.task,
            Purpose::FreshLinks => &self.budgets.fresh_links,
        };
        let host = self.hosts.host_for(&url);
        let mut retries = RetryDriver::new(id, Arc::clone(&host), self.policy, &self.emitter, &self.stop);
        let question = Question { id, url, host, budget, ended };
        let mut failing_since = None;
        loop {
            let is_retry = failing_since.is_some();
            let attempt = match self.request_task(&question, is_retry).await {
                Ok(response) => return Ok(response),
                Err(attempt) => attempt,
            };
            let since = *failing_since.get_or_insert_with(Instant::now);
            let note = |delay| on_retry(&RetryNotice { error: &attempt.error, since, delay });
            let error = match ended.run_until_cancelled(retries.wait_noting(&attempt.failure(), note)).await {
                Some(Ok(())) => continue,
                Some(Err(NoRetry::GivenUp)) => attempt.error,
                Some(Err(NoRetry::Stopped)) => Error::Interrupted,
                None => Error::QuestionsEnded,
            };
            return Err(QueryFailure { error, since });
        }
    }

    /// Requests a media URL on the gateway's own origin, with the key. None for any other URL: it never gets the key. A redirect
    /// to another origin is followed by `media`, without the key. The result is not reported to the host yet.
    ///
    /// The connection is that of `media`, so a long body takes no connection from the questions.
    pub(crate) async fn get_media(
        &self,
        url: &Url,
        range: Option<&RangeRequest>,
        media: &MediaClient,
        route: &mut Route,
    ) -> Option<Result<Body, http::Error>> {
        if !self.client.is_own_origin(url) {
            return None;
        }
        let body = match self.client.send(url, range, &self.emitter).await {
            Ok(KeyedReply::Response(response)) => Body::from_response(response, range, self.throttle.clone()),
            Ok(KeyedReply::OffOrigin(target, chain)) => media.request(&target, range, route, chain).await,
            Err(error) => Err(error),
        };
        Some(body.map(|body| body.redact_key(&self.client.key)))
    }

    /// Sends one request, and again when there was no memory for the answer.
    async fn request_task(&self, question: &Question<'_>, is_retry: bool) -> Result<TaskResponse, FailedAttempt> {
        let Question { id, url, host, budget, ended } = question;
        let mut memory_permit = MemoryPermit::default();
        loop {
            let connection = async { if is_retry { host.reconnect().await } else { host.connect().await } };
            let turn = async {
                match &self.pacer {
                    Some(pacer) => pacer.acquire(connection).await,
                    None => connection.await,
                }
            };
            let mut connection = ended.run_until_cancelled(turn).await.ok_or(Error::QuestionsEnded)??;
            let response = match self.client.send(url, None, &self.emitter).await {
                Ok(KeyedReply::Response(response)) => response,
                Ok(KeyedReply::OffOrigin(..)) => return Err(http::Error::from(PolicyViolation::OffOrigin).into()),
                Err(error) => {
                    connection.ended(&error);
                    return Err(error.into());
                }
            };
            let received = receive(response, budget, &mut memory_permit, &self.client.key).await?;
            let classified = match received {
                ReceiveOutcome::Complete(response) => self.classify_response(id, response, &mut memory_permit, budget).await,
                ReceiveOutcome::NeedsMemory(bytes) => Err(bytes),
            };
            let ClassifiedResponse { result, head } = match classified {
                Ok(classified) => classified,
                Err(bytes) => {
                    connection.accepted();
                    drop(connection);
                    // The permit goes first, so that no request waits for memory while it holds some.
                    drop(std::mem::take(&mut memory_permit));
                    memory_permit = budget.acquire(bytes).await;
                    continue;
                }
            };
            // An answer is an answer, under any status.
            let is_busy =
                result.as_ref().is_err_and(Error::is_transient) && is_busy_status(head.status, head.retry_after.is_some());
            if is_busy {
                connection.refused(Refusal { status: head.status, retry_after: head.retry_after });
            } else {
                connection.accepted();
            }
            let failed = |error| FailedAttempt { error, is_busy, is_connection_fault: false, retry_after: head.retry_after };
            return result.map(|task| TaskResponse { task: *task, time: head.time, memory_permit }).map_err(failed);
        }
    }

    /// Parses a response. The error is the memory that it needs, where its permit has less.
    ///
    /// A large response is parsed on the pool for computing, because that takes a while. (On a thread for blocking work, the end
    /// of the run would wait for it.)
    async fn classify_response(
        &self,
        id: &TaskId,
        response: GatewayResponse,
        memory_permit: &mut MemoryPermit,
        budget: &MemoryBudget,
    ) -> Result<ClassifiedResponse, usize> {
        let (head, capacity) = (response.head, memory_permit.capacity());
        let parse =
            move |response: GatewayResponse, id: &TaskId, key: &ApiKey| -> Result<(usize, Result<Box<Task>, Error>), usize> {
                Ok(match response.decode(capacity)? {
                    Ok(bytes) => (bytes.len(), classify(head.status, bytes, id, key)),
                    Err(error) => (0, Err(error)),
                })
            };
        let (size, result) = if response.is_shorter_than(LARGE_RESPONSE) {
            parse(response, id, &self.client.key)?
        } else {
            let (id, key, (sender, receiver)) = (id.clone(), self.client.key.clone(), oneshot::channel());
            threads::spawn_on_cpu_pool(move || {
                // A closed receiver is not an error.
                let _ = catch_unwind(AssertUnwindSafe(|| parse(response, &id, &key))).map(|parsed| sender.send(parsed));
            });
            let panicked = || Error::BadAnswer("can't be parsed: internal error; please report it".to_owned());
            receiver.await.unwrap_or_else(|_| Ok((0, Err(panicked()))))?
        };
        let needed = result.as_ref().map_or(0, |task| size.max(task.memory_size()));
        if !budget.try_grow(memory_permit, needed) {
            return Err(needed);
        }
        budget.shrink(memory_permit, needed);
        Ok(ClassifiedResponse { result, head })
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        self.client.base()
    }

    /// The text of an error without the key, which a host may echo.
    pub(crate) fn redacted_message(&self, error: &impl std::fmt::Display) -> String {
        self.client.key.redact(&error.to_string()).into_owned()
    }
}
