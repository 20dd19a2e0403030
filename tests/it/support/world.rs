//! A working directory, a gateway and a media host, and the program run between them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::audit::{self, Tree};
use super::run::Running;
use super::{Gate, MediaServer, Reply, Run};

pub(crate) const KEY: &str = "sk-it-key-0123456789abcdef";

/// One response of the gateway.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
    content_type: &'static str,
    location: Option<String>,
    on_request: Option<Gate>,
}

impl Answer {
    pub(crate) fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), content_type: "application/json", location: None, on_request: None }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string())
    }

    pub(crate) fn html(status: u16) -> Self {
        Self { content_type: "text/html", ..Self::raw(status, "<!doctype html><title>Just a moment...</title>") }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self { location: Some(to.to_owned()), ..Self::raw(302, "") }
    }

    /// Opens `gate` when the request has arrived.
    pub(crate) fn notify_on_request(self, gate: &Gate) -> Self {
        Self { on_request: Some(gate.clone()), ..self }
    }

    fn template(&self) -> ResponseTemplate {
        self.on_request.iter().for_each(Gate::open);
        let template = ResponseTemplate::new(self.status).set_body_raw(self.body.clone(), self.content_type);
        self.location.iter().fold(template, |template, to| template.insert_header("location", to.as_str()))
    }
}

/// The response about a finished task.
pub(crate) fn success(result: &Value) -> Value {
    json!({"status": "SUCCESS", "progress": "100%", "task_result": result})
}

/// A base URL at which nothing listens any more.
pub(crate) fn dead_url() -> String {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

/// The bytes of a media sample.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).unwrap()
}

type Answers = Arc<Mutex<HashMap<String, Vec<Answer>>>>;

pub(crate) struct World {
    home: TempDir,
    gateway: MockServer,
    // Kept so that the gateway continues to serve.
    runtime: Runtime,
    answers: Answers,
    pub media: MediaServer,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (gateway, answers) = (runtime.block_on(MockServer::start()), Answers::default());
        let shared = Arc::clone(&answers);
        runtime.block_on(Mock::given(any()).respond_with(move |request: &Request| answer(&shared, request)).mount(&gateway));
        Self { home: TempDir::new().unwrap(), gateway, runtime, answers, media: MediaServer::start() }
    }

    /// Sets the gateway's responses about `id`, one per request; the last one repeats.
    pub(crate) fn answers(&self, id: &str, answers: impl IntoIterator<Item = Answer>) {
        self.answers_at(&format!("/task/{id}"), answers);
    }

    /// Like `answers`, for any path of the gateway, as it is on the wire.
    pub(crate) fn answers_at(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().insert(path.to_owned(), answers.into_iter().collect());
    }

    pub(crate) fn answer(&self, id: &str, body: &Value) {
        self.answers(id, [Answer::json(200, body)]);
    }

    /// Gives the gateway a finished task with this result.
    pub(crate) fn serve_task(&self, id: &str, result: &Value) {
        self.answer(id, &success(result));
    }

    /// Gives the media host a sample under a path that is its name. Returns its URL.
    pub(crate) fn serve_sample(&self, name: &str) -> String {
        self.media.script(&format!("/{name}"), [Reply::ok(sample(name))])
    }

    /// Archives a finished task with one image. Returns its folder.
    pub(crate) fn archive_task(&self, id: &str) -> PathBuf {
        self.serve_task(id, &json!({"images": [self.serve_sample("picture.png")]}));
        self.run(&[id]).exits(0);
        self.archive().join(id)
    }

    pub(crate) fn base_url(&self) -> String {
        self.gateway.uri()
    }

    /// The requests to the gateway, in order, as they were on the wire.
    pub(crate) fn gateway_requests(&self) -> Vec<Request> {
        self.runtime.block_on(self.gateway.received_requests()).unwrap()
    }

    pub(crate) fn requested_paths(&self) -> Vec<String> {
        self.gateway_requests().iter().map(|request| request.url.path().to_owned()).collect()
    }

    /// The working directory of every run.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.home().join("yescale")
    }

    /// The program, ready to run, with no delay before retries.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.plain_command(&["--retry-delay", "0s"]);
        command.args(args);
        command
    }

    /// The program, ready to run, without the settings in the tester's own environment.
    pub(crate) fn plain_command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yescale-dl"));
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            let prefixes = ["YESCALE_", "SSL_CERT_", "AWS_", "AZURE_", "GOOGLE_"];
            if prefixes.iter().any(|prefix| upper.starts_with(prefix)) || upper.ends_with("_PROXY") || upper == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        command.current_dir(self.home()).env("HOME", self.home()).env("XDG_CONFIG_HOME", self.home().join("config"));
        command.env("USERPROFILE", self.home()).env("APPDATA", self.home().join("config"));
        command.env("YESCALE_API_KEY", KEY).env("YESCALE_BASE_URL", self.base_url()).args(args);
        command
    }

    pub(crate) fn start(&self, args: &[impl AsRef<OsStr>]) -> Running {
        Running::start(self.command(args))
    }

    /// Runs to the end, with empty standard input, and audits the archive.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> Run {
        self.audit(self.start(args).wait(false))
    }

    /// Like `run`, with `text` on standard input.
    pub(crate) fn run_with_input(&self, text: &str, args: &[impl AsRef<OsStr>]) -> Run {
        let mut running = self.start(args);
        running.write(text);
        self.audit(running.wait(false))
    }

    /// Like `run`, with `--json`.
    pub(crate) fn run_json(&self, args: &[&str]) -> Run {
        self.run(&[&["--json"], args].concat())
    }

    /// Checks what must hold after every run.
    pub(crate) fn audit(&self, run: Run) -> Run {
        assert!(!run.stdout.contains(KEY) && !run.stderr.contains(KEY), "the output contains the key: {run:?}");
        audit::check_archive(&self.archive(), KEY);
        run
    }

    pub(crate) fn root_manifest(&self) -> Value {
        manifest(&self.archive())
    }

    /// The entry in the manifest of a task folder.
    pub(crate) fn task_entry(&self, folder: &str) -> Value {
        manifest(&self.archive().join(folder))["tasks"][0].take()
    }

    /// The file names in a task folder, in order, without its manifest.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let folder = format!("{folder}/");
        let names = self.tree().into_keys().filter_map(|name| name.strip_prefix(&folder).map(str::to_owned));
        names.filter(|name| name != "manifest.json").collect()
    }

    pub(crate) fn tree(&self) -> Tree {
        audit::read_tree(&self.archive())
    }

    /// Writes a file below the working directory, and makes its folders.
    pub(crate) fn write_file(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn manifest(folder: &Path) -> Value {
    let path = folder.join("manifest.json");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn answer(answers: &Answers, request: &Request) -> ResponseTemplate {
    match answers.lock().unwrap().get_mut(request.url.path()) {
        Some(answers) if answers.len() > 1 => answers.remove(0).template(),
        Some(answers) => answers[0].template(),
        None => Answer::json(404, &json!({"error": "Task not found"})).template(),
    }
}
