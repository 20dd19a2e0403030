//! Makes chosen system calls fail, for the program alone.
//!
//! A small library, compiled once and loaded before the C library, fails a call on files below a path with a given
//! error. This works because the Rust standard library makes these calls through the C library. `syncfs` and `statfs`
//! are made without the C library, so the kernel refuses them, whatever the path is. Linux only: other systems load
//! libraries in other ways.
//!
//! The calls: `futimens`, `read`, `write`, `flock`, `sync_file`, `sync_folder`, `syncfs`, `statfs`.
//!
//! It also logs each sync of a file, and whether the manifest of its folder was there then: a rename is made without the C library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int refused(int fd, const char *call) {
    const char *calls = getenv("REFUSED_CALLS"), *part = getenv("REFUSED_PATH"), *code = getenv("REFUSED_ERRNO");
    const char *skipped = getenv("REFUSED_AFTER");
    static int seen;
    char link[64], path[4096];
    if (!calls || !part || !code || !strstr(calls, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, part)) return 0;
    if (skipped && __sync_fetch_and_add(&seen, 1) < atoi(skipped)) return 0;
    errno = atoi(code);
    return 1;
}

static void log_sync(int fd, const char *name) {
    const char *log = getenv("SYNC_LOG");
    char link[64], path[4096], manifest[4200];
    if (!log || strcmp(name, "sync_file")) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    snprintf(manifest, sizeof manifest, "%.*s/manifest.json", (int)(strrchr(path, '/') - path), path);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0) return;
    dprintf(file, "%s %s\n", access(manifest, F_OK) ? "before" : "after", path);
    close(file);
}

static void refuse_call(int number, int error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

__attribute__((constructor)) static void begin(void) {
    const char *calls = getenv("REFUSED_CALLS"), *code = getenv("REFUSED_ERRNO");
    if (calls && code && strstr(calls, "syncfs")) refuse_call(SYS_syncfs, atoi(code));
    if (calls && code && strstr(calls, "statfs")) refuse_call(SYS_statfs, atoi(code));
}

int flock(int fd, int operation) {
    static int (*next)(int, int);
    if (refused(fd, "flock")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "flock");
    return next(fd, operation);
}

static const char *sync_name(int fd) {
    struct stat found;
    return !fstat(fd, &found) && S_ISDIR(found.st_mode) ? "sync_folder" : "sync_file";
}

int fsync(int fd) {
    static int (*next)(int);
    log_sync(fd, sync_name(fd));
    if (refused(fd, sync_name(fd))) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    return next(fd);
}

int fdatasync(int fd) {
    static int (*next)(int);
    log_sync(fd, sync_name(fd));
    if (refused(fd, sync_name(fd))) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}

int futimens(int fd, const struct timespec times[2]) {
    static int (*next)(int, const struct timespec *);
    if (refused(fd, "futimens")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "futimens");
    return next(fd, times);
}

ssize_t read(int fd, void *bytes, size_t size) {
    static ssize_t (*next)(int, void *, size_t);
    if (refused(fd, "read")) return -1;
    if (!next) next = dlsym(RTLD_NEXT, "read");
    return next(fd, bytes, size);
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

/// As [`fail_calls`], but the first `count` of these calls succeed.
pub(crate) fn fail_calls_after(count: u32, command: Command, calls: &str, path: &str, errno: i32) -> Command {
    let mut command = fail_calls(command, calls, path, errno);
    command.env("REFUSED_AFTER", count.to_string());
    command
}

/// Makes the command log each sync of a file: `before` or `after`, as to the manifest of its folder, and the path.
pub(crate) fn log_syncs(mut command: Command, log: &Path) -> Command {
    command.env("LD_PRELOAD", preload_library()).env("SYNC_LOG", log);
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
