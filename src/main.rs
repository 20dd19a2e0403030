//! The command-line program. All of its code is in the library: see `yescale_dl::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(yescale_dl::cli::run(std::env::args_os()))
}
