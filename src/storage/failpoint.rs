//! Points at which tests kill the program, to see what a crash leaves on disk.
//!
//! Compiled in only with the feature `checkpoints`; otherwise a call does nothing. A test names a point in an environment
//! variable. The program prints a line on standard error when it reaches that point, and waits to be killed.

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
