use std::time::Duration;

use clap::Parser as _;

use super::*;
use crate::cli::values::WaitMode;

#[test]
fn clap_definitions_are_consistent() {
    command().debug_assert();
}

#[test]
fn wait_takes_its_duration_only_after_an_equals_sign() {
    let read = |line: &str| {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        check_wait(&arguments).and_then(|()| Args::try_parse_from(arguments))
    };
    let ten_minutes = WaitMode::AtMost(Duration::from_secs(600));
    for (line, wait, ids) in [
        ("x t1", WaitMode::No, 1),
        ("x --wait t1", WaitMode::Endless, 1),
        ("x t1 --wait", WaitMode::Endless, 1),
        ("x --wait=10m t1", ten_minutes, 1),
        ("x --wait=10m 5m", ten_minutes, 1),
        ("x 10m --wait", WaitMode::Endless, 1),
        ("x --wait 10", WaitMode::Endless, 1),
        ("x --wait -- 10m", WaitMode::Endless, 1),
        ("x t1 -- --wait 10m", WaitMode::No, 3),
    ] {
        let args = read(line).unwrap();
        assert_eq!((args.options.wait, args.ids.len()), (wait, ids), "{line}");
    }
    for line in ["x --wait 10m t1", "x t1 --wait 10m", "x --wait 10m", "x --json --wait 10m -- t1"] {
        assert!(read(line).unwrap_err().to_string().contains("--wait=10m"), "{line}");
    }
    for line in ["x --wait= t1", "x --wait=soon t1", "x --wait=0s t1", "x --wait --wait t1", "x --poll-delay 0s t1"] {
        assert!(read(line).is_err(), "{line}");
    }
}
