//! Tests of the window, with a simulated host.

use super::*;

const MAX: usize = 32;
const START: Duration = Duration::from_millis(500);

fn policy(retries: u32, max_busy_wait: Duration) -> RetryPolicy {
    RetryPolicy { retries, first_delay: START, max_busy_wait }
}

fn window(retries: u32) -> Window {
    Window::new(MAX, policy(retries, Duration::ZERO))
}

fn refusal(status: u16, retry_after: Option<u64>) -> Refusal {
    Refusal { status: StatusCode::from_u16(status).unwrap(), retry_after: retry_after.map(Duration::from_secs) }
}

/// A request that is under way in the simulation.
struct Sent {
    round: u64,
    ends: usize,
    is_accepted: bool,
}

/// Downloads `files` from a host that takes `allowed` requests at once, refuses the others at once, and needs ten ticks
/// for each. Returns the ticks until the last file is here, and the number of refusals.
fn simulate(allowed: usize, files: usize) -> (usize, usize) {
    let (mut window, start) = (window(5), Instant::now());
    let (mut waiting, mut done, mut refused, mut tick) = (files, 0, 0, 0);
    let mut sent: Vec<Sent> = Vec::new();
    while done < files {
        tick += 1;
        assert!(tick < 100_000, "{allowed}: {done} of {files}");
        let now = start + Duration::from_millis(10) * u32::try_from(tick).unwrap();
        let load = |sent: &[Sent]| Load { in_flight: sent.len(), accepted: sent.iter().filter(|one| one.is_accepted).count() };
        // Responses to the requests of the last tick, then the ends of bodies.
        for n in (0..sent.len()).rev().filter(|n| sent[*n].ends == 0).collect::<Vec<_>>() {
            if load(&sent).accepted < allowed {
                (sent[n].is_accepted, sent[n].ends) = (true, tick + 9);
                window.on_accepted(load(&sent), Duration::from_millis(10), now);
            } else {
                window.on_refused(sent[n].round, load(&sent), refusal(503, None), now);
                sent.remove(n);
                (refused, waiting) = (refused + 1, waiting + 1);
            }
        }
        let before = sent.len();
        sent.retain(|one| one.ends != tick);
        if sent.len() < before {
            done += before - sent.len();
            window.on_ended();
        }
        while waiting > 0 && window.is_open(load(&sent), now) {
            sent.push(Sent { round: window.round(), ends: 0, is_accepted: false });
            waiting -= 1;
        }
    }
    (tick, refused)
}

#[test]
fn host_gets_as_many_requests_as_it_takes() {
    for allowed in [1, 2, 3, 4, 8, 16, 32] {
        let (ticks, refused) = simulate(allowed, 150);
        let best = 150_usize.div_ceil(allowed) * 10;
        assert!(ticks <= best * 14 / 10 + 30, "{allowed} at once: {ticks} ticks of {best}");
        assert!(refused <= 100, "{allowed} at once: {refused} refusals");
    }
    assert_eq!(simulate(MAX, 1000).1, 0);
}

#[test]
fn refusals_of_one_round_trip_halve_the_limit_once() {
    let (mut window, now) = (window(5), Instant::now());
    let load = Load { in_flight: 32, accepted: 0 };
    let first = window.on_refused(0, load, refusal(429, None), now).unwrap();
    assert_eq!((first.limit, first.cooldown.is_some()), (Some(16), true));
    for in_flight in (1..32).rev() {
        let load = Load { in_flight, accepted: 0 };
        assert_eq!(window.on_refused(0, load, refusal(429, None), now), None, "the same round trip");
    }
    let load = Load { in_flight: 16, accepted: 0 };
    assert_eq!(window.on_refused(1, load, refusal(503, None), now).unwrap().limit, Some(8));
}

#[test]
fn cooldown_of_our_own_ends_when_the_host_has_room() {
    let (mut window, now) = (window(5), Instant::now());
    let load = Load { in_flight: 2, accepted: 1 };
    window.on_refused(0, load, refusal(503, None), now);
    assert!(!window.is_open(Load::default(), now));
    window.on_ended();
    assert!(window.is_open(Load::default(), now));
    window.on_refused(1, load, refusal(503, Some(7)), now);
    window.on_ended();
    assert!(!window.is_open(Load::default(), now), "the host asked for this wait");
    assert!(window.is_open(Load::default(), now + Duration::from_secs(7)));
    // A later refusal without `Retry-After` does not shorten the wait.
    window.on_refused(window.round(), load, refusal(503, None), now);
    window.on_ended();
    assert_eq!(window.cooldown_until(now), Some(now + Duration::from_secs(7)));
}

#[test]
fn failed_connections_reduce_the_limit_of_a_host_that_works() {
    let (mut window, now) = (window(5), Instant::now());
    let load = Load { in_flight: 32, accepted: 0 };
    assert_eq!(window.on_failed(0, load, now), None);
    assert_eq!((window.limit, window.is_shared(load, now)), (MAX, false), "a host that is down is not busy");
    window.on_accepted(load, Duration::ZERO, now);
    assert!(window.on_failed(0, load, now).is_some());
    assert_eq!((window.on_failed(0, load, now), window.limit), (None, 16), "once per round trip");
    assert!(window.is_shared(load, now) && !window.is_shared(Load::default(), now), "a request that was alone was not too many");
}

#[test]
fn longer_retry_after_of_the_same_round_holds() {
    let (mut window, now) = (window(5), Instant::now());
    let load = Load { in_flight: 3, accepted: 0 };
    window.on_refused(0, load, refusal(429, Some(1)), now);
    assert_eq!(window.on_refused(0, load, refusal(429, Some(1)), now), None);
    let longer = window.on_refused(0, load, refusal(429, Some(60)), now).unwrap();
    assert_eq!((longer.limit, longer.cooldown), (None, Some(Duration::from_secs(60))));
    assert_eq!(window.cooldown_until(now), Some(now + Duration::from_secs(60)));
}

#[test]
fn refusal_is_free_while_the_host_works_and_for_a_minute_after() {
    let (mut window, now) = (window(0), Instant::now());
    let load = Load { in_flight: 1, accepted: 0 };
    window.on_accepted(Load { in_flight: 1, accepted: 1 }, Duration::ZERO, now);
    for seconds in [0, 30, 59] {
        let now = now + Duration::from_secs(seconds);
        window.on_refused(window.round(), load, refusal(503, None), now);
        assert_eq!(window.patience(load, now), Patience::Free, "after {seconds} s");
    }
    let later = now + RECENTLY;
    window.on_refused(window.round(), load, refusal(503, None), later);
    assert_eq!(window.patience(load, later), Patience::Undecided, "the response to another request counts, too");
    assert_eq!(window.patience(Load::default(), later), Patience::GivenUp);
    let streaming = Load { in_flight: 2, accepted: 1 };
    assert_eq!(window.patience(streaming, later), Patience::Free, "a body that arrives is an answer");
}

#[test]
fn host_that_refuses_everything_is_given_up_after_as_many_rounds_as_retries() {
    let (mut window, now) = (window(2), Instant::now());
    let load = Load { in_flight: 1, accepted: 0 };
    for patience in [Patience::UseAttempt, Patience::UseAttempt, Patience::GivenUp] {
        window.on_refused(window.round(), load, refusal(503, None), now);
        assert_eq!(window.patience(Load::default(), now), patience);
    }
    let none = Load::default();
    assert_eq!(window.given_up(none, now), Some(refusal(503, None)));
    assert_eq!(window.given_up(none, now + Duration::from_secs(60)), None, "then one request tries it again");
    window.on_accepted(load, Duration::ZERO, now);
    assert_eq!((window.given_up(none, now), window.patience(none, now)), (None, Patience::Free));
}

#[test]
fn wait_budget_pays_for_a_host_that_asks_to_wait() {
    let mut window = Window::new(MAX, policy(5, Duration::from_secs(600)));
    let (load, now) = (Load { in_flight: 1, accepted: 0 }, Instant::now());
    let later = now + RECENTLY;
    let mut rounds = 0;
    while window.patience(Load::default(), later) == Patience::Free {
        window.on_refused(window.round(), load, refusal(429, Some(60)), now);
        rounds += 1;
    }
    assert_eq!(rounds, 11, "ten minutes at 60 s each, then attempts");
    window.on_refused(window.round(), load, refusal(503, None), now);
    assert_eq!(window.patience(Load::default(), later), Patience::UseAttempt);
}

#[test]
fn first_minute_of_refusals_is_free_unless_the_user_gave_the_retries() {
    let (load, now) = (Load { in_flight: 1, accepted: 0 }, Instant::now());
    for (max_busy_wait, in_the_minute) in [(600, Patience::Free), (0, Patience::GivenUp)] {
        let mut window = Window::new(MAX, policy(2, Duration::from_secs(max_busy_wait)));
        for _ in 0..3 {
            window.on_refused(window.round(), load, refusal(503, None), now);
        }
        assert_eq!(window.patience(Load::default(), now + Duration::from_secs(59)), in_the_minute);
        assert_eq!(window.patience(Load::default(), now + RECENTLY), Patience::GivenUp);
    }
}
