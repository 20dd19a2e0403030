//! The arguments of `export`.
//!
//! To add a format: see `jobs/export/format.rs`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{FilterArgs, OrderArgs};
use crate::cli::nearest::nearest;
use crate::domain::frame_rate::FrameRate;
use crate::domain::template::{DEFAULT_TEMPLATE, Template, TemplateError, template_fields};

/// What to export, and to which file.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// Format to write
    #[arg(value_name = "FORMAT")]
    pub format: FormatArg,

    /// Archive (folder or bucket), or folder of one task
    #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Write to FILE, with paths relative to it
    ///
    /// Paths in `fcpxml` and `xmeml` are always absolute. For `bagit`, FILE is a new folder; for `files`, it is the folder for the
    /// files. [default: standard output, with absolute paths]
    #[arg(short = 'O', long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath, hide_default_value = true)]
    pub output_file: PathBuf,

    /// Frame rate for files without one (otio, fcpxml, xmeml)
    ///
    /// Such as 25 or 30000/1001.
    #[arg(long, value_name = "RATE", default_value = "24", value_hint = ValueHint::Other)]
    pub rate: FrameRate,

    #[command(flatten)]
    pub files: FilesArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub order: OrderArgs,
}

/// The options of `export files`.
#[derive(Args, Debug)]
pub(in crate::cli) struct FilesArgs {
    /// Name of each file (files)
    ///
    /// `{field}` is replaced, `{field:N}` by its first N characters, `/` makes a folder, `{{` and `}}` are braces. A name without
    /// the extension gets it. --list-fields prints the fields.
    // In a doc comment, clap would take `{n}` for a line break.
    #[arg(long, value_name = "TEMPLATE", default_value = DEFAULT_TEMPLATE, value_parser = template, value_hint = ValueHint::Other)]
    pub name: Template,

    /// How the files get into the folder (files) [default: auto]
    #[arg(long, value_name = "MODE")]
    pub link: Option<LinkArg>,

    /// Write tags and covers into copies of songs (files)
    ///
    /// Title, artist, prompt, lyrics, track and cover, into mp3, m4a, flac, ogg, opus and wav. A file with content credentials is copied untouched.
    #[arg(long)]
    pub tag: bool,

    /// Print the fields of --name, and exit (files)
    #[arg(long)]
    pub list_fields: bool,
}

impl FilesArgs {
    /// The first option that was given.
    pub(in crate::cli) fn first_given(&self) -> Option<&'static str> {
        let given = [
            (self.name.as_str() != DEFAULT_TEMPLATE, "--name"),
            (self.link.is_some(), "--link"),
            (self.tag, "--tag"),
            (self.list_fields, "--list-fields"),
        ];
        given.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }
}

/// How exported files get into their folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum LinkArg {
    /// Reflinks, which share the blocks on the disk, else copies
    Auto,
    /// Copies, whose bytes are compared with the recorded hashes
    Copy,
    /// Hard links: a program that changes one in place changes the archive
    Hard,
    /// Symlinks
    Sym,
}

/// Parses a template. An unknown field names the nearest one.
fn template(text: &str) -> Result<Template, String> {
    text.parse().map_err(|error: TemplateError| match &error {
        TemplateError::UnknownField(name) => {
            let known = nearest(name, template_fields().map(|(field, _)| field));
            let hint = known.map_or_else(|| "--list-fields prints them".to_owned(), |known| format!("did you mean `{known}`?"));
            format!("{error}; {hint}")
        }
        _ => error.to_string(),
    })
}

/// The formats that `export` can write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum FormatArg {
    /// Timeline for video editors (OpenTimelineIO): one clip per file, 5 s per still, audio on a track of its own
    Otio,
    /// The same for Final Cut Pro and Resolve
    Fcpxml,
    /// The same for Premiere and Resolve (Final Cut Pro 7 XML)
    Xmeml,
    /// The videos, or else the audio files, in sequence: ffmpeg -f concat -safe 0 -i FILE
    Ffconcat,
    /// Table with one row per file, per error, and per task without files
    Csv,
    /// JSON, one object per line: the rows of `csv` with all their fields
    Jsonl,
    /// Playlist of the videos and audio files
    M3u8,
    /// BagIt 1.0 bag: copies of the files, with checksums
    Bagit,
    /// The files themselves, under names for people, in the folder of -O
    Files,
}
