//! Asking the gateway about a task, until it says something.
//!
//! Passing faults are asked again within the budget; everything else is an answer. A refused key is
//! told apart, because it ends the asking of the whole run. Bodies are read up to 64 MiB: results
//! may come inside as `data:` URIs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::oneshot;

use super::answer::{Verdict, judge};
use super::base::BaseUrl;
use crate::event::{Emitter, Event};
use crate::http::retry::{Attempts, Policy, retry_after};
use crate::http::{self, Ask, Body, Hosts, Throttle, is_busy, ranged};
use crate::secret::ApiKey;
use crate::task::{Task, TaskId};
use crate::threads;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;
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
        Ok(Self { client, base, authorization, key, policy, hosts: Hosts::new(MOST_AT_ONCE, policy), throttle, emitter })
    }

    /// What the gateway knows about a task.
    ///
    /// # Errors
    /// When there is no such task, the key is refused, or nothing can be made of the answers.
    pub async fn task(&self, id: &TaskId) -> Result<Task, Error> {
        let url = self.base.task(id).ok_or_else(|| Error::Failed("no URL can carry this id".to_owned()))?;
        let mut attempts = Attempts::new(self.policy);
        loop {
            let (fault, delay) = match self.ask(&url).await {
                Ok((Verdict::Task(task), _)) => return Ok(*task),
                Ok((Verdict::NotFound, _)) => return Err(Error::NotFound),
                Ok((Verdict::Refused(words), _)) => return Err(Error::Refused(words)),
                Ok((Verdict::Error(words), _)) => return Err(Error::Failed(words)),
                Ok((Verdict::Passing(words), asked)) => (words, attempts.next(asked)),
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

    /// Asks until the host is not busy any more, or that is not worth waiting for.
    async fn ask(&self, url: &Url) -> Result<(Verdict, Option<Duration>), http::Error> {
        let host = self.hosts.of(url);
        loop {
            let permit = host.permit().await;
            let (status, asked, body) = self.exchange(url).await?;
            drop(permit);
            let verdict = self.judged(status, body).await;
            // Under whatever status, an answer is an answer.
            let is_busy = matches!(verdict, Verdict::Passing(_)) && is_busy(status, asked.is_some());
            if !is_busy {
                host.answered();
            }
            if !is_busy || !host.is_worth_waiting_for(asked) {
                return Ok((verdict, asked));
            }
        }
    }

    /// Reading a long answer takes a while, in which others have something to do. (On a thread for blocking work, the end of
    /// the run would wait for it.)
    async fn judged(&self, status: StatusCode, body: Vec<u8>) -> Verdict {
        if body.len() < LONG_ANSWER {
            return judge(status, body, &self.key);
        }
        let (key, (telling, told)) = (self.key.clone(), oneshot::channel());
        threads::compute_beside(move || {
            // Nobody may be waiting any more.
            let _ = catch_unwind(AssertUnwindSafe(|| judge(status, body, &key))).map(|verdict| telling.send(verdict));
        });
        told.await.unwrap_or_else(|_| Verdict::Error("reading the API's answer broke down: a fault of this program".to_owned()))
    }

    async fn exchange(&self, url: &Url) -> Result<(StatusCode, Option<Duration>, Vec<u8>), http::Error> {
        let response = self.send(url, None).await?;
        http::check_proxy(&response)?;
        let (status, asked) = (response.status(), retry_after(response.headers()));
        Ok((status, asked, read(response).await?))
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

async fn read(mut response: Response) -> Result<Vec<u8>, http::Error> {
    let promised = response.content_length().unwrap_or(0);
    let too_long = || http::Error::Final(format!("its answer is longer than {} MiB", LONGEST_ANSWER >> 20));
    if promised > LONGEST_ANSWER as u64 {
        return Err(too_long());
    }
    let mut body = Vec::with_capacity(usize::try_from(promised).unwrap_or(0));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
