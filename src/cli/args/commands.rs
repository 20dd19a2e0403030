//! The commands, with their arguments.
//!
//! To add a command: see `cli/mod.rs`.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use clap_complete::Shell;

use super::{ConfigurableArgs, ExportArgs, RemoteArgs, StyleArgs};

/// The commands besides the main job: for an existing archive, and about the program itself.
#[derive(clap::Subcommand, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub(in crate::cli) enum Command {
    /// Check that every file of the archive is present and intact
    ///
    /// Compares the files with the hashes in the manifests. Works offline and changes nothing. Exit code 1 if something is wrong.
    Verify {
        /// Archive, or folder of one task
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Compare sizes only, without hashing
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Verify, then download damaged and missing files again
    ///
    /// The gateway is asked by the task id, so that expired links do not matter. Intact files are never touched.
    Repair {
        /// Archive, or folder of one task
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Compare sizes only, without hashing
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        remote: RemoteArgs,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Rebuild manifest.json and SHA256SUMS of the archive
    ///
    /// They are made from the task folders. Works offline.
    Index {
        /// Folder of the archive
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Add facts to the manifests of tasks: platform, model, and what the files' headers say
        ///
        /// For archives of earlier versions. The files are read, and do not change.
        #[arg(long)]
        facts: bool,
    },
    /// Export the archive as a timeline, list, table, playlist or bag
    ///
    /// Works offline and does not change the archive.
    Export(ExportArgs),
    /// Write index.html into the archive: a page to browse it
    ///
    /// The page is one file that works offline.
    Gallery {
        /// Archive, or folder of one task
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Print the effective options and where each comes from
    ///
    /// The key is hidden. If the configuration file has errors, they are named, and the other values are shown.
    Config(Box<ConfigurableArgs>),
    /// Print the JSON Schema of manifests or of --json events
    Schema {
        /// Document to describe
        document: Document,
    },
    /// Print a script for completions in SHELL
    Completions {
        /// Shell that reads the script
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Print the help, also of one command
    Help {
        /// Command to describe
        command: Option<String>,
    },
}

/// The documents that have a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum Document {
    Manifest,
    Events,
}
