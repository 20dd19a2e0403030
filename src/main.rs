//! The program `yescale-dl`. Everything is in the library; see its `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(yescale_dl::cli::run(std::env::args_os()))
}
