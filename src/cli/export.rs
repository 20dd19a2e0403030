//! `export`: calls the job, with a file or standard output as the target.

use std::path::Path;

use super::args::{ExportArgs, FormatArg};
use super::error::Error;
use super::selection;
use crate::domain::event::Emitter;
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
        FormatArg::Jsonl => ExportFormat::Jsonl,
        FormatArg::M3u8 => ExportFormat::M3u8,
        FormatArg::Bagit => ExportFormat::Bagit,
    };
    let selection = selection::selection(&args.filter, &args.order, false)?;
    let options = ExportOptions { format, selection, rate: args.rate };
    let events = super::print_messages();
    exit_code_if_empty(write(args, &options, &events))
}

/// The exit code of an export of nothing, which is no error that ends the program early.
pub(super) fn exit_code_if_empty(result: Result<u8, Error>) -> Result<u8, Error> {
    match result {
        Err(Error::Export(ExportError::Empty { is_reported: true })) => Ok(1),
        Err(Error::Export(error @ ExportError::Empty { .. })) => {
            ui::print_error(&error.to_string());
            Ok(1)
        }
        result => result,
    }
}

fn write(args: &ExportArgs, options: &ExportOptions, events: &Emitter) -> Result<u8, Error> {
    if args.output_file == Path::new("-") {
        let mut exported = None;
        ui::write_stdout(|to| {
            exported = Some(export(&args.dir, options, ExportTarget::Stream(to), events));
            Ok(())
        })
        .map_err(Error::StandardOutput)?;
        Ok(super::exit_code(exported.expect("write_stdout calls its argument")?))
    } else {
        let exported = export(&args.dir, options, ExportTarget::Path(&args.output_file), events)?;
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
