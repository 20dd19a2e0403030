//! What a full or failing disk ends.

use super::*;

#[test]
fn disk_faults_are_distinguished_from_path_errors() {
    for (kind, fault) in [
        (io::ErrorKind::StorageFull, DiskErrorKind::NoSpace),
        (io::ErrorKind::QuotaExceeded, DiskErrorKind::NoSpace),
        (io::ErrorKind::ReadOnlyFilesystem, DiskErrorKind::Device),
        (io::ErrorKind::StaleNetworkFileHandle, DiskErrorKind::Device),
        (io::ErrorKind::PermissionDenied, DiskErrorKind::Other),
        (io::ErrorKind::NotFound, DiskErrorKind::Other),
    ] {
        assert_eq!(DiskErrorKind::from_error(&kind.into()), fault, "{kind:?}");
    }
    #[cfg(unix)]
    {
        assert_eq!(DiskErrorKind::from_error(&io::Error::from_raw_os_error(5)), DiskErrorKind::Device, "EIO");
        assert_eq!(
            DiskErrorKind::from_error(&io::Error::from_raw_os_error(24)),
            DiskErrorKind::Other,
            "EMFILE: not a fault of the disk"
        );
    }
}

#[test]
fn small_files_ask_the_system_once_a_second_on_a_disk_with_plenty_of_space() {
    let now = Instant::now();
    let report = |left| SpaceReport { left, asked_at: now };
    let plenty = PLENTY_OF_SPACE + 100;
    for (left, needed, reserved, later, is_taken) in [
        (plenty, 100, 100, Duration::ZERO, true),
        (plenty, 100, 101, Duration::ZERO, false),
        (plenty, SMALL_FILE, 0, Duration::from_millis(999), true),
        (plenty, SMALL_FILE + 1, 0, Duration::ZERO, false),
        (plenty, 100, 0, REPORT_LIFETIME, false),
        (0, 0, 0, Duration::ZERO, false),
    ] {
        let mut report = report(left);
        assert_eq!(report.take(needed, reserved, now + later), is_taken, "{left} {needed} {reserved} {later:?}");
        assert_eq!(report.left, left - if is_taken { needed } else { 0 });
    }
}

#[test]
fn too_large_error_names_the_limit_that_applied() {
    let limit = |user, disk| SizeLimit { user, disk };
    for (limit, max_bytes, is_disk_limit) in [
        (limit(None, None), None, false),
        (limit(Some(5), None), Some(5), false),
        (limit(Some(5), Some(9)), Some(5), false),
        (limit(Some(9), Some(5)), Some(5), true),
        (limit(None, Some(5)), Some(5), true),
    ] {
        assert_eq!(limit.max_bytes(), max_bytes);
        assert_eq!(matches!(limit.explain(Error::TooLarge), Error::TooLargeForDisk(5)), is_disk_limit);
    }
}
