//! The command-line program. All of its code is in the library: see `yescale_dl::cli`.

use std::process::ExitCode;

/// The allocator of musl makes all threads wait for one lock.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(yescale_dl::cli::run(std::env::args_os()))
}
