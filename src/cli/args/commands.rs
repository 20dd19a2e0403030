//! The commands, with their arguments.
//!
//! To add a command: see `cli/mod.rs`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::{ConfigurableArgs, ConnectionArgs, ExportArgs, FilterArgs, OrderArgs, RemoteArgs, StyleArgs, When};

/// The commands besides the main job: for an existing archive, and about the program itself.
#[derive(clap::Subcommand, Debug)]
pub(in crate::cli) enum Command {
    /// Check that every file of the archive is present and intact
    ///
    /// Compares the files with the hashes in the manifests. Works offline and changes nothing. Exit code 1 if something is wrong.
    Verify {
        /// Archive (folder or bucket), or folder of one task
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Compare sizes only, without hashing
        ///
        /// In a bucket, the recorded hashes are compared, too.
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Verify, then download damaged and missing files again
    ///
    /// The gateway is asked by the task id, so that expired links do not matter. Intact files are never touched.
    Repair {
        /// Archive (folder or bucket), or folder of one task
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Compare sizes only, without hashing
        ///
        /// In a bucket, the recorded hashes are compared, too.
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        remote: Box<RemoteArgs>,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Rebuild manifest.json and SHA256SUMS of the archive
    ///
    /// They are made from the task folders. Works offline. In a bucket it compacts the index; other runs can go on meanwhile.
    Index {
        /// Folder or bucket of the archive
        #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Add platform, model and media facts to old manifests
        ///
        /// For archives of earlier versions. The files are read, and do not change.
        #[arg(long)]
        facts: bool,
        /// Make the index of a bucket anew, from the task manifests
        ///
        /// For a bucket whose index is damaged or was removed. For a folder there is no difference.
        #[arg(long, conflicts_with = "facts")]
        rebuild: bool,
    },
    /// List the tasks of the archive, newest first
    ///
    /// A table of time, platform, model, state, files, size, duration, prompt or text, and id. It fits the terminal; in a pipe or a file it is not cut, and tabs separate the columns. Works offline.
    List(ListArgs),
    /// Export the archive as a timeline, list, table, playlist or bag
    ///
    /// Works offline and does not change the archive. From a bucket: csv, jsonl and files; for the others, copy it to disk first.
    Export(ExportArgs),
    /// Write index.html into the archive: a page to browse it
    ///
    /// The page is one file that works offline. A page of selected tasks needs a name of its own: -O FILE.
    Gallery(GalleryArgs),
    /// Ask for the API key, and save it for later runs
    ///
    /// Also asks for the access key, which --since needs. What is typed is not shown. Each key is tried, saved for this user alone beside the configuration file, and sent to no other gateway or account than the one it was saved for.
    Login(Box<LoginArgs>),
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

/// Which keys to save.
#[derive(Args, Debug)]
pub(in crate::cli) struct LoginArgs {
    /// Remove all saved keys instead
    ///
    /// Those of all gateways and accounts. They stay valid until you revoke them at the gateway.
    #[arg(long)]
    pub forget: bool,

    /// Base URL of the gateway [env: YESCALE_BASE_URL]
    #[arg(long, value_name = "URL", default_value = "https://api.yescale.io", value_hint = ValueHint::Url, help_heading = "Gateway")]
    pub base_url: String,

    /// URL of the account, for --since [env: YESCALE_ACCOUNT_URL]
    #[arg(long, value_name = "URL", default_value = "https://yescale.bogia.app", value_hint = ValueHint::Url, help_heading = "Account")]
    pub account_url: String,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to list, and how.
#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    /// Archive (folder or bucket), or folder of one task
    #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Print the task ids alone, one per line
    ///
    /// The list can be read with -i. An id that a plain line can't hold is printed as JSON.
    #[arg(long, conflicts_with_all = ["paths", "json"], help_heading = "Output")]
    pub ids: bool,

    /// Print the paths of the files alone, one per line
    ///
    /// They can be opened from the working directory. The texts are files too. A file that is missing is an error instead.
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub paths: bool,

    /// Print the tasks as JSON, one object per line
    ///
    /// The fields are those of the manifest, without URLs and with paths from the working directory.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub color: When,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub order: OrderArgs,
}

/// Which tasks the page shows, and where it goes.
#[derive(Args, Debug)]
pub(in crate::cli) struct GalleryArgs {
    /// Archive, or folder of one task
    #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Write the page to FILE, with paths relative to it
    ///
    /// [default: index.html in DIR]
    #[arg(short = 'O', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output_file: Option<PathBuf>,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub order: OrderArgs,
}

/// The documents that have a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum Document {
    Manifest,
    Events,
}
