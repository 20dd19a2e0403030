//! Points at which tests kill the program, to see what a crash leaves on disk.
//!
//! Compiled in only with the feature `checkpoints`; otherwise a call does nothing. A program that is told to stop at a point
//! prints that on standard error, once, and waits to be killed.

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

/// Does nothing: programs for use are built without the feature.
#[cfg(not(feature = "checkpoints"))]
pub(super) fn reached(_: &str) {}
