//! The commands `verify` and `repair`. `repair` verifies first, then downloads again what the verification found.

use std::path::Path;

use super::error::Error;
use super::runner::run_session;
use super::ui_thread::UiThread;
use super::values::shell_quote;
use crate::domain::event::Event;
use crate::domain::selection::TaskFilter;
use crate::jobs::verify::{VerifyOutcome, verify_selected};
use crate::session::{Options, Session};
use crate::ui::{self, Style};

/// Verifies, reports what is wrong, and returns the exit code.
pub(super) fn run(dir: &Path, quick: bool, filter: &TaskFilter, style: Style) -> Result<u8, Error> {
    let VerifyOutcome { summary, missing_ids, .. } = verify_and_show(dir, quick, filter, style, |_| true)?;
    if summary.damaged + summary.missing > 0 && !style.quiet && !style.json {
        ui::print_hint(&format!("to download these files again, run: yescale-dl repair {}", shell_quote(dir)));
    }
    Ok(u8::from(!summary.is_intact() || !missing_ids.is_empty()))
}

/// Verifies, downloads damaged and missing files again, and returns the exit code.
pub(super) fn repair(dir: &Path, quick: bool, filter: &TaskFilter, options: Options, style: Style) -> Result<u8, Error> {
    // With `--json` the one summary is that of the repair.
    let verified = verify_and_show(dir, quick, filter, style, move |event| !style.json || !matches!(event, Event::Verified(_)))?;
    let session = Session::open_verified(&verified, options)?;
    let (events, mut ui_thread) = UiThread::start(style)?;
    ui_thread.show_trace(&events, style);
    let stop = session.stop_handle();
    let mut has_unrepairable = !verified.missing_ids.is_empty();
    let run = async {
        let repair = session.repair(&verified, events).await?;
        has_unrepairable |= repair.has_unrepairable;
        Ok(repair.run)
    };
    let result = run_session(run, &stop, ui_thread, None)?;
    Ok(match result.conclude()? {
        0 | 3 if has_unrepairable => 1,
        code => code,
    })
}

/// Verifies with progress and findings shown, as far as `is_shown`.
fn verify_and_show(
    dir: &Path,
    quick: bool,
    filter: &TaskFilter,
    style: Style,
    is_shown: impl Fn(&Event) -> bool + Send + Sync + 'static,
) -> Result<VerifyOutcome, Error> {
    let (events, ui_thread) = UiThread::start_filtered(style, is_shown)?;
    let verified = verify_selected(dir, quick, filter, &events);
    // The thread ends with the summary or, after an error, with the last emitter. A panic in it loses output only.
    drop(events);
    let _ = ui_thread.join();
    Ok(verified?)
}
