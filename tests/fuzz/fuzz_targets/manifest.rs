//! Any bytes are checked and parsed without a panic. No file name leaves its folder. A written manifest parses to the
//! same tasks.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use yescale_dl::manifest::{Ownership, TaskEntry, check_ownership, for_each_task, write};

fn serialize(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write(to, |push| tasks.iter().try_for_each(push)).expect("writing to memory does not fail");
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let (mut tasks, mut rejected) = (Vec::new(), 0);
    let ownership = check_ownership(Cursor::new(bytes), |task| task.parse().map_or_else(|| rejected += 1, |task| tasks.push(task)));
    for file in tasks.iter().flat_map(|task| &task.files) {
        if let Some(name) = file.name() {
            assert!(!name.contains(['/', '\\', '\0']) && name != ".." && name != ".", "{name:?} leaves the folder");
        }
    }
    if rejected > 0 || ownership.expect("reading from memory does not fail") != Ownership::Ours {
        return;
    }
    let first = serialize(&tasks);
    let mut again = Vec::new();
    for_each_task(first.as_slice(), |task| again.extend(task.parse())).expect("a written manifest can be read");
    assert_eq!(check_ownership(Cursor::new(&first), |_| ()).ok(), Some(Ownership::Ours));
    assert_eq!(first, serialize(&again), "the same archive gives the same bytes");
});
