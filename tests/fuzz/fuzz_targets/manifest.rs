//! Any bytes are judged and read without a panic; no name climbs; what was written is read back the same.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use yescale_dl::manifest::{TaskEntry, Verdict, judge, walk, write};

fn written(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write(to, Box::new(|push| tasks.iter().try_for_each(push))).expect("memory takes it");
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let (mut tasks, mut others) = (Vec::new(), 0);
    let verdict = judge(Cursor::new(bytes), |task| task.entry().map_or_else(|| others += 1, |task| tasks.push(task)));
    for file in tasks.iter().flat_map(|task| &task.files) {
        if let Some(name) = file.name() {
            assert!(!name.contains(['/', '\\', '\0']) && name != ".." && name != ".", "{name:?} leads elsewhere");
        }
    }
    if others > 0 || verdict.expect("memory can be read") != Verdict::Ours {
        return;
    }
    let first = written(&tasks);
    let mut again = Vec::new();
    walk(first.as_slice(), |task| again.extend(task.entry())).expect("what we write we can read");
    assert_eq!(judge(Cursor::new(&first), |_| ()).ok(), Some(Verdict::Ours));
    assert_eq!(first, written(&again), "the same archive gives the same bytes");
});
