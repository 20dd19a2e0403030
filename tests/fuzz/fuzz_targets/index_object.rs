//! Any object of a bucket's index is read without a panic, as it is and as the content of a gzip.
#![no_main]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use yescale_dl::fuzzing::read_index_object;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_index_object(bytes);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(bytes).expect("writing to memory does not fail");
    let compressed = compressed.finish().expect("writing to memory does not fail");
    if let Some(count) = read_index_object(&compressed) {
        assert_eq!(count, bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
    }
});
