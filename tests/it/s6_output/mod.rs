//! Section 6, "Standard output and standard error": "Results go to standard output, everything else (progress,
//! warnings, errors) to standard error." "A key never appears in any output, log, manifest or error".

mod error_codes;
mod first_and_last_line;
mod json;
mod key;
mod noise;
mod stdout_stderr;
#[cfg(unix)]
mod terminal;
