//! What asks the program to end, from outside: SIGINT and SIGTERM, or Ctrl-C alone on Windows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// The first interrupt ends the run in order, the second one at once.
pub(super) async fn handle_signals(stop: CancellationToken, code: Arc<AtomicU8>) {
    let Ok(mut signals) = Signals::listen() else { return };
    code.store(signals.next().await, Ordering::Relaxed);
    stop.cancel();
    let again = signals.next().await;
    #[expect(clippy::exit, reason = "asked twice, there is nothing left to do in order")]
    std::process::exit(i32::from(again));
}

/// What asks a program to end, and the exit code that stands for each.
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

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// What asks a program to end, and the exit code that stands for it.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) -> u8 {
        self.0.recv().await;
        130
    }
}
