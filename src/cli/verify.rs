//! `verify`, and `repair`, which begins with the same look and then fetches what was found lost.

use std::path::Path;
use std::sync::mpsc;

use super::error::Error;
use super::runner;
use super::values::shell_quote;
use crate::domain::event::{Emitter, Event, VerifySummary};
use crate::jobs::verify::Finding;
use crate::session::{self, Options, Session, verify_with_events};
use crate::storage::ArchiveScan;
use crate::ui::{self, Style};

/// Looks, and tells what is wrong; the exit code.
pub(super) fn run(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let (counts, _) = verify_and_show(&ArchiveScan::open(dir)?, quick, style)?;
    if counts.damaged + counts.missing > 0 && !style.quiet && !style.json {
        ui::print_hint(&format!("to fetch these again: yescale-dl repair {}", shell_quote(dir)));
    }
    Ok(u8::from(!counts.is_intact()))
}

/// Looks, and fetches again what is lost; the exit code.
pub(super) fn repair(dir: &Path, quick: bool, options: Options, style: Style) -> Result<u8, Error> {
    let survey = ArchiveScan::open(dir)?;
    let (counts, findings) = verify_and_show(&survey, quick, style)?;
    if counts.is_intact() {
        return Ok(0);
    }
    let (requests, is_left) = session::repair_requests(&findings);
    if counts.files == 0 && requests.is_empty() {
        // Not one task is known: whose folder this is, and what was in it, nobody can say.
        return Ok(1);
    }
    let over = runner::run_session(Session::from_scan(&survey, options)?, style, move |sender, emitter, _| {
        emitter.tasks.discovered.add(requests.len() as u64);
        for request in requests {
            if sender.blocking_send(request).is_err() {
                break;
            }
        }
        0
    })?;
    Ok(match over.exit_code() {
        0 | 3 if is_left => 1,
        code => code,
    })
}

/// Verifies with everything shown.
fn verify_and_show(survey: &ArchiveScan, quick: bool, style: Style) -> Result<(VerifySummary, Vec<Finding>), Error> {
    let (events, heard) = mpsc::channel();
    let emitter = Emitter::new(move |event| drop(events.send(event)));
    let (interface, _) = runner::spawn_ui(&emitter, heard, style)?;
    let verified = verify_with_events(survey, quick, &emitter)?;
    emitter.emit(Event::Verified(verified.0.clone()));
    drop(emitter);
    // It ends with the summary.
    let _ = interface.join();
    Ok(verified)
}
