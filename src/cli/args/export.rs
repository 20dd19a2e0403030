//! What may be typed behind `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::values::frame_rate;

/// What to export, and where to.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// What to write
    #[arg(value_name = "FORMAT")]
    pub format: ExportFormat,

    /// An archive, or one task's folder
    #[arg(value_name = "DIR", default_value = "yescale")]
    pub dir: PathBuf,

    /// Write to FILE, and name files relative to it; else to standard output, with absolute names. A bag needs a new folder
    #[arg(short = 'O', long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub output_file: PathBuf,

    /// These tasks alone; DIR goes before them
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub task: Vec<String>,

    /// Frames a second where a file doesn't tell, such as 25 or 30000/1001 (otio)
    #[arg(long, value_name = "RATE", default_value = "24", value_parser = frame_rate)]
    pub rate: f64,
}

/// A format that `export` can write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// A timeline for editors (OpenTimelineIO): a track a kind, a clip a file, stills for 5 s
    Otio,
    /// The videos, else the audio, one behind the other: ffmpeg -f concat -safe 0 -i FILE
    Ffconcat,
    /// A table, a row a file
    Csv,
    /// A playlist of videos and audio
    M3u8,
    /// A BagIt 1.0 bag: copies that carry their checksums
    Bagit,
}
