//! "A URL is sent as it was given, byte for byte where HTTP allows (a signed query with `'`, `|`, `%2F` stays so).
//! Redirects are followed as browsers do, at most 10, also with a `Location` in UTF-8 or Latin-1."

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Answer, Reply, World, sample, success};

fn png() -> Reply {
    Reply::ok(sample("picture.png"))
}

/// The targets of all requests to the media host, in order.
fn targets(world: &World) -> Vec<String> {
    world.media.heads().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// A redirect whose `Location` has any bytes.
fn redirect(location: &[u8]) -> Reply {
    Reply::raw([b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ", location, b"\r\n\r\n"].concat())
}

const EXACT: [&str; 8] = [
    "/a.png?X-Sig='x'&b=%2F%2f|c",
    "/a'b.png?sig=1",
    "/a{b}|c^d.png?e={f}|g^h`i\\[j]",
    "//a//b.png?x=//y",
    "/a.png?",
    "/a.png?b?c='?d",
    "/%61%2F%c3%a9%zz.png?%27'%",
    "/!$&'()*+,;=:@~-._.png?!$&'()*+,;=:@/?~-._",
];

#[test]
fn url_is_sent_byte_for_byte() {
    for target in EXACT {
        let world = World::new();
        let path = target.split('?').next().unwrap();
        world.media.script(path, [png().header("ETag", "\"1\"").cut_after(40), png()]);
        let url = format!("{}{target}", world.media.origin());
        world.serve_task("t1", &json!({"images": [url]}));
        world.run(&["t1"]).exits(0);
        assert_eq!(targets(&world), [target, target], "each attempt sends the same");
        assert_eq!(world.task_entry("t1")["files"][0]["url"], url);
    }
}

#[test]
fn redirect_target_is_sent_byte_for_byte() {
    for target in EXACT {
        let world = World::new();
        world.media.script(target.split('?').next().unwrap(), [png()]);
        // A reference that begins with two slashes would name a host.
        let relative = if target.starts_with("//") { format!("{}{target}", world.media.origin()) } else { target.to_owned() };
        let absolute = format!("{}{target}", world.media.origin());
        let urls = [relative, absolute].map(|location| {
            let path = format!("/from{}", location.len());
            world.media.script(&path, [redirect(location.as_bytes())])
        });
        world.serve_task("t1", &json!({"images": urls}));
        world.run(&["t1"]).exits(0);
        let targets = targets(&world);
        assert_eq!(targets.iter().filter(|sent| *sent == target).count(), 2, "{targets:?}");
    }
}

#[test]
fn url_is_sent_byte_for_byte_through_a_proxy() {
    let world = World::new();
    let (gateway, url) = ("http://198.18.0.1", "http://198.18.0.2/a'{b}.png?sig='x'|%2F");
    world.media.allow_key_for(&format!("{gateway}/task/"));
    let answer = success(&json!({"images": [url]}));
    world.media.script(&format!("{gateway}/task/t1"), [Reply::ok(answer.to_string())]);
    world.media.script("http://198.18.0.2/a'{b}.png", [png()]);
    let mut command = world.command(&["--base-url", gateway, "t1"]);
    command.env("http_proxy", world.media.origin());
    world.audit(Running::start(command).wait(false)).exits(0);
    assert_eq!(targets(&world)[1], url);
}

#[test]
fn what_no_request_may_contain_is_encoded() {
    let world = World::new();
    world.media.script("/%C3%A9%20%22%3C.png", [png()]);
    let url = format!("{}/é \"<.png?é >'#f'", world.media.origin());
    world.serve_task("t1", &json!({"images": [url]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(targets(&world), ["/%C3%A9%20%22%3C.png?%C3%A9%20%3E'"]);
}

#[test]
fn location_in_any_character_set_is_followed() {
    for (location, target) in [
        ("/é.png?ü=ß".as_bytes(), "/%C3%A9.png?%C3%BC=%C3%9F"),
        (b"/\xe9.png?\xfc=\xdf", "/%E9.png?%FC=%DF"),
        ("/图片.png".as_bytes(), "/%E5%9B%BE%E7%89%87.png"),
        (b"/mixed \xe9\xc3\xa9.png", "/mixed%20%E9%C3%A9.png"),
        (b"  /trimmed.png ", "/trimmed.png"),
    ] {
        for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
            let world = World::new();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ");
            let url = world.media.script("/from", [Reply::raw([head.as_bytes(), location, b"\r\n\r\n"].concat())]);
            world.media.script(target.split('?').next().unwrap(), [png()]);
            world.serve_task("t1", &json!({"images": [url]}));
            world.run(&["t1"]).exits(0);
            assert_eq!(targets(&world), ["/from", target], "{status}");
        }
    }
}

#[test]
fn range_and_validator_are_sent_to_the_target_of_a_redirect() {
    let world = World::new();
    let url = world.media.script("/from", [Reply::redirect("/to?sig='")]);
    world.media.script("/to", [png().header("ETag", "\"1\"").cut_after(40), png()]);
    world.serve_task("t1", &json!({"images": [url]}));
    world.run(&["t1"]).exits(0);
    let heads = world.media.heads();
    assert_eq!(heads.len(), 4);
    for head in &heads[2..] {
        assert!(head.contains("range: bytes=40-\r\n") && head.contains("if-range: \"1\"\r\n"), "{head}");
    }
}

#[test]
fn redirect_that_leads_nowhere_is_an_error() {
    for (location, words) in [
        (&b"ftp://h/x"[..], "no http or https URL"),
        (b"file:///etc/passwd", "no http or https URL"),
        (b"data:image/png;base64,AAAA", "no http or https URL"),
        (b"http://", "no http or https URL"),
        (b"http://[::1/x", "no http or https URL"),
        (b"http://a b/x", "no http or https URL"),
        (b"", "HTTP 302"),
    ] {
        let world = World::new();
        let url = world.media.script("/from", [redirect(location)]);
        world.serve_task("t1", &json!({"images": [url]}));
        world.run(&["t1"]).exits(1);
        let error = world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{error}");
        assert_eq!(world.media.heads().len(), 1, "it is not tried again: {error}");
    }
}

#[test]
fn link_on_the_gateway_is_sent_byte_for_byte_with_the_key() {
    let world = World::new();
    world.answers_at("/file/x.png", [Answer::raw(401, ""), Answer::redirect("/moved/x.png?b='|%2F")]);
    world.answers_at("/moved/x.png", [Answer::raw(200, sample("picture.png"))]);
    world.serve_task("t1", &json!({"images": [format!("{}/file/x.png?a='|%2F", world.base_url())]}));
    world.run(&["t1"]).exits(0);
    let queries: Vec<_> = world.gateway_requests().iter().filter_map(|sent| sent.url.query().map(str::to_owned)).collect();
    // The stand-in parses URLs, and encodes an apostrophe.
    assert_eq!(queries, ["a=%27|%2F", "a=%27|%2F", "b=%27|%2F"]);
}
