//! The commands `verify` and `repair`. `repair` verifies first, then downloads again what the verification found.

use std::path::Path;

use super::error::Error;
use super::runner;
use super::ui_thread::UiThread;
use super::values::shell_quote;
use crate::domain::event::{Event, VerifySummary};
use crate::jobs::verify::Finding;
use crate::session::{self, Options, Session, verify_with_events};
use crate::storage::ArchiveScan;
use crate::ui::{self, Style};

/// Verifies, reports what is wrong, and returns the exit code.
pub(super) fn run(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let (summary, _) = verify_and_show(&ArchiveScan::open(dir)?, quick, style)?;
    if summary.damaged + summary.missing > 0 && !style.quiet && !style.json {
        ui::print_hint(&format!("to download these files again, run: yescale-dl repair {}", shell_quote(dir)));
    }
    Ok(u8::from(!summary.is_intact()))
}

/// Verifies, downloads damaged and missing files again, and returns the exit code.
pub(super) fn repair(dir: &Path, quick: bool, options: Options, style: Style) -> Result<u8, Error> {
    let scan = ArchiveScan::open(dir)?;
    let (summary, findings) = verify_and_show(&scan, quick, style)?;
    if summary.is_intact() {
        return Ok(0);
    }
    let (requests, has_unrepairable) = session::repair_requests(&findings);
    if summary.files == 0 && requests.is_empty() {
        // No manifest could be read, so that no task id is known.
        return Ok(1);
    }
    let result = runner::run_session(Session::from_scan(&scan, options)?, style, move |sender, emitter, _| {
        emitter.tasks.discovered.add(requests.len() as u64);
        for request in requests {
            if sender.blocking_send(request).is_err() {
                break;
            }
        }
        0
    })?;
    Ok(match result.exit_code() {
        0 | 3 if has_unrepairable => 1,
        code => code,
    })
}

/// Verifies with progress and findings shown.
fn verify_and_show(scan: &ArchiveScan, quick: bool, style: Style) -> Result<(VerifySummary, Vec<Finding>), Error> {
    let (emitter, ui_thread) = UiThread::start(style)?;
    let verified = verify_with_events(scan, quick, &emitter)?;
    emitter.emit(Event::Verified(verified.0.clone()));
    drop(emitter);
    // The thread ends with the summary. A panic in it loses output only.
    let _ = ui_thread.join();
    Ok(verified)
}
