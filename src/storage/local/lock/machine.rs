//! Who holds a lock: the machine, and whether a process on it runs.
//!
//! A process is known by its number and the time at which it started, within one boot of one machine and one space of process
//! numbers (a container has its own). Only Linux tells all of these; elsewhere it is unknown whether a process runs.

/// The name of this machine, for people.
pub(super) fn host_name() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "another machine".to_owned())
}

/// The number of this process, and when it started.
pub(super) fn this_process() -> (u32, Option<u64>) {
    let process = std::process::id();
    (process, system::start_time(process))
}

pub(super) use system::{is_running, process_space};

#[cfg(target_os = "linux")]
mod system {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    /// This boot and this space of process numbers.
    pub(in super::super) fn process_space() -> Option<String> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let numbers = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(format!("{} {}", boot.trim(), numbers.display()))
    }

    /// Whether the process of this space runs that has this number and started then. None when the system does not say.
    pub(in super::super) fn is_running(process: u32, started: Option<u64>) -> Option<bool> {
        let pid = Pid::from_raw(i32::try_from(process).ok()?)?;
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return Some(false);
        }
        let found = start_time(process);
        match (found, started) {
            (Some(found), Some(started)) => Some(found == started),
            _ => None,
        }
    }

    /// When a process started, in ticks since the boot; 0 when it has ended and its parent has not noticed.
    pub(super) fn start_time(process: u32) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        parse_start_time(&status)
    }

    /// The fields after the name, which is in parentheses and may have any characters: state is the third field of the line,
    /// the start time the 22nd.
    fn parse_start_time(status: &str) -> Option<u64> {
        let (_, fields) = status.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") { Some(0) } else { fields.nth(18)?.parse().ok() }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn start_time_is_read_from_a_line_with_any_name() {
            let fields = "1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 8192 1";
            assert_eq!(parse_start_time(&format!("7 (a) b) S {fields}")), Some(4711));
            assert_eq!(parse_start_time(&format!("7 (x) Z {fields}")), Some(0));
            assert_eq!(parse_start_time("7 (x) S 1"), None);
        }

        #[test]
        fn process_runs_while_its_number_and_start_match() {
            let (process, started) = super::super::this_process();
            assert_eq!(is_running(process, started), Some(true));
            assert_eq!(is_running(process, started.map(|started| started + 1)), Some(false), "the number was used again");
            assert_eq!(is_running(process, None), None);
            assert_eq!(is_running(u32::MAX / 2, started), Some(false));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(in super::super) fn process_space() -> Option<String> {
        None
    }

    pub(in super::super) fn is_running(_: u32, _: Option<u64>) -> Option<bool> {
        None
    }

    pub(super) fn start_time(_: u32) -> Option<u64> {
        None
    }
}
