//! Section 6, standard output and standard error, and what never shows in them.

mod json;
mod key;
mod stdout_stderr;
