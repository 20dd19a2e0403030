//! A pseudo-terminal for the program: what it asks there, whether the terminal shows what is typed, and what it prints for people.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::Run;

/// A program that takes longer counts as hung.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A program that runs with a terminal as its standard input. Its output is in pipes, so that what the terminal shows is the echo
/// alone.
pub(crate) struct OnTerminal {
    child: Child,
    /// The side of the user.
    user: File,
    /// The side of the program, which keeps its modes after the program has ended.
    terminal: OwnedFd,
    /// What the terminal shows.
    screen: Arc<Mutex<Vec<u8>>>,
    stdout: JoinHandle<String>,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_reader: JoinHandle<()>,
}

/// Both sides of a new terminal: that of the user, and that of the program.
fn open_terminal() -> (File, OwnedFd) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    (File::from(user), terminal)
}

/// Runs a command whose output goes to a terminal of this width. Returns its exit code and what the terminal got, with `\n` at the
/// end of each line.
pub(crate) fn show_on_terminal(command: Command, columns: u16) -> (Option<i32>, String) {
    show_on_terminal_until(command, columns, |_| true, || ())
}

/// As [`show_on_terminal`], and calls `then` when the terminal got what `is_shown` waits for.
pub(crate) fn show_on_terminal_until(
    mut command: Command,
    columns: u16,
    is_shown: impl Fn(&str) -> bool,
    then: impl FnOnce(),
) -> (Option<i32>, String) {
    let (user, terminal) = open_terminal();
    tcsetwinsize(&terminal, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    command.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The reader sees the end when the last copy of the terminal is closed.
    drop(command);
    let screen = Arc::<Mutex<Vec<u8>>>::default();
    let reader = collect(user, &screen);
    // When it never comes, the caller sees that in the text.
    let _ = wait_for(|| is_shown(&String::from_utf8_lossy(&screen.lock().unwrap())).then_some(()));
    then();
    let code = child.wait().unwrap().code();
    reader.join().unwrap();
    let screen = String::from_utf8(screen.lock().unwrap().clone()).unwrap();
    (code, screen.replace("\r\n", "\n"))
}

impl OnTerminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let (user, terminal) = open_terminal();
        command.stdin(Stdio::from(terminal.try_clone().unwrap())).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (screen, stderr) = (Arc::default(), Arc::default());
        collect(user.try_clone().unwrap(), &screen);
        let stderr_reader = collect(child.stderr.take().unwrap(), &stderr);
        let mut stdout = child.stdout.take().unwrap();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, user, terminal, screen, stdout, stderr, stderr_reader }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has written `text` to standard error.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        let written = || String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned();
        wait_for(|| written().contains(text).then_some(())).unwrap_or_else(|| panic!("no `{text}` in {}", written()));
    }

    /// Types a text. A line ends with `\n`.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.user.write_all(text.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn has_echo(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end. The text of the screen comes second.
    #[track_caller]
    pub(crate) fn wait(mut self) -> (Run, String) {
        let status = wait_for(|| self.child.try_wait().unwrap());
        let Some(status) = status else {
            self.child.kill().unwrap();
            panic!("the program hangs: {}", String::from_utf8_lossy(&self.stderr.lock().unwrap()));
        };
        assert!(self.has_echo(), "the terminal shows again what is typed");
        assert_eq!(ioctl_fionread(&self.terminal).unwrap(), 0, "the shell gets nothing that was typed for the program");
        self.stderr_reader.join().unwrap();
        let stderr = String::from_utf8(self.stderr.lock().unwrap().clone()).unwrap();
        let screen = String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned();
        (Run { code: status.code(), stdout: self.stdout.join().unwrap(), stderr }, screen)
    }
}

/// Collects what comes until the end; a closed terminal gives an error.
fn collect(mut from: impl std::io::Read + Send + 'static, to: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            to.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    })
}

fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        match condition() {
            None if started.elapsed() < TIMEOUT => thread::sleep(Duration::from_millis(2)),
            result => return result,
        }
    }
}
