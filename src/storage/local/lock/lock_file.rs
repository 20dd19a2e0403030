//! Lock files, for file systems on which the system can't lock anything (`flock` on some network shares and file systems in
//! user space).
//!
//! A lock is a file that its holder creates exclusively. Its first line names the holder and has a token that no other lock
//! has. The holder appends a byte every [`HEARTBEAT`], and removes the file at the end.
//!
//! A lock is stale when its holder is dead:
//! - a process of this machine, this boot and this process space is dead when no such process runs, and alive when it runs;
//! - any other holder is dead when nothing was written to its file for [`STALE_AFTER`]. Both times are of the file system's own
//!   clock, which a new file in the same folder shows. So it doesn't matter whether the clocks of two machines agree.
//!
//! Takeover. Whoever takes over a stale lock first acquires `PATH.TOKEN`, where TOKEN is that of the stale lock, and then looks
//! at the stale lock again. While it has `PATH.TOKEN`, no other process may replace a lock with this token. So it renames its own
//! file over the stale one. A process that comes later finds another token, and gives up. A process that is killed in between
//! leaves `PATH.TOKEN`: a lock file like any other, which becomes stale.
//!
//! Limit: a holder that does not run for [`STALE_AFTER`] (on a machine that sleeps) can lose its lock to another machine. It
//! checks its lock before it gives any file its final name ([`LockFile::is_held`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{heartbeat, machine};

/// How often a holder writes to its lock file.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// When nothing was written to a lock file for so long, its holder is dead.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// The longest first line that is read.
const MAX_LINE: u64 = 4096;

/// The first line of a lock file.
#[derive(Serialize, Deserialize)]
struct Record {
    token: String,
    host: String,
    process: u32,
    /// When the process started, in the units of its system.
    #[serde(default)]
    started: Option<u64>,
    /// The boot and the process space of the process.
    #[serde(default)]
    space: Option<String>,
    /// Whether the holder has ended, and left the file as a sign.
    #[serde(default)]
    is_released: bool,
}

impl Record {
    /// Whether this process can see its process. Virtual machines that were started from one snapshot have the same boot.
    fn is_of_this_space(&self) -> bool {
        self.space.is_some() && self.space == machine::process_space() && self.host == machine::host_name()
    }
}

/// A lock file of this process.
#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    token: String,
    is_kept: bool,
}

impl LockFile {
    /// Makes a lock of `file`, which this process has just created at `path`.
    pub(super) fn begin(path: &Path, mut file: File) -> io::Result<Self> {
        let (token, (process, started)) = (format!("{:016x}", fastrand::u64(..)), machine::this_process());
        let (host, space) = (machine::host_name(), machine::process_space());
        let record = Record { token: token.clone(), host, process, started, space, is_released: false };
        // Removed again when this fails.
        let lock = Self { path: path.to_owned(), token, is_kept: false };
        let written = write_record(&mut file, &record).and_then(|()| heartbeat::begin(path, &lock.token));
        drop(file);
        if written.is_err() {
            fs::remove_file(path)?;
        }
        written.map(|()| lock)
    }

    /// Acquires the lock at `path`; none while another process holds it.
    fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        match File::create_new(path) {
            Ok(file) => Self::begin(path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::try_take_over(path),
            Err(error) => Err(error),
        }
    }

    /// Takes over the lock that a dead process left at `path`; none when its holder lives, or has removed it.
    pub(super) fn try_take_over(path: &Path) -> io::Result<Option<Self>> {
        let Some(found) = FoundLock::read_stale(path)? else { return Ok(None) };
        let mut guard_path = path.as_os_str().to_owned();
        guard_path.push(format!(".{}", found.token()));
        let Some(mut guard) = Self::try_acquire(Path::new(&guard_path))? else { return Ok(None) };
        // Another process may have taken it over before this one had the guard.
        if FoundLock::read_stale(path)?.is_none_or(|now| now.token() != found.token()) {
            return Ok(None);
        }
        match fs::rename(&guard.path, path) {
            Ok(()) => {}
            // The holder of the lock of the folder has cleaned up: the stale lock was no lock any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Windows replaces no file that another process reads at this moment.
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        }
        heartbeat::rename(&guard.token, path);
        path.clone_into(&mut guard.path);
        Ok(Some(guard))
    }

    /// Whether this process still has the lock.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        has_token(&self.path, &self.token)
    }

    /// Releases the lock, and leaves its file in place, as that of a dead process.
    pub(super) fn release_keeping_file(&mut self) {
        self.is_kept = true;
        heartbeat::end(&self.token);
        let (token, host) = (self.token.clone(), machine::host_name());
        let record = Record { token, host, process: 0, started: None, space: None, is_released: true };
        let rewrite = || write_record(&mut OpenOptions::new().write(true).truncate(true).open(&self.path)?, &record);
        if self.is_held().unwrap_or(false) {
            // Where this fails, the file becomes stale with the end of this process.
            let _ = rewrite();
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        heartbeat::end(&self.token);
        if !self.is_kept && self.is_held().unwrap_or(false) {
            // One that can't be removed becomes stale with the end of this process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the lock file at `path` has this token.
pub(super) fn has_token(path: &Path, token: &str) -> io::Result<bool> {
    Ok(FoundLock::read(path)?.is_some_and(|found| found.token() == token))
}

/// Whether a live process holds the lock file at `path`. An empty file is none: the system may have locked it. Anything but a
/// plain file is none either: this program never makes that, and it would lock the folder for ever.
///
/// # Errors
/// When this is unknown. Then the lock must not count as free: two processes would write to one folder.
pub(super) fn has_live_holder(path: &Path) -> io::Result<bool> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    if !found.is_file() {
        return Ok(false);
    }
    match FoundLock::read(path)? {
        Some(found) if found.record.is_some() => Ok(!found.is_stale(path)?),
        _ => Ok(false),
    }
}

/// The process that holds the lock file at `path`, for people.
pub(super) fn holder(path: &Path) -> Option<String> {
    let record = FoundLock::read(path).ok()??.record?;
    let process = format!("process {}", record.process);
    Some(if record.is_of_this_space() { process } else { format!("{process} on {}", record.host) })
}

fn write_record(file: &mut File, record: &Record) -> io::Result<()> {
    file.write_all((serde_json::to_string(record)? + "\n").as_bytes())
}

/// A lock file of any process.
struct FoundLock {
    /// None when its holder has not written it yet, or a crash has cut it.
    record: Option<Record>,
    written_at: SystemTime,
}

impl FoundLock {
    /// The lock file at `path`; none when there is none.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let read = || {
            if !fs::symlink_metadata(path)?.is_file() {
                return Err(io::Error::other("the lock file is not a plain file"));
            }
            // Opening a file makes network shares ask their server for its time.
            let file = File::open(path)?;
            let written_at = file.metadata()?.modified()?;
            // Damaged text is no error: such a lock must become stale too.
            let mut line = Vec::new();
            BufReader::new(file.take(MAX_LINE)).read_until(b'\n', &mut line)?;
            Ok(Some(Self { record: serde_json::from_slice(&line).ok(), written_at }))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    /// The lock file at `path`, when its holder is dead.
    fn read_stale(path: &Path) -> io::Result<Option<Self>> {
        let Some(found) = Self::read(path)? else { return Ok(None) };
        Ok(if found.is_stale(path)? { Some(found) } else { None })
    }

    fn token(&self) -> &str {
        // A token becomes part of a name.
        let is_token = |token: &&str| token.len() == 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.record.as_ref().map(|record| record.token.as_str()).filter(is_token).unwrap_or("unknown")
    }

    /// Whether its holder is dead.
    fn is_stale(&self, path: &Path) -> io::Result<bool> {
        let is_silent = || {
            // A live holder doesn't write in the future either.
            let age = clock(path)?.duration_since(self.written_at).unwrap_or_else(|error| error.duration());
            Ok(age >= STALE_AFTER)
        };
        let Some(record) = &self.record else { return is_silent() };
        if record.is_released {
            return Ok(true);
        }
        if !record.is_of_this_space() {
            return is_silent();
        }
        machine::is_running(record.process, record.started).map_or_else(is_silent, |is_running| Ok(!is_running))
    }
}

/// The time on the clock of the file system that `path` is on.
fn clock(path: &Path) -> io::Result<SystemTime> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A process that is killed here must not leave a file: this one has no name, or only until it is open.
    tempfile::tempfile_in(folder)?.metadata()?.modified()
}

#[cfg(test)]
mod tests;
