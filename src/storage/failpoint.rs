//! Places at which tests kill the program, to see what a crash leaves.
//!
//! Compiled in only with the feature `checkpoints`; otherwise a call is nothing. A program that is told
//! to stop at a checkpoint says so on standard error, once, and waits to be killed.

/// The program has just done what `name` says.
#[cfg(feature = "checkpoints")]
pub(super) fn reached(name: &str) {
    if std::env::var("YESCALE_DL_STOP_AT").is_ok_and(|stop| stop == name) {
        #[expect(clippy::print_stderr, reason = "a test waits for this line")]
        {
            eprintln!("checkpoint {name}");
        }
        loop {
            std::thread::park();
        }
    }
}

/// Nothing, in any program that is meant to be used.
#[cfg(not(feature = "checkpoints"))]
pub(super) fn reached(_: &str) {}
