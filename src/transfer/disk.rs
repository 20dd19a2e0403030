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
use crate::event::{Emitter, Event, Meter};
use crate::store::Archive;

/// Left free, so that what is whole can be committed: below that the disk counts as full.
const SPARE: u64 = 1 << 20;
/// As much must be free after a fault for the run to go on.
const ENOUGH: u64 = 64 << 20;
/// Faults of the disk in a row, without a file that it took in between, that end a run.
const MOST_FAULTS: u32 = 3;

/// The disk of an archive.
pub(crate) struct Disk {
    archive: Archive,
    emitter: Emitter,
    under_way: Arc<Mutex<Vec<Expected>>>,
    faults: AtomicU32,
    down: OnceLock<Down>,
}

/// Why a disk takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Down {
    Full,
    Failing,
}

impl From<Down> for Error {
    fn from(down: Down) -> Self {
        match down {
            Down::Full => Self::DiskFull,
            Down::Failing => Self::DiskFails,
        }
    }
}

impl Disk {
    /// The disk that `archive` is on.
    #[must_use]
    pub(crate) fn new(archive: Archive, emitter: Emitter) -> Self {
        Self { archive, emitter, under_way: Arc::default(), faults: AtomicU32::new(0), down: OnceLock::new() }
    }

    /// Whether something new may be started.
    ///
    /// # Errors
    /// When the disk has been found full, or fails.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.down.get().map_or(Ok(()), |down| Err((*down).into()))
    }

    /// The disk took a file.
    pub(crate) fn took(&self) {
        self.faults.store(0, Ordering::Relaxed);
    }

    /// Takes in an error of what has been given up by now: as it is, or as the end of the run.
    #[must_use]
    pub(crate) fn note(&self, error: Error) -> Error {
        let Some(source) = error.of_writing() else { return error };
        match (Fault::of(source), self.archive.try_to_write()) {
            (Fault::Other, _) if source.kind() == io::ErrorKind::PermissionDenied => error,
            (_, Err(why)) if Fault::of(&why) == Fault::NoRoom => self.end(Down::Full, &why),
            (_, Err(why)) => self.end(Down::Failing, &why),
            (Fault::NoRoom, Ok(())) if self.has_room(source) => error,
            (Fault::NoRoom, Ok(())) => self.end(Down::Full, source),
            (Fault::Medium, Ok(())) if self.faults.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_FAULTS => {
                self.end(Down::Failing, source)
            }
            (Fault::Medium | Fault::Other, Ok(())) => error,
        }
    }

    /// Whether there is room again. What a quota leaves, nobody tells.
    fn has_room(&self, fault: &io::Error) -> bool {
        fault.kind() != io::ErrorKind::QuotaExceeded && self.archive.free_space().is_some_and(|free| free >= ENOUGH)
    }

    /// Nothing new is started any more: told once.
    fn end(&self, down: Down, why: &io::Error) -> Error {
        let mut is_first = false;
        let down = *self.down.get_or_init(|| {
            is_first = true;
            down
        });
        if is_first {
            self.emitter.emit(Event::Error(match down {
                Down::Full => "the disk is full: nothing new is started; make room and run again".to_owned(),
                Down::Failing => format!("the disk can't be written to ({why}): nothing new is started; check it and run again"),
            }));
        }
        down.into()
    }

    /// Reserves room for a file of `total` bytes, of which `meter` counts those that are there, until it is dropped.
    pub(super) fn reserve(&self, total: Option<u64>, meter: &Meter) -> Result<Room, Error> {
        let (size, here) = (total.unwrap_or(0), meter.read());
        let needed = size.saturating_sub(here);
        let mut under_way = lock(&self.under_way);
        let free = self.archive.free_space();
        if let Some(free) = free {
            let promised: u64 = under_way.iter().map(|other| other.size.saturating_sub(other.meter.read())).sum();
            let left = free.saturating_sub(promised).saturating_sub(SPARE);
            match () {
                () if free < SPARE => return Err(self.end(Down::Full, &io::ErrorKind::StorageFull.into())),
                () if left < needed => return Err(Error::NoRoom { needed, free: left }),
                () => {}
            }
        }
        under_way.push(Expected { size, meter: meter.clone() });
        let most = free.filter(|_| total.is_none()).map(|free| here.saturating_add(free / 2));
        Ok(Room { most, meter: meter.clone(), under_way: Arc::clone(&self.under_way) })
    }
}

/// What kind of fault an error of the disk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// It is full, for this user at least.
    NoRoom,
    /// It can't be written to or is broken.
    Medium,
    /// Anything else, of one path alone.
    Other,
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{NotConnected, QuotaExceeded, ReadOnlyFilesystem, StaleNetworkFileHandle, StorageFull, TimedOut};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::NoRoom,
            ReadOnlyFilesystem | StaleNetworkFileHandle | NotConnected | TimedOut => Self::Medium,
            _ if error.raw_os_error().is_some_and(|code| BROKEN.contains(&code)) => Self::Medium,
            _ => Self::Other,
        }
    }
}

/// EIO, ENXIO, ENODEV: what systems say of a device that fails or is gone. Linux has EUCLEAN for a damaged file system, too.
#[cfg(unix)]
const BROKEN: &[i32] = &[5, 6, 19, 117];
/// ERROR_NOT_READY, ERROR_CRC, ERROR_WRITE_FAULT, ERROR_GEN_FAILURE, ERROR_DEV_NOT_EXIST, ERROR_IO_DEVICE.
#[cfg(not(unix))]
const BROKEN: &[i32] = &[21, 23, 29, 31, 55, 1117];

/// A file under way.
struct Expected {
    size: u64,
    meter: Meter,
}

fn lock(under_way: &Mutex<Vec<Expected>>) -> MutexGuard<'_, Vec<Expected>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room that a download will need.
pub(super) struct Room {
    /// How large the file may become, when nobody knows how large it is.
    pub most: Option<u64>,
    meter: Meter,
    under_way: Arc<Mutex<Vec<Expected>>>,
}

impl Drop for Room {
    fn drop(&mut self) {
        lock(&self.under_way).retain(|file| !file.meter.is(&self.meter));
    }
}

/// How large a file may become, and by whose word.
#[derive(Clone, Copy, Default)]
pub(super) struct Limit {
    /// By `--max-size`.
    pub of_user: Option<u64>,
    /// By the free space, where the length is not known.
    pub of_disk: Option<u64>,
}

impl Limit {
    /// The smaller one.
    pub(super) fn most(self) -> Option<u64> {
        [self.of_user, self.of_disk].into_iter().flatten().min()
    }

    /// Says which one a file was too large for.
    pub(super) fn explain(self, error: Error) -> Error {
        match (error, self.of_disk) {
            (Error::TooLarge, Some(most)) if self.of_user.is_none_or(|user| most < user) => Error::TooLargeForDisk(most),
            (error, _) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_medium_are_told_from_those_of_a_path() {
        for (kind, fault) in [
            (io::ErrorKind::StorageFull, Fault::NoRoom),
            (io::ErrorKind::QuotaExceeded, Fault::NoRoom),
            (io::ErrorKind::ReadOnlyFilesystem, Fault::Medium),
            (io::ErrorKind::StaleNetworkFileHandle, Fault::Medium),
            (io::ErrorKind::PermissionDenied, Fault::Other),
            (io::ErrorKind::NotFound, Fault::Other),
        ] {
            assert_eq!(Fault::of(&kind.into()), fault, "{kind:?}");
        }
        #[cfg(unix)]
        {
            assert_eq!(Fault::of(&io::Error::from_raw_os_error(5)), Fault::Medium, "EIO");
            assert_eq!(Fault::of(&io::Error::from_raw_os_error(24)), Fault::Other, "EMFILE: the disk can't help it");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_told_by_the_limit_that_it_met() {
        let limit = |of_user, of_disk| Limit { of_user, of_disk };
        for (limit, most, is_of_disk) in [
            (limit(None, None), None, false),
            (limit(Some(5), None), Some(5), false),
            (limit(Some(5), Some(9)), Some(5), false),
            (limit(Some(9), Some(5)), Some(5), true),
            (limit(None, Some(5)), Some(5), true),
        ] {
            assert_eq!(limit.most(), most);
            assert_eq!(matches!(limit.explain(Error::TooLarge), Error::TooLargeForDisk(5)), is_of_disk);
        }
    }
}
