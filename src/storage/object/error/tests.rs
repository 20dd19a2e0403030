use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use super::*;
use crate::storage::location::Service::{Azure, Gcs, S3};
use crate::storage::object::connect::connect_with;
use crate::storage::object::mock_server::{SECRETS, bucket_at, bucket_url, environment, options, s3_error, serve};

/// The errors of reading, writing and listing, when the server answers `template`.
async fn errors(service: Service, template: ResponseTemplate) -> [StoreError; 4] {
    let server = serve(template).await;
    let bucket = bucket_at(&server.uri(), service);
    let key = bucket.key("t1/manifest.json");
    [
        bucket.store.get(&key).await.unwrap_err(),
        bucket.store.put(&key, "x".into()).await.unwrap_err(),
        bucket.store.list(Some(&bucket.key("t1"))).next().await.unwrap().unwrap_err(),
        bucket.store.list_with_delimiter(None).await.unwrap_err(),
    ]
}

fn google(status: u16, reason: &str, message: &str) -> ResponseTemplate {
    let body = serde_json::json!({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}});
    ResponseTemplate::new(status).set_body_json(body)
}

#[tokio::test]
async fn faults_that_every_request_meets_are_refusals_and_say_what_to_do() {
    for (service, template, words) in [
        (S3, s3_error(404, "NoSuchBucket"), "does not exist; create it"),
        (S3, s3_error(403, "AccessDenied"), "s3:ListBucket"),
        (S3, s3_error(403, "RequestTimeTooSkewed"), "the clock"),
        (S3, s3_error(400, "ExpiredToken"), "have expired"),
        (S3, s3_error(403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
        (S3, s3_error(403, "SignatureDoesNotMatch"), "credentials are wrong"),
        (S3, s3_error(400, "AuthorizationHeaderMalformed"), "set AWS_REGION"),
        (S3, s3_error(301, "PermanentRedirect"), "set AWS_REGION"),
        (S3, s3_error(400, "InvalidBucketName"), "no bucket can have this name"),
        (S3, ResponseTemplate::new(403), "s3:PutObject"),
        (S3, ResponseTemplate::new(401), "AWS_SECRET_ACCESS_KEY"),
        (Azure, s3_error(404, "ContainerNotFound"), "does not exist; create it"),
        (Azure, s3_error(403, "AuthenticationFailed"), "AZURE_STORAGE_ACCOUNT_KEY"),
        (Azure, s3_error(403, "AuthorizationPermissionMismatch"), "Storage Blob Data Contributor"),
        (Gcs, google(404, "notFound", "The specified bucket does not exist."), "does not exist; create it"),
        (Gcs, google(403, "forbidden", "no access"), "storage.objects.delete"),
        (Gcs, google(401, "authError", "Invalid Credentials"), "GOOGLE_APPLICATION_CREDENTIALS"),
    ] {
        for error in errors(service, template).await {
            let explained = explain(&error, service);
            assert_eq!(explained.fault, BucketFault::Refused, "{error}");
            assert!(explained.message.contains(words), "{explained}");
            assert!(!is_absent(&error), "{error}");
            assert!(!SECRETS.iter().any(|secret| explained.message.contains(secret)), "{explained}");
        }
    }
}

#[tokio::test]
async fn region_that_the_store_names_is_shown() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>";
    for error in errors(S3, ResponseTemplate::new(400).set_body_string(body)).await {
        assert!(explain(&error, S3).message.contains("set AWS_REGION=eu-west-1"), "{error}");
    }
}

#[tokio::test]
async fn missing_object_is_absent_and_no_refusal() {
    for (service, template) in [
        (S3, s3_error(404, "NoSuchKey")),
        (S3, ResponseTemplate::new(404)),
        (Azure, s3_error(404, "BlobNotFound")),
        (Gcs, google(404, "notFound", "No such object: b/p/t1/manifest.json")),
    ] {
        let [get, ..] = errors(service, template).await;
        assert!(is_absent(&get), "{get}");
        assert_eq!(explain(&get, service).fault, BucketFault::NotFound);
    }
}

#[tokio::test]
async fn conflicts_that_prove_nothing_are_told_from_those_that_do() {
    for (code, is_passing) in [("ConditionalRequestConflict", true), ("OperationAborted", true), ("BlobAlreadyExists", false)] {
        let [_, put, ..] = errors(S3, s3_error(409, code)).await;
        assert_eq!(is_passing_conflict(&put), is_passing, "{code}");
    }
}

#[tokio::test]
async fn unknown_refusal_shows_code_and_message_and_no_secret() {
    let [id, secret, token, key] = SECRETS;
    let body = format!(
        "<Error><Code>Unheard.Of</Code><Message>see http://h/?sig={token}{key}{id}, {token}{secret}{id}\u{1b}[2J and\nmore</Message></Error>"
    );
    for error in errors(S3, ResponseTemplate::new(418).set_body_string(body)).await {
        let explained = explain(&error, S3);
        assert_eq!(explained.fault, BucketFault::Other);
        assert_eq!(explained.message, "the store answered 418 Unheard.Of: see […] […] and");
    }
}

#[tokio::test]
async fn server_without_an_implementation_is_not_asked_again() {
    for error in errors(S3, ResponseTemplate::new(501).set_body_string("<Error><Code>NotImplemented</Code></Error>")).await {
        assert_eq!(explain(&error, S3).fault, BucketFault::ConditionsIgnored);
    }
}

#[tokio::test]
async fn unreachable_server_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let bucket = bucket_at(&format!("http://{address}"), S3);
    let error = bucket.store.get(&bucket.key("x")).await.unwrap_err();
    let explained = explain(&error, S3);
    assert_eq!(explained.fault, BucketFault::Unavailable);
    assert!(explained.message.starts_with(&format!("can't connect to {address}: ")), "{explained}");
    assert!(explained.message.contains("AWS_ENDPOINT_URL"), "{explained}");
}

#[tokio::test]
async fn download_that_breaks_off_is_a_fault_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bucket = bucket_at(&format!("http://{}", listener.local_addr().unwrap()), S3);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_u8().await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n\r\n";
            stream.write_all(format!("{head}half").as_bytes()).await.unwrap();
        }
    });
    let answer = bucket.store.get(&bucket.key("x")).await.unwrap();
    let explained = explain(&answer.bytes().await.unwrap_err(), S3);
    assert_eq!(explained.fault, BucketFault::Unavailable, "{explained}");
}

#[tokio::test]
async fn machine_outside_a_cloud_is_told_that_it_has_no_credentials() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let pairs = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ALLOW_HTTP", "true"), ("AWS_METADATA_ENDPOINT", &metadata)];
    let bucket = connect_with(&bucket_url(S3), &options(), &environment(&pairs)).unwrap();
    let explained = explain(&bucket.store.get(&bucket.key("x")).await.unwrap_err(), S3);
    assert_eq!(explained.fault, BucketFault::Refused);
    for words in ["AWS_ACCESS_KEY_ID", "aws configure export-credentials"] {
        assert!(explained.message.contains(words), "{explained}");
    }
}

#[tokio::test]
async fn answer_of_any_length_is_read_in_part() {
    let body = format!("<Error><Code>AccessDenied</Code></Error>{}", "x".repeat(3 << 20));
    for error in errors(S3, ResponseTemplate::new(403).set_body_string(body)).await {
        assert!(error.to_string().len() < 2 << 20);
        assert!(explain(&error, S3).message.contains("AccessDenied"));
    }
}

#[test]
fn busy_and_full_stores_and_objects_in_archive_tiers_have_faults_of_their_own() {
    for (status, code, fault) in [
        (503, Some("SlowDown"), BucketFault::Unavailable),
        (500, None, BucketFault::Unavailable),
        (429, None, BucketFault::Unavailable),
        (200, Some("InternalError"), BucketFault::Unavailable),
        (507, None, BucketFault::Refused),
        (409, Some("QuotaExceeded"), BucketFault::Refused),
        (403, Some("InvalidObjectState"), BucketFault::Other),
        (400, Some("EntityTooLarge"), BucketFault::Other),
    ] {
        let answer = Answer { status, code: code.map(str::to_owned), ..Answer::default() };
        assert_eq!(hint::answer(&answer, false, S3).fault, fault, "{answer:?}");
    }
}
