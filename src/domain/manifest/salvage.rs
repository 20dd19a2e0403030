//! Recovers tasks from a damaged manifest.
//!
//! A damaged byte costs the task that contains it, not the tasks behind it.

use super::RawTask;

/// Calls `each` with every candidate for a task in a damaged manifest. It relies on this program's indentation: each task
/// begins and ends on a line of its own.
pub fn salvage(text: &[u8], mut each: impl FnMut(RawTask<'_>)) {
    const START: &[u8] = b"\n    {";
    const END: &[u8] = b"\n    }";
    let find = |what: &[u8], from: usize| text[from..].windows(what.len()).position(|window| window == what).map(|at| from + at);
    let mut next = 0;
    while let Some(before) = find(START, next) {
        let start = before + START.len() - 1;
        let Some(end) = find(END, start) else { return };
        next = end;
        each(RawTask { start: start as u64, text: &text[start..end + END.len()] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;
    use crate::domain::manifest::write;

    #[test]
    fn salvage_finds_every_undamaged_task() {
        let written: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
        let mut whole = Vec::new();
        write(&mut whole, |push| written.iter().try_for_each(|id| push(&entry(id)))).unwrap();
        for at in 100..whole.len() - 10 {
            let mut damaged = whole.clone();
            damaged[at] = 0xFF;
            let mut found = Vec::new();
            salvage(&damaged, |task| found.extend(task.parse().map(|entry| (entry.task_id, task.byte_range()))));
            // A damaged byte between two tasks may cost both.
            assert!(found.len() >= 3, "{found:?} with byte {at} damaged");
            for (id, range) in found {
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                assert_eq!(RawTask::from(&damaged[range]).id(), Some(id));
            }
        }
    }
}
