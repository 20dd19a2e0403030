//! Room on the disk, and the end of a run on a disk that takes no more.
//!
//! A download whose length is known has its room reserved, so that the sum of them fits, not only each. One whose length
//! is not known gets half of the free space, so that what it turns out to be is its own fault and no full disk. After a
//! fault the part that met it is gone, and the disk is looked at again: with room enough, and where it can be written to,
//! the run goes on. Otherwise nothing new is started, and one message tells it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Error;
use crate::domain::event::{Counter, Emitter, Event};
use crate::storage::Storage;

/// Left free, so that what is whole can be committed: below that the disk counts as full.
const MIN_FREE_SPACE: u64 = 1 << 20;
/// As much must be free after a fault for the run to go on.
const RECOVERED_FREE_SPACE: u64 = 64 << 20;
/// Faults of the disk in a row, without a file that it took in between, that end a run.
const MAX_CONSECUTIVE_FAULTS: u32 = 3;

/// The disk of an archive.
pub(crate) struct Disk {
    storage: Storage,
    emitter: Emitter,
    under_way: Arc<Mutex<Vec<PendingFile>>>,
    faults: AtomicU32,
    failure: OnceLock<DiskFailure>,
}

/// Why a disk takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DiskFailure {
    Full,
    Failing,
}

impl From<DiskFailure> for Error {
    fn from(down: DiskFailure) -> Self {
        match down {
            DiskFailure::Full => Self::DiskFull,
            DiskFailure::Failing => Self::DiskFailing,
        }
    }
}

impl Disk {
    /// The disk that `storage` is on.
    #[must_use]
    pub(crate) fn new(storage: Storage, emitter: Emitter) -> Self {
        Self { storage, emitter, under_way: Arc::default(), faults: AtomicU32::new(0), failure: OnceLock::new() }
    }

    /// Whether something new may be started.
    ///
    /// # Errors
    /// When the disk has been found full, or fails.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.get().map_or(Ok(()), |down| Err((*down).into()))
    }

    /// The disk took a file.
    pub(crate) fn reset_faults(&self) {
        self.faults.store(0, Ordering::Relaxed);
    }

    /// Takes in an error of what has been given up by now: as it is, or as the end of the run.
    #[must_use]
    pub(crate) fn handle_error(&self, error: Error) -> Error {
        let Some(source) = error.write_error() else { return error };
        match (DiskErrorKind::from_error(source), self.storage.probe_write()) {
            (DiskErrorKind::Other, _) if source.kind() == io::ErrorKind::PermissionDenied => error,
            (_, Err(why)) if DiskErrorKind::from_error(&why) == DiskErrorKind::NoSpace => {
                self.mark_failed(DiskFailure::Full, &why)
            }
            (_, Err(why)) => self.mark_failed(DiskFailure::Failing, &why),
            (DiskErrorKind::NoSpace, Ok(())) if self.has_room(source) => error,
            (DiskErrorKind::NoSpace, Ok(())) => self.mark_failed(DiskFailure::Full, source),
            (DiskErrorKind::Device, Ok(())) if self.faults.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_CONSECUTIVE_FAULTS => {
                self.mark_failed(DiskFailure::Failing, source)
            }
            (DiskErrorKind::Device | DiskErrorKind::Other, Ok(())) => error,
        }
    }

    /// Whether there is room again. What a quota leaves, nobody tells.
    fn has_room(&self, fault: &io::Error) -> bool {
        fault.kind() != io::ErrorKind::QuotaExceeded && self.storage.free_space().is_some_and(|free| free >= RECOVERED_FREE_SPACE)
    }

    /// Nothing new is started any more: told once.
    fn mark_failed(&self, down: DiskFailure, why: &io::Error) -> Error {
        let mut is_first = false;
        let down = *self.failure.get_or_init(|| {
            is_first = true;
            down
        });
        if is_first {
            self.emitter.emit(Event::Error(match down {
                DiskFailure::Full => "the disk is full: nothing new is started; make room and run again".to_owned(),
                DiskFailure::Failing => {
                    format!("the disk can't be written to ({why}): nothing new is started; check it and run again")
                }
            }));
        }
        down.into()
    }

    /// Reserves room for a file of `total` bytes, of which `meter` counts those that are there, until it is dropped.
    pub(super) fn reserve(&self, total: Option<u64>, meter: &Counter) -> Result<SpaceReservation, Error> {
        let (size, here) = (total.unwrap_or(0), meter.get());
        let needed = size.saturating_sub(here);
        let mut under_way = lock_pending(&self.under_way);
        let free = self.storage.free_space();
        if let Some(free) = free {
            let promised: u64 = under_way.iter().map(|other| other.size.saturating_sub(other.meter.get())).sum();
            let left = free.saturating_sub(promised).saturating_sub(MIN_FREE_SPACE);
            match () {
                () if free < MIN_FREE_SPACE => {
                    return Err(self.mark_failed(DiskFailure::Full, &io::ErrorKind::StorageFull.into()));
                }
                () if left < needed => return Err(Error::NoSpace { needed, free: left }),
                () => {}
            }
        }
        under_way.push(PendingFile { size, meter: meter.clone() });
        let most = free.filter(|_| total.is_none()).map(|free| here.saturating_add(free / 2));
        Ok(SpaceReservation { max_size: most, meter: meter.clone(), under_way: Arc::clone(&self.under_way) })
    }
}

/// What kind of fault an error of the disk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DiskErrorKind {
    /// It is full, for this user at least.
    NoSpace,
    /// It can't be written to or is broken.
    Device,
    /// Anything else, of one path alone.
    Other,
}

impl DiskErrorKind {
    fn from_error(error: &io::Error) -> Self {
        use io::ErrorKind::{NotConnected, QuotaExceeded, ReadOnlyFilesystem, StaleNetworkFileHandle, StorageFull, TimedOut};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::NoSpace,
            ReadOnlyFilesystem | StaleNetworkFileHandle | NotConnected | TimedOut => Self::Device,
            _ if error.raw_os_error().is_some_and(|code| DEVICE_ERROR_CODES.contains(&code)) => Self::Device,
            _ => Self::Other,
        }
    }
}

/// EIO, ENXIO, ENODEV: what systems say of a device that fails or is gone. Linux has EUCLEAN for a damaged file system, too.
#[cfg(unix)]
const DEVICE_ERROR_CODES: &[i32] = &[5, 6, 19, 117];
/// ERROR_NOT_READY, ERROR_CRC, ERROR_WRITE_FAULT, ERROR_GEN_FAILURE, ERROR_DEV_NOT_EXIST, ERROR_IO_DEVICE.
#[cfg(not(unix))]
const DEVICE_ERROR_CODES: &[i32] = &[21, 23, 29, 31, 55, 1117];

/// A file under way.
struct PendingFile {
    size: u64,
    meter: Counter,
}

fn lock_pending(under_way: &Mutex<Vec<PendingFile>>) -> MutexGuard<'_, Vec<PendingFile>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room that a download will need.
pub(super) struct SpaceReservation {
    /// How large the file may become, when nobody knows how large it is.
    pub max_size: Option<u64>,
    meter: Counter,
    under_way: Arc<Mutex<Vec<PendingFile>>>,
}

impl Drop for SpaceReservation {
    fn drop(&mut self) {
        lock_pending(&self.under_way).retain(|file| !file.meter.ptr_eq(&self.meter));
    }
}

/// How large a file may become, and by whose word.
#[derive(Clone, Copy, Default)]
pub(super) struct SizeLimit {
    /// By `--max-size`.
    pub user: Option<u64>,
    /// By the free space, where the length is not known.
    pub disk: Option<u64>,
}

impl SizeLimit {
    /// The smaller one.
    pub(super) fn max_bytes(self) -> Option<u64> {
        [self.user, self.disk].into_iter().flatten().min()
    }

    /// Says which one a file was too large for.
    pub(super) fn explain(self, error: Error) -> Error {
        match (error, self.disk) {
            (Error::TooLarge, Some(most)) if self.user.is_none_or(|user| most < user) => Error::TooLargeForDisk(most),
            (error, _) => error,
        }
    }
}

#[cfg(test)]
mod tests {
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
                "EMFILE: the disk can't help it"
            );
        }
    }

    #[test]
    fn too_large_error_names_the_limit_that_applied() {
        let limit = |of_user, of_disk| SizeLimit { user: of_user, disk: of_disk };
        for (limit, most, is_of_disk) in [
            (limit(None, None), None, false),
            (limit(Some(5), None), Some(5), false),
            (limit(Some(5), Some(9)), Some(5), false),
            (limit(Some(9), Some(5)), Some(5), true),
            (limit(None, Some(5)), Some(5), true),
        ] {
            assert_eq!(limit.max_bytes(), most);
            assert_eq!(matches!(limit.explain(Error::TooLarge), Error::TooLargeForDisk(5)), is_of_disk);
        }
    }
}
