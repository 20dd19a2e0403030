//! Any bytes are checked and parsed without a panic. No file name leaves its folder. A written manifest parses to the
//! same tasks.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use yescale_dl::manifest::{Ownership, TaskEntry, check_ownership, for_each_task, write};

fn written(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write(to, |push| tasks.iter().try_for_each(push)).expect("memory takes it");
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let (mut tasks, mut others) = (Vec::new(), 0);
    let verdict = check_ownership(Cursor::new(bytes), |task| task.parse().map_or_else(|| others += 1, |task| tasks.push(task)));
    for file in tasks.iter().flat_map(|task| &task.files) {
        if let Some(name) = file.name() {
            assert!(!name.contains(['/', '\\', '\0']) && name != ".." && name != ".", "{name:?} leads elsewhere");
        }
    }
    if others > 0 || verdict.expect("memory can be read") != Ownership::Ours {
        return;
    }
    let first = written(&tasks);
    let mut again = Vec::new();
    for_each_task(first.as_slice(), |task| again.extend(task.parse())).expect("what we write we can read");
    assert_eq!(check_ownership(Cursor::new(&first), |_| ()).ok(), Some(Ownership::Ours));
    assert_eq!(first, written(&again), "the same archive gives the same bytes");
});
