//! What is retried, how often and when.

use std::sync::Mutex;

use super::super::HostLimiter;
use super::*;

fn policy(retries: u32) -> RetryPolicy {
    RetryPolicy { retries, first_delay: Duration::from_millis(500), max_busy_wait: Duration::ZERO }
}

fn delay(attempts: &mut RetryState, retry_after: Option<Duration>) -> Option<Duration> {
    match attempts.use_attempt(retry_after) {
        RetryDecision::RetryIn(delay) => Some(delay),
        RetryDecision::GiveUp => None,
    }
}

#[test]
fn retry_delays_double_up_to_a_bound_and_end() {
    let mut attempts = RetryState::new(policy(9));
    let delays: Vec<Duration> = std::iter::from_fn(|| delay(&mut attempts, None)).collect();
    for (delay, most) in delays.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
        let most = Duration::from_secs_f64(most);
        assert!(*delay <= most && *delay >= most.mul_f64(0.74), "{delay:?} of {most:?}");
    }
    assert_eq!(delays.len(), 9);
    attempts.refill();
    assert!(delay(&mut attempts, None).is_some());
}

#[test]
fn zero_retries_means_no_retry() {
    assert_eq!(RetryState::new(policy(0)).use_attempt(Some(Duration::from_secs(1))), RetryDecision::GiveUp);
}

#[test]
fn retry_after_is_honored_within_bounds() {
    let first = |asked: u64| delay(&mut RetryState::new(policy(1)), Some(Duration::from_secs(asked))).unwrap();
    assert_eq!(first(7), Duration::from_secs(7));
    assert_eq!(first(86_400), MAX_RETRY_AFTER);
    assert!(first(0) > Duration::ZERO, "an eager host is not hammered");
}

#[test]
fn delays_are_displayed_in_seconds() {
    for (millis, shown) in
        [(0, "0 s"), (1, "0.1 s"), (430, "0.5 s"), (999, "1 s"), (3000, "3 s"), (9400, "9.4 s"), (12_340, "13 s")]
    {
        assert_eq!(Seconds(Duration::from_millis(millis)).to_string(), shown, "{millis}");
    }
}

/// What the driver reports for `failures` in a row, and how it ends.
async fn driven(policy: RetryPolicy, failures: &[Error], stop: &CancellationToken) -> (Vec<String>, Result<(), NoRetry>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let emitter = Emitter::new(move |event| {
        if let Event::Detail(line) = event {
            seen.lock().unwrap().push(line);
        }
    });
    let host = HostLimiter::new(32, 1, policy).host_for(&"https://h/a?sig=1".parse().unwrap());
    let mut driver = RetryDriver::new(&"video-1 t1", host, policy, &emitter, stop);
    let mut ended = Ok(());
    for failure in failures {
        let connection = driver.host.connect().await.unwrap();
        if let Some(refusal) = failure.refusal() {
            connection.refused(refusal);
        }
        ended = driver.wait_after(&failure.into()).await;
    }
    let lines = events.lock().unwrap().clone();
    (lines, ended)
}

fn status(code: u16, retry_after_millis: Option<u64>) -> Error {
    let status = reqwest::StatusCode::from_u16(code).unwrap();
    Error::Status { status, retry_after: retry_after_millis.map(Duration::from_millis) }
}

#[tokio::test]
async fn each_retry_is_reported_with_its_reason_and_delay() {
    let policy = RetryPolicy { retries: 2, first_delay: Duration::ZERO, max_busy_wait: Duration::ZERO };
    let failures = [status(502, None), Error::StallTimeout, status(500, None)];
    let (lines, ended) = driven(policy, &failures, &CancellationToken::new()).await;
    assert_eq!(
        lines,
        ["video-1 t1: HTTP 502 Bad Gateway; retry in 0 s", "video-1 t1: no data received within the stall timeout; retry in 0 s"]
    );
    assert_eq!(ended, Err(NoRetry::GivenUp));
}

#[tokio::test]
async fn wait_for_a_busy_host_costs_no_attempt_and_is_reported() {
    let policy = RetryPolicy { retries: 1, first_delay: Duration::ZERO, max_busy_wait: Duration::from_secs(600) };
    let failures = [status(429, Some(100)), status(503, Some(100)), status(500, None)];
    let (lines, ended) = driven(policy, &failures, &CancellationToken::new()).await;
    assert_eq!(ended, Ok(()), "one attempt is left");
    assert_eq!(lines[0], "h:443: HTTP 429 Too Many Requests; now at most 1 request at once to this host");
    assert_eq!(lines[1], "h:443: HTTP 429 Too Many Requests; no requests to this host for 0.1 s");
    assert_eq!(lines[2], "video-1 t1: HTTP 429 Too Many Requests; retry in 0.1 s");
    assert_eq!(lines[5], "video-1 t1: HTTP 500 Internal Server Error; retry in 0 s");
}

#[tokio::test]
async fn stop_token_ends_the_wait_and_permanent_faults_are_not_retried() {
    let stop = CancellationToken::new();
    let (lines, ended) = driven(policy(5), &[status(404, None)], &stop).await;
    assert_eq!((lines.len(), ended), (0, Err(NoRetry::GivenUp)));
    stop.cancel();
    assert_eq!(driven(policy(5), &[status(429, Some(60_000))], &stop).await.1, Err(NoRetry::Stopped));
}
