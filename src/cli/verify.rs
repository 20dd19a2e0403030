//! `verify`, and `repair`, which verifies first and then fetches again what is lost.

use std::path::Path;

use super::error::Error;
use super::runner::{Interface, run_session};
use super::values::shell_quote;
use crate::jobs::verify::{VerifyOutcome, verify};
use crate::session::{Options, Session};
use crate::ui::{self, Style};

/// Verifies; returns the exit code.
pub(super) fn run(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let counts = verify_and_show(dir, quick, style)?.summary;
    if counts.damaged + counts.missing > 0 && !style.quiet && !style.json {
        ui::print_hint(&format!("to fetch these again: yescale-dl repair {}", shell_quote(dir)));
    }
    Ok(u8::from(!counts.is_intact()))
}

/// Verifies and repairs; returns the exit code.
pub(super) fn repair(dir: &Path, quick: bool, options: Options, style: Style) -> Result<u8, Error> {
    let verified = verify_and_show(dir, quick, style)?;
    if verified.summary.is_intact() {
        return Ok(0);
    }
    let session = Session::open_verified(&verified, options)?;
    let (interface, events) = Interface::start(style)?;
    let stop = session.stop_handle();
    let mut has_unrepairable = false;
    let run = async {
        let repair = session.repair(&verified, events).await?;
        has_unrepairable = repair.has_unrepairable;
        Ok(repair.run)
    };
    let result = run_session(run, &stop, interface, None)?;
    Ok(match result.exit_code() {
        0 | 3 if has_unrepairable => 1,
        code => code,
    })
}

/// Verifies and shows the events.
fn verify_and_show(dir: &Path, quick: bool, style: Style) -> Result<VerifyOutcome, Error> {
    let (interface, events) = Interface::start(style)?;
    let verified = verify(dir, quick, &events);
    // The interface ends with the summary, or, after an error, when there are no more events.
    drop(events);
    interface.join();
    Ok(verified?)
}
