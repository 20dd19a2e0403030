//! A world whose archive is in a bucket: `s3://clips/archive` at a server that can be told to fail.

use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::audit::read_tree;
use super::bucket::{BucketServer, Operation, audit};
use super::run::Running;
use super::{KEY, Run, World};

/// The archive, as `-o` gets it.
pub(crate) const ARCHIVE: &str = "s3://clips/archive";
/// What all keys of the archive begin with.
pub(crate) const PREFIX: &str = "archive/";
/// The secret of the bucket, which no output may contain.
pub(crate) const SECRET: &str = "bucket-secret-0123456789";

pub(crate) struct BucketWorld {
    world: World,
    pub bucket: BucketServer,
}

impl Deref for BucketWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl BucketWorld {
    pub(crate) fn new() -> Self {
        let world = Self { world: World::new(), bucket: BucketServer::start() };
        fs::create_dir(world.temporary_folder()).unwrap();
        world
    }

    /// Where the program makes its temporary folders.
    pub(crate) fn temporary_folder(&self) -> PathBuf {
        self.home().join("tmp")
    }

    /// The files below the temporary folder, by path.
    pub(crate) fn temporary_files(&self) -> Vec<String> {
        read_tree(&self.temporary_folder()).into_keys().collect()
    }

    /// The program with these arguments, nothing else, and the bucket in its environment.
    pub(crate) fn plain_command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.world.plain_command(args);
        self.set_environment(&mut command);
        command
    }

    /// The program, ready to archive into the bucket.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        self.command_at(ARCHIVE, args)
    }

    /// The program, ready to archive to another URL.
    pub(crate) fn command_at(&self, url: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.world.command(&["-o", url]);
        self.set_environment(command.args(args));
        command
    }

    fn set_environment(&self, command: &mut Command) {
        let temporary = self.temporary_folder();
        command.envs([("TMPDIR", &temporary), ("TMP", &temporary), ("TEMP", &temporary)]);
        command.env("AWS_ACCESS_KEY_ID", "bucket-id").env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL", self.bucket.origin()).env("AWS_ALLOW_HTTP", "true");
    }

    pub(crate) fn start(&self, args: &[impl AsRef<OsStr>]) -> Running {
        Running::start(self.command(args))
    }

    /// Archives into the bucket, and audits it. A run never deletes anything.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> Run {
        let before = self.deletions();
        let run = self.audit(self.start(args).wait(false));
        assert_eq!(self.deletions(), before, "a run asked for a deletion: {run:?}");
        run
    }

    /// How many requests asked for a deletion so far.
    pub(crate) fn deletions(&self) -> usize {
        self.bucket.count(Operation::Delete, "") + self.bucket.count(Operation::DeleteMany, "")
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

    /// Runs a command of section 8, whose arguments name the archive.
    pub(crate) fn run_command(&self, args: &[impl AsRef<OsStr>]) -> Run {
        let run = Running::start(self.plain_command(args)).wait(false);
        Self::check_output(&run);
        run
    }

    /// Checks what must hold after every run.
    pub(crate) fn audit(&self, run: Run) -> Run {
        Self::check_output(&run);
        audit::check(&self.bucket.objects(), &self.bucket.changes(), PREFIX, KEY);
        let temporary = self.temporary_files();
        assert!(run.code.is_none() || temporary.is_empty(), "left in the temporary folder: {temporary:?}");
        run
    }

    fn check_output(run: &Run) {
        for secret in [KEY, SECRET] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "the output contains a secret: {run:?}");
        }
    }

    /// The key of an object of the archive.
    pub(crate) fn key(name: &str) -> String {
        format!("{PREFIX}{name}")
    }

    /// The names of the objects in a task folder, without its manifest.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let folder = format!("{PREFIX}{folder}/");
        let names = self.bucket.keys().into_iter().filter_map(|key| key.strip_prefix(&folder).map(str::to_owned));
        names.filter(|name| name != "manifest.json").collect()
    }

    /// The entry in the manifest of a task folder.
    pub(crate) fn task_entry(&self, folder: &str) -> Value {
        let object = self.bucket.object(&Self::key(&format!("{folder}/manifest.json")));
        serde_json::from_slice::<Value>(&object.body).unwrap()["tasks"][0].take()
    }

    /// The names of the files that a manifest names, in order.
    pub(crate) fn named_files(&self, folder: &str) -> Vec<String> {
        let entry = self.task_entry(folder);
        entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }

    /// Copies the archive to a folder, as other tools do.
    pub(crate) fn copy_to(&self, folder: &Path) {
        for (key, object) in self.bucket.objects() {
            let path = folder.join(key.strip_prefix(PREFIX).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &object.body).unwrap();
        }
    }
}
