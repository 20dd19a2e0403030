//! Stores for unit tests: servers on a loopback port, and buckets that are connected to them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::bucket::Bucket;
use super::connect::{StoreOptions, connect_with};
use super::environment::Environment;
use crate::storage::location::{BucketUrl, Service};

/// What no message may contain: values of variables, and what a server makes of them.
pub(super) const SECRETS: [&str; 4] = ["id-of-a-key", "a/secret+key", "a-session-token", "c2VjcmV0LWtleQ=="];

pub(super) fn options() -> StoreOptions {
    StoreOptions {
        user_agent: "yescale-dl/test".to_owned(),
        connect_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(30),
        ca_cert: None,
        retry_delay: Duration::from_millis(1),
    }
}

pub(super) fn bucket_url(service: Service) -> BucketUrl {
    BucketUrl { service, bucket: "b".to_owned(), prefix: "p".to_owned() }
}

pub(super) fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
}

/// A bucket of each service at `endpoint`.
pub(super) fn bucket_at(endpoint: &str, service: Service) -> Bucket {
    // `GOOGLE_SKIP_SIGNATURE` would still ask the metadata service before a write.
    let account = r#"{"disable_oauth":true,"private_key":"","private_key_id":"","client_email":""}"#;
    let pairs = match service {
        Service::S3 => &[
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", SECRETS[0]),
            ("AWS_SECRET_ACCESS_KEY", SECRETS[1]),
            ("AWS_SESSION_TOKEN", SECRETS[2]),
        ][..],
        Service::Gcs => &[("GOOGLE_BASE_URL", endpoint), ("GOOGLE_SERVICE_ACCOUNT_KEY", account)],
        Service::Azure => &[
            ("AZURE_STORAGE_ENDPOINT", endpoint),
            ("AZURE_ALLOW_HTTP", "true"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ACCOUNT_KEY", SECRETS[3]),
        ],
    };
    connect_with(&bucket_url(service), &options(), &environment(pairs)).unwrap()
}

/// A server that answers each request by `respond`.
pub(super) async fn serve(respond: impl Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}

/// An error as S3 writes it, with what it may repeat of the request.
pub(super) fn s3_error(status: u16, code: &str) -> ResponseTemplate {
    let [id, _, token, _] = SECRETS;
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It is so</Message><AWSAccessKeyId>{id}</AWSAccessKeyId>\
         <Token-0>{token}</Token-0><CanonicalRequest>x-amz-security-token:{token}</CanonicalRequest></Error>"
    );
    ResponseTemplate::new(status).set_body_string(body)
}

/// An S3 with room for one object. Its faults come first, one per write.
#[derive(Clone, Default)]
pub(super) struct OneObject {
    pub ignores_conditions: bool,
    pub state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub object: Option<Vec<u8>>,
    pub faults: Vec<Fault>,
    pub writes: usize,
}

/// What happens to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is done, and the answer is an error.
    Lost,
    /// 409 for a conflict with another write. Nothing is done.
    Conflict,
    /// Another worker writes these bytes first.
    Race(&'static [u8]),
}

impl OneObject {
    pub(super) fn with(object: Option<&[u8]>, faults: &[Fault]) -> Self {
        let state = State { object: object.map(<[u8]>::to_vec), faults: faults.to_vec(), writes: 0 };
        Self { ignores_conditions: false, state: Arc::new(Mutex::new(state)) }
    }

    fn put(&self, state: &mut State, request: &Request) -> ResponseTemplate {
        state.writes += 1;
        let fault = (!state.faults.is_empty()).then(|| state.faults.remove(0));
        match fault {
            Some(Fault::Conflict) => return s3_error(409, "ConditionalRequestConflict"),
            Some(Fault::Race(bytes)) => state.object = Some(bytes.to_vec()),
            Some(Fault::Lost) | None => {}
        }
        let is_create = request.headers.contains_key("if-none-match");
        let is_refused = if is_create { state.object.is_some() } else { request.headers.contains_key("if-match") };
        if is_refused && !self.ignores_conditions {
            return s3_error(412, "PreconditionFailed");
        }
        state.object = Some(request.body.clone());
        if fault == Some(Fault::Lost) { s3_error(400, "RequestTimeout") } else { tagged(200) }
    }
}

impl Respond for OneObject {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap();
        match (request.method.as_str(), &state.object) {
            ("PUT", _) => self.put(&mut state, request),
            (_, Some(object)) => tagged(200).set_body_bytes(object.clone()),
            (_, None) => s3_error(404, "NoSuchKey"),
        }
    }
}

fn tagged(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("etag", "\"e\"").insert_header("last-modified", "Mon, 30 Nov 2026 10:00:00 GMT")
}
