//! Any bytes are read as media without a panic. A duration is a number of seconds, never a guess such as infinity.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yescale_dl::fuzzing::read_media;

fuzz_target!(|bytes: &[u8]| {
    if let Some(seconds) = read_media(bytes) {
        assert!(seconds.is_finite() && seconds > 0.0, "{seconds}");
    }
});
