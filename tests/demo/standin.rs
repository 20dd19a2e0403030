//! A stand-in for the gateway and the media hosts, in this process, on loopback ports chosen by the system. The demo
//! and the tests use it.
//!
//! It serves the sample tasks only. This module has the gateway half, `account_list` the account's list of the same tasks;
//! `media_host` has the other half, `samples` the data of all. wiremock serves each half from its own thread, so a server answers while its owner blocks, and stops
//! when it is dropped.
//!
//! Invariant: the gateway requires the API key, the account the access key, and the media host refuses both.
#![allow(dead_code, reason = "the demo and the tests share this file, and each uses a part of it")]

#[path = "account_list.rs"]
mod account_list;
#[path = "media_host.rs"]
mod media_host;
#[path = "samples.rs"]
mod samples;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use media_host::MediaHost;
use samples::Task;

const KEY: &str = "sk-demo";
const ACCESS_KEY: &str = "demo-access-key";

pub(crate) struct StandIn {
    gateway: MockServer,
    // Kept so that it continues to serve.
    _media: MockServer,
    media_host: Arc<MediaHost>,
    tasks: Arc<[Task]>,
}

impl StandIn {
    /// Serves every sample in `tasks_dir` with the files in `media_dir`.
    pub(crate) async fn start(media_dir: &Path, tasks_dir: &Path) -> Self {
        let (gateway, media) = (MockServer::start().await, MockServer::start().await);
        let tasks: Arc<[Task]> = samples::load(tasks_dir, media_dir, &media.uri()).into();
        let media_host = Arc::new(MediaHost::new(&tasks, media_dir, &media.uri()));

        let (samples, host) = (Arc::clone(&tasks), Arc::clone(&media_host));
        serve(&gateway, move |request| answer(&samples, request)).await;
        serve(&media, move |request| host.respond(request)).await;
        Self { gateway, _media: media, media_host, tasks }
    }

    /// Delays every response of the media host, so that progress is visible. Only the first call has an effect.
    pub(crate) fn with_delay(self, delay: Duration) -> Self {
        self.media_host.delay.get_or_init(|| delay);
        self
    }

    /// The value for `--base-url` and for `--account-url`.
    pub(crate) fn base_url(&self) -> String {
        self.gateway.uri()
    }

    #[expect(clippy::unused_self, reason = "the key belongs to this gateway, even if all of them have the same")]
    pub(crate) fn key(&self) -> &'static str {
        KEY
    }

    #[expect(clippy::unused_self, reason = "the key belongs to this account, even if all of them have the same")]
    pub(crate) fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.tasks.iter().map(|task| task.id().to_owned()).collect()
    }

    pub(crate) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// How many requests the media host has received so far.
    pub(crate) fn media_requests(&self) -> usize {
        self.media_host.requests()
    }

    /// The paths on the media host that were requested with an `Authorization`. If there are any, the key has leaked.
    pub(crate) fn leaks(&self) -> Vec<String> {
        self.media_host.leaks()
    }
}

async fn serve(server: &MockServer, respond: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) {
    Mock::given(any()).respond_with(respond).mount(server).await;
}

fn answer(tasks: &[Task], request: &Request) -> ResponseTemplate {
    let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_list = request.url.path() == "/yescale/task";
    if bearer != Some(if is_list { ACCESS_KEY } else { KEY }) {
        return refusal();
    }
    if is_list {
        return account_list::page(tasks, request);
    }
    let Some(segment) = request.url.path().strip_prefix("/task/") else {
        let message = format!("Invalid URL ({} {})", request.method, request.url.path());
        return error(404, &json!({"message": message, "type": "invalid_request_error", "param": "", "code": ""}));
    };
    let id = percent_decode_str(segment).decode_utf8_lossy();
    match tasks.iter().find(|task| task.id() == id) {
        Some(task) => ResponseTemplate::new(200).set_body_json(&task.answer),
        None => error(404, &json!("Task not found")),
    }
}

fn refusal() -> ResponseTemplate {
    let request_id = "20250727064850123456789DEMODEMO";
    let message = format!("Invalid token (request id: {request_id})");
    error(401, &json!({"code": "", "message": message, "type": "new_api_error"})).insert_header("x-oneapi-request-id", request_id)
}

fn error(status: u16, error: &serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "error": error }))
}
