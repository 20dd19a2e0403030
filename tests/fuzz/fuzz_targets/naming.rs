//! For any id, the folder name is one safe name on every system, and differs from that of any other id.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yescale_dl::layout;

const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

fuzz_target!(|ids: (String, String)| {
    let (first, second) = ids;
    // A task id is never empty.
    if first.is_empty() || second.is_empty() {
        return;
    }
    let folder = layout::folder_name(&first);
    assert!(layout::is_folder_name(&folder), "{folder:?} is not recognized as a folder name");
    assert!((1..=100).contains(&folder.len()));
    assert!(folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{folder:?}");
    assert!(!folder.starts_with('.') && !folder.ends_with('.'));
    let stem = folder.split('.').next().unwrap_or_default().to_lowercase();
    assert!(!DEVICES.contains(&stem.as_str()), "{folder:?}");
    let other = layout::folder_name(&second);
    assert!(first == second || !folder.eq_ignore_ascii_case(&other), "{first:?} and {second:?} both get {folder:?}");
});
