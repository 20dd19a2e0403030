//! Room on the disk: asked for before a download whose length is known, and what a full disk ends.
//!
//! Downloads under way have their room reserved, so that the sum of them fits, not only each. When
//! the disk is full all the same, the part that hit it is gone first (its room lets the others be
//! committed), and nothing new is started: one message tells it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Error;
use crate::event::{Emitter, Event, Meter};
use crate::store::{self, Archive};

/// Left free, so that what is whole can be committed: below that the disk counts as full.
const SPARE: u64 = 1 << 20;

/// The disk of an archive.
pub(crate) struct Disk {
    archive: Archive,
    emitter: Emitter,
    under_way: Arc<Mutex<Vec<Expected>>>,
    is_full: AtomicBool,
}

impl Disk {
    /// The disk that `archive` is on.
    #[must_use]
    pub(crate) fn new(archive: Archive, emitter: Emitter) -> Self {
        Self { archive, emitter, under_way: Arc::default(), is_full: AtomicBool::new(false) }
    }

    /// Whether it has been found full.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Takes an error in: whether it says that the disk is full.
    #[must_use]
    pub(crate) fn note(&self, error: Error) -> Error {
        let is_full = match &error {
            Error::Write(source) | Error::Store(store::Error::Io { source, .. }) => is_no_room(source),
            _ => false,
        };
        if is_full { self.filled() } else { error }
    }

    /// The disk is full: told once.
    fn filled(&self) -> Error {
        if !self.is_full.swap(true, Ordering::Relaxed) {
            self.emitter.emit(Event::Error("the disk is full: nothing new is started; make room and run again".to_owned()));
        }
        Error::DiskFull
    }

    /// Reserves room for a file of `size` bytes, of which `meter` counts those that are there, until the reservation is dropped.
    pub(super) fn reserve(&self, size: u64, meter: &Meter) -> Result<Reservation, Error> {
        let needed = size.saturating_sub(meter.read());
        let mut under_way = lock(&self.under_way);
        if let Some(free) = self.archive.free_space() {
            let promised: u64 = under_way.iter().map(|other| other.size.saturating_sub(other.meter.read())).sum();
            let left = free.saturating_sub(promised).saturating_sub(SPARE);
            match () {
                () if free < SPARE => return Err(self.filled()),
                () if left < needed => return Err(Error::NoRoom { needed, free: left }),
                () => {}
            }
        }
        under_way.push(Expected { size, meter: meter.clone() });
        Ok(Reservation { meter: meter.clone(), under_way: Arc::clone(&self.under_way) })
    }
}

/// A file under way.
struct Expected {
    size: u64,
    meter: Meter,
}

fn lock(under_way: &Mutex<Vec<Expected>>) -> MutexGuard<'_, Vec<Expected>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Room that a download will need.
pub(super) struct Reservation {
    meter: Meter,
    under_way: Arc<Mutex<Vec<Expected>>>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.under_way).retain(|file| !file.meter.is(&self.meter));
    }
}
