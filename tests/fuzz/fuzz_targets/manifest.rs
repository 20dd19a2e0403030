//! Any bytes are judged and read without a panic; no name climbs; what was written is read back the same.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use yescale_dl::manifest::{Reader, TaskEntry, Verdict, judge, write};

fn written(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write(to, Box::new(|push| tasks.iter().try_for_each(push))).expect("memory takes it");
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let verdict = judge(bytes);
    let mut tasks = Vec::new();
    let read = Reader(bytes).for_each(|task| tasks.push(task));
    for file in tasks.iter().flat_map(|task| &task.files) {
        if let Some(name) = file.name() {
            assert!(!name.contains(['/', '\\', '\0']) && name != ".." && name != ".", "{name:?} leads elsewhere");
        }
    }
    if read.is_err() || verdict != Verdict::Ours {
        return;
    }
    let first = written(&tasks);
    assert_eq!(judge(&first), Verdict::Ours);
    let mut again = Vec::new();
    Reader(first.as_slice()).for_each(|task| again.push(task)).expect("what we write we can read");
    assert_eq!(first, written(&again), "the same archive gives the same bytes");
});
