//! Times and durations as platforms write them.
//!
//! "Times are Unix seconds or, above 1e11, milliseconds, as numbers or as digits in a string. 0, negative and
//! out-of-range times are unknown. Durations are numbers or strings …, in seconds; anything that is not finite and
//! above 0 is unknown."

use serde_json::{Value, json};

use crate::support::{Reply, World, success};

#[test]
fn times_parse_as_seconds_or_milliseconds_or_are_unknown() {
    let world = World::new();
    for (n, (given, expected)) in [
        (json!(1_753_598_930), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930"), Some("2025-07-27T06:48:50Z")),
        (json!(1_753_598_930_123_u64), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930123"), Some("2025-07-27T06:48:50Z")),
        (json!(" 1753598930 "), Some("2025-07-27T06:48:50Z")),
        (json!(100_000_000_001_u64), Some("1973-03-03T09:46:40Z")),
        (json!(1_753_598_930_123_456_u64), None),
        (json!(0), None),
        (json!("0"), None),
        (json!("-5"), None),
        (json!("1753598930 s"), None),
        (json!(true), None),
        (json!(-1_753_598_930), None),
        (json!(u64::MAX), None),
        (json!("2025-07-27"), None),
        (json!(""), None),
        (json!(null), None),
        (json!([1]), None),
        (serde_json::from_str("1e400").unwrap(), None),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, mut answer) = (format!("t{n}"), success(&json!({"text": "la"})));
        (answer["submit_time"], answer["finish_time"]) = (given.clone(), given.clone());
        world.answer(&id, &answer);
        world.run(&[&id]).exits(0);
        for field in ["submit_time", "finish_time"] {
            let found = world.task_entry(&id);
            assert_eq!(found.get(field).map(|time| time.as_str().unwrap()), expected, "{field} {given}");
        }
    }
}

#[test]
fn durations_parse_as_seconds_or_are_unknown() {
    let world = World::new();
    // The files have no container that could give a duration.
    let url = world.media.script("/noise", [Reply::ok(*b"\x01\x02noise")]);
    let cases = [
        (json!(5), Some(5.0)),
        (json!("5.1"), Some(5.1)),
        (json!(" 7 "), Some(7.0)),
        (json!("8s"), Some(8.0)),
        (json!(0), None),
        (json!(-3), None),
        (json!("NaN"), None),
        (json!("infinity"), None),
        (json!("-1s"), None),
        (json!("five"), None),
        (json!(""), None),
        (json!("s"), None),
        (json!("0s"), None),
        (json!("1:05"), None),
        (json!("5ms"), None),
        (json!("1e999"), None),
        (json!(true), None),
        (json!([5]), None),
        (json!(null), None),
        (serde_json::from_str("1e999").unwrap(), None),
        (json!({"seconds": 5}), None),
    ];
    let items: Vec<Value> = cases.iter().map(|(duration, _)| json!({"url": url, "duration": duration})).collect();
    world.serve_task("t1", &json!({"audio": items}));
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    for (file, (given, seconds)) in entry["files"].as_array().unwrap().iter().zip(cases) {
        assert_eq!(file.get("duration_seconds").and_then(Value::as_f64), seconds, "{given}");
        assert_eq!(file.get("duration_source").and_then(Value::as_str), seconds.map(|_| "api"), "{given}");
    }
}
