//! `export`: calls the job, with a file or standard output as the target.

use std::path::Path;

use super::args::{ExportArgs, FormatArg};
use super::error::Error;
use crate::jobs::export::{ExportError, ExportFormat, ExportOptions, ExportTarget, export};
use crate::ui;

/// Exports; returns the exit code.
pub(super) fn run(args: &ExportArgs) -> Result<u8, Error> {
    let format = match args.format {
        FormatArg::Otio => ExportFormat::Otio,
        FormatArg::Fcpxml => ExportFormat::Fcpxml,
        FormatArg::Xmeml => ExportFormat::Xmeml,
        FormatArg::Ffconcat => ExportFormat::Ffconcat,
        FormatArg::Csv => ExportFormat::Csv,
        FormatArg::M3u8 => ExportFormat::M3u8,
        FormatArg::Bagit => ExportFormat::Bagit,
    };
    let options = ExportOptions { format, tasks: args.task.clone(), rate: args.rate };
    let events = super::print_messages();
    if args.output_file == Path::new("-") {
        let mut exported = None;
        ui::write_stdout(|to| {
            exported = Some(export(&args.dir, &options, ExportTarget::Stream(to), &events));
            Ok(())
        })
        .map_err(Error::StandardOutput)?;
        Ok(super::exit_code(exported.expect("write_stdout calls its argument")?))
    } else {
        let exported = export(&args.dir, &options, ExportTarget::Path(&args.output_file), &events)?;
        super::report_written(std::slice::from_ref(&args.output_file), exported)
    }
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Stream(error) => Self::StandardOutput(error),
            error => Self::Export(error),
        }
    }
}
