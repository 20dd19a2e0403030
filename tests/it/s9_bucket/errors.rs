//! A bucket that can't be used: exit 2 before the gateway is asked, with a message that says what to do, and no secret in it.
//! "credentials and settings are its own environment variables".

use std::process::Command;

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{ARCHIVE, BucketWorld, SECRET};
use crate::support::run::Running;
use crate::support::{Run, dead_url};

fn world() -> BucketWorld {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world
}

/// Runs after `edit` has changed the command, and checks that nothing was asked and no secret shown.
fn refused(world: &BucketWorld, edit: impl FnOnce(&mut Command)) -> Run {
    refused_at(world, ARCHIVE, edit)
}

/// Like `refused`, with another URL.
fn refused_at(world: &BucketWorld, url: &str, edit: impl FnOnce(&mut Command)) -> Run {
    let mut command = world.command_at(url, &["t1", "--json"]);
    edit(&mut command);
    let run = Running::start(command).wait(false).exits(2);
    assert!(world.gateway_requests().is_empty(), "the gateway was asked");
    assert_eq!(run.events_of("fatal")[0]["code"], "archive", "{run:?}");
    let shown = run.stdout.clone() + &run.stderr;
    assert!(![SECRET, "X-Amz-Signature", "Credential="].iter().any(|secret| shown.contains(secret)), "{run:?}");
    run
}

/// The text of the fatal error.
fn message(run: &Run) -> String {
    run.events_of("fatal")[0]["error"].as_str().unwrap().to_owned()
}

#[test]
fn refusals_of_the_store_say_what_to_do() {
    for (status, code, hints) in [
        (403, "AccessDenied", &["right"][..]),
        (403, "InvalidAccessKeyId", &["AWS_ACCESS_KEY_ID", "credentials"]),
        (403, "SignatureDoesNotMatch", &["AWS_SECRET_ACCESS_KEY", "credentials", "secret"]),
        (403, "RequestTimeTooSkewed", &["clock"]),
        (400, "ExpiredToken", &["expired"]),
        (301, "PermanentRedirect", &["AWS_REGION", "region"]),
    ] {
        let world = world();
        world.bucket.add_rule(Rule::any("", Fault::Error(status, code)));
        let message = message(&refused(&world, |_| ()));
        assert!(hints.iter().any(|hint| message.contains(hint)), "{code}: {message}");
        assert!(message.contains("clips"), "{code} names the bucket: {message}");
    }
}

#[test]
fn without_the_right_to_list_a_missing_object_is_403_and_the_message_says_so() {
    let world = world();
    // S3 answers 403 for an object that is not there when the right to list is missing.
    for operation in [Operation::Get, Operation::Head, Operation::List] {
        world.bucket.add_rule(Rule::new(operation, "", Fault::Error(403, "AccessDenied")));
    }
    let message = message(&refused(&world, |_| ()));
    assert!(message.contains("ListBucket"), "{message}");
}

#[test]
fn a_missing_bucket_is_named() {
    let world = world();
    let run = refused_at(&world, "s3://other/archive", |_| ());
    assert!(message(&run).contains("other"), "{run:?}");
}

#[test]
fn without_credentials_nothing_is_asked() {
    let world = world();
    refused(&world, |command| {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        // Instead of the place where a cloud's machine finds its own credentials.
        command.env("AWS_METADATA_ENDPOINT", dead_url());
    });
    assert!(world.bucket.requests().is_empty());
}

#[test]
fn a_store_that_cannot_be_reached_is_named_with_its_cause() {
    let (world, url) = (world(), dead_url());
    let run = refused(&world, |command| {
        command.env("AWS_ENDPOINT_URL", &url);
    });
    let message = message(&run);
    assert!(message.contains(url.trim_start_matches("http://")) || message.contains(ARCHIVE), "{message}");
}

#[test]
fn plain_http_needs_the_variable_that_allows_it() {
    let world = world();
    let run = refused(&world, |command| {
        command.env_remove("AWS_ALLOW_HTTP");
    });
    assert!(message(&run).contains("AWS_ALLOW_HTTP"), "{run:?}");
    assert!(world.bucket.requests().is_empty());
}

#[test]
fn urls_with_mistakes_are_exit_2() {
    let world = world();
    for url in ["s4://b/p", "s3://", "s3:///p", "s3://b//p", "s3://b/../p", "s3://id:secret@b/p", "https://h/b"] {
        let run = refused_at(&world, url, |_| ());
        assert!(!run.stdout.contains("id:secret"), "{run:?}");
    }
    assert!(world.bucket.requests().is_empty() && !world.home().join("s4:").exists());
}

#[test]
fn a_store_that_refuses_later_ends_tasks_not_the_truth() {
    let world = world();
    world.serve_task("t2", &json!({"text": "lo"}));
    world.run(&["t1"]).exits(0);
    world.bucket.add_rule(Rule::new(Operation::Put, "/t2/", Fault::Error(403, "AccessDenied")));
    let run = Running::start(world.command(&["t1", "t2", "--json"])).wait(false);
    assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
    assert_eq!(run.state("t1"), "complete");
    world.bucket.clear_rules();
    world.run(&["t1", "t2"]).exits(0);
}
