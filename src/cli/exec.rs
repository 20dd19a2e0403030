//! `--exec COMMAND`: runs a command of the user after each task that brought something new.
//!
//! The tasks wait in a queue, and one command runs at a time, beside the downloads. No shell is involved: the command is split
//! into words when it is parsed, and values replace placeholders inside the words. The command has no standard input, and none
//! of our keys in its environment. What it prints is shown line by line, so that it does not damage the bars.
//!
//! A command that fails is a warning and a fault of the run. At an interrupt the running one has [`GRACE_PERIOD`] to end, in a
//! process group of its own, which Ctrl-C does not reach; those that wait are not started.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, PipeReader};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::environment::SECRET_VARIABLES;
use crate::domain::event::{CommandOutput, Emitter, Event, Outcome, TaskReport};
use crate::domain::task::TaskId;
use crate::jobs::StopHandle;
use crate::{layout, threads};

/// How long a command may run after an interrupt.
const GRACE_PERIOD: Duration = Duration::from_secs(10);
/// How long to wait for output after a command has ended: a program that it left behind may hold the pipe open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);
/// A longer line of output is shown in pieces.
const MAX_LINE: usize = 8 << 10;
/// So many bytes of output are shown together, at most.
const MAX_BATCH: usize = 64 << 10;
/// Ctrl-C does not reach a process of a new group.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// The words of a command, with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ExecCommand(Vec<String>);

impl ExecCommand {
    /// Splits a command as a shell would do it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("a quote is not closed, or the last word ends in a backslash")?;
        match words.first() {
            None => Err("the command is empty".to_owned()),
            Some(program) if program.is_empty() => Err("the name of the program is empty".to_owned()),
            Some(_) => Ok(Self(words)),
        }
    }

    fn program(&self) -> &str {
        &self.0[0]
    }

    /// The command for a task, ready to run.
    fn for_task(&self, task: &NewTask, folder: &Path) -> Command {
        let (id, state) = (task.id.as_str(), task.state);
        let values = [("{path}", folder.as_os_str()), ("{id}", OsStr::new(id)), ("{state}", OsStr::new(state))];
        let mut words = self.0.iter().map(|word| fill(word, &values));
        let mut command = Command::new(words.next().expect("a parsed command has a word"));
        command.args(words).stdin(Stdio::null());
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        command.env("YESCALE_PATH", folder).env("YESCALE_TASK_ID", id).env("YESCALE_STATE", state);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
        command
    }
}

/// Replaces the placeholders of a word, each once: values are not searched again.
fn fill(word: &str, values: &[(&str, &OsStr)]) -> OsString {
    let (mut filled, mut rest) = (OsString::new(), word);
    while let Some(at) = rest.find('{') {
        filled.push(&rest[..at]);
        rest = &rest[at..];
        let found = values.iter().find(|(name, _)| rest.starts_with(name));
        let (length, value) = found.map_or((1, OsStr::new("{")), |(name, value)| (name.len(), *value));
        filled.push(value);
        rest = &rest[length..];
    }
    filled.push(rest);
    filled
}

/// A task for which the command is to run. A run may have many of them, so it holds no path.
struct NewTask {
    id: TaskId,
    state: &'static str,
}

/// The tasks that wait for the command.
pub(super) struct ExecQueue {
    command: ExecCommand,
    /// The absolute path of the archive.
    root: PathBuf,
    running: Option<Running>,
}

struct Running {
    tasks: UnboundedSender<Option<NewTask>>,
    ended: JoinHandle<bool>,
}

impl ExecQueue {
    /// A queue for the tasks of the archive `output`.
    pub(super) fn new(command: ExecCommand, output: &Path) -> Self {
        // Without a working directory the path stays relative.
        let root = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
        Self { command, root, running: None }
    }

    /// Starts to run the command. The result adds a task that has ended.
    pub(super) fn start(&mut self, events: &Emitter, stop: &StopHandle) -> impl Fn(&TaskReport) + Send + Sync + use<> {
        let (tasks, waiting) = unbounded_channel();
        let (command, root) = (self.command.clone(), self.root.clone());
        let (events, stop) = (events.clone(), stop.token().clone());
        let runner = Runner { command, root, events, stop, has_failed: false, is_missing: false };
        self.running = Some(Running { tasks: tasks.clone(), ended: tokio::spawn(runner.run(waiting)) });
        move |report| {
            if let Some(state) = state_of(report).filter(|_| report.has_new_content && !report.reused) {
                // Nothing receives after the end.
                let _ = tasks.send(Some(NewTask { id: report.task.clone(), state }));
            }
        }
    }

    /// Waits for the commands of all tasks so far. Whether none failed.
    pub(super) async fn finish(self) -> bool {
        let Some(Running { tasks, ended }) = self.running else { return true };
        let _ = tasks.send(None);
        ended.await.unwrap_or(false)
    }
}

/// The state of a task that ended well.
fn state_of(report: &TaskReport) -> Option<&'static str> {
    match report.outcome {
        Outcome::Complete => Some("complete"),
        Outcome::Partial => Some("partial"),
        _ => None,
    }
}

/// Runs the command for one task after the other.
struct Runner {
    command: ExecCommand,
    root: PathBuf,
    events: Emitter,
    stop: CancellationToken,
    has_failed: bool,
    /// Whether there is no such program: then it is not tried again.
    is_missing: bool,
}

impl Runner {
    /// Runs until the end of the queue. Whether no command failed.
    async fn run(mut self, mut waiting: UnboundedReceiver<Option<NewTask>>) -> bool {
        let mut not_started = 0_u64;
        while let Some(Some(task)) = waiting.recv().await {
            if self.stop.is_cancelled() {
                not_started += 1;
            } else if !self.is_missing {
                self.run_for(&task).await;
            }
        }
        if not_started > 0 {
            self.fail(format!("interrupted: --exec was not started for {not_started} more finished tasks"));
        }
        !self.has_failed
    }

    async fn run_for(&mut self, task: &NewTask) {
        let program = self.command.program();
        match self.complete(task).await {
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => self.fail(format!("{}: --exec: {program} failed: {status}", task.id)),
            Ok(None) => {
                let seconds = GRACE_PERIOD.as_secs();
                self.fail(format!("{}: --exec: {program} was ended, {seconds} s after the interrupt", task.id));
            }
            Err(error) => {
                let is_fixed = !program.contains('{');
                self.is_missing = is_fixed && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
                let again = if self.is_missing { "; it is not tried again in this run" } else { "" };
                self.fail(format!("{}: --exec: can't run {program}: {error}{again}", task.id));
            }
        }
    }

    /// Runs the command to its end. None if it was ended after an interrupt.
    async fn complete(&self, task: &NewTask) -> io::Result<Option<ExitStatus>> {
        let (reader, writer) = io::pipe()?;
        let (shown, output) = oneshot::channel();
        let events = self.events.clone();
        threads::spawn_thread("command output", move || {
            show_output(reader, &events);
            // Whoever waits may have given up.
            let _ = shown.send(());
        })?;
        let mut command = self.command.for_task(task, &self.root.join(layout::folder_name(task.id.as_str())));
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn()?;
        // Its ends of the pipe: the output ends with the last process that has one.
        drop(command);
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE_PERIOD).await;
        };
        let status = tokio::select! {
            status = child.wait() => Some(status?),
            () = overdue => {
                end(&mut child).await;
                None
            }
        };
        let _ = tokio::time::timeout(OUTPUT_TIMEOUT, output).await;
        Ok(status)
    }

    fn fail(&mut self, warning: String) {
        self.has_failed = true;
        self.events.emit(Event::Warning(warning));
    }
}

/// Ends a command and what it started.
async fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
        // A group that is gone needs no signal.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // It may have ended by itself.
    let _ = child.kill().await;
}

/// Shows what a command prints, until no process has the pipe any more. Waits until a batch is shown before it reads the next one.
fn show_output(reader: PipeReader, events: &Emitter) {
    let mut reader = BufReader::with_capacity(MAX_BATCH, reader);
    let mut line = Vec::new();
    while let Ok(bytes) = reader.fill_buf() {
        let length = bytes.len();
        let mut lines = Vec::new();
        for &byte in bytes {
            let is_end = matches!(byte, b'\n' | b'\r');
            if !is_end {
                line.push(byte);
            }
            if (is_end && !line.is_empty()) || line.len() >= MAX_LINE {
                lines.push(take_line(&mut line));
            }
        }
        if length == 0 && !line.is_empty() {
            lines.push(take_line(&mut line));
        }
        reader.consume(length);
        if !lines.is_empty() {
            let (output, is_shown) = CommandOutput::new(lines);
            events.emit(Event::Output(output));
            // The other end is closed, never used.
            let _ = is_shown.recv();
        }
        if length == 0 {
            return;
        }
    }
}

fn take_line(line: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(&std::mem::take(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_split_as_by_a_shell_and_needs_a_program() {
        let words = |text: &str| ExecCommand::parse(text).map(|command| command.0);
        assert_eq!(words(r#"a 'b c' "d \" e" f\ g"#).unwrap(), ["a", "b c", "d \" e", "f g"]);
        for text in ["", "  ", "# comment", "''", "a 'b", "a \"b", "a b\\"] {
            assert!(words(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn placeholders_are_replaced_once_inside_words() {
        let values = [("{path}", "/a b/t"), ("{id}", "{path};$(x)"), ("{state}", "complete")]
            .map(|(name, value)| (name, OsStr::new(value)));
        for (word, filled) in [
            ("{path}/video-1.mp4", "/a b/t/video-1.mp4"),
            ("{id}:{state}", "{path};$(x):complete"),
            ("{{id}}", "{{path};$(x)}"),
            ("{other} { }", "{other} { }"),
            ("", ""),
        ] {
            assert_eq!(fill(word, &values), filled, "{word}");
        }
    }

    #[test]
    fn output_is_cut_into_lines_of_bounded_length() {
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = std::sync::Arc::clone(&lines);
        let emitter = Emitter::new(move |event| {
            if let Event::Output(output) = event {
                sink.lock().unwrap().extend(output.lines);
            }
        });
        let (reader, mut writer) = io::pipe().unwrap();
        let text = format!("one\r\n\ntwo\rthree \u{1b}\n{}\nlast", "x".repeat(MAX_LINE + 1));
        let write = std::thread::spawn(move || io::Write::write_all(&mut writer, text.as_bytes()).unwrap());
        show_output(reader, &emitter);
        write.join().unwrap();
        let lines = lines.lock().unwrap();
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!((&lines[..3], &lengths[3..]), (&["one", "two", "three \u{1b}"].map(str::to_owned)[..], &[MAX_LINE, 1, 4][..]));
    }
}
