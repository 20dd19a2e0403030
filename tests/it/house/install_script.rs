//! `packaging/install.sh` and the files of a release, tried on made-up releases: the script installs only what `SHA256SUMS` vouches
//! for, and leaves what is there alone when anything is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::documents::root;
use crate::support::audit::sha256;

const TARGETS: [&str; 4] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "x86_64-apple-darwin", "aarch64-apple-darwin"];

/// A folder with a release of version 1.2.3, and a home.
struct Release {
    folder: TempDir,
    home: TempDir,
}

impl Release {
    fn new() -> Self {
        let release = Self { folder: TempDir::new().unwrap(), home: TempDir::new().unwrap() };
        let script = "set -eu
            for target in $TARGETS; do
                name=yescale-dl-1.2.3-$target
                mkdir -p $name/completions
                printf '#!/bin/sh\necho yescale-dl 1.2.3\n' >$name/yescale-dl
                echo page >$name/yescale-dl.1
                echo bash >$name/completions/yescale-dl.bash
                tar -czf $name.tar.gz $name
                rm -r $name
            done
            echo zip >yescale-dl-1.2.3-x86_64-pc-windows-msvc.zip";
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("TARGETS", TARGETS.join(" ")).current_dir(release.path());
        assert!(command.status().unwrap().success());
        release.write_sums();
        release
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn archives(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.to_str().unwrap().contains("yescale-dl-1.2.3"));
        paths.sort();
        paths
    }

    fn write_sums(&self) {
        let line = |path: &PathBuf| {
            let digest = sha256(&fs::read(path).unwrap());
            format!("{digest}  {}\n", path.file_name().unwrap().to_str().unwrap())
        };
        fs::write(self.path().join("SHA256SUMS"), self.archives().iter().map(line).collect::<String>()).unwrap();
    }

    fn edit_sums(&self, edit: impl Fn(String) -> String) {
        let path = self.path().join("SHA256SUMS");
        fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
    }

    fn program(&self) -> PathBuf {
        self.home.path().join(".local/bin/yescale-dl")
    }

    fn run(&self, script: &Path, args: &[&str]) -> Output {
        let mut command = Command::new("sh");
        command.arg(script).args(args).env("HOME", self.home.path()).output().unwrap()
    }

    fn install(&self, args: &[&str]) -> Output {
        let from = self.path().to_str().unwrap();
        self.run(&root().join("packaging/install.sh"), &[&["--from", from], args].concat())
    }

    /// Runs the script, which must refuse with these words and change nothing.
    #[track_caller]
    fn refuses(&self, args: &[&str], words: &str) {
        fs::create_dir_all(self.program().parent().unwrap()).unwrap();
        fs::write(self.program(), "older").unwrap();
        let output = self.install(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && message.contains(words), "{message}");
        assert_eq!(fs::read_to_string(self.program()).unwrap(), "older");
        assert_eq!(fs::read_dir(self.program().parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    }
}

#[test]
fn script_installs_the_program_its_page_and_its_completions_for_one_user() {
    let release = Release::new();
    let output = release.install(&[]);
    assert!(output.status.success(), "{output:?}");
    let says = Command::new(release.program()).output().unwrap().stdout;
    assert_eq!(says, b"yescale-dl 1.2.3\n");
    let share = release.home.path().join(".local/share");
    assert!(share.join("man/man1/yescale-dl.1").is_file() && share.join("bash-completion/completions/yescale-dl").is_file());
    let message = String::from_utf8(output.stdout).unwrap();
    assert!(message.contains("installed yescale-dl 1.2.3") && message.contains("PATH="), "{message}");
    // Again, over itself, and from a URL to another folder.
    let url = format!("file://{}", release.path().display());
    let elsewhere = release.home.path().join("else where");
    let output = release.run(&root().join("packaging/install.sh"), &["--from", &url, "--to", elsewhere.to_str().unwrap()]);
    assert!(output.status.success() && elsewhere.join("yescale-dl").is_file(), "{output:?}");
    assert!(release.install(&[]).status.success());
}

#[test]
fn script_refuses_a_program_without_the_right_checksum() {
    let release = Release::new();
    release.edit_sums(|sums| sums.replace(|c: char| c.is_ascii_digit(), "0"));
    release.refuses(&[], "nothing was installed");
    release.edit_sums(|_| String::new());
    release.refuses(&[], "no checksum");
    release.write_sums();
    release.edit_sums(|sums| format!("{sums}{sums}"));
    release.refuses(&[], "several");
    release.write_sums();
    release.refuses(&["--version", "1.2.4"], "not of version 1.2.4");
    fs::remove_file(release.path().join("SHA256SUMS")).unwrap();
    release.refuses(&[], "can't get");
}

#[test]
fn script_refuses_changed_bytes_and_a_program_that_does_not_run() {
    let release = Release::new();
    for archive in release.archives() {
        fs::write(archive, "changed").unwrap();
    }
    release.refuses(&[], "has the SHA-256");
    release.write_sums();
    release.refuses(&[], "can't unpack");
}

#[test]
fn script_refuses_a_way_without_encryption_and_unknown_options() {
    let release = Release::new();
    let script = root().join("packaging/install.sh");
    for (args, words) in [
        (&["--from", "http://127.0.0.1:1/x"][..], "can't get"),
        (&["--force"], "unknown option"),
        (&["--to"], "needs a value"),
        (&[], "--repository"),
    ] {
        let output = release.run(&script, args);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains(words), "{args:?}");
    }
    assert!(!release.program().exists());
}

#[test]
fn script_that_was_cut_in_transfer_does_nothing() {
    let release = Release::new();
    let text = fs::read_to_string(root().join("packaging/install.sh")).unwrap();
    let cut = release.path().join("cut.sh");
    for end in (1..10).map(|tenth| text.len() * tenth / 10) {
        fs::write(&cut, &text.as_bytes()[..end]).unwrap();
        release.run(&cut, &["--from", release.path().to_str().unwrap()]);
        assert!(!release.home.path().join(".local").exists(), "{end}");
    }
}

#[test]
fn image_has_the_program_of_each_architecture() {
    let release = Release::new();
    for archive in release.archives().iter().filter(|path| path.to_str().unwrap().ends_with("linux-musl.tar.gz")) {
        let name = archive.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz");
        let script = format!(
            "mkdir {name}; echo {name} >{name}/yescale-dl; touch {name}/LICENSE {name}/THIRD-PARTY.txt; tar -czf {name}.tar.gz {name}"
        );
        assert!(Command::new("sh").args(["-euc", &script]).current_dir(release.path()).status().unwrap().success());
    }
    let mut command = Command::new(root().join("packaging/image.sh"));
    command.args(["1.2.3", "registry.example/yescale-dl"]).arg(release.path()).env("DRY_RUN", "1");
    assert!(command.status().unwrap().success());
    let image = release.path().join("image");
    for (folder, machine) in [("amd64", "x86_64"), ("arm64", "aarch64")] {
        let program = fs::read_to_string(image.join(folder).join("yescale-dl")).unwrap();
        assert!(program.contains(machine) && image.join(folder).join("THIRD-PARTY.txt").is_file(), "{program}");
    }
    // Each folder has the name that the recipe of the image expects.
    assert!(fs::read_to_string(image.join("Containerfile")).unwrap().contains("COPY $TARGETARCH/ /"));
}

#[test]
fn release_files_name_every_archive_with_its_checksum() {
    let release = Release::new();
    let generate = || {
        let mut command = Command::new(root().join("packaging/release-files.sh"));
        command.args(["1.2.3", "someone/yescale-dl"]).arg(release.path()).output().unwrap()
    };
    let output = generate();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| fs::read_to_string(release.path().join(name)).unwrap();
    let (formula, script) = (read("yescale-dl.rb"), read("install.sh"));
    let manifest: serde_json::Value = serde_json::from_str(&read("yescale-dl.json")).unwrap();
    for archive in release.archives() {
        let (name, digest) = (archive.file_name().unwrap().to_str().unwrap(), sha256(&fs::read(&archive).unwrap()));
        let url = format!("https://github.com/someone/yescale-dl/releases/download/v1.2.3/{name}");
        if name.contains("windows") {
            let windows = &manifest["architecture"]["64bit"];
            assert_eq!((windows["url"].as_str(), windows["hash"].as_str()), (Some(&*url), Some(&*digest)));
        } else {
            assert!(formula.contains(&format!("url \"{url}\"\n      sha256 \"{digest}\"")), "{name}");
        }
    }
    assert!(script.contains("\nrepository=someone/yescale-dl\nversion=1.2.3\n"));
    release.edit_sums(|sums| sums.split_inclusive('\n').skip(1).collect());
    assert!(!generate().status.success(), "a missing archive is an error");
}
