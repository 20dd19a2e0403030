//! The requests to the gateway: one per task by its id, with the key, all of them concurrent.
//!
//! "For each task id, the program sends `GET {base}/task/{id}` with `Authorization: Bearer KEY`" · "Everything runs
//! concurrently, across tasks and within one task" · "The id of a task is the one that was asked for" · "It is sent
//! as one path segment".

use serde_json::json;

use crate::support::audit::hashed_folder;
use crate::support::{Answer, Gate, KEY, Reply, World, sample, success};

#[test]
fn gateway_request_carries_the_key_and_user_agent() {
    let world = World::new();
    world.archive_task("t1");
    let requests = world.gateway_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].url.path()), ("GET", "/task/t1"));
    assert_eq!(requests[0].headers["authorization"], format!("Bearer {KEY}").as_str());
    let agent = concat!("yescale-dl/", env!("CARGO_PKG_VERSION"));
    assert_eq!(requests[0].headers["user-agent"], agent);
    assert!(world.media.heads()[0].contains(&format!("{}: {agent}", "user-agent")), "{}", world.media.heads()[0]);
}

#[test]
fn id_is_sent_as_one_path_segment() {
    for (id, segment) in [
        ("veo3:17-Y", "veo3%3A17-Y"),
        ("models/veo/1", "models%2Fveo%2F1"),
        ("a b?c#d%e", "a%20b%3Fc%23d%25e"),
        ("A-z.0_9~", "A-z.0_9~"),
        ("...", "..."),
        ("a\\b+c&d=e", "a%5Cb%2Bc%26d%3De"),
        ("ä🎬", "%C3%A4%F0%9F%8E%AC"),
    ] {
        let world = World::new();
        world.serve_task(segment, &json!({"text": "la"}));
        assert_eq!(world.run_json(&["--", id]).exits(0).state(id), "complete", "{id}");
        assert_eq!(world.requested_paths(), [format!("/task/{segment}")]);
        assert_eq!(world.root_manifest()["tasks"][0]["task_id"], id);
    }
}

#[test]
fn dot_ids_fail_without_a_request() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let run = world.run_json(&[".", "..", "t1"]).exits(1);
    assert_eq!((run.state("."), run.state(".."), run.state("t1")), ("error".into(), "error".into(), "complete".into()));
    assert_eq!(world.requested_paths(), ["/task/t1"]);
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 1, "nothing was written beside the archive");
}

#[test]
fn requested_id_wins_over_the_id_in_the_response() {
    let world = World::new();
    let mut answer = success(&json!({"text": "la"}));
    answer["task_id"] = json!("another");
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["task_id"], "t1");
}

#[test]
fn tasks_and_files_are_fetched_concurrently() {
    let world = World::new();
    let (first, second, third) = (Gate::default(), Gate::default(), Gate::default());
    // Each response waits until another one is requested: sequential requests would never end.
    let image = || Reply::ok(sample("picture.png"));
    let a = world.media.script("/a", [image().notify_on_request(&first).after_gate(&second)]);
    let b = world.media.script("/b", [image().notify_on_request(&second).after_gate(&third)]);
    let c = world.media.script("/c", [image().notify_on_request(&third).after_gate(&first)]);
    world.serve_task("t1", &json!({"images": [a, b]}));
    world.serve_task("t2", &json!({"images": [c]}));
    world.run(&["t1", "t2"]).exits(0);
    assert_eq!(world.media.heads().len(), 3, "nothing was requested twice");
}

#[test]
fn id_with_any_byte_is_sent_unchanged() {
    let world = World::new();
    let id: String = std::iter::once('x').chain('\0'..='\u{7f}').chain(['é']).collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segment: String =
        id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    world.serve_task(&segment, &json!({"text": "la"}));
    let run = world.run_with_input(&json!({"id": id}).to_string(), &["-i", "-", "--json"]).exits(0);
    assert_eq!((run.state(&id), world.requested_paths()), ("complete".to_owned(), vec![format!("/task/{segment}")]));
    assert_eq!(world.task_entry(&hashed_folder(&id))["task_id"], id);
}

#[test]
fn gateway_link_that_redirects_to_another_host_is_followed_without_the_key() {
    let world = World::new();
    let png = sample("picture.png");
    // The media host fails its test when it gets the key. Each attempt goes through the gateway.
    let target = format!("{}/cdn.png?sig='x'", world.media.origin());
    world.media.script("/cdn.png", [Reply::redirect("/end.png")]);
    let image = || Reply::ok(png.as_slice()).header("ETag", "\"1\"");
    world.media.script(
        "/end.png",
        [
            image().cut_after(40),
            Reply::dynamic({
                let png = png.clone();
                move |head| {
                    assert!(head.contains("range: bytes=40-\r\n"), "{head}");
                    let range = format!("bytes 40-{}/{}", png.len() - 1, png.len());
                    Reply::ok(&png[40..])
                        .with_status("206 Partial Content")
                        .header("ETag", "\"1\"")
                        .header("Content-Range", &range)
                }
            }),
        ],
    );
    let closed = || Answer::raw(401, "");
    world.answers_at("/file", [closed(), Answer::redirect("/moved"), closed(), Answer::redirect("/moved")]);
    world.answers_at("/moved", [Answer::redirect(&target)]);
    world.serve_task("t1", &json!({"images": [{"url": format!("{}/file", world.base_url()), "content_type": "image/png"}]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), png);
    assert_eq!(world.requested_paths(), ["/task/t1", "/file", "/file", "/moved", "/file", "/file", "/moved"]);
    assert_eq!(world.media.request_count("/end.png"), 2);
}

#[test]
fn redirects_of_the_gateway_and_of_the_next_host_count_together() {
    for (hops, code) in [(8, 0), (9, 1)] {
        let world = World::new();
        let url = format!("{}/file", world.base_url());
        world.answers_at("/file", [Answer::raw(401, ""), Answer::redirect("/second")]);
        world.answers_at("/second", [Answer::redirect(&format!("{}/0", world.media.origin()))]);
        for hop in 0..hops {
            world.media.script(&format!("/{hop}"), [Reply::redirect(&format!("/{}", hop + 1))]);
        }
        world.media.script(&format!("/{hops}"), [Reply::ok(sample("picture.png"))]);
        world.serve_task("t1", &json!({"images": [url]}));
        world.run(&["t1", "--retries", "0"]).exits(code);
    }
}
