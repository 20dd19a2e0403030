//! "`--ca-cert` applies there too" · "Our own clients still prefer HTTP/1.1": a bucket behind TLS with a private root.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::bucket_world::BucketWorld;
use crate::support::run::Running;
use crate::support::tls::{AsyncHost, Identity};

/// What clients agreed on in their handshakes.
type Protocols = Arc<Mutex<Vec<Option<Vec<u8>>>>>;

/// A host that speaks TLS, offers HTTP/2, and passes the bytes on to the bucket.
fn tls_front(world: &BucketWorld) -> (AsyncHost, Identity, Protocols) {
    let (identity, protocols) = (Identity::new(&["h2", "http/1.1"]), Protocols::default());
    let (acceptor, target, seen) = (identity.acceptor(), world.bucket.address().to_owned(), Arc::clone(&protocols));
    let host = AsyncHost::start(move |stream, _| {
        let (acceptor, target, seen) = (acceptor.clone(), target.clone(), Arc::clone(&seen));
        async move {
            // A client that does not trust the root ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            seen.lock().unwrap().push(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
            let Ok(mut to) = TcpStream::connect(target).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
        }
    });
    (host, identity, protocols)
}

#[test]
fn a_private_root_is_trusted_by_ca_cert_and_the_store_is_spoken_to_in_http_1() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let (host, identity, protocols) = tls_front(&world);
    let root = identity.write_root(&world);
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("AWS_ENDPOINT_URL", format!("https://{}", host.address)).env_remove("AWS_ALLOW_HTTP");
        Running::start(command).wait(false)
    };
    let refused = run(&["t1"]).exits(2);
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    assert!(world.bucket.requests().is_empty() && world.gateway_requests().is_empty());
    world.audit(run(&["t1", "--ca-cert", root.to_str().unwrap()])).exits(0);
    assert_eq!(world.files("t1"), ["text.txt"]);
    let protocols = protocols.lock().unwrap();
    assert!(!protocols.is_empty() && protocols.iter().all(|name| name.as_deref() != Some(b"h2")), "{protocols:?}");
}
