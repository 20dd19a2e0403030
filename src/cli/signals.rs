//! Interrupts: SIGINT, SIGTERM and SIGHUP on Unix; Ctrl-C, Ctrl-Break and a closing console on Windows.
//!
//! Each ends the run in the same way, and has its own exit code: 130, 143 and 129. SIGHUP is left alone when it was ignored at
//! the start: `nohup` ignores it, so that the run goes on after its terminal is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::exec;
use crate::threads;

/// The exit code of an interrupt from the keyboard.
const INTERRUPTED: u8 = 130;
/// The exit code of a request to end.
const TERMINATED: u8 = 143;
/// The exit code of a terminal that is gone.
const HUNG_UP: u8 = 129;

/// Handles signals from now on, on a thread of its own: a disk that hangs must not keep the user from ending the program.
///
/// # Errors
/// If there is no thread for it.
pub(super) fn start(stop: CancellationToken, code: Arc<AtomicU8>) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_io().build().map_err(Error::Runtime)?;
    let listening = {
        let _context = runtime.enter();
        system::Signals::listen()
    };
    // Where the system has no signals, it ends the program itself.
    let Ok(signals) = listening else { return Ok(()) };
    let handle = move || runtime.block_on(handle_signals(signals, stop, code));
    threads::spawn_thread("signals", handle).map(drop).map_err(Error::Threads)
}

/// The first interrupt cancels `stop` and stores its exit code in `code`. The second one ends the process at once,
/// and the command of `--exec`.
async fn handle_signals(mut signals: system::Signals, stop: CancellationToken, code: Arc<AtomicU8>) {
    code.store(signals.next().await, Ordering::Relaxed);
    stop.cancel();
    let second_code = signals.next().await;
    exec::end_running_group();
    #[expect(clippy::exit, reason = "the user does not want to wait for an orderly end")]
    std::process::exit(i32::from(second_code));
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::process::{Command, Stdio};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::{HUNG_UP, INTERRUPTED, TERMINATED};

    /// The signals that end the program.
    pub(super) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        /// None where it stays ignored.
        hang_up: Option<Signal>,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: if is_hang_up_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
            })
        }

        /// Waits for the next signal and returns its exit code.
        pub(super) async fn next(&mut self) -> u8 {
            let hang_up = async {
                match &mut self.hang_up {
                    Some(hang_up) => hang_up.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => INTERRUPTED,
                _ = self.terminate.recv() => TERMINATED,
                _ = hang_up => HUNG_UP,
            }
        }
    }

    /// Whether this process was started with SIGHUP ignored. To ask the system needs unsafe code. So Linux's list of ignored
    /// signals is read; elsewhere a shell, which inherits what is ignored, sends itself the signal.
    fn is_hang_up_ignored() -> bool {
        if let Some(is_ignored) = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| is_in_list(&status)) {
            return is_ignored;
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "kill -HUP $$"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    }

    /// Whether SIGHUP, the first signal, is in the list of ignored signals: a line `SigIgn:` and a mask in hex digits.
    fn is_in_list(status: &str) -> Option<bool> {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(|mask| mask & 1 == 1)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ignored_hang_up_is_the_lowest_bit_of_the_mask() {
            for (status, is_ignored) in [
                ("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n", Some(true)),
                ("SigIgn:\t0000000000001000\n", Some(false)),
                ("SigIgn:\tx\n", None),
                ("Name:\tx\n", None),
            ] {
                assert_eq!(is_in_list(status), is_ignored, "{status:?}");
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    use super::{HUNG_UP, INTERRUPTED, TERMINATED};

    /// The console events that end the program.
    pub(super) struct Signals {
        interrupt: CtrlC,
        terminate: CtrlBreak,
        close: CtrlClose,
        log_off: CtrlLogoff,
        shut_down: CtrlShutdown,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: ctrl_c()?,
                terminate: ctrl_break()?,
                close: ctrl_close()?,
                log_off: ctrl_logoff()?,
                shut_down: ctrl_shutdown()?,
            })
        }

        /// Waits for the next event and returns its exit code. Windows ends the process a few seconds after the console closes,
        /// the user logs off or the system shuts down: a run ends sooner.
        pub(super) async fn next(&mut self) -> u8 {
            tokio::select! {
                _ = self.interrupt.recv() => INTERRUPTED,
                _ = self.terminate.recv() => TERMINATED,
                _ = self.close.recv() => HUNG_UP,
                _ = self.log_off.recv() => HUNG_UP,
                _ = self.shut_down.recv() => TERMINATED,
            }
        }
    }
}
