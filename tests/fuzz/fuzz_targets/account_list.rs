//! Any answer of the account is read without a panic. No id contains the key, and there are no more ids than rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yescale_dl::ApiKey;
use yescale_dl::fuzzing::read_list;

fuzz_target!(|bytes: &[u8]| {
    let key = ApiKey::parse("sk-1234567890abcdef").expect("the key is valid");
    let (ids, rows) = read_list(bytes, &key);
    assert!(ids.len() as u64 <= rows, "{} ids in {rows} rows", ids.len());
    assert!(ids.iter().all(|id| !id.as_str().trim().is_empty()));
});
