use super::*;
use crate::storage::location::Service::S3;
use crate::storage::object::bucket::tests::in_memory;
use crate::storage::object::mock_server::{Fault, OneObject, bucket_at, s3_error, serve};

/// Probes a store with one object. Returns the result, the object, and how many writes there were.
async fn probed(store: &OneObject) -> (Result<(), Error>, Option<Vec<u8>>, usize) {
    let server = serve(store.clone()).await;
    let result = probe(&bucket_at(&server.uri(), S3)).await;
    let state = store.state.lock().unwrap();
    (result, state.object.clone(), state.writes)
}

fn fault(error: &Error) -> BucketFault {
    let Error::Bucket { source, .. } = error else { panic!("{error}") };
    source.fault
}

#[tokio::test]
async fn new_archive_gets_a_mark_and_an_old_one_keeps_it() {
    let newer_generator = b"{\"generator\":\"x\",\"archive_version\":1,\"more\":{}}";
    for (before, after, writes) in
        [(None, MARK_BYTES, 3), (Some(MARK_BYTES), MARK_BYTES, 2), (Some(newer_generator), newer_generator, 2)]
    {
        let (result, object, done) = probed(&OneObject::with(before, &[])).await;
        result.unwrap();
        assert_eq!((object.as_deref(), done), (Some(after), writes));
    }
}

#[tokio::test]
async fn store_in_memory_passes() {
    let bucket = in_memory();
    assert!(matches!(require_archive(&bucket).await, Err(Error::NoArchive(_))));
    probe(&bucket).await.unwrap();
    probe(&bucket).await.unwrap();
    require_archive(&bucket).await.unwrap();
}

#[tokio::test]
async fn store_that_ignores_conditions_is_refused_and_the_mark_keeps_its_bytes() {
    for before in [None, Some(MARK_BYTES)] {
        let store = OneObject { ignores_conditions: true, ..OneObject::with(before, &[]) };
        let (result, object, _) = probed(&store).await;
        let error = result.unwrap_err();
        assert_eq!(fault(&error), BucketFault::ConditionsIgnored);
        assert!(error.is_bucket_refusal() && error.message().contains("If-None-Match"), "{}", error.message());
        assert_eq!(object.as_deref(), Some(MARK_BYTES));
    }
}

#[tokio::test]
async fn lost_answers_and_conflicts_are_settled_by_another_look() {
    use Fault::{Conflict, Lost, Race};
    for faults in [
        &[Lost][..],
        &[Conflict],
        &[Conflict, Conflict, Lost, Conflict],
        &[Race(MARK_BYTES)],
        &[Race(MARK_BYTES), Conflict, Conflict],
    ] {
        let (result, object, _) = probed(&OneObject::with(None, faults)).await;
        result.unwrap_or_else(|error| panic!("{faults:?}: {}", error.message()));
        assert_eq!(object.as_deref(), Some(MARK_BYTES));
    }
}

#[tokio::test]
async fn foreign_and_newer_marks_are_refused_before_anything_is_written() {
    for (mark, is_newer) in [
        (&b""[..], false),
        (b"\0\0\0\0", false),
        (b"<html>", false),
        (b"{\"archive_version\":\"1\"}", false),
        (b"{\"archive_version\":0}", false),
        (b"{\"archive_version\":2}", true),
        (b"{\"archive_version\":18446744073709551615,\"x\":[]}", true),
    ] {
        let (result, object, writes) = probed(&OneObject::with(Some(mark), &[])).await;
        match result.unwrap_err() {
            Error::Newer { path, .. } if is_newer => assert_eq!(path, PathBuf::from("s3://b/p/.yescale/archive.json")),
            Error::Foreign(path) if !is_newer => assert_eq!(path, PathBuf::from("s3://b/p/.yescale/archive.json")),
            error => panic!("{error}"),
        }
        assert_eq!((object.as_deref(), writes), (Some(mark), 0));
    }
    // Another worker, of a later version, is faster.
    let race = Fault::Race(b"{\"archive_version\":2}");
    assert!(matches!(probed(&OneObject::with(None, &[race])).await.0, Err(Error::Newer { .. })));
}

#[tokio::test]
async fn huge_mark_is_foreign_and_never_read() {
    let bucket = in_memory();
    bucket.store.put(&bucket.key(MARK), vec![b' '; 1 << 20].into()).await.unwrap();
    assert!(matches!(probe(&bucket).await, Err(Error::Foreign(_))));
}

#[tokio::test]
async fn refusal_is_no_absence_and_is_reported_at_once() {
    for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken")] {
        let server = serve(s3_error(status, code)).await;
        let bucket = bucket_at(&server.uri(), S3);
        for error in [probe(&bucket).await.unwrap_err(), require_archive(&bucket).await.unwrap_err()] {
            assert_eq!(fault(&error), BucketFault::Refused, "{code}");
        }
        assert_eq!(server.received_requests().await.unwrap().len(), 2, "{code}");
    }
}
