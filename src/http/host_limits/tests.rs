//! Tests of slots, connections and queues.

use super::*;
use reqwest::StatusCode;

fn limiter(max_concurrent: usize, slots: usize) -> HostLimiter {
    let policy = RetryPolicy { retries: 0, first_delay: Duration::from_secs(60), max_busy_wait: Duration::ZERO };
    HostLimiter::new(max_concurrent, slots, policy)
}

fn host(limiter: &HostLimiter, url: &str) -> Arc<HostState> {
    limiter.host_for(&Url::parse(url).unwrap())
}

/// What is granted to `host` without waiting.
fn admitted_now(host: &Arc<HostState>) -> Option<(Slot, Connection)> {
    futures::FutureExt::now_or_never(host.admit()).map(Result::unwrap)
}

#[test]
fn hosts_are_distinguished_by_name_and_port() {
    let hosts = limiter(1, 1);
    assert!(Arc::ptr_eq(&host(&hosts, "https://a/x?y"), &host(&hosts, "https://a:443/z")));
    assert!(!Arc::ptr_eq(&host(&hosts, "https://a/x"), &host(&hosts, "https://a:8443/x")));
    assert!(!Arc::ptr_eq(&host(&hosts, "https://a/x"), &host(&hosts, "https://b/x")));
}

#[test]
fn busy_host_leaves_half_as_many_slots_to_others() {
    let hosts = limiter(100, 4);
    let (slow, other, third) = (host(&hosts, "http://slow/"), host(&hosts, "http://other/"), host(&hosts, "http://third/"));
    let mut held: Vec<_> = (0..4).map(|_| admitted_now(&slow).unwrap()).collect();
    assert!(admitted_now(&slow).is_none(), "all slots are taken");
    let first = admitted_now(&other).unwrap();
    let _second = admitted_now(&other).unwrap();
    assert!(admitted_now(&third).is_none(), "two slots in addition to four");
    drop(first);
    let _third = admitted_now(&third).unwrap();
    held.clear();
    // The slots in addition have become regular ones.
    assert_eq!(std::iter::from_fn(|| admitted_now(&other).map(std::mem::forget)).count(), 2);
}

#[test]
fn host_that_got_slots_in_addition_can_not_keep_them_from_others() {
    let hosts = limiter(100, 4);
    let (quick, slow, late) = (host(&hosts, "http://quick/"), host(&hosts, "http://slow/"), host(&hosts, "http://late/"));
    let mut held: Vec<_> = (0..4).map(|_| admitted_now(&quick).unwrap()).collect();
    let mut kept: Vec<_> = (0..2).map(|_| admitted_now(&slow).unwrap()).collect();
    held.clear();
    kept.extend(std::iter::from_fn(|| admitted_now(&slow)));
    assert_eq!(kept.len(), 4, "no more than the slots of the run");
    assert!(admitted_now(&late).is_some(), "a host without a slot gets one in addition");
}

#[tokio::test]
async fn host_with_fewest_slots_is_served_first() {
    let hosts = limiter(100, 1);
    let (busy, other) = (host(&hosts, "http://busy/"), host(&hosts, "http://other/"));
    let first = admitted_now(&busy).unwrap();
    let mut second = Box::pin(busy.admit());
    assert!(futures::poll!(&mut second).is_pending());
    let mut third = Box::pin(other.admit());
    assert!(futures::poll!(&mut third).is_pending(), "half of one slot is none");
    let request = busy.connect().await.unwrap();
    drop((first, request));
    assert!(futures::poll!(&mut second).is_ready(), "both have none now, and this one came first");
}

#[tokio::test]
async fn cancelled_request_passes_its_turn_on() {
    let hosts = limiter(1, 8);
    let host = host(&hosts, "http://h/");
    let first = host.connect().await.unwrap();
    let mut cancelled = Box::pin(host.connect());
    let mut next = Box::pin(host.connect());
    assert!(futures::poll!(&mut cancelled).is_pending() && futures::poll!(&mut next).is_pending());
    drop(first);
    // It was granted the connection, and never takes it.
    drop(cancelled);
    assert!(futures::poll!(&mut next).is_ready());
}

#[tokio::test]
async fn waiting_requests_of_a_host_that_is_given_up_end() {
    let hosts = limiter(1, 8);
    let host = host(&hosts, "http://h/");
    let first = host.connect().await.unwrap();
    let mut waiting = Box::pin(host.admit());
    assert!(futures::poll!(&mut waiting).is_pending());
    first.refused(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None });
    let error = waiting.await.err().expect("no retries are left");
    assert_eq!(error.to_string(), "HTTP 503 Service Unavailable");
    assert_eq!(host.patience().await, Patience::GivenUp);
    assert_eq!(host.take_reductions().len(), 1);
    assert!(host.take_reductions().is_empty(), "each change is reported once");
}

#[tokio::test]
async fn refused_request_waits_for_the_responses_to_others() {
    for is_accepted in [true, false] {
        let host = host(&limiter(8, 8), "http://h/");
        let (first, mut second) = (host.connect().await.unwrap(), host.connect().await.unwrap());
        first.refused(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None });
        let mut patience = Box::pin(host.patience());
        assert!(futures::poll!(&mut patience).is_pending());
        if is_accepted {
            second.accepted();
            assert_eq!(patience.await, Patience::Free);
        } else {
            drop(second);
            assert_eq!(patience.await, Patience::GivenUp);
        }
    }
}

#[tokio::test]
async fn queue_is_served_at_the_later_end_of_two_cooldowns() {
    let host = host(&limiter(8, 8), "http://h/");
    let (first, second) = (host.connect().await.unwrap(), host.connect().await.unwrap());
    let refusal = Refusal { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(Duration::from_millis(50)) };
    let mut accepted = host.connect().await.unwrap();
    accepted.accepted();
    first.refused(refusal);
    tokio::time::sleep(Duration::from_millis(10)).await;
    second.refused(refusal);
    drop(accepted);
    assert!(host.connect().await.is_ok());
}

#[tokio::test]
async fn queue_is_served_when_the_cooldown_ends() {
    let policy = RetryPolicy { retries: 5, first_delay: Duration::from_millis(1), max_busy_wait: Duration::ZERO };
    let host = host(&HostLimiter::new(1, 8, policy), "http://h/");
    host.connect().await.unwrap().refused(Refusal { status: StatusCode::TOO_MANY_REQUESTS, retry_after: None });
    assert!(host.connect().await.is_ok());
}

#[tokio::test]
async fn retry_is_served_before_first_requests() {
    let host = host(&limiter(1, 0), "http://h/");
    let held = host.connect().await.unwrap();
    let (mut first, mut retry) = (Box::pin(host.connect()), Box::pin(host.reconnect()));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut retry).is_pending());
    drop(held);
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut retry).is_ready());
}
