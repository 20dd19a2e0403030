//! What can still be read of a manifest that is damaged.
//!
//! One rotted byte costs the task that it stands in, not those behind it.

use super::RawTask;

/// Hands out what can still be read of the tasks in a manifest that is damaged: where this program wrote it, each begins and
/// ends on a line of its own.
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
            // The byte may stand between two of them.
            assert!(found.len() >= 3, "{found:?} with byte {at} damaged");
            for (id, place) in found {
                let place = usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap();
                assert_eq!(RawTask::from(&damaged[place]).id(), Some(id));
            }
        }
    }
}
