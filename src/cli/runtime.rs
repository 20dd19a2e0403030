//! The tokio runtime of a run, made so that low limits of the system give an error and no panic.
//!
//! Tokio panics if it can't create its pipes. So this module tests the limits first: descriptors and address space. The runtime
//! works on the main thread alone: one thread serves all connections faster than two that wake each other. Whatever blocks or
//! computes for long is on the threads of `threads`.

use tokio::runtime::{Builder, Runtime};

use super::error::Error;
use crate::threads;

/// Builds the runtime.
///
/// # Errors
/// If the process may use too few descriptors or too little memory.
pub(super) fn build() -> Result<Runtime, Error> {
    if !has_descriptors() {
        return Err(Error::Descriptors);
    }
    if !threads::has_enough_address_space() {
        return Err(Error::AddressSpace);
    }
    Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

/// Whether the sockets and files that every run needs can be opened.
#[cfg(unix)]
fn has_descriptors() -> bool {
    const PAIRS: usize = 12;
    let pairs: Vec<_> = (0..PAIRS).map_while(|_| std::os::unix::net::UnixStream::pair().ok()).collect();
    pairs.len() == PAIRS
}

/// Windows has no such limit.
#[cfg(not(unix))]
fn has_descriptors() -> bool {
    true
}
