//! The program, run to its end or observed while it runs, and its output.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A run that takes longer counts as hung.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// None when the process was killed.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Checks the exit code. A failure shows the output.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The `--json` events. Fails when a line of standard output is no event.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    #[track_caller]
    pub(crate) fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// The one `task` event of `id`.
    #[track_caller]
    pub(crate) fn task(&self, id: &str) -> Value {
        let mut tasks = self.events_of("task");
        tasks.retain(|task| task["task_id"] == id);
        assert_eq!(tasks.len(), 1, "one task event for {id}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        tasks.remove(0)
    }

    /// The state in the `task` event of `id`.
    #[track_caller]
    pub(crate) fn state(&self, id: &str) -> String {
        self.task(id)["state"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let mut summaries = self.events_of("summary");
        assert_eq!(summaries.len(), 1, "one summary\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        summaries.remove(0)
    }
}

/// A run in progress.
pub(crate) struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    read: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = drain(child.stderr.take().unwrap());
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self { child, stdin, stdout, stderr, read: String::new() }
    }

    /// The id of its process.
    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        // A program that has exited reads no more.
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    /// The next line of standard output.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        self.read.push_str(&line);
        line
    }

    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end. Standard input is closed first, unless `keep_stdin`.
    pub(crate) fn wait(mut self, keep_stdin: bool) -> Run {
        let stdin = self.stdin.take().filter(|_| keep_stdin);
        let stdout = self.stdout.take().map(drain);
        let started = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if started.elapsed() > TIMEOUT {
                self.child.kill().unwrap();
                panic!("the program hangs; stderr: {}", self.stderr.join().unwrap());
            }
            thread::sleep(Duration::from_millis(2));
        };
        drop(stdin);
        let rest = stdout.map(|stdout| stdout.join().unwrap()).unwrap_or_default();
        Run { code, stdout: self.read + &rest, stderr: self.stderr.join().unwrap() }
    }
}

/// The command under a limit that a shell sets: `ulimit -n 8`.
#[cfg(unix)]
pub(crate) fn with_limit(limit: &str, program: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(program.get_current_dir().unwrap());
    command
}

fn drain(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    })
}
