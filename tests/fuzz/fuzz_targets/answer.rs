//! Any status with any body is classified without a panic. The message never contains the key. Asset numbers of a
//! task are consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest::StatusCode;
use yescale_dl::gateway::classify;
use yescale_dl::manifest::depth;
use yescale_dl::{ApiKey, TaskId};

const KEY: &str = "sk-1234567890abcdef";

fuzz_target!(|input: &[u8]| {
    let [high, low, body @ ..] = input else { return };
    let Ok(status) = StatusCode::from_u16(100 + u16::from_be_bytes([*high, *low]) % 500) else { return };
    let key = ApiKey::parse(KEY).expect("the key is valid");
    let id = TaskId::new("777935781150867525").expect("it is not blank");
    let message = match classify(status, body.to_vec(), &id, &key) {
        Err(error) => error.to_string(),
        Ok(task) => {
            assert!(status.is_success());
            let response = serde_json::from_str(task.response.raw().get()).expect("a recorded response can be parsed again");
            assert!(depth(&response) <= 100);
            for asset in &task.assets {
                assert!(asset.index >= 1 && asset.index <= asset.count, "{asset:?}");
            }
            task.err_reason.clone().unwrap_or_default()
        }
    };
    assert!(!message.contains(KEY), "the message contains the key: {message}");
});
