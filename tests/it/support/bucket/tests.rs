//! Tests of the bucket server itself, by the client that the program uses.

use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    RetryConfig, UpdateVersion, WriteMultipart,
};
use tokio::runtime::Runtime;

use super::faults::{Fault, Rule};
use super::{BUCKET, BucketServer, Operation};
use crate::support::Gate;

/// A client that never tries again.
fn client(server: &BucketServer) -> AmazonS3 {
    let builder = AmazonS3Builder::new().with_endpoint(server.origin()).with_allow_http(true).with_bucket_name(BUCKET);
    let builder = builder.with_access_key_id("id").with_secret_access_key("secret").with_checksum_algorithm(Checksum::SHA256);
    builder.with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() }).build().unwrap()
}

fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

#[test]
fn one_of_many_creates_wins() {
    let (server, key) = (BucketServer::start(), Path::parse("p/a b+ü&.txt").unwrap());
    let client = client(&server);
    let results = runtime().block_on(join_all((0..64).map(|n| client.put_opts(&key, format!("{n}").into(), create()))));
    let wins = results.iter().filter(|result| result.is_ok()).count();
    let losses = results.iter().filter(|result| matches!(result, Err(Error::AlreadyExists { .. }))).count();
    assert_eq!((wins, losses, server.changes().len()), (1, 63, 1));
    assert_eq!(server.keys(), ["p/a b+ü&.txt"]);
}

#[test]
fn every_compare_and_swap_counts_once() {
    let (server, key) = (BucketServer::start(), Path::from("counter"));
    let client = Arc::new(client(&server));
    server.put("counter", "0", &[]);
    let add = async |_| {
        for _ in 0..10 {
            loop {
                let got = client.get(&key).await.unwrap();
                let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: None };
                let count: usize = String::from_utf8(got.bytes().await.unwrap().to_vec()).unwrap().parse().unwrap();
                let mode = PutOptions { mode: PutMode::Update(version), ..PutOptions::default() };
                match client.put_opts(&key, (count + 1).to_string().into(), mode).await {
                    Ok(_) => break,
                    Err(Error::Precondition { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    runtime().block_on(join_all((0..16).map(add)));
    assert_eq!(server.object("counter").body, "160");
}

#[test]
fn metadata_types_ranges_and_lengths_come_back() {
    let (server, key) = (BucketServer::start(), Path::from("p/v.mp4"));
    let client = client(&server);
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::Metadata("sha256".into()), "ab12"),
        (Attribute::Metadata("write_id".into()), "w1"),
    ]);
    runtime().block_on(async {
        let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
        client.put_opts(&key, "0123456789".into(), options).await.unwrap();
        let head = client.get_opts(&key, GetOptions { head: true, ..GetOptions::default() }).await.unwrap();
        assert_eq!((head.meta.size, head.attributes), (10, attributes));
        assert_eq!(client.get_range(&key, 2..5).await.unwrap(), "234");
        let missing = client.head(&Path::from("p/none")).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
    });
    let object = server.object("p/v.mp4");
    assert_eq!((object.content_type.as_deref(), &*object.metadata["sha256"]), (Some("video/mp4"), "ab12"));
    assert_eq!((server.count(Operation::Put, "p/v.mp4"), server.count(Operation::Head, "")), (1, 2));
}

#[test]
fn lists_have_pages_and_common_prefixes() {
    let server = BucketServer::start();
    let client = client(&server);
    for name in ["p/t1/a", "p/t1/b", "p/t2/a", "p/x", "p/y&z", "q/t3/a"] {
        server.put(name, name, &[]);
    }
    server.set_page_size(2);
    runtime().block_on(async {
        let list: Vec<_> =
            client.list(Some(&Path::from("p"))).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        assert_eq!(list, ["p/t1/a", "p/t1/b", "p/t2/a", "p/x", "p/y&z"]);
        assert_eq!(server.count(Operation::List, ""), 3);
        let list = client.list_with_delimiter(Some(&Path::from("p"))).await.unwrap();
        let names = |list: &[Path]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&list.common_prefixes), ["p/t1", "p/t2"]);
        assert_eq!(names(&list.objects.iter().map(|meta| meta.location.clone()).collect::<Vec<_>>()), ["p/x", "p/y&z"]);
        let deleted: Vec<_> = client.delete_stream(client.list(None).map_ok(|meta| meta.location).boxed()).collect().await;
        assert!(deleted.len() == 6 && server.keys().is_empty(), "{deleted:?}");
    });
}

#[test]
fn uploads_in_parts_are_joined_or_aborted() {
    let server = BucketServer::start();
    let client = client(&server);
    runtime().block_on(async {
        let upload = client.put_multipart(&Path::from("large")).await.unwrap();
        let mut writer = WriteMultipart::new_with_chunk_size(upload, 5 << 20);
        writer.write(&vec![7; 11 << 20]);
        writer.finish().await.unwrap();
        let mut upload = client.put_multipart(&Path::from("other")).await.unwrap();
        upload.put_part(PutPayload::from_static(b"some")).await.unwrap();
        assert_eq!(server.open_uploads(), 1);
        upload.abort().await.unwrap();
    });
    assert_eq!((server.object("large").body.len(), server.open_uploads()), (11 << 20, 0));
    assert_eq!((server.count(Operation::PutPart, "large"), server.count(Operation::AbortUpload, "other")), (3, 1));
}

#[test]
fn faults_meet_the_requests_of_their_rules() {
    let (server, runtime) = (BucketServer::start(), runtime());
    let client = client(&server);
    let put = |key: &str| runtime.block_on(client.put_opts(&Path::from(key), "x".into(), create()));
    server.add_rule(Rule::new(Operation::Put, "lost", Fault::Lost).times(1));
    server.add_rule(Rule::new(Operation::Put, "dropped", Fault::Drop).times(1));
    server.add_rule(Rule::new(Operation::Put, "conflict", Fault::Error(409, "ConditionalRequestConflict")).times(1));
    server.add_rule(Rule::new(Operation::Put, "slow", Fault::Error(503, "SlowDown")).after(1));
    server.add_rule(Rule::new(Operation::Put, "done", Fault::ErrorAfter(500, "InternalError")));
    server.add_rule(Rule::any("secret", Fault::Error(403, "AccessDenied")));
    assert!(put("lost").is_err() && matches!(put("lost"), Err(Error::AlreadyExists { .. })));
    assert!(put("dropped").is_err() && put("dropped").is_ok());
    assert!(matches!(put("conflict"), Err(Error::AlreadyExists { .. })) && put("conflict").is_ok());
    assert!(put("slow").is_ok() && put("slow").is_err());
    assert!(put("done").is_err() && matches!(put("secret"), Err(Error::PermissionDenied { .. })));
    assert_eq!(server.keys(), ["conflict", "done", "dropped", "lost", "slow"]);
    server.add_rule(Rule::new(Operation::Get, "done", Fault::Cut(0)));
    let body = runtime.block_on(async { client.get(&Path::from("done")).await.unwrap().bytes().await });
    assert!(body.is_err(), "{body:?}");
}

#[test]
fn held_requests_wait_for_their_gates() {
    let (server, runtime, done, until) = (BucketServer::start(), runtime(), Gate::default(), Gate::default());
    let client = Arc::new(client(&server));
    server.add_rule(Rule::new(Operation::Put, "held", Fault::HoldReply { done: done.clone(), until: until.clone() }));
    let put = runtime.spawn(async move { client.put(&Path::from("held"), "x".into()).await });
    assert!(done.wait() && server.keys() == ["held"] && !put.is_finished());
    until.open();
    runtime.block_on(put).unwrap().unwrap();
}

#[test]
fn conditions_can_be_ignored_and_another_bucket_is_none() {
    let (server, runtime) = (BucketServer::start(), runtime());
    let client = client(&server);
    let put = || runtime.block_on(client.put_opts(&Path::from("k"), "x".into(), create()));
    assert!(put().is_ok() && put().is_err());
    server.ignore_conditions();
    assert!(put().is_ok() && server.changes().len() == 2);
    let other = AmazonS3Builder::new().with_endpoint(server.origin()).with_allow_http(true).with_bucket_name("other");
    let other = other.with_skip_signature(true).build().unwrap();
    let missing = runtime.block_on(other.get(&Path::from("k"))).unwrap_err().to_string();
    assert!(missing.contains("NoSuchBucket"), "{missing}");
}
