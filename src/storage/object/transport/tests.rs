//! What the transport to a bucket retries and measures.

use object_store::client::HttpRequestBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Limits for a server that never answers: however late a timer is, the result is the same.
fn short() -> Limits {
    limits(Duration::from_millis(20))
}

/// Limits for a server that answers, also on a slow machine.
fn long() -> Limits {
    limits(Duration::from_secs(60))
}

fn limits(time: Duration) -> Limits {
    Limits { stall: time, upload_answer: time, join_answer: time, min_bytes_per_second: u64::MAX }
}

/// Sends a request to a server that reads it, answers `answer`, and then keeps the connection open.
async fn cause(limits: Limits, method: &str, body: &'static str, answer: &'static [u8]) -> NoAnswerCause {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/b/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_u8().await.unwrap();
            stream.write_all(answer).await.unwrap();
            connections.push(stream);
        }
    });
    let client = SupervisedConnector::new(limits, None).connect(&ClientOptions::new().with_allow_http(true)).unwrap();
    let body = HttpRequestBody::from(body.to_owned());
    let request = http::Request::builder().method(method).uri(url).body(body).unwrap();
    let error = match client.execute(request).await {
        Err(error) => error,
        Ok(answer) => match answer.into_body().bytes().await {
            Err(error) => return cause_of(&error),
            Ok(body) => panic!("{body:?}"),
        },
    };
    error.source().and_then(|source| source.downcast_ref::<NoAnswer>()).expect("the server is named").cause.clone()
}

#[tokio::test]
async fn server_that_is_silent_is_noticed_when_reading_and_when_writing() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", half] {
        for (method, body) in [("GET", ""), ("PUT", "x"), ("POST", "")] {
            assert_eq!(cause(short(), method, body, answer).await, NoAnswerCause::Timeout, "{method}");
        }
    }
}

#[tokio::test]
async fn answer_that_is_no_http_is_an_error_and_501_is_final() {
    assert!(matches!(cause(long(), "GET", "", b"SSH-2.0-x\r\n\r\n").await, NoAnswerCause::Broken(_)));
    let answer = b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n";
    for method in ["GET", "PUT"] {
        assert_eq!(cause(long(), method, "x", answer).await, NoAnswerCause::NotImplemented);
    }
}

#[tokio::test]
async fn upload_waits_as_long_as_others_are_answered() {
    let limits = Limits { upload_answer: Duration::from_millis(40), ..short() };
    let uploads = Uploads { limits, bytes_under_way: AtomicU64::new(0), answers: AtomicUsize::new(0) };
    // Each wait ends with an answer to another upload, so that no late timer changes the result.
    let slow = async {
        for _ in 0..6 {
            tokio::time::sleep(limits.upload_answer / 2).await;
            uploads.answers.fetch_add(1, Ordering::Relaxed);
        }
        Ok(7)
    };
    assert_eq!(uploads.supervise(slow, 1 << 20, limits.upload_answer).await.unwrap(), 7);
    let dead = std::future::pending::<Result<(), HttpError>>();
    let error = uploads.supervise(dead, 1 << 20, limits.upload_answer).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Timeout);
    assert_eq!(uploads.bytes_under_way.load(Ordering::Relaxed), 0);
}
