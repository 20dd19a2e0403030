//! `--connect-timeout`: how long a host may take to accept a connection. Linux only: other systems refuse a connection that finds the
//! queue of the listener full, instead of letting it wait.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::World;

/// A host that answers no connection, and what keeps its queue full.
struct SilentHost {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl SilentHost {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        // Nobody accepts them, so the queue is full when one has to wait.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            queue.push(stream);
        }
        Self { address, _listener: listener, _queue: queue }
    }
}

/// Less than the default of 10 s, and much more than the second that is given.
const BOUND: Duration = Duration::from_secs(9);

#[test]
fn media_host_that_accepts_no_connection_costs_the_connect_timeout() {
    let (world, host) = (World::new(), SilentHost::start());
    world.serve_task("t1", &json!({"images": [format!("http://{}/x.png", host.address)], "text": "la"}));
    let started = Instant::now();
    let run = world.run_json(&["t1", "--connect-timeout", "1s", "--retries", "0"]).exits(1);
    let took = started.elapsed();
    let task = run.task("t1");
    assert_eq!((&task["state"], &task["errors"][0]["code"]), (&json!("incomplete"), &json!("timeout")), "{task}");
    assert!(took >= Duration::from_secs(1) && took < BOUND, "{took:?}");
}

#[test]
fn gateway_that_accepts_no_connection_costs_the_connect_timeout() {
    let (world, host) = (World::new(), SilentHost::start());
    let base = format!("http://{}", host.address);
    let started = Instant::now();
    let run = world.run_json(&["t1", "--connect-timeout", "1s", "--retries", "0", "--base-url", &base]).exits(2);
    let took = started.elapsed();
    assert_eq!(run.events_of("fatal")[0]["code"], "gateway_unreachable", "{run:?}");
    assert!(took >= Duration::from_secs(1) && took < BOUND, "{took:?}");
}
