//! Interrupts: SIGINT and SIGTERM on Unix, Ctrl-C on Windows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// The first interrupt cancels `stop` and stores its exit code in `code`. The second one ends the process at once.
pub(super) async fn handle_signals(stop: CancellationToken, code: Arc<AtomicU8>) {
    let Ok(mut signals) = Signals::listen() else { return };
    code.store(signals.next().await, Ordering::Relaxed);
    stop.cancel();
    let second_code = signals.next().await;
    #[expect(clippy::exit, reason = "the user does not want to wait for an orderly end")]
    std::process::exit(i32::from(second_code));
}

/// The signals that end the program.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal and returns its exit code.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// The signal that ends the program.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    /// Waits for the next Ctrl-C and returns its exit code.
    async fn next(&mut self) -> u8 {
        self.0.recv().await;
        130
    }
}
