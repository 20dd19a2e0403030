//! Tests of lock files: one holder, takeover of dead locks only, no file left.

#[cfg(unix)]
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Writes the lock file of another process at `path`, to which nothing was written for `silent`.
fn other(path: &Path, record: &serde_json::Value, silent: Duration) {
    fs::write(path, format!("{record}\n")).unwrap();
    set_modified(path, SystemTime::now() - silent);
}

fn set_modified(path: &Path, time: SystemTime) {
    OpenOptions::new().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn lock_file_has_one_holder_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let first = LockFile::try_acquire(&path).unwrap().unwrap();
    assert!(first.is_held().unwrap() && has_live_holder(&path).unwrap());
    assert!(LockFile::try_acquire(&path).unwrap().is_none());
    assert!(LockFile::try_take_over(&path).unwrap().is_none());
    drop(first);
    assert_eq!(names(folder.path()), 0);
    assert!(LockFile::try_take_over(&path).unwrap().is_none(), "a lock that is gone is not acquired again");
    let mut second = LockFile::try_acquire(&path).unwrap().unwrap();
    second.release_keeping_file();
    drop(second);
    drop(LockFile::try_take_over(&path).unwrap().unwrap());
    assert_eq!(names(folder.path()), 0);
}

#[test]
fn only_a_dead_holder_loses_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let token = "0123456789abcdef";
    let (process, started) = machine::this_process();
    let host = machine::host_name();
    let record = |process: u32, started: Option<u64>, space: Option<String>| serde_json::json!({"token": token, "host": host, "process": process, "started": started, "space": space});
    let on_a_copy = |mut record: serde_json::Value| {
        record["host"] = "nas".into();
        record
    };
    let (here, elsewhere) = (machine::process_space, || Some("another boot".to_owned()));
    let (soon, late) = (Duration::from_secs(30), Duration::from_secs(90));
    let mut cases = vec![
        (record(process, started, elsewhere()), soon, false),
        (record(process, started, elsewhere()), late, true),
        (record(process, started, None), soon, false),
        (record(process, started, None), late, true),
        (serde_json::json!("cut"), soon, false),
        (serde_json::json!("cut"), late, true),
    ];
    if here().is_some() {
        cases.extend([
            (record(process, started, here()), late, false),
            (record(process, started.map(|started| started + 1), here()), soon, true),
            (record(u32::MAX / 2, started, here()), soon, true),
            (on_a_copy(record(u32::MAX / 2, started, here())), soon, false),
            (on_a_copy(record(process, started, here())), late, true),
        ]);
    }
    for (record, silent, is_dead) in cases {
        other(&path, &record, silent);
        let acquired = LockFile::try_acquire(&path).unwrap();
        assert_eq!(acquired.is_some(), is_dead, "{record} {silent:?}");
        assert_eq!(has_token(&path, token).unwrap() || record == "cut", !is_dead || record == "cut", "{record}");
        drop(acquired);
        let _ = fs::remove_file(&path);
        assert_eq!(names(folder.path()), 0, "{record}");
    }
}

#[test]
fn lock_file_from_the_future_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    other(&path, &serde_json::json!({"token": "0123456789abcdef", "host": "nas", "process": 1}), Duration::ZERO);
    set_modified(&path, SystemTime::now() + Duration::from_secs(1 << 20));
    assert!(LockFile::try_acquire(&path).unwrap().is_some());
}

#[test]
fn empty_lock_file_is_held_until_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    fs::write(&path, "").unwrap();
    assert!(LockFile::try_acquire(&path).unwrap().is_none());
    assert!(!has_live_holder(&path).unwrap(), "the system may have locked it");
    set_modified(&path, SystemTime::now() - Duration::from_secs(90));
    assert!(LockFile::try_acquire(&path).unwrap().is_some());
}

#[test]
fn lock_file_of_damaged_bytes_is_held_until_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    fs::write(&path, b"\xff\xfe\n").unwrap();
    assert!(LockFile::try_acquire(&path).unwrap().is_none());
    set_modified(&path, SystemTime::now() - Duration::from_secs(90));
    assert!(LockFile::try_acquire(&path).unwrap().is_some());
}

#[test]
fn holder_that_lost_its_lock_notices_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let lock = LockFile::try_acquire(&path).unwrap().unwrap();
    let record = serde_json::json!({"token": "0123456789abcdef", "host": "nas", "process": 1});
    other(&path, &record, Duration::ZERO);
    assert!(!lock.is_held().unwrap());
    drop(lock);
    assert!(path.exists());
    assert_eq!(holder(&path).unwrap(), "process 1 on nas");
}

#[test]
fn killed_takeover_is_taken_over_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let late = Duration::from_secs(90);
    let record = |token: &str| serde_json::json!({"token": token, "host": "nas", "process": 1});
    other(&path, &record("0123456789abcdef"), late);
    let guard = folder.path().join(".lock.0123456789abcdef");
    other(&guard, &record("fedcba9876543210"), Duration::ZERO);
    assert!(LockFile::try_acquire(&path).unwrap().is_none(), "another process takes it over");
    other(&guard, &record("fedcba9876543210"), late);
    drop(LockFile::try_acquire(&path).unwrap().unwrap());
    assert_eq!(names(folder.path()), 0);
}

// Windows refuses to open a file that is being removed.
#[cfg(unix)]
#[test]
fn threads_take_over_dead_locks_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join(".lock");
    let inside = &AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for round in 0..50 {
                    let mut lock = loop {
                        if let Some(lock) = LockFile::try_acquire(path).unwrap() {
                            break lock;
                        }
                        std::thread::yield_now();
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    if round % 2 == 0 {
                        lock.release_keeping_file();
                    }
                }
            });
        }
    });
}
