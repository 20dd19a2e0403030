//! A line that is typed on the terminal and not shown.
//!
//! Owns the mode of the terminal: [`HiddenInput`] turns the echo off, and its end turns it on again, whatever ends it. It never
//! reads a key from a terminal whose echo it can't turn off. Lines that were typed ahead are kept for the next prompt. At the
//! end, what nobody has read is dropped: it may be a key, and the shell would run it as a command.
//!
//! (The crate `rpassword` would not do: a signal ends the program while its terminal has no echo.)

use std::io::{self, BufRead as _, IsTerminal as _};

use tokio::sync::oneshot;

use crate::threads;

/// The terminal of standard input, without echo.
pub(super) struct HiddenInput {
    original: system::Mode,
}

impl HiddenInput {
    /// Turns the echo off. None if standard input is not a terminal.
    ///
    /// # Errors
    /// If the terminal can't do that.
    pub(super) fn start() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let original = system::mode()?;
        system::set(&system::without_echo(&original))?;
        Ok(Some(Self { original }))
    }

    /// Reads a line; none at the end of the input. Dropped before, it leaves a thread that waits for the line: the end of the
    /// process ends it.
    ///
    /// # Errors
    /// If the terminal can't be read.
    pub(super) async fn read_line(&self) -> io::Result<Option<String>> {
        let (sender, receiver) = oneshot::channel();
        threads::spawn_thread("prompt", move || {
            let mut line = Vec::new();
            let read = io::stdin().lock().read_until(b'\n', &mut line);
            // A prompt that was interrupted needs no line.
            let _ = sender.send(read.map(|length| (length > 0).then(|| String::from_utf8_lossy(&line).into_owned())));
        })?;
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("internal error; please report it")))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to read and needs no echo.
        let _ = system::drop_unread();
        let _ = system::set(&self.original);
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr};

    /// The code of a special character that is turned off.
    const DISABLED: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xff };

    pub(super) type Mode = Termios;

    pub(super) fn drop_unread() -> io::Result<()> {
        Ok(tcflush(io::stdin(), QueueSelector::IFlush)?)
    }

    pub(super) fn mode() -> io::Result<Mode> {
        Ok(tcgetattr(io::stdin())?)
    }

    pub(super) fn set(mode: &Mode) -> io::Result<()> {
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, mode)?)
    }

    pub(super) fn without_echo(mode: &Mode) -> Mode {
        let mut hidden = mode.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        hidden.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        // After a stop the shell would turn the echo on, and a core dump would have a key.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            hidden.special_codes[key] = DISABLED;
        }
        hidden
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use winapi_util::HandleRef;

    /// ENABLE_ECHO_INPUT
    const ECHO: u32 = 0x4;
    /// ENABLE_PROCESSED_INPUT, with which Ctrl-C ends the program, and ENABLE_LINE_INPUT.
    const LINES: u32 = 0x1 | 0x2;

    pub(super) type Mode = u32;

    pub(super) fn mode() -> io::Result<Mode> {
        winapi_util::console::mode(HandleRef::stdin())
    }

    /// The shells of Windows read no line that was typed for another program.
    pub(super) fn drop_unread() -> io::Result<()> {
        Ok(())
    }

    pub(super) fn set(mode: &Mode) -> io::Result<()> {
        winapi_util::console::set_mode(HandleRef::stdin(), *mode)
    }

    pub(super) fn without_echo(mode: &Mode) -> Mode {
        (*mode & !ECHO) | LINES
    }
}
