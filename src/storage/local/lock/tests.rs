//! Tests of the locks of the system, and of how they respect lock files.

use super::*;

fn lock_file_at(path: &Path) -> io::Result<Option<Lock>> {
    Lock::open(path, OpenFile::Any)
}

#[test]
fn lock_file_has_one_holder_and_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let first = lock_file_at(&path).unwrap();
    assert!(first.is_some());
    assert!(lock_file_at(&path).unwrap().is_none());
    drop(first);
    assert!(!path.exists());
    assert!(lock_file_at(&path).unwrap().is_some());
}

#[test]
fn folder_lock_has_one_holder_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = Lock::try_lock_folder(folder.path()).unwrap();
    assert!(first.is_some());
    assert!(Lock::try_lock_folder(folder.path()).unwrap().is_none());
    drop(first);
    assert!(Lock::try_lock_folder(folder.path()).unwrap().is_some());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(Lock::try_lock_folder(&folder.path().join("missing")).is_err());
}

#[test]
fn stale_lock_file_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    fs::write(&path, b"").unwrap();
    assert!(Lock::try_take_over(&path).unwrap().is_some());
    assert!(Lock::try_take_over(&path).unwrap().is_none(), "a lock file that is gone is not created again");
    assert!(!path.exists());
}

#[test]
fn existing_file_is_not_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    fs::write(&path, b"").unwrap();
    assert!(Lock::try_create_file(&path).unwrap().is_none());
    fs::remove_file(&path).unwrap();
    assert!(Lock::try_create_file(&path).unwrap().is_some());
}

#[test]
fn lock_file_of_a_machine_without_locks_is_respected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let record = r#"{"token":"0123456789abcdef","host":"nas","process":1}"#;
    fs::write(&path, format!("{record}\n")).unwrap();
    assert!(Lock::try_lock_folder(folder.path()).unwrap().is_none());
    assert!(lock_file_at(&path).unwrap().is_none());
    let late = std::time::SystemTime::now() - Duration::from_secs(90);
    OpenOptions::new().write(true).open(&path).unwrap().set_modified(late).unwrap();
    assert!(Lock::try_lock_folder(folder.path()).unwrap().is_some());
    assert!(lock_file_at(&path).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn folder_in_place_of_the_lock_file_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".lock")).unwrap();
    assert!(Lock::try_lock_folder_itself(folder.path()).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn lock_on_a_replaced_file_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let orphan = File::create(&path).unwrap();
    fs::remove_file(&path).unwrap();
    File::create(&path).unwrap();
    assert!(!still_names(&path, &orphan).unwrap());
}

#[cfg(unix)]
#[test]
fn symlinked_lock_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(lock_file_at(&path).is_err());
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn threads_hold_the_lock_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join(".lock");
    let inside = &std::sync::atomic::AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for _ in 0..50 {
                    let lock = loop {
                        if let Some(lock) = lock_file_at(path).unwrap() {
                            break lock;
                        }
                        thread::yield_now();
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
}
