//! The arguments of `export`.
//!
//! To add a format: see `jobs/export/format.rs`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{FilterArgs, OrderArgs};
use crate::domain::frame_rate::FrameRate;

/// What to export, and to which file.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// Format to write
    #[arg(value_name = "FORMAT")]
    pub format: FormatArg,

    /// Archive, or folder of one task
    #[arg(value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Write to FILE, with paths relative to it
    ///
    /// Paths in `fcpxml` and `xmeml` are always absolute. For `bagit`, FILE is a new folder. [default: standard output, with
    /// absolute paths]
    #[arg(short = 'O', long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath, hide_default_value = true)]
    pub output_file: PathBuf,

    /// Frame rate for files that do not contain one (otio, fcpxml, xmeml)
    ///
    /// Such as 25 or 30000/1001.
    #[arg(long, value_name = "RATE", default_value = "24", value_hint = ValueHint::Other)]
    pub rate: FrameRate,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub order: OrderArgs,
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
}
