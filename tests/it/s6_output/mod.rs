//! Section 6, standard output and standard error, and what never shows in them.

mod key;
mod told;
