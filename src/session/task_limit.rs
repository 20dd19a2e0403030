//! How many tasks may be open at once.

/// More tasks at once only wait for the disk together, and gain nothing.
const MAX_OPEN_TASKS: usize = 512;
/// Open files besides those of tasks: connections, lists, the archive's own.
#[cfg(unix)]
const RESERVED_FILES: usize = 160;

/// How many tasks may be open at once, limited by the files that the system lets this process open.
#[cfg(unix)]
pub(super) fn determine_task_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = (MAX_OPEN_TASKS * 2 + RESERVED_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        // Where the limit can't be raised, fewer tasks run at once.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let files = getrlimit(Resource::Nofile).current.map_or(wanted, |current| current.min(wanted));
    (usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES) / 2).max(1)
}

#[cfg(not(unix))]
pub(super) fn determine_task_limit() -> usize {
    MAX_OPEN_TASKS
}
