//! `export`: calls the job, with a file, a folder or standard output as the target.

use std::path::Path;

use super::args::{ExportArgs, FormatArg, LinkArg};
use super::error::Error;
use super::selection;
use crate::domain::event::Emitter;
use crate::domain::template::template_fields;
use crate::jobs::StopHandle;
use crate::jobs::export::files::{FileExportOptions, LinkMode, export_files};
use crate::jobs::export::{ExportError, ExportFormat, ExportOptions, ExportTarget, export};
use crate::ui;

/// Exports; returns the exit code.
pub(super) fn run(args: &ExportArgs) -> Result<u8, Error> {
    let format = match args.format {
        FormatArg::Files => return run_files(args),
        FormatArg::Otio => ExportFormat::Otio,
        FormatArg::Fcpxml => ExportFormat::Fcpxml,
        FormatArg::Xmeml => ExportFormat::Xmeml,
        FormatArg::Ffconcat => ExportFormat::Ffconcat,
        FormatArg::Csv => ExportFormat::Csv,
        FormatArg::Jsonl => ExportFormat::Jsonl,
        FormatArg::M3u8 => ExportFormat::M3u8,
        FormatArg::Bagit => ExportFormat::Bagit,
    };
    if let Some(option) = args.files.first_given() {
        return Err(Error::OnlyOfFiles(option));
    }
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

/// `export files`, which needs a folder.
fn run_files(args: &ExportArgs) -> Result<u8, Error> {
    let ExportArgs { files, output_file: folder, .. } = args;
    if files.list_fields {
        let line = |(name, meaning): (&str, &str)| format!("{name:<10}{meaning}\n");
        return super::print_result(&template_fields().map(line).collect::<String>());
    }
    if folder == Path::new("-") {
        return Err(Error::NoExportFolder);
    }
    let link = match files.link.unwrap_or(LinkArg::Auto) {
        LinkArg::Auto => LinkMode::Auto,
        LinkArg::Copy => LinkMode::Copy,
        LinkArg::Hard => LinkMode::Hard,
        LinkArg::Sym => LinkMode::Sym,
    };
    if files.tag && matches!(link, LinkMode::Hard | LinkMode::Sym) {
        return Err(Error::TagsInLinks);
    }
    let selection = selection::selection(&args.filter, &args.order, false)?;
    let options = FileExportOptions { selection, template: files.name.clone(), link, tag: files.tag };
    let exported = export_files(&args.dir, &options, folder, &StopHandle::default(), &super::print_messages())?;
    if exported.files == 0 {
        return Ok(super::exit_code(exported));
    }
    super::report_written(std::slice::from_ref(folder), exported)
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Stream(error) => Self::StandardOutput(error),
            error => Self::Export(error),
        }
    }
}
