//! The HTTP client of the stores: notices a server that is dead, and says which server failed.
//!
//! `object_store` can limit the time of a whole request, or of each read. The first refuses large files on slow lines. The
//! second counts the upload as waiting. So here:
//! - A request without a body may wait `stall_timeout` for each read, as a download from a media host.
//! - An upload has no limit of its own, because uploads share the line. It fails when no upload of this process was answered
//!   for as long as all bytes under way need at 1 Mbit/s, and a minute more. So a slow line is never taken for a dead server.
//! - The short answer to an upload is read within the same time.
//!
//! Three faults that `object_store` would repeat are final: 501, by which a server says that it does not know a header; a
//! certificate that is not trusted; and a metadata service that does not answer, because this machine is in no cloud.

mod uploads;

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};
use object_store::{ClientConfigKey, ClientOptions};

use super::answer::is_metadata_host;
use uploads::Uploads;

/// How often a metadata service is asked that does not answer.
const METADATA_ATTEMPTS: usize = 3;
/// The most that is read of the body of an error, and of an answer to an upload.
const MAX_SHORT_BODY: usize = 1 << 20;

/// How long a server may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Between two reads of a download.
    pub stall: Duration,
    /// After an upload, when all its bytes are there.
    pub upload_answer: Duration,
    /// After the end of an upload in parts, when the server joins them.
    pub join_answer: Duration,
    /// The slowest line that uploads pass.
    pub min_bytes_per_second: u64,
}

/// Makes the clients of one store.
#[derive(Clone, Debug)]
pub(super) struct SupervisedConnector {
    limits: Limits,
    /// Host and port of a metadata service that stands in for the one of the cloud.
    metadata_server: Option<String>,
}

/// Why a request got no answer, and from which server.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// Host and port.
    pub server: String,
    pub cause: NoAnswerCause,
}

/// What happened instead of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NoAnswerCause {
    /// The connection failed, in the words of the innermost cause.
    Connect(String),
    /// Nothing came in time.
    Timeout,
    /// The connection ended, or the answer is no HTTP.
    Broken(String),
    /// The service that gives credentials to a machine in a cloud is not there.
    NoMetadataService,
    /// 501: the server does not know what it was asked.
    NotImplemented,
}

impl NoAnswerCause {
    /// Whether the certificate of the server is not trusted. The type of the cause is private to the TLS library's users.
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self, Self::Connect(why) if why.contains("certificate"))
    }
}

impl Limits {
    /// 1 Mbit/s, and minutes for an answer. `stall` is the most time between two reads of a download.
    pub(super) fn new(stall: Duration) -> Self {
        let (upload_answer, join_answer) = (Duration::from_secs(60), Duration::from_secs(300));
        Self { stall, upload_answer, join_answer, min_bytes_per_second: 125_000 }
    }
}

impl SupervisedConnector {
    pub(super) fn new(limits: Limits, metadata_server: Option<String>) -> Self {
        Self { limits, metadata_server }
    }
}

impl HttpConnector for SupervisedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let has_own_limit = options.get_config_value(&ClientConfigKey::ReadTimeout).is_some();
        let (connector, reading) = (ReqwestConnector::default(), options.clone());
        let reading = if has_own_limit { reading } else { reading.with_read_timeout(self.limits.stall) };
        let service = SupervisedService {
            reading: connector.connect(&reading)?,
            uploading: connector.connect(&options.clone().with_read_timeout_disabled())?,
            uploads: Uploads { limits: self.limits, bytes_under_way: AtomicU64::new(0), answers: AtomicUsize::new(0) },
            metadata_server: self.metadata_server.clone(),
            metadata_failures: AtomicUsize::new(0),
        };
        Ok(HttpClient::new(service))
    }
}

/// One HTTP client for reading, one for uploading, and what the uploads under way are judged by.
#[derive(Debug)]
struct SupervisedService {
    reading: HttpClient,
    uploading: HttpClient,
    uploads: Uploads,
    metadata_server: Option<String>,
    /// Failures of the metadata service since its last answer.
    metadata_failures: AtomicUsize,
}

impl SupervisedService {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (host, server) = server_of(&request);
        // The query may be signed.
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let is_post = method == "POST";
        let answer =
            if is_post || !request.body().is_empty() { self.upload(request, is_post).await } else { self.read(request).await };
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        tracing::debug!(server, method, path, status, "store");
        let is_metadata = is_metadata_host(&host) || self.metadata_server.as_ref() == Some(&server);
        self.judge(answer, server, is_metadata).await
    }

    /// The answer, or the error that `object_store` decides by whether it tries again.
    async fn judge(
        &self,
        answer: Result<HttpResponse, HttpError>,
        server: String,
        is_metadata: bool,
    ) -> Result<HttpResponse, HttpError> {
        match answer {
            Ok(answer) if answer.status().as_u16() == 501 => {
                Err(HttpError::new(HttpErrorKind::Unknown, NoAnswer { server, cause: NoAnswerCause::NotImplemented }))
            }
            Ok(answer) => {
                if is_metadata {
                    self.metadata_failures.store(0, Ordering::Relaxed);
                }
                bound_error_body(answer).await
            }
            Err(_) if is_metadata && self.metadata_failures.fetch_add(1, Ordering::Relaxed) + 1 >= METADATA_ATTEMPTS => {
                Err(HttpError::new(HttpErrorKind::Unknown, NoAnswer { server, cause: NoAnswerCause::NoMetadataService }))
            }
            Err(error) => {
                let cause = cause_of(&error);
                let kind = if cause.is_certificate() { HttpErrorKind::Unknown } else { error.kind() };
                Err(HttpError::new(kind, NoAnswer { server, cause }))
            }
        }
    }

    /// Sends a request without a body. A list is read to its end here: `object_store` asks again when a request fails, but not when
    /// the body of a list breaks off.
    async fn read(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let is_list = query.contains("list-type=2") || query.contains("comp=list");
        let answer = self.reading.execute(request).await?;
        if !is_list {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let body = body.bytes().await.map_err(|error| match error.kind() {
            HttpErrorKind::Timeout => error,
            _ => HttpError::new(HttpErrorKind::Interrupted, error),
        })?;
        Ok(HttpResponse::from_parts(head, body.into()))
    }

    /// Sends a request with a body, and reads its answer, which is short.
    async fn upload(&self, request: HttpRequest, is_post: bool) -> Result<HttpResponse, HttpError> {
        let size = u64::try_from(request.body().content_length()).unwrap_or(u64::MAX);
        let limits = &self.uploads.limits;
        let answer_time = if is_post { limits.join_answer } else { limits.upload_answer };
        let exchange = async {
            let (head, body) = self.uploading.execute(request).await?.into_parts();
            Ok(HttpResponse::from_parts(head, read_start(body).await?.into()))
        };
        self.uploads.supervise(exchange, size, answer_time).await
    }
}

impl HttpService for SupervisedService {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.send(request))
    }
}

/// The host of a request, and the host with its port.
fn server_of(request: &HttpRequest) -> (String, String) {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let server = request.uri().port_u16().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    (host, server)
}

/// An answer that is an error, with the start of its body: all of it is read into memory, and a server may send any length.
async fn bound_error_body(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    Ok(HttpResponse::from_parts(head, read_start(body).await?.into()))
}

/// The body, cut at [`MAX_SHORT_BODY`].
async fn read_start(body: HttpResponseBody) -> Result<Bytes, HttpError> {
    let (mut chunks, mut start) = (body.bytes_stream(), BytesMut::new());
    while start.len() < MAX_SHORT_BODY
        && let Some(chunk) = chunks.try_next().await?
    {
        start.extend_from_slice(&chunk);
    }
    start.truncate(MAX_SHORT_BODY);
    Ok(start.freeze())
}

fn cause_of(error: &HttpError) -> NoAnswerCause {
    let innermost = std::iter::successors(error.source(), |&cause| cause.source()).last();
    let text = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        HttpErrorKind::Timeout => NoAnswerCause::Timeout,
        HttpErrorKind::Connect => NoAnswerCause::Connect(text),
        _ => NoAnswerCause::Broken(text),
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, cause } = self;
        match cause {
            NoAnswerCause::Connect(why) => write!(f, "can't connect to {server}: {why}"),
            NoAnswerCause::Timeout => write!(f, "{server} did not answer in time"),
            NoAnswerCause::Broken(why) => write!(f, "the connection to {server} broke: {why}"),
            NoAnswerCause::NoMetadataService => write!(f, "{server} does not answer"),
            NoAnswerCause::NotImplemented => write!(f, "{server} answered 501: it does not implement the request"),
        }
    }
}

impl StdError for NoAnswer {}

#[cfg(test)]
mod tests;
