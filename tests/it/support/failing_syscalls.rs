//! Makes chosen system calls fail, for the program alone.
//!
//! A small library, compiled once and loaded before the C library, fails a call on files below a path with a given
//! error. This works because the Rust standard library makes these calls through the C library. Linux only: other
//! systems load libraries in other ways.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int refused(int fd, const char *call) {
    const char *calls = getenv("REFUSED_CALLS"), *part = getenv("REFUSED_PATH"), *code = getenv("REFUSED_ERRNO");
    char link[64], path[4096];
    if (!calls || !part || !code || !strstr(calls, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, part)) return 0;
    errno = atoi(code);
    return 1;
}

int futimens(int fd, const struct timespec times[2]) {
    static int (*next)(int, const struct timespec *);
    if (refused(fd, "futimens")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "futimens");
    return next(fd, times);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (refused(fd, "write")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    return next(fd, bytes, size, at);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    static ssize_t (*next)(int, const void *, size_t);
    if (refused(fd, "write")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "write");
    return next(fd, bytes, size);
}
"#;

/// Makes `calls` of the command fail with `errno` on every file whose path contains `path`.
pub(crate) fn fail_calls(mut command: Command, calls: &str, path: &str, errno: i32) -> Command {
    command.env("LD_PRELOAD", preload_library()).env("REFUSED_CALLS", calls).env("REFUSED_PATH", path);
    command.env("REFUSED_ERRNO", errno.to_string());
    command
}

fn preload_library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, library) = (folder.join("refusing.c"), folder.join("refusing.so"));
        std::fs::write(&source, SOURCE).unwrap();
        // Linking Rust programs needs a C compiler, so there is one.
        let done = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
        assert!(done.unwrap().success());
        library
    })
}
