//! `--exec COMMAND`: runs a command of the user after each task that brought something new.
//!
//! The tasks wait in a queue, and one command runs at a time, beside the downloads. `command` makes it for a task, and `output`
//! shows what it prints.
//!
//! A command that fails is a warning and a fault of the run. At an interrupt the running one has [`GRACE_PERIOD`] to end, in a
//! process group of its own, which Ctrl-C does not reach; those that wait are not started.

mod command;
mod output;

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Emitter, Event, Outcome, TaskReport};
use crate::domain::task::TaskId;
use crate::jobs::StopHandle;
use crate::storage::Location;
use crate::threads;
pub(super) use command::ExecCommand;
use output::show_output;

/// How long a command may run after an interrupt.
const GRACE_PERIOD: Duration = Duration::from_secs(10);
/// How long to wait for output after a command has ended: a program that it left behind may hold the pipe open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A task for which the command is to run. A run may have many of them, so it holds no path.
struct NewTask {
    id: TaskId,
    state: &'static str,
}

/// The tasks that wait for the command.
pub(super) struct ExecQueue {
    command: ExecCommand,
    /// The absolute path of the archive, or its URL.
    root: Location,
    running: Option<Running>,
}

struct Running {
    tasks: UnboundedSender<Option<NewTask>>,
    ended: JoinHandle<bool>,
}

impl ExecQueue {
    /// A queue for the tasks of the archive `output`.
    pub(super) fn new(command: ExecCommand, output: &Path) -> Self {
        let root = match Location::parse(output) {
            Ok(bucket @ Location::Bucket(_)) => bucket,
            // Without a working directory the path stays relative.
            _ => Location::Folder(std::path::absolute(output).unwrap_or_else(|_| output.to_owned())),
        };
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
    root: Location,
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
        let mut command = self.command.for_task(task, &self.root.task_path(&task.id));
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn()?;
        let _group = RunningGroup::of(&child);
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
    end_running_group();
    // It may have ended by itself.
    let _ = child.kill().await;
}

/// The process group of the running command; 0 without one. The process knows it, because a second interrupt ends the process at
/// once: the command, which Ctrl-C does not reach, must not outlive it.
static RUNNING_GROUP: AtomicU32 = AtomicU32::new(0);

/// Holds [`RUNNING_GROUP`] while a command runs.
struct RunningGroup;

impl RunningGroup {
    fn of(child: &Child) -> Self {
        RUNNING_GROUP.store(child.id().unwrap_or(0), Ordering::Relaxed);
        Self
    }
}

impl Drop for RunningGroup {
    fn drop(&mut self) {
        RUNNING_GROUP.store(0, Ordering::Relaxed);
    }
}

/// Ends the running command, if there is one, and what it started.
pub(super) fn end_running_group() {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(RUNNING_GROUP.load(Ordering::Relaxed)).ok().and_then(rustix::process::Pid::from_raw) {
        // A group that is gone needs no signal.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}
