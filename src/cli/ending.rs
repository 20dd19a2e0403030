//! How the program ends: the last message, the last line of `--json`, and the exit code. All of them are made here.
//!
//! With `--json` the first line of standard output is `start`, and the last one of every end with exit code 2 is `fatal`, whatever
//! the cause is: usage, configuration, key, archive, gateway or output. Standard output that can't be written changes the exit code
//! of every command to 2; a closed pipe does not, nor does it hide that a signal ended the run.

use std::ffi::OsString;
use std::path::Path;

use super::EXIT_FATAL;
use super::error::{self, Error};
use crate::ui;

/// Exit codes from this one on tell which signal ended the program.
const FIRST_SIGNAL_CODE: u8 = 128;

/// The first and the last line of `--json`.
pub(super) struct JsonFrame {
    is_json: bool,
    is_started: bool,
}

impl JsonFrame {
    /// Decides by the raw arguments, for the case that they can't be parsed.
    pub(super) fn new(arguments: &[OsString]) -> Self {
        // `list --json` prints tasks, not events.
        let is_list = arguments.get(1).is_some_and(|word| word == "list");
        let options = arguments.iter().take_while(|word| *word != "--");
        let last = options.filter(|word| *word == "--json" || *word == "--no-json").last();
        Self { is_json: !is_list && last.is_some_and(|word| word == "--json"), is_started: false }
    }

    /// The arguments are parsed. `output` is the archive; none for a command without events.
    pub(super) fn start(&mut self, is_json: bool, output: Option<&Path>) {
        self.is_json = is_json;
        if is_json && !self.is_started {
            self.is_started = true;
            ui::print_json_start(output);
        }
    }
}

/// Reports why the program ends, and returns the exit code.
pub(super) fn end(result: Result<u8, Error>, mut frame: JsonFrame) -> u8 {
    let error = match (result, ui::stdout_fault()) {
        (Err(Error::Usage(help)), _) if !help.use_stderr() => match error::print_help(&help) {
            Ok(()) => return 0,
            Err(fault) => Error::StandardOutput(fault),
        },
        (Ok(code), None) => return code,
        (Ok(code), Some(_)) if code >= FIRST_SIGNAL_CODE => return code,
        (Ok(_), Some(fault)) => Error::StandardOutput(fault),
        (Err(error), _) => error,
    };
    let code = error.code();
    let message = error.report();
    if frame.is_json {
        frame.start(true, None);
        ui::print_json_fatal(code, &message);
    }
    EXIT_FATAL
}
