//! Free space on the disk, and the end of a run whose disk is full or failing.
//!
//! Space is reserved for a download of known length, so that all of them fit together. For small files on a disk with plenty of
//! space, the system is asked once a second, not for each of them. A download of unknown length may use
//! half of the free space: a longer one fails because of its own size, and does not fill the disk. After a fault of the disk
//! its part is removed and the disk is checked again. The run continues when there is space and a test file can be written.
//! Otherwise nothing new is started, and one message reports it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use super::Error;
use crate::domain::event::{Counter, Emitter, Event};
use crate::storage::{self, BucketFault, LocalArchive};

/// Space that stays free, so that finished files can be committed. With less the disk counts as full.
const MIN_FREE_SPACE: u64 = 1 << 20;
/// Space that must be free after a fault for the run to continue.
const RECOVERED_FREE_SPACE: u64 = 64 << 20;
/// With this much free space, a small file is reserved without asking the system.
const PLENTY_OF_SPACE: u64 = 1 << 30;
/// The size of a small file.
const SMALL_FILE: u64 = 1 << 20;
/// How long the last report of the system counts.
const REPORT_LIFETIME: Duration = Duration::from_secs(1);
/// Faults of the disk in a row, without a saved file between them, that end a run.
const MAX_CONSECUTIVE_FAULTS: u32 = 3;

/// The disk of an archive.
pub(crate) struct Disk {
    archive: LocalArchive,
    emitter: Emitter,
    pending: Arc<Mutex<Vec<PendingFile>>>,
    last_report: Mutex<Option<SpaceReport>>,
    faults: AtomicU32,
    failure: OnceLock<DiskFailure>,
}

/// What the system reported of the free space.
struct SpaceReport {
    /// What is left of it, after the small files since then.
    left: u64,
    asked_at: Instant,
}

impl SpaceReport {
    /// Takes the space of a small file from the report. False when the system must be asked again. `reserved` bytes are for other
    /// files.
    fn take(&mut self, needed: u64, reserved: u64, now: Instant) -> bool {
        let is_plenty = self.left.saturating_sub(reserved) >= PLENTY_OF_SPACE;
        let is_taken = is_plenty && needed <= SMALL_FILE && now.saturating_duration_since(self.asked_at) < REPORT_LIFETIME;
        if is_taken {
            self.left -= needed;
        }
        is_taken
    }
}

/// Why nothing new is started on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DiskFailure {
    Full,
    Failing,
    /// The archive is in a bucket, which can't be written to.
    Bucket,
}

impl From<DiskFailure> for Error {
    fn from(failure: DiskFailure) -> Self {
        match failure {
            DiskFailure::Full => Self::DiskFull,
            DiskFailure::Failing => Self::DiskFailing,
            DiskFailure::Bucket => Self::BucketFailing,
        }
    }
}

impl Disk {
    /// The disk that `archive` is on.
    #[must_use]
    pub(crate) fn new(archive: LocalArchive, emitter: Emitter) -> Self {
        let (pending, last_report) = (Arc::default(), Mutex::default());
        Self { archive, emitter, pending, last_report, faults: AtomicU32::new(0), failure: OnceLock::new() }
    }

    /// Checks whether something new may be started.
    ///
    /// # Errors
    /// When the disk is full or failing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.get().map_or(Ok(()), |failure| Err((*failure).into()))
    }

    /// A file was saved: the faults before it do not count any more.
    pub(crate) fn reset_faults(&self) {
        self.faults.store(0, Ordering::Relaxed);
    }

    /// Checks the disk after a failed write. Returns the error, or the one that ends the run.
    #[must_use]
    pub(crate) fn handle_error(&self, error: Error) -> Error {
        if let Error::Store(storage::Error::Bucket { source, .. }) = &error {
            return if self.is_bucket_failing(source.fault) { self.mark_failed(DiskFailure::Bucket, &error) } else { error };
        }
        let Some(source) = error.write_error() else { return error };
        match (DiskErrorKind::from_error(source), self.archive.probe_write()) {
            (DiskErrorKind::Other, _) if source.kind() == io::ErrorKind::PermissionDenied => error,
            (_, Err(why)) if DiskErrorKind::from_error(&why) == DiskErrorKind::NoSpace => {
                self.mark_failed(DiskFailure::Full, &why)
            }
            (_, Err(why)) => self.mark_failed(DiskFailure::Failing, &why),
            (DiskErrorKind::NoSpace, Ok(())) if self.has_space(source) => error,
            (DiskErrorKind::NoSpace, Ok(())) => self.mark_failed(DiskFailure::Full, source),
            (DiskErrorKind::Device, Ok(())) if self.faults.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_CONSECUTIVE_FAULTS => {
                self.mark_failed(DiskFailure::Failing, source)
            }
            (DiskErrorKind::Device | DiskErrorKind::Other, Ok(())) => error,
        }
    }

    /// Whether a fault of the bucket concerns everything else, too.
    fn is_bucket_failing(&self, fault: BucketFault) -> bool {
        match fault {
            BucketFault::Refused | BucketFault::ConditionsIgnored => true,
            BucketFault::Unavailable => self.faults.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_CONSECUTIVE_FAULTS,
            BucketFault::NotFound | BucketFault::Other => false,
        }
    }

    /// Whether there is space again, after a test file was written. Of a file system that does not report its free space nothing
    /// else is known; under a quota what it reports says nothing.
    fn has_space(&self, fault: &io::Error) -> bool {
        fault.kind() != io::ErrorKind::QuotaExceeded && self.archive.free_space().is_none_or(|free| free >= RECOVERED_FREE_SPACE)
    }

    /// Lets nothing new start. The first call reports it.
    fn mark_failed(&self, failure: DiskFailure, why: &dyn fmt::Display) -> Error {
        let mut is_first = false;
        let failure = *self.failure.get_or_init(|| {
            is_first = true;
            failure
        });
        if is_first {
            self.emitter.emit(Event::Error(match failure {
                DiskFailure::Full => "the disk is full: nothing new is started; free some space and run again".to_owned(),
                DiskFailure::Failing => {
                    format!("the disk can't be written to ({why}): nothing new is started; check it and run again")
                }
                DiskFailure::Bucket => format!("{why}; nothing new is started: check the bucket and run again"),
            }));
        }
        failure.into()
    }

    /// Reserves space for a file of `total` bytes, until the reservation is dropped. `counter` counts the bytes on disk.
    pub(super) fn reserve(&self, total: Option<u64>, counter: &Counter) -> Result<SpaceReservation, Error> {
        let (size, written) = (total.unwrap_or(0), counter.get());
        let needed = size.saturating_sub(written);
        let mut pending = lock_pending(&self.pending);
        let reserved: u64 = pending.iter().map(|other| other.size.saturating_sub(other.counter.get())).sum();
        let is_taken = total.is_some() && self.take_from_report(needed, reserved);
        let free = if is_taken { None } else { self.archive.free_space() };
        if let Some(free) = free {
            let available = free.saturating_sub(reserved).saturating_sub(MIN_FREE_SPACE);
            if free < MIN_FREE_SPACE {
                return Err(self.mark_failed(DiskFailure::Full, &io::Error::from(io::ErrorKind::StorageFull)));
            }
            if available < needed {
                return Err(Error::NoSpace { needed, available });
            }
            *self.lock_report() = Some(SpaceReport { left: free - needed, asked_at: Instant::now() });
        }
        pending.push(PendingFile { size, counter: counter.clone() });
        let max_size = free.filter(|_| total.is_none()).map(|free| written.saturating_add(free / 2));
        Ok(SpaceReservation { max_size, counter: counter.clone(), pending: Arc::clone(&self.pending) })
    }

    fn take_from_report(&self, needed: u64, reserved: u64) -> bool {
        self.lock_report().as_mut().is_some_and(|report| report.take(needed, reserved, Instant::now()))
    }

    fn lock_report(&self) -> MutexGuard<'_, Option<SpaceReport>> {
        self.last_report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kind of an error of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DiskErrorKind {
    /// The disk is full, or the user's quota is.
    NoSpace,
    /// The disk is read-only or failing.
    Device,
    /// An error of one path alone.
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

/// EIO, ENXIO, ENODEV: a device that fails or is gone. EUCLEAN on Linux: a damaged file system.
#[cfg(unix)]
const DEVICE_ERROR_CODES: &[i32] = &[5, 6, 19, 117];
/// ERROR_NOT_READY, ERROR_CRC, ERROR_WRITE_FAULT, ERROR_GEN_FAILURE, ERROR_DEV_NOT_EXIST, ERROR_IO_DEVICE.
#[cfg(not(unix))]
const DEVICE_ERROR_CODES: &[i32] = &[21, 23, 29, 31, 55, 1117];

/// A file that is being downloaded.
struct PendingFile {
    size: u64,
    counter: Counter,
}

fn lock_pending(pending: &Mutex<Vec<PendingFile>>) -> MutexGuard<'_, Vec<PendingFile>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Space that a download will need.
pub(super) struct SpaceReservation {
    /// How large the file may become, when its length is unknown.
    pub max_size: Option<u64>,
    counter: Counter,
    pending: Arc<Mutex<Vec<PendingFile>>>,
}

impl Drop for SpaceReservation {
    fn drop(&mut self) {
        lock_pending(&self.pending).retain(|file| !file.counter.ptr_eq(&self.counter));
    }
}

/// How large a file may become, and why.
#[derive(Clone, Copy, Default)]
pub(super) struct SizeLimit {
    /// The limit of `--max-size`.
    pub user: Option<u64>,
    /// The limit of the free space, where the length is unknown.
    pub disk: Option<u64>,
}

impl SizeLimit {
    /// The smaller one.
    pub(super) fn max_bytes(self) -> Option<u64> {
        [self.user, self.disk].into_iter().flatten().min()
    }

    /// Makes the error name the limit that applied.
    pub(super) fn explain(self, error: Error) -> Error {
        match (error, self.disk) {
            (Error::TooLarge, Some(most)) if self.user.is_none_or(|user| most < user) => Error::TooLargeForDisk(most),
            (error, _) => error,
        }
    }
}

#[cfg(test)]
mod tests;
